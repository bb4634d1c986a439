package install

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/seatrial/seatrial/deploy"
)

// A namespace with anything of others in it stays: to remove it would remove that.
func TestNamespacesOfOthersStay(t *testing.T) {
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "fleet", Name: name} }
	ours := named("ours")
	ours.Labels = map[string]string{deploy.LabelManagedBy: deploy.ManagedBy}
	for want, object := range map[string]client.Object{
		"ConfigMap settings": &corev1.ConfigMap{ObjectMeta: named("settings")},
		"CronJob nightly":    &batchv1.CronJob{ObjectMeta: named("nightly")},
		"Service door":       &corev1.Service{ObjectMeta: named("door")},
		"Ingress door":       &networkingv1.Ingress{ObjectMeta: named("door")},
		"Secret own":         &corev1.Secret{ObjectMeta: named("own")},
		"Role reader":        &rbacv1.Role{ObjectMeta: named("reader")},
		"":                   &corev1.Secret{ObjectMeta: ours},
	} {
		host := fake.NewClientBuilder().WithObjects(
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "fleet", Labels: ours.Labels}},
			&corev1.ConfigMap{ObjectMeta: named("kube-root-ca.crt")}, &corev1.ServiceAccount{ObjectMeta: named("default")}, object,
		).Build()
		u := &uninstallation{RemoveOptions: RemoveOptions{Namespace: "fleet"}, host: Host{Client: host}, result: &Removal{}}
		if err := u.removeNamespace(t.Context(), func(string) {}); err != nil {
			t.Fatal(err)
		}
		removed := client.IgnoreNotFound(host.Get(t.Context(), client.ObjectKey{Name: "fleet"}, &corev1.Namespace{})) == nil && len(u.result.Changes) == 1
		if removed != (want == "") || !strings.HasPrefix(u.result.Kept, want) || (want == "") != (u.result.Kept == "") {
			t.Errorf("beside %q the namespace is removed: %t, and kept because %q", want, removed, u.result.Kept)
		}
	}
}
