package search

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
)

// treeOf reads an object from JSON and marks it as m1's.
func treeOf(t *testing.T, object string) *unstructured.Unstructured {
	t.Helper()
	tree := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(object), &tree.Object); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	tree.SetAnnotations(map[string]string{"resource.karmada.io/cached-from-cluster": "m1"})
	return tree
}

// shown is the header and the row of an object: those of wide columns after a bar.
func shown(t *testing.T, by rest.TableConvertor, object string) (header, row string) {
	t.Helper()
	table, err := by.ConvertToTable(t.Context(), treeOf(t, object), nil)
	if err != nil || len(table.Rows) != 1 || len(table.Rows[0].Cells) != len(table.ColumnDefinitions) {
		t.Fatalf("%s becomes %v, %v", object, table, err)
	}
	var headers, cells []string
	for i, column := range table.ColumnDefinitions {
		name := column.Name
		if column.Priority > 0 {
			name = "|" + name
		}
		cell, err := json.Marshal(table.Rows[0].Cells[i])
		if err != nil {
			t.Fatal(err)
		}
		headers, cells = append(headers, name), append(cells, strings.Trim(string(cell), `"`))
	}
	unescaped := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(strings.Join(cells, " "))
	return strings.Join(headers, " "), unescaped
}

func TestKindsAreShownByTheirColumns(t *testing.T) {
	const of = `{"metadata":{"name":"x"},`
	for _, tc := range []struct{ resource, object, header, row string }{
		{
			"pods", of + `"spec":{"nodeName":"n1","containers":[{},{}],"readinessGates":[{"conditionType":"a"},{"conditionType":"b"}]},"status":{"phase":"Running","podIP":"10.0.0.1","conditions":[{"type":"b","status":"True"}],"containerStatuses":[{"ready":true,"state":{"running":{}}},{}]}}`,
			"Name Cluster Ready Status Restarts Age |IP |Node |Nominated Node |Readiness Gates", "x m1 1/2 Running 0 <unknown> 10.0.0.1 n1 <none> 1/2",
		},
		{
			"nodes", `{"metadata":{"name":"x","labels":{"node-role.kubernetes.io/worker":"","node-role.kubernetes.io/edge":""}},"spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}],"nodeInfo":{"kubeletVersion":"v1.36.3","osImage":"os","containerRuntimeVersion":"rt"},"addresses":[{"type":"InternalIP","address":"10.0.0.2"}]}}`,
			"Name Cluster Status Roles Age Version |Internal-IP |OS-Image |Container-Runtime", "x m1 Ready,SchedulingDisabled edge,worker <unknown> v1.36.3 10.0.0.2 os rt",
		},
		{"nodes", of + `"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}}`, "Name Cluster Status Roles Age Version |Internal-IP |OS-Image |Container-Runtime", "x m1 NotReady <none> <unknown>  <none>  "},
		{"services", of + `"spec":{"type":"ClusterIP","clusterIP":"10.1.1.1","ports":[{"port":80,"protocol":"TCP"},{"port":53,"nodePort":30053,"protocol":"UDP"}]}}`, "Name Cluster Type Cluster-IP External-IP Port(s) Age", "x m1 ClusterIP 10.1.1.1 <none> 80/TCP,53:30053/UDP <unknown>"},
		{"services", of + `"spec":{"type":"LoadBalancer","clusterIP":"10.1.1.1"}}`, "Name Cluster Type Cluster-IP External-IP Port(s) Age", "x m1 LoadBalancer 10.1.1.1 <pending> <none> <unknown>"},
		{"services", of + `"spec":{"type":"LoadBalancer","externalIPs":["9.9.9.9"]},"status":{"loadBalancer":{"ingress":[{"hostname":"h"},{"ip":"8.8.8.8"}]}}}`, "Name Cluster Type Cluster-IP External-IP Port(s) Age", "x m1 LoadBalancer <none> h,8.8.8.8,9.9.9.9 <none> <unknown>"},
		{"services", of + `"spec":{"type":"ExternalName","externalName":"there"}}`, "Name Cluster Type Cluster-IP External-IP Port(s) Age", "x m1 ExternalName <none> there <none> <unknown>"},
		{"namespaces", of + `"status":{"phase":"Active"}}`, "Name Cluster Status Age", "x m1 Active <unknown>"},
		{"configmaps", of + `"data":{"a":"1"},"binaryData":{"b":"Mg=="}}`, "Name Cluster Data Age", "x m1 2 <unknown>"},
		{"secrets", of + `"type":"Opaque","data":{"a":"MQ=="}}`, "Name Cluster Type Data Age", "x m1 Opaque 1 <unknown>"},
		{"persistentvolumeclaims", of + `"spec":{"volumeName":"v"},"status":{"phase":"Bound","capacity":{"storage":"1Gi"}}}`, "Name Cluster Status Volume Capacity Age", "x m1 Bound v 1Gi <unknown>"},
		{"deployments.apps", of + `"spec":{"replicas":3},"status":{"readyReplicas":2,"updatedReplicas":3,"availableReplicas":1}}`, "Name Cluster Ready Up-to-date Available Age", "x m1 2/3 3 1 <unknown>"},
		{"statefulsets.apps", of + `"spec":{}}`, "Name Cluster Ready Age", "x m1 0/1 <unknown>"},
		{"replicasets.apps", of + `"spec":{"replicas":3},"status":{"replicas":2,"readyReplicas":1}}`, "Name Cluster Desired Current Ready Age", "x m1 3 2 1 <unknown>"},
		{"daemonsets.apps", of + `"status":{"desiredNumberScheduled":5,"currentNumberScheduled":4,"numberReady":3,"updatedNumberScheduled":2,"numberAvailable":1}}`, "Name Cluster Desired Current Ready Up-to-date Available Age", "x m1 5 4 3 2 1 <unknown>"},
		{"jobs.batch", of + `"spec":{"completions":3},"status":{"succeeded":2}}`, "Name Cluster Status Completions Age", "x m1 Running 2/3 <unknown>"},
		{"jobs.batch", of + `"spec":{"parallelism":4},"status":{"succeeded":1,"conditions":[{"type":"Complete","status":"True"}]}}`, "Name Cluster Status Completions Age", "x m1 Complete 1/1 of 4 <unknown>"},
		{"jobs.batch", of + `"spec":"none"}`, "Name Cluster Status Completions Age", "x m1 null null <unknown>"},
	} {
		header, row := shown(t, ownColumns(schema.ParseGroupResource(tc.resource)), tc.object)
		if header != tc.header || row != tc.row {
			t.Errorf("%s %s is shown as\n%s\n%s\nwant\n%s\n%s", tc.resource, tc.object, header, row, tc.header, tc.row)
		}
	}
}

