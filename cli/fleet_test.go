package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kinds are those that the API servers of a testFleet serve, by the path of their group and version.
var kinds = map[string][]metav1.APIResource{
	"api/v1": {
		{Name: "pods", SingularName: "pod", Kind: "Pod", Namespaced: true, ShortNames: []string{"po"}},
		{Name: "configmaps", SingularName: "configmap", Kind: "ConfigMap", Namespaced: true, ShortNames: []string{"cm"}},
		{Name: "nodes", SingularName: "node", Kind: "Node"},
	},
	"apis/apps/v1":                     {{Name: "deployments", SingularName: "deployment", Kind: "Deployment", Namespaced: true, ShortNames: []string{"deploy"}}},
	"apis/cluster.karmada.io/v1alpha1": {{Name: "clusters", SingularName: "cluster", Kind: "Cluster"}},
	"apis/policy.karmada.io/v1alpha1": {
		{Name: "propagationpolicies", SingularName: "propagationpolicy", Kind: "PropagationPolicy", Namespaced: true},
		{Name: "clusterpropagationpolicies", SingularName: "clusterpropagationpolicy", Kind: "ClusterPropagationPolicy"},
	},
	"apis/config.karmada.io/v1alpha1": {{Name: "resourceinterpretercustomizations", Kind: "ResourceInterpreterCustomization"}},
	"apis/metrics.k8s.io/v1beta1": {
		{Name: "pods", Kind: "PodMetrics", Namespaced: true}, {Name: "nodes", Kind: "NodeMetrics"},
	},
}

// testFleet is a control plane behind HTTP with members behind its proxy, which serve what they are given.
type testFleet struct {
	t          *testing.T
	kubeconfig string

	lock sync.Mutex
	// objects are keyed by their place, which is empty for the control plane, and their path.
	objects map[string]map[string]*unstructured.Unstructured
	// logs are keyed by their place and pod.
	logs map[string]string
	// absent are groups that a place does not have, and dead are members that do not answer.
	absent map[string][]string
	dead   map[string]bool
	// trials are the creations that were dry runs, and created the paths of the others in order.
	trials  int
	created []string
	// refuses is a collection in which nothing is created but in dry runs.
	refuses string
}

func newTestFleet(t *testing.T, members ...string) *testFleet {
	t.Helper()
	f := &testFleet{
		t: t, objects: map[string]map[string]*unstructured.Unstructured{}, logs: map[string]string{}, absent: map[string][]string{}, dead: map[string]bool{},
	}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.kubeconfig = filepath.Join(t.TempDir(), "config")
	config := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"plane": {Server: server.URL}},
		Contexts:       map[string]*clientcmdapi.Context{"karmada": {Cluster: "plane"}, "other": {Cluster: "plane", Namespace: "elsewhere"}},
		CurrentContext: "karmada",
	}
	if err := clientcmd.WriteToFile(config, f.kubeconfig); err != nil {
		t.Fatal(err)
	}
	for _, member := range members {
		f.add("", "apis/cluster.karmada.io/v1alpha1/clusters/"+member, `{"apiVersion":"cluster.karmada.io/v1alpha1","kind":"Cluster",
			"metadata":{"name":"`+member+`"},"spec":{"syncMode":"Push"},"status":{"conditions":[{"type":"Ready","status":"True","reason":"ClusterReady","message":"","lastTransitionTime":null}]}}`)
	}
	return f
}

func (f *testFleet) add(place, path, object string) {
	f.t.Helper()
	tree := &unstructured.Unstructured{}
	if err := tree.UnmarshalJSON([]byte(object)); err != nil {
		f.t.Fatal(err)
	}
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.objects[place] == nil {
		f.objects[place] = map[string]*unstructured.Unstructured{}
	}
	f.objects[place][path] = tree
}

func (f *testFleet) object(place, path string) *unstructured.Unstructured {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.objects[place][path]
}

