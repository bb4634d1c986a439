package framework

import "encoding/json"

const (
	apiVersion = "scheduler.seatrial.io/v1alpha1"
	kind       = "SchedulerConfiguration"
	// everyPlugin stands for all built-in plugins in a list of disabled ones.
	everyPlugin = "*"
	// maxWeight keeps sums of weighed scores far from overflow.
	maxWeight = 1_000_000
	// maxBytes is more than any configuration needs.
	maxBytes = 1 << 20
)

// document is the configuration file.
type document struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Profiles   []profileEntry  `json:"profiles"`
	Extenders  []extenderEntry `json:"extenders"`
}

// profileEntry serves the bindings of one scheduler name.
type profileEntry struct {
	SchedulerName string        `json:"schedulerName"`
	Plugins       pluginLists   `json:"plugins"`
	PluginConfig  []pluginArgs  `json:"pluginConfig"`
	Options       optionsValues `json:"options"`
}

type pluginLists struct {
	Enabled  []enabledPlugin  `json:"enabled"`
	Disabled []disabledPlugin `json:"disabled"`
}

type enabledPlugin struct {
	Name   string `json:"name"`
	Weight *int64 `json:"weight"`
}

type disabledPlugin struct {
	Name string `json:"name"`
}

type pluginArgs struct {
	Name string          `json:"name"`
	Args json.RawMessage `json:"args"`
}

// optionsValues override what flags say where they are set.
type optionsValues struct {
	EmptyWorkloadPropagation    *bool   `json:"emptyWorkloadPropagation"`
	StaticWeightsWithinCapacity *bool   `json:"staticWeightsWithinCapacity"`
	Spread                      *string `json:"spread"`
}

// extenderEntry has the names of the kube-scheduler's configuration, as far as they apply.
type extenderEntry struct {
	URLPrefix        string    `json:"urlPrefix"`
	FilterVerb       string    `json:"filterVerb"`
	PrioritizeVerb   string    `json:"prioritizeVerb"`
	Weight           *int64    `json:"weight"`
	HTTPTimeout      string    `json:"httpTimeout"`
	NodeCacheCapable bool      `json:"nodeCacheCapable"`
	Ignorable        bool      `json:"ignorable"`
	TLSConfig        *TLSFiles `json:"tlsConfig"`
}

// TLSFiles say how to talk TLS to an extender whose URL is https. Empty fields mean the system's defaults.
type TLSFiles struct {
	Insecure   bool   `json:"insecure"`
	ServerName string `json:"serverName"`
	CertFile   string `json:"certFile"`
	KeyFile    string `json:"keyFile"`
	CAFile     string `json:"caFile"`
}
