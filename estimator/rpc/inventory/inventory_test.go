package inventory_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/inventory"
	"github.com/seatrial/seatrial/estimator/rpc/inventory/apitest"
)

func newNode(name, cpu string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{
			"cpu": resource.MustParse(cpu), "memory": resource.MustParse("64Gi"), "pods": resource.MustParse("110")}},
	}
}

func newPod(namespace, name, node, cpu string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu)}}}}},
	}
}

// start follows the API server until the test ends, which waits for everything to end.
func start(t *testing.T, api *apitest.Server, gates nodes.Options) *inventory.Inventory {
	t.Helper()
	v := inventory.New(api.Client(t), inventory.Options{Gates: gates, Backoff: wait.Backoff{Duration: time.Millisecond, Steps: 1}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); v.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return v
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func synced(t *testing.T, v *inventory.Inventory) {
	t.Helper()
	select {
	case <-v.Synced():
	case <-time.After(20 * time.Second):
		t.Fatal("the cluster was not seen")
	}
}

func demandOf(cpu string) *nodes.Demand {
	return &nodes.Demand{Requirements: &workv1alpha2.ReplicaRequirements{
		Namespace: "shop", ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse(cpu)}}}
}

func roomFor(t *testing.T, v *inventory.Inventory, demand *nodes.Demand) int32 {
	t.Helper()
	var replicas int32
	v.Read(func(index *nodes.Index) {
		var err error
		if replicas, err = index.Replicas(demand, nil); err != nil {
			t.Error(err)
		}
	})
	return replicas
}

func filled(t *testing.T) *apitest.Server {
	api := apitest.New(t)
	for i := range 3 {
		api.Set("nodes", newNode(fmt.Sprint("node-", i), "10"))
		api.Set("pods", newPod("shop", fmt.Sprint("web-", i), fmt.Sprint("node-", i), "4"))
	}
	return api
}

// TestFollow sees what is there, what comes, what changes and what goes.
func TestFollow(t *testing.T) {
	for name, prepare := range map[string]func(*apitest.Server){"streamed": func(*apitest.Server) {}, "paged": (*apitest.Server).BeOld} {
		t.Run(name, func(t *testing.T) {
			api := filled(t)
			prepare(api)
			v := start(t, api, nodes.Options{})
			synced(t, v)
			if got := roomFor(t, v, demandOf("1")); got != 18 {
				t.Fatalf("room for %d at first, want 18", got)
			}
			api.Set("nodes", newNode("node-3", "10"))
			await(t, "a node came", func() bool { return roomFor(t, v, demandOf("1")) == 28 })
			api.Set("pods", newPod("shop", "web-0", "node-0", "9"))
			await(t, "a pod changed", func() bool { return roomFor(t, v, demandOf("1")) == 23 })
			api.Delete("pods", "shop", "web-0")
			await(t, "a pod went", func() bool { return roomFor(t, v, demandOf("1")) == 32 })
			api.Delete("nodes", "", "node-3")
			await(t, "a node went", func() bool { return roomFor(t, v, demandOf("1")) == 22 })
			if v.Stale() {
				t.Error("stale with all watches open")
			}
		})
	}
}

// TestPages lists more than fits on a page.
func TestPages(t *testing.T) {
	const pods = 1203
	api := apitest.New(t)
	api.BeOld()
	api.Set("nodes", newNode("node-0", "2k"))
	for i := range pods {
		api.Set("pods", newPod("shop", fmt.Sprint("web-", i), "node-0", "1"))
	}
	v := start(t, api, nodes.Options{})
	synced(t, v)
	demand := demandOf("1")
	var explained nodes.Explanation
	v.Read(func(index *nodes.Index) { explained, _ = index.Explain(demand) })
	if lists := api.Requests("list", "pods"); lists != 3 {
		t.Errorf("pods were listed in %d pages, want 3", lists)
	}
	if roomFor(t, v, demand) != 0 || explained.Nodes != 1 {
		t.Errorf("room for %d beside more pods than the node may have: %s", roomFor(t, v, demand), explained)
	}
	for i := range pods - 100 {
		api.Delete("pods", "shop", fmt.Sprint("web-", i))
	}
	await(t, "all but 100 pods are gone", func() bool { return roomFor(t, v, demand) == 10 })
}

// TestStaleAndRecovery: answers go on while the API server is away, and what happened meanwhile is caught up with.
func TestStaleAndRecovery(t *testing.T) {
	for name, c := range map[string]struct{ forget, old bool }{
		"watch resumes": {}, "watch starts anew": {forget: true}, "list again": {forget: true, old: true},
	} {
		t.Run(name, func(t *testing.T) {
			api := filled(t)
			if c.old {
				api.BeOld()
			}
			v := start(t, api, nodes.Options{})
			synced(t, v)
			api.Break()
			await(t, "the inventory is stale", v.Stale)
			if got := roomFor(t, v, demandOf("1")); got != 18 {
				t.Errorf("room for %d while the API server is away, want 18", got)
			}
			api.Delete("pods", "shop", "web-1")
			api.Set("nodes", newNode("node-3", "10"))
			if c.forget {
				api.Forget()
			}
			api.Mend()
			await(t, "the inventory is fresh", func() bool { return !v.Stale() })
			await(t, "it has caught up", func() bool { return roomFor(t, v, demandOf("1")) == 32 })
		})
	}
}

// TestOrderlyEndIsNotStale: servers end watches all the time.
func TestOrderlyEndIsNotStale(t *testing.T) {
	api := filled(t)
	v := start(t, api, nodes.Options{})
	synced(t, v)
	// A watch that ends at once, with nothing on it, is taken for a failure.
	api.Set("nodes", newNode("node-3", "10"))
	await(t, "a node came", func() bool { return roomFor(t, v, demandOf("1")) == 28 })
	before := api.Requests("watch", "nodes")
	api.Set("nodes", newNode("node-4", "10"))
	api.EndWatches()
	await(t, "the watch is opened again", func() bool { return api.Requests("watch", "nodes") > before })
	await(t, "the other node came", func() bool { return roomFor(t, v, demandOf("1")) == 38 })
	if lists := api.Requests("list", "nodes"); lists != 0 {
		t.Errorf("nodes were listed %d times", lists)
	}
}

// TestForbiddenKinds: what only refines answers may be out of reach; nodes may not.
func TestForbiddenKinds(t *testing.T) {
	api := filled(t)
	for _, kind := range []string{"csinodes", "persistentvolumes", "namespaces"} {
		api.Forbid(kind)
	}
	v := start(t, api, nodes.Options{})
	synced(t, v)
	if v.Stale() || roomFor(t, v, demandOf("1")) != 18 {
		t.Errorf("stale %t, room for %d", v.Stale(), roomFor(t, v, demandOf("1")))
	}

	api = filled(t)
	api.Forbid("nodes")
	v = start(t, api, nodes.Options{})
	await(t, "the inventory is stale", v.Stale)
	select {
	case <-v.Synced():
		t.Error("a cluster whose nodes nobody may see counts as seen")
	default:
	}
}

func TestQuotas(t *testing.T) {
	api := filled(t)
	api.Set("resourcequotas", &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "q"},
		Status: corev1.ResourceQuotaStatus{
			Hard: corev1.ResourceList{"requests.cpu": resource.MustParse("8")}, Used: corev1.ResourceList{"requests.cpu": resource.MustParse("3")}},
	})
	for gate, want := range map[bool]int32{true: 5, false: 18} {
		v := start(t, api, nodes.Options{Quotas: gate})
		synced(t, v)
		if got := roomFor(t, v, demandOf("1")); got != want {
			t.Errorf("gate %t: room for %d, want %d", gate, got, want)
		}
	}
}

