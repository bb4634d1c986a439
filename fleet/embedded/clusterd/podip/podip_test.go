package podip

import (
	"fmt"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
)

var shared = netip.MustParsePrefix("10.254.0.0/16")

func node(name, cidr string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.NodeSpec{PodCIDR: cidr},
		Status:     corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "100.64.0.1"}}},
	}
}

func pod(uid, ip string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: uid, UID: types.UID(uid)},
		Status:     corev1.PodStatus{PodIP: ip},
	}
}

func take(t *testing.T, a *Allocator, node, uid string) string {
	t.Helper()
	ip, err := a.PodIP(node, false, uid)
	if err != nil {
		t.Fatal(err)
	}
	return ip
}

// TestRestartGivesNoAddressTwice: an allocator begins with what the pods of the API server hold.
func TestRestartGivesNoAddressTwice(t *testing.T) {
	objects := []runtime.Object{node("n", "10.1.2.0/24")}
	held := map[string]bool{}
	for i := 2; i < 100; i += 2 {
		ip := fmt.Sprintf("10.1.2.%d", i)
		held[ip] = true
		objects = append(objects, pod("old-"+ip, ip))
	}
	a := New(fake.NewClientset(objects...), shared)
	if got := take(t, a, "n", "old-10.1.2.8"); got != "10.1.2.8" {
		t.Errorf("a pod with an address is given %s", got)
	}
	for i := range 100 {
		uid := fmt.Sprintf("new-%d", i)
		ip := take(t, a, "n", uid)
		if held[ip] || !netip.MustParsePrefix("10.1.2.0/24").Contains(netip.MustParseAddr(ip)) {
			t.Fatalf("pod %s is given %s", uid, ip)
		}
		held[ip] = true
		if again := take(t, a, "n", uid); again != ip {
			t.Fatalf("pod %s is given %s and then %s", uid, ip, again)
		}
	}
}

// TestFullRangeReusesWhatEndedPodsLeft: /29 has five addresses for pods.
func TestFullRangeReusesWhatEndedPodsLeft(t *testing.T) {
	client := fake.NewClientset(node("n", "10.1.2.0/29"))
	a := New(client, shared)
	seen := map[string]string{}
	for i := range 5 {
		uid := fmt.Sprint(i)
		ip := take(t, a, "n", uid)
		if other, ok := seen[ip]; ok {
			t.Fatalf("pods %s and %s are given %s", other, uid, ip)
		}
		seen[ip] = uid
		if err := client.Tracker().Add(pod(uid, ip)); err != nil {
			t.Fatal(err)
		}
	}
	for _, never := range []string{"10.1.2.0", "10.1.2.1", "10.1.2.7"} {
		if seen[never] != "" {
			t.Errorf("a pod is given %s", never)
		}
	}
	if ip, err := a.PodIP("n", false, "too many"); err == nil {
		t.Fatalf("a sixth pod is given %s", ip)
	}
	if err := client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), "default", "3"); err != nil {
		t.Fatal(err)
	}
	if ip := take(t, a, "n", "next"); seen[ip] != "3" {
		t.Errorf("the next pod is given %s, of pod %s, and only 3 ended", ip, seen[ip])
	}
}

func TestNodesWithoutARange(t *testing.T) {
	a := New(fake.NewClientset(node("n", ""), node("m", ""), node("bad", "nonsense")), shared)
	first, second := take(t, a, "n", "a"), take(t, a, "m", "b")
	if first == second || !shared.Contains(netip.MustParseAddr(first)) || !shared.Contains(netip.MustParseAddr(second)) {
		t.Errorf("two nodes without a range give %s and %s", first, second)
	}
	if ip, err := a.PodIP("n", true, "c"); err != nil || ip != "100.64.0.1" {
		t.Errorf("a pod on the host's network is given %s, %v", ip, err)
	}
	for _, name := range []string{"bad", "unknown"} {
		if ip, err := a.PodIP(name, false, "d"); err == nil {
			t.Errorf("a pod on node %s is given %s", name, ip)
		}
	}
}
