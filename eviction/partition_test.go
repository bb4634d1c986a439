package eviction

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// noted is a cluster whose health changed at a moment, with a note if it has one.
func noted(name string, ready metav1.ConditionStatus, changed time.Time, note string) clusterv1alpha1.Cluster {
	cluster := clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
	cluster.Status.Conditions = []metav1.Condition{{Type: names.ConditionClusterReady, Status: ready, LastTransitionTime: metav1.Time{Time: changed}}}
	if note != "" {
		cluster.Annotations = map[string]string{names.AnnotationHeldUntil: note}
	}
	return cluster
}

func stamp(after time.Duration) string { return began.Add(after).Format(time.RFC3339) }

// TestTimeCountsFromTheEndOfAPartition judges a cluster that was lost long before.
func TestTimeCountsFromTheEndOfAPartition(t *testing.T) {
	const ended, patience = time.Hour, 5 * time.Minute
	taint := corev1.Taint{Key: "team", Effect: corev1.TaintEffectNoExecute, TimeAdded: &metav1.Time{Time: began}}
	later := taint
	later.TimeAdded = &metav1.Time{Time: began.Add(ended + time.Minute)}
	timeless := taint
	timeless.TimeAdded = nil
	tolerates := func(key string, seconds int64) []corev1.Toleration {
		return []corev1.Toleration{{Key: key, Operator: corev1.TolerationOpExists, TolerationSeconds: &seconds}}
	}
	forever := []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	for _, c := range []struct {
		name        string
		note        string
		ready       metav1.ConditionStatus
		taint       *corev1.Taint
		tolerations []corev1.Toleration
		at          time.Duration
		want        Verdict
	}{
		{name: "no note", at: ended, want: Verdict{Evict: true}},
		{name: "while it lasts", note: names.HeldOpen, at: ended, want: Verdict{Wait: Never}},
		{name: "a taint while it lasts", note: names.HeldOpen, taint: &taint, at: ended, want: Verdict{Wait: Never}},
		{name: "a note nobody can read", note: "soon", at: ended, want: Verdict{Wait: Never}},
		{name: "an empty one", note: "", at: ended, want: Verdict{Evict: true}},
		{name: "at its end", note: stamp(ended), at: ended, want: Verdict{Wait: patience}},
		{name: "later", note: stamp(ended), at: ended + time.Minute, want: Verdict{Wait: patience - time.Minute}},
		{name: "when its time is over", note: stamp(ended), at: ended + patience, want: Verdict{Evict: true}},
		{name: "after an earlier one", note: stamp(-time.Hour), at: patience, want: Verdict{Evict: true}},
		{name: "of a cluster that is well", note: names.HeldOpen, ready: metav1.ConditionTrue, taint: &taint, at: ended, want: Verdict{Evict: true}},
		{name: "what a workload tolerates", note: stamp(ended), tolerations: tolerates(names.TaintNotReady, 90), at: ended, want: Verdict{Wait: 90 * time.Second}},
		{name: "tolerated for ever", note: stamp(ended), taint: &taint, tolerations: forever, at: 2 * ended, want: Verdict{Wait: Never}},
		{name: "a taint", note: stamp(ended), taint: &taint, tolerations: tolerates("team", 120), at: ended, want: Verdict{Wait: 2 * time.Minute}},
		{name: "a later taint has its own time", note: stamp(ended), taint: &later, tolerations: tolerates("team", 120), at: ended + time.Minute, want: Verdict{Wait: 2 * time.Minute}},
		{name: "a taint without a time", note: stamp(ended), taint: &timeless, tolerations: tolerates("team", 120), at: ended, want: Verdict{Wait: patience}},
		{name: "what is not tolerated settles", note: stamp(ended), taint: &taint, at: ended + 10*time.Second, want: Verdict{Wait: 50 * time.Second}},
		{name: "tolerated for less than that", note: stamp(ended), tolerations: tolerates(names.TaintNotReady, 10), at: ended + 20*time.Second, want: Verdict{Wait: 40 * time.Second}},
		{name: "what is not tolerated has settled", note: stamp(ended), taint: &taint, at: ended + time.Minute, want: Verdict{Evict: true}},
	} {
		if c.ready == "" {
			c.ready = metav1.ConditionFalse
		}
		cluster := noted("m1", c.ready, began, c.note)
		if c.taint != nil {
			cluster.Spec.Taints = []corev1.Taint{*c.taint}
		}
		options := Defaults()
		options.NoExecute = true
		now := began.Add(c.at)
		if got := options.JudgeCluster(&cluster, c.tolerations, now); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		options.Reference = true
		if got, want := options.JudgeCluster(&cluster, c.tolerations, now), Judge(cluster.Spec.Taints, c.tolerations, now); got != want {
			t.Errorf("%s: the reference: %+v, want %+v", c.name, got, want)
		}
		if c.taint == &taint && !taint.TimeAdded.Time.Equal(began) {
			t.Fatalf("%s: the taint itself was changed", c.name)
		}
	}
}