// run is a command line of the program; what it prints comes back.
func (f *testFleet) run(arguments ...string) (out, told string, err error) {
	f.t.Helper()
	var stdout, stderr bytes.Buffer
	root := &cobra.Command{Use: "seatrial", SilenceErrors: true, SilenceUsage: true}
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: &stdout, ErrOut: &stderr}
	root.AddCommand(Commands(streams)...)
	root.AddCommand(NewExplainCommand(streams))
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	completes := len(arguments) > 0 && arguments[0] == cobra.ShellCompNoDescRequestCmd
	if !completes {
		arguments = slices.Insert(arguments, 1, "--kubeconfig", f.kubeconfig, "--cache-dir", f.t.TempDir())
	}
	root.SetArgs(arguments)
	err = root.ExecuteContext(f.t.Context())
	return stdout.String(), stderr.String(), err
}

const proxyPrefix = "apis/cluster.karmada.io/v1alpha1/clusters/"

func (f *testFleet) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	place, path := "", strings.Trim(request.URL.Path, "/")
	if rest, isCluster := strings.CutPrefix(path, proxyPrefix); isCluster {
		if member, proxied, found := strings.Cut(rest, "/proxy/"); found {
			place, path = member, proxied
		}
	}
	f.lock.Lock()
	defer f.lock.Unlock()
	switch {
	case f.dead[place]:
		http.Error(answer, "no route to host", http.StatusServiceUnavailable)
	case path == "api":
		f.reply(answer, metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}})
	case path == "apis":
		f.reply(answer, f.groups(place))
	case kinds[path] != nil && !slices.Contains(f.absent[place], path):
		f.reply(answer, resourcesOf(path))
	case strings.HasSuffix(path, "/log"):
		fmt.Fprint(answer, f.logs[place+"/"+strings.Split(path, "/")[5]])
	case strings.HasSuffix(path, "/exec") || strings.HasSuffix(path, "/attach"):
		http.Error(answer, "no commands are run here", http.StatusNotImplemented)
	case request.Method == http.MethodPost:
		f.create(answer, request, place, path)
	case request.Method == http.MethodDelete && f.objects[place][path] != nil:
		f.reply(answer, f.objects[place][path])
		delete(f.objects[place], path)
	case request.Method == http.MethodGet:
		f.get(answer, request, place, path)
	default:
		http.Error(answer, "not served: "+request.Method+" "+path, http.StatusNotImplemented)
	}
}

func (f *testFleet) reply(answer http.ResponseWriter, object any) {
	answer.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(answer).Encode(object); err != nil {
		f.t.Error(err)
	}
}

func (f *testFleet) groups(place string) metav1.APIGroupList {
	list := metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for path := range kinds {
		group, version, found := strings.Cut(strings.TrimPrefix(path, "apis/"), "/")
		if !found || path == "api/v1" || slices.Contains(f.absent[place], path) {
			continue
		}
		served := metav1.GroupVersionForDiscovery{GroupVersion: group + "/" + version, Version: version}
		list.Groups = append(list.Groups, metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{served}, PreferredVersion: served})
	}
	slices.SortFunc(list.Groups, func(a, b metav1.APIGroup) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func resourcesOf(path string) metav1.APIResourceList {
	list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: strings.TrimPrefix(strings.TrimPrefix(path, "apis/"), "api/")}
	for _, resource := range kinds[path] {
		resource.Verbs = metav1.Verbs{"get", "list", "create", "watch", "delete", "patch"}
		list.APIResources = append(list.APIResources, resource)
	}
	return list
}

