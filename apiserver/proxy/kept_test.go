package proxy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// TestMembersThatNobodyAsksForAreDropped: clusters come and go, and a process that has forwarded to all of them keeps the credentials
// of none that is gone.
func TestMembersThatNobodyAsksForAreDropped(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	secret := func(context.Context, types.NamespacedName) (*corev1.Secret, error) {
		return &corev1.Secret{Data: map[string][]byte{"token": []byte("deputy")}}, nil
	}
	members := New(t.Context(), secret, clock)
	ask := func(after time.Duration, name string, want ...string) {
		t.Helper()
		clock.SetTime(clock.Now().Add(after))
		cluster := &clusterv1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: clusterv1alpha1.ClusterSpec{
				APIEndpoint: "https://127.0.0.1:1", ImpersonatorSecretRef: &clusterv1alpha1.LocalSecretReference{Namespace: "karmada-cluster", Name: name},
			},
		}
		if _, err := members.Connect(t.Context(), cluster); err != nil {
			t.Fatal(err)
		}
		var known []string
		for as := range members.known {
			known = append(known, as.cluster)
		}
		if slices.Sort(known); !slices.Equal(known, want) {
			t.Errorf("%s later %s is asked for: kept are %q, want %q", after, name, known, want)
		}
	}
	ask(0, "m1", "m1")
	ask(time.Minute, "m2", "m1", "m2")
	ask(8*time.Minute, "m2", "m1", "m2")
	ask(2*time.Minute, "m2", "m2")
}

// TestHeadersOfTheProxyTellConnectionsApart where they read alike when written one after the other.
func TestHeadersOfTheProxyTellConnectionsApart(t *testing.T) {
	with := func(headers map[string]string) reach {
		return reachOf(&clusterv1alpha1.Cluster{Spec: clusterv1alpha1.ClusterSpec{ProxyHeader: headers}})
	}
	if with(map[string]string{"a": "b c:d"}) == with(map[string]string{"a": "b", "c": "d"}) {
		t.Error("different headers, one connection")
	}
	if with(map[string]string{"a": "b", "c": "d"}) != with(map[string]string{"c": "d", "a": "b"}) {
		t.Error("the same headers, different connections")
	}
}

// TestOwnClientFollowsNobody: the token of the control plane, and what its network lets it reach, are not for members to use.
func TestOwnClientFollowsNobody(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("asked elsewhere with %q", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	member := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}))
	defer member.Close()
	secret := func(context.Context, types.NamespacedName) (*corev1.Secret, error) {
		return &corev1.Secret{Data: map[string][]byte{"token": []byte("access")}}, nil
	}
	members := New(t.Context(), secret, clocktesting.NewFakePassiveClock(time.Unix(0, 0)))
	defer members.Forget("m1")
	client, err := members.Client(t.Context(), &clusterv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "m1"},
		Spec:       clusterv1alpha1.ClusterSpec{APIEndpoint: member.URL, SecretRef: &clusterv1alpha1.LocalSecretReference{Namespace: "karmada-cluster", Name: "m1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).List(t.Context(), metav1.ListOptions{})
	if err == nil || !strings.Contains(err.Error(), "redirect, which is not followed") {
		t.Errorf("error %v", err)
	}
}
