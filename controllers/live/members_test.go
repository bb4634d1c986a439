package live

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/control"
)

// TestMemberLeavesMeanwhile: a cluster is removed while the credentials for another connection to it are read.
func TestMemberLeavesMeanwhile(t *testing.T) {
	cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1"}}
	cluster.Spec.APIEndpoint, cluster.Spec.SecretRef = "https://127.0.0.1:1", &clusterv1alpha1.LocalSecretReference{Namespace: "s", Name: "m1"}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "s", Name: "m1"}, Data: map[string][]byte{secretToken: []byte("t")}}
	known := &connection{version: "another", stop: func() {}}
	m := &members{connections: map[string]*connection{"m1": known}, running: t.Context()}
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	stored := fake.NewClientBuilder().WithScheme(kinds).WithObjects(cluster, secret).Build()
	m.clusters = stored
	m.secrets = interceptor.NewClient(stored, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			m.onClusterGone(cluster)
			return c.Get(ctx, key, object, options...)
		},
	})
	if member, err := m.Member(t.Context(), "m1"); !errors.Is(err, control.ErrNoMember) {
		t.Errorf("member %v, error %v", member, err)
	}
}
