package webhook

import (
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// protectionPath judges the deletion of objects of every kind.
const protectionPath = "/validate-resourcedeletionprotection"

type operations []admissionregistrationv1.OperationType

// judged is a kind whose writes are judged: completed on some operations, checked on others.
type judged struct {
	kind                 schema.GroupVersionKind
	resource             string
	completed, validated operations
}

// table lists the kinds, those of the policies first.
func table() []judged {
	create := operations{admissionregistrationv1.Create}
	createOrUpdate := operations{admissionregistrationv1.Create, admissionregistrationv1.Update}
	policies, works := policyv1alpha1.GroupVersion, workv1alpha1.GroupVersion
	bindings, networking := workv1alpha2.GroupVersion, networkingv1alpha1.GroupVersion
	autoscaling, config := autoscalingv1alpha1.GroupVersion, configv1alpha1.GroupVersion
	return []judged{
		{policies.WithKind("PropagationPolicy"), "propagationpolicies", createOrUpdate, createOrUpdate},
		{policies.WithKind("ClusterPropagationPolicy"), "clusterpropagationpolicies", createOrUpdate, createOrUpdate},
		{policies.WithKind("OverridePolicy"), "overridepolicies", createOrUpdate, createOrUpdate},
		{policies.WithKind("ClusterOverridePolicy"), "clusteroverridepolicies", nil, createOrUpdate},
		{policies.WithKind("FederatedResourceQuota"), "federatedresourcequotas", nil, createOrUpdate},
		{policies.WithKind("ClusterTaintPolicy"), "clustertaintpolicies", nil, createOrUpdate},
		{bindings.WithKind("ResourceBinding"), "resourcebindings", create, createOrUpdate},
		{bindings.WithKind("ClusterResourceBinding"), "clusterresourcebindings", create, nil},
		{works.WithKind("Work"), "works", createOrUpdate, nil},
		{autoscaling.WithKind("FederatedHPA"), "federatedhpas", createOrUpdate, createOrUpdate},
		{autoscaling.WithKind("CronFederatedHPA"), "cronfederatedhpas", nil, createOrUpdate},
		{networking.WithKind("MultiClusterService"), "multiclusterservices", createOrUpdate, createOrUpdate},
		{networking.WithKind("MultiClusterIngress"), "multiclusteringresses", nil, createOrUpdate},
		{config.WithKind("ResourceInterpreterCustomization"), "resourceinterpretercustomizations", nil, createOrUpdate},
		{config.WithKind("ResourceInterpreterWebhookConfiguration"), "resourceinterpreterwebhookconfigurations", nil, createOrUpdate},
	}
}

func (j judged) name() string           { return strings.ToLower(j.kind.Kind) }
func (j judged) mutatingPath() string   { return "/mutate-" + j.name() }
func (j judged) validatingPath() string { return "/validate-" + j.name() }
