package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/fleet"
)

// asOne speaks to the whole fleet as to one cluster, as user, or as the administrator when there is none.
func (f *fixture) asOne(user string) kubernetes.Interface {
	f.Helper()
	path, err := f.env.Kubeconfig(f.ctx, fleet.ControlPlaneName)
	f.must(err)
	config, err := clientcmd.BuildConfigFromFlags("", path)
	f.must(err)
	config.Host += "/apis/" + searchv1alpha1.GroupVersion.String() + "/proxying/karmada/proxy"
	config.Impersonate = rest.ImpersonationConfig{UserName: user}
	made, err := kubernetes.NewForConfig(config)
	f.must(err)
	return made
}

// TheFleetIsReadAsOne keeps config maps of two members, and reads, watches, changes and searches them in one place.
func TheFleetIsReadAsOne(t *testing.T, env fleet.Environment) {
	const user, namespace = "sue", "default"
	f := start(t, env)
	kept := f.keep("config-maps", "member1", "member2")
	all := f.asOne("").CoreV1().ConfigMaps(namespace)
	ours := metav1.ListOptions{LabelSelector: "test=search"}
	labelled := func(name string) *corev1.ConfigMap {
		made := configMap(namespace, name, map[string]string{"a": "1"})
		made.Labels = map[string]string{"test": "search"}
		return made
	}
	first, second := labelled("in-one"), labelled("in-two")
	f.createIn(f.member("member1"), first)
	f.createIn(f.member("member2"), second)
	var listed *corev1.ConfigMapList
	f.await(toSettle, "the objects of both members", func(ctx context.Context) (bool, error) {
		found, err := all.List(ctx, ours)
		listed = found
		return err == nil && len(found.Items) == 2, nil
	})
	var seen []string
	for _, item := range listed.Items {
		seen = append(seen, item.Name+" "+item.Annotations[names.AnnotationCachedFromCluster])
	}
	if want := []string{"in-one member1", "in-two member2"}; !slices.Equal(seen, want) {
		f.Errorf("listed %v, want %v", seen, want)
	}
	events, err := all.Watch(f.ctx, metav1.ListOptions{LabelSelector: ours.LabelSelector, ResourceVersion: listed.ResourceVersion})
	f.must(err)
	defer events.Stop()
	changed := listed.Items[1].DeepCopy()
	changed.Data["a"] = "2"
	_, err = all.Update(f.ctx, changed, metav1.UpdateOptions{})
	f.must(err)
	stored := blank(second)
	f.must(f.member("member2").Get(f.ctx, clientKey(second), stored))
	if stored.Data["a"] != "2" || stored.Annotations[names.AnnotationCachedFromCluster] != "" {
		f.Errorf("stored in the member: %v", stored)
	}
	event := <-events.ResultChan()
	if event.Type != watch.Modified || event.Object.(*corev1.ConfigMap).Data["a"] != "2" {
		f.Fatalf("the watch told %v", event)
	}
	events.Stop()
	for selector, want := range map[string]string{"metadata.name=in-one": "in-one", "data.a=2": "in-two"} {
		found, err := all.List(f.ctx, metav1.ListOptions{LabelSelector: ours.LabelSelector, FieldSelector: selector})
		f.must(err)
		if len(found.Items) != 1 || found.Items[0].Name != want {
			f.Errorf("with %s: %v, want %s alone", selector, found.Items, want)
		}
	}
	f.readersOfTheCacheNeedRights(user, namespace)
	update(f, f.member("member1"), first, func(c *corev1.ConfigMap) { c.Data["a"] = "3" })
	// Nobody watched when it changed.
	resumed, err := all.Watch(f.ctx, metav1.ListOptions{LabelSelector: ours.LabelSelector, ResourceVersion: event.Object.(*corev1.ConfigMap).ResourceVersion})
	f.must(err)
	defer resumed.Stop()
	if event := <-resumed.ResultChan(); event.Type != watch.Modified || event.Object.(*corev1.ConfigMap).Data["a"] != "3" {
		f.Errorf("the watch that went on told %v", event)
	}
	f.must(all.Delete(f.ctx, first.Name, metav1.DeleteOptions{}))
	f.must(all.Delete(f.ctx, second.Name, metav1.DeleteOptions{}))
	f.delete(f.plane, kept)
	f.await(toSettle, "nothing to be kept", func(ctx context.Context) (bool, error) {
		// The control plane answers then, which has none.
		found, err := all.List(ctx, ours)
		return err == nil && len(found.Items) == 0 && !strings.Contains(found.ResourceVersion, "ey"), nil
	})
}

// readersOfTheCacheNeedRights to search, and to the objects as well.
func (f *fixture) readersOfTheCacheNeedRights(user, namespace string) {
	f.Helper()
	search := clusterRole("searchers", rbacv1.PolicyRule{
		Verbs: []string{"*"}, APIGroups: []string{searchv1alpha1.GroupName}, Resources: []string{"search/api", "proxying/proxy"},
	})
	read := clusterRole("searchers-read", rbacv1.PolicyRule{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"configmaps"}})
	toSearch, toRead := grantTo("searchers", user), grantTo("searchers-read", user)
	list := func() error {
		_, err := f.asOne(user).CoreV1().ConfigMaps(namespace).List(f.ctx, metav1.ListOptions{})
		return err
	}
	refusedBy := func(err error, what string) bool {
		return apierrors.IsForbidden(err) && strings.Contains(err.Error(), what)
	}
	if err := list(); !refusedBy(err, "proxying.search.karmada.io") {
		f.Errorf("without any right: %v", err)
	}
	f.create(search)
	f.create(toSearch)
	f.await(toSettle, "the user to be let in, without rights to the objects", func(context.Context) (bool, error) {
		return refusedBy(list(), "in the control plane"), nil
	})
	f.create(read)
	f.create(toRead)
	f.await(toSettle, "the user to read", func(context.Context) (bool, error) { return list() == nil, nil })
	searched, err := f.asOneRoot(user).Get().AbsPath("/apis/" + searchv1alpha1.GroupVersion.String() + "/search/cache/api/v1/namespaces/" + namespace + "/configmaps").DoRaw(f.ctx)
	f.must(err)
	if text := string(searched); !strings.Contains(text, `"in-one"`) || !strings.Contains(text, `"in-two"`) {
		f.Errorf("found %s", text)
	}
	for _, gone := range []*rbacv1.ClusterRoleBinding{toSearch, toRead} {
		f.delete(f.plane, gone)
	}
	f.delete(f.plane, search)
	f.delete(f.plane, read)
}

// asOneRoot speaks to the control plane as user.
func (f *fixture) asOneRoot(user string) rest.Interface {
	f.Helper()
	path, err := f.env.Kubeconfig(f.ctx, fleet.ControlPlaneName)
	f.must(err)
	config, err := clientcmd.BuildConfigFromFlags("", path)
	f.must(err)
	config.Impersonate = rest.ImpersonationConfig{UserName: user}
	made, err := kubernetes.NewForConfig(config)
	f.must(err)
	return made.CoreV1().RESTClient()
}

// keep has config maps of clusters kept.
func (f *fixture) keep(name string, clusters ...string) *searchv1alpha1.ResourceRegistry {
	f.Helper()
	made := &searchv1alpha1.ResourceRegistry{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: searchv1alpha1.ResourceRegistrySpec{
			TargetCluster:     policyv1alpha1.ClusterAffinity{ClusterNames: clusters},
			ResourceSelectors: []searchv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "ConfigMap"}},
		},
	}
	f.create(made)
	return made
}
