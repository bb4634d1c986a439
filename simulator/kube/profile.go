package kube

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"
	"k8s.io/utils/ptr"
)

// plugin is one of kube-scheduler's that this package knows.
type plugin uint8

const (
	pluginNodeUnschedulable plugin = iota
	pluginNodeName
	pluginTaintToleration
	pluginNodeAffinity
	pluginNodePorts
	pluginNodeResourcesFit
	pluginPodTopologySpread
	pluginInterPodAffinity
	pluginDefaultPreemption
	pluginBalancedAllocation
	plugins
)

var pluginNames = [plugins]string{
	"NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit", "PodTopologySpread",
	"InterPodAffinity", "DefaultPreemption", "NodeResourcesBalancedAllocation",
}

// ignoredPlugins are known to kube-scheduler and mean nothing here: queueing and binding are built in, volumes, devices,
// image locality and gangs are not modelled.
var ignoredPlugins = []string{
	"SchedulingGates", "PrioritySort", "DefaultBinder", "ImageLocality", "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding",
	"VolumeZone", "DynamicResources", "DefaultQueueSort", "GangScheduling", "NodeDeclaredFeatures", "DeferredPodScheduling",
}

// profile is how pods that name a scheduler are scheduled.
type profile struct {
	name string
	// filtering and weights tell which plugins filter, and how much they weigh in scores.
	filtering  [plugins]bool
	weights    [plugins]int64
	percentage int
	// standard profiles score resources as kube-scheduler does by default.
	standard bool

	strategy configv1.ScoringStrategyType
	// fit and balanced are the columns that count, and their weights.
	fit, balanced []weight
	ratio         []configv1.UtilizationShapePoint

	spread       []corev1.TopologySpreadConstraint
	systemSpread bool

	hardAffinityWeight int32
	ignorePreferred    bool

	candidatesPercentage, candidatesAbsolute int
}

type weight struct {
	column int
	weight int64
}

// settle finds out whether the profile is standard where it scores resources.
func (p *profile) settle() {
	both := []weight{{columnCPU, 1}, {columnMemory, 1}}
	p.standard = p.strategy == configv1.LeastAllocated && slices.Equal(p.fit, both) && slices.Equal(p.balanced, both) &&
		p.weights[pluginNodeResourcesFit] == 1 && p.weights[pluginBalancedAllocation] == 1
}

func (p *profile) filters(what plugin) bool { return p.filtering[what] }

// defaultProfile is that of kube-scheduler without a configuration.
func defaultProfile() *profile {
	p := &profile{
		name: corev1.DefaultSchedulerName, strategy: configv1.LeastAllocated,
		fit: []weight{{columnCPU, 1}, {columnMemory, 1}}, balanced: []weight{{columnCPU, 1}, {columnMemory, 1}},
		spread: []corev1.TopologySpreadConstraint{
			{TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway, MaxSkew: 3},
			{TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.ScheduleAnyway, MaxSkew: 5},
		},
		systemSpread: true, hardAffinityWeight: 1, candidatesPercentage: 10, candidatesAbsolute: 100,
	}
	for i := range p.filtering {
		p.filtering[i] = plugin(i) != pluginBalancedAllocation
	}
	p.weights = [plugins]int64{
		pluginTaintToleration: 3, pluginNodeAffinity: 2, pluginPodTopologySpread: 2, pluginInterPodAffinity: 2,
		pluginNodeResourcesFit: 1, pluginBalancedAllocation: 1,
	}
	p.settle()
	return p
}

// readProfiles reads a configuration; nil is that of kube-scheduler without one.
func (c *Cluster) readProfiles(configuration *configv1.KubeSchedulerConfiguration) error {
	if configuration == nil || len(configuration.Profiles) == 0 {
		p := defaultProfile()
		if configuration != nil {
			p.percentage = int(ptr.Deref(configuration.PercentageOfNodesToScore, 0))
		}
		c.profiles = []*profile{p}
		return nil
	}
	if len(configuration.Extenders) > 0 {
		return fmt.Errorf("reading the scheduler configuration: extenders: the simulated scheduler has none; remove them")
	}
	for i := range configuration.Profiles {
		p, err := c.readProfile(&configuration.Profiles[i], configuration.PercentageOfNodesToScore)
		if err != nil {
			return fmt.Errorf("reading the scheduler configuration: profiles[%d]: %w", i, err)
		}
		c.profiles = append(c.profiles, p)
	}
	return nil
}

func (c *Cluster) readProfile(from *configv1.KubeSchedulerProfile, percentage *int32) (*profile, error) {
	p := defaultProfile()
	p.name = ptr.Deref(from.SchedulerName, corev1.DefaultSchedulerName)
	p.percentage = int(ptr.Deref(from.PercentageOfNodesToScore, ptr.Deref(percentage, 0)))
	if p.percentage < 0 || p.percentage > 100 {
		return nil, fmt.Errorf("percentageOfNodesToScore is %d: it must be from 0 to 100", p.percentage)
	}
	if from.Plugins != nil {
		if err := p.readPlugins(from.Plugins); err != nil {
			return nil, err
		}
	}
	for i := range from.PluginConfig {
		if err := c.readArguments(p, &from.PluginConfig[i]); err != nil {
			return nil, fmt.Errorf("pluginConfig of %s: %w", from.PluginConfig[i].Name, err)
		}
	}
	p.settle()
	return p, nil
}

