package admission

import (
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

func TestBindingKeepsItsIdentity(t *testing.T) {
	binding := &workv1alpha2.ResourceBinding{}
	cluster := &workv1alpha2.ClusterResourceBinding{}
	options := Options{IDs: counting()}
	for range 2 {
		if Default(binding, nil, options) != nil || Default(cluster, nil, options) != nil {
			t.Fatal("bindings have nothing to refuse")
		}
	}
	if id := binding.Labels[names.LabelResourceBindingID]; id != "id-1" {
		t.Errorf("identity %q", id)
	}
	if id := cluster.Labels[names.LabelClusterResourceBindingID]; id != "id-2" {
		t.Errorf("identity %q", id)
	}
	updated := &workv1alpha2.ResourceBinding{}
	if err := Default(updated, binding, options); err != nil || len(updated.Labels) != 0 {
		t.Errorf("an update must not make an identity: %v", updated.Labels)
	}
}

func TestValidateBinding(t *testing.T) {
	binding := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
		names.AnnotationDependencies: `[{"apiVersion":"v1","kind":"Secret","name":"s"}]`,
	}}}
	binding.Spec.Components = []workv1alpha2.Component{{Name: "a"}, {Name: "a"}, {}}
	wantFaults(t, "gate off", Validate(binding, nil, Options{}))
	wantFaults(t, "gate on", Validate(binding, nil, Options{MultiplePodTemplates: true}),
		"spec.components[1].name", "spec.components[2].name")
	binding.Annotations[names.AnnotationDependencies] = `{"kind":"Secret"}`
	wantFaults(t, "dependencies", Validate(binding, nil, Options{}),
		"metadata.annotations["+names.AnnotationDependencies+"]")
}

// FuzzParseDependencies checks that whatever parses is a list that survives admission.
func FuzzParseDependencies(f *testing.F) {
	f.Add(`[{"apiVersion":"v1","kind":"Secret","name":"s"}]`)
	f.Add(`[null]`)
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, text string) {
		_, err := ParseDependencies(text)
		binding := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
			names.AnnotationDependencies: text,
		}}}
		if faults := BindingOf(binding).Validate(false); (len(faults) > 0) != (err != nil) {
			t.Errorf("%q: error %v, faults %v", text, err, faults)
		}
	})
}

func TestValidateClusterTaintPolicy(t *testing.T) {
	policy := &policyv1alpha1.ClusterTaintPolicy{Spec: policyv1alpha1.ClusterTaintPolicySpec{Taints: []policyv1alpha1.Taint{
		{Key: "a", Effect: corev1.TaintEffectNoSchedule}, {Key: "a", Effect: corev1.TaintEffectNoExecute},
		{Key: "a", Effect: corev1.TaintEffectNoSchedule, Value: "x"},
	}}}
	wantFaults(t, "strict", Validate(policy, nil, Options{}), "spec.taints[1].effect", "spec.taints[2]")
	wantFaults(t, "permitted", Validate(policy, nil, Options{NoExecuteTaintPolicy: true}), "spec.taints[2]")
}

