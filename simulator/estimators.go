package simulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	packing "github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator/kube"
	"github.com/seatrial/seatrial/simulator/store"
)

var (
	errBroken   = errors.New("the estimator is broken")
	errLate     = errors.New("the estimator has not answered in time")
	errUnsynced = errors.New("the estimator has not seen all of the cluster yet")
)

// Estimators are those of the members of a fleet, one beside each. They answer from nodes and pods as the watches of the
// cluster have shown them. One whose API server is paused answers from what it saw last; none answers the control plane
// when the cluster is stopped or the network to it is cut. Asking takes no time, unless one hangs.
type Estimators struct {
	fleet    *Fleet
	options  packing.Options
	lookouts map[string]*lookout
}

var _ estimator.Estimators = (*Estimators)(nil)

// Estimators stand beside all members there are and will be.
func (f *Fleet) Estimators(options packing.Options) *Estimators {
	return &Estimators{fleet: f, options: options, lookouts: map[string]*lookout{}}
}

// Break makes the estimator of a cluster answer with errors.
func (e *Estimators) Break(_ context.Context, cluster string) error {
	return e.disturb(cluster, func(l *lookout) { l.broken = true })
}

// Hang makes the estimator of a cluster answer nothing: whoever asks it waits for so long.
func (e *Estimators) Hang(_ context.Context, cluster string, timeout time.Duration) error {
	return e.disturb(cluster, func(l *lookout) { l.hangs = timeout })
}

// Blind makes the estimator of a cluster lose sight of it: it answers from what it has seen so far.
func (e *Estimators) Blind(_ context.Context, cluster string) error {
	return e.disturb(cluster, func(l *lookout) { l.blind = true })
}

// Skew makes the estimator of a cluster answer so many times what it counts.
func (e *Estimators) Skew(_ context.Context, cluster string, factor float64) error {
	if factor < 0 {
		return fmt.Errorf("cluster %s: an estimator cannot count %g times what there is; give a factor of 0 or more", cluster, factor)
	}
	return e.disturb(cluster, func(l *lookout) { l.skewed, l.factor = true, factor })
}

// Mend ends what was done to the estimator of a cluster.
func (e *Estimators) Mend(_ context.Context, cluster string) error {
	return e.disturb(cluster, func(l *lookout) { l.broken, l.hangs, l.blind, l.skewed = false, 0, false, false })
}

func (e *Estimators) disturb(cluster string, change func(*lookout)) error {
	l, err := e.beside(cluster)
	if err != nil {
		return err
	}
	if err := l.catchUp(); err != nil {
		return err
	}
	change(l)
	return nil
}

// Estimate implements estimator.Estimators.
func (e *Estimators) Estimate(_ context.Context, question estimator.Question, clusters []string) []estimator.Answer {
	answers := make([]estimator.Answer, len(clusters))
	var waited time.Duration
	for i, cluster := range clusters {
		answer, err := e.ask(&question, cluster)
		if err != nil {
			if l := e.lookouts[cluster]; l != nil {
				waited = max(waited, l.hangs)
			}
			answer = estimator.Answer{Err: fmt.Errorf("asking the estimator of cluster %s: %w", cluster, err)}
		}
		answers[i] = answer
	}
	e.fleet.spent += waited // all are asked at once
	return answers
}

func (e *Estimators) ask(question *estimator.Question, cluster string) (estimator.Answer, error) {
	l, err := e.beside(cluster)
	if err != nil {
		return estimator.Answer{}, err
	}
	paused := l.cluster.state == fleet.Paused && !l.cluster.partitioned
	if err := l.cluster.unreachable(); err != nil && !paused {
		return estimator.Answer{}, err
	}
	if l.broken {
		return estimator.Answer{}, errBroken
	}
	if l.hangs > 0 {
		return estimator.Answer{}, errLate
	}
	var assumed []estimator.AssumedWorkload
	if question.Assumed != nil {
		assumed = question.Assumed(cluster)
	}
	count, err := l.count(question, assumed)
	if l.skewed {
		count = int32(min(float64(count)*l.factor, math.MaxInt32))
	}
	return estimator.Answer{Count: count, Stale: paused || l.blind}, err
}

// Unschedulable counts the replicas of a workload that have found no node in a cluster for longer than the threshold. It knows
// clusters of rows alone.
func (e *Estimators) Unschedulable(_ context.Context, cluster string, of workv1alpha2.ObjectReference, threshold time.Duration) (int32, error) {
	l, err := e.beside(cluster)
	if err != nil {
		return 0, err
	}
	switch err := l.cluster.unreachable(); {
	case err != nil:
		return 0, err
	case l.broken:
		return 0, errBroken
	case l.hangs > 0:
		e.fleet.spent += l.hangs
		return 0, errLate
	case l.cluster.columns == nil:
		return 0, fmt.Errorf("cluster %s: its pods are not counted", cluster)
	}
	key := kube.Key{Kind: of.Kind, Namespace: of.Namespace, Name: of.Name}
	return l.cluster.columns.kube.Unschedulable(key, e.fleet.Now().Add(-threshold)), nil
}