func TestPodsAreShownAsKubectlShowsThem(t *testing.T) {
	const crashing = `{"ready":false,"restartCount":4,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"finishedAt":"2026-01-01T00:00:00Z"}}}`
	for name, tc := range map[string]struct{ meta, spec, status, want string }{
		"it waits for a node":           {"", `"containers":[{}]`, `"phase":"Pending"`, "0/1 Pending 0"},
		"it is gated":                   {"", `"containers":[{}]`, `"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated"}]`, "0/1 SchedulingGated 0"},
		"it was evicted":                {"", `"containers":[{}]`, `"phase":"Failed","reason":"Evicted"`, "0/1 Evicted 0"},
		"it crashes":                    {"", `"containers":[{}]`, `"phase":"Running","containerStatuses":[` + crashing + `]`, "0/1 CrashLoopBackOff 4 (60m ago)"},
		"it is done":                    {"", `"containers":[{}]`, `"phase":"Succeeded","containerStatuses":[{"state":{"terminated":{"reason":"Completed"}}}]`, "0/1 Completed 0"},
		"a container ended by a signal": {"", `"containers":[{}]`, `"phase":"Failed","containerStatuses":[{"state":{"terminated":{"signal":9}}}]`, "0/1 Signal:9 0"},
		"a container ended by a code":   {"", `"containers":[{}]`, `"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":3}}}]`, "0/1 ExitCode:3 0"},
		"the first is done, another runs and it is ready": {
			"", `"containers":[{},{}]`, `"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[{"state":{"terminated":{"reason":"Completed"}}},{"ready":true,"state":{"running":{}}}]`, "1/2 Running 0",
		},
		"the first is done, another runs": {
			"", `"containers":[{},{}]`, `"phase":"Running","containerStatuses":[{"state":{"terminated":{"reason":"Completed"}}},{"ready":true,"state":{"running":{}}}]`, "1/2 NotReady 0",
		},
		"it is initialized":            {"", `"containers":[{}],"initContainers":[{"name":"a"},{"name":"b"}]`, `"phase":"Pending","initContainerStatuses":[{"name":"a","restartCount":2,"state":{"terminated":{}}},{"name":"b","state":{"running":{}}}]`, "0/1 Init:1/2 2"},
		"an init container crashes":    {"", `"containers":[{}],"initContainers":[{"name":"a"}]`, `"phase":"Pending","initContainerStatuses":[{"name":"a","state":{"waiting":{"reason":"CrashLoopBackOff"}}}]`, "0/1 Init:CrashLoopBackOff 0"},
		"an init container has failed": {"", `"containers":[{}],"initContainers":[{"name":"a"}]`, `"phase":"Failed","initContainerStatuses":[{"name":"a","state":{"terminated":{"exitCode":1}}}]`, "0/1 Init:ExitCode:1 0"},
		"init containers are forgotten": {
			"", `"containers":[{}],"initContainers":[{"name":"a"}]`, `"phase":"Running","initContainerStatuses":[{"name":"a","restartCount":3,"state":{"terminated":{}}}],"containerStatuses":[{"ready":true,"state":{"running":{}}}]`, "1/1 Running 0",
		},
		"a sidecar counts": {
			"", `"containers":[{}],"initContainers":[{"name":"a","restartPolicy":"Always"}]`,
			`"phase":"Running","initContainerStatuses":[{"name":"a","ready":true,"started":true,"restartCount":1,"state":{"running":{}}}],"containerStatuses":[{"ready":true,"restartCount":2,"state":{"running":{}}}]`, "2/2 Running 3",
		},
		"it is deleted":              {`,"deletionTimestamp":"2026-01-01T00:00:00Z"`, `"containers":[{}]`, `"phase":"Running"`, "0/1 Terminating 0"},
		"it is deleted when done":    {`,"deletionTimestamp":"2026-01-01T00:00:00Z"`, `"containers":[{}]`, `"phase":"Succeeded"`, "0/1 Succeeded 0"},
		"it went down with its node": {`,"deletionTimestamp":"2026-01-01T00:00:00Z"`, `"containers":[{}]`, `"phase":"Running","reason":"NodeLost"`, "0/1 Unknown 0"},
	} {
		pod := &corev1.Pod{}
		tree := treeOf(t, `{"metadata":{"name":"x"`+tc.meta+`},"spec":{`+tc.spec+`},"status":{`+tc.status+`}}`)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(tree.Object, pod); err != nil {
			t.Fatal(err)
		}
		s := stateOf(pod)
		got := s.readiness() + " " + s.reason + " " + s.restarted(time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC))
		if got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// TestCustomResourcesAreShownByTheirDefinition: by the first member that has it, which is asked again only after a while.
func TestCustomResourcesAreShownByTheirDefinition(t *testing.T) {
	const definition = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"things.example.io"},"spec":{"versions":[
		{"name":"v1","additionalPrinterColumns":[{"name":"Size","type":"integer","jsonPath":".spec.size"},{"name":"Color","type":"string","jsonPath":".spec.color","priority":1}]},{"name":"v2"}]}}`
	broken := strings.ReplaceAll(definition, ".spec.size", ".spec[")
	const thing = `{"metadata":{"name":"x"},"spec":{"size":3,"color":"red"}}`
	for name, tc := range map[string]struct {
		members     map[string]string
		version     string
		header, row string
		asked       int
	}{
		"it names columns":                {map[string]string{"a": "", "b": definition, "c": "silent"}, "v1", "Name Cluster Size |Color", "x m1 3 red", 2},
		"it names none for this version":  {map[string]string{"a": definition}, "v2", "Name Cluster Age", "x m1 null", 1},
		"no member has it":                {map[string]string{"a": "", "b": ""}, "v1", "Name Cluster Age", "x m1 <unknown>", 2},
		"members do not answer":           {map[string]string{"a": "silent", "b": "gone"}, "v1", "Name Cluster Age", "x m1 <unknown>", 2},
		"its columns cannot be made":      {map[string]string{"a": broken}, "v1", "Name Cluster Age", "x m1 <unknown>", 1},
		"one does not answer, one has it": {map[string]string{"a": "silent", "b": definition}, "v1", "Name Cluster Size |Color", "x m1 3 red", 2},
	} {
		t.Run(name, func(t *testing.T) {
			resource := schema.GroupVersionResource{Group: "example.io", Version: tc.version, Resource: "things"}
			asked := 0
			known := &definitions{dial: func(_ context.Context, member string) (dynamic.Interface, error) {
				asked++
				return definingMember(t, tc.members[member])
			}}
			for range 2 {
				header, row := shown(t, known.columnsOf(t.Context(), resource, slices.Sorted(maps.Keys(tc.members))), thing)
				if diff := cmp.Diff([]string{tc.header, tc.row}, []string{header, row}); diff != "" {
					t.Errorf("it is shown otherwise (-want +got):\n%s", diff)
				}
			}
			if asked != tc.asked {
				t.Errorf("%d members were asked, want %d", asked, tc.asked)
			}
		})
	}
}

// definingMember is a member with one definition, none for "", or one that cannot be asked.
func definingMember(t *testing.T, definition string) (dynamic.Interface, error) {
	t.Helper()
	switch definition {
	case "":
		return fake.NewSimpleDynamicClient(runtime.NewScheme()), nil
	case "silent", "gone":
		return nil, apierrors.NewServiceUnavailable(definition)
	}
	return fake.NewSimpleDynamicClient(runtime.NewScheme(), treeOf(t, definition)), nil
}

func TestOtherKindsAreShownByNameClusterAndAge(t *testing.T) {
	for _, resource := range []schema.GroupVersionResource{{Group: "example.io", Version: "v1", Resource: "not-kept"}, {Group: "batch", Version: "v1", Resource: "cronjobs"}} {
		header, _ := shown(t, (&definitions{}).columnsOf(t.Context(), resource, nil), `{"metadata":{"name":"x"}}`)
		if header != "Name Cluster Age" {
			t.Errorf("%s is shown by %s", resource, header)
		}
	}
	list := &metav1.PartialObjectMetadataList{ListMeta: metav1.ListMeta{ResourceVersion: "7", Continue: "on"}}
	if table, err := (plain{}).ConvertToTable(t.Context(), list, nil); err != nil || table.ResourceVersion != "7" || table.Continue != "on" {
		t.Errorf("a page without objects becomes %v, %v", table, err)
	}
}