func TestHolds(t *testing.T) {
	options, stopped, reference := Defaults(), Defaults(), Defaults()
	stopped.Rate, reference.Reference = 0, true
	for _, c := range []struct {
		name    string
		options Options
		rate    float64
		want    bool
	}{
		{"nothing leaves", options, 0, true}, {"slowly", options, 0.1, false}, {"nothing ever leaves", stopped, 0, false}, {"the reference", reference, 0, false},
	} {
		if got := c.options.Holds(c.rate); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// TestNotes looks at single fleets.
func TestNotes(t *testing.T) {
	gone := noted("m1", "False", began, "")
	gone.DeletionTimestamp = &metav1.Time{Time: began}
	for _, c := range []struct {
		name    string
		since   time.Duration
		cluster clusterv1alpha1.Cluster
		holds   bool
		want    string
		writes  bool
		letsGo  bool
	}{
		{name: "well", cluster: noted("m1", "True", began, ""), letsGo: true},
		{name: "well while others are not", cluster: noted("m1", "True", began, ""), holds: true},
		{name: "well again", cluster: noted("m1", "True", began, names.HeldOpen), writes: true, letsGo: true},
		{name: "never reported", cluster: clusterv1alpha1.Cluster{}, holds: true},
		{name: "lost alone", cluster: noted("m1", "False", began, ""), letsGo: true},
		{name: "lost with others", cluster: noted("m1", "Unknown", began, ""), holds: true, want: names.HeldOpen, writes: true},
		{name: "noted", cluster: noted("m1", "Unknown", began, names.HeldOpen), holds: true, want: names.HeldOpen},
		{name: "on its way out", cluster: gone, holds: true},
		{name: "lost with others once more", cluster: noted("m1", "False", began, stamp(-time.Hour)), holds: true, want: names.HeldOpen, writes: true},
		{name: "the end", since: 1, cluster: noted("m1", "False", began, names.HeldOpen), want: stamp(time.Hour), writes: true},
		{name: "the end, for a new process", cluster: noted("m1", "False", began, names.HeldOpen), want: stamp(time.Hour), writes: true},
		{name: "the end, when the beginning is not seen yet", since: 1, cluster: noted("m1", "False", began, ""), want: stamp(time.Hour), writes: true},
		{name: "the end, when one of earlier is seen", since: 2 * time.Second, cluster: noted("m1", "False", began, stamp(time.Second)), want: stamp(time.Hour), writes: true},
		{name: "the end is seen", since: 1, cluster: noted("m1", "False", began, stamp(time.Minute)), want: stamp(time.Minute), letsGo: true},
		{name: "long after the end", cluster: noted("m1", "False", began, stamp(-time.Hour)), want: stamp(-time.Hour), letsGo: true},
		{name: "nobody can read it", cluster: noted("m1", "False", began, "soon"), want: stamp(time.Hour), writes: true},
	} {
		var brake Brake
		if c.since > 0 {
			brake.since = began.Add(c.since)
		}
		missing, letsGo := brake.Look([]clusterv1alpha1.Cluster{c.cluster}, c.holds, began.Add(time.Hour))
		if letsGo != c.letsGo || len(missing) > 0 != c.writes || c.writes && missing[0].Until != c.want {
			t.Errorf("%s: notes %v, lets go: %t; want %q, written: %t, lets go: %t", c.name, missing, letsGo, c.want, c.writes, c.letsGo)
		}
	}
}

// TestNoteErrsOnTheLateSide ends a partition between two seconds.
func TestNoteErrsOnTheLateSide(t *testing.T) {
	cluster := noted("m1", "False", began, names.HeldOpen)
	now := began.Add(time.Hour + time.Millisecond)
	var brake Brake
	missing, _ := brake.Look([]clusterv1alpha1.Cluster{cluster}, false, now)
	if len(missing) != 1 || missing[0].Until != stamp(time.Hour+time.Second) {
		t.Errorf("the end is %v", missing)
	}
}

// fleetView is a fleet as an API server has it, and as a controller saw it some writes ago.
type fleetView struct {
	clusters []clusterv1alpha1.Cluster
	seen     []clusterv1alpha1.Cluster
	// queued are the writes that are not seen yet.
	queued []queuedWrite
}

type queuedWrite struct {
	at time.Time
	do func()
}

func (f *fleetView) write(now time.Time, i int, change func(*clusterv1alpha1.Cluster)) {
	f.clusters[i] = *f.clusters[i].DeepCopy()
	change(&f.clusters[i])
	written := f.clusters[i]
	f.queued = append(f.queued, queuedWrite{now, func() { f.seen[i] = written }})
}

// catchUp shows so many writes, and all that are as old as that.
func (f *fleetView) catchUp(writes int, old time.Time) {
	for len(f.queued) > 0 && (writes > 0 || !f.queued[0].at.After(old)) {
		f.queued[0].do()
		f.queued = f.queued[1:]
		writes--
	}
}

// TestNobodyLeavesTooSoon plays random fleets whose clusters come and go, with controllers whose view lags behind and that are killed after any write.
// No lost cluster is left before all of what is tolerated has passed since the brake last held, but for that lag.
func TestNobodyLeavesTooSoon(t *testing.T) {
	held, left := 0, 0
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		h, l, fault := playPartitions(random)
		held, left = held+h, left+l
		if fault != "" {
			t.Fatalf("seed %d: %s", seed, fault)
		}
	}
	if held < 1000 || left < 1000 {
		t.Errorf("the brake held %d times, and lost clusters were left %d times: that proves little", held, left)
	}
}

func playPartitions(random *rand.Rand) (held, left int, fault string) {
	options := Defaults()
	options.NotReady, options.Unreachable, options.Settle = time.Minute, time.Minute, 0
	fleet, now := &fleetView{}, began
	for i := range 2 + random.IntN(6) {
		fleet.clusters = append(fleet.clusters, noted(fmt.Sprintf("m%d", i), metav1.ConditionTrue, now, ""))
	}
	fleet.seen = slices.Clone(fleet.clusters)
	const lag = 10 * time.Second
	var brake Brake
	var lastHeld time.Time
	for range 400 {
		now = now.Add(time.Duration(random.IntN(20)) * time.Second)
		if i := random.IntN(len(fleet.clusters)); random.IntN(4) == 0 {
			turn(fleet, i, now)
		}
		fleet.catchUp(random.IntN(4), now.Add(-lag))
		if random.IntN(20) == 0 {
			fleet.catchUp(len(fleet.queued), now)
			brake = Brake{}
		}
		lost := 0
		for i := range fleet.seen {
			if Lost(&fleet.seen[i]) {
				lost++
			}
		}
		holds := options.Holds(options.LostRate(lost, len(fleet.seen)))
		if holds {
			lastHeld, held = now, held+1
		}
		missing, letsGo := brake.Look(fleet.seen, holds, now)
		for _, note := range missing {
			at := slices.IndexFunc(fleet.clusters, func(c clusterv1alpha1.Cluster) bool { return c.Name == note.Cluster.Name })
			fleet.write(now, at, func(c *clusterv1alpha1.Cluster) {
				c.Annotations = map[string]string{names.AnnotationHeldUntil: note.Until}
			})
		}
		for i := range fleet.seen {
			cluster := &fleet.seen[i]
			if !letsGo || !Lost(cluster) || !options.JudgeCluster(cluster, nil, now).Evict {
				continue
			}
			left++
			if passed := now.Sub(lastHeld); passed < time.Minute-lag {
				return held, left, fmt.Sprintf("%s is left %s after the brake last held", cluster.Name, passed)
			}
		}
	}
	return held, left, ""
}

// turn makes a cluster lost, or well again.
func turn(fleet *fleetView, i int, now time.Time) {
	fleet.write(now, i, func(c *clusterv1alpha1.Cluster) {
		ready := &c.Status.Conditions[0]
		ready.Status = map[metav1.ConditionStatus]metav1.ConditionStatus{"True": "False", "False": "True"}[ready.Status]
		ready.LastTransitionTime = metav1.Time{Time: now}
	})
}
