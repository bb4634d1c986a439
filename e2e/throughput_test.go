package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/controllers/live"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/fleet/local"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/scheduler"
)

var (
	measureScheduler = flag.Bool("measure-scheduler", false, "measure the live scheduler (see bench/scheduler.md)")
	measuredBindings = flag.Int("measured-bindings", 5000, "bindings that -measure-scheduler makes before the scheduler starts")
	measuredWriters  = flag.Int("measured-writers", 64, "decisions that -measure-scheduler has written at once")
	schedulerProfile = flag.String("scheduler-profile", "", "file for the CPU profile of the scheduler that -measure-scheduler runs")
	planeProfile     = flag.String("plane-profile", "", "file for 15 s of CPU profile of the control plane, from the start of that scheduler")
)

const (
	measuredClusters = 100
	// makers create objects at once.
	makers = 16
	// trickle bindings are created one by one while the scheduler is idle.
	trickle = 500
)

// TestMeasureScheduler runs the scheduler, in this process, on a real API server with clusters that exist as objects only.
func TestMeasureScheduler(t *testing.T) {
	if !*measureScheduler {
		t.Skip("measures only with -measure-scheduler")
	}
	env := planeAlone(t)
	config, err := env.RESTConfig(fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	plane, err := client.New(config, client.Options{Scheme: kinds})
	if err != nil {
		t.Fatal(err)
	}
	makeAll(t, measuredClusters, func(ctx context.Context, n int) error { return makeCluster(ctx, plane, n) })
	began := time.Now()
	makeAll(t, *measuredBindings, func(ctx context.Context, n int) error { return plane.Create(ctx, measuredBinding("flood", n)) })
	t.Logf("%d bindings created in %s", *measuredBindings, time.Since(began).Round(time.Millisecond))

	seen := &sightings{at: map[string]time.Time{}, changed: make(chan struct{}, 1)}
	if *schedulerProfile != "" {
		file, err := os.Create(*schedulerProfile)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			t.Fatal(err)
		}
	}
	profiled := profilePlane(t, config)
	usage, planeUsage := processorTime(t), planeTime(t, config)
	began = time.Now()
	runScheduler(t, config, kinds, seen)
	seen.await(t, *measuredBindings)
	usage, planeUsage = processorTime(t)-usage, planeTime(t, config)-planeUsage
	pprof.StopCPUProfile()
	<-profiled
	first, last := seen.span()
	t.Logf("%d bindings scheduled in %s: %.0f a second; %.0f a second from the first to the last",
		*measuredBindings, last.Sub(began).Round(time.Millisecond), float64(*measuredBindings)/last.Sub(began).Seconds(),
		float64(*measuredBindings)/last.Sub(first).Seconds())
	t.Logf("processor time of the scheduler %s, of the control plane %s: %.0f a second would keep two cores busy",
		usage.Round(time.Millisecond), planeUsage.Round(time.Millisecond), 2*float64(*measuredBindings)/(usage+planeUsage).Seconds())
	awaitEvents(t, plane, *measuredBindings)
	t.Logf("the last event was there %s after the start of the scheduler", time.Since(began).Round(100*time.Millisecond))
	t.Logf("from the start of the scheduler to scheduled: %s", seen.quantiles(func(string) time.Time { return began }, "flood"))

	created := map[string]time.Time{}
	for n := range trickle {
		bound := measuredBinding("trickle", n)
		created[bound.Name] = time.Now()
		if err := plane.Create(t.Context(), bound); err != nil {
			t.Fatal(err)
		}
	}
	seen.await(t, *measuredBindings+trickle)
	t.Logf("from creation, one after the other, to scheduled: %s", seen.quantiles(func(name string) time.Time { return created[name] }, "trickle"))
}

// profilePlane writes a profile of the control plane's process beside what the test does. The channel closes once it is written.
func profilePlane(t *testing.T, config *rest.Config) <-chan struct{} {
	t.Helper()
	done := make(chan struct{})
	if *planeProfile == "" {
		close(done)
		return done
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		if err := download(t.Context(), client, config.Host+"/debug/pprof/profile?seconds=15", *planeProfile); err != nil {
			t.Errorf("profiling the control plane: %v", err)
		}
	}()
	return done
}

