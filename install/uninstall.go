package install

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/component"
	"github.com/seatrial/seatrial/deploy"
)

// RemoveOptions say what to take out of the host.
type RemoveOptions struct {
	Namespace string
	// Force removes a control plane that has members, or that cannot tell whether it has.
	Force bool
	// DryRun lists what would be removed.
	DryRun  bool
	Timeout time.Duration
}

// Removal is what an uninstallation came to.
type Removal struct {
	Namespace string   `json:"namespace"`
	Changes   []Change `json:"changes"`
	// Members were joined, and are left as they are.
	Members []string `json:"members,omitempty"`
	// Kept says why the namespace is still there; empty when it is gone, or was not there.
	Kept    string  `json:"kept,omitempty"`
	Seconds float64 `json:"seconds"`
}

// Uninstall takes a control plane out of its host. It writes nothing to members: what runs there goes on running, for controllers end
// before anything is taken away that they would act upon. What is gone already is passed over, so that an uninstallation that was
// interrupted is continued by another run.
func Uninstall(ctx context.Context, host Host, options RemoveOptions, progress Progress) (*Removal, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, options.Timeout, fmt.Errorf("not done within %s (see --timeout)", options.Timeout))
	defer cancel()
	u := &uninstallation{RemoveOptions: options, host: host, result: &Removal{Namespace: options.Namespace}}
	began := time.Now()
	for _, s := range []step{
		{"checking for members", u.checkMembers},
		{"ending controllers", u.endWorkloads},
		{"removing the rest", u.removeRest},
		{"removing the namespace", u.removeNamespace},
	} {
		if err := progress.Step(s.name, func(say func(string)) error { return s.do(ctx, say) }); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	u.result.Seconds = time.Since(began).Seconds()
	return u.result, nil
}

type uninstallation struct {
	RemoveOptions
	host   Host
	result *Removal
}

// checkMembers refuses to leave members behind unasked.
func (u *uninstallation) checkMembers(ctx context.Context, _ func(string)) error {
	store := &corev1.Secret{}
	name := client.ObjectKey{Namespace: u.Namespace, Name: storeSecret}
	err := u.host.Client.Get(ctx, name, store)
	if apierrors.IsNotFound(err) {
		// What never was there has no members, and what is half gone was asked before.
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for an installation (see --kubeconfig and --namespace): reading Secret %s: %w", name, err)
	}
	if store.Labels[deploy.LabelManagedBy] != deploy.ManagedBy {
		return fmt.Errorf("the Secret %s was made by somebody else: there is no installation of ours in namespace %s", name, u.Namespace)
	}
	u.result.Members, err = u.members(ctx, store)
	switch {
	case u.Force:
	case err != nil && store.Annotations[removingAnnotation] == "":
		return fmt.Errorf("the control plane does not say whether clusters are joined: %w; --force removes it all the same", err)
	case len(u.result.Members) > 0:
		return fmt.Errorf("clusters are still joined: %s. Take them out with `seatrial unjoin` or `seatrial unregister`, which removes what the "+
			"control plane put there, or remove the control plane with --force, which leaves all of that running in them", strings.Join(u.result.Members, ", "))
	}
	return u.begin(ctx, store)
}

// removingAnnotation stands on the store of an installation that was allowed to go: what is left of it cannot tell of members any more.
const removingAnnotation = "seatrial/removing"

func (u *uninstallation) begin(ctx context.Context, store *corev1.Secret) error {
	if u.DryRun {
		return nil
	}
	before := store.DeepCopy()
	metav1.SetMetaDataAnnotation(&store.ObjectMeta, removingAnnotation, "true")
	if err := u.host.Client.Patch(ctx, store, client.MergeFrom(before), client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("marking Secret %s: %w", client.ObjectKeyFromObject(store), err)
	}
	return nil
}

