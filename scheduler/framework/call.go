package framework

import (
	"fmt"
	"strings"
	"time"

	status "k8s.io/kube-scheduler/framework"
	"k8s.io/utils/clock"
)

// The extension points, by the names that metrics know.
const (
	pointFilter = "Filter"
	pointScore  = "Score"
	pointSelect = "Select"
	pointAssign = "Assign"
)

// Observer is told how long plugins take. The result is the name of a status code: Success or Error.
type Observer interface {
	// ExtensionPoint tells about all plugins of one extension point together. The built-in ones filter and score in one pass,
	// which counts as Filter.
	ExtensionPoint(point, result string, took time.Duration)
	// Plugin tells about one plugin that is not built in.
	Plugin(plugin, point, result string, took time.Duration)
}

// Timed returns the profile with an observer that is told of each run.
func (p *Profile) Timed(clock clock.PassiveClock, observer Observer) *Profile {
	timed := *p
	timed.clock, timed.observer = clock, observer
	return &timed
}

// PluginError says that a plugin failed, which tells nothing about the clusters: to go on to another affinity term would
// place the workload by the plugin's ill luck.
type PluginError struct {
	Plugin string
	Err    error
}

// Error is that of Err, which names the plugin.
func (e *PluginError) Error() string { return e.Err.Error() }

// Unwrap is Err.
func (e *PluginError) Unwrap() error { return e.Err }

// call runs one plugin at one extension point. Plugins are other people's code: their panic fails the decision, not the process.
func (p *Profile) call(plugin Plugin, point string, run func() error) (err error) {
	began := p.start()
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("plugin %s panicked at extension point %s: %v", plugin.Name(), point, fault)
		}
		if p.observer != nil {
			p.observer.Plugin(plugin.Name(), point, resultOf(err), p.clock.Since(began))
		}
		if err != nil {
			err = &PluginError{Plugin: plugin.Name(), Err: err}
		}
	}()
	return run()
}

func (p *Profile) start() time.Time {
	if p.observer == nil {
		return time.Time{}
	}
	return p.clock.Now()
}

// passed ends an extension point and begins the next.
func (p *Profile) passed(point string, err error, began time.Time) time.Time {
	if p.observer == nil {
		return began
	}
	now := p.clock.Now()
	p.observer.ExtensionPoint(point, resultOf(err), now.Sub(began))
	return now
}

func resultOf(err error) string {
	if err != nil {
		return status.Error.String()
	}
	return status.Success.String()
}

// maxExcerpt is how many bytes of a foreign text users see.
const maxExcerpt = 200

// Excerpt makes one short line of what a plugin or an extender says, for conditions, events and logs.
func Excerpt(text string) string {
	cut := ""
	if len(text) > maxExcerpt {
		text, cut = text[:maxExcerpt], "..."
	}
	return strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "?") + cut
}
