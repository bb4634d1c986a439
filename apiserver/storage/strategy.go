package storage

import (
	"context"
	"slices"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/utils/clock"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/seatrial/seatrial/api/admission"
	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	clusternames "github.com/seatrial/seatrial/api/names"
)

// strategy rules writes of the main resource: users own the spec, status stays as it is.
type strategy struct {
	runtime.ObjectTyper
	names.NameGenerator

	clock clock.PassiveClock
	// modeling fills in the default resource models of clusters that have none.
	modeling bool
	// agentSecretNamespaces are those of the secrets that agents may have their Clusters refer to.
	agentSecretNamespaces []string
}

var (
	_ rest.RESTCreateStrategy  = strategy{}
	_ rest.RESTUpdateStrategy  = strategy{}
	_ rest.RESTDeleteStrategy  = strategy{}
	_ rest.ResetFieldsStrategy = strategy{}
)

func (strategy) NamespaceScoped() bool { return false }

func (strategy) AllowCreateOnUpdate(context.Context) bool { return false }

// AllowUnconditionalUpdate lets a PUT without resourceVersion overwrite, as the built-in kinds do.
func (strategy) AllowUnconditionalUpdate(context.Context) bool { return true }

func (strategy) Canonicalize(runtime.Object) {}

func (strategy) WarningsOnCreate(context.Context, runtime.Object) []string { return nil }

func (strategy) WarningsOnUpdate(context.Context, runtime.Object, runtime.Object) []string {
	return nil
}

// GetResetFields keeps the field manager from crediting anyone with the status that PrepareForCreate and PrepareForUpdate drop.
func (strategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return resetFields(clusterv1alpha1.GroupVersion, fieldpath.MakePathOrDie("status"))
}

func (s strategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	cluster := obj.(*clusterv1alpha1.Cluster)
	cluster.Status = clusterv1alpha1.ClusterStatus{}
	cluster.Generation = 1
	admission.DefaultCluster(cluster, s.now(), s.modeling)
}

func (s strategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	cluster, oldCluster := obj.(*clusterv1alpha1.Cluster), old.(*clusterv1alpha1.Cluster)
	cluster.Status = oldCluster.Status
	admission.DefaultClusterUpdate(cluster, s.now(), s.modeling)
	// Defaults come first: a write that only omits a defaulted field changes nothing and keeps the generation.
	cluster.Generation = oldCluster.Generation
	if !apiequality.Semantic.DeepEqual(cluster.Spec, oldCluster.Spec) {
		cluster.Generation++
	}
}

// now has whole seconds, as timestamps have once they are stored.
func (s strategy) now() metav1.Time {
	return metav1.NewTime(s.clock.Now()).Rfc3339Copy()
}

func (s strategy) Validate(ctx context.Context, obj runtime.Object) field.ErrorList {
	cluster := obj.(*clusterv1alpha1.Cluster)
	faults := admission.ValidateCluster(cluster)
	if byAgent(ctx) {
		faults = append(faults, admission.AgentFaults(cluster, nil, s.agentSecretNamespaces)...)
	}
	return faults
}

func (s strategy) ValidateUpdate(ctx context.Context, obj, old runtime.Object) field.ErrorList {
	cluster, oldCluster := obj.(*clusterv1alpha1.Cluster), old.(*clusterv1alpha1.Cluster)
	faults := admission.ValidateClusterUpdate(cluster, oldCluster)
	if byAgent(ctx) {
		faults = append(faults, admission.AgentFaults(cluster, oldCluster, s.agentSecretNamespaces)...)
	}
	return faults
}

// byAgent tells whether an agent writes. That it writes to its own cluster, its role sees to.
func byAgent(ctx context.Context) bool {
	user, known := request.UserFrom(ctx)
	return known && slices.Contains(user.GetGroups(), clusternames.AgentGroup)
}

// statusStrategy rules writes of the status subresource: nothing but the status changes, the generation included.
type statusStrategy struct {
	strategy
}

func (statusStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return resetFields(clusterv1alpha1.GroupVersion, fieldpath.MakePathOrDie("metadata"), fieldpath.MakePathOrDie("spec"))
}

func (statusStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	cluster, oldCluster := obj.(*clusterv1alpha1.Cluster), old.(*clusterv1alpha1.Cluster)
	managed, version := cluster.ManagedFields, cluster.ResourceVersion
	oldCluster.ObjectMeta.DeepCopyInto(&cluster.ObjectMeta)
	// The field manager's bookkeeping and the caller's precondition are the request's own.
	cluster.ManagedFields, cluster.ResourceVersion = managed, version
	cluster.Spec = oldCluster.Spec
}

func (statusStrategy) ValidateUpdate(_ context.Context, obj, old runtime.Object) field.ErrorList {
	return admission.ValidateClusterStatusUpdate(obj.(*clusterv1alpha1.Cluster), old.(*clusterv1alpha1.Cluster))
}

func resetFields(version schema.GroupVersion, paths ...fieldpath.Path) map[fieldpath.APIVersion]*fieldpath.Set {
	return map[fieldpath.APIVersion]*fieldpath.Set{
		fieldpath.APIVersion(version.String()): fieldpath.NewSet(paths...),
	}
}
