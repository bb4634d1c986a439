package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/controllers/admit"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/registration"
)

const (
	// agentName is the subcommand that runs beside each member in Pull mode.
	agentName   = "agent"
	agentPrefix = agentName + "-"
	// agentLifetime is how long the certificate of an agent lasts, and tokenLifetime the token to get it by.
	agentLifetime = 365 * 24 * time.Hour
	tokenLifetime = 10 * time.Minute
)

// agentOf is the component beside a member.
func agentOf(member string) string { return agentPrefix + member }

// pulls tells which members an installation makes are in Pull mode: each third one, so that every fleet of the default size has both
// modes.
func pulls(member string) bool {
	number := 0
	_, err := fmt.Sscanf(member, "member%d", &number)
	return err == nil && number > 0 && number%3 == 0
}

// startAgents starts one agent beside each member in Pull mode, and waits until they have registered their members.
func (u *up) startAgents(ctx context.Context, say func(string)) error {
	members, err := u.members(ctx)
	if err != nil {
		return err
	}
	files, err := u.fleet.Files(fleet.ControlPlaneName)
	if err != nil {
		return err
	}
	launches := map[string]launch{}
	for _, member := range members {
		known := &clusterv1alpha1.Cluster{}
		err := u.plane.Get(ctx, client.ObjectKey{Name: member.Name}, known)
		registered := err == nil
		switch {
		case client.IgnoreNotFound(err) != nil:
			return fmt.Errorf("looking for Cluster %s: %w", member.Name, err)
		case registered && known.Spec.SyncMode != clusterv1alpha1.Pull, !registered && !pulls(member.Name):
			continue
		}
		if err := u.bootstrap(ctx, say, member.Name, files, registered); err != nil {
			return err
		}
		if launches[agentOf(member.Name)], err = u.agentLaunch(member); err != nil {
			return err
		}
	}
	return u.start(ctx, say, launches)
}

// agentKubeconfig is by what the agent of a member reaches the control plane.
func (i *Installation) agentKubeconfig(member string) string {
	return strings.TrimSuffix(i.component(agentOf(member)).recordPath(), recordSuffix) + ".kubeconfig"
}

// bootstrap gets the agent of a member into the control plane as any cluster gets in: by a token that soon expires, through the
// member's side of the network. A member that has registered keeps its kubeconfig.
func (u *up) bootstrap(ctx context.Context, say func(string), member string, plane embedded.Files, registered bool) error {
	path := u.agentKubeconfig(member)
	if _, err := os.Stat(path); registered && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if registered {
		// A token gives nobody the certificate of a member: who rules the control plane issues it.
		say("issuing the lost kubeconfig of the agent of " + member + " anew")
		issued, err := u.fleet.IssueUplink(member, agentOf(member), names.AgentUser(member), names.AgentGroup)
		if err != nil {
			return fmt.Errorf("issuing the kubeconfig of the agent of %s: %w", member, err)
		}
		return os.Rename(issued, path)
	}
	// Whoever rules the control plane gives a name back that an earlier start got a certificate for and did not use.
	unused := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: admit.AgentRole(member)}}
	if err := u.plane.Delete(ctx, unused); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("giving back the name of an agent: deleting ClusterRole %s: %w", unused.Name, err)
	}
	say("registering " + member)
	endpoint, err := u.fleet.UplinkEndpoint(member)
	if err != nil {
		return err
	}
	ca, err := readCA(plane)
	if err != nil {
		return err
	}
	authorities, err := cert.ParseCertsPEM(ca)
	if err != nil {
		return fmt.Errorf("reading the CA of the control plane: %w", err)
	}
	token := registration.DefaultToken()
	if token.Value, err = registration.NewTokenValue(); err != nil {
		return err
	}
	token.Description, token.Expires = "registers "+member, time.Now().Add(tokenLifetime)
	if err := token.Create(ctx, u.plane); err != nil {
		return err
	}
	text, err := registration.Bootstrap(ctx, registration.Discovery{
		Endpoint: endpoint, Token: token.Value, CAHashes: []string{registration.HashCA(authorities[0])}, Timeout: tokenLifetime,
	}, member, agentLifetime, say)
	if err = errors.Join(err, registration.DeleteToken(ctx, u.plane, token.Value)); err != nil {
		return err
	}
	if err := replaceFile(path, text); err != nil {
		return fmt.Errorf("writing the kubeconfig of the agent of %s: %w", member, err)
	}
	return nil
}

// agentLaunch runs the agent of a member as if inside it: it reaches the member directly, and the control plane through the member's
// side of the network.
func (u *up) agentLaunch(member fleet.Cluster) (launch, error) {
	inside, err := u.fleet.IssueKubeconfig(member.Name, userOf(agentName), userOf(agentName), masters)
	if err != nil {
		return launch{}, err
	}
	uplink := u.agentKubeconfig(member.Name)
	return launch{
		executable: u.executable, tied: u.tied, ports: 2,
		files:     []string{inside, uplink},
		healthURL: func(ports []int) string { return "http://" + loopback(ports[0]) + "/healthz" },
		args: func(ports []int) []string {
			args := []string{
				agentName, "--cluster-name=" + member.Name, "--karmada-kubeconfig=" + uplink, "--kubeconfig=" + inside,
				"--cluster-api-endpoint=" + member.Endpoint, "--cluster-provider=" + member.Provider, "--cluster-region=" + member.Region,
				"--cluster-zones=" + strings.Join(member.Zones, ","),
				"--health-probe-bind-address=" + loopback(ports[0]), "--metrics-bind-address=" + loopback(ports[1]),
				"--leader-elect=false",
			}
			return slices.Concat(args, u.options.Flags[agentName])
		},
	}, nil
}
