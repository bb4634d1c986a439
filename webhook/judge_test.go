package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/seatrial/seatrial/api/admission"
	"github.com/seatrial/seatrial/api/crds"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// fakePlane stores the objects, given as YAML.
func fakePlane(t testing.TB, stored ...string) client.Client {
	t.Helper()
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(kinds).WithStatusSubresource(&policyv1alpha1.FederatedResourceQuota{})
	for _, text := range stored {
		builder.WithObjects(&unstructured.Unstructured{Object: decoded(t, text)})
	}
	return builder.Build()
}

func decoded(t testing.TB, text string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return object
}

func rulesFor(plane client.Client) Rules {
	return Rules{Plane: plane, IDs: func() string { return "fresh-id" }}
}

func raw(t testing.TB, text string) runtime.RawExtension {
	t.Helper()
	if text == "" {
		return runtime.RawExtension{}
	}
	encoded, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return runtime.RawExtension{Raw: encoded}
}

// post sends a body as an API server does.
func post(handlers map[string]http.Handler, path string, body []byte) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	response := httptest.NewRecorder()
	handlers[path].ServeHTTP(response, request)
	return response
}

// review asks for a judgement. Without an operation it is about a new object, or about an update where there is an old one.
func review(t testing.TB, rules Rules, path string, request admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	t.Helper()
	if request.Operation == "" {
		request.Operation = admissionv1.Create
		if len(request.OldObject.Raw) > 0 {
			request.Operation = admissionv1.Update
		}
	}
	request.UID = "asked"
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: &request,
	})
	if err != nil {
		t.Fatal(err)
	}
	response := post(Handlers(rules), path, body)
	answered := &admissionv1.AdmissionReview{}
	if err := json.Unmarshal(response.Body.Bytes(), answered); err != nil {
		t.Fatalf("%s: %v: %s", path, err, response.Body)
	}
	if answered.Response == nil || answered.Response.UID != "asked" || answered.Kind != "AdmissionReview" {
		t.Fatalf("%s answered %s", path, response.Body)
	}
	return answered.Response
}

const (
	anyPolicy = `{apiVersion: policy.karmada.io/v1alpha1, kind: PropagationPolicy, metadata: {namespace: shop, name: p, labels: {propagationpolicy.karmada.io/permanent-id: own}},
  spec: {fromTheFuture: true, resourceSelectors: [{apiVersion: v1, kind: Secret, hue: red}]}}`
	clusterPolicy = `{apiVersion: policy.karmada.io/v1alpha1, kind: ClusterPropagationPolicy, metadata: {name: p},
  spec: {placement: {replicaScheduling: {replicaSchedulingType: Divided}, spreadConstraints: [{maxGroups: 2}]}}}`
	overridePolicy = `{apiVersion: policy.karmada.io/v1alpha1, kind: OverridePolicy, metadata: {namespace: shop, name: p},
  spec: {resourceSelectors: [{apiVersion: v1, kind: Secret}]}}`
	resourceBinding = `{apiVersion: work.karmada.io/v1alpha2, kind: ResourceBinding, metadata: {namespace: shop, name: b},
  spec: {resource: {apiVersion: v1, kind: Secret}}}`
	oldBinding = `{apiVersion: work.karmada.io/v1alpha1, kind: ResourceBinding, metadata: {namespace: shop, name: b},
  spec: {resource: {apiVersion: v1, kind: Secret}, clusters: [{name: m1, replicas: 2}]}}`
	clusterBinding = `{apiVersion: work.karmada.io/v1alpha2, kind: ClusterResourceBinding, metadata: {name: b}, spec: {resource: {apiVersion: v1, kind: Namespace}}}`
	work           = `{apiVersion: work.karmada.io/v1alpha1, kind: Work, metadata: {namespace: karmada-es-m1, name: w},
  spec: {workload: {manifests: [{apiVersion: v1, kind: ConfigMap, metadata: {name: c, uid: u, resourceVersion: "7"}, data: {large: "9"}, huge: 9007199254740993}]}}}`
	manifestless = `{apiVersion: work.karmada.io/v1alpha1, kind: Work, metadata: {namespace: karmada-es-m1, name: w}, spec: {workload: {manifests: [7]}}}`
	scaler       = `{apiVersion: autoscaling.karmada.io/v1alpha1, kind: FederatedHPA, metadata: {namespace: shop, name: h},
  spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}}`
	service = `{apiVersion: networking.karmada.io/v1alpha1, kind: MultiClusterService, metadata: {namespace: shop, name: s}, spec: {types: [CrossCluster]}}`
)

