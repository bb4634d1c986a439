package declarative

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/interpreter/sandbox"
)

const operations = `
apiVersion: config.karmada.io/v1alpha1
kind: ResourceInterpreterCustomization
metadata: {name: workloads}
spec:
  target: {apiVersion: example.io/v1, kind: Workload}
  customizations:
    retention:
      luaScript: |
        function Retain(desiredObj, observedObj)
          desiredObj.spec.paused = observedObj.spec.paused
          desiredObj.spec.token = observedObj.spec.token
          return desiredObj
        end
    replicaResource:
      luaScript: |
        local kube = require("kube")
        function GetReplicas(desiredObj)
          return desiredObj.spec.replicas, kube.accuratePodRequirements(desiredObj.spec.template)
        end
    componentResource:
      luaScript: |
        local kube = require("kube")
        function GetComponents(desiredObj)
          local components = {}
          for _, name in ipairs({"leader", "worker"}) do
            table.insert(components, {
              name = name, replicas = desiredObj.spec.replicas,
              replicaRequirements = {resourceRequest = {cpu = kube.resourceAdd("500m", 1, nil), memory = "1Gi"}},
            })
          end
          return components
        end
    replicaRevision:
      luaScript: |
        function ReviseReplica(desiredObj, desiredReplica)
          desiredObj.spec.replicas = desiredReplica
          return desiredObj
        end
    statusReflection:
      luaScript: |
        function ReflectStatus(observedObj)
          if observedObj.status == nil then return nil end
          return {ready = observedObj.status.ready, none = observedObj.status.none, bytes = observedObj.status.bytes}
        end
    statusAggregation:
      luaScript: |
        function AggregateStatus(desiredObj, statusItems)
          if statusItems == nil then return desiredObj end
          desiredObj.status = {ready = 0, clusters = {}}
          for i = 1, #statusItems do
            local status = statusItems[i].status
            if status ~= nil then desiredObj.status.ready = desiredObj.status.ready + status.ready end
            desiredObj.status.clusters[i] = statusItems[i].clusterName
          end
          return desiredObj
        end
    healthInterpretation:
      luaScript: |
        function InterpretHealth(observedObj)
          return observedObj.status.ready == observedObj.spec.replicas
        end
    dependencyInterpretation:
      luaScript: |
        local kube = require("kube")
        function GetDependencies(desiredObj)
          return kube.getPodDependencies(desiredObj.spec.template, desiredObj.metadata.namespace)
        end
`

const object = `
apiVersion: example.io/v1
kind: Workload
metadata: {name: web, namespace: shop, annotations: {}}
spec:
  replicas: 3
  empty: []
  nothing: {}
  template:
    spec:
      serviceAccountName: runner
      containers:
      - name: main
        resources: {requests: {cpu: 250m}}
        envFrom: [{configMapRef: {name: settings}}]
status: {ready: 3, none: [], bytes: 9007199254740993}
`

var workloads = schema.GroupVersionKind{Group: "example.io", Version: "v1", Kind: "Workload"}

func parse(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	parsed := &unstructured.Unstructured{}
	if err := parsed.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return parsed
}

func customization(t testing.TB, text string) *configv1alpha1.ResourceInterpreterCustomization {
	t.Helper()
	parsed := &configv1alpha1.ResourceInterpreterCustomization{}
	if err := yaml.UnmarshalStrict([]byte(text), parsed); err != nil {
		t.Fatal(err)
	}
	return parsed
}

func interpreting(t testing.TB, texts ...string) *Interpreter {
	t.Helper()
	made := New(Defaults())
	for _, text := range texts {
		made.Observe(nil, customization(t, text))
	}
	return made
}