// readPlugins follows what is disabled and enabled at the extension points that matter here.
func (p *profile) readPlugins(from *configv1.Plugins) error {
	standard := p.weights
	for _, point := range []struct {
		set             configv1.PluginSet
		filter, scoring bool
	}{{from.MultiPoint, true, true}, {from.Filter, true, false}, {from.PostFilter, true, false}, {from.Score, false, true}} {
		for _, disabled := range point.set.Disabled {
			which, err := named(disabled.Name)
			if err != nil {
				return err
			}
			for _, what := range which {
				p.filtering[what] = p.filtering[what] && !point.filter
				if point.scoring {
					p.weights[what] = 0
				}
			}
		}
		for _, enabled := range point.set.Enabled {
			which, err := named(enabled.Name)
			if err != nil {
				return err
			}
			if weight := ptr.Deref(enabled.Weight, 0); weight < 0 || weight > 100 {
				return fmt.Errorf("plugin %s has weight %d: it must be from 0 to 100", enabled.Name, weight)
			}
			for _, what := range which {
				p.filtering[what] = p.filtering[what] || point.filter && what != pluginBalancedAllocation
				if point.scoring {
					p.weights[what] = int64(cmp.Or(ptr.Deref(enabled.Weight, 0), int32(standard[what]), 1))
				}
			}
		}
	}
	return nil
}

// named are the plugins that a name stands for.
func named(name string) ([]plugin, error) {
	if name == "*" {
		all := make([]plugin, plugins)
		for i := range all {
			all[i] = plugin(i)
		}
		return all, nil
	}
	if at := slices.Index(pluginNames[:], name); at >= 0 {
		return []plugin{plugin(at)}, nil
	}
	if slices.Contains(ignoredPlugins, name) {
		return nil, nil
	}
	return nil, fmt.Errorf("plugin %q is not simulated: remove it, or use one of %v", name, pluginNames)
}

func (c *Cluster) readArguments(p *profile, from *configv1.PluginConfig) error {
	switch from.Name {
	case pluginNames[pluginNodeResourcesFit]:
		args := &configv1.NodeResourcesFitArgs{}
		if err := arguments(from, args); err != nil || args.ScoringStrategy == nil {
			return err
		}
		return c.readStrategy(p, args.ScoringStrategy)
	case pluginNames[pluginBalancedAllocation]:
		args := &configv1.NodeResourcesBalancedAllocationArgs{}
		if err := arguments(from, args); err != nil || len(args.Resources) == 0 {
			return err
		}
		return c.readWeights(args.Resources, &p.balanced)
	case pluginNames[pluginPodTopologySpread]:
		args := &configv1.PodTopologySpreadArgs{}
		if err := arguments(from, args); err != nil {
			return err
		}
		if args.DefaultingType == configv1.ListDefaulting {
			p.spread, p.systemSpread = args.DefaultConstraints, false
		}
	case pluginNames[pluginInterPodAffinity]:
		args := &configv1.InterPodAffinityArgs{}
		if err := arguments(from, args); err != nil {
			return err
		}
		p.hardAffinityWeight = ptr.Deref(args.HardPodAffinityWeight, p.hardAffinityWeight)
		p.ignorePreferred = args.IgnorePreferredTermsOfExistingPods
	case pluginNames[pluginDefaultPreemption]:
		args := &configv1.DefaultPreemptionArgs{}
		if err := arguments(from, args); err != nil {
			return err
		}
		p.candidatesPercentage = int(ptr.Deref(args.MinCandidateNodesPercentage, int32(p.candidatesPercentage)))
		p.candidatesAbsolute = int(ptr.Deref(args.MinCandidateNodesAbsolute, int32(p.candidatesAbsolute)))
	}
	return nil
}

func arguments(from *configv1.PluginConfig, to any) error {
	if len(from.Args.Raw) == 0 {
		if from.Args.Object == nil {
			return nil
		}
		raw, err := json.Marshal(from.Args.Object)
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, to)
	}
	return json.Unmarshal(from.Args.Raw, to)
}

func (c *Cluster) readStrategy(p *profile, from *configv1.ScoringStrategy) error {
	p.strategy = cmp.Or(from.Type, configv1.LeastAllocated)
	if len(from.Resources) > 0 {
		if err := c.readWeights(from.Resources, &p.fit); err != nil {
			return err
		}
	}
	switch p.strategy {
	case configv1.LeastAllocated, configv1.MostAllocated:
		return nil
	case configv1.RequestedToCapacityRatio:
		if from.RequestedToCapacityRatio == nil || len(from.RequestedToCapacityRatio.Shape) == 0 {
			return fmt.Errorf("scoringStrategy.requestedToCapacityRatio.shape is empty: it needs points of utilization and score")
		}
		p.ratio = from.RequestedToCapacityRatio.Shape
		for i, point := range p.ratio {
			if point.Score < 0 || point.Score > 10 || i > 0 && point.Utilization <= p.ratio[i-1].Utilization {
				return fmt.Errorf("scoringStrategy.requestedToCapacityRatio.shape[%d]: scores go from 0 to 10, and utilizations upwards", i)
			}
		}
		return nil
	}
	return fmt.Errorf("scoringStrategy.type is %q: it must be LeastAllocated, MostAllocated or RequestedToCapacityRatio", p.strategy)
}

func (c *Cluster) readWeights(from []configv1.ResourceSpec, to *[]weight) error {
	*to = nil
	for _, r := range from {
		if r.Weight < 0 || r.Weight > 100 || r.Name == "" {
			return fmt.Errorf("resources: %q has weight %d: it needs a name and a weight from 1 to 100", r.Name, r.Weight)
		}
		*to = append(*to, weight{c.resources.column(corev1.ResourceName(r.Name)), cmp.Or(r.Weight, 1)})
	}
	return nil
}

// profileOf returns the profile that a pod names; nil when no scheduler goes by that name.
func (c *Cluster) profileOf(name string) *profile {
	name = cmp.Or(name, corev1.DefaultSchedulerName)
	for _, p := range c.profiles {
		if p.name == name {
			return p
		}
	}
	return c.nobody
}
