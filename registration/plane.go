package registration

import (
	"context"
	"fmt"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/controllers/admit"
)

// TokenGroup is the group of those who come with a bootstrap token for clusters.
const TokenGroup = "system:bootstrappers:karmada:default-cluster-token"

// Names of roles that let agents register, as installations have them.
const (
	clusterInfoRole  = "system:karmada:bootstrap-signer-clusterinfo"
	approverRole     = "system:karmada:certificatesigningrequest:autoapprover"
	selfApproverRole = "system:karmada:certificatesigningrequest:selfautoapprover"
)

// OpenPlane lets agents register with a control plane: everybody may read at which URL it is and by which CA it is known, holders of
// bootstrap tokens may ask for the certificate of an agent, and agents for the one that follows theirs. What is there stays, but for
// the cluster-info, which is brought up to date. kube-controller-manager signs the cluster-info and the certificates.
func OpenPlane(ctx context.Context, plane client.Client, endpoint string, ca []byte) error {
	system := metav1.ObjectMeta{Labels: map[string]string{names.LabelSystem: names.LabelSystemValue}}
	named := func(namespace, name string) metav1.ObjectMeta {
		of := *system.DeepCopy()
		of.Namespace, of.Name = namespace, name
		return of
	}
	group := func(name string) []rbacv1.Subject {
		return []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: name}}
	}
	create := func(name, subresource string) *rbacv1.ClusterRole {
		return &rbacv1.ClusterRole{ObjectMeta: named("", name), Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{certificatesv1.GroupName}, Resources: []string{"certificatesigningrequests/" + subresource}, Verbs: []string{"create"},
		}}}
	}
	bind := func(name, role, to string) *rbacv1.ClusterRoleBinding {
		return &rbacv1.ClusterRoleBinding{ObjectMeta: named("", name), RoleRef: clusterRole(role), Subjects: group(to)}
	}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: named("", metav1.NamespacePublic)},
		&rbacv1.Role{ObjectMeta: named(metav1.NamespacePublic, clusterInfoRole), Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{corev1.GroupName}, Resources: []string{"configmaps"}, ResourceNames: []string{bootstrapapi.ConfigMapClusterInfo}, Verbs: []string{"get"},
		}}},
		&rbacv1.RoleBinding{ObjectMeta: named(metav1.NamespacePublic, clusterInfoRole),
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: clusterInfoRole},
			Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "system:anonymous"}},
		},
		bind("system:karmada:agent-bootstrap", "system:node-bootstrapper", TokenGroup),
		create(approverRole, admit.ClusterAgent),
		bind("system:karmada:agent-autoapprove-bootstrap", approverRole, TokenGroup),
		create(selfApproverRole, admit.SelfClusterAgent),
		bind("system:karmada:agent-autoapprove-certificate-rotation", selfApproverRole, names.AgentGroup),
	} {
		if err := plane.Create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("letting agents register: creating %T %s: %w", object, object.GetName(), err)
		}
	}
	return publish(ctx, plane, endpoint, ca)
}

func clusterRole(name string) rbacv1.RoleRef {
	return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}
}

// publish writes the cluster-info: a kubeconfig without a user.
func publish(ctx context.Context, plane client.Client, endpoint string, ca []byte) error {
	config := clientcmdapi.NewConfig()
	config.Clusters[""] = &clientcmdapi.Cluster{Server: endpoint, CertificateAuthorityData: ca}
	text, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encoding the cluster-info: %w", err)
	}
	info := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespacePublic, Name: bootstrapapi.ConfigMapClusterInfo}}
	err = plane.Get(ctx, client.ObjectKeyFromObject(info), info)
	switch {
	case apierrors.IsNotFound(err):
		info.Data = map[string]string{bootstrapapi.KubeConfigKey: string(text)}
		err = plane.Create(ctx, info)
	case err == nil && info.Data[bootstrapapi.KubeConfigKey] != string(text):
		// The signatures of the old text stand beside it; who signs replaces them.
		before := info.DeepCopy()
		if info.Data == nil {
			info.Data = map[string]string{}
		}
		info.Data[bootstrapapi.KubeConfigKey] = string(text)
		err = plane.Patch(ctx, info, client.MergeFrom(before))
	}
	if err != nil {
		return fmt.Errorf("publishing the cluster-info: %w", err)
	}
	return nil
}