func TestComplete(t *testing.T) {
	for _, c := range []struct {
		path, object, old string
		// want are expressions over the completed object, "a.b=value".
		want []string
	}{
		{"/mutate-propagationpolicy", anyPolicy, "", []string{
			"metadata.labels.propagationpolicy\\.karmada\\.io/permanent-id=fresh-id", "metadata.finalizers=[karmada.io/propagation-policy-controller]",
			"spec.fromTheFuture=true", "spec.resourceSelectors=[map[apiVersion:v1 hue:red kind:Secret namespace:shop]]", "spec.placement=<nil>", "status=<nil>",
		}},
		{"/mutate-propagationpolicy", anyPolicy, anyPolicy, []string{
			"metadata.labels.propagationpolicy\\.karmada\\.io/permanent-id=own", "metadata.finalizers=<nil>",
		}},
		{"/mutate-clusterpropagationpolicy", clusterPolicy, "", []string{
			"metadata.labels.clusterpropagationpolicy\\.karmada\\.io/permanent-id=fresh-id", "spec.placement.replicaScheduling.replicaDivisionPreference=Weighted",
			"spec.placement.spreadConstraints=[map[maxGroups:2 minGroups:1 spreadByField:cluster]]",
		}},
		{"/mutate-overridepolicy", overridePolicy, "", []string{"spec.resourceSelectors=[map[apiVersion:v1 kind:Secret namespace:shop]]"}},
		{"/mutate-resourcebinding", resourceBinding, "", []string{"metadata.labels.resourcebinding\\.karmada\\.io/permanent-id=fresh-id"}},
		{"/mutate-resourcebinding", oldBinding, "", []string{
			"metadata.labels.resourcebinding\\.karmada\\.io/permanent-id=fresh-id", "apiVersion=work.karmada.io/v1alpha1", "spec.clusters=[map[name:m1 replicas:2]]",
		}},
		{"/mutate-resourcebinding", resourceBinding, resourceBinding, []string{"metadata.labels=<nil>"}},
		{"/mutate-clusterresourcebinding", clusterBinding, "", []string{"metadata.labels.clusterresourcebinding\\.karmada\\.io/permanent-id=fresh-id"}},
		{"/mutate-work", work, work, []string{
			"metadata.labels.work\\.karmada\\.io/permanent-id=fresh-id",
			"spec.workload.manifests.0.metadata.uid=<nil>", "spec.workload.manifests.0.metadata.labels.work\\.karmada\\.io/permanent-id=fresh-id",
			"spec.workload.manifests.0.huge=9007199254740993", "status=<nil>",
		}},
		{"/mutate-federatedhpa", scaler, "", []string{"spec.minReplicas=1", "spec.metrics.0.resource.target.averageUtilization=80"}},
		{"/mutate-multiclusterservice", service, "", []string{"metadata.labels.multiclusterservice\\.karmada\\.io/permanent-id=fresh-id"}},
	} {
		response := review(t, rulesFor(fakePlane(t)), c.path, admissionv1.AdmissionRequest{Object: raw(t, c.object), OldObject: raw(t, c.old)})
		if !response.Allowed {
			t.Errorf("%s: %v", c.path, response.Result)
			continue
		}
		completed := raw(t, c.object).Raw
		if len(response.Patch) > 0 {
			patch, err := jsonpatch.DecodePatch(response.Patch)
			if err == nil {
				completed, err = patch.Apply(completed)
			}
			if err != nil || *response.PatchType != admissionv1.PatchTypeJSONPatch {
				t.Fatalf("%s: patch %s: %v", c.path, response.Patch, err)
			}
		}
		for _, want := range c.want {
			at, wanted, _ := strings.Cut(want, "=")
			if got := fmt.Sprint(found(value(t, string(completed)), at)); got != wanted {
				t.Errorf("%s: %s is %s, want %s", c.path, at, got, wanted)
			}
		}
	}
}

