package e2e

import (
	"bytes"
	"context"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/fleet"
)

// through reaches a member by way of the control plane, as user, or as the administrator when there is none.
func (f *fixture) through(member, user string, groups ...string) (*rest.Config, kubernetes.Interface) {
	f.Helper()
	path, err := f.env.Kubeconfig(f.ctx, fleet.ControlPlaneName)
	f.must(err)
	config, err := clientcmd.BuildConfigFromFlags("", path)
	f.must(err)
	config.Host += "/apis/" + clusterv1alpha1.GroupVersion.String() + "/clusters/" + member + "/proxy"
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	made, err := kubernetes.NewForConfig(config)
	f.must(err)
	return config, made
}

// AdministratorsReachMembers reads, watches and writes in every member by way of the control plane, whoever carries Works there.
func AdministratorsReachMembers(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	for _, name := range members {
		_, member := f.through(name, "")
		f.await(toSettle, "the administrator to be let into "+name, func(ctx context.Context) (bool, error) {
			nodes, err := member.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
			return err == nil && len(nodes.Items) > 0, nil
		})
		seen, err := member.CoreV1().ConfigMaps("default").Watch(f.ctx, metav1.ListOptions{FieldSelector: "metadata.name=by-proxy"})
		f.must(err)
		made, err := member.CoreV1().ConfigMaps("default").Create(f.ctx, configMap("default", "by-proxy", map[string]string{"a": "1"}), metav1.CreateOptions{})
		f.must(err)
		if event := <-seen.ResultChan(); event.Type != watch.Added || event.Object.(*corev1.ConfigMap).UID != made.UID {
			f.Errorf("%s: the watch told %v %v", name, event.Type, event.Object)
		}
		seen.Stop()
		stored := blank(made)
		f.must(f.member(name).Get(f.ctx, clientKey(made), stored))
		if stored.UID != made.UID {
			f.Errorf("the config map was made elsewhere than in %s", name)
		}
		f.must(member.CoreV1().ConfigMaps("default").Delete(f.ctx, "by-proxy", metav1.DeleteOptions{}))
	}
	_, nowhere := f.through("nowhere", "")
	if _, err := nowhere.CoreV1().Nodes().List(f.ctx, metav1.ListOptions{}); !apierrors.IsNotFound(err) {
		f.Errorf("asking a cluster that does not exist: %v", err)
	}
}

// UsersReachMembersAsThemselves gives a user the way to one member, and then rights there: either alone is not enough.
func UsersReachMembersAsThemselves(t *testing.T, env fleet.Environment) {
	const user = "una"
	f := start(t, env)
	// An earlier administrator's request must not have left anything that the user profits from.
	list := func(member string) func() error {
		_, api := f.through(member, user)
		return func() error {
			_, err := api.CoreV1().Nodes().List(f.ctx, metav1.ListOptions{})
			return err
		}
	}
	here, there := list("member1"), list("member2")
	refusedBy := func(err error, what string) bool {
		return apierrors.IsForbidden(err) && strings.Contains(err.Error(), what)
	}
	if err := here(); !refusedBy(err, "clusters.cluster.karmada.io") {
		f.Fatalf("without any right: %v", err)
	}
	way := clusterRole("way-in", rbacv1.PolicyRule{
		Verbs: []string{"get"}, APIGroups: []string{clusterv1alpha1.GroupName}, Resources: []string{"clusters/proxy"}, ResourceNames: []string{"member1"},
	})
	grant := grantTo("way-in", user)
	f.create(way)
	f.create(grant)
	f.await(toSettle, "the user to be let in, without rights there", func(context.Context) (bool, error) {
		return refusedBy(here(), `User "`+user+`" cannot list resource "nodes"`), nil
	})
	inside, given := clusterRole("way-in-nodes", rbacv1.PolicyRule{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"nodes"}}), grantTo("way-in-nodes", user)
	f.createIn(f.member("member1"), inside)
	f.createIn(f.member("member1"), given)
	f.await(toSettle, "the user to list nodes", func(context.Context) (bool, error) { return here() == nil, nil })
	if err := there(); !refusedBy(err, "clusters.cluster.karmada.io") {
		f.Errorf("another member: %v", err)
	}
	config, _ := f.through("member1", user)
	for header, value := range map[string]string{"Impersonate-User": "kubernetes-admin", "X-Remote-User": "kubernetes-admin"} {
		if err := f.smuggle(config, header, value); !apierrors.IsForbidden(err) {
			f.Errorf("with a header %s: %v", header, err)
		}
	}
	f.delete(f.member("member1"), given)
	f.delete(f.member("member1"), inside)
	f.delete(f.plane, grant)
	f.delete(f.plane, way)
	f.await(toSettle, "the way to be closed", func(context.Context) (bool, error) { return refusedBy(here(), "clusters.cluster.karmada.io"), nil })
}

// smuggle asks a member for secrets with a header that names somebody else.
func (f *fixture) smuggle(config *rest.Config, header, value string) error {
	f.Helper()
	api, err := kubernetes.NewForConfig(config)
	f.must(err)
	return api.CoreV1().RESTClient().Get().AbsPath("/api/v1/secrets").SetHeader(header, value).Do(f.ctx).Error()
}

// PodsAnswerThroughTheControlPlane reads the log of a pod, runs a command in it, attaches to it and forwards a port to it.
func PodsAnswerThroughTheControlPlane(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	pod := f.playKubelet("member2")
	config, member := f.through("member2", "")
	f.await(toSettle, "the log", func(ctx context.Context) (bool, error) {
		log, err := member.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{Follow: true}).DoRaw(ctx)
		return string(log) == "a line of the log\n", ignoreForbidden(err)
	})
	api := member.CoreV1().RESTClient()
	for verb, how := range map[string]runtime.Object{
		"exec":   &corev1.PodExecOptions{Container: "main", Command: []string{"cat"}, Stdin: true, Stdout: true},
		"attach": &corev1.PodAttachOptions{Container: "main", Stdin: true, Stdout: true},
	} {
		ask := api.Post().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource(verb).VersionedParams(how, scheme.ParameterCodec).URL()
		for protocol, executor := range f.executors(config, ask) {
			var out bytes.Buffer
			err := executor.StreamWithContext(f.ctx, remotecommand.StreamOptions{Stdin: strings.NewReader("round trip"), Stdout: io.Writer(&out)})
			if err != nil || out.String() != "round trip" {
				f.Errorf("%s by %s gave back %q, %v", verb, protocol, out.String(), err)
			}
		}
	}
	for protocol, got := range f.throughPorts(config, api, pod, "round trip") {
		if got != playedPort+": round trip" {
			f.Errorf("the port by %s gave back %q", protocol, got)
		}
	}
}

// executors speak to a container by either protocol.
func (f *fixture) executors(config *rest.Config, ask *url.URL) map[string]remotecommand.Executor {
	f.Helper()
	bySPDY, err := remotecommand.NewSPDYExecutor(config, "POST", ask)
	f.must(err)
	byWebSocket, err := remotecommand.NewWebSocketExecutor(config, "GET", ask.String())
	f.must(err)
	return map[string]remotecommand.Executor{"SPDY": bySPDY, "WebSocket": byWebSocket}
}

func ignoreForbidden(err error) error {
	if apierrors.IsForbidden(err) {
		return nil
	}
	return err
}

func clusterRole(name string, rules ...rbacv1.PolicyRule) *rbacv1.ClusterRole {
	return &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: slices.Clone(rules)}
}

// grantTo gives a cluster role to a user, under the role's name.
func grantTo(role, user string) *rbacv1.ClusterRoleBinding {
	return &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
}
