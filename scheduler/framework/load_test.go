package framework_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seatrial/seatrial/configfile"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/placement"
)

const full = header + `profiles:
  - schedulerName: default-scheduler
  - schedulerName: careful
    plugins:
      enabled:
        - name: Test
        - name: ClusterPrice
          weight: 2
      disabled:
        - name: TaintToleration
    pluginConfig:
      - name: Test
        args: {limit: 3}
    options:
      emptyWorkloadPropagation: true
      spread: Every
extenders:
  - urlPrefix: https://licences.example.com/v1/
    filterVerb: filter
    prioritizeVerb: prioritize
    weight: 4
    httpTimeout: 500ms
    nodeCacheCapable: true
    ignorable: true
    tlsConfig: {caFile: ca.crt}
  - urlPrefix: http://127.0.0.1:8888
    filterVerb: filter
`

func TestLoad(t *testing.T) {
	var limit struct {
		Limit int `json:"limit"`
	}
	registry := framework.Registry{"Test": func(arguments framework.Arguments) (framework.Plugin, error) {
		return filterFunc(nil), arguments.Decode(&limit)
	}}
	loaded, err := framework.Load("scheduler.yaml", []byte(full), registry)
	if err != nil {
		t.Fatal(err)
	}
	if limit.Limit != 3 {
		t.Errorf("arguments %+v", limit)
	}
	base := placement.Options{WorkloadAffinity: true, Disabled: placement.NewPluginSet(placement.ClusterPrice)}
	want := placement.Options{
		EmptyWorkloadPropagation: true, WorkloadAffinity: true, Spread: placement.SpreadEvery,
		Enabled:  placement.NewPluginSet(placement.ClusterPrice),
		Disabled: placement.NewPluginSet(placement.TaintToleration),
	}
	careful, _ := loaded.Profile("careful")
	if diff := cmp.Diff(want, careful.Options(base)); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	plain, _ := loaded.Profile("")
	if diff := cmp.Diff(base, plain.Options(base)); diff != "" || plain.SchedulerName != "default-scheduler" {
		t.Errorf("profile %q changes options (-want +got):\n%s", plain.SchedulerName, diff)
	}
	if _, ok := loaded.Profile("other"); ok {
		t.Error("found a profile for another scheduler")
	}
	extenders := []framework.Extender{
		{
			URL: "https://licences.example.com/v1", FilterVerb: "filter", PrioritizeVerb: "prioritize", Weight: 4,
			Timeout: 500 * time.Millisecond, NamesOnly: true, Ignorable: true, TLS: &framework.TLSFiles{CAFile: "ca.crt"},
		},
		{URL: "http://127.0.0.1:8888", FilterVerb: "filter", Weight: 1, Timeout: 5 * time.Second},
	}
	if diff := cmp.Diff(extenders, loaded.Extenders); diff != "" {
		t.Errorf("extenders (-want +got):\n%s", diff)
	}
}

func TestDisableAllButOne(t *testing.T) {
	content := header + `profiles: [{schedulerName: s, plugins: {disabled: [{name: "*"}], enabled: [{name: ClusterAffinity}]}}]`
	loaded, err := framework.Load("f", []byte(content), nil)
	if err != nil {
		t.Fatal(err)
	}
	options := loaded.Profiles[0].Options(placement.Options{})
	for _, plugin := range placement.Plugins() {
		if off := options.Disabled.Has(plugin); off == (plugin == placement.ClusterAffinity) {
			t.Errorf("plugin %s: disabled is %v", plugin, off)
		}
	}
}