// found follows a path of names and indexes; dots in names are escaped.
func found(from any, path string) any {
	for step := range strings.SplitSeq(strings.ReplaceAll(path, `\.`, "\x00"), ".") {
		switch here := from.(type) {
		case map[string]any:
			from = here[strings.ReplaceAll(step, "\x00", ".")]
		case []any:
			var n int
			if _, err := fmt.Sscan(step, &n); err != nil || n >= len(here) {
				return nil
			}
			from = here[n]
		default:
			return nil
		}
	}
	return from
}

func TestValidate(t *testing.T) {
	identified := func(policy, value string) string {
		return strings.Replace(policy, "name: p}", "name: p, labels: {clusterpropagationpolicy.karmada.io/permanent-id: "+value+"}}", 1)
	}
	customization := func(name, script string) string {
		return `{apiVersion: config.karmada.io/v1alpha1, kind: ResourceInterpreterCustomization, metadata: {name: ` + name + `},
  spec: {target: {apiVersion: v1, kind: Boat}, customizations: {retention: {luaScript: "` + script + `"}}}}`
	}
	const (
		policies = "{apiVersion: policy.karmada.io/v1alpha1, kind: "
		networks = "{apiVersion: networking.karmada.io/v1alpha1, kind: "
		fine     = "function Retain(d, o) return d end"
	)
	for _, c := range []struct {
		path, object, old string
		// says is in the refusal; empty for what is let through.
		says string
	}{
		{"/validate-propagationpolicy", anyPolicy, "", `spec.resourceSelectors[0].namespace`},
		{"/validate-propagationpolicy", strings.Replace(anyPolicy, "hue: red", "namespace: shop", 1), "", ""},
		{"/validate-propagationpolicy", strings.Replace(anyPolicy, "name: p,", `name: p, deletionTimestamp: "2026-01-01T00:00:00Z",`, 1), anyPolicy, ""},
		{"/validate-clusterpropagationpolicy", clusterPolicy, "", "metadata.labels[clusterpropagationpolicy.karmada.io/permanent-id]: Required"},
		{"/validate-clusterpropagationpolicy", identified(clusterPolicy, "a"), identified(clusterPolicy, "b"), "must not change"},
		{"/validate-clusterpropagationpolicy", identified(clusterPolicy, "a"), clusterPolicy, ""},
		{"/validate-overridepolicy", overridePolicy, "", "spec.resourceSelectors[0].namespace"},
		{"/validate-clusteroverridepolicy", policies + "ClusterOverridePolicy, metadata: {name: p}, spec: {overrideRules: [{targetCluster: {fieldSelector: {matchExpressions: [{key: moon, operator: In, values: [x]}]}}}]}}", "", "moon"},
		{"/validate-federatedresourcequota", policies + "FederatedResourceQuota, metadata: {namespace: shop, name: q}, spec: {overall: {cpu: 1}, staticAssignments: [{clusterName: m1, hard: {cpu: 2}}]}}", "", "spec.overall[cpu]"},
		{"/validate-clustertaintpolicy", policies + "ClusterTaintPolicy, metadata: {name: p}, spec: {taints: [{key: a, effect: NoExecute}]}}", "", "spec.taints[0].effect"},
		{"/validate-resourcebinding", strings.Replace(resourceBinding, "name: b", "name: b, annotations: {resourcebinding.karmada.io/dependencies: x}", 1), "", "metadata.annotations[resourcebinding.karmada.io/dependencies]"},
		{"/validate-resourcebinding", resourceBinding, "", ""},
		{"/validate-resourcebinding", oldBinding, oldBinding, ""},
		{"/validate-federatedhpa", strings.Replace(scaler, "maxReplicas: 3", "maxReplicas: 0", 1), "", "spec.maxReplicas"},
		{"/validate-cronfederatedhpa", "{apiVersion: autoscaling.karmada.io/v1alpha1, kind: CronFederatedHPA, metadata: {namespace: shop, name: c}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, rules: [{name: r, schedule: never, targetReplicas: 1}]}}", "", "spec.rules[0].schedule"},
		{"/validate-multiclusterservice", service, strings.Replace(service, "CrossCluster", "LoadBalancer", 1), "spec.types"},
		{"/validate-multiclusteringress", networks + "MultiClusterIngress, metadata: {namespace: shop, name: i}}", "", "spec.rules"},
		{"/validate-resourceinterpretercustomization", customization("next", "function ("), "", "spec.customizations.retention.luaScript"},
		{"/validate-resourceinterpretercustomization", customization("next", fine), "", "boats defines it for v1 Boat already"},
		{"/validate-resourceinterpretercustomization", customization("boats", fine), "", ""},
		{"/validate-resourceinterpreterwebhookconfiguration", "{apiVersion: config.karmada.io/v1alpha1, kind: ResourceInterpreterWebhookConfiguration, metadata: {name: w}, webhooks: [{name: w}]}", "", "webhooks[0].name"},
	} {
		rules := rulesFor(fakePlane(t, customization("boats", fine)))
		response := review(t, rules, c.path, admissionv1.AdmissionRequest{Object: raw(t, c.object), OldObject: raw(t, c.old)})
		if response.Allowed != (c.says == "") {
			t.Errorf("%s: allowed %t: %v", c.path, response.Allowed, response.Result)
		}
		if c.says != "" && (!strings.Contains(response.Result.Message, c.says) || response.Result.Reason != metav1.StatusReasonInvalid) {
			t.Errorf("%s: %s: %q, want Invalid: %q", c.path, response.Result.Reason, response.Result.Message, c.says)
		}
	}
}

