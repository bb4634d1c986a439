package framework

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seatrial/seatrial/scheduler/placement"
)

// builder makes one profile of its entry in the file.
type builder struct {
	*problems
	registry Registry
	// field is the path of the entry.
	field   string
	entry   *profileEntry
	profile Profile
}

func (b *builder) build() Profile {
	b.profile.SchedulerName = b.entry.SchedulerName
	b.disable()
	b.enable()
	b.unusedArguments()
	b.options()
	return b.profile
}

func (b *builder) disable() {
	var names []string
	for i, plugin := range b.entry.Plugins.Disabled {
		field := fmt.Sprintf("%s.plugins.disabled[%d].name", b.field, i)
		own, known := builtin(plugin.Name)
		switch {
		case slices.Contains(names, plugin.Name):
			b.add(field, "remove the second entry", "plugin %q is listed twice", plugin.Name)
		case plugin.Name == everyPlugin:
			b.profile.disabled |= placement.NewPluginSet(placement.Plugins()...)
		case known:
			b.profile.disabled |= placement.NewPluginSet(own)
		case b.registry[plugin.Name] != nil:
			b.add(field, "remove the entry", "plugin %s is off unless it is enabled", plugin.Name)
		default:
			b.unknown(field, plugin.Name)
		}
		names = append(names, plugin.Name)
	}
}

func (b *builder) unknown(field, name string) {
	b.add(field, "use one of "+strings.Join(b.registry.names(), ", "), "unknown plugin %q", name)
}

// enable makes the listed plugins. They run in the order of the list.
func (b *builder) enable() {
	var names []string
	for i := range b.entry.Plugins.Enabled {
		entry := &b.entry.Plugins.Enabled[i]
		field := fmt.Sprintf("%s.plugins.enabled[%d]", b.field, i)
		if slices.Contains(names, entry.Name) {
			b.add(field+".name", "remove the second entry", "plugin %q is listed twice", entry.Name)
			continue
		}
		names = append(names, entry.Name)
		weight := int64(1)
		if entry.Weight != nil {
			weight = *entry.Weight
		}
		if weight < 1 || weight > maxWeight {
			b.add(field+".weight", fmt.Sprintf("write a number from 1 to %d, or disable the plugin", maxWeight), "weight %d is out of range", weight)
			continue
		}
		if own, known := builtin(entry.Name); known {
			b.enableBuiltin(field, own, entry.Weight != nil, weight)
		} else {
			b.enableRegistered(field, entry, weight)
		}
	}
}

func (b *builder) enableBuiltin(field string, plugin placement.Plugin, weighed bool, weight int64) {
	if slices.Contains(b.entry.Plugins.Disabled, disabledPlugin{plugin.String()}) {
		b.add(field+".name", "remove it from one of the lists", "plugin %s is disabled too", plugin)
	}
	b.profile.enabled |= placement.NewPluginSet(plugin)
	scorers := []placement.Plugin{placement.ClusterAffinity, placement.ClusterLocality, placement.ClusterPrice}
	switch {
	case weighed && !slices.Contains(scorers, plugin):
		b.add(field+".weight", "remove the weight", "plugin %s gives no scores", plugin)
	case weight != 1:
		b.profile.weighed = append(b.profile.weighed, weighedBuiltin{plugin, weight})
	}
}

func (b *builder) enableRegistered(field string, entry *enabledPlugin, weight int64) {
	factory := b.registry[entry.Name]
	if factory == nil {
		b.unknown(field+".name", entry.Name)
		return
	}
	arguments, at := b.arguments(field+".name", entry.Name)
	plugin, err := b.profile.install(entry.Name, factory, arguments, weight)
	if err != nil {
		b.add(at, "", "%v", err)
		return
	}
	if _, scores := plugin.(ScorePlugin); entry.Weight != nil && !scores {
		b.add(field+".weight", "remove the weight", "plugin %s gives no scores", entry.Name)
	}
}

// arguments finds those of a plugin, and the field to blame for them; without arguments that is where it is enabled.
func (b *builder) arguments(enabled, name string) (arguments Arguments, field string) {
	for i := range b.entry.PluginConfig {
		if b.entry.PluginConfig[i].Name == name {
			return Arguments(b.entry.PluginConfig[i].Args), fmt.Sprintf("%s.pluginConfig[%d].args", b.field, i)
		}
	}
	return nil, enabled
}

