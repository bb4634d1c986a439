package install

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/seatrial/seatrial/deploy"
	"github.com/seatrial/seatrial/fleet/local"
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

// What is half removed cannot tell of its members any more, and was allowed to go before.
func TestInterruptedRemovalGoesOn(t *testing.T) {
	ours := metav1.ObjectMeta{Namespace: "fleet", Name: storeSecret, Labels: map[string]string{deploy.LabelManagedBy: deploy.ManagedBy}}
	etcd := &appsv1.StatefulSet{ObjectMeta: ours}
	etcd.Name = deploy.Etcd
	interrupted := true
	host := fake.NewClientBuilder().WithObjects(&corev1.Secret{ObjectMeta: ours}, etcd).WithInterceptorFuncs(interceptor.Funcs{
		Delete: func(ctx context.Context, to client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			if interrupted {
				return errors.New("interrupted")
			}
			return to.Delete(ctx, object, options...)
		},
	}).Build()
	silent := Host{Client: host, Reach: func(context.Context, []byte, []byte, []byte) (*rest.Config, func(), error) {
		return nil, nil, errors.New("nobody answers")
	}}
	remove := func(force bool) error {
		_, err := Uninstall(t.Context(), silent, RemoveOptions{Namespace: "fleet", Force: force, Timeout: time.Minute}, local.NewProgress(io.Discard))
		return err
	}
	refused := func(when string) {
		t.Helper()
		if err := remove(false); err == nil || !strings.Contains(err.Error(), "does not say whether clusters are joined") {
			t.Errorf("%s: error %v", when, err)
		}
	}
	refused("at first")
	if err := remove(true); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("interrupted: error %v", err)
	}
	store := &corev1.Secret{}
	again := &installation{host: host}
	for _, do := range []func() error{
		func() error {
			return host.Get(t.Context(), client.ObjectKey{Namespace: "fleet", Name: storeSecret}, store)
		},
		func() error { return again.revoke(t.Context(), store) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	refused("once it was installed again")
	if err := remove(true); err == nil {
		t.Error("the second removal was not interrupted")
	}
	interrupted = false
	if err := remove(false); err != nil {
		t.Errorf("going on: %v", err)
	}
	if err := host.Get(t.Context(), client.ObjectKeyFromObject(etcd), etcd); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("after the removal: %v", err)
	}
}