func TestQuotasAreCharged(t *testing.T) {
	binding := func(replicas int) string {
		return fmt.Sprintf(`{apiVersion: work.karmada.io/v1alpha2, kind: ResourceBinding, metadata: {namespace: shop, name: b},
  spec: {resource: {apiVersion: apps/v1, kind: Deployment}, replicaRequirements: {resourceRequest: {cpu: "1"}}, clusters: [{name: m1, replicas: %d}]}}`, replicas)
	}
	plane := fakePlane(t, `{apiVersion: policy.karmada.io/v1alpha1, kind: FederatedResourceQuota, metadata: {namespace: shop, name: q, uid: u},
  spec: {overall: {cpu: "5"}}, status: {overallUsed: {cpu: "0"}}}`)
	rules := rulesFor(plane)
	ask := func(old, object string, dryRun bool) *admissionv1.AdmissionResponse {
		return review(t, rules, "/validate-resourcebinding", admissionv1.AdmissionRequest{
			Object: raw(t, object), OldObject: raw(t, old), DryRun: ptr.To(dryRun),
		})
	}
	used := func() string {
		quota := &policyv1alpha1.FederatedResourceQuota{}
		if err := plane.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "q"}, quota); err != nil {
			t.Fatal(err)
		}
		return quota.Status.OverallUsed.Cpu().String()
	}
	expect := func(when string, response *admissionv1.AdmissionResponse, allowed bool, use string) {
		t.Helper()
		if response.Allowed != allowed || used() != use {
			t.Errorf("%s: allowed %t, %s used: %v", when, response.Allowed, used(), response.Result)
		}
		if !allowed && (response.Result.Reason != "QuotaExceeded" || response.Result.Code != http.StatusForbidden) {
			t.Errorf("%s: refused with %v", when, response.Result)
		}
	}
	expect("gate off", ask("", binding(9), false), true, "0")
	rules.EnforceQuotas = true
	expect("dry run", ask("", binding(3), true), true, "0")
	expect("new", ask("", binding(3), false), true, "3")
	expect("more", ask(binding(3), binding(5), false), true, "5")
	expect("too many", ask(binding(5), binding(6), false), false, "5")
	expect("too many as a dry run", ask(binding(5), binding(6), true), false, "5")
	expect("fewer", ask(binding(5), binding(1), false), true, "1")
}

