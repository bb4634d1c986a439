package local

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/registration"
)

// join makes the members in Push mode known to the control plane; those that are known already stay as they are.
func (u *up) join(ctx context.Context, _ func(string)) error {
	members, err := u.members(ctx)
	if err != nil {
		return err
	}
	joining, ctx := errgroup.WithContext(ctx)
	for _, member := range members {
		joining.Go(func() error { return u.joinOne(ctx, member) })
	}
	return joining.Wait()
}

func (u *up) members(ctx context.Context) ([]fleet.Cluster, error) {
	clusters, err := u.fleet.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	var members []fleet.Cluster
	for _, cluster := range clusters {
		if cluster.Role == fleet.Member {
			members = append(members, cluster)
		}
	}
	return members, nil
}

// member is a direct client of a member. It is kept, for a new one has to discover the member's kinds first.
func (u *up) member(ctx context.Context, name string) (client.Client, error) {
	if known := u.clients[name]; known != nil {
		return known, nil
	}
	made, err := u.fleet.Client(ctx, name)
	if err == nil {
		u.clients[name] = made
	}
	return made, err
}

func (u *up) joinOne(ctx context.Context, member fleet.Cluster) error {
	direct, err := u.fleet.Client(ctx, member.Name)
	if err != nil {
		return err
	}
	known := &clusterv1alpha1.Cluster{}
	switch err := u.plane.Get(ctx, client.ObjectKey{Name: member.Name}, known); {
	case err == nil:
		return checkIdentity(ctx, direct, known)
	case client.IgnoreNotFound(err) != nil:
		return fmt.Errorf("looking for Cluster %s: %w", member.Name, err)
	case pulls(member.Name):
		return nil
	}
	files, err := u.fleet.Files(member.Name)
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(files.CA.Cert)
	if err != nil {
		return fmt.Errorf("reading the CA of cluster %s: %w", member.Name, err)
	}
	return registration.Join(ctx, u.plane, direct, registration.Member{
		Name: member.Name, Endpoint: member.Endpoint, CABundle: ca,
		Provider: member.Provider, Region: member.Region, Zones: member.Zones,
	})
}

// checkIdentity refuses a Cluster that another cluster joined as.
func checkIdentity(ctx context.Context, member client.Client, known *clusterv1alpha1.Cluster) error {
	system := &corev1.Namespace{}
	if err := member.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, system); err != nil {
		return fmt.Errorf("reading the identity of cluster %s: %w", known.Name, err)
	}
	if known.Spec.ID != string(system.UID) {
		return fmt.Errorf("another cluster is a member under the name %s: take it out with `seatrial unjoin %s --force`, then run this again",
			known.Name, known.Name)
	}
	return nil
}

// awaitMembers waits until every member of the fleet is ready in the eyes of the control plane.
func (u *up) awaitMembers(ctx context.Context, say func(string)) error {
	members, err := u.members(ctx)
	if err != nil {
		return err
	}
	return u.await(ctx, say, func(ctx context.Context) (string, error) {
		known := &clusterv1alpha1.ClusterList{}
		if err := u.plane.List(ctx, known); err != nil {
			return "", fmt.Errorf("listing Clusters: %w", err)
		}
		return unready(members, known.Items), nil
	})
}

// unready names the members that are not ready, and why; empty when all are.
func unready(members []fleet.Cluster, known []clusterv1alpha1.Cluster) string {
	conditions := map[string]*metav1.Condition{}
	for i := range known {
		conditions[known[i].Name] = meta.FindStatusCondition(known[i].Status.Conditions, names.ConditionClusterReady)
	}
	var waiting []string
	for _, member := range members {
		switch ready := conditions[member.Name]; {
		case ready == nil:
			waiting = append(waiting, member.Name+" has not been looked at")
		case ready.Status != metav1.ConditionTrue:
			waiting = append(waiting, fmt.Sprintf("%s is not ready (%s: %s)", member.Name, ready.Reason, ready.Message))
		}
	}
	return strings.Join(waiting, ", ")
}
