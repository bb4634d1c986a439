package scale

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/autoscale"
	"github.com/seatrial/seatrial/autoscale/target"
	"github.com/seatrial/seatrial/workload"
)

// sight is a workload as it is now.
type sight struct {
	autoscale.Workload
	template *unstructured.Unstructured
	scale    *autoscalingv1.Scale
	// selector finds its pods.
	selector labels.Selector
	// clusters are those it was placed in, silent those among them that told nothing of it.
	clusters, silent []string
}

// fault is why a turn cannot go on: a condition that does not hold, and the reason of an event, which is that of the condition where
// it is empty.
type fault struct {
	condition autoscalingv2.HorizontalPodAutoscalerConditionType
	reason    string
	event     string
	err       error
}

func unable(reason string, err error) *fault {
	return &fault{condition: autoscalingv2.AbleToScale, reason: reason, err: err}
}

// look finds the template, where it was placed, and what became of it there.
func (t *turn) look(ctx context.Context) (*sight, *fault) {
	seen, wrong := t.template(ctx)
	if wrong != nil || seen.Replicas == 0 {
		return seen, wrong
	}
	bound, err := t.bound(ctx, seen.template)
	if err != nil {
		return nil, &fault{autoscalingv2.AbleToScale, names.ReasonFailedGetBinding, names.EventFailedGetBindings, err}
	}
	seen.Given = given(bound)
	if len(bound.Spec.Clusters) == 0 {
		return nil, unable(names.ReasonFailedGetTargetClusters, errors.New("the target is placed in no cluster yet"))
	}
	return seen, t.visit(ctx, seen, bound)
}

// template reads the template and its scale.
func (t *turn) template(ctx context.Context) (*sight, *fault) {
	object, err := target.Of(t.key.Namespace, t.read.Spec.ScaleTargetRef)
	if err != nil {
		return nil, unable(names.ReasonFailedGetScale, err)
	}
	head := &metav1.PartialObjectMetadata{}
	head.SetGroupVersionKind(object.GroupVersionKind())
	if err := t.deps.Client.Get(ctx, client.ObjectKeyFromObject(object), head); err != nil {
		return nil, unable(names.ReasonFailedGetScaleTargetRef, err)
	}
	if head.Labels[names.LabelRetainReplicas] == names.LabelRetainReplicasValue {
		return nil, unable(names.ReasonMembersScale, fmt.Errorf(
			"the label %s leaves the replicas of the target to its members, so those of the template decide nothing", names.LabelRetainReplicas))
	}
	scale, err := target.Scale(ctx, t.deps.Client, object)
	if err != nil {
		return nil, unable(names.ReasonFailedGetScale, err)
	}
	return &sight{Workload: autoscale.Workload{Replicas: scale.Spec.Replicas}, template: object, scale: scale}, nil
}

// bound reads the binding of the template.
func (t *turn) bound(ctx context.Context, template *unstructured.Unstructured) (*workv1alpha2.ResourceBinding, error) {
	bound := &workv1alpha2.ResourceBinding{}
	name := types.NamespacedName{Namespace: t.key.Namespace, Name: names.Binding(template.GetKind(), template.GetName())}
	if err := t.deps.Client.Get(ctx, name, bound); err != nil {
		return nil, err
	}
	of := bound.Spec.Resource
	if of.APIVersion != template.GetAPIVersion() || of.Kind != template.GetKind() || of.Name != template.GetName() {
		return nil, fmt.Errorf("binding %s is that of %s %s, %s", name, of.APIVersion, of.Kind, of.Name)
	}
	return bound, nil
}

// given is how many replicas the last placement was for: a template may have been scaled since.
func given(bound *workv1alpha2.ResourceBinding) int32 {
	scheduling := (*policyv1alpha1.ReplicaSchedulingStrategy)(nil)
	if bound.Spec.Placement != nil {
		scheduling = bound.Spec.Placement.ReplicaScheduling
	}
	divided := scheduling != nil && scheduling.ReplicaSchedulingType == policyv1alpha1.ReplicaSchedulingTypeDivided
	replicas := int32(0)
	for _, target := range bound.Spec.Clusters {
		if divided {
			replicas += target.Replicas
		} else {
			replicas = max(replicas, target.Replicas)
		}
	}
	return replicas
}

