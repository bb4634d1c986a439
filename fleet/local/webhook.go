package local

import (
	"fmt"
	"path/filepath"

	"github.com/seatrial/seatrial/fleet"
)

// webhookServer is the subcommand that completes and checks what is written to the control plane.
const webhookServer = "webhook"

// webhookLaunch runs the admission of the control plane. It is healthy once it is registered, and from then on nothing is written
// that it has not seen.
func (u *up) webhookLaunch() (launch, error) {
	kubeconfig, err := u.fleet.IssueKubeconfig(fleet.ControlPlaneName, userOf(webhookServer), userOf(webhookServer), masters)
	if err != nil {
		return launch{}, err
	}
	certificates := filepath.Join(u.dir, componentsFolder, webhookServer+"-certificates")
	return launch{
		executable: u.executable, tied: u.tied, ports: 3,
		files:     []string{kubeconfig},
		healthURL: func(ports []int) string { return "http://" + loopback(ports[1]) + "/readyz" },
		args: func(ports []int) []string {
			args := []string{
				webhookServer, "--kubeconfig=" + kubeconfig,
				"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[0]),
				"--health-probe-bind-address=" + loopback(ports[1]), "--metrics-bind-address=" + loopback(ports[2]),
				"--cert-dir=" + certificates, "--register-url=https://" + loopback(ports[0]),
			}
			return append(args, u.options.Flags[webhookServer]...)
		},
	}, nil
}