// members are the names of the clusters that are joined.
func (u *uninstallation) members(ctx context.Context, store *corev1.Secret) ([]string, error) {
	admin := held(store, administrator)
	config, closeWay, err := u.host.Reach(ctx, store.Data[mainCA+".crt"], admin.cert, admin.key)
	if err != nil {
		return nil, err
	}
	defer closeWay()
	plane, err := component.NewClient(config)
	if err != nil {
		return nil, err
	}
	clusters := &clusterv1alpha1.ClusterList{}
	if err := plane.List(ctx, clusters); err != nil {
		return nil, fmt.Errorf("listing Clusters: %w", err)
	}
	var joined []string
	for n := range clusters.Items {
		joined = append(joined, clusters.Items[n].Name)
	}
	return joined, nil
}

// endWorkloads ends what writes to members before what it reads from.
func (u *uninstallation) endWorkloads(ctx context.Context, say func(string)) error {
	deployments := &appsv1.DeploymentList{}
	if err := u.list(ctx, deployments); err != nil {
		return err
	}
	server := func(name string) bool { return name == deploy.APIServer }
	for _, last := range []bool{false, true} {
		for n := range deployments.Items {
			if one := &deployments.Items[n]; server(one.Name) == last {
				if err := u.remove(ctx, "Deployment", one); err != nil {
					return err
				}
			}
		}
		if err := u.awaitPodsGone(ctx, say, last); err != nil {
			return err
		}
	}
	sets := &appsv1.StatefulSetList{}
	if err := u.list(ctx, sets); err != nil {
		return err
	}
	for n := range sets.Items {
		if err := u.remove(ctx, "StatefulSet", &sets.Items[n]); err != nil {
			return err
		}
	}
	return nil
}

// awaitPodsGone waits until no pod of the installation is left but etcd's and, unless all, those of the API server.
func (u *uninstallation) awaitPodsGone(ctx context.Context, say func(string), all bool) error {
	if u.DryRun {
		return nil
	}
	kept := []string{deploy.Etcd}
	if !all {
		kept = append(kept, deploy.APIServer)
	}
	others, err := labels.NewRequirement("app", selection.NotIn, kept)
	if err != nil {
		return err
	}
	selector := labels.SelectorFromSet(labels.Set{deploy.LabelManagedBy: deploy.ManagedBy}).Add(*others)
	return await(ctx, say, func(ctx context.Context) (string, error) {
		pods, err := podsOf(ctx, u.host.Client, u.Namespace, selector)
		if err != nil || len(pods) == 0 {
			return "", err
		}
		return fmt.Sprintf("%d pods are still ending, %s among them", len(pods), pods[0].Name), nil
	})
}

// removeRest removes what no pod needs any more. The Secret that marks an installation goes last.
func (u *uninstallation) removeRest(ctx context.Context, _ func(string)) error {
	for _, kind := range []struct {
		name string
		list client.ObjectList
	}{
		{"PodDisruptionBudget", &policyv1.PodDisruptionBudgetList{}}, {"Service", &corev1.ServiceList{}},
		{"NetworkPolicy", &networkingv1.NetworkPolicyList{}}, {"PersistentVolumeClaim", &corev1.PersistentVolumeClaimList{}},
		{"ServiceAccount", &corev1.ServiceAccountList{}}, {"Secret", &corev1.SecretList{}},
	} {
		if err := u.list(ctx, kind.list); err != nil {
			return err
		}
		objects, err := itemsOf(kind.list)
		if err != nil {
			return err
		}
		slices.SortStableFunc(objects, func(a, b client.Object) int { return isStore(a) - isStore(b) })
		for _, object := range objects {
			if err := u.remove(ctx, kind.name, object); err != nil {
				return err
			}
		}
	}
	return nil
}

func isStore(object client.Object) int {
	if object.GetName() == storeSecret {
		return 1
	}
	return 0
}