// TestVolumeLimits counts the volumes of pods against the limit of their node.
func TestVolumeLimits(t *testing.T) {
	api := apitest.New(t)
	api.Set("nodes", newNode("node-0", "10"))
	api.Set("csinodes", &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: "node-0"}, Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{
		{Name: "disk.csi", NodeID: "0", Allocatable: &storagev1.VolumeNodeResources{Count: ptr.To[int32](5)}}}}})
	for i, claim := range []string{"data", "db-0-scratch"} {
		api.Set("persistentvolumes", &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("pv-", i)}, Spec: corev1.PersistentVolumeSpec{
			ClaimRef:               &corev1.ObjectReference{Namespace: "shop", Name: claim},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "disk.csi"}}}})
	}
	pod := newPod("shop", "db-0", "node-0", "1")
	pod.Spec.Volumes = []corev1.Volume{
		{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}},
		{Name: "scratch", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}},
		{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}},
	}
	api.Set("pods", pod)
	v := start(t, api, nodes.Options{})
	synced(t, v)
	demand := demandOf("1")
	demand.Volumes = []estimator.Volume{{Driver: "disk.csi"}}
	if got := roomFor(t, v, demand); got != 3 {
		t.Errorf("room for %d replicas with a volume, want 3 of 5 less 2", got)
	}
}
