package placement

// Plugin is a stage of filtering or scoring, under the name by which users enable and disable it.
type Plugin uint8

// Filter plugins in the order in which their reasons are listed, then plugins that only score.
const (
	APIEnablement Plugin = iota
	TaintToleration
	ClusterAffinity
	SpreadConstraint
	ClusterEviction
	WorkloadAffinity
	WorkloadAntiAffinity
	ClusterLocality
	// ClusterPrice is off by default. It gives the cheapest candidate 100, the dearest and those without a price 0.
	ClusterPrice
	pluginCount
)

// filterPlugins ends the plugins that can reject a cluster.
const filterPlugins = ClusterLocality

var pluginNames = [pluginCount]string{
	"APIEnablement", "TaintToleration", "ClusterAffinity", "SpreadConstraint", "ClusterEviction", "WorkloadAffinity",
	"WorkloadAntiAffinity", "ClusterLocality", "ClusterPrice",
}

// String is the name of the plugin.
func (p Plugin) String() string { return pluginNames[p] }

// Plugins lists all plugins.
func Plugins() []Plugin {
	all := make([]Plugin, pluginCount)
	for i := range all {
		all[i] = Plugin(i)
	}
	return all
}

// PluginSet is a set of plugins, one bit each.
type PluginSet uint16

// NewPluginSet collects plugins.
func NewPluginSet(plugins ...Plugin) PluginSet {
	var set PluginSet
	for _, plugin := range plugins {
		set |= 1 << plugin
	}
	return set
}

// Has reports whether the plugin is in the set.
func (s PluginSet) Has(plugin Plugin) bool { return s&(1<<plugin) != 0 }

const (
	reasonAPI              = "cluster(s) did not have the API resource"
	reasonTaint            = "cluster(s) had untolerated taint {%s}"
	reasonAffinity         = "cluster(s) did not match the placement cluster affinity constraint"
	reasonNoProvider       = "cluster(s) did not have provider property"
	reasonNoRegion         = "cluster(s) did not have region property"
	reasonNoZone           = "cluster(s) did not have zones property"
	reasonNoLabel          = "cluster(s) did not have label %s"
	reasonEviction         = "cluster(s) is in the process of eviction"
	reasonWorkloadAffinity = "ResourceBinding with the same affinity group does not target this cluster"
	reasonAntiAffinity     = "cluster already has workload with the same anti-affinity group"
)

// localityScore is what a cluster of the last decision gets; others get zero.
const localityScore = 100