func TestProtect(t *testing.T) {
	ask := func(operation admissionv1.Operation, object string) *admissionv1.AdmissionResponse {
		return review(t, rulesFor(fakePlane(t)), protectionPath, admissionv1.AdmissionRequest{Operation: operation, OldObject: raw(t, object)})
	}
	const guarded = "{apiVersion: example.com/v1, kind: Unheard, metadata: {name: x, labels: {resourcetemplate.karmada.io/deletion-protected: Always}}}"
	if response := ask(admissionv1.Delete, guarded); response.Allowed || response.Result.Code != http.StatusForbidden ||
		!strings.Contains(response.Result.Message, "remove the label") {
		t.Errorf("protected: %v", response)
	}
	if response := ask(admissionv1.Delete, strings.Replace(guarded, "Always", "Never", 1)); !response.Allowed {
		t.Errorf("not protected: %v", response.Result)
	}
	for name, response := range map[string]*admissionv1.AdmissionResponse{
		"no object": ask(admissionv1.Delete, ""), "no deletion": ask(admissionv1.Update, guarded),
	} {
		if response.Allowed || response.Result.Code != http.StatusBadRequest {
			t.Errorf("%s: %v", name, response)
		}
	}
}

func TestConvert(t *testing.T) {
	handlers := Handlers(rulesFor(fakePlane(t)))
	ask := func(version string, objects ...string) *apiextensionsv1.ConversionResponse {
		t.Helper()
		request := &apiextensionsv1.ConversionRequest{UID: "asked", DesiredAPIVersion: "work.karmada.io/" + version}
		for _, object := range objects {
			request.Objects = append(request.Objects, raw(t, object))
		}
		body, err := json.Marshal(apiextensionsv1.ConversionReview{Request: request})
		if err != nil {
			t.Fatal(err)
		}
		answered := &apiextensionsv1.ConversionReview{}
		if err := json.Unmarshal(post(handlers, crds.ConversionPath, body).Body.Bytes(), answered); err != nil || answered.Response == nil {
			t.Fatalf("answer %v, %v", answered, err)
		}
		return answered.Response
	}
	up := ask("v1alpha2", oldBinding, strings.Replace(oldBinding, "m1, replicas: 2", "m2", 1))
	if up.UID != "asked" || up.Result.Status != metav1.StatusSuccess || len(up.ConvertedObjects) != 2 {
		t.Fatalf("to v1alpha2: %v", up)
	}
	converted := value(t, string(up.ConvertedObjects[0].Raw))
	if found(converted, "apiVersion") != "work.karmada.io/v1alpha2" || found(converted, "spec.clusters.0.name") != "m1" || found(converted, "metadata.name") != "b" {
		t.Errorf("to v1alpha2: %v", converted)
	}
	down := ask("v1alpha1", string(up.ConvertedObjects[0].Raw), clusterBinding)
	if down.Result.Status != metav1.StatusSuccess || found(value(t, string(down.ConvertedObjects[0].Raw)), "spec.clusters.0.replicas") != int64(2) ||
		found(value(t, string(down.ConvertedObjects[1].Raw)), "kind") != "ClusterResourceBinding" {
		t.Errorf("to v1alpha1: %v", down)
	}
	for name, response := range map[string]*apiextensionsv1.ConversionResponse{
		"unknown version": ask("v9", oldBinding), "another kind": ask("v1alpha1", work), "no object": ask("v1alpha1", "{}"),
	} {
		if response.Result.Status != metav1.StatusFailure || response.Result.Message == "" || response.UID != "asked" {
			t.Errorf("%s: %v", name, response)
		}
	}
	request := httptest.NewRequest(http.MethodPost, crds.ConversionPath, strings.NewReader(""))
	request.ContentLength = maxConversion + 1
	response := httptest.NewRecorder()
	handlers[crds.ConversionPath].ServeHTTP(response, request)
	if response.Code != http.StatusRequestEntityTooLarge || !strings.Contains(response.Body.String(), "larger") {
		t.Errorf("too large: %d %s", response.Code, response.Body)
	}
}

