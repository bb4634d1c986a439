// Package controlplane lists the controllers of a control plane, once for all that run them: the controller manager, the
// simulator and the tests. A controller that is listed here runs everywhere.
package controlplane

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/aggregate"
	"github.com/seatrial/seatrial/controllers/cluster"
	"github.com/seatrial/seatrial/controllers/clusterstatus"
	"github.com/seatrial/seatrial/controllers/collect"
	"github.com/seatrial/seatrial/controllers/execute"
	"github.com/seatrial/seatrial/controllers/namespace"
	"github.com/seatrial/seatrial/controllers/propagate"
	"github.com/seatrial/seatrial/controllers/render"
	"github.com/seatrial/seatrial/controllers/truth"
)

// Options are the settings of the controllers.
type Options struct {
	// SkippedNamespaces are those whose resources are never propagated.
	SkippedNamespaces []*regexp.Regexp
	ClusterStatus     clusterstatus.Options
	// Truth is told how placements turned out; nil for nobody.
	Truth   truth.Recorder
	Workers Workers
}

// Workers are how many keys of each sort have their turns at once.
type Workers struct{ Clusters, Works, Bindings, Templates, Namespaces int }

// Defaults are those of the reference.
func Defaults() Options {
	return Options{
		SkippedNamespaces: []*regexp.Regexp{regexp.MustCompile("^(?:kube-.*)$")},
		ClusterStatus:     clusterstatus.Defaults(),
		Workers:           Workers{Clusters: 5, Works: 5, Bindings: 5, Templates: 5, Namespaces: 1},
	}
}

// Controllers are all of the controller manager, in the order in which they are told to users. The scheduler is a process of
// its own and not among them.
func Controllers(options Options) []control.Controller {
	workers := options.Workers
	status := options.ClusterStatus
	status.Workers = workers.Clusters
	settled := options.Truth
	if settled == nil {
		settled = unread{}
	}
	return []control.Controller{
		cluster.New(workers.Clusters),
		clusterstatus.New(status),
		namespace.New(options.SkippedNamespaces, workers.Namespaces),
		propagate.New(propagate.Options{SkippedNamespaces: options.SkippedNamespaces, Workers: workers.Templates}),
		render.New(workers.Bindings),
		execute.New(workers.Works),
		collect.New(workers.Works),
		aggregate.New(workers.Bindings),
		truth.New(settled, truth.Defaults()),
	}
}

// unread drops what the controllers measure.
type unread struct{}

func (unread) Settled(string, int32, int32) {}

// Choose takes the controllers that a list names: * is all, NAME adds one, -NAME leaves one out. Names are compared without
// regard to case, as in the reference.
func Choose(all []control.Controller, wanted []string) ([]control.Controller, error) {
	known := func(name string) bool {
		return slices.ContainsFunc(all, func(c control.Controller) bool { return strings.EqualFold(c.Name, name) })
	}
	everything := slices.Contains(wanted, "*")
	var named []string
	for _, entry := range wanted {
		name := strings.TrimPrefix(entry, "-")
		if entry == "*" {
			continue
		}
		if !known(name) {
			return nil, fmt.Errorf("there is no controller %q; the controllers are %s", name, listed(all))
		}
		named = append(named, strings.ToLower(entry))
	}
	var chosen []control.Controller
	for _, controller := range all {
		name := strings.ToLower(controller.Name)
		if slices.Contains(named, name) || everything && !slices.Contains(named, "-"+name) {
			chosen = append(chosen, controller)
		}
	}
	return chosen, nil
}

func listed(all []control.Controller) string {
	names := make([]string, 0, len(all))
	for _, controller := range all {
		names = append(names, controller.Name)
	}
	return strings.Join(names, ", ")
}