func (b *builder) unusedArguments() {
	var names []string
	for i, entry := range b.entry.PluginConfig {
		field := fmt.Sprintf("%s.pluginConfig[%d].name", b.field, i)
		_, own := builtin(entry.Name)
		enabled := slices.ContainsFunc(b.entry.Plugins.Enabled, func(e enabledPlugin) bool { return e.Name == entry.Name })
		switch {
		case own:
			b.add(field, "remove the entry", "plugin %s takes no arguments", entry.Name)
		case b.registry[entry.Name] == nil:
			b.unknown(field, entry.Name)
		case !enabled:
			b.add(field, "enable it in this profile, or remove the entry", "plugin %s is not enabled", entry.Name)
		case slices.Contains(names, entry.Name):
			b.add(field, "remove the second entry", "plugin %q is listed twice", entry.Name)
		}
		names = append(names, entry.Name)
	}
}

func (b *builder) options() {
	given := &b.entry.Options
	b.profile.emptyWorkloadPropagation = given.EmptyWorkloadPropagation
	b.profile.staticWeightsWithinCapacity = given.StaticWeightsWithinCapacity
	if given.Spread == nil {
		return
	}
	mode, ok := map[string]placement.SpreadMode{
		"Compatible": placement.SpreadCompatible, "Reference": placement.SpreadReference, "Every": placement.SpreadEvery,
	}[*given.Spread]
	if !ok {
		b.add(b.field+".options.spread", "write Compatible, Reference or Every", "unknown mode %q", *given.Spread)
	}
	b.profile.spread = &mode
}

const (
	defaultTimeout = 5 * time.Second
	maxTimeout     = time.Minute
)

// Extender says how to ask an HTTP extender that speaks k8s.io/kube-scheduler/extender/v1.
type Extender struct {
	// URL is the prefix of both verbs, without a slash at its end.
	URL string
	// FilterVerb and PrioritizeVerb are empty when the extender does not do that; one of them is set.
	FilterVerb, PrioritizeVerb string
	// Weight multiplies the scores, at least 1.
	Weight int64
	// Timeout bounds one call.
	Timeout time.Duration
	// NamesOnly sends names of clusters instead of nodes (nodeCacheCapable).
	NamesOnly bool
	// Ignorable skips the extender when it fails; otherwise the decision fails.
	Ignorable bool
	// TLS is nil for the system's defaults.
	TLS *TLSFiles
}

func (p *problems) extender(field string, entry *extenderEntry) Extender {
	made := Extender{
		URL: strings.TrimRight(entry.URLPrefix, "/"), FilterVerb: entry.FilterVerb, PrioritizeVerb: entry.PrioritizeVerb, Weight: 1,
		Timeout: defaultTimeout, NamesOnly: entry.NodeCacheCapable, Ignorable: entry.Ignorable, TLS: entry.TLSConfig,
	}
	address, err := url.Parse(entry.URLPrefix)
	switch {
	case err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https":
		p.add(field+".urlPrefix", "write http:// or https://, host and path", "this is no address of an extender")
	case address.User != nil:
		p.add(field+".urlPrefix", "use a client certificate in tlsConfig", "an address with credentials ends up in logs")
	case entry.TLSConfig != nil && address.Scheme != "https":
		p.add(field+".tlsConfig", "write https:// in urlPrefix, or remove it", "the extender is asked without TLS")
	}
	if entry.FilterVerb == "" && entry.PrioritizeVerb == "" {
		p.add(field, "set filterVerb, prioritizeVerb or both", "the extender is asked nothing")
	}
	if entry.Weight != nil {
		made.Weight = *entry.Weight
	}
	if made.Weight < 1 || made.Weight > maxWeight {
		p.add(field+".weight", fmt.Sprintf("write a number from 1 to %d", maxWeight), "weight %d is out of range", made.Weight)
	}
	if entry.HTTPTimeout != "" {
		made.Timeout, err = time.ParseDuration(entry.HTTPTimeout)
		if err != nil || made.Timeout <= 0 || made.Timeout > maxTimeout {
			p.add(field+".httpTimeout", fmt.Sprintf("write a duration up to %s, such as 500ms", maxTimeout), "%q is no timeout", entry.HTTPTimeout)
		}
	}
	return made
}