// visit asks the clusters that are ready. Those that do not answer are left out, unless all of them are.
func (t *turn) visit(ctx context.Context, seen *sight, bound *workv1alpha2.ResourceBinding) *fault {
	var lost error
	for _, placed := range bound.Spec.Clusters {
		if placed.Replicas == 0 {
			continue
		}
		seen.clusters = append(seen.clusters, placed.Name)
		seen.Placed += placed.Replicas
		if err := t.visitOne(ctx, seen, placed); err != nil {
			seen.silent = append(seen.silent, placed.Name)
			if lost == nil {
				lost = fmt.Errorf("cluster %s: %w", placed.Name, err)
			}
		}
	}
	var badSelector *fault
	switch {
	case errors.As(lost, &badSelector):
		return badSelector
	case seen.Desired > 0:
		return nil
	case lost == nil:
		lost = errors.New("no cluster has replicas of the target yet")
	}
	return unable(names.ReasonFailedGetScale, lost)
}

// visitOne adds what one cluster has. What it shall have is taken from the placement: its own copy of the template may lag behind, and
// would count as a cluster that cannot be asked.
func (t *turn) visitOne(ctx context.Context, seen *sight, placed workv1alpha2.TargetCluster) error {
	name := placed.Name
	cluster := &clusterv1alpha1.Cluster{}
	if err := t.deps.Client.Get(ctx, types.NamespacedName{Name: name}, cluster); err != nil {
		return err
	}
	if !workload.Ready(cluster) {
		return errors.New("it is not ready")
	}
	member, err := t.deps.Members.Member(ctx, name)
	if err != nil {
		return err
	}
	scale, err := target.Scale(ctx, member, seen.template)
	if err != nil {
		return err
	}
	selector, err := labels.Parse(scale.Status.Selector)
	switch {
	case scale.Status.Selector == "":
		return &fault{autoscalingv2.ScalingActive, names.ReasonInvalidSelector, names.EventSelectorRequired, errors.New("the scale of the target tells no selector for its pods")}
	case err != nil:
		return &fault{autoscalingv2.ScalingActive, names.ReasonInvalidSelector, "", fmt.Errorf("the selector of the target: %w", err)}
	}
	pods := &corev1.PodList{}
	if err := member.Live().List(ctx, pods, fresh(t.key.Namespace, selector)); err != nil {
		return fmt.Errorf("listing the pods of the target: %w", err)
	}
	seen.Desired += placed.Replicas
	seen.Observed += scale.Status.Replicas
	seen.selector = selector
	for i := range pods.Items {
		seen.Pods = append(seen.Pods, autoscale.Pod{Cluster: name, Pod: &pods.Items[i]})
	}
	return nil
}

// fresh lists from what an API server has at hand, which costs it least; a moment more or less does not matter.
func fresh(namespace string, selector labels.Selector) *client.ListOptions {
	return &client.ListOptions{Namespace: namespace, LabelSelector: selector, Raw: &metav1.ListOptions{ResourceVersion: "0"}}
}

// alone tells whether no other autoscaler scales the same pods. Each would take what the other does for what the load does.
func (t *turn) alone(seen *sight) *fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[t.key] == nil {
		t.known[t.key] = &memory{}
	}
	t.known[t.key].selector = seen.selector
	var others []string
	for key, known := range t.known {
		if key == t.key || key.Namespace != t.key.Namespace || known.selector == nil {
			continue
		}
		for _, pod := range seen.Pods {
			if known.selector.Matches(labels.Set(pod.Labels)) {
				others = append(others, key.Name)
				break
			}
		}
	}
	if len(others) == 0 {
		return nil
	}
	slices.Sort(others)
	return &fault{autoscalingv2.ScalingActive, names.ReasonAmbiguousSelector, "", fmt.Errorf("its pods are scaled by other FederatedHPAs as well: %s", strings.Join(others, ", "))}
}

// Error implements error, for a fault on the way through others.
func (f *fault) Error() string { return f.err.Error() }