// TestUnfitReviews: what cannot be judged is refused, and the answer says why.
func TestUnfitReviews(t *testing.T) {
	for _, c := range []struct {
		name, path string
		request    admissionv1.AdmissionRequest
		says       string
	}{
		{"no object", "/mutate-work", admissionv1.AdmissionRequest{}, "has no object"},
		{"a deletion", "/validate-propagationpolicy", admissionv1.AdmissionRequest{Operation: admissionv1.Delete, OldObject: raw(t, anyPolicy)}, "has no object"},
		{"another kind", "/mutate-work", admissionv1.AdmissionRequest{Object: raw(t, anyPolicy)}, "PropagationPolicy.policy.karmada.io, and this path judges Work.work.karmada.io"},
		{"another old kind", "/validate-resourcebinding", admissionv1.AdmissionRequest{Object: raw(t, resourceBinding), OldObject: raw(t, work)}, "judges ResourceBinding"},
		{"an update without the old", "/validate-resourcebinding", admissionv1.AdmissionRequest{Operation: admissionv1.Update, Object: raw(t, resourceBinding)}, "decoding"},
		{"an unknown kind", "/mutate-work", admissionv1.AdmissionRequest{Object: raw(t, "{apiVersion: v9, kind: Moon}")}, "Moon"},
		{"a wrong type", "/mutate-work", admissionv1.AdmissionRequest{Object: raw(t, "{apiVersion: work.karmada.io/v1alpha1, kind: Work, spec: 7}")}, "decoding"},
		{"a manifest that is none", "/mutate-work", admissionv1.AdmissionRequest{Object: raw(t, manifestless)}, "manifest 0 of work karmada-es-m1/w"},
	} {
		response := review(t, rulesFor(fakePlane(t)), c.path, c.request)
		if response.Allowed || response.Result.Code < 400 || !strings.Contains(response.Result.Message, c.says) {
			t.Errorf("%s: %v, want %q", c.name, response, c.says)
		}
	}
	handlers := Handlers(rulesFor(fakePlane(t)))
	for name, body := range map[string][]byte{
		"empty": {}, "no JSON": []byte("{"), "another review": []byte(`{"apiVersion":"v1","kind":"Pod"}`), "too large": bytes.Repeat([]byte(" "), 8<<20),
	} {
		answered := &admissionv1.AdmissionReview{}
		response := post(handlers, "/mutate-work", body)
		if err := json.Unmarshal(response.Body.Bytes(), answered); err != nil || answered.Response == nil || answered.Response.Allowed || answered.Response.Result.Message == "" {
			t.Errorf("%s: %v %s", name, err, response.Body)
		}
	}
	lost := httptest.NewRecorder()
	nothing(lost, httptest.NewRequest(http.MethodPost, "/mutate-moon", nil))
	if lost.Code != http.StatusNotFound || !strings.Contains(lost.Body.String(), "/mutate-moon") {
		t.Errorf("an unknown path: %d %s", lost.Code, lost.Body)
	}
}

// BenchmarkWork is the review of a Work that lacks nothing, as controllers write them.
func BenchmarkWork(b *testing.B) {
	rules := rulesFor(fakePlane(b))
	const deployment = `{apiVersion: apps/v1, kind: Deployment, metadata: {namespace: shop, name: web}, spec: {replicas: 3, selector: {matchLabels: {app: web}},
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:1", ports: [{containerPort: 80}], resources: {requests: {cpu: 100m, memory: 64Mi}}}]}}}}`
	made := &workv1alpha1.Work{TypeMeta: metav1.TypeMeta{APIVersion: "work.karmada.io/v1alpha1", Kind: "Work"}}
	made.Spec.Workload.Manifests = []workv1alpha1.Manifest{{RawExtension: raw(b, deployment)}}
	if err := admission.DefaultWork(made, rules.IDs); err != nil {
		b.Fatal(err)
	}
	object, err := json.Marshal(made)
	if err != nil {
		b.Fatal(err)
	}
	request := &admissionv1.AdmissionRequest{UID: "asked", Operation: admissionv1.Update, Object: runtime.RawExtension{Raw: object}, OldObject: runtime.RawExtension{Raw: object}}
	body, err := json.Marshal(admissionv1.AdmissionReview{TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: request})
	if err != nil {
		b.Fatal(err)
	}
	handlers := Handlers(rules)
	for b.Loop() {
		if response := post(handlers, "/mutate-work", body); !strings.Contains(response.Body.String(), `"allowed":true`) || strings.Contains(response.Body.String(), "patch") {
			b.Fatal(response.Body)
		}
	}
}

