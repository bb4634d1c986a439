package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/fleet"
)

// Crashes are what CrashesLoseNothing does to a fleet.
type Crashes struct {
	// Seed makes it do the same again, as far as the fleet allows.
	Seed uint64
	// Count is how many crashes there are.
	Count int
	// Components are those that crash, by names that Crash knows.
	Components []string
	// Crash kills a component without warning and starts it again. It may return before the component has caught up.
	Crash func(ctx context.Context, component string) error
}

const (
	// mostWishes is how many templates there may be at once.
	mostWishes = 5
	// crashPace is the longest time between changes and the crash after them: the time that all of propagation takes.
	crashPace = 1500 * time.Millisecond
)

// CrashesLoseNothing creates, changes and deletes Deployments and their policies while components are killed at random moments. In
// the end all is as it was asked last: no copy is missing, none is left behind, and nothing waits to be removed.
func CrashesLoseNothing(t *testing.T, env fleet.Environment, crashes Crashes) {
	f := start(t, env)
	space := fmt.Sprintf("crash-%d", crashes.Seed)
	defer f.space(space)()
	random := rand.New(rand.NewPCG(crashes.Seed, 0))
	wanted := &wishes{fixture: f, space: space, asked: map[string]wish{}}
	for n := range crashes.Count {
		for range 1 + random.IntN(4) {
			wanted.change(random)
		}
		f.pass(time.Duration(random.Int64N(int64(crashPace))))
		component := crashes.Components[random.IntN(len(crashes.Components))]
		f.Logf("crash %d: %s", n, component)
		f.must(crashes.Crash(f.ctx, component))
	}
	wanted.await()
}

// wish is what is asked for one template.
type wish struct {
	replicas int32
	image    string
	weights  map[string]int64
}

func (w wish) shares() map[string]int32 {
	var sum int64
	for _, weight := range w.weights {
		sum += weight
	}
	shares := map[string]int32{}
	for member, weight := range w.weights {
		shares[member] = int32(int64(w.replicas) * weight / sum)
	}
	return shares
}

// policy sends a template to the members that have a weight.
func (w wish) policy(namespace, name string) *policyv1alpha1.PropagationPolicy {
	weights := map[string]int64{}
	for _, member := range members {
		// A cluster that may not be chosen needs a weight as well.
		weights[member] = max(w.weights[member], 1)
	}
	policy := weightedPolicy(namespace, name, weights)
	policy.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: slices.Sorted(maps.Keys(w.weights))}
	return policy
}

// wishes are what was asked last, by names of templates.
type wishes struct {
	*fixture
	space string
	asked map[string]wish
	// made counts what was made, for names and images that nothing had before.
	made int
}

// change asks for something else for one template, or for one more or less.
func (w *wishes) change(random *rand.Rand) {
	w.Helper()
	w.made++
	next := wish{
		replicas: int32(6 * (1 + random.IntN(2))), image: fmt.Sprintf("nginx:1.29.%d", w.made),
		// All divide the replicas without a rest.
		weights: []map[string]int64{{"member1": 1, "member2": 2, "member3": 3}, {"member1": 1, "member3": 1}, {"member2": 1}}[random.IntN(3)],
	}
	action := random.IntN(5)
	if len(w.asked) == 0 || action == 0 && len(w.asked) < mostWishes {
		name := fmt.Sprintf("web-%d", w.made)
		web := deployment(w.space, name, next.replicas)
		web.Spec.Template.Spec.Containers[0].Image = next.image
		w.create(web)
		w.create(next.policy(w.space, name))
		w.asked[name] = next
		return
	}
	name := slices.Sorted(maps.Keys(w.asked))[random.IntN(len(w.asked))]
	changed, web := w.asked[name], deployment(w.space, name, 0)
	switch action {
	case 1:
		w.delete(w.plane, web)
		w.delete(w.plane, next.policy(w.space, name))
		delete(w.asked, name)
		return
	case 2:
		changed.image = next.image
		update(w.fixture, w.plane, web, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = next.image })
	case 3:
		changed.replicas = next.replicas
		update(w.fixture, w.plane, web, func(d *appsv1.Deployment) { d.Spec.Replicas = &next.replicas })
	default:
		changed.weights = next.weights
		policy := next.policy(w.space, name)
		update(w.fixture, w.plane, policy, func(p *policyv1alpha1.PropagationPolicy) { p.Spec = policy.Spec })
	}
	w.asked[name] = changed
}

// await waits until the fleet holds what was asked, and nothing else.
func (w *wishes) await() {
	w.Helper()
	copies := 0
	for _, name := range slices.Sorted(maps.Keys(w.asked)) {
		asked := w.asked[name]
		w.awaitPlacement(w.space, name, asked.shares())
		w.awaitImage(w.space, name, asked.image, slices.Sorted(maps.Keys(asked.weights))...)
		copies += len(asked.weights)
	}
	for _, member := range members {
		expected := 0
		for _, asked := range w.asked {
			if asked.weights[member] > 0 {
				expected++
			}
		}
		w.awaitCount(w.member(member), expected, "Deployments in "+member, func() client.ObjectList { return &appsv1.DeploymentList{} }, inNamespace(w.space))
	}
	w.awaitCount(w.plane, len(w.asked), "policies", func() client.ObjectList { return &policyv1alpha1.PropagationPolicyList{} }, inNamespace(w.space))
	w.awaitCount(w.plane, len(w.asked), "bindings", func() client.ObjectList { return &workv1alpha2.ResourceBindingList{} }, inNamespace(w.space))
	w.awaitCount(w.plane, copies, "Works", func() client.ObjectList { return &workv1alpha1.WorkList{} }, func(work client.Object) bool {
		return work.GetAnnotations()[names.AnnotationResourceBindingNamespace] == w.space
	})
}

func inNamespace(name string) func(client.Object) bool {
	return func(object client.Object) bool { return object.GetNamespace() == name }
}

// awaitCount waits until there are so many objects of a sort, none of them on its way out.
func (f *fixture) awaitCount(from client.Client, expected int, what string, list func() client.ObjectList, among func(client.Object) bool) {
	f.Helper()
	f.await(toSettle, fmt.Sprintf("%d %s", expected, what), func(ctx context.Context) (bool, error) {
		found := list()
		if err := from.List(ctx, found); err != nil {
			return false, err
		}
		items, err := meta.ExtractList(found)
		if err != nil {
			return false, err
		}
		count, leaving := 0, 0
		for _, item := range items {
			if object := item.(client.Object); among(object) {
				count++
				if object.GetDeletionTimestamp() != nil {
					leaving++
				}
			}
		}
		return count == expected && leaving == 0, nil
	})
}