func TestOperations(t *testing.T) {
	ctx, made := t.Context(), interpreting(t, operations)
	web := parse(t, object)
	before := web.DeepCopy()

	replicas, requirements, err := made.Replicas(ctx, web)
	want := &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("250m")}}
	check(t, "replicas", err, int32(3), replicas)
	check(t, "requirements", err, want, requirements)

	components, err := made.Components(ctx, web)
	request := corev1.ResourceList{"cpu": resource.MustParse("1500m"), "memory": resource.MustParse("1Gi")}
	check(t, "components", err, []workv1alpha2.Component{
		{Name: "leader", Replicas: 3, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: request}},
		{Name: "worker", Replicas: 3, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: request}},
	}, components)

	revised, err := made.ReviseReplica(ctx, web, 7)
	check(t, "revised", err, with(web, int64(7), "spec", "replicas"), revised)

	observed := with(with(web, true, "spec", "paused"), int64(9007199254740993), "spec", "token")
	retained, err := made.Retain(ctx, web, observed)
	check(t, "retained", err, observed, retained)

	status, err := made.ReflectStatus(ctx, web)
	check(t, "status", err, `{"bytes":9007199254740993,"none":[],"ready":3}`, string(status.Raw))

	items := []workv1alpha2.AggregatedStatusItem{
		{ClusterName: "one", Status: &runtime.RawExtension{Raw: []byte(`{"ready":1}`)}}, {ClusterName: "two", Applied: true},
	}
	aggregated, err := made.AggregateStatus(ctx, web, items)
	check(t, "aggregated", err, with(web, map[string]any{"ready": int64(1), "clusters": []any{"one", "two"}}, "status"), aggregated)
	aggregated, err = made.AggregateStatus(ctx, web, nil)
	check(t, "aggregated from nothing", err, web, aggregated)

	healthy, err := made.Health(ctx, web)
	check(t, "health", err, true, healthy)

	dependencies, err := made.Dependencies(ctx, web)
	check(t, "dependencies", err, []configv1alpha1.DependentObjectReference{
		{APIVersion: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "settings"},
		{APIVersion: "v1", Kind: "ServiceAccount", Namespace: "shop", Name: "runner"},
	}, dependencies)

	if diff := cmp.Diff(before, web); diff != "" {
		t.Errorf("the object was changed (-before +after):\n%s", diff)
	}
}

func check(t *testing.T, what string, err error, want, got any) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func with(object *unstructured.Unstructured, value any, path ...string) *unstructured.Unstructured {
	changed := object.DeepCopy()
	if err := unstructured.SetNestedField(changed.Object, value, path...); err != nil {
		panic(err)
	}
	return changed
}

// replicas is a customization of one operation.
func replicas(name, body string) string {
	return `
metadata: {name: ` + name + `}
spec:
  target: {apiVersion: example.io/v1, kind: Workload}
  customizations:
    replicaResource:
      luaScript: |
        function GetReplicas(desiredObj)
          ` + body + `
        end
`
}