func (f *testFleet) notFound(answer http.ResponseWriter, path string) {
	parts := strings.Split(path, "/")
	name, resource := parts[len(parts)-1], parts[len(parts)-2]
	if len(parts) > 3 && parts[0] == "apis" {
		resource += "." + parts[1]
	}
	answer.Header().Set("Content-Type", "application/json")
	answer.WriteHeader(http.StatusNotFound)
	fmt.Fprintf(answer, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"%s \"%s\" not found"}`, resource, name)
}

func (f *testFleet) create(answer http.ResponseWriter, request *http.Request, place, path string) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		f.t.Error(err)
	}
	tree := &unstructured.Unstructured{}
	if err := tree.UnmarshalJSON(body); err != nil {
		f.t.Error(err)
	}
	if f.objects[place][path+"/"+tree.GetName()] != nil {
		answer.Header().Set("Content-Type", "application/json")
		answer.WriteHeader(http.StatusConflict)
		fmt.Fprintf(answer, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"AlreadyExists","code":409,"message":"%s already exists"}`, tree.GetName())
		return
	}
	switch {
	case request.URL.Query().Get("dryRun") != "":
		f.trials++
	case f.refuses == path:
		answer.Header().Set("Content-Type", "application/json")
		answer.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(answer, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"%s is refused"}`, tree.GetName())
		return
	default:
		if f.objects[place] == nil {
			f.objects[place] = map[string]*unstructured.Unstructured{}
		}
		f.objects[place][path+"/"+tree.GetName()] = tree
		f.created = append(f.created, path)
	}
	f.reply(answer, tree)
}

func (f *testFleet) get(answer http.ResponseWriter, request *http.Request, place, path string) {
	found := f.objects[place][path]
	inTable := strings.Contains(request.Header.Get("Accept"), "as=Table")
	if found != nil {
		if inTable {
			f.reply(answer, tableOf([]*unstructured.Unstructured{found}))
			return
		}
		f.reply(answer, found)
		return
	}
	kind := kindOf(path)
	if kind == nil || slices.ContainsFunc(f.absent[place], func(group string) bool { return strings.HasPrefix(path, group) }) {
		f.notFound(answer, path)
		return
	}
	items := f.under(place, path)
	if name, named := strings.CutPrefix(request.URL.Query().Get("fieldSelector"), "metadata.name="); named {
		items = slices.DeleteFunc(items, func(object *unstructured.Unstructured) bool { return object.GetName() != name })
	}
	if inTable {
		f.reply(answer, tableOf(items))
		return
	}
	list := map[string]any{"apiVersion": kind.Version, "kind": kind.Kind + "List", "metadata": map[string]any{"resourceVersion": "1"}, "items": items}
	f.reply(answer, list)
}

// kindOf is the kind of a collection, with the group and version it is served in.
func kindOf(path string) *metav1.APIResource {
	resource := path[strings.LastIndex(path, "/")+1:]
	for group, resources := range kinds {
		for _, kind := range resources {
			if strings.HasPrefix(path, group+"/") && kind.Name == resource {
				kind.Version = strings.TrimPrefix(strings.TrimPrefix(group, "apis/"), "api/")
				return &kind
			}
		}
	}
	return nil
}

// under are the objects of a collection, whose namespaces may be any.
func (f *testFleet) under(place, path string) []*unstructured.Unstructured {
	items := []*unstructured.Unstructured{}
	prefix, resource := path[:strings.LastIndex(path, "/")], path[strings.LastIndex(path, "/")+1:]
	for at, object := range f.objects[place] {
		if strings.HasPrefix(at, path+"/") || strings.HasPrefix(at, prefix+"/namespaces/") && strings.Contains(at, "/"+resource+"/") {
			items = append(items, object)
		}
	}
	slices.SortFunc(items, func(a, b *unstructured.Unstructured) int { return strings.Compare(a.GetName(), b.GetName()) })
	return items
}

func tableOf(objects []*unstructured.Unstructured) *metav1.Table {
	table := &metav1.Table{
		TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "Table"},
		ColumnDefinitions: []metav1.TableColumnDefinition{
			{Name: "Name", Type: "string", Format: "name"}, {Name: "State", Type: "string"}, {Name: "Node", Type: "string", Priority: 1},
		},
	}
	for _, object := range objects {
		state, _, _ := unstructured.NestedString(object.Object, "status", "state")
		table.Rows = append(table.Rows, metav1.TableRow{Cells: []any{object.GetName(), state, "node"}, Object: runtime.RawExtension{Object: object}})
	}
	return table
}

// deployment is one that reports a state; labels and annotations are JSON.
func deployment(name, state, labels string) string {
	return `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"` + name + `","namespace":"default","uid":"u","resourceVersion":"7",` +
		`"generation":3,"creationTimestamp":"2026-01-01T00:00:00Z","labels":` + labels + `,"annotations":{"deployment.kubernetes.io/revision":"2"}},` +
		`"spec":{"replicas":2,"selector":{"matchLabels":{"app":"` + name + `"}},"template":{"metadata":{"labels":{"app":"` + name + `"}},"spec":{"containers":[{"name":"c","image":"i","envFrom":[{"configMapRef":{"name":"settings"}}]}]}}},` +
		`"status":{"state":"` + state + `"}}`
}

const deployments = "apis/apps/v1/namespaces/default/deployments/"