func download(ctx context.Context, client *http.Client, url, path string) error {
	content, err := get(ctx, client, url)
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %s", url, response.Status, content)
	}
	return content, err
}

// planeTime is the processor time that the process of the control plane has used: API server, etcd and controllers.
func planeTime(t *testing.T, config *rest.Config) time.Duration {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	content, err := get(t.Context(), client, config.Host+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, "process_cpu_seconds_total "); ok {
			seconds, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return time.Duration(seconds * float64(time.Second))
		}
	}
	t.Fatal("the API server does not tell its processor time")
	return 0
}

// awaitEvents returns once the bindings have that many events.
func awaitEvents(t *testing.T, plane client.Client, count int) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		page := &corev1.EventList{}
		if err := plane.List(t.Context(), page, client.InNamespace("default"), client.Limit(1)); err != nil {
			t.Fatal(err)
		}
		if rest := page.RemainingItemCount; rest != nil && int(*rest)+len(page.Items) >= count {
			return
		}
	}
}

// planeAlone is a control plane whose controllers and scheduler were ended: the API server, and the server of clusters.
func planeAlone(t *testing.T) *embedded.Fleet {
	t.Helper()
	installation, _ := prepare(t, local.Options{})
	if err := installation.Up(t.Context(), local.UpOptions{Members: 1, Timeout: 5 * time.Minute}, local.NewProgress(t.Output())); err != nil {
		t.Fatal(err)
	}
	status, err := installation.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, component := range status.Components {
		if component.Name == "apiserver" {
			continue
		}
		if err := syscall.Kill(component.PID, syscall.SIGTERM); err != nil {
			t.Fatalf("ending %s: %v", component.Name, err)
		}
	}
	env, err := installation.Fleet()
	if err != nil {
		t.Fatal(err)
	}
	if err := env.Pause(t.Context(), "member1"); err != nil {
		t.Fatal(err)
	}
	return env
}

func makeAll(t *testing.T, count int, do func(context.Context, int) error) {
	t.Helper()
	making, ctx := errgroup.WithContext(t.Context())
	making.SetLimit(makers)
	for n := range count {
		making.Go(func() error { return do(ctx, n) })
	}
	if err := making.Wait(); err != nil {
		t.Fatal(err)
	}
}

func makeCluster(ctx context.Context, plane client.Client, n int) error {
	cluster := &clusterv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("cluster-%03d", n), Labels: map[string]string{"tier": fmt.Sprint(n % 4)}},
		Spec: clusterv1alpha1.ClusterSpec{
			ID: fmt.Sprintf("id-%03d", n), SyncMode: clusterv1alpha1.Push, Provider: fmt.Sprintf("provider-%d", n%3),
			Region: fmt.Sprintf("region-%d", n%10), Zones: []string{fmt.Sprintf("zone-%d", n%20)},
		},
	}
	if err := plane.Create(ctx, cluster); err != nil {
		return err
	}
	cluster.Status = clusterv1alpha1.ClusterStatus{
		KubernetesVersion: "v1.36.3",
		APIEnablements: []clusterv1alpha1.APIEnablement{{
			GroupVersion: "apps/v1", Resources: []clusterv1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}},
		}},
		Conditions: []metav1.Condition{
			{Type: names.ConditionClusterReady, Status: metav1.ConditionTrue, Reason: "ClusterReady", LastTransitionTime: metav1.Now()},
			{Type: names.ConditionCompleteAPIEnablements, Status: metav1.ConditionTrue, Reason: "Complete", LastTransitionTime: metav1.Now()},
		},
		ResourceSummary: &clusterv1alpha1.ResourceSummary{
			Allocatable: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("400"), corev1.ResourceMemory: resource.MustParse("1600Gi"), corev1.ResourcePods: resource.MustParse("11000"),
			},
			Allocated: corev1.ResourceList{
				corev1.ResourceCPU: *resource.NewQuantity(int64(n), resource.DecimalSI), corev1.ResourceMemory: resource.MustParse("100Gi"), corev1.ResourcePods: resource.MustParse("300"),
			},
		},
	}
	return plane.Status().Update(ctx, cluster)
}