func TestValidateFederatedResourceQuota(t *testing.T) {
	list := func(pairs ...string) corev1.ResourceList {
		resources := corev1.ResourceList{}
		for i := 0; i < len(pairs); i += 2 {
			resources[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
		}
		return resources
	}
	type assignments = []policyv1alpha1.StaticClusterAssignment
	for name, c := range map[string]struct {
		overall corev1.ResourceList
		static  assignments
		want    []string
	}{
		"fine": {list("cpu", "10", "example.com/gpu", "2", "requests.memory", "1Gi", "count/jobs.batch", "3"),
			assignments{{ClusterName: "a", Hard: list("cpu", "4")}, {ClusterName: "b", Hard: list("cpu", "6")}}, nil},
		"too much": {list("cpu", "10"),
			assignments{{ClusterName: "a", Hard: list("cpu", "4")}, {ClusterName: "b", Hard: list("cpu", "7")}},
			[]string{"spec.overall[cpu]"}},
		"not listed": {list("cpu", "10"), assignments{{ClusterName: "a", Hard: list("memory", "0")}},
			[]string{"spec.staticAssignments[0].hard[memory]"}},
		"cluster name": {list("cpu", "10"), assignments{{ClusterName: "A.b"}}, []string{"spec.staticAssignments[0].clusterName"}},
		"resources": {list("cpu", "-1", "gpu", "1", "pods", "500m", "a/b/c", "1"), nil,
			[]string{"spec.overall[a/b/c]", "spec.overall[cpu]", "spec.overall[gpu]", "spec.overall[pods]"}},
	} {
		quota := &policyv1alpha1.FederatedResourceQuota{Spec: policyv1alpha1.FederatedResourceQuotaSpec{
			Overall: c.overall, StaticAssignments: c.static,
		}}
		wantFaults(t, name, Validate(quota, nil, Options{}), c.want...)
	}
}

func TestValidateMultiClusterService(t *testing.T) {
	service := func(change func(*networkingv1alpha1.MultiClusterService)) *networkingv1alpha1.MultiClusterService {
		service := &networkingv1alpha1.MultiClusterService{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "ns"}}
		service.Spec.Types = []networkingv1alpha1.ExposureType{networkingv1alpha1.ExposureTypeCrossCluster}
		change(service)
		return service
	}
	type mcs = networkingv1alpha1.MultiClusterService
	old := service(func(*mcs) {})
	for name, c := range map[string]struct {
		change func(*mcs)
		want   []string
	}{
		"fine": {func(*mcs) {}, nil},
		"name": {func(s *mcs) { s.Name = "1web" }, []string{"metadata.name"}},
		"ports": {func(s *mcs) {
			s.Spec.Ports = []networkingv1alpha1.ExposurePort{{Name: "a", Port: 80}, {Name: "a", Port: 0}, {Name: "B", Port: 1}}
		}, []string{"spec.ports[1].port", "spec.ports[1].name", "spec.ports[2].name"}},
		"two types": {func(s *mcs) {
			s.Spec.Types = append(s.Spec.Types, networkingv1alpha1.ExposureTypeLoadBalancer)
		}, []string{"spec.types", "spec.types"}},
		"unknown type": {func(s *mcs) { s.Spec.Types[0] = "Pigeon" }, []string{"spec.types[0]", "spec.types"}},
		"clusters": {func(s *mcs) {
			s.Spec.ProviderClusters = []networkingv1alpha1.ClusterSelector{{Name: "-"}}
			s.Spec.ConsumerClusters = []networkingv1alpha1.ClusterSelector{{Name: "ok"}, {}}
		}, []string{"spec.providerClusters[0].name", "spec.consumerClusters[1].name"}},
	} {
		wantFaults(t, name, Validate(service(c.change), old, Options{}), c.want...)
	}
	fresh := service(func(*mcs) {})
	if err := Default(fresh, nil, Options{IDs: counting()}); err != nil || fresh.Labels[names.LabelMultiClusterServiceID] != "id-1" {
		t.Errorf("labels %v, error %v", fresh.Labels, err)
	}
}

func TestDefaultFederatedHPAIsValid(t *testing.T) {
	scaler := &autoscalingv1alpha1.FederatedHPA{Spec: autoscalingv1alpha1.FederatedHPASpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
		MaxReplicas:    5,
		Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{
			ScaleUp: &autoscalingv2.HPAScalingRules{SelectPolicy: pointerTo(autoscalingv2.MinChangePolicySelect)},
		},
	}}
	if err := Default(scaler, nil, Options{}); err != nil {
		t.Fatal(err)
	}
	wantFaults(t, "defaulted", Validate(scaler, nil, Options{}))
	up, down := scaler.Spec.Behavior.ScaleUp, scaler.Spec.Behavior.ScaleDown
	if *scaler.Spec.MinReplicas != 1 || *scaler.Spec.Metrics[0].Resource.Target.AverageUtilization != 80 {
		t.Errorf("spec %+v", scaler.Spec)
	}
	if *up.SelectPolicy != "Min" || *up.StabilizationWindowSeconds != 0 || len(up.Policies) != 2 {
		t.Errorf("scale up %+v", up)
	}
	if *down.SelectPolicy != "Max" || down.StabilizationWindowSeconds != nil || len(down.Policies) != 1 {
		t.Errorf("scale down %+v", down)
	}
}