// Each case is a file and the error it must give.
func TestLoadErrors(t *testing.T) {
	one := header + "profiles:\n  - schedulerName: s\n"
	plugins := one + "    plugins:\n      enabled:\n"
	for name, c := range map[string]struct{ content, want string }{
		"empty":         {"", "f.yaml: the file is empty; write one"},
		"not YAML":      {"a: [", "f.yaml:1: yaml: did not find expected"},
		"two documents": {one + "---\n" + one, "more than one document"},
		"key twice":     {header + "kind: x\n", "f.yaml:"},
		"a list":        {"- a\n", "f.yaml:1: a array cannot stand here; write a mapping"},
		"version":       {"apiVersion: v2\nkind: SchedulerConfiguration\nprofiles: [{schedulerName: s}]", `f.yaml:1: apiVersion: unknown version "v2"; write scheduler.seatrial.io/v1alpha1`},
		"no profiles":   {header, "f.yaml:1: profiles: no profile; add a profile"},
		"misspelt":      {one + "    plugin: {}\n", "f.yaml:5: profiles[0].plugin: unknown field; check its spelling"},
		"all at once": {one + "    plugin: {}\n    plugins: {disabled: [{name: Tset}]}\n",
			"check its spelling and place, or remove it\nf.yaml:6: profiles[0].plugins.disabled[0].name: unknown plugin"},
		"wrong type": {plugins + "        - name: Test\n          weight: high\n", "weight: a string cannot stand here; write a whole number"},
		"unnamed":    {header + "profiles: [{}]", "profiles[0].schedulerName: no scheduler name"},
		"same name":  {one + "  - schedulerName: s\n", `f.yaml:5: profiles[1].schedulerName: profiles[0] has the name "s" too`},
		"unknown plugin": {plugins + "        - name: Tset\n",
			`f.yaml:7: profiles[0].plugins.enabled[0].name: unknown plugin "Tset"; use one of APIEnablement, `},
		"unknown disabled":     {one + "    plugins: {disabled: [{name: Tset}]}\n", `plugins.disabled[0].name: unknown plugin "Tset"`},
		"off already":          {one + "    plugins: {disabled: [{name: Test}]}\n", "plugin Test is off unless it is enabled"},
		"disabled twice":       {one + "    plugins: {disabled: [{name: ClusterPrice}, {name: ClusterPrice}]}\n", "disabled[1].name: plugin \"ClusterPrice\" is listed twice"},
		"enabled twice":        {plugins + "        - name: Test\n        - name: Test\n", "f.yaml:8: "},
		"on and off":           {plugins + "        - name: ClusterPrice\n      disabled: [{name: ClusterPrice}]\n", "plugin ClusterPrice is disabled too"},
		"weight of a filter":   {plugins + "        - name: TaintToleration\n          weight: 2\n", "f.yaml:8: profiles[0].plugins.enabled[0].weight: plugin TaintToleration gives no scores"},
		"weight of another":    {plugins + "        - name: Test\n          weight: 2\n", "plugin Test gives no scores"},
		"no weight":            {plugins + "        - name: Test\n          weight: 0\n", "weight 0 is out of range; write a number from 1 to 1000000"},
		"arguments refused":    {plugins + "        - name: Picky\n    pluginConfig:\n      - name: Picky\n        args: {limt: 1}\n", `f.yaml:10: profiles[0].pluginConfig[0].args: making plugin Picky: decoding plugin arguments: json: unknown field "limt"`},
		"arguments unused":     {one + "    pluginConfig: [{name: Test}]\n", "plugin Test is not enabled"},
		"arguments built-in":   {one + "    pluginConfig: [{name: ClusterPrice}]\n", "plugin ClusterPrice takes no arguments"},
		"arguments unknown":    {one + "    pluginConfig: [{name: Tset}]\n", `unknown plugin "Tset"`},
		"no extension point":   {plugins + "        - name: Idle\n", `plugin Idle calls itself "Test"`},
		"nothing made":         {plugins + "        - name: None\n", "the factory returned none"},
		"spread mode":          {one + "    options: {spread: All}\n", `options.spread: unknown mode "All"; write Compatible, Reference or Every`},
		"extender address":     {one + "extenders: [{urlPrefix: localhost, filterVerb: f}]", "f.yaml:5: extenders[0].urlPrefix: this is no address"},
		"extender password":    {one + "extenders: [{urlPrefix: 'http://a:secret@b', filterVerb: f}]", "credentials"},
		"extender idle":        {one + "extenders: [{urlPrefix: 'http://b'}]", "extenders[0]: the extender is asked nothing"},
		"extender timeout":     {one + "extenders: [{urlPrefix: 'http://b', filterVerb: f, httpTimeout: 2h}]", `httpTimeout: "2h" is no timeout; write a duration up to 1m0s`},
		"extender weight":      {one + "extenders: [{urlPrefix: 'http://b', filterVerb: f, weight: -1}]", "weight -1 is out of range"},
		"extender without TLS": {one + "extenders: [{urlPrefix: 'http://b', filterVerb: f, tlsConfig: {caFile: c}}]", "asked without TLS"},
		"extender binds":       {one + "extenders: [{urlPrefix: 'http://b', bindVerb: b}]", "bindVerb: unknown field; remove it: clusters are not bound by extenders"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := framework.Load("f.yaml", []byte(c.content), errorRegistry())
			var wrong *configfile.Error
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nlacks %s", err, c.want)
			}
		})
	}
}

