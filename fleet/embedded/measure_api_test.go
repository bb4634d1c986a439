package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/crds"
	"github.com/seatrial/seatrial/api/scheme"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/fleet"
)

const (
	// apiRequests and apiTime end the measurement of one sort of request at one concurrency, whichever comes first.
	apiRequests = 3000
	apiTime     = 4 * time.Second
	// apiObjects of each kind are there before anything is measured, and apiPage is how many of them a list returns.
	apiObjects = 500
	apiPage    = 100
)

// TestMeasureAPI measures what the simulator takes for the API servers of a fleet: how long requests take at several
// concurrencies, and the service times and the number of hands that explain this best (see bench/simulator.md).
func TestMeasureAPI(t *testing.T) {
	if !*measure {
		t.Skip("measures only with -measure")
	}
	f := newFleet(t)
	if err := f.Up(t.Context(), fleet.Spec{Name: "control", Role: fleet.ControlPlane}); err != nil {
		t.Fatal(err)
	}
	load := newAPILoad(t, f)
	var all []apiSeries
	for _, sort := range load.sorts() {
		series := apiSeries{name: sort.name}
		for _, concurrency := range []int{1, 2, 4, 8, 16} {
			level := load.run(t, sort.request, concurrency)
			t.Logf("%-24s %2d at once: %6.0f a second, P50 %7s P90 %7s P99 %7s, processor time of the server %6s each", sort.name, concurrency,
				level.rate, level.quantile(0.5), level.quantile(0.9), level.quantile(0.99), level.processor)
			series.levels = append(series.levels, level)
		}
		series.service = fitted(series.levels[0].seconds)
		t.Logf("%-24s fit: log-normal, median %s, P99 %s", sort.name, seconds(series.service.Quantile(0.5)), seconds(series.service.Quantile(0.99)))
		all = append(all, series)
	}
	reads, writes := pooled(all[:2]), pooled(all[4:])
	t.Logf("reads of one object together: log-normal, median %s, P99 %s", seconds(reads.Quantile(0.5)), seconds(reads.Quantile(0.99)))
	t.Logf("writes together: log-normal, median %s, P99 %s", seconds(writes.Quantile(0.5)), seconds(writes.Quantile(0.99)))
	for hands := 1; hands <= 12; hands++ {
		t.Logf("%2d hands miss the rates by %4.1f%%", hands, 100*misfit(all, hands))
	}
}

// apiLoad makes requests of the sorts that controllers make.
type apiLoad struct {
	fleet  *Fleet
	client client.Client
	made   atomic.Int64
}

type apiSort struct {
	name    string
	request func(context.Context) error
}

// newAPILoad makes the kinds of the control plane and some objects.
func newAPILoad(t *testing.T, f *Fleet) *apiLoad {
	t.Helper()
	ctx := t.Context()
	config, err := f.RESTConfig("control")
	if err != nil {
		t.Fatal(err)
	}
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: kinds})
	if err != nil {
		t.Fatal(err)
	}
	definitions, err := crds.Load(crds.WithoutWebhook())
	if err != nil {
		t.Fatal(err)
	}
	for _, definition := range definitions {
		if err := c.Create(ctx, definition); err != nil {
			t.Fatal(err)
		}
	}
	l := &apiLoad{fleet: f, client: c}
	err = f.Await(ctx, time.Minute, "the kind Work", func(ctx context.Context) (bool, error) {
		return c.List(ctx, &workv1alpha1.WorkList{}) == nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range apiObjects {
		number := l.made.Add(1)
		for _, object := range []client.Object{l.work(number), l.deployment(number)} {
			if err := c.Create(ctx, object); err != nil {
				t.Fatal(err)
			}
		}
	}
	return l
}

func (*apiLoad) deployment(number int64) *appsv1.Deployment {
	return deployment(fmt.Sprintf("load-%d", number), 0)
}

func (l *apiLoad) work(number int64) *workv1alpha1.Work {
	manifest, err := json.Marshal(l.deployment(number))
	if err != nil {
		panic(err) // a Deployment has nothing that JSON lacks
	}
	return &workv1alpha1.Work{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprintf("load-%d", number)},
		Spec: workv1alpha1.WorkSpec{Workload: workv1alpha1.WorkloadTemplate{
			Manifests: []workv1alpha1.Manifest{{RawExtension: runtime.RawExtension{Raw: manifest}}},
		}},
	}
}