func TestValidateFederatedHPA(t *testing.T) {
	type hpa = autoscalingv1alpha1.FederatedHPASpec
	for name, c := range map[string]struct {
		change func(*hpa)
		want   []string
	}{
		"target": {func(s *hpa) { s.ScaleTargetRef.Name = "a/b"; s.ScaleTargetRef.Kind = "" },
			[]string{"spec.scaleTargetRef.kind", "spec.scaleTargetRef.name"}},
		"no maximum":   {func(s *hpa) { s.MaxReplicas = 0 }, []string{"spec.maxReplicas", "spec.maxReplicas"}},
		"low minimum":  {func(s *hpa) { s.MinReplicas = pointerTo(int32(0)) }, []string{"spec.minReplicas"}},
		"no source":    {func(s *hpa) { s.Metrics[0].Resource = nil }, []string{"spec.metrics[0]"}},
		"other source": {func(s *hpa) { s.Metrics[0].Type = "Pods" }, []string{"spec.metrics[0]"}},
		"utilization":  {func(s *hpa) { s.Metrics[0].Resource.Target.AverageUtilization = pointerTo(int32(0)) }, []string{"spec.metrics[0].resource.target.averageUtilization"}},
		"no value":     {func(s *hpa) { s.Metrics[0].Resource.Target.AverageUtilization = nil }, []string{"spec.metrics[0].resource.target"}},
		"pods utilization": {func(s *hpa) {
			s.Metrics[0] = autoscalingv2.MetricSpec{Type: "Pods", Pods: &autoscalingv2.PodsMetricSource{
				Metric: autoscalingv2.MetricIdentifier{Name: "rps"},
				Target: autoscalingv2.MetricTarget{Type: "Utilization", AverageUtilization: pointerTo(int32(5))},
			}}
		}, []string{"spec.metrics[0].pods.target.averageUtilization"}},
		"behavior": {func(s *hpa) {
			s.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{
				StabilizationWindowSeconds: pointerTo(int32(3601)),
				Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: "Pods", Value: 0, PeriodSeconds: 1801}},
			}}
		}, []string{"spec.behavior.scaleDown.stabilizationWindowSeconds",
			"spec.behavior.scaleDown.policies[0].value", "spec.behavior.scaleDown.policies[0].periodSeconds"}},
	} {
		scaler := &autoscalingv1alpha1.FederatedHPA{Spec: hpa{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web"}, MaxReplicas: 5,
		}}
		DefaultFederatedHPA(scaler)
		c.change(&scaler.Spec)
		wantFaults(t, name, Validate(scaler, nil, Options{}), c.want...)
	}
}

func TestValidateCronFederatedHPA(t *testing.T) {
	number := func(n int32) *int32 { return &n }
	type rule = autoscalingv1alpha1.CronFederatedHPARule
	workload := autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
	scaler := autoscalingv2.CrossVersionObjectReference{
		APIVersion: "autoscaling.karmada.io/v1alpha1", Kind: "FederatedHPA", Name: "web",
	}
	other := scaler
	other.Kind = "CronFederatedHPA"
	for name, c := range map[string]struct {
		target autoscalingv2.CrossVersionObjectReference
		rules  []rule
		want   []string
	}{
		"fine": {workload, []rule{{Name: "a", Schedule: "0 8 * * *", TargetReplicas: number(0), TimeZone: pointerTo("UTC")}}, nil},
		"same name": {workload, []rule{{Name: "a", Schedule: "@daily", TargetReplicas: number(1)}, {Name: "a", Schedule: "@daily", TargetReplicas: number(1)}},
			[]string{"spec.rules[1].name"}},
		"schedule": {workload, []rule{{Schedule: "61 * * * *", TargetReplicas: number(1), TimeZone: pointerTo("Mars/Base")}},
			[]string{"spec.rules[0].schedule", "spec.rules[0].timeZone"}},
		"no replicas":       {workload, []rule{{Schedule: "@daily"}}, []string{"spec.rules[0].targetReplicas"}},
		"negative replicas": {workload, []rule{{Schedule: "@daily", TargetReplicas: number(-1)}}, []string{"spec.rules[0].targetReplicas"}},
		"bounds":            {scaler, []rule{{Schedule: "@daily", TargetMinReplicas: number(1), TargetMaxReplicas: number(2)}}, nil},
		"no bounds":         {scaler, []rule{{Schedule: "@daily", TargetReplicas: number(1)}}, []string{"spec.rules[0]"}},
		"crossed bounds":    {scaler, []rule{{Schedule: "@daily", TargetMinReplicas: number(3), TargetMaxReplicas: number(2)}}, []string{"spec.rules[0].targetMinReplicas"}},
		"zero bounds":       {scaler, []rule{{Schedule: "@daily", TargetMinReplicas: number(0), TargetMaxReplicas: number(0)}}, []string{"spec.rules[0].targetMinReplicas", "spec.rules[0].targetMaxReplicas"}},
		"other scaler":      {other, nil, []string{"spec.scaleTargetRef.kind"}},
	} {
		object := &autoscalingv1alpha1.CronFederatedHPA{Spec: autoscalingv1alpha1.CronFederatedHPASpec{
			ScaleTargetRef: c.target, Rules: c.rules,
		}}
		wantFaults(t, name, Validate(object, nil, Options{}), c.want...)
	}
}

