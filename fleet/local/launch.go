package local

import (
	"fmt"
	"slices"

	"github.com/seatrial/seatrial/apiserver"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
)

// masters is the group that every API server of Kubernetes lets do everything.
const masters = "system:masters"

// apiServerLaunch runs the aggregated API server beside the control plane's kube-apiserver, in the same etcd.
func (u *up) apiServerLaunch(files embedded.Files) (launch, error) {
	kubeconfig, err := u.fleet.IssueKubeconfig(fleet.ControlPlaneName, userOf(apiServer), userOf(apiServer), masters)
	if err != nil {
		return launch{}, err
	}
	serving, err := u.fleet.IssueServing(fleet.ControlPlaneName, userOf(apiServer), apiserver.ServingName)
	if err != nil {
		return launch{}, err
	}
	etcd, err := u.fleet.EtcdEndpoint(fleet.ControlPlaneName)
	if err != nil {
		return launch{}, err
	}
	return launch{
		executable: u.executable, tied: u.tied, ports: 1,
		files:     []string{kubeconfig, serving.Cert},
		caCert:    files.CA.Cert,
		healthURL: func(ports []int) string { return "https://" + loopback(ports[0]) + "/readyz" },
		args: func(ports []int) []string {
			args := []string{
				apiServer, "--kubeconfig=" + kubeconfig, "--search",
				"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[0]),
				"--tls-cert-file=" + serving.Cert, "--tls-private-key-file=" + serving.Key,
				"--etcd-servers=" + etcd, "--etcd-cafile=" + files.EtcdCA.Cert,
				"--etcd-certfile=" + files.EtcdClient.Cert, "--etcd-keyfile=" + files.EtcdClient.Key,
			}
			return append(args, u.options.Flags[apiServer]...)
		},
	}, nil
}

// controllerLaunch runs the controller manager or the scheduler, with extra flags.
func (u *up) controllerLaunch(name string, extra ...string) (launch, error) {
	kubeconfig, err := u.fleet.IssueKubeconfig(fleet.ControlPlaneName, userOf(name), userOf(name), masters)
	if err != nil {
		return launch{}, err
	}
	return launch{
		executable: u.executable, tied: u.tied, ports: 2,
		files:     []string{kubeconfig},
		healthURL: func(ports []int) string { return "http://" + loopback(ports[0]) + "/healthz" },
		args: func(ports []int) []string {
			args := []string{
				name, "--kubeconfig=" + kubeconfig,
				"--health-probe-bind-address=" + loopback(ports[0]), "--metrics-bind-address=" + loopback(ports[1]),
				// There is only ever one, and the Lease of a killed one would keep its successor waiting.
				"--leader-elect=false",
			}
			return slices.Concat(args, extra, u.options.Flags[name])
		},
	}, nil
}

func userOf(component string) string { return "seatrial-" + component }