func errorRegistry() framework.Registry {
	registry := registry(filterFunc(nil))
	registry["Picky"] = func(arguments framework.Arguments) (framework.Plugin, error) {
		return nil, arguments.Decode(&struct {
			Limit int `json:"limit"`
		}{})
	}
	registry["Idle"] = func(framework.Arguments) (framework.Plugin, error) { return idle{}, nil }
	registry["None"] = func(framework.Arguments) (framework.Plugin, error) { return nil, nil }
	return registry
}

func TestAllProblemsAtOnce(t *testing.T) {
	content := header + "profiles:\n  - schedulerName: s\n    plugins:\n      enabled: [{name: A}]\n      disabled: [{name: B}]\n    options: {spread: x}\n"
	_, err := framework.Load("f", []byte(content), nil)
	var wrong *configfile.Error
	if !errors.As(err, &wrong) {
		t.Fatal(err)
	}
	var lines []int
	for _, problem := range wrong.Problems {
		lines = append(lines, problem.Line)
	}
	if diff := cmp.Diff([]int{7, 6, 8}, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s\n%v", diff, err)
	}
}

func TestPluginWithoutExtensionPoint(t *testing.T) {
	content := header + "profiles: [{schedulerName: s, plugins: {enabled: [{name: Test}]}}]"
	_, err := framework.Load("f", []byte(content), registry(idle{}))
	if err == nil || !strings.Contains(err.Error(), "plugin Test has no extension point") {
		t.Errorf("error %v", err)
	}
}

func TestBuiltInNamesAreTaken(t *testing.T) {
	taken := framework.Registry{"ClusterLocality": registry(idle{})["Test"]}
	_, err := framework.Load("f", []byte(full), taken)
	if err == nil || !strings.Contains(err.Error(), "registering plugin ClusterLocality") {
		t.Errorf("error %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(header + "profiles: [{schedulerName: &a s, plugins: {enabled: [{name: Tset}]}}, *a]"))
	f.Add([]byte("apiVersion: [1]\n? {a: b}\n: c\n---\n"))
	f.Add([]byte(`{"profiles":[{"schedulerName":"a.b","x[1]":2}]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		loaded, err := framework.Load("f", content, errorRegistry())
		if err != nil {
			var wrong *configfile.Error
			if !errors.As(err, &wrong) || len(wrong.Problems) == 0 || !strings.HasPrefix(err.Error(), "f:") {
				t.Errorf("error %v does not name the file", err)
			}
			return
		}
		if len(loaded.Profiles) == 0 {
			t.Error("loaded without a profile")
		}
		for i := range loaded.Profiles {
			own := &loaded.Profiles[i]
			if found, ok := loaded.Profile(own.SchedulerName); !ok || found != own {
				t.Errorf("profile %q is not found by its name", own.SchedulerName)
			}
		}
		for _, extender := range loaded.Extenders {
			if extender.Weight < 1 || extender.Timeout <= 0 || extender.FilterVerb+extender.PrioritizeVerb == "" {
				t.Errorf("loaded extender %+v", extender)
			}
		}
	})
}
