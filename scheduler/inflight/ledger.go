// Package inflight remembers replicas that were assigned to clusters and that the clusters do not report yet, so that
// decisions in the meantime do not give the same room away twice. It guards against lag only: what it holds expires, and
// losing it loses no decision.
package inflight

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

// Ledger holds the assumed workloads of each cluster. It is not safe for concurrent use.
type Ledger struct {
	expiry   time.Duration
	clusters map[string]*account
	// sequence orders entries of the same time.
	sequence uint64
}

// account is what is assumed of one cluster.
type account struct {
	// pods is how many the cluster reported last, running or about to.
	pods    int64
	entries []*entry
	// total sums the entries by shape; nil when it is to be made anew.
	total []estimator.AssumedWorkload
}

// entry is what one decision added to one cluster: replicas of one shape.
type entry struct {
	binding  types.NamespacedName
	sequence uint64
	expires  time.Time
	shape    string
	// component is one replica.
	component workv1alpha2.Component
	namespace string
	replicas  int64
}

// New is an empty ledger whose entries expire after the given time.
func New(expiry time.Duration) *Ledger {
	return &Ledger{expiry: expiry, clusters: map[string]*account{}}
}

// Assume enters what a decision adds to what the binding had. The ledger keeps no reference to the arguments' slices, but
// to their requirements, which must not be modified.
func (l *Ledger) Assume(name types.NamespacedName, spec *workv1alpha2.ResourceBindingSpec, clusters []workv1alpha2.TargetCluster, now time.Time) (undo func()) {
	before := map[string]int64{}
	for _, target := range spec.Clusters {
		before[target.Name] = unitsOf(spec, target)
	}
	l.sequence++
	sequence := l.sequence
	var touched []*account
	for _, target := range clusters {
		added := unitsOf(spec, target) - before[target.Name]
		if added <= 0 {
			continue
		}
		account := l.account(target.Name)
		for _, component := range componentsOf(spec) {
			if component.Replicas > 0 {
				account.enter(&entry{
					binding: name, sequence: sequence, expires: now.Add(l.expiry), shape: shapeOf(name.Namespace, component),
					component: component, namespace: name.Namespace, replicas: added * int64(component.Replicas),
				})
			}
		}
		touched = append(touched, account)
	}
	return func() {
		for _, account := range touched {
			account.remove(func(e *entry) bool { return e.sequence == sequence })
		}
	}
}

// unitsOf counts replicas, or sets of components.
func unitsOf(spec *workv1alpha2.ResourceBindingSpec, target workv1alpha2.TargetCluster) int64 {
	if len(spec.Components) > 1 {
		if len(target.Components) == 0 {
			return 0
		}
		return 1
	}
	return int64(target.Replicas)
}

// componentsOf is what one unit consists of.
func componentsOf(spec *workv1alpha2.ResourceBindingSpec) []workv1alpha2.Component {
	if len(spec.Components) > 1 {
		return spec.Components
	}
	one := workv1alpha2.Component{Replicas: 1}
	if requirements := spec.ReplicaRequirements; requirements != nil {
		one.ReplicaRequirements = &workv1alpha2.ComponentReplicaRequirements{
			NodeClaim: requirements.NodeClaim, ResourceRequest: requirements.ResourceRequest, PriorityClassName: requirements.PriorityClassName,
		}
	}
	return []workv1alpha2.Component{one}
}

// shapeOf is the same text for replicas that an estimator cannot tell apart.
func shapeOf(namespace string, component workv1alpha2.Component) string {
	encoded, err := json.Marshal(component.ReplicaRequirements)
	if err != nil {
		// The requirements came out of JSON, so they go back.
		panic(fmt.Sprintf("encoding the requirements of component %s: %v", component.Name, err))
	}
	return namespace + " " + string(encoded)
}

// Seen takes note of what a cluster reports. Every pod it gained settles one of the assumed replicas, oldest first:
// the report holds it now.
func (l *Ledger) Seen(cluster *clusterv1alpha1.Cluster) {
	account := l.account(cluster.Name)
	pods := podsOf(cluster.Status.ResourceSummary)
	gained := pods - account.pods
	account.pods = pods
	for _, e := range account.entries {
		if gained <= 0 {
			break
		}
		settled := min(gained, e.replicas)
		e.replicas -= settled
		gained -= settled
		account.total = nil
	}
	account.remove(func(e *entry) bool { return e.replicas == 0 })
}

func podsOf(summary *clusterv1alpha1.ResourceSummary) int64 {
	if summary == nil {
		return 0
	}
	return summary.Allocated.Pods().Value() + summary.Allocating.Pods().Value()
}

// Gone forgets a cluster that left.
func (l *Ledger) Gone(cluster string) { delete(l.clusters, cluster) }

// Forget drops what is assumed for a binding that is gone.
func (l *Ledger) Forget(name types.NamespacedName) {
	for _, account := range l.clusters {
		account.remove(func(e *entry) bool { return e.binding == name })
	}
}

// Expire drops what is older than the expiry. Entries stand in the order in which they expire.
func (l *Ledger) Expire(now time.Time) {
	for _, account := range l.clusters {
		if len(account.entries) > 0 && !account.entries[0].expires.After(now) {
			account.remove(func(e *entry) bool { return !e.expires.After(now) })
		}
	}
}

// Assumed is what a cluster is to have beside what it reports: one workload a shape, in the order of the oldest entries.
func (l *Ledger) Assumed(cluster string) []estimator.AssumedWorkload {
	account := l.clusters[cluster]
	if account == nil {
		return nil
	}
	if account.total == nil && len(account.entries) > 0 {
		account.sum()
	}
	return account.total
}

// Len counts the entries.
func (l *Ledger) Len() int {
	count := 0
	for _, account := range l.clusters {
		count += len(account.entries)
	}
	return count
}

// Next is when the oldest entry expires; ok is false when there is none.
func (l *Ledger) Next() (at time.Time, ok bool) {
	for _, account := range l.clusters {
		if len(account.entries) > 0 && (!ok || account.entries[0].expires.Before(at)) {
			at, ok = account.entries[0].expires, true
		}
	}
	return at, ok
}

func (l *Ledger) account(cluster string) *account {
	if l.clusters[cluster] == nil {
		l.clusters[cluster] = &account{}
	}
	return l.clusters[cluster]
}

func (a *account) enter(e *entry) {
	a.entries = append(a.entries, e)
	if a.total != nil {
		a.add(e)
	}
}

func (a *account) remove(drop func(*entry) bool) {
	before := len(a.entries)
	a.entries = slices.DeleteFunc(a.entries, drop)
	if len(a.entries) != before {
		a.total = nil
	}
}

func (a *account) sum() {
	a.total = []estimator.AssumedWorkload{}
	for _, e := range a.entries {
		a.add(e)
	}
}

// add puts an entry to the workload of its shape. Workloads handed out before stay as they are.
func (a *account) add(e *entry) {
	component := e.component
	component.Name = e.shape
	component.Replicas = int32(min(e.replicas, 1<<30))
	a.total = slices.Clone(a.total)
	at := slices.IndexFunc(a.total, func(w estimator.AssumedWorkload) bool { return w.Components[0].Name == e.shape })
	if at < 0 {
		a.total = append(a.total, estimator.AssumedWorkload{Namespace: e.namespace, Components: []workv1alpha2.Component{component}})
		return
	}
	component.Replicas = int32(min(int64(component.Replicas)+int64(a.total[at].Components[0].Replicas), 1<<30))
	a.total[at].Components = []workv1alpha2.Component{component}
}
