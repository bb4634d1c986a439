// Package clusterstatus reports how member clusters are: reachable, healthy, what they serve and how much they hold.
package clusterstatus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/workload"
)

// Options are the reference's flags of the same names.
type Options struct {
	// UpdateFrequency is the interval between two looks at a cluster.
	UpdateFrequency time.Duration
	// FailureThreshold is how long a ready cluster must fail before it counts as not ready, SuccessThreshold how long a
	// failed one must answer before it counts as ready again.
	FailureThreshold, SuccessThreshold time.Duration
	// ResourceModeling counts nodes by the grades of spec.resourceModels.
	ResourceModeling bool
	// Scope is the clusters to report about.
	Scope   control.Scope
	Workers int
}

// Defaults are the reference's.
func Defaults() Options {
	return Options{
		UpdateFrequency: 10 * time.Second, FailureThreshold: 30 * time.Second, SuccessThreshold: 30 * time.Second,
		ResourceModeling: true, Workers: 5,
	}
}

// retryFrequency is the interval while a change of readiness waits for its threshold, so that a threshold is met within a
// second and not within another full interval.
const retryFrequency = time.Second

// New is the controller named "clusterStatus". Its keys are Cluster names; clusters beyond its scope are left to others.
func New(options Options) control.Controller {
	collector := &collector{options: options, pending: map[string]observation{}, reported: map[string]report{}}
	return control.Controller{
		Name:    "clusterStatus",
		Watches: []control.Watch{{Object: &clusterv1alpha1.Cluster{}, Keys: onSpecChange}},
		// Node and pod events wake nobody: the summary is as old as the interval, as it is in the reference.
		SourceKeys: func(context.Context, client.Reader, control.Event) []control.Key { return nil },
		Workers:    options.Workers,
		Reconcile:  collector.reconcile,
	}
}

// onSpecChange keeps the controller's own status writes from waking it.
func onSpecChange(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.Old != nil && event.New != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	return []control.Key{control.KeyOf(event.Object())}
}

type collector struct {
	options Options

	// mu guards pending, which is lost with the process: a threshold then starts anew, from the written condition. It guards
	// reported too, which only saves work.
	mu       sync.Mutex
	pending  map[string]observation
	reported map[string]report
}

// report is what a status was made of that had nothing to be written any more.
type report struct {
	// cluster is the resource version of the Cluster, the others are the revisions of the answers.
	cluster           string
	discovery, survey uint64
}

// told tells whether a Cluster already says all that its member does.
func (c *collector) told(cluster *clusterv1alpha1.Cluster, found report) bool {
	found.cluster = cluster.ResourceVersion
	c.mu.Lock()
	defer c.mu.Unlock()
	return found.discovery != 0 && found.survey != 0 && c.reported[cluster.Name] == found
}

// tell remembers that a Cluster says it.
func (c *collector) tell(cluster *clusterv1alpha1.Cluster, found report) {
	found.cluster = cluster.ResourceVersion
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reported[cluster.Name] = found
}

// observation is a readiness that differs from the written one, and when it was first seen.
type observation struct {
	status metav1.ConditionStatus
	since  time.Time
}

func (c *collector) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	cluster := &clusterv1alpha1.Cluster{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), cluster, client.UnsafeDisableDeepCopy); err != nil {
		c.forget(key.Name)
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !c.options.Scope.Serves(cluster) {
		return control.Result{}, nil
	}
	member, err := deps.Members.Member(ctx, cluster.Name)
	if err != nil && !errors.Is(err, control.ErrNoMember) {
		return control.Result{}, err
	}
	if err != nil && c.joins(cluster, deps.Clock.Now()) {
		return control.Result{RequeueAfter: retryFrequency}, nil
	}
	result := control.Result{RequeueAfter: c.options.UpdateFrequency}
	if err == nil {
		result.Sources = inventorySources(cluster.Name)
	}
	observed := c.observe(ctx, cluster, member, err)
	if observed.ready.Status == metav1.ConditionTrue && c.told(cluster, observed.report()) {
		c.settle(cluster.Name)
		return result, nil
	}
	// Fields are replaced, but for the conditions.
	status := &clusterv1alpha1.ClusterStatus{}
	*status = cluster.Status
	status.Conditions = slices.Clone(status.Conditions)
	unconfirmed := errors.Is(c.fill(cluster, status, observed, deps), errThreshold)
	if unconfirmed {
		result.RequeueAfter = min(retryFrequency, c.options.UpdateFrequency)
	}
	if changed := fieldpatch.Between(&cluster.Status, status); len(changed) > 0 {
		return result, write(ctx, deps, cluster, changed)
	}
	if !unconfirmed {
		c.tell(cluster, observed.report())
	}
	return result, nil
}

// joins tells that a cluster is about to be told how to be reached: who joins one makes the Cluster first. The first judgement counts at
// once, and this would be none on the member.
func (c *collector) joins(cluster *clusterv1alpha1.Cluster, now time.Time) bool {
	named := cluster.Spec.APIEndpoint != "" || cluster.Spec.SecretRef != nil
	judged := meta.FindStatusCondition(cluster.Status.Conditions, names.ConditionClusterReady) != nil
	return !named && !judged && now.Sub(cluster.CreationTimestamp.Time) < c.options.FailureThreshold
}

// errThreshold says that a change of readiness has not lasted long enough to be written.
var errThreshold = errors.New("readiness change not yet confirmed")

// answers are what a member says now. It said nothing but its readiness when that is not True.
type answers struct {
	ready     metav1.Condition
	discovery control.Discovery
	survey    control.Survey
}