// sorts are a read, a page of a list, a creation and a change of the status, of a custom and of a built-in kind.
func (l *apiLoad) sorts() []apiSort {
	drawn := func() int64 { return rand.Int64N(apiObjects) + 1 }
	get := func(object client.Object) func(context.Context) error {
		return func(ctx context.Context) error {
			into := object.DeepCopyObject().(client.Object)
			return l.client.Get(ctx, types.NamespacedName{Namespace: "default", Name: fmt.Sprintf("load-%d", drawn())}, into)
		}
	}
	page := func(list client.ObjectList) func(context.Context) error {
		return func(ctx context.Context) error {
			return l.client.List(ctx, list.DeepCopyObject().(client.ObjectList), client.InNamespace("default"), client.Limit(apiPage))
		}
	}
	status := func(ctx context.Context, object client.Object, format string) error {
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, format, l.made.Add(1)))
		return l.client.Status().Patch(ctx, object, patch)
	}
	return []apiSort{
		{"get Work", get(&workv1alpha1.Work{})},
		{"get Deployment", get(&appsv1.Deployment{})},
		{"list 100 Works", page(&workv1alpha1.WorkList{})},
		{"list 100 Deployments", page(&appsv1.DeploymentList{})},
		{"create Work", func(ctx context.Context) error { return l.client.Create(ctx, l.work(l.made.Add(1))) }},
		{"create Deployment", func(ctx context.Context) error { return l.client.Create(ctx, l.deployment(l.made.Add(1))) }},
		{"patch status, Work", func(ctx context.Context) error {
			return status(ctx, l.work(drawn()), `{"status":{"conditions":[{"type":"Applied","status":"True","reason":"AppliedSuccessful","message":"%d","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`)
		}},
		{"patch status, Deployment", func(ctx context.Context) error {
			return status(ctx, l.deployment(drawn()), `{"status":{"observedGeneration":%d}}`)
		}},
	}
}

// apiLevel is what was measured of one sort of request at one concurrency.
type apiLevel struct {
	concurrency int
	// seconds of each request, sorted.
	seconds []float64
	// rate is in requests a second, processor the time that the cluster's process spent for each.
	rate      float64
	processor time.Duration
}

func (l *apiLevel) quantile(q float64) time.Duration {
	return seconds(stat.Quantile(q, stat.Empirical, l.seconds, nil))
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(10 * time.Microsecond)
}

// run makes requests, so many at once and each worker one after the other.
func (l *apiLoad) run(t *testing.T, request func(context.Context) error, concurrency int) apiLevel {
	t.Helper()
	took := make([][]float64, concurrency)
	var group errgroup.Group
	ticks, began := cpuTicks(t, l.fleet), time.Now()
	for worker := range concurrency {
		group.Go(func() error {
			for range apiRequests / concurrency {
				at := time.Now()
				if at.Sub(began) > apiTime {
					break
				}
				if err := request(t.Context()); err != nil {
					return err
				}
				took[worker] = append(took[worker], time.Since(at).Seconds())
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	lasted := time.Since(began)
	level := apiLevel{concurrency: concurrency, seconds: slices.Concat(took...)}
	slices.Sort(level.seconds)
	level.rate = float64(len(level.seconds)) / lasted.Seconds()
	const tick = 10 * time.Millisecond
	level.processor = (time.Duration(cpuTicks(t, l.fleet)-ticks) * tick / time.Duration(len(level.seconds))).Round(10 * time.Microsecond)
	return level
}

// apiSeries is one sort of request at all concurrencies, with the service time that its requests have alone.
type apiSeries struct {
	name    string
	levels  []apiLevel
	service distuv.LogNormal
}

// pooled is the service time of several sorts of requests, each of which counts as much as the others.
func pooled(all []apiSeries) distuv.LogNormal {
	var together []float64
	for _, series := range all {
		for at := range 1000 {
			together = append(together, stat.Quantile((float64(at)+0.5)/1000, stat.Empirical, series.levels[0].seconds, nil))
		}
	}
	return fitted(together)
}

// fitted is the log-normal distribution that makes what was measured most likely.
func fitted(seconds []float64) distuv.LogNormal {
	logarithms := make([]float64, len(seconds))
	for i, s := range seconds {
		logarithms[i] = math.Log(s)
	}
	var normal distuv.Normal
	normal.Fit(logarithms, nil)
	return distuv.LogNormal{Mu: normal.Mu, Sigma: normal.Sigma}
}

// misfit is by how much the rates of a queue with so many hands are off those measured, on average: the root of the mean square
// of the logarithms of their ratios.
func misfit(all []apiSeries, hands int) float64 {
	var squares, count float64
	for _, series := range all {
		for i := range series.levels {
			level := &series.levels[i]
			off := math.Log(closedRate(series.service, hands, level.concurrency) / level.rate)
			squares, count = squares+off*off, count+1
		}
	}
	return math.Sqrt(squares / count)
}

// closedRate is how many requests a second so many callers get answered, who each ask again at once, by a server with so many
// hands: a simulation of the M/G/c queue that the simulator's API servers are.
func closedRate(service distuv.LogNormal, hands, callers int) float64 {
	const requests = 20_000
	service.Src = rand.NewPCG(1, 1)
	free, asks := make([]float64, hands), make([]float64, callers)
	for range requests {
		hand, caller := slices.Index(free, slices.Min(free)), slices.Index(asks, slices.Min(asks))
		done := max(free[hand], asks[caller]) + service.Rand()
		free[hand], asks[caller] = done, done
	}
	return requests / slices.Max(asks)
}
