package extender

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// Extenders are asked together. They may be asked by several callers at once.
type Extenders struct {
	clients []*client
	skipped func(url string, err error)
}

// New prepares the clients of extenders. Skipped is told, from any goroutine, when an ignorable one fails; nil for nobody. An
// error means TLS files that cannot be read.
func New(extenders []framework.Extender, skipped func(url string, err error)) (*Extenders, error) {
	if skipped == nil {
		skipped = func(string, error) {}
	}
	made := &Extenders{skipped: skipped}
	for _, settings := range extenders {
		next, err := newClient(settings)
		if err != nil {
			return nil, err
		}
		made.clients = append(made.clients, next)
	}
	return made, nil
}

// Gather asks all extenders about the candidates; it is a framework.Gatherer. The verdicts are in the order of the extenders,
// rejections first, and in ascending order of cluster name. An error names the extender and what was wrong with its answer.
func (e *Extenders) Gather(ctx context.Context, candidates *placement.CandidateSet) ([]placement.Foreign, error) {
	if len(e.clients) == 0 {
		return nil, nil
	}
	pod := Pod(candidates.Request())
	clusters := candidates.Clusters()
	var verdicts []placement.Foreign
	for _, c := range e.clients {
		if c.FilterVerb == "" || len(clusters) == 0 {
			continue
		}
		rejected, err := e.ask(ctx, c, c.FilterVerb, c.filter, pod, clusters)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, rejected...)
		clusters = without(clusters, rejected)
	}
	scores, err := e.prioritize(ctx, pod, clusters)
	if err != nil {
		return nil, err
	}
	return append(verdicts, scores...), nil
}

func (e *Extenders) prioritize(ctx context.Context, pod *corev1.Pod, clusters []*clusterv1alpha1.Cluster) ([]placement.Foreign, error) {
	if len(clusters) == 0 {
		return nil, nil
	}
	answers := make([][]placement.Foreign, len(e.clients))
	group, ctx := errgroup.WithContext(ctx)
	for i, c := range e.clients {
		if c.PrioritizeVerb == "" {
			continue
		}
		group.Go(func() (err error) {
			answers[i], err = e.ask(ctx, c, c.PrioritizeVerb, c.prioritize, pod, clusters)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(answers...), nil
}

type verb func(context.Context, *corev1.Pod, []*clusterv1alpha1.Cluster) ([]placement.Foreign, error)

// ask calls one verb. The failure of an ignorable extender leaves the clusters as they are, unless it is the caller that gave up.
func (e *Extenders) ask(ctx context.Context, c *client, name string, call verb, pod *corev1.Pod, clusters []*clusterv1alpha1.Cluster) ([]placement.Foreign, error) {
	verdicts, err := call(ctx, pod, clusters)
	switch {
	case err == nil:
		slices.SortFunc(verdicts, func(a, b placement.Foreign) int { return cmp.Compare(a.Cluster, b.Cluster) })
		return verdicts, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("asking extender %s to %s: %w", c.URL, name, ctx.Err())
	}
	err = fmt.Errorf("asking extender %s to %s %d clusters: %w", c.URL, name, len(clusters), err)
	if c.Ignorable {
		e.skipped(c.URL, err)
		return nil, nil
	}
	return nil, err
}

// without leaves the clusters that no verdict rejects. Both are in ascending order of name.
func without(clusters []*clusterv1alpha1.Cluster, rejected []placement.Foreign) []*clusterv1alpha1.Cluster {
	kept := make([]*clusterv1alpha1.Cluster, 0, len(clusters))
	for _, cluster := range clusters {
		if len(rejected) > 0 && rejected[0].Cluster == cluster.Name {
			rejected = rejected[1:]
			continue
		}
		kept = append(kept, cluster)
	}
	return kept
}
