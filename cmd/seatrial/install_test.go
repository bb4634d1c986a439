package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/seatrial/seatrial/deploy"
	"github.com/seatrial/seatrial/install"
)

// Every component that the manifests start knows the flags it is started with.
func TestManifestsUseFlagsThatExist(t *testing.T) {
	values := deploy.Values{
		Namespace: "karmada-system", Replicas: 1, NodePort: 32443,
		Images: deploy.Images{Seatrial: "ours", KubeAPIServer: "a", KubeControllerManager: "b", Etcd: "c"},
	}
	manifests, err := deploy.Render(values)
	if err != nil {
		t.Fatal(err)
	}
	estimator, err := deploy.RenderEstimator(values, "member1")
	if err != nil {
		t.Fatal(err)
	}
	commands := componentCommands()
	var checked []string
	for _, object := range slices.Concat(manifests.Servers, manifests.Controllers, estimator) {
		deployment, ok := object.(*appsv1.Deployment)
		if !ok || deployment.Spec.Template.Spec.Containers[0].Image != "ours" {
			continue
		}
		args := slices.Clone(deployment.Spec.Template.Spec.Containers[0].Args)
		command := commands[args[0]]
		if command == nil {
			t.Errorf("%s runs %q, which is no component", deployment.Name, args[0])
			continue
		}
		if err := command.ParseFlags(args[1:]); err != nil {
			t.Errorf("%s: %v", deployment.Name, err)
		}
		if left := command.Flags().Args(); len(left) > 0 {
			t.Errorf("%s: %q are no flags", deployment.Name, left)
		}
		checked = append(checked, args[0])
		checkPorts(t, deployment, args)
	}
	if want := []string{"apiserver", "webhook", "controller-manager", "scheduler", "estimator"}; !slices.Equal(checked, want) {
		t.Errorf("components %v, want %v", checked, want)
	}
}

// checkPorts has the flags agree with the ports that probes and Services use.
func checkPorts(t *testing.T, deployment *appsv1.Deployment, args []string) {
	t.Helper()
	flags := map[string]string{"health": "--health-probe-bind-address=:", "metrics": "--metrics-bind-address=:", "server": "--secure-port=", "webhook": "--secure-port=", "grpc": "--server-port="}
	for _, port := range deployment.Spec.Template.Spec.Containers[0].Ports {
		want := fmt.Sprint(flags[port.Name], port.ContainerPort)
		if !slices.Contains(args, want) {
			t.Errorf("%s has port %s but not the flag %s", deployment.Name, port.Name, want)
		}
	}
}

func TestInstallTellsMistakes(t *testing.T) {
	for want, args := range map[string][]string{
		"use PVC or emptyDir":                   {"--etcd-storage-mode=hostPath"},
		`--etcd-pvc-size "big"`:                 {"--etcd-pvc-size=big"},
		"--cert-validity-period is 1h":          {"--cert-validity-period=1h"},
		"is not of the form NAME=KUBECONFIG":    {"--member=member1"},
		"both want the standard output":         {"--write-kubeconfig=-", "-o", "json"},
		"belongs to the host":                   {"--print", "-n", "kube-system"},
		"finding the host (see --kubeconfig":    {"--kubeconfig=/nowhere/at/all"},
		"each component has 1 to 5":             {"--print", "--replicas=9"},
		"the image of seatrial is \"a b\"":      {"--print", "--image=a b"},
		`invalid argument "xml" for "-o, --out`: {"-o", "xml"},
	} {
		root := newRootCommand()
		root.SetArgs(append([]string{"install"}, args...))
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("install %q: error %v, want %q in it", args, err, want)
		}
	}
}

func TestInstallPrints(t *testing.T) {
	root := newRootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"install", "--print", "--namespace", "fleet", "--image", "ours:v1", "--replicas", "2"})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"name: fleet", "image: ours:v1", "kind: PodDisruptionBudget", "storage: 5Gi", "image: kube-apiserver"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not among the manifests", want)
		}
	}
	if strings.Contains(out.String(), "kind: Secret\n") {
		t.Error("Secrets are printed")
	}
}

// The kubeconfig is an administrator's, whoever could read the file before.
func TestTheKubeconfigIsPrivate(t *testing.T) {
	for _, mode := range []os.FileMode{0, 0o600, 0o644} {
		path := filepath.Join(t.TempDir(), "karmada-apiserver.config")
		if mode != 0 {
			if err := os.WriteFile(path, []byte("what was there before, and longer"), mode); err != nil {
				t.Fatal(err)
			}
		}
		o := &installOptions{writeTo: path}
		if err := o.writeKubeconfig(io.Discard, &install.Result{Kubeconfig: []byte("new")}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(text) != "new" || info.Mode().Perm() != 0o600 {
			t.Errorf("after mode %o it is %q of mode %o", mode, text, info.Mode().Perm())
		}
	}
}

func TestPrintRemoval(t *testing.T) {
	change := install.Change{Kind: "Deployment", Name: "karmada-scheduler", Action: "deleted"}
	for name, c := range map[string]struct {
		removal install.Removal
		dry     bool
		want    string
	}{
		"nothing": {install.Removal{Namespace: "a"}, false, "nothing is installed in namespace a\n"},
		"removed": {install.Removal{Namespace: "a", Changes: []install.Change{change}}, false, "removed 1 objects\n"},
		"dry":     {install.Removal{Namespace: "a", Changes: []install.Change{change}}, true, "would remove Deployment karmada-scheduler\nwould remove 1 objects\n"},
		"members": {install.Removal{Namespace: "a", Changes: []install.Change{change}, Members: []string{"m1", "m2"}}, false,
			"removed 1 objects\nwhat was propagated to m1, m2 runs on there\n"},
		"kept": {install.Removal{Namespace: "a", Changes: []install.Change{change}, Kept: "Secret x in it was made by somebody else"}, false,
			"removed 1 objects\nnamespace a stays: Secret x in it was made by somebody else\n"},
	} {
		var out bytes.Buffer
		if err := printRemoval(&out, &c.removal, c.dry); err != nil || out.String() != c.want {
			t.Errorf("%s: got %q and error %v, want %q", name, out.String(), err, c.want)
		}
	}
}