func TestFirstNameWins(t *testing.T) {
	made := interpreting(t, replicas("b", "return 2"), replicas("a", "return 1"), replicas("c", "return 3"))
	answer := func() int32 {
		got, _, err := made.Replicas(t.Context(), parse(t, object))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := answer(); got != 1 {
		t.Errorf("customization %d answered, want the first", got)
	}
	made.Observe(customization(t, replicas("a", "return 1")), nil)
	if got := answer(); got != 2 {
		t.Errorf("customization %d answered after the first was removed, want the second", got)
	}
	made.Observe(customization(t, replicas("b", "return 2")), customization(t, replicas("b", "return 20")))
	if got := answer(); got != 20 {
		t.Errorf("%d was answered after a change, want 20", got)
	}
}

func TestDependenciesAddUp(t *testing.T) {
	dependencies := func(name string, secrets string) string {
		return `
metadata: {name: ` + name + `}
spec:
  target: {apiVersion: example.io/v1, kind: Workload}
  customizations:
    dependencyInterpretation:
      luaScript: |
        function GetDependencies(desiredObj)
          local found = {}
          for name in string.gmatch("` + secrets + `", "%a+") do
            found[#found + 1] = {apiVersion = "v1", kind = "Secret", namespace = "shop", name = name}
          end
          return found
        end
`
	}
	made := interpreting(t, dependencies("b", "x y"), dependencies("a", "z y"), dependencies("c", ""))
	found, err := made.Dependencies(t.Context(), parse(t, object))
	var names []string
	for _, reference := range found {
		names = append(names, reference.Name)
	}
	check(t, "dependencies", err, []string{"x", "y", "z"}, names)
}

func TestUnsupported(t *testing.T) {
	made := interpreting(t, replicas("a", "return 1"))
	if !made.Supports(workloads, configv1alpha1.InterpreterOperationInterpretReplica) {
		t.Error("GetReplicas is not supported")
	}
	if made.Supports(workloads, configv1alpha1.InterpreterOperationInterpretHealth) {
		t.Error("InterpretHealth is supported without a script")
	}
	if _, err := made.Health(t.Context(), parse(t, object)); !interpreter.IsUnsupported(err) {
		t.Errorf("error %v, want unsupported", err)
	}
	if _, err := made.Dependencies(t.Context(), parse(t, object)); !interpreter.IsUnsupported(err) {
		t.Errorf("error %v, want unsupported", err)
	}
	made.Observe(nil, &configv1alpha1.ResourceInterpreterWebhookConfiguration{})
	if diff := cmp.Diff([]schema.GroupVersionKind{workloads}, made.Kinds()); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

// TestBadScripts says of every fault which customization, operation, object and line it is about.
func TestBadScripts(t *testing.T) {
	const place = "customization bad: InterpretReplica of Workload shop/web: "
	for _, test := range []struct{ name, body, want string }{
		{"syntax", "return (", place + `bad/replicaResource:3: syntax error near "end"`},
		{"nil", "return desiredObj.spec.missing.field", place + "bad/replicaResource:2: attempt to index a non-table object(nil) with key 'field'"},
		{"raised", `error("no such workload")`, place + "bad/replicaResource:2: no such workload"},
		{"endless", "while true do end", place + "bad/replicaResource:2: the script was stopped: it uses more than 2002800 instructions"},
		{"exploding", `local s = "x" while true do s = s .. s end`, place + "bad/replicaResource:2: a string of 2097152 bytes; at most 1048576 are allowed"},
		{"text", `return "3"`, place + "the answer of GetReplicas: replicas: a number was expected, not a string"},
		{"nothing", `return`, place + "the answer of GetReplicas: replicas: a number was expected, not a nil"},
		{"too many", `return 2^40`, place + "the answer of GetReplicas: replicas: 1.099511627776e+12 is no number of replicas"},
		{"not a number", `return 0/0`, place + "the answer of GetReplicas: replicas: NaN is no number of replicas"},
		{"requirements", `return 1, 2`, place + "the answer of GetReplicas: requirements: a table was expected, not a number"},
		{"quantity", `return 1, {resourceRequest = {cpu = "much"}}`, place + "the answer of GetReplicas: requirements: "},
		{"long amount", `return require("kube").getResourceQuantity(("1"):rep(1000000))`, place + `bad/replicaResource:2: getResourceQuantity: ` + strings.Repeat("1", 64) + ` must be an amount`},
		{"amount of many digits", `return require("kube").resourceAdd("1", "1e-999999999")`, place + `bad/replicaResource:2: resourceAdd: argument 2: 1e-999999999 must be an amount`},
		{"large amount", `return require("kube").resourceAdd("1n", "1E+999999999")`, place + `bad/replicaResource:2: resourceAdd: argument 2: 1E+999999999 must be an amount`},
		{"amount of a container", `return 1, require("kube").accuratePodRequirements({spec = {containers = {{resources = {Limits = {cpu = "1e-999999999"}}}}}})`, place + `bad/replicaResource:2: accuratePodRequirements: reading the pod template: 1e-999999999 must be an amount`},
		{"amount required", `return 1, {resourceRequest = {cpu = "1e-999999999"}}`, place + `the answer of GetReplicas: requirements: 1e-999999999 must be an amount`},
		{"library", `return require("kube").resourceAdd("much")`, place + `bad/replicaResource:2: resourceAdd: argument 1: much must be an amount`},
		{"template", `return 1, require("kube").accuratePodRequirements(nil)`, place + `bad/replicaResource:2: accuratePodRequirements: a pod template is needed`},
	} {
		t.Run(test.name, func(t *testing.T) {
			made := interpreting(t, replicas("bad", test.body))
			_, _, err := made.Replicas(t.Context(), parse(t, object))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error\n\t%v\nwant\n\t%s", err, test.want)
			}
			var limit *sandbox.LimitError
			if stopped := errors.As(err, &limit); stopped != (test.name == "endless") {
				t.Errorf("stopped at a limit: %t", stopped)
			}
		})
	}
}

func TestAnswersOfOtherShape(t *testing.T) {
	for _, test := range []struct{ field, script, want string }{
		{"retention", "function Retain(d, o) return o.spec end", "the object was expected, with its kind and name"},
		{"retention", "function Retain(d, o) return {1, 2} end", "an object was expected, not a list"},
		{"replicaRevision", "function ReviseReplica(o, n) end", "a table was expected, not a nil"},
		{"statusReflection", "function ReflectStatus(o) return 3 end", "a table was expected, not a number"},
		{"statusAggregation", "function AggregateStatus(o, items) o.metadata.name = 'x' return o end", "the object was expected"},
		{"healthInterpretation", "function InterpretHealth(o) return 'yes' end", "true or false was expected, not a string"},
		{"dependencyInterpretation", "function GetDependencies(o) return {a = 1} end", "a list was expected, not an object"},
		{"dependencyInterpretation", "function GetDependencies(o) end", "a table was expected, not a nil"},
		{"componentResource", "function GetComponents(o) return {{name = 'a'}, {name = 'a'}} end", "each component needs a name of its own"},
		{"componentResource", "function GetComponents(o) return {{replicas = 1}} end", "each component needs a name of its own"},
	} {
		made := interpreting(t, `
metadata: {name: bad}
spec:
  target: {apiVersion: example.io/v1, kind: Workload}
  customizations:
    `+test.field+`: {luaScript: "`+test.script+`"}
`)
		ctx, web := t.Context(), parse(t, object)
		err := errors.Join(
			second(made.Retain(ctx, web, web)), second(made.ReviseReplica(ctx, web, 1)), second(made.ReflectStatus(ctx, web)),
			second(made.AggregateStatus(ctx, web, nil)), second(made.Health(ctx, web)), second(made.Dependencies(ctx, web)),
			second(made.Components(ctx, web)),
		)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.script, err, test.want)
		}
	}
}

