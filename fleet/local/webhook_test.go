package local

import (
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/examples/nginx"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded/process"
)

// admitted is a control plane whose API server asks the webhook.
type admitted struct {
	*testing.T
	plane client.Client
}

func (a *admitted) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

// testAdmission: what the API server stores was completed and checked, and while nobody can do that, it stores nothing.
func (l *life) testAdmission(t *testing.T) {
	gates := []string{"--feature-gates=FederatedQuotaEnforcement=true"}
	l.up(t, UpOptions{Flags: map[string][]string{controllerManager: gates, webhookServer: gates}})
	clusters, err := l.installation.Fleet()
	if err != nil {
		t.Fatal(err)
	}
	plane, err := clusters.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	a := &admitted{T: t, plane: plane}
	a.checkPolicies()
	a.checkProtection()
	a.checkConversion()
	a.checkQuota()
	r := recordOf(t, l.installation.component(webhookServer))
	a.must(r.Process.Signal(syscall.SIGKILL))
	a.must(r.Process.Await(t.Context(), process.Gone))
	if err := plane.Create(t.Context(), somePolicy("late")); err == nil || !strings.Contains(err.Error(), "propagationpolicy.karmada.io") {
		t.Errorf("a policy that nobody looked at: %v", err)
	}
	l.up(t, UpOptions{})
	a.must(plane.Create(t.Context(), somePolicy("late")))
	a.must(plane.Delete(t.Context(), somePolicy("late")))
}

func somePolicy(name string) *policyv1alpha1.PropagationPolicy {
	return &policyv1alpha1.PropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       policyv1alpha1.PropagationSpec{ResourceSelectors: []policyv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "ConfigMap", Name: name}}},
	}
}

func (a *admitted) checkPolicies() {
	a.Helper()
	policy := somePolicy("plain")
	a.must(a.plane.Create(a.Context(), policy))
	if policy.Labels[names.LabelPropagationPolicyID] == "" || policy.Spec.ResourceSelectors[0].Namespace != "default" ||
		len(policy.Finalizers) != 1 || policy.Finalizers[0] != names.FinalizerPropagationPolicy {
		a.Errorf("stored as %+v", policy)
	}
	policy.Spec.SchedulerName = "another"
	if err := a.plane.Update(a.Context(), policy); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.schedulerName") {
		a.Errorf("another scheduler: %v", err)
	}
	a.must(a.plane.Delete(a.Context(), policy))
	wrong := somePolicy("wrong")
	wrong.Spec.Placement.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{SpreadByField: policyv1alpha1.SpreadByFieldRegion}}
	if err := a.plane.Create(a.Context(), wrong); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.placement.spreadConstraints") {
		a.Errorf("a policy that cannot be: %v", err)
	}
}

func (a *admitted) checkProtection() {
	a.Helper()
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kept", Labels: map[string]string{
		names.LabelDeletionProtected: names.LabelDeletionProtectedValue,
	}}}
	a.must(a.plane.Create(a.Context(), config))
	if err := a.plane.Delete(a.Context(), config); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "remove the label") {
		a.Errorf("deleting what is protected: %v", err)
	}
	config.Labels = nil
	a.must(a.plane.Update(a.Context(), config))
	a.must(a.plane.Delete(a.Context(), config))
}

// checkConversion reads and writes the example's binding in the version that is not stored.
func (a *admitted) checkConversion() {
	a.Helper()
	binding := &workv1alpha1.ResourceBinding{}
	name := names.Binding("Deployment", nginx.Name)
	a.must(a.plane.Get(a.Context(), client.ObjectKey{Namespace: nginx.Namespace, Name: name}, binding))
	if binding.Spec.Resource.Replicas != 6 || len(binding.Spec.Clusters) != 3 {
		a.Errorf("in v1alpha1: %+v", binding.Spec)
	}
	made := &workv1alpha1.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "old"}}
	made.Spec.Resource = workv1alpha1.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: "default", Name: "none", Replicas: 2}
	a.must(a.plane.Create(a.Context(), made))
	stored := &workv1alpha2.ResourceBinding{}
	a.must(a.plane.Get(a.Context(), client.ObjectKeyFromObject(made), stored))
	if stored.Spec.Replicas != 2 || stored.Labels[names.LabelResourceBindingID] == "" {
		a.Errorf("stored as %v, labels %v", stored.Spec, stored.Labels)
	}
	a.must(a.plane.Delete(a.Context(), stored))
}

func (a *admitted) checkQuota() {
	a.Helper()
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tight"}}
	quota := &policyv1alpha1.FederatedResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "tight", Name: "cpu"}}
	quota.Spec.Overall = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3")}
	a.must(a.plane.Create(a.Context(), space))
	a.must(a.plane.Create(a.Context(), quota))
	binding := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "tight", Name: "web"}}
	binding.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "tight", Name: "none"}
	binding.Spec.ReplicaRequirements = &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}
	placed := func(replicas int32) *workv1alpha2.ResourceBinding {
		binding.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "member1", Replicas: replicas}}
		return binding
	}
	refused := func(err error) {
		a.Helper()
		if apierrors.ReasonForError(err) != names.ReasonQuotaExceeded || !strings.Contains(err.Error(), "tight/cpu allows 3 of cpu") {
			a.Errorf("beyond the quota: %v", err)
		}
	}
	used := func(amount string) {
		a.Helper()
		a.must(a.plane.Get(a.Context(), client.ObjectKeyFromObject(quota), quota))
		if quota.Status.OverallUsed.Cpu().String() != amount {
			a.Errorf("%s cpus are used, want %s", quota.Status.OverallUsed.Cpu(), amount)
		}
	}
	refused(a.plane.Create(a.Context(), placed(4)))
	a.must(a.plane.Create(a.Context(), placed(2).DeepCopy(), client.DryRunAll))
	a.must(a.plane.Create(a.Context(), placed(2)))
	used("2")
	changed := binding.DeepCopy()
	changed.Spec.Clusters[0].Replicas = 4
	refused(a.plane.Patch(a.Context(), changed, client.MergeFrom(binding)))
	changed = binding.DeepCopy()
	changed.Spec.Clusters[0].Replicas = 3
	a.must(a.plane.Patch(a.Context(), changed, client.MergeFrom(binding)))
	used("3")
	a.must(a.plane.Delete(a.Context(), space))
}
