package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/fleet"
)

// terminal is where a user types commands of the program.
type terminal struct {
	*fixture
	program string
	// kubeconfig is that of the control plane, unless the user has chosen another.
	kubeconfig, home, editor string
	// typed are the verbs that were typed in any session.
	typed map[string]bool
}

// CommandLine has a user do all that the verbs of the program are for. The fleet has API servers, whose proxy reaches all members.
func CommandLine(t *testing.T, env fleet.Environment, program string) {
	typed := map[string]bool{}
	for _, session := range []struct {
		name string
		of   func(*terminal)
	}{
		{"Reads", (*terminal).reads},
		{"Writes", (*terminal).writes},
		{"Pods", (*terminal).pods},
		{"Promotes", (*terminal).promotes},
		{"Measures", (*terminal).measures},
		{"Administers", (*terminal).administers},
		{"Decides", (*terminal).decides},
		{"Interprets", (*terminal).interprets},
		{"Registers", (*terminal).registers},
		{"Mistakes", (*terminal).mistakes},
		{"Complete", (*terminal).complete},
	} {
		t.Run(session.name, func(t *testing.T) {
			f := start(t, env)
			kubeconfig, err := env.Kubeconfig(f.ctx, fleet.ControlPlaneName)
			f.must(err)
			session.of(&terminal{fixture: f, program: program, kubeconfig: kubeconfig, home: t.TempDir(), typed: typed})
		})
	}
}

// run gives what a command prints, what it tells of trouble, and how it ended. Words of the line are parted by spaces; "" is an empty
// one.
func (c *terminal) run(line, input string) (printed, told string, code int) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, toSettle)
	defer cancel()
	words := strings.Fields(line)
	c.typed[words[0]] = true
	for i, word := range words {
		if word == `""` {
			words[i] = ""
		}
	}
	command := exec.CommandContext(ctx, c.program, words...)
	command.Env = append(os.Environ(), "KUBECONFIG="+c.kubeconfig, "HOME="+c.home, "KUBE_EDITOR="+c.editor)
	var out, errOut bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(input), &out, &errOut
	err := command.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		c.Fatalf("seatrial %s: %v", line, err)
	}
	return out.String(), errOut.String(), command.ProcessState.ExitCode()
}

// prints fails unless a command succeeds and prints all that is expected. It gives what is printed.
func (c *terminal) prints(line string, expected ...string) string {
	c.Helper()
	return c.answers(line, "", expected...)
}

// answers is prints for a command that reads input.
func (c *terminal) answers(line, input string, expected ...string) string {
	c.Helper()
	printed, told, code := c.run(line, input)
	if code != 0 {
		c.Fatalf("seatrial %s: ended with %d: %s%s", line, code, printed, told)
	}
	c.holds(line, printed, expected)
	return printed
}

// refuses fails unless a command fails and says all that is expected.
func (c *terminal) refuses(line string, expected ...string) {
	c.Helper()
	printed, told, code := c.run(line, "")
	if code != 1 || printed != "" {
		c.Errorf("seatrial %s: ended with %d and printed %q", line, code, printed)
	}
	c.holds(line, told, expected)
}

// holds fails unless a text has all that is expected, however it is laid out.
func (c *terminal) holds(line, text string, expected []string) {
	c.Helper()
	even := strings.Join(strings.Fields(text), " ")
	for _, part := range expected {
		if !strings.Contains(even, part) {
			c.Errorf("seatrial %s: %q is not in what it says:\n%s", line, part, text)
		}
	}
}

// awaitPrint waits until a command prints what is expected.
func (c *terminal) awaitPrint(line, expected string) {
	c.Helper()
	c.await(toSettle, "seatrial "+line+" to print "+expected, func(context.Context) (bool, error) {
		printed, _, _ := c.run(line, "")
		return strings.Contains(strings.Join(strings.Fields(printed), " "), expected), nil
	})
}

