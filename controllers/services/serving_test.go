package services

import (
	"cmp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

var now = time.Unix(1_000_000, 0)

// clusterIn is a cluster in a state: for an hour well, lost, silent or drained, new, losing for 10 s, or back for 20 s.
func clusterIn(name, state string) *clusterv1alpha1.Cluster {
	cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
	status := map[string]metav1.ConditionStatus{"well": metav1.ConditionTrue, "lost": metav1.ConditionFalse, "silent": metav1.ConditionUnknown, "drained": metav1.ConditionTrue, "losing": metav1.ConditionFalse, "back": metav1.ConditionTrue}
	since := map[string]time.Duration{"losing": 10 * time.Second, "back": 20 * time.Second}
	if ready, reported := status[state]; reported {
		changed := metav1.NewTime(now.Add(-cmp.Or(since[state], time.Hour)))
		cluster.Status.Conditions = []metav1.Condition{{Type: names.ConditionClusterReady, Status: ready, LastTransitionTime: changed}}
	}
	if state == "drained" {
		cluster.Spec.Taints = []corev1.Taint{{Key: "off", Effect: corev1.TaintEffectNoExecute}}
	} else {
		cluster.Spec.Taints = []corev1.Taint{{Key: "full", Effect: corev1.TaintEffectNoSchedule}}
	}
	return cluster
}

// TestServing: each case lists clusters by name and state; those in capitals provide a slice, with a ready endpoint unless marked by
// a dash.
func TestServing(t *testing.T) {
	for _, c := range []struct {
		name, fleet, kept string
		again             time.Duration
	}{
		{"all is well", "A:well B:well c:well", "A B", 0},
		{"a lost cluster leaves", "A:well B:lost c:well", "A", 0},
		{"a silent cluster leaves", "A:well B:silent c:well", "A", 0},
		{"one that was lost just now waits", "A:well B:losing c:well", "A B", 5 * time.Second},
		{"a drained cluster leaves", "A:well B:drained c:well", "A", 0},
		{"one that never reported is not lost", "A:well B:new", "A B", 0},
		{"nobody else serves", "B:lost c:well d:well", "B", 0},
		{"nobody else is ready", "A-:well B:lost c:well", "A- B", 0},
		{"nobody else is well", "A:lost B:drained c:well d:well e:well", "A B", 0},
		{"none but those drained", "A:drained B:drained", "A B", 0},
		{"half of the fleet is lost", "A:well B:lost c:lost d:well", "A", 0},
		{"most of the fleet looks lost", "A:well B:lost c:lost d:lost e:well", "A B", 0},
		{"all of it does", "A:lost B:lost c:lost", "A B", 0},
		{"half of it did until now", "A:back B:lost c:back d:lost", "A B", 40 * time.Second},
		{"a drained one leaves although most look lost", "A:well B:drained c:lost d:lost e:lost f:lost", "A", 0},
		{"one that left does not provide", "A:well B:gone", "A", 0},
		{"nor if it was the last", "B:gone c:well", "", 0},
	} {
		clusters := map[string]*clusterv1alpha1.Cluster{}
		var sources []source
		for _, word := range strings.Fields(c.fleet) {
			name, state, _ := strings.Cut(word, ":")
			if state != "gone" {
				clusters[name] = clusterIn(name, state)
			}
			if strings.ToLower(name) != name {
				slice := &discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{{Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(!strings.HasSuffix(name, "-"))}}}}
				sources = append(sources, source{cluster: name, slice: slice})
			}
		}
		var kept []string
		left, again := serving(sources, clusters, now)
		for _, s := range left {
			kept = append(kept, s.cluster)
		}
		if got := strings.Join(kept, " "); got != c.kept || again != c.again {
			t.Errorf("%s: %s keeps %q and looks again after %s, want %q and %s", c.name, c.fleet, got, again, c.kept, c.again)
		}
	}
}

// TestReady: an endpoint that does not say is ready, as for proxies.
func TestReady(t *testing.T) {
	of := func(conditions ...*bool) *discoveryv1.EndpointSlice {
		slice := &discoveryv1.EndpointSlice{}
		for _, ready := range conditions {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Conditions: discoveryv1.EndpointConditions{Ready: ready}})
		}
		return slice
	}
	if !ready(of(nil)) || !ready(of(ptr.To(false), ptr.To(true))) || ready(of(ptr.To(false))) || ready(of()) {
		t.Error("ready is not what proxies take it for")
	}
}
