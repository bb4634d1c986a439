package e2e_test

import (
	"context"
	"errors"
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
	// kindImage is that of the components. kindServer and kindTask are those of pods, whatever the images that cases ask for are called:
	// a small server, and the same program without a command, which ends.
	kindImage  = "seatrial:e2e"
	kindServer = "testserver:e2e"
	kindTask   = "task:e2e"
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

// playKind runs groups of cases one after the other on one fleet.
func playKind(t *testing.T, groups []group) {
	t.Helper()
	onKindFleet(t, func(ctx context.Context, rig *kindRig) error {
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
}

// onKindFleet does something with a fleet, which is deleted afterwards, also on Ctrl-C, unless KEEP=1.
func onKindFleet(t *testing.T, do func(context.Context, *kindRig) error) {
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
		t.Fatalf("fleets of kind clusters need a Docker engine: %v", err)
	}
	began := time.Now()
	took := func(what string) {
		t.Logf("%s after %.0f s", what, time.Since(began).Seconds())
	}
	program := *seatrialBinary
	if program == "" {
		var err error
		if program, err = kind.Compile(ctx, "../cmd/seatrial", t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}
	took("the program was there")
	err := kind.Run(ctx, options, kind.Keep(), kind.DefaultSpecs(), func(ctx context.Context, f *kind.Fleet) error {
		took("the clusters were there")
		rig := &kindRig{Fleet: f, program: program, plain: map[string][]string{}}
		if err := rig.images(ctx); err != nil {
			return err
		}
		took("the images were on the nodes")
		if err := rig.install(ctx, t); err != nil {
			return err
		}
		took("the control plane and its members were there")
		return do(ctx, rig)
	})
	if err != nil {
		t.Fatalf("on kind clusters: %v", err)
	}
	took("all of it was done")
}

// install brings the control plane into the host, and the members into the fleet: member3 in Pull mode.
func (r *kindRig) install(ctx context.Context, t *testing.T) error {
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

// images are made on the spot, and brought onto the nodes.
func (r *kindRig) images(ctx context.Context) error {
	if err := kind.MakeImage(ctx, kindImage, r.program); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "seatrial-e2e-")
	if err != nil {
		return fmt.Errorf("making the images of workloads: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	server, err := kind.Compile(ctx, "../testserver/cmd/testserver", folder)
	if err != nil {
		return err
	}
	if err := errors.Join(kind.MakeImage(ctx, kindServer, server, "serve"), kind.MakeImage(ctx, kindTask, server)); err != nil {
		return err
	}
	if err := r.Load(ctx, kindImage); err != nil {
		return err
	}
	return r.equip(ctx, "member1", "member2", "member3")
}

// equip brings the images of workloads onto nodes of members, under the names that cases give them.
func (r *kindRig) equip(ctx context.Context, clusters ...string) error {
	for image, called := range map[string][]string{kindServer: {"nginx:1.27", "nginx:1.28", "nginx:1.29"}, kindTask: {"busybox:1.37"}} {
		if err := r.Load(ctx, image, clusters...); err != nil {
			return err
		}
		for _, cluster := range clusters {
			for _, name := range called {
				if err := call(ctx, cluster, image, name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// call gives an image on a cluster's node another name. The node knows images by their full names only.
func call(ctx context.Context, cluster, image, name string) error {
	source, err := imagename.ParseDockerRef(image)
	if err != nil {
		return fmt.Errorf("reading the name of the image %s: %w", image, err)
	}
	target, err := imagename.ParseDockerRef(name)
	if err != nil {
		return fmt.Errorf("reading the name of the image %s: %w", name, err)
	}
	tag := exec.CommandContext(ctx, "docker", "exec", "seatrial-"+cluster+"-control-plane",
		"ctr", "--namespace=k8s.io", "images", "tag", "--force", source.String(), target.String())
	if printed, err := tag.CombinedOutput(); err != nil {
		return fmt.Errorf("calling the image %s %s on the node of %s: %w\n%s", image, name, cluster, err, printed)
	}
	return nil
}

// Add implements fleet.Environment: workloads find their images on the new node, too.
func (r *kindRig) Add(ctx context.Context, spec fleet.Spec) error {
	if err := r.Fleet.Add(ctx, spec); err != nil {
		return err
	}
	return r.equip(ctx, spec.Name)
}
