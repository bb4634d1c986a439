package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/registration"
)

// elsewhere are the commands that no session types: those that make fleets, that run without one, and the components, which every
// fleet of the suites is made of.
var elsewhere = []string{
	"up", "status", "down", "simulate", "fuzz", "help", "install", "uninstall", "kind", "init", "deinit", "addons",
	"agent", "apiserver", "controller-manager", "descheduler", "estimator", "metrics-adapter", "scheduler", "search", "webhook",
}

// complete fails where a verb of the program was typed in no session.
func (c *terminal) complete() {
	for line := range strings.Lines(c.prints(`__completeNoDesc ""`)) {
		verb := strings.TrimSpace(line)
		if verb == "" || strings.HasPrefix(verb, ":") || slices.Contains(elsewhere, verb) || c.typed[verb] {
			continue
		}
		c.Errorf("no session types seatrial %s", verb)
	}
	for _, line := range []string{"uncordon", "drain", "taint clusters"} {
		c.prints("__complete "+line+" member", "member1 member2 member3")
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		c.prints("completion "+shell, "seatrial")
	}
	plugin := *c
	plugin.program = filepath.Join(c.home, "kubectl-seatrial")
	c.must(os.Symlink(c.program, plugin.program))
	plugin.prints("get clusters", "member1 Karmada")
}

const decidedManifests = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: cli-decides}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: nginx, image: "nginx:1.28", resources: {requests: {cpu: "1"}}}]}
---
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: web, namespace: cli-decides}
spec:
  resourceSelectors: [{apiVersion: apps/v1, kind: Deployment, name: web}]
  placement:
    clusterAffinity: {clusterNames: [member1, member2]}
    replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Weighted}
`

// decides asks what fits where, moves a workload out of a cluster and lets it come back.
func (c *terminal) decides() {
	defer c.space("cli-decides")()
	c.answers("apply -f -", decidedManifests, "deployment.apps/web created", "propagationpolicy.policy.karmada.io/web created")
	c.awaitPlacement("cli-decides", "web", map[string]int32{"member1": 1, "member2": 1})
	c.answers("estimate -f -", decidedManifests, "member1", "member3", "cpu on 3 of 3 nodes")
	c.prints("explain binding cli-decides/web-deployment", "member1:1, member2:1")
	c.prints("drain member2 --dry-run", "would drain cluster member2 (dry run)", "Deployment cli-decides/web")
	c.prints("drain member2", "cluster member2 drained")
	c.awaitPlacement("cli-decides", "web", map[string]int32{"member1": 2})
	c.prints("get cluster member2 -o jsonpath={.spec.taints[*].key}", "cluster.karmada.io/unschedulable")
	c.refuses("drain nowhere", "nowhere")
	c.prints("uncordon member2", "cluster member2 uncordoned")
	c.prints("rebalance --plan", "Deployment cli-decides/web")
	c.prints("rebalance", "Deployment cli-decides/web")
	c.awaitPlacement("cli-decides", "web", map[string]int32{"member1": 1, "member2": 1})
	c.answers("delete -f -", decidedManifests, `deployment.apps "web" deleted`)
	c.awaitHolders(deployment("cli-decides", "web", 0))
	c.awaitNoOrphans("cli-decides")
}

const taughtKind = `
apiVersion: config.karmada.io/v1alpha1
kind: ResourceInterpreterCustomization
metadata: {name: rafts}
spec:
  target: {apiVersion: example.com/v1, kind: Raft}
  customizations:
    replicaResource:
      luaScript: |
        function GetReplicas(desiredObj)
          return desiredObj.spec.crew, {}
        end
