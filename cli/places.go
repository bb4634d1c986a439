package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// planeName is what the control plane is called among clusters.
const planeName = "Karmada"

// atOnce is how many places are asked at the same time.
const atOnce = 16

// place is an API server that a command works on beside others.
type place struct {
	name    string
	member  bool
	factory cmdutil.Factory
}

// fault tells where an error happened.
func (p place) fault(err error) error {
	if !p.member {
		return err
	}
	return fmt.Errorf("cluster %s: %w", p.name, err)
}

// inAll works on all places at once, and gives the errors of each.
func inAll(found []place, work func(i int, at place) error) []faults {
	all := make([]faults, len(found))
	group := errgroup.Group{}
	group.SetLimit(atOnce)
	for i, at := range found {
		group.Go(func() error {
			all[i] = faults{place: at}
			if err := work(i, at); err != nil {
				all[i].causes = utilerrors.Flatten(utilerrors.NewAggregate([]error{err})).Errors()
			}
			return nil
		})
	}
	// No function returns an error.
	_ = group.Wait()
	return all
}

// faults are what went wrong in one place.
type faults struct {
	place
	causes []error
}

// told are the errors a user is told. Unless places were named, what one of them lacks matters only if it is nowhere, and is said
// once then.
func told(all []faults, named bool) []error {
	lacking, kindless := map[string]int{}, 0
	for _, of := range all {
		if len(of.causes) == 1 && lacksKind(of.causes[0]) {
			kindless++
		}
		for _, cause := range of.causes {
			if absent(cause) {
				lacking[cause.Error()]++
			}
		}
	}
	var result []error
	for _, of := range all {
		for _, cause := range of.causes {
			elsewhere := 0
			if !lacksKind(cause) {
				// Who lacks the kind says that instead.
				elsewhere = kindless
			}
			switch {
			case named || !absent(cause):
				result = append(result, of.fault(cause))
			case lacking[cause.Error()]+elsewhere == len(all):
				result = append(result, cause)
				lacking[cause.Error()] = 0
			}
		}
	}
	return result
}

// places are the API servers that a command works on: the control plane, members, or both.
type places struct {
	*access
	scope scope
	named []string
}

func newPlaces(scopes ...string) *places {
	return &places{access: newAccess(), scope: scope{allowed: scopes}}
}

func (p *places) addTo(command *cobra.Command) {
	command.Flags().StringSliceVarP(&p.named, "clusters", "C", nil, "Members to work on, comma-separated (default all that are ready)")
	accept(command.Flags(), map[string]string{"cluster": "clusters"})
}

// find gives the places that the flags mean, the control plane first. Members that are not ready are left out, and told as
// errors, unless they are named.
func (p *places) find(ctx context.Context) (found []place, left []error, err error) {
	if p.scope.value == scopePlane && len(p.named) > 0 {
		return nil, nil, errors.New("--clusters contradicts --operation-scope karmada: leave one of them out, or use the scope members or all")
	}
	scoped := p.scope.value
	if scoped == "" && len(p.named) > 0 {
		scoped = scopeMembers
	}
	if slices.Contains(p.scope.allowed, scopePlane) && scoped != scopeMembers {
		found = append(found, place{name: planeName, factory: p.access.factory()})
		if scoped != scopeAll {
			return found, nil, nil
		}
	}
	members, left, err := p.members(ctx)
	return append(found, members...), left, err
}

func (p *places) members(ctx context.Context) (found []place, left []error, err error) {
	chosen := p.named
	if len(chosen) > 0 {
		if err := p.exist(ctx, "clusters", chosen...); err != nil {
			return nil, nil, err
		}
	} else {
		clusters, err := p.clusters(ctx)
		if err != nil {
			return nil, nil, err
		}
		for i := range clusters {
			if reason := unready(&clusters[i]); reason != "" {
				left = append(left, fmt.Errorf("cluster %s is left out: %s; name it with --clusters to ask it all the same", clusters[i].Name, reason))
				continue
			}
			chosen = append(chosen, clusters[i].Name)
		}
	}
	for _, name := range chosen {
		found = append(found, place{name: name, member: true, factory: factoryOf(p.access.member(name))})
	}
	return found, left, nil
}

// unready says why a cluster is not ready, and nothing of one that is.
func unready(cluster *clusterv1alpha1.Cluster) string {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, names.ConditionClusterReady)
	switch {
	case ready == nil:
		return "it was never seen ready"
	case ready.Status == "True":
		return ""
	}
	return fmt.Sprintf("it is not ready (%s)", ready.Reason)
}

// joined keeps a single error as it is, by which it is told what a server said.
func joined(all []error) error {
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

// noSuchKind is how kubectl says that a server does not know a kind.
const noSuchKind = "the server doesn't have a resource type"

// lacksKind tells whether an error says that a place does not have the whole kind.
func lacksKind(err error) bool {
	return absent(err) && (!apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse))
}

// absent tells whether an error says that a place does not have what was asked for: the object, or the whole kind.
func absent(err error) bool {
	// The resource builder of kubectl says so of kinds in words alone.
	return apierrors.IsNotFound(err) || meta.IsNoMatchError(err) || strings.HasPrefix(err.Error(), noSuchKind)
}