// second leaves out answers of interpreters without the operation.
func second[T any](_ T, err error) error {
	if interpreter.IsUnsupported(err) {
		return nil
	}
	return err
}

func TestValidate(t *testing.T) {
	bad := customization(t, operations)
	bad.Spec.Customizations.Retention.LuaScript = "function Retain("
	bad.Spec.Customizations.HealthInterpretation.LuaScript = "function Health() end"
	var faults []string
	for _, fault := range Validate(bad) {
		faults = append(faults, fault.Error())
	}
	if diff := cmp.Diff([]string{
		"spec.customizations.retention.luaScript: Invalid value: workloads/retention: the script ends too early: an \"end\", a bracket or a quote is missing",
		"spec.customizations.healthInterpretation.luaScript: Invalid value: must define the function InterpretHealth",
	}, faults); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if faults := Validate(customization(t, operations)); len(faults) > 0 {
		t.Errorf("a good customization has faults: %v", faults)
	}
}

// FuzzCustomization must answer or fail, and not panic, whatever a user writes.
func FuzzCustomization(f *testing.F) {
	f.Add("return desiredObj.spec.replicas, {resourceRequest = {cpu = 1}}")
	f.Add("return 1, require('kube').accuratePodRequirements({spec = {containers = {{resources = {limits = {cpu = '1'}}}}}})")
	f.Add("return require('kube').getResourceQuantity(-0)")
	f.Add("return 1, {nodeClaim = {tolerations = {{key = 1}}}}")
	web := parse(f, object)
	f.Fuzz(func(_ *testing.T, body string) {
		made := New(Options{Limits: sandbox.Limits{Instructions: 100_000, Bytes: 1 << 20}})
		made.Observe(nil, &configv1alpha1.ResourceInterpreterCustomization{
			ObjectMeta: metav1.ObjectMeta{Name: "fuzz"},
			Spec: configv1alpha1.ResourceInterpreterCustomizationSpec{
				Target: configv1alpha1.CustomizationTarget{APIVersion: "example.io/v1", Kind: "Workload"},
				Customizations: configv1alpha1.CustomizationRules{
					ReplicaResource: &configv1alpha1.ReplicaResourceRequirement{LuaScript: "function GetReplicas(desiredObj)\n" + body + "\nend"},
				},
			},
		})
		_, _, _ = made.Replicas(context.Background(), web)
	})
}

func BenchmarkReplicas(b *testing.B) {
	made, web := interpreting(b, operations), parse(b, object)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := made.Replicas(context.Background(), web); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReflectStatus(b *testing.B) {
	made, web := interpreting(b, operations), parse(b, object)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := made.ReflectStatus(context.Background(), web); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAggregateStatus sums up the reports of a thousand clusters.
func BenchmarkAggregateStatus(b *testing.B) {
	made, web := interpreting(b, operations), parse(b, object)
	items := make([]workv1alpha2.AggregatedStatusItem, 1000)
	for i := range items {
		items[i] = workv1alpha2.AggregatedStatusItem{ClusterName: "member", Status: &runtime.RawExtension{Raw: []byte(`{"ready":1}`)}}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := made.AggregateStatus(context.Background(), web, items); err != nil {
			b.Fatal(err)
		}
	}
}

// TestConcurrency asks from several sides while customizations come and go; the race detector judges.
func TestConcurrency(t *testing.T) {
	made := interpreting(t, operations)
	for range 4 {
		t.Run("ask", func(t *testing.T) {
			t.Parallel()
			for range 50 {
				web := parse(t, object)
				if _, _, err := made.Replicas(t.Context(), web); err != nil {
					t.Error(err)
				}
				if _, err := made.ReflectStatus(t.Context(), web); err != nil {
					t.Error(err)
				}
			}
		})
		t.Run("change", func(t *testing.T) {
			t.Parallel()
			for range 50 {
				made.Observe(nil, customization(t, replicas("z", "return 1")))
				made.Observe(customization(t, replicas("z", "return 1")), nil)
			}
		})
	}
}
