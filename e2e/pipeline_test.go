package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/fleet/local"
)

var (
	measurePipeline     = flag.Bool("measure-pipeline", false, "measure the way of Deployments into members and of their status back (see bench/propagation.md)")
	measuredDeployments = flag.Int("measured-deployments", 300, "Deployments that -measure-pipeline creates at once")
	pipelineProfiles    = flag.String("pipeline-profiles", "", "folder for CPU and heap profiles of the components that -measure-pipeline runs")
)

// planeShare is the processor time a Deployment may cost the control plane beside what it costs the members.
const planeShare = 130 * time.Millisecond

// TestMeasurePipeline creates Deployments of six replicas at once under one policy with dynamic weights, over three members of
// twenty nodes, and waits until the status of each says that all replicas are ready. Before, the same objects are made in the
// members directly, which tells how fast two cores could go if the control plane cost planeShare.
func TestMeasurePipeline(t *testing.T) {
	if !*measurePipeline {
		t.Skip("measures only with -measure-pipeline")
	}
	rig := newRig(t)
	members := rig.direct(t)
	ceiling := 2 / (members + planeShare).Seconds()
	t.Logf("made directly, a Deployment costs the members %s of processor time: the ceiling is %.2f a second", members.Round(time.Millisecond), ceiling)

	rig.create(t, rig.plane, spread("pipeline")...)
	time.Sleep(5 * time.Second) // for the namespace to be everywhere, and what was there before to be cleaned up
	seen := rig.follow(t, rig.plane, "pipeline")
	before := usageOf(t, rig.stateDir)
	profiled := rig.profile(t)
	began := time.Now()
	makeAll(t, *measuredDeployments, func(ctx context.Context, n int) error {
		return rig.plane.Create(ctx, measuredDeployment("pipeline", n, 6))
	})
	created := time.Since(began)
	took := seen.await(t, *measuredDeployments, began)
	spent := usageOf(t, rig.stateDir).since(before)
	profiled()

	count := *measuredDeployments
	rate := float64(count) / took.Seconds()
	t.Logf("%d Deployments created in %s, all reported ready after %s: %.2f a second, %.0f%% of the ceiling", count, created.Round(time.Millisecond), took.Round(time.Millisecond), rate, 100*rate/ceiling)
	t.Logf("creation to aggregated status: %s", seen.latencies(began))
	plane, inMembers := spent.sum(ofPlane), spent.sum(ofMembers)
	t.Logf("processor time for each: control plane %s, members %s", (plane.processor / time.Duration(count)).Round(100*time.Microsecond), (inMembers.processor / time.Duration(count)).Round(100*time.Microsecond))
	t.Logf("memory of the control plane at most: %d MiB", plane.resident>>20)
	t.Logf("by process:\n%s", spent.each(count))
}