func (a answers) report() report {
	return report{discovery: a.discovery.Revision, survey: a.survey.Revision}
}

// observe asks a member how it is; connected is why there is no connection to it, nil when there is one.
func (c *collector) observe(ctx context.Context, cluster *clusterv1alpha1.Cluster, member control.Member, connected error) answers {
	if connected != nil {
		return answers{ready: readiness(names.ReasonStatusCollectionFailed, connected.Error())}
	}
	healthy, err := member.Health(ctx)
	if err != nil {
		return answers{ready: readiness(names.ReasonClusterNotReachable, "the API server did not answer: "+err.Error())}
	}
	if !healthy {
		return answers{ready: readiness(names.ReasonClusterNotReady, "the API server answers that it is not healthy")}
	}
	discovery, err := member.Discover(ctx)
	if err != nil {
		return answers{ready: readiness(names.ReasonStatusCollectionFailed, err.Error())}
	}
	var models []clusterv1alpha1.ResourceModel
	if c.options.ResourceModeling {
		models = cluster.Spec.ResourceModels
	}
	found, err := survey(ctx, member, models)
	if err != nil {
		return answers{ready: readiness(names.ReasonStatusCollectionFailed, err.Error())}
	}
	return answers{ready: readiness(names.ReasonClusterReady, "the API server answers that it is healthy"), discovery: discovery, survey: found}
}

// fill brings a status in line with the answers of the member. While the member does not answer, what it last said stands.
func (c *collector) fill(cluster *clusterv1alpha1.Cluster, status *clusterv1alpha1.ClusterStatus, observed answers, deps control.Deps) error {
	if observed.ready.Status == metav1.ConditionTrue {
		status.KubernetesVersion = observed.discovery.Version
		setEnablements(status, observed.discovery, deps)
		status.NodeSummary, status.ResourceSummary = &observed.survey.Nodes, &observed.survey.Resources
	}
	return c.setReady(cluster.Name, status, observed.ready, deps)
}

func readiness(reason, message string) metav1.Condition {
	status := metav1.ConditionFalse
	if reason == names.ReasonClusterReady {
		status = metav1.ConditionTrue
	}
	return metav1.Condition{Type: names.ConditionClusterReady, Status: status, Reason: reason, Message: message}
}

// setReady writes the observed readiness once it has lasted for its threshold. The first observation of a cluster, and one
// that agrees with what is written, count at once.
func (c *collector) setReady(cluster string, status *clusterv1alpha1.ClusterStatus, observed metav1.Condition, deps control.Deps) error {
	written := meta.FindStatusCondition(status.Conditions, observed.Type)
	if written != nil && written.Status != observed.Status && !c.confirmed(cluster, observed.Status, deps.Clock.Now()) {
		return errThreshold
	}
	c.settle(cluster)
	setCondition(status, observed, deps)
	return nil
}

// confirmed tells whether a readiness that differs from the written one has lasted long enough.
func (c *collector) confirmed(cluster string, observed metav1.ConditionStatus, now time.Time) bool {
	threshold := c.options.FailureThreshold
	if observed == metav1.ConditionTrue {
		threshold = c.options.SuccessThreshold
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, known := c.pending[cluster]
	if !known || seen.status != observed {
		seen = observation{status: observed, since: now}
		c.pending[cluster] = seen
	}
	return now.Sub(seen.since) >= threshold
}

func (c *collector) settle(cluster string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, cluster)
}

func (c *collector) forget(cluster string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, cluster)
	delete(c.reported, cluster)
}

// setEnablements takes over what discovery found. A partial answer keeps what was known before: a group that could not be
// listed for a moment must not make its workloads leave.
func setEnablements(status *clusterv1alpha1.ClusterStatus, discovery control.Discovery, deps control.Deps) {
	condition := metav1.Condition{Type: names.ConditionCompleteAPIEnablements, Status: metav1.ConditionTrue, Reason: names.ReasonAPIEnablementsComplete,
		Message: "every served group was listed"}
	switch {
	case len(discovery.APIs) == 0:
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, names.ReasonAPIEnablementsEmpty, "discovery returned nothing"
	case !discovery.Complete:
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, names.ReasonAPIEnablementsPartial, "some served groups could not be listed"
	}
	known := workload.EqualEnablements(status.APIEnablements, discovery.APIs)
	if !known && (discovery.Complete || len(status.APIEnablements) == 0) {
		status.APIEnablements = discovery.APIs
	}
	setCondition(status, condition, deps)
}

func setCondition(status *clusterv1alpha1.ClusterStatus, condition metav1.Condition, deps control.Deps) {
	condition.LastTransitionTime = metav1.NewTime(deps.Clock.Now())
	meta.SetStatusCondition(&status.Conditions, condition)
}

func inventorySources(cluster string) []control.Source {
	core := func(kind string) schema.GroupVersionKind { return corev1.SchemeGroupVersion.WithKind(kind) }
	return []control.Source{
		{Cluster: cluster, GVK: core("Node"), View: control.Inventory},
		{Cluster: cluster, GVK: core("Pod"), View: control.Inventory},
	}
}

func write(ctx context.Context, deps control.Deps, cluster *clusterv1alpha1.Cluster, changed map[string]any) error {
	written := *cluster
	// Detectors write conditions of their own, and the patch replaces the list whole: it must not be older than the rest.
	fields := fieldpatch.Fields{Status: changed}
	if err := fieldpatch.Status(ctx, deps.Client, &written, fields); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of cluster %s: %w", cluster.Name, err)
	}
	return nil
}
