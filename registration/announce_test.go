package registration_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/registration"
)

// home is where the control plane keeps what belongs to clusters.
func home(t *testing.T, plane client.Client) {
	t.Helper()
	if err := plane.Create(t.Context(), &corev1.Namespace{ObjectMeta: named("", "karmada-cluster")}); err != nil {
		t.Fatal(err)
	}
}

func TestAnnounce(t *testing.T) {
	plane, cluster := sides(t)
	home(t, plane)
	everything := registration.Reported{Access: true, Impersonation: true}
	for _, region := range []string{"r", "r2"} {
		told := member
		told.Region = region
		if err := registration.Announce(t.Context(), plane, cluster, told, everything); err != nil {
			t.Fatal(err)
		}
		made := get(t, plane, &clusterv1alpha1.Cluster{ObjectMeta: named("", "m1")})
		system := get(t, cluster, &corev1.Namespace{ObjectMeta: named("", metav1.NamespaceSystem)})
		if spec := made.Spec; spec.SyncMode != clusterv1alpha1.Pull || spec.ID != string(system.UID) || spec.Region != region || spec.APIEndpoint != member.Endpoint {
			t.Errorf("spec %+v", spec)
		}
		for name, reference := range map[string]*clusterv1alpha1.LocalSecretReference{"m1": made.Spec.SecretRef, "m1-impersonator": made.Spec.ImpersonatorSecretRef} {
			if reference == nil || reference.Name != name || reference.Namespace != "karmada-cluster" {
				t.Fatalf("reference %+v, want %s", reference, name)
			}
			secret := get(t, plane, &corev1.Secret{ObjectMeta: named("karmada-cluster", name)})
			if !strings.HasPrefix(string(secret.Data["token"]), "token of karmada-") || len(secret.OwnerReferences) != 1 || secret.OwnerReferences[0].UID != made.UID {
				t.Errorf("secret %s has %q, owned by %v", name, secret.Data["token"], secret.OwnerReferences)
			}
		}
	}
}

// TestSecretsFollowTheCluster: an agent may write them once its cluster is a member, and waits until it is let.
func TestSecretsFollowTheCluster(t *testing.T) {
	plane, cluster := sides(t)
	home(t, plane)
	refused := 0
	guarded := interceptor.NewClient(plane, interceptor.Funcs{
		Patch: func(ctx context.Context, to client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if _, secret := object.(*corev1.Secret); secret && refused < 2 {
				get(t, plane, &clusterv1alpha1.Cluster{ObjectMeta: named("", "m1")})
				refused++
				return apierrors.NewForbidden(corev1.Resource("secrets"), object.GetName(), nil)
			}
			return to.Patch(ctx, object, patch, options...)
		},
	})
	if err := registration.Announce(t.Context(), guarded, cluster, member, registration.Reported{Access: true}); err != nil {
		t.Fatal(err)
	}
	if secret := get(t, plane, &corev1.Secret{ObjectMeta: named("karmada-cluster", "m1")}); refused != 2 || len(secret.Data["token"]) == 0 {
		t.Errorf("refused %d times, the secret has %d keys", refused, len(secret.Data))
	}
}

func TestAnnounceWithoutSecrets(t *testing.T) {
	plane, cluster := sides(t)
	if err := registration.Announce(t.Context(), plane, cluster, member, registration.Reported{}); err != nil {
		t.Fatal(err)
	}
	made := get(t, plane, &clusterv1alpha1.Cluster{ObjectMeta: named("", "m1")})
	if made.Spec.SecretRef != nil || made.Spec.ImpersonatorSecretRef != nil {
		t.Errorf("references %+v", made.Spec)
	}
	missing(t, cluster, &corev1.ServiceAccount{ObjectMeta: named("karmada-cluster", "karmada-m1")})
}

// TestAnnounceTakesNoClusterOver leaves alone what others joined as.
func TestAnnounceTakesNoClusterOver(t *testing.T) {
	for want, known := range map[string]clusterv1alpha1.ClusterSpec{
		"in Push mode":    {SyncMode: clusterv1alpha1.Push},
		"another cluster": {SyncMode: clusterv1alpha1.Pull, ID: "other"},
	} {
		plane, cluster := sides(t)
		before := &clusterv1alpha1.Cluster{ObjectMeta: named("", "m1"), Spec: known}
		if err := plane.Create(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		err := registration.Announce(t.Context(), plane, cluster, member, registration.Reported{})
		var refused *registration.Refused
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
		if after := get(t, plane, &clusterv1alpha1.Cluster{ObjectMeta: named("", "m1")}); after.ResourceVersion != before.ResourceVersion {
			t.Errorf("the Cluster was changed: %+v", after.Spec)
		}
	}
}

func TestOpenPlane(t *testing.T) {
	plane, _ := sides(t)
	ca, _ := certified(t)
	for _, endpoint := range []string{"https://a:5443", "https://b:5443", "https://b:5443"} {
		if err := registration.OpenPlane(t.Context(), plane, endpoint, ca); err != nil {
			t.Fatal(err)
		}
		info := get(t, plane, &corev1.ConfigMap{ObjectMeta: named("kube-public", "cluster-info")})
		config, err := clientcmd.Load([]byte(info.Data["kubeconfig"]))
		if err != nil || len(config.Clusters) != 1 || len(config.AuthInfos) != 0 || config.Clusters[""].Server != endpoint || string(config.Clusters[""].CertificateAuthorityData) != string(ca) {
			t.Fatalf("cluster-info %s, %v", info.Data, err)
		}
	}
	for name, subject := range map[string]string{
		"system:karmada:agent-bootstrap": registration.TokenGroup, "system:karmada:agent-autoapprove-bootstrap": registration.TokenGroup,
		"system:karmada:agent-autoapprove-certificate-rotation": "system:karmada:agents",
	} {
		binding := get(t, plane, &rbacv1.ClusterRoleBinding{ObjectMeta: named("", name)})
		if len(binding.Subjects) != 1 || binding.Subjects[0].Kind != "Group" || binding.Subjects[0].Name != subject {
			t.Errorf("%s binds %v", name, binding.Subjects)
		}
	}
}