`

// interprets tries the scripts of a kind before the fleet has them.
func (c *terminal) interprets() {
	raft := filepath.Join(c.home, "raft.yaml")
	c.must(os.WriteFile(raft, []byte("{apiVersion: example.com/v1, kind: Raft, metadata: {name: one, namespace: default}, spec: {crew: 4}}"), 0o600))
	c.answers("interpret -f - --check", taughtKind, "example.com/v1", "Raft", "InterpretReplica")
	c.answers("interpret -f - --operation InterpretReplica --desired-file "+raft, taughtKind, "4")
	c.prints("interpret --show-doc --operation InterpretReplica", "GetReplicas")
	c.refuses("interpret -f absent.yaml --check", "absent.yaml")
}

// registers takes a member out and in again, in both modes, by what an administrator of it has.
func (c *terminal) registers() {
	direct := c.administrator("member1")
	at := "--cluster-kubeconfig " + direct
	c.refuses("join member1 "+at+" --karmada-as nobody", `User "nobody"`)
	c.prints("unjoin member1 "+at+" --dry-run", "would", "member1")
	c.prints("unjoin member1 "+at, "unjoined cluster member1")
	c.refuses("get cluster member1", `clusters.cluster.karmada.io "member1" not found`)

	register := strings.TrimPrefix(strings.TrimSpace(c.prints("token create --print-register-command --ttl 10m", "seatrial register", "--discovery-token-ca-cert-hash")), "seatrial ")
	register += " --cluster-name member1 --kubeconfig " + direct
	c.prints(register+" --dry-run", "would register cluster member1")
	c.prints(register, "registered cluster member1: its agent runs as deployment karmada-system/karmada-agent")
	stop := c.beAgent("member1", direct)
	c.awaitReady("member1")
	c.prints("get cluster member1", "member1", "Pull", "True")
	c.prints("unregister member1 "+at+" --dry-run", "would unregister cluster member1")
	c.prints("unregister member1 "+at, "unregistered cluster member1")
	stop()
	c.refuses("get cluster member1", `clusters.cluster.karmada.io "member1" not found`)

	original := c.original("member1")
	c.prints("join member1 "+at+" --cluster-provider "+original.Provider+" --cluster-region "+original.Region+" --cluster-zones "+strings.Join(original.Zones, ","), "joined cluster member1")
	c.awaitReady("member1")
	eventually(c.fixture, c.plane, &clusterv1alpha1.Cluster{ObjectMeta: namespace("member1").ObjectMeta}, "what the flags said of the cluster", func(found *clusterv1alpha1.Cluster) bool {
		return found.Spec.SyncMode == clusterv1alpha1.Push && found.Spec.Provider == original.Provider && found.Spec.Region == original.Region &&
			slices.Equal(found.Spec.Zones, original.Zones) && found.Spec.APIEndpoint == original.Endpoint
	})
}

// original is a cluster as the fleet has it.
func (c *terminal) original(name string) fleet.Cluster {
	c.Helper()
	clusters, err := c.env.Clusters(c.ctx)
	c.must(err)
	at := slices.IndexFunc(clusters, func(cluster fleet.Cluster) bool { return cluster.Name == name })
	if at < 0 {
		c.Fatalf("the fleet has no cluster %s", name)
	}
	return clusters[at]
}

// administrator writes the kubeconfig of a member's administrator, by whose server the control plane reaches the member.
func (c *terminal) administrator(member string) string {
	c.Helper()
	path, err := c.env.Kubeconfig(c.ctx, member)
	c.must(err)
	config, err := clientcmd.LoadFromFile(path)
	c.must(err)
	for _, cluster := range config.Clusters {
		cluster.Server = c.original(member).Endpoint
	}
	path = filepath.Join(c.home, member+".config")
	c.must(clientcmd.WriteToFile(*config, path))
	return path
}

// beAgent runs the agent that is deployed in a member, whose nodes run nothing, until it is stopped.
func (c *terminal) beAgent(member, direct string) (stop func()) {
	c.Helper()
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = "karmada-system", registration.AgentSecret
	c.must(c.member(member).Get(c.ctx, clientKey(secret), secret))
	uplink := filepath.Join(c.home, "uplink.config")
	c.must(os.WriteFile(uplink, secret.Data[registration.AgentSecretKey], 0o600))
	ctx, cancel := context.WithCancel(c.ctx)
	agent := exec.CommandContext(ctx, c.program, "agent", "--cluster-name="+member, "--karmada-kubeconfig="+uplink, "--kubeconfig="+direct,
		"--cluster-api-endpoint="+c.original(member).Endpoint, "--leader-elect=false", "--health-probe-bind-address=0", "--metrics-bind-address=0")
	c.must(agent.Start())
	stop = func() {
		cancel()
		// It was told to end.
		_ = agent.Wait()
	}
	c.Cleanup(stop)
	return stop
}