// TestEveryPathOfTheReference: an installation's own configurations may name any of them.
func TestEveryPathOfTheReference(t *testing.T) {
	want := strings.Fields(`/convert /mutate-clusterpropagationpolicy /mutate-clusterresourcebinding /mutate-federatedhpa /mutate-multiclusterservice
		/mutate-overridepolicy /mutate-propagationpolicy /mutate-resourcebinding /mutate-work /validate-clusteroverridepolicy
		/validate-clusterpropagationpolicy /validate-clustertaintpolicy /validate-cronfederatedhpa /validate-federatedhpa
		/validate-federatedresourcequota /validate-multiclusteringress /validate-multiclusterservice /validate-overridepolicy
		/validate-propagationpolicy /validate-resourcebinding /validate-resourcedeletionprotection /validate-resourceinterpretercustomization
		/validate-resourceinterpreterwebhookconfiguration`)
	var served []string
	for path := range Handlers(rulesFor(fakePlane(t))) {
		served = append(served, path)
	}
	if slices.Sort(served); !slices.Equal(served, want) {
		t.Errorf("served are %v, want %v", served, want)
	}
}

// FuzzReview: whatever is posted, the answer is a review that refuses what cannot be read, and never a panic.
func FuzzReview(f *testing.F) {
	handlers := Handlers(rulesFor(fakePlane(f)))
	var paths []string
	for path := range handlers {
		if path != crds.ConversionPath {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for n, object := range []string{anyPolicy, clusterPolicy, overridePolicy, resourceBinding, oldBinding, clusterBinding, work, scaler, service} {
		f.Add(uint(n), "CREATE", raw(f, object).Raw, []byte(nil))
		f.Add(uint(n), "UPDATE", raw(f, object).Raw, raw(f, object).Raw)
		f.Add(uint(n), "DELETE", []byte(nil), raw(f, object).Raw)
	}
	f.Fuzz(func(t *testing.T, path uint, operation string, object, old []byte) {
		body, err := json.Marshal(admissionv1.AdmissionReview{
			TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
			Request: &admissionv1.AdmissionRequest{
				UID: "asked", Operation: admissionv1.Operation(operation), Object: runtime.RawExtension{Raw: object}, OldObject: runtime.RawExtension{Raw: old},
			},
		})
		if err != nil {
			body = object
		}
		at := paths[path%uint(len(paths))]
		response := post(handlers, at, body)
		answered := &admissionv1.AdmissionReview{}
		if err := json.Unmarshal(response.Body.Bytes(), answered); err != nil || answered.Response == nil {
			t.Fatalf("%s answered %q", at, response.Body)
		}
		if result := answered.Response.Result; result != nil && strings.Contains(result.Message, "[recovered]") {
			t.Fatalf("%s: %s", at, result.Message)
		}
		if len(answered.Response.Patch) == 0 {
			return
		}
		patch, err := jsonpatch.DecodePatch(answered.Response.Patch)
		if err == nil {
			_, err = patch.Apply(object)
		}
		if err != nil {
			t.Fatalf("%s: the patch %s does not fit %s: %v", at, answered.Response.Patch, object, err)
		}
	})
}

// FuzzConversion: the same for conversions.
func FuzzConversion(f *testing.F) {
	handlers := Handlers(rulesFor(fakePlane(f)))
	for _, object := range []string{resourceBinding, oldBinding, clusterBinding, work} {
		f.Add("work.karmada.io/v1alpha1", raw(f, object).Raw)
		f.Add("work.karmada.io/v1alpha2", raw(f, object).Raw)
	}
	f.Fuzz(func(t *testing.T, version string, object []byte) {
		body, err := json.Marshal(apiextensionsv1.ConversionReview{Request: &apiextensionsv1.ConversionRequest{
			UID: "asked", DesiredAPIVersion: version, Objects: []runtime.RawExtension{{Raw: object}},
		}})
		if err != nil {
			body = object
		}
		response := post(handlers, crds.ConversionPath, body)
		if strings.Contains(response.Body.String(), "internal error occurred") || response.Code == http.StatusOK && response.Body.Len() == 0 {
			t.Fatalf("converting %q to %q: %d %s", object, version, response.Code, response.Body)
		}
	})
}