// beside finds the lookout of a member. One that has come back under its name gets another.
func (e *Estimators) beside(name string) (*lookout, error) {
	c, err := e.fleet.find(name)
	if err != nil {
		return nil, err
	}
	if c == e.fleet.plane {
		return nil, fmt.Errorf("cluster %s: a control plane has no estimator: %w", name, fleet.ErrUnknownCluster)
	}
	l := e.lookouts[name]
	if l == nil || l.cluster != c {
		l = &lookout{cluster: c, options: e.options, index: packing.NewIndex(e.options)}
		e.lookouts[name] = l
	}
	return l, nil
}

// lookout holds what the estimator of one cluster has seen.
type lookout struct {
	cluster *cluster
	options packing.Options
	index   *packing.Index
	// seen is the revision up to which the index has followed, or the turn of the columns that it was filled from.
	seen                  uint64
	broken, blind, skewed bool
	// hangs is how long a question waits in vain; 0 for an estimator that answers.
	hangs  time.Duration
	factor float64
}

// catchUp takes over what watches inside the cluster have shown since the last time.
func (l *lookout) catchUp() error {
	if l.cluster.columns != nil {
		return l.refill(l.cluster.columns.kube)
	}
	shown := l.cluster.inside.seen
	if l.blind || l.seen == shown {
		return nil
	}
	for _, event := range l.cluster.changes(l.seen) {
		if event.Revision > shown {
			break
		}
		if err := l.follow(event); err != nil {
			return fmt.Errorf("following cluster %s: %w", l.cluster.spec.Name, err)
		}
	}
	l.seen = shown
	return nil
}

// refill makes the index anew from rows, when anything has happened to them.
func (l *lookout) refill(rows *kube.Cluster) error {
	turns := rows.Stats().Turns
	if l.blind || l.seen == turns {
		return nil
	}
	index := packing.NewIndex(l.options)
	if err := rows.Fill(index); err != nil {
		return fmt.Errorf("reading the rows of cluster %s: %w", l.cluster.spec.Name, err)
	}
	l.index, l.seen = index, turns
	return nil
}

func (l *lookout) follow(event store.Event) error {
	gone := event.Type == watch.Deleted
	switch object := event.Object().(type) {
	case *corev1.Node:
		if gone {
			l.index.DeleteNode(object.Name)
			return nil
		}
		return l.index.UpsertNode(object)
	case *corev1.Pod:
		if gone {
			l.index.DeletePod(object.Namespace, object.Name)
			return nil
		}
		return l.index.UpsertPod(object)
	case *corev1.ResourceQuota:
		if gone {
			l.index.DeleteQuota(object.Namespace, object.Name)
		} else {
			l.index.UpsertQuota(object)
		}
	case *corev1.Namespace:
		if gone {
			l.index.DeleteNamespace(object.Name)
		} else {
			l.index.UpsertNamespace(object)
		}
	}
	return nil
}

// count answers from the rows of a cluster that has them when they alone tell, and otherwise from the index.
func (l *lookout) count(question *estimator.Question, assumed []estimator.AssumedWorkload) (int32, error) {
	demand := demandOf(question)
	if plain := len(question.Components) == 0 && question.Pod == nil && len(assumed) == 0; plain && !l.blind && l.cluster.columns != nil {
		return l.cluster.columns.kube.Replicas(demand.Requirements)
	}
	if err := l.catchUp(); err != nil {
		return 0, err
	}
	if l.seen == 0 {
		return 0, errUnsynced
	}
	if len(question.Components) > 0 {
		return l.index.Sets(question.Namespace, question.Components, assumed)
	}
	return l.index.Replicas(demand, assumed)
}

// demandOf is what a question without components asks of nodes. Its requirements may name another namespace than it does, whose
// quotas count then.
func demandOf(question *estimator.Question) *packing.Demand {
	demand := &packing.Demand{Requirements: &workv1alpha2.ReplicaRequirements{}}
	if question.Requirements != nil {
		*demand.Requirements = *question.Requirements
	}
	demand.Requirements.Namespace = cmp.Or(demand.Requirements.Namespace, question.Namespace)
	if question.Pod != nil {
		demand.PodDemand = *question.Pod
	}
	return demand
}
