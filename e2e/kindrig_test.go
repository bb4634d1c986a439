package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	imagename "github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/deploy"
	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/kind"
	"github.com/seatrial/seatrial/fleet/local"
	installer "github.com/seatrial/seatrial/install"
)

const (
	// kindImage is that of the components, kindWorkload that of the pods of workloads, whatever the image that a case asks for is called.
	kindImage    = "seatrial:e2e"
	kindWorkload = "testserver:e2e"
	// toSwitch bounds how long components take that are started with other flags.
	toSwitch = 3 * time.Minute
)

// kindRig is a fleet of clusters in containers, with a control plane inside its host.
type kindRig struct {
	*kind.Fleet
	host    client.Client
	program string
	// plain are the arguments of each component before a preset added some.
	plain          map[string][]string
	schedulerFlags []string
}

var _ e2e.Rig = (*kindRig)(nil)

// playKind runs groups of cases one after the other on one fleet. It is deleted afterwards, also on Ctrl-C, unless KEEP=1.
func playKind(t *testing.T, groups []group) {
	t.Helper()
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	options := kind.Options{Root: filepath.Join("..", ".cache", "kind", "fleet"), Scheme: kinds}
	// What takes minutes comes after what tells at once that it would be in vain.
	if _, err := kind.Open(ctx, options); err != nil {
		t.Fatalf("-env=kind needs a Docker engine: %v", err)
	}
	program := buildSeatrial(t)
	err := kind.Run(ctx, options, kind.Keep(), kind.DefaultSpecs(), func(ctx context.Context, f *kind.Fleet) error {
		rig := &kindRig{Fleet: f, program: program, plain: map[string][]string{}}
		if err := rig.install(ctx, t); err != nil {
			return err
		}
		for _, group := range groups {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := rig.become(ctx, group.preset); err != nil {
				return fmt.Errorf("setting the components for %s: %w", group.name, err)
			}
			t.Run(group.name, func(t *testing.T) { playOn(t, rig, onKind, group.cases) })
		}
		return nil
	})
	if err != nil {
		t.Fatalf("playing on kind clusters: %v", err)
	}
}

// install brings the images onto the nodes, the control plane into the host, and the members into the fleet: member3 in Pull mode.
func (r *kindRig) install(ctx context.Context, t *testing.T) error {
	if err := r.images(ctx); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", r.HostKubeconfig())
	if err != nil {
		return err
	}
	if r.host, err = client.New(config, client.Options{Scheme: clientgoscheme.Scheme}); err != nil {
		return err
	}
	clusters, err := r.Clusters(ctx)
	if err != nil {
		return err
	}
	options := installer.Options{
		Values: deploy.Values{
			Namespace: names.NamespaceSystem, Replicas: 1, NodePort: kind.ControlPlaneNodePort, Images: deploy.Images{Seatrial: kindImage},
		},
		ExternalHosts: []string{"127.0.0.1", "localhost"}, CertValidity: 24 * time.Hour, Timeout: 5 * time.Minute,
		// A fleet that was kept has the flags of another preset.
		Force: true,
	}
	var pulled fleet.Cluster
	for _, cluster := range clusters {
		switch {
		case cluster.Role == fleet.ControlPlane:
			if options.Advertised, err = hostPort(cluster.Endpoint); err != nil {
				return err
			}
		case cluster.Name == "member3":
			pulled = cluster
		default:
			member, err := r.member(ctx, cluster)
			if err != nil {
				return err
			}
			options.Members = append(options.Members, member)
		}
	}
	host, err := installer.Connect(config, names.NamespaceSystem)
	if err != nil {
		return err
	}
	installed, err := installer.Install(ctx, host, options, local.NewProgress(t.Output()))
	if err != nil {
		return err
	}
	if err := r.keepKubeconfig(ctx, installed.Kubeconfig); err != nil {
		return err
	}
	return r.register(ctx, pulled)
}

// images are made on the spot. Those that workloads ask for are names for the one image of a small server, on the nodes only.
func (r *kindRig) images(ctx context.Context) error {
	if err := kind.BuildImage(ctx, kindImage, "../cmd/seatrial"); err != nil {
		return err
	}
	if err := r.Load(ctx, kindImage); err != nil {
		return err
	}
	if err := kind.BuildImage(ctx, kindWorkload, "../testserver/cmd/testserver"); err != nil {
		return err
	}
	members := []string{"member1", "member2", "member3"}
	if err := r.Load(ctx, kindWorkload, members...); err != nil {
		return err
	}
	for _, member := range members {
		for _, name := range []string{"nginx:1.28", "nginx:1.29", "busybox:1.37"} {
			// The node knows images by their full names only.
			source, err := imagename.ParseDockerRef(kindWorkload)
			if err != nil {
				return fmt.Errorf("reading the name of the image %s: %w", kindWorkload, err)
			}
			target, err := imagename.ParseDockerRef(name)
			if err != nil {
				return fmt.Errorf("reading the name of the image %s: %w", name, err)
			}
			tag := exec.CommandContext(ctx, "docker", "exec", "seatrial-"+member+"-control-plane",
				"ctr", "--namespace=k8s.io", "images", "tag", "--force", source.String(), target.String())
			if printed, err := tag.CombinedOutput(); err != nil {
				return fmt.Errorf("naming the image of workloads %s on the node of %s: %w\n%s", name, member, err, printed)
			}
		}
	}
	return nil
}