func TestValidateInterpreterCustomization(t *testing.T) {
	customization := func(name, kind string, rules configv1alpha1.CustomizationRules) configv1alpha1.ResourceInterpreterCustomization {
		return configv1alpha1.ResourceInterpreterCustomization{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: configv1alpha1.ResourceInterpreterCustomizationSpec{
				Target: configv1alpha1.CustomizationTarget{APIVersion: "a/v1", Kind: kind}, Customizations: rules,
			},
		}
	}
	health := configv1alpha1.CustomizationRules{HealthInterpretation: &configv1alpha1.HealthInterpretation{
		LuaScript: "function InterpretHealth(observedObj) return true end",
	}}
	dependencies := configv1alpha1.CustomizationRules{DependencyInterpretation: &configv1alpha1.DependencyInterpretation{
		LuaScript: "function GetDependencies(desiredObj) return {} end",
	}}
	broken := configv1alpha1.CustomizationRules{Retention: &configv1alpha1.LocalValueRetention{LuaScript: "function ("}}
	stored := []configv1alpha1.ResourceInterpreterCustomization{customization("a", "K", health), customization("b", "K", dependencies)}
	for name, c := range map[string]struct {
		object configv1alpha1.ResourceInterpreterCustomization
		want   []string
	}{
		"itself":       {customization("a", "K", health), nil},
		"taken":        {customization("c", "K", health), []string{"spec.customizations.healthInterpretation"}},
		"other kind":   {customization("c", "L", health), nil},
		"dependencies": {customization("c", "K", dependencies), nil},
		"broken":       {customization("c", "K", broken), []string{"spec.customizations.retention.luaScript"}},
	} {
		wantFaults(t, name, Validate(&c.object, nil, Options{Customizations: stored}), c.want...)
	}
}

func TestValidateInterpreterWebhooks(t *testing.T) {
	type hook = configv1alpha1.ResourceInterpreterWebhook
	for name, c := range map[string]struct {
		change func(*hook)
		want   []string
	}{
		"fine":       {func(*hook) {}, nil},
		"name":       {func(h *hook) { h.Name = "short" }, []string{"webhooks[0].name"}},
		"no address": {func(h *hook) { h.ClientConfig.URL = nil }, []string{"webhooks[0].clientConfig"}},
		"two addresses": {func(h *hook) { h.ClientConfig.Service = &admissionregistrationv1.ServiceReference{} },
			[]string{"webhooks[0].clientConfig"}},
		"timeout": {func(h *hook) { h.TimeoutSeconds = pointerTo(int32(31)) }, []string{"webhooks[0].timeoutSeconds"}},
		"star": {func(h *hook) { h.Rules[0].Kinds = []string{"*", "A"}; h.Rules[0].Operations = nil },
			[]string{"webhooks[0].rules[0].operations", "webhooks[0].rules[0].kinds"}},
		"operation": {func(h *hook) { h.Rules[0].Operations = []configv1alpha1.InterpreterOperation{"Dance"} },
			[]string{"webhooks[0].rules[0].operations[0]"}},
		"empty version": {func(h *hook) { h.Rules[0].APIVersions = []string{""} }, []string{"webhooks[0].rules[0].apiVersions[0]"}},
		"no context":    {func(h *hook) { h.InterpreterContextVersions = []string{"v2"} }, []string{"webhooks[0].interpreterContextVersions"}},
		"context twice": {func(h *hook) { h.InterpreterContextVersions = []string{"v1alpha1", "v1alpha1"} }, []string{"webhooks[0].interpreterContextVersions[1]"}},
	} {
		webhook := hook{
			Name: "a.example.com", InterpreterContextVersions: []string{"v1alpha1"},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: pointerTo("https://h")},
			Rules: []configv1alpha1.RuleWithOperations{{
				Operations: []configv1alpha1.InterpreterOperation{"*"},
				Rule:       configv1alpha1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Kinds: []string{"*"}},
			}},
		}
		c.change(&webhook)
		object := &configv1alpha1.ResourceInterpreterWebhookConfiguration{Webhooks: []hook{webhook}}
		wantFaults(t, name, Validate(object, nil, Options{}), c.want...)
	}
}

func TestDeletionFault(t *testing.T) {
	object := &metav1.ObjectMeta{Name: "web", Namespace: "ns", Labels: map[string]string{names.LabelDeletionProtected: "Always"}}
	if DeletionFault(object) == nil {
		t.Error("a protected object may be deleted")
	}
	object.Labels[names.LabelDeletionProtected] = "Never"
	if err := DeletionFault(object); err != nil {
		t.Errorf("an object without protection may not be deleted: %v", err)
	}
}