// removeNamespace removes the namespace if an installation made it and nothing of anybody else's is in it.
func (u *uninstallation) removeNamespace(ctx context.Context, say func(string)) error {
	namespace := &corev1.Namespace{}
	err := u.host.Client.Get(ctx, client.ObjectKey{Name: u.Namespace}, namespace)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("looking at namespace %s: %w", u.Namespace, err)
	case namespace.Labels[deploy.LabelManagedBy] != deploy.ManagedBy:
		u.result.Kept = "it was made by somebody else"
		return nil
	}
	if u.result.Kept, err = u.strangers(ctx); err != nil || u.result.Kept != "" {
		return err
	}
	if err := u.remove(ctx, "Namespace", namespace); err != nil || u.DryRun {
		return err
	}
	return await(ctx, say, func(ctx context.Context) (string, error) {
		err := u.host.Client.Get(ctx, client.ObjectKey{Name: u.Namespace}, namespace)
		if apierrors.IsNotFound(err) {
			return "", nil
		}
		return "the namespace is still ending", err
	})
}

// strangers names something in the namespace that no installation made.
func (u *uninstallation) strangers(ctx context.Context) (string, error) {
	foreign, err := labels.Parse(deploy.LabelManagedBy + "!=" + deploy.ManagedBy)
	if err != nil {
		return "", err
	}
	for _, kind := range []struct {
		name string
		list client.ObjectList
	}{
		{"Deployment", &appsv1.DeploymentList{}}, {"StatefulSet", &appsv1.StatefulSetList{}}, {"DaemonSet", &appsv1.DaemonSetList{}},
		{"Job", &batchv1.JobList{}}, {"CronJob", &batchv1.CronJobList{}}, {"Pod", &corev1.PodList{}},
		{"PersistentVolumeClaim", &corev1.PersistentVolumeClaimList{}}, {"Secret", &corev1.SecretList{}},
		{"ConfigMap", &corev1.ConfigMapList{}}, {"Service", &corev1.ServiceList{}}, {"Ingress", &networkingv1.IngressList{}},
		{"NetworkPolicy", &networkingv1.NetworkPolicyList{}}, {"ServiceAccount", &corev1.ServiceAccountList{}},
		{"Role", &rbacv1.RoleList{}}, {"RoleBinding", &rbacv1.RoleBindingList{}},
	} {
		if err := u.host.Client.List(ctx, kind.list, client.InNamespace(u.Namespace), client.MatchingLabelsSelector{Selector: foreign}); err != nil {
			return "", fmt.Errorf("listing what else is in namespace %s: %w", u.Namespace, err)
		}
		objects, err := itemsOf(kind.list)
		if err != nil {
			return "", err
		}
		objects = slices.DeleteFunc(objects, madeByKubernetes)
		if len(objects) > 0 {
			return fmt.Sprintf("%s %s in it was made by somebody else", kind.name, objects[0].GetName()), nil
		}
	}
	return "", nil
}

// madeByKubernetes tells what Kubernetes puts into every namespace.
func madeByKubernetes(object client.Object) bool {
	switch object.(type) {
	case *corev1.ConfigMap:
		return object.GetName() == "kube-root-ca.crt"
	case *corev1.ServiceAccount:
		return object.GetName() == "default"
	}
	return false
}

func (u *uninstallation) list(ctx context.Context, into client.ObjectList) error {
	err := u.host.Client.List(ctx, into, client.InNamespace(u.Namespace), client.MatchingLabels{deploy.LabelManagedBy: deploy.ManagedBy})
	if err != nil {
		return fmt.Errorf("listing what is installed in namespace %s: %w", u.Namespace, err)
	}
	return nil
}

func (u *uninstallation) remove(ctx context.Context, kind string, object client.Object) error {
	return applier{to: u.host.Client, dry: u.DryRun, changes: &u.result.Changes}.remove(ctx, kind, object)
}

// itemsOf are the objects of a list.
func itemsOf(list client.ObjectList) ([]client.Object, error) {
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, fmt.Errorf("reading a list: %w", err)
	}
	var objects []client.Object
	for _, item := range items {
		object, ok := item.(client.Object)
		if !ok {
			return nil, errors.New("reading a list: its items are no objects")
		}
		objects = append(objects, object)
	}
	return objects, nil
}
