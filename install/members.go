package install

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/deploy"
	"github.com/seatrial/seatrial/registration"
)

// Member is a cluster to join in Push mode, with an estimator in the host.
type Member struct {
	registration.Member
	// Client reaches the member as its administrator.
	Client client.Client
}

// joining are the steps that join members.
func (i *installation) joining() []step {
	var steps []step
	for _, member := range i.Members {
		steps = append(steps, step{"joining " + member.Name, func(ctx context.Context, say func(string)) error { return i.join(ctx, member, say) }})
	}
	return append(steps, step{"looking for estimators of nobody", i.dropEstimators})
}

// join makes a member of a cluster that is none, and runs its estimator.
func (i *installation) join(ctx context.Context, member Member, say func(string)) error {
	closeWay, err := i.reach(ctx)
	if err != nil {
		return err
	}
	defer closeWay()
	known := &clusterv1alpha1.Cluster{}
	err = i.plane.Get(ctx, client.ObjectKey{Name: member.Name}, known)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return fmt.Errorf("looking for Cluster %s: %w", member.Name, err)
	case err != nil:
		if err := registration.Join(ctx, i.plane, member.Client, member.Member); err != nil {
			return err
		}
		i.result.Joined = append(i.result.Joined, member.Name)
	}
	return i.estimate(ctx, member, say)
}

// estimate runs the estimator of a member, by an account in the member that may look and nothing else.
func (i *installation) estimate(ctx context.Context, member Member, say func(string)) error {
	inside, err := deploy.Member()
	if err != nil {
		return err
	}
	at := i.writer
	at.to = member.Client
	if err := at.apply(ctx, inside...); err != nil {
		return fmt.Errorf("letting the estimator look at %s: %w", member.Name, err)
	}
	secret, err := i.estimatorSecret(ctx, member, say)
	if err != nil {
		return err
	}
	objects, err := deploy.RenderEstimator(i.values, member.Name)
	if err != nil {
		return err
	}
	deploy.Stamp(objects, append(i.secrets.secrets, secret))
	if err := i.writer.apply(ctx, append([]client.Object{secret}, objects...)...); err != nil {
		return err
	}
	if err := i.dropBudgets(ctx, objects); err != nil {
		return err
	}
	return awaitReady(ctx, i.host, objects, say)
}

// estimatorSecret is the kubeconfig of the estimator: the member's address with the token that the member issued.
func (i *installation) estimatorSecret(ctx context.Context, member Member, say func(string)) (*corev1.Secret, error) {
	issued := &corev1.Secret{}
	if err := await(ctx, say, func(ctx context.Context) (string, error) {
		if err := member.Client.Get(ctx, client.ObjectKey{Namespace: deploy.MemberNamespace, Name: deploy.Estimator}, issued); err != nil {
			return "", fmt.Errorf("reading the token of the estimator in %s: %w", member.Name, err)
		}
		if len(issued.Data[corev1.ServiceAccountTokenKey]) == 0 {
			return member.Name + " has not issued the token of the estimator", nil
		}
		return "", nil
	}); err != nil {
		return nil, err
	}
	ca := member.CABundle
	if member.Insecure {
		// Verified all the same: the member has told its authority with the token.
		ca = issued.Data[corev1.ServiceAccountRootCAKey]
	}
	text, err := kubeconfig(member.Endpoint, ca, &clientcmdapi.AuthInfo{Token: strings.TrimSpace(string(issued.Data[corev1.ServiceAccountTokenKey]))})
	if err != nil {
		return nil, err
	}
	secret := newSecret(i.values.Namespace, deploy.EstimatorSecret(member.Name))
	secret.Data[kubeconfigKey] = text
	return secret, nil
}
