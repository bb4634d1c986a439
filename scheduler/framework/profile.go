package framework

import (
	"cmp"
	"fmt"

	"k8s.io/utils/clock"

	"github.com/seatrial/seatrial/scheduler/placement"
)

// DefaultScheduler is the name of the scheduler that serves the bindings that name none.
const DefaultScheduler = "default-scheduler"

// Profile is how the bindings of one scheduler name are placed. It does not change, and may be used by several callers at
// once. The zero Profile has the built-in plugins only.
type Profile struct {
	// SchedulerName is that of the bindings it serves.
	SchedulerName string

	// enabled are the built-in plugins listed as enabled, disabled those listed as disabled. The former win.
	enabled, disabled placement.PluginSet
	weighed           []weighedBuiltin

	filters   []FilterPlugin
	scorers   []weighedPlugin
	selectors []SelectPlugin
	assigners []AssignPlugin

	// nil leaves what flags say.
	emptyWorkloadPropagation    *bool
	staticWeightsWithinCapacity *bool
	spread                      *placement.SpreadMode

	// observer is nil when nobody wants to know.
	clock    clock.PassiveClock
	observer Observer
}

type weighedPlugin struct {
	ScorePlugin
	weight int64
}

type weighedBuiltin struct {
	plugin placement.Plugin
	weight int64
}

// install makes a plugin of its arguments and enters it.
func (p *Profile) install(name string, factory Factory, arguments Arguments, weight int64) (Plugin, error) {
	plugin, err := made(factory, arguments)
	switch {
	case err != nil:
		return nil, fmt.Errorf("making plugin %s: %w", name, err)
	case plugin == nil:
		return nil, fmt.Errorf("making plugin %s: the factory returned none; mend its factory", name)
	case plugin.Name() != name:
		return nil, fmt.Errorf("plugin %s calls itself %q; register it by its own name", name, plugin.Name())
	case !p.add(plugin, weight):
		return nil, fmt.Errorf("plugin %s has no extension point; implement FilterPlugin, ScorePlugin, SelectPlugin or AssignPlugin", name)
	}
	return plugin, nil
}

// made calls a factory, whose panic is an error like any other.
func made(factory Factory, arguments Arguments) (plugin Plugin, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("its factory panicked: %v", fault)
		}
	}()
	return factory(arguments)
}

// add enters a plugin at its extension points, and reports whether it has any.
func (p *Profile) add(plugin Plugin, weight int64) bool {
	filter, filters := plugin.(FilterPlugin)
	if filters {
		p.filters = append(p.filters, filter)
	}
	scorer, scores := plugin.(ScorePlugin)
	if scores {
		p.scorers = append(p.scorers, weighedPlugin{scorer, weight})
	}
	selector, selects := plugin.(SelectPlugin)
	if selects {
		p.selectors = append(p.selectors, selector)
	}
	assigner, assigns := plugin.(AssignPlugin)
	if assigns {
		p.assigners = append(p.assigners, assigner)
	}
	return filters || scores || selects || assigns
}

// Options are the base, which flags give, with what the profile says.
func (p *Profile) Options(base placement.Options) placement.Options {
	base.Enabled = (base.Enabled | p.enabled) &^ (p.disabled &^ p.enabled)
	base.Disabled = (base.Disabled | p.disabled) &^ p.enabled
	if p.emptyWorkloadPropagation != nil {
		base.EmptyWorkloadPropagation = *p.emptyWorkloadPropagation
	}
	if p.staticWeightsWithinCapacity != nil {
		base.StaticWeightsWithinCapacity = *p.staticWeightsWithinCapacity
	}
	if p.spread != nil {
		base.Spread = *p.spread
	}
	return base
}

// Profile finds the one that serves a scheduler name. A binding that names none belongs to the default scheduler.
func (c *Configuration) Profile(schedulerName string) (profile *Profile, ok bool) {
	schedulerName = cmp.Or(schedulerName, DefaultScheduler)
	for i := range c.Profiles {
		if c.Profiles[i].SchedulerName == schedulerName {
			return &c.Profiles[i], true
		}
	}
	return nil, false
}
