package registration

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// Reported are the credentials that an agent hands to the control plane, for what users ask of the member through it.
type Reported struct {
	// Access is a token that may do everything in the member, Impersonation one that may only impersonate.
	Access, Impersonation bool
}

// owner is the field manager of what agents write.
const owner = client.FieldOwner("seatrial-agent")

// Announce makes the Cluster of an agent, in Pull mode, or brings what the agent says of it up to date. plane is a client with the
// rights of the agent. It refuses a Cluster that another cluster registered as, or that is in Push mode.
func Announce(ctx context.Context, plane, cluster client.Client, member Member, reported Reported) error {
	id, err := clusterID(ctx, cluster)
	if err != nil {
		return fmt.Errorf("registering cluster %s: %w", member.Name, err)
	}
	known := &clusterv1alpha1.Cluster{}
	err = plane.Get(ctx, client.ObjectKey{Name: member.Name}, known)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return fmt.Errorf("registering cluster %s: looking for it: %w", member.Name, err)
	case err == nil && known.Spec.SyncMode != clusterv1alpha1.Pull:
		return &Refused{fmt.Errorf("registering cluster %s: it is a member in %s mode, where no agent is wanted", member.Name, known.Spec.SyncMode)}
	case err == nil && known.Spec.ID != "" && known.Spec.ID != id:
		return &Refused{fmt.Errorf("registering cluster %s: another cluster is a member under this name; choose another one", member.Name)}
	}
	made, secrets, err := announcement(ctx, cluster, member, id, reported)
	if err != nil {
		return fmt.Errorf("registering cluster %s: %w", member.Name, err)
	}
	// The agents of members may write their secrets, and others not: the Cluster comes first.
	if err := apply(ctx, plane, made); err != nil {
		return fmt.Errorf("registering cluster %s: %w", member.Name, err)
	}
	for _, secret := range secrets {
		if err := applySecret(ctx, plane, secret); err != nil {
			return fmt.Errorf("registering cluster %s: %w", member.Name, err)
		}
	}
	return own(ctx, plane, made, secrets...)
}

// grantWait bounds the wait for the control plane to let a new member write its secrets.
const grantWait = 10 * time.Second

func applySecret(ctx context.Context, plane client.Client, secret *corev1.Secret) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, poll, grantWait, true, func(ctx context.Context) (bool, error) {
		last = apply(ctx, plane, secret.DeepCopy())
		return !apierrors.IsForbidden(last), nil
	})
	if err == nil {
		return last
	}
	return fmt.Errorf("%w; --agent-secret-namespaces of the controller manager says in which namespaces agents may keep secrets", last)
}

// Refused is an error that waiting does not mend.
type Refused struct{ error }

// Unwrap returns the reason.
func (r *Refused) Unwrap() error { return r.error }

// announcement is the Cluster and the secrets that it refers to.
func announcement(ctx context.Context, cluster client.Client, member Member, id string, reported Reported) (*clusterv1alpha1.Cluster, []*corev1.Secret, error) {
	made := &clusterv1alpha1.Cluster{
		TypeMeta:   metav1.TypeMeta{APIVersion: clusterv1alpha1.GroupVersion.String(), Kind: clusterv1alpha1.ResourceKindCluster},
		ObjectMeta: metav1.ObjectMeta{Name: member.Name},
		Spec: clusterv1alpha1.ClusterSpec{
			ID: id, SyncMode: clusterv1alpha1.Pull, APIEndpoint: member.Endpoint, ProxyURL: member.ProxyURL, InsecureSkipTLSVerification: member.Insecure,
			Provider: member.Provider, Region: member.Region, Zones: member.Zones,
		},
	}
	if reported == (Reported{}) {
		return made, nil, nil
	}
	issued, err := grantAccess(ctx, cluster, member)
	if err != nil {
		return nil, nil, fmt.Errorf("preparing the member: %w", err)
	}
	var secrets []*corev1.Secret
	refer := func(name string, data map[string][]byte) *clusterv1alpha1.LocalSecretReference {
		secret := credentials(member.namespace(), name, data)
		secret.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
		secrets = append(secrets, secret)
		return &clusterv1alpha1.LocalSecretReference{Namespace: secret.Namespace, Name: secret.Name}
	}
	if reported.Access {
		data := map[string][]byte{secretToken: issued.access}
		if !member.Insecure {
			data[secretCA] = member.CABundle
		}
		made.Spec.SecretRef = refer(member.Name, data)
	}
	if reported.Impersonation {
		made.Spec.ImpersonatorSecretRef = refer(names.ImpersonationSecret(member.Name), map[string][]byte{secretToken: issued.impersonation})
	}
	return made, secrets, nil
}

// apply makes an object or brings it up to date in one request, which is how an agent has the right to create its own by name.
func apply(ctx context.Context, plane client.Client, object client.Object) error {
	//nolint:staticcheck // There are no apply configurations of the fleet's own kinds.
	if err := plane.Patch(ctx, object, client.Apply, owner, client.ForceOwnership); err != nil {
		return fmt.Errorf("applying %s %s: %w", object.GetObjectKind().GroupVersionKind().Kind, client.ObjectKeyFromObject(object), err)
	}
	return nil
}