// rig is an installation with members of twenty nodes.
type rig struct {
	stateDir string
	env      *embedded.Fleet
	plane    client.WithWatch
	members  []client.WithWatch
	// profiles are where components serve theirs.
	profiles map[string]string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	installed, _ := prepare(t, local.Options{})
	made := &rig{stateDir: installed.Dir(), profiles: map[string]string{}}
	var err error
	if made.env, err = installed.Fleet(); err != nil {
		t.Fatal(err)
	}
	specs := embedded.DefaultSpecs()
	for i := range specs {
		if specs[i].Role == fleet.Member {
			specs[i].Nodes.Count = 20
		}
	}
	// An installation keeps the clusters that are there.
	if err := made.env.Up(t.Context(), specs...); err != nil {
		t.Fatal(err)
	}
	flags := map[string][]string{}
	for _, component := range []string{"controller-manager", "scheduler"} {
		address := freeAddress(t)
		made.profiles[component] = "http://" + address
		if *pipelineProfiles != "" {
			flags[component] = []string{"--enable-pprof", "--profiling-bind-address=" + address}
		}
	}
	if err := installed.Up(t.Context(), local.UpOptions{Members: len(specs) - 1, Timeout: 5 * time.Minute, Flags: flags}, local.NewProgress(t.Output())); err != nil {
		t.Fatal(err)
	}
	made.plane = made.client(t, fleet.ControlPlaneName)
	for _, spec := range specs {
		if spec.Role == fleet.Member {
			made.members = append(made.members, made.client(t, spec.Name))
		}
	}
	return made
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func (r *rig) client(t *testing.T, cluster string) client.WithWatch {
	t.Helper()
	config, err := r.env.RESTConfig(cluster)
	if err != nil {
		t.Fatal(err)
	}
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	made, err := client.NewWithWatch(config, client.Options{Scheme: kinds})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func (r *rig) create(t *testing.T, in client.Client, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := in.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

func measuredDeployment(namespace string, n int, replicas int32) *appsv1.Deployment {
	web := sixReplicas(namespace, fmt.Sprintf("web-%03d", n))
	web.Spec.Replicas = &replicas
	web.Spec.Template.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")}
	return web
}

// direct makes in each member what the control plane would make there, and takes it away again. It returns what a Deployment costs
// the members.
func (r *rig) direct(t *testing.T) time.Duration {
	t.Helper()
	const name = "direct"
	for _, member := range r.members {
		r.create(t, member, spread(name)[0])
	}
	var seen []*arrivals
	for _, member := range r.members {
		seen = append(seen, r.follow(t, member, name))
	}
	before, began := usageOf(t, r.stateDir), time.Now()
	every := func(do func(context.Context, client.Client, *appsv1.Deployment) error) {
		makeAll(t, len(r.members)**measuredDeployments, func(ctx context.Context, n int) error {
			return do(ctx, r.members[n%len(r.members)], measuredDeployment(name, n/len(r.members), 2))
		})
	}
	every(func(ctx context.Context, in client.Client, web *appsv1.Deployment) error { return in.Create(ctx, web) })
	var took time.Duration
	for _, one := range seen {
		took = max(took, one.await(t, *measuredDeployments, began))
	}
	spent := usageOf(t, r.stateDir).since(before)
	t.Logf("made directly in the members in %s, which is %.2f a second", took.Round(time.Millisecond), float64(*measuredDeployments)/took.Seconds())
	every(func(ctx context.Context, in client.Client, web *appsv1.Deployment) error { return in.Delete(ctx, web) })
	for i, member := range r.members {
		err := r.env.Await(t.Context(), 3*time.Minute, "the end of the pods made directly", func(ctx context.Context) (bool, error) {
			left := &corev1.PodList{}
			err := member.List(ctx, left, client.InNamespace(name), client.Limit(1))
			return err == nil && len(left.Items) == 0, err
		})
		if err != nil {
			t.Fatalf("member %d: %v", i, err)
		}
	}
	return spent.sum(ofMembers).processor / time.Duration(*measuredDeployments)
}

// arrivals are when Deployments were first seen settled.
type arrivals struct {
	mu      sync.Mutex
	at      map[string]time.Time
	changed chan struct{}
}

// follow watches the Deployments of a namespace until the test ends.
func (r *rig) follow(t *testing.T, in client.WithWatch, namespace string) *arrivals {
	t.Helper()
	seen := &arrivals{at: map[string]time.Time{}, changed: make(chan struct{}, 1)}
	go func() {
		// A server that is busy ends watches; another one begins with all there is.
		for t.Context().Err() == nil {
			watching, err := in.Watch(t.Context(), &appsv1.DeploymentList{}, client.InNamespace(namespace))
			if err != nil {
				continue
			}
			for event := range watching.ResultChan() {
				if web, ok := event.Object.(*appsv1.Deployment); ok && event.Type != watch.Deleted && isSettled(web) {
					seen.see(web.Name)
				}
			}
		}
	}()
	return seen
}

func (a *arrivals) see(name string) {
	a.mu.Lock()
	if _, known := a.at[name]; !known {
		a.at[name] = time.Now()
	}
	a.mu.Unlock()
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// await returns how long after the start the last one was seen.
func (a *arrivals) await(t *testing.T, count int, began time.Time) time.Duration {
	t.Helper()
	limit := time.After(8 * time.Minute)
	for {
		a.mu.Lock()
		now, last := len(a.at), began
		for _, at := range a.at {
			if at.After(last) {
				last = at
			}
		}
		a.mu.Unlock()
		if now >= count {
			return last.Sub(began)
		}
		select {
		case <-a.changed:
		case <-limit:
			t.Fatalf("%d of %d Deployments are settled", now, count)
		}
	}
}

func (a *arrivals) latencies(began time.Time) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []time.Duration
	for _, at := range a.at {
		all = append(all, at.Sub(began))
	}
	slices.Sort(all)
	at := func(part float64) time.Duration {
		return all[int(part*float64(len(all)-1))].Round(10 * time.Millisecond)
	}
	return fmt.Sprintf("P50 %s, P90 %s, P99 %s, longest %s", at(0.5), at(0.9), at(0.99), at(1))
}

// profile takes CPU profiles of the components for a while. What it returns waits for them, and takes those of their memory.
func (r *rig) profile(t *testing.T) func() {
	t.Helper()
	if *pipelineProfiles == "" {
		return func() {}
	}
	if err := os.MkdirAll(*pipelineProfiles, 0o700); err != nil {
		t.Fatal(err)
	}
	config, err := r.env.RESTConfig(fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	plane, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	var taking errgroup.Group
	take := func(component, address, kind, query string) {
		taking.Go(func() error {
			caller := http.DefaultClient
			if address == config.Host {
				caller = plane
			}
			return download(t.Context(), caller, address+"/debug/pprof/"+kind+query, filepath.Join(*pipelineProfiles, component+"."+kind))
		})
	}
	for component, address := range r.profiles {
		take(component, address, "profile", "?seconds=30")
	}
	take("kube-apiserver", config.Host, "profile", "?seconds=30")
	return func() {
		for component, address := range r.profiles {
			take(component, address, "heap", "?gc=1")
		}
		if err := taking.Wait(); err != nil {
			t.Errorf("taking profiles: %v", err)
		}
	}
}
