package framework

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seatrial/seatrial/scheduler/placement"
)

// Named makes the configuration of one scheduler from a list of plugin names. The name * stands for the built-in plugins that
// are on by default and for the whole registry; -Name takes one out, wherever it stands in the list. Plugins get no arguments,
// and scores count once. All errors are joined.
func Named(schedulerName string, list []string, registry Registry) (*Configuration, error) {
	var faults []error
	for _, entry := range list {
		name := strings.TrimPrefix(entry, "-")
		if _, known := builtin(name); !known && registry[name] == nil && entry != everyPlugin {
			faults = append(faults, fmt.Errorf("unknown plugin %q: use *, or some of %s", name, strings.Join(registry.names(), ", ")))
		}
	}
	profile := Profile{SchedulerName: schedulerName}
	every := slices.Contains(list, everyPlugin)
	for _, name := range registry.names() {
		own, known := builtin(name)
		out, in := slices.Contains(list, "-"+name), slices.Contains(list, name)
		switch {
		case known && (out || !in && !every):
			profile.disabled |= placement.NewPluginSet(own)
		case known && in:
			profile.enabled |= placement.NewPluginSet(own)
		case !known && !out && (in || every):
			if _, err := profile.install(name, registry[name], nil, 1); err != nil {
				faults = append(faults, err)
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Configuration{Profiles: []Profile{profile}}, nil
}