// measuredBinding is one of a mix: a dynamic division among at most three clusters, an aggregated one, and copies in two.
func measuredBinding(prefix string, n int) *workv1alpha2.ResourceBinding {
	bound := &workv1alpha2.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("%s-%05d-deployment", prefix, n)},
		Spec: workv1alpha2.ResourceBindingSpec{
			Resource: workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: fmt.Sprintf("%s-%05d", prefix, n)},
			Replicas: int32(1 + n%20),
			ReplicaRequirements: &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{
				corev1.ResourceCPU:    *resource.NewMilliQuantity(int64(100*(1+n%4)), resource.DecimalSI),
				corev1.ResourceMemory: resource.MustParse("256Mi"),
			}},
			Placement: &policyv1alpha1.Placement{},
		},
	}
	policy.SetClaim(bound, policy.Claim{Policy: types.NamespacedName{Namespace: "default", Name: "mix"}, ID: "5c1b6c3e-0000-4000-8000-000000000000"})
	placement := bound.Spec.Placement
	switch n % 3 {
	case 0:
		placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": fmt.Sprint(n % 4)}}}
		placement.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 1, MaxGroups: 3}}
		placement.ReplicaScheduling = &policyv1alpha1.ReplicaSchedulingStrategy{
			ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
			WeightPreference: &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas},
		}
	case 1:
		placement.ReplicaScheduling = &policyv1alpha1.ReplicaSchedulingStrategy{
			ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceAggregated,
		}
	case 2:
		placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{
			ClusterNames: []string{fmt.Sprintf("cluster-%03d", n%100), fmt.Sprintf("cluster-%03d", (n+7)%100)},
		}
	}
	return bound
}

// runScheduler runs the scheduler until the test ends.
func runScheduler(t *testing.T, config *rest.Config, kinds *runtime.Scheme, seen *sightings) {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	driver, err := live.NewDriver(config, ctrl.Options{
		Scheme: kinds, Metrics: metricsserver.Options{BindAddress: "0"},
	}, live.Limits{QPS: -1}, func() interpreter.Interpreter { return interpreter.Chain{} })
	if err != nil {
		t.Fatal(err)
	}
	value := scheduler.New(scheduler.Options{
		Name: "default-scheduler", General: estimator.General{UseModels: true}, Workers: *measuredWriters,
	})
	if err := driver.Add(t.Context(), value); err != nil {
		t.Fatal(err)
	}
	informer, err := driver.Manager().GetCache().GetInformer(t.Context(), &workv1alpha2.ResourceBinding{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: func(_, current any) { seen.see(current) }}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- driver.Manager().Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("running the scheduler: %v", err)
		}
	})
}

// sightings are when bindings were first seen scheduled.
type sightings struct {
	mu      sync.Mutex
	at      map[string]time.Time
	changed chan struct{}
}

func (s *sightings) see(object any) {
	bound := object.(*workv1alpha2.ResourceBinding)
	if !meta.IsStatusConditionTrue(bound.Status.Conditions, names.ConditionScheduled) {
		return
	}
	s.mu.Lock()
	if _, known := s.at[bound.Name]; !known {
		s.at[bound.Name] = time.Now()
	}
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *sightings) await(t *testing.T, count int) {
	t.Helper()
	limit := time.After(5 * time.Minute)
	for {
		s.mu.Lock()
		now := len(s.at)
		s.mu.Unlock()
		if now >= count {
			return
		}
		select {
		case <-s.changed:
		case <-limit:
			t.Fatalf("%d of %d bindings are scheduled", now, count)
		}
	}
}

func (s *sightings) span() (first, last time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.at {
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	return first, last
}

func (s *sightings) quantiles(since func(string) time.Time, prefix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var took []time.Duration
	for name, at := range s.at {
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			took = append(took, at.Sub(since(name)))
		}
	}
	slices.Sort(took)
	at := func(share float64) time.Duration {
		return took[int(share*float64(len(took)-1))].Round(time.Millisecond)
	}
	return fmt.Sprintf("P50 %s, P99 %s, maximum %s of %d", at(0.5), at(0.99), at(1), len(took))
}

// processorTime is what this process has used.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
