package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/seatrial/seatrial/api/names"
	estimatorclient "github.com/seatrial/seatrial/estimator/rpc/client"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/fleet/embedded/pki"
)

const (
	// estimator is the subcommand that runs beside each member.
	estimator       = "estimator"
	estimatorPrefix = estimator + "-"
)

// estimatorOf is the component beside a member.
func estimatorOf(member string) string { return estimatorPrefix + member }

// estimators are those that have ever been started, ascending. Once there are some, Up keeps one beside every member.
func (i *Installation) estimators() ([]string, error) { return i.besideMembers(estimatorPrefix) }

// besideMembers are the components with a prefix that have ever been started, one for a member, ascending.
func (i *Installation) besideMembers(prefix string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(i.dir, componentsFolder))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("looking for components: %w", err)
	}
	var found []string
	for _, entry := range entries {
		name, isRecord := strings.CutSuffix(entry.Name(), recordSuffix)
		if isRecord && strings.HasPrefix(name, prefix) {
			found = append(found, name)
		}
	}
	return found, nil
}

// startEstimators starts one estimator beside each member, and tells the control plane where they are.
func (u *up) startEstimators(ctx context.Context, say func(string)) error {
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
		if launches[estimatorOf(member.Name)], err = u.estimatorLaunch(member.Name, files); err != nil {
			return err
		}
	}
	if err := u.start(ctx, say, launches); err != nil {
		return err
	}
	for _, member := range members {
		if err := u.announceEstimator(ctx, member.Name); err != nil {
			return err
		}
	}
	return nil
}

// estimatorLaunch runs the estimator of a member. It serves those whom the control plane's CA has signed.
func (u *up) estimatorLaunch(member string, plane embedded.Files) (launch, error) {
	kubeconfig, err := u.fleet.IssueKubeconfig(member, userOf(estimator), userOf(estimator), masters)
	if err != nil {
		return launch{}, err
	}
	serving, err := u.fleet.IssueServing(fleet.ControlPlaneName, userOf(estimatorOf(member)))
	if err != nil {
		return launch{}, err
	}
	return launch{
		executable: u.executable, tied: u.tied, ports: 3,
		files:     []string{kubeconfig, serving.Cert, plane.CA.Cert},
		healthURL: func(ports []int) string { return "http://" + loopback(ports[1]) + "/readyz" },
		args: func(ports []int) []string {
			args := []string{
				estimator, "--cluster-name=" + member, "--kubeconfig=" + kubeconfig,
				"--bind-address=127.0.0.1", fmt.Sprintf("--server-port=%d", ports[0]),
				"--health-probe-bind-address=" + loopback(ports[1]), "--metrics-bind-address=" + loopback(ports[2]),
				"--grpc-auth-cert-file=" + serving.Cert, "--grpc-auth-key-file=" + serving.Key, "--grpc-client-ca-file=" + plane.CA.Cert,
			}
			return append(args, u.options.Flags[estimator]...)
		},
	}, nil
}

// announceEstimator makes the Service by which schedulers find the estimator of a member: a name of this machine, with the port
// that was chosen.
func (u *up) announceEstimator(ctx context.Context, member string) error {
	r, err := u.component(estimatorOf(member)).record()
	if err != nil {
		return err
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{
		Namespace: names.NamespaceSystem, Name: names.Estimator(names.DefaultEstimatorPrefix, member),
	}}
	if _, err := controllerutil.CreateOrUpdate(ctx, u.plane, service, func() error {
		service.Spec.Type, service.Spec.ExternalName = corev1.ServiceTypeExternalName, "localhost"
		service.Spec.Ports = []corev1.ServicePort{{
			Name: "grpc", Protocol: corev1.ProtocolTCP, Port: estimatorclient.DefaultPort, TargetPort: intstr.FromInt(r.Ports[0]),
		}}
		return nil
	}); err != nil {
		return fmt.Errorf("announcing the estimator of %s as Service %s: %w", member, client.ObjectKeyFromObject(service), err)
	}
	return nil
}

// estimatorAccess are the flags by which the scheduler asks estimators.
func (u *up) estimatorAccess() ([]string, error) {
	files, err := u.fleet.Files(fleet.ControlPlaneName)
	if err != nil {
		return nil, err
	}
	authority, err := pki.EnsureAuthority(files.CA, "")
	if err != nil {
		return nil, fmt.Errorf("certifying the scheduler to estimators: %w", err)
	}
	pair := pki.At(filepath.Join(u.dir, componentsFolder), schedulerName+"-to-estimators")
	if err := authority.IssueClient(pair, userOf(schedulerName), nil); err != nil {
		return nil, fmt.Errorf("certifying the scheduler to estimators: %w", err)
	}
	return []string{
		"--enable-scheduler-estimator", "--scheduler-estimator-ca-file=" + files.CA.Cert,
		"--scheduler-estimator-cert-file=" + pair.Cert, "--scheduler-estimator-key-file=" + pair.Key,
	}, nil
}

// components are the names of all that was or will be started, in the order in which it starts.
func (i *Installation) components() ([]string, error) {
	estimators, err := i.estimators()
	if err != nil {
		return nil, err
	}
	agents, err := i.besideMembers(agentPrefix)
	if err != nil {
		return nil, err
	}
	return slices.Concat(fixedComponents[:], estimators, agents), nil
}