const readManifests = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: cli-reads}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: nginx, image: "nginx:1.28"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: cli-reads}
data: {mode: calm}
`

// reads sends files to members and looks at what became of them.
func (c *terminal) reads() {
	defer c.space("cli-reads")()
	c.answers("apply -f - --cluster member1,member2", readManifests, "deployment.apps/web created", "configmap/settings created", "propagationpolicy.policy.karmada.io/web-")
	for _, name := range []string{"member1", "member2"} {
		c.awaitPrint("get deployment web -n cli-reads -s all", "web "+name+" 1/1")
	}
	everywhere := c.prints("get deployment web -n cli-reads --operation-scope all", "NAME CLUSTER READY", "ADOPTION", "web Karmada", "web member1")
	if strings.Contains(everywhere, "member3") {
		c.Errorf("it was not sent to member3:\n%s", everywhere)
	}
	c.prints("get clusters", "member1 Karmada", "member3 Karmada")
	c.prints("get deployment web -n cli-reads -s members", "web member1 1/1 1 1", "Y")
	c.prints("get pods -n cli-reads -C member1 -o wide", "member1 1/1 Running", "ADOPTION", "N")
	c.listsMembers("get deployments -n cli-reads -s members -o json")
	c.prints("describe deployment web -n cli-reads", "Name: web", "Replicas: 1 desired")
	c.prints("describe deployment web -n cli-reads -C member1", "karmada.io/managed=true", "deployment-controller Scaled up replica set")
	c.prints("explain propagationpolicy.spec.placement", "GROUP: policy.karmada.io", "clusterAffinity <Object>")
	c.prints("explain deployment.spec.replicas -C member1", "FIELD: replicas <integer>")
	c.prints("explain binding cli-reads/web-deployment", "cli-reads/web-deployment is on member1:1, member2:1")
	c.prints("api-resources --api-group policy.karmada.io", "propagationpolicies pp policy.karmada.io/v1alpha1 true PropagationPolicy")
	if inMember := c.prints("api-resources -C member1", "deployments deploy apps/v1 true Deployment"); strings.Contains(inMember, "karmada.io") {
		c.Errorf("member1 has no kinds of a control plane:\n%s", inMember)
	}
	c.prints("api-versions", "policy.karmada.io/v1alpha1")
	c.prints("api-versions -C member1", "apps/v1")
	c.prints("__complete get pods -n cli-reads --clusters member1,", "member1,member2", "member1,member3")

	c.answers("apply -f - --all-clusters", readManifests, "deployment.apps/web unchanged", "configmap/settings unchanged", "configured")
	c.awaitPrint("get configmap settings -n cli-reads -C member3", "settings member3 1")
	c.answers("delete -f -", readManifests, `deployment.apps "web" deleted`)
	c.prints("delete propagationpolicies --all -n cli-reads", `"web-`, `"settings-`)
	c.awaitHolders(deployment("cli-reads", "web", 0))
	c.awaitNoOrphans("cli-reads")
}

// listsMembers wants a single list, each of whose objects tells its member.
func (c *terminal) listsMembers(line string) {
	c.Helper()
	list := metav1.PartialObjectMetadataList{}
	c.must(json.Unmarshal([]byte(c.prints(line)), &list))
	from := map[string]bool{}
	for i := range list.Items {
		from[list.Items[i].Annotations["resource.karmada.io/cached-from-cluster"]] = true
	}
	if len(list.Items) != 2 || !from["member1"] || !from["member2"] {
		c.Errorf("seatrial %s: %d objects of %v", line, len(list.Items), from)
	}
}

// writes changes templates in the control plane, which members follow.
func (c *terminal) writes() {
	c.prints("create namespace cli-writes", "namespace/cli-writes created")
	c.prints("create deployment web -n cli-writes --image nginx:1.28 --replicas 2", "deployment.apps/web created")
	c.editor = "sed -i s/nginx:1.28/nginx:1.29/"
	c.prints("edit deployment web -n cli-writes", "deployment.apps/web edited")
	c.prints(`patch deployment web -n cli-writes -p {"spec":{"replicas":3}}`, "deployment.apps/web patched")
	c.prints("label deployment web -n cli-writes tier=front", "deployment.apps/web labeled")
	c.refuses("label deployment web -n cli-writes tier=back", "'tier' already has a value (front), and --overwrite is false")
	c.prints("annotate deployment web -n cli-writes note=kept", "deployment.apps/web annotated")
	found := &appsv1.Deployment{}
	c.must(c.plane.Get(c.ctx, types.NamespacedName{Namespace: "cli-writes", Name: "web"}, found))
	if image := found.Spec.Template.Spec.Containers[0].Image; image != "nginx:1.29" || *found.Spec.Replicas != 3 || found.Labels["tier"] != "front" || found.Annotations["note"] != "kept" {
		c.Errorf("the deployment became %s x %d, %v, %v", image, *found.Spec.Replicas, found.Labels, found.Annotations)
	}
	c.prints("get deployments -A -l tier=front", "cli-writes web Karmada")
	c.prints("delete deployment web -n cli-writes", `deployment.apps "web" deleted`)
	c.prints("delete namespace cli-writes", `namespace "cli-writes" deleted`)
	c.awaitHolders(namespace("cli-writes"))
}

// pods reads logs, and runs commands, in two members that have a pod of the same name.
func (c *terminal) pods() {
	const line = "a line of the log\n"
	c.playKubelet("member1")
	if got := c.prints("logs played"); got != line {
		c.Errorf("the only pod of that name says %q", got)
	}
	if got := c.answers("exec played -i -- cat", "there and back"); got != "there and back" {
		c.Errorf("exec gave back %q", got)
	}
	c.playKubelet("member2")
	for _, follow := range []string{"", " -f"} {
		got := c.prints("logs played" + follow)
		if strings.Count(got, "\n") != 2 || !strings.Contains(got, "[member1] "+line) || !strings.Contains(got, "[member2] "+line) {
			c.Errorf("logs played%s: of two members: %q", follow, got)
		}
	}
	if got := c.prints("logs played -C member2 -f"); got != line {
		c.Errorf("of one member: %q", got)
	}
	c.refuses("exec played -i -- cat", "pod played is in member1, member2: name one of them with --cluster")
	for _, verb := range []string{"exec played -C member2 -i -- cat", "attach played -C member2 -i"} {
		if got := c.answers(verb, "there and back"); got != "there and back" {
			c.Errorf("%s gave back %q", verb, got)
		}
	}
	c.refuses("logs absent", "no member has pod absent")
	c.refuses("exec absent -- cat", "no member has pod absent")
}

// promotes takes over a deployment with what it needs, while it runs.
func (c *terminal) promotes() {
	const space = "cli-promotes"
	defer c.space(space)()
	c.awaitHolders(namespace(space), members...)
	member := c.member("member1")
	config := configMap(space, "legacy", map[string]string{"mode": "calm"})
	c.createIn(member, config)
	legacy := deployment(space, "legacy", 2)
	legacy.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "settings", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: config.Name}},
	}}}
	c.createIn(member, legacy)
	c.await(toSettle, "the deployment to run", func(ctx context.Context) (bool, error) {
		err := member.Get(ctx, clientKey(legacy), legacy)
		return legacy.Status.ReadyReplicas == 2, err
	})
	before := c.specs(member, space)

	promote := "promote deployment legacy -n " + space + " -C member1"
	c.prints(promote+" -o yaml", "kind: Deployment", "kind: PropagationPolicy", "work.karmada.io/conflict-resolution: overwrite")
	c.prints(promote+" --dry-run", "would be promoted (dry run)")
	c.refuses("get deployment legacy -n "+space, `deployments.apps "legacy" not found`)
	c.prints(promote+" --dependencies", "of cluster member1 promoted")
	c.prints(promote+" --dependencies", "promoted already")
	c.awaitHolders(config, "member1")
	c.awaitApplied(space, "legacy")
	c.awaitPlacement(space, "legacy", map[string]int32{"member1": 2})
	c.prints("get deployment,configmap -n "+space+" -s all", "deployment.apps/legacy Karmada 2/2", "deployment.apps/legacy member1 2/2", "configmap/legacy Karmada", "configmap/legacy member1")
	if after := c.specs(member, space); !maps.Equal(before, after) {
		c.Errorf("the promotion changed what runs: %v became %v", before, after)
	}

	c.prints(`patch deployment legacy -n `+space+` -p {"spec":{"replicas":3}}`, "patched")
	c.awaitPlacement(space, "legacy", map[string]int32{"member1": 3})
	after := c.specs(member, space)
	for object := range before {
		if _, still := after[object]; strings.HasPrefix(object, "Pod ") && !still {
			c.Errorf("%s of before the promotion is gone", object)
		}
	}
	c.prints("delete deployment legacy -n "+space, "deleted")
	c.prints("delete configmap legacy -n "+space, "deleted")
	c.prints("delete propagationpolicies --all -n "+space, "deleted")
	c.awaitHolders(legacy)
	c.awaitHolders(config)
}

// specs are those of what a member runs in a namespace, by kind and UID.
func (c *terminal) specs(member client.Client, namespace string) map[string]string {
	c.Helper()
	deployments, sets, pods := &appsv1.DeploymentList{}, &appsv1.ReplicaSetList{}, &corev1.PodList{}
	for _, list := range []client.ObjectList{deployments, sets, pods} {
		c.must(member.List(c.ctx, list, client.InNamespace(namespace)))
	}
	all := map[string]string{}
	keep := func(kind string, uid types.UID, spec any) {
		text, err := json.Marshal(spec)
		c.must(err)
		all[fmt.Sprint(kind, " ", uid)] = string(text)
	}
	for i := range deployments.Items {
		keep("Deployment", deployments.Items[i].UID, deployments.Items[i].Spec)
	}
	for i := range sets.Items {
		keep("ReplicaSet", sets.Items[i].UID, sets.Items[i].Spec)
	}
	for i := range pods.Items {
		keep("Pod", pods.Items[i].UID, pods.Items[i].Spec)
	}
	return all
}

// metricsKinds stand in for a metrics server, whose API an API server then serves from what it has stored.
const metricsKinds = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: nodes.metrics.k8s.io, annotations: {api-approved.kubernetes.io: "unapproved, for a test"}}
spec:
  group: metrics.k8s.io
  names: {plural: nodes, kind: NodeMetrics}
  scope: Cluster
  versions:
  - {name: v1beta1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: pods.metrics.k8s.io, annotations: {api-approved.kubernetes.io: "unapproved, for a test"}}
spec:
  group: metrics.k8s.io
  names: {plural: pods, kind: PodMetrics}
  scope: Namespaced
  versions:
  - {name: v1beta1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

const measured = `
apiVersion: metrics.k8s.io/v1beta1
kind: NodeMetrics
metadata: {name: member1-node-1}
timestamp: "2026-01-01T00:00:00Z"
window: 30s
usage: {cpu: 250m, memory: 512Mi}
---
apiVersion: metrics.k8s.io/v1beta1
kind: PodMetrics
metadata: {name: web, namespace: default}
timestamp: "2026-01-01T00:00:00Z"
window: 30s
containers:
- {name: main, usage: {cpu: 100m, memory: 64Mi}}
- {name: beside, usage: {cpu: 20m, memory: 32Mi}}
`

// measures asks what pods and nodes use, in a member that measures and in others.
func (c *terminal) measures() {
	c.refuses("top nodes -C member1", "cluster member1: it has no metrics API: install metrics-server there")
	direct := *c
	var err error
	direct.kubeconfig, err = c.env.Kubeconfig(c.ctx, "member1")
	c.must(err)
	direct.answers("apply -f -", metricsKinds, "nodes.metrics.k8s.io created")
	defer direct.answers("delete -f - --wait=false", metricsKinds)
	c.await(toSettle, "metrics to be stored", func(context.Context) (bool, error) {
		_, _, code := direct.run("apply -f -", measured)
		return code == 0, nil
	})
	c.awaitPrint("top pods -C member1", "web member1 120m 96Mi")
	c.prints("top pods -C member1 --containers --sort-by memory", "POD NAME CLUSTER CPU(cores) MEMORY(bytes)", "web main member1 100m 64Mi web beside member1 20m 32Mi")
	c.prints("top node member1-node-1 -C member1", "member1-node-1 member1 250m")
	printed, told, code := c.run("top pods", "")
	if code != 1 || !strings.Contains(printed, "member1") || !strings.Contains(told, "cluster member2: it has no metrics API") {
		c.Errorf("of all members, top tells %d: %s%s", code, printed, told)
	}
}

// administers marks clusters, and hands out a bootstrap token.
func (c *terminal) administers() {
	const taints = "get cluster member3 -o jsonpath={.spec.taints[*].key}"
	c.prints("cordon member3", "cluster member3 cordoned")
	c.prints(taints, "cluster.karmada.io/unschedulable")
	c.prints("uncordon member3", "cluster member3 uncordoned")
	c.prints("taint clusters member3 cli=test:NoSchedule", "member3")
	c.prints(taints, "cli")
	c.prints("taint clusters member3 cli:NoSchedule-", "member3")
	if left := c.prints(taints); left != "" {
		c.Errorf("taints are left: %s", left)
	}
	token := strings.TrimSpace(c.prints("token create --ttl 1h --description cli"))
	c.prints("token list", token, "authentication,signing", "cli")
	c.prints("token delete "+token, "deleted token "+token[:6])
	if strings.Contains(c.prints("token list"), token) {
		c.Errorf("the token is there still")
	}
	for _, verb := range []string{"unjoin", "unregister", "cordon"} {
		c.prints("__complete "+verb+" member", "member1 member2 member3")
	}
	c.prints("completion bash", "__start_seatrial")
	c.prints("version", "seatrial")
}

// mistakes are told with what mends them.
func (c *terminal) mistakes() {
	const known = `there is no cluster "nowhere"; the members are: member1, member2, member3`
	for _, line := range []string{
		"get pods -C nowhere", "describe pod a -C nowhere", "logs a -C nowhere", "exec a -C nowhere -- date", "attach a -C nowhere", "top pods -C nowhere",
		"promote deployment a -C nowhere", "explain pod -C nowhere", "api-resources -C nowhere", "api-versions -C nowhere",
	} {
		c.refuses(line, known)
	}
	const kinds = `the server doesn't have a resource type "gizmos"; seatrial api-resources lists those it has`
	for _, line := range []string{
		"get gizmos", "get gizmos -s all", "get gizmos -C member1", "describe gizmos a", "explain gizmos", "explain gizmos -C member1", "delete gizmos a",
		"label gizmos a b=c", "annotate gizmos a b=c", "patch gizmos a -p {}", "edit gizmos a", "promote gizmos a -C member1",
	} {
		c.refuses(line, kinds)
	}
	for line, fix := range map[string]string{
		"get deployment absent":                        `Error from server (NotFound): deployments.apps "absent" not found`,
		"get deployment absent -C member1":             `cluster member1: deployments.apps "absent" not found`,
		"get":                                          "give the TYPE of resource to get",
		"get pods -s everywhere":                       "use one of karmada, members, all",
		"get pods -s karmada -C member1":               "leave one of them out",
		"describe pod a -s members":                    "name it with --cluster",
		"apply":                                        "must specify one of -f and -k",
		"apply -f absent.yaml":                         `the path "absent.yaml" does not exist`,
		"apply -f a.yaml --all-clusters -C member1":    "leave one of them out",
		"create namespace default":                     "already exists",
		"promote deployment absent":                    "--cluster is required",
		"promote deployment absent -C member1":         `cluster member1: deployments.apps "absent" not found`,
		"top pods --sort-by age":                       "use cpu or memory",
		"logs":                                         "name a POD or TYPE/NAME",
		"patch deployment absent":                      "must specify --patch or --patch-file",
		"create configmap a --context elsewhere":       "elsewhere",
		"get pods --karmada-context elsewhere":         "elsewhere",
		"get pods --kubeconfig absent":                 "absent",
		"get pods --as nobody":                         `User "nobody" cannot list resource "pods"`,
		"get pods -C member1 --as nobody":              "clusters.cluster.karmada.io",
		"get pods --request-timeout a-while":           "Timeout must be a single integer in seconds",
		"delete deployment absent --grace-period=-2.5": "grace-period",
	} {
		c.refuses(line, fix)
	}
}
