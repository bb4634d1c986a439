package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/seatrial/seatrial/configfile"
	"github.com/seatrial/seatrial/controlplane"
)

// maxBytes is more than any scenario needs; large data belongs into files of their own.
const maxBytes = 4 << 20

// Load reads a scenario (YAML or JSON). Name is what errors call it, and the files that it names are found in files, which may be
// nil when it names none. Whatever is wrong with it is reported at once as a *configfile.Error.
func Load(name string, content []byte, files fs.FS) (*Scenario, error) {
	p := &problems{}
	read := p.decode(content)
	if read == nil {
		return nil, p.err(name)
	}
	read.name, read.content, read.root, read.files = name, content, p.root, files
	p.rules(reflect.ValueOf(read).Elem(), "")
	p.check(read)
	if err := p.err(name); err != nil {
		return nil, err
	}
	read.kinds = p.kinds
	return read, nil
}

// decode turns the content into a scenario; nil when it cannot be read at all. A scenario with fields of the wrong shape is read as
// far as possible, so that its other problems are found too.
func (p *problems) decode(content []byte) *Scenario {
	if len(content) > maxBytes {
		p.add("", "put large data into files of their own", "%d bytes are more than the %d a scenario may have", len(content), maxBytes)
		return nil
	}
	var root yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	switch err := decoder.Decode(&root); {
	case errors.Is(err, io.EOF):
		p.add("", "write one with apiVersion, kind, metadata, duration and fleet", "the file is empty")
		return nil
	case err != nil:
		p.syntax("", err)
		return nil
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		p.add("", "keep one document and remove the separator ---", "the file has more than one document")
		return nil
	}
	var generic any
	if err := root.Decode(&generic); err != nil {
		p.syntax("", err)
		return nil
	}
	asJSON, err := json.Marshal(generic)
	if err != nil {
		p.add("", "write numbers and text, and text for the names of fields", "%v", err)
		return nil
	}
	p.root = &root
	p.shape(root.Content[0], reflect.TypeFor[Scenario](), "")
	if _, ok := generic.(map[string]any); !ok {
		return nil
	}
	read := &Scenario{}
	if err := json.Unmarshal(asJSON, read); err != nil && len(p.list) == 0 {
		p.add("", "", "%v", err)
	}
	return read
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// syntax reports an error of a YAML parser, which may name a line.
func (p *problems) syntax(file string, err error) {
	problem := configfile.Problem{File: file, Text: strings.Join(strings.Fields(err.Error()), " "), Fix: "write valid YAML"}
	if match := yamlLine.FindStringSubmatch(problem.Text); match != nil {
		problem.Line, _ = strconv.Atoi(match[1])
		problem.Text = strings.Replace(problem.Text, match[0], "", 1)
	}
	p.list = append(p.list, problem)
}

// check holds the parts of a scenario against each other.
func (p *problems) check(s *Scenario) {
	if s.APIVersion != "" && s.APIVersion != APIVersion {
		p.add("apiVersion", "write "+APIVersion, "unknown version %q", s.APIVersion)
	}
	if s.Kind != "" && s.Kind != Kind {
		p.add("kind", "write "+Kind, "unknown kind %q", s.Kind)
	}
	p.label("metadata.name", s.Metadata.Name)
	if s.Fleet.Snapshot == "" && len(s.Fleet.Clusters) == 0 && !s.tracesNodes() {
		p.add("fleet", "add clusters, or a snapshot", "the fleet has no clusters")
	}
	for i := range s.Fleet.Clusters {
		p.clusterGroup(index("fleet.clusters", i), &s.Fleet.Clusters[i])
	}
	for i := range s.Manifests {
		p.manifest(s, index("manifests", i), &s.Manifests[i])
	}
	for i := range s.Workloads {
		p.workloads(index("workloads", i), &s.Workloads[i])
	}
	for i := range s.Traces {
		p.trace(s, index("traces", i), &s.Traces[i])
	}
	for i := range s.Timeline {
		p.event(s, index("timeline", i), &s.Timeline[i])
	}
	p.floor("floor", &s.Floor)
	p.settings(s)
	for i := range s.Expect {
		p.objective(s, index("expect", i), &s.Expect[i])
	}
	if s.Fleet.Snapshot != "" {
		p.readable(s, "fleet.snapshot", s.Fleet.Snapshot)
	}
}

func (s *Scenario) tracesNodes() bool {
	for i := range s.Traces {
		if s.Traces[i].Nodes != "" {
			return true
		}
	}
	return false
}

// label holds the name of an object or cluster against what Kubernetes takes. Patterns are checked by what they become.
func (p *problems) label(field, name string) {
	if name == "" {
		return
	}
	if faults := validation.IsDNS1123Label(strings.ReplaceAll(name, placeholder, "1")); len(faults) > 0 {
		p.add(field, "write lower-case letters, digits and dashes", "%q is no name", name)
	}
}

// placeholder becomes 1, 2, 3... in the names of what there are several of.
const placeholder = "{n}"

// pattern holds a name against the count of what has it.
func (p *problems) pattern(field, name string, count int) {
	p.label(field, name)
	if count > 1 && name != "" && !strings.Contains(name, placeholder) {
		p.add(field, "write a name with {n}, such as "+name+"-{n}", "%d of them cannot all be called %s", count, name)
	}
}

func named(pattern string, n int) string {
	return strings.ReplaceAll(pattern, placeholder, strconv.Itoa(n))
}

func (p *problems) clusterGroup(field string, g *ClusterGroup) {
	p.pattern(field+".name", g.Name, g.Count)
	p.latency(field+".startup", g.Startup)
	if g.API != nil {
		p.latency(field+".api.serviceTime", g.API.ServiceTime)
	}
	seen := map[string]bool{}
	var first *Autoscaling
	for i := range g.Pools {
		pool, at := &g.Pools[i], index(field+".pools", i)
		p.label(at+".name", pool.Name)
		if name := orWord(pool.Name, defaultPool); seen[name] {
			p.add(at+".name", "give each pool a name of its own", "there is another pool %s", name)
		} else {
			seen[name] = true
		}
		if scaling := pool.Autoscaling; scaling != nil {
			p.latency(at+".autoscaling.delay", scaling.Delay)
			if first == nil {
				first = scaling
			}
			if scaling.IdleAfter != first.IdleAfter || !reflect.DeepEqual(scaling.Delay, first.Delay) {
				p.add(at+".autoscaling", "give all pools of a cluster the same delay and idleAfter", "it scales otherwise than the pools before")
			}
			if scaling.Max > 0 && (scaling.Max < scaling.Min || scaling.Max < pool.Count) {
				p.add(at+".autoscaling.max", "write a max that is not below min and count", "max is %d", scaling.Max)
			}
		}
	}
}

func (p *problems) span(field string, d *Distribution) {
	if d != nil {
		d.check(p, field, Span)
	}
}

// latency is a time that things take within a cluster. These are drawn without bounds.
func (p *problems) latency(field string, d *Distribution) {
	p.span(field, d)
	if d == nil {
		return
	}
	_, may := d.Shape.parameters()
	for _, bound := range []struct {
		name  string
		given bool
	}{{"min", !d.Min.empty()}, {"max", !d.Max.empty()}} {
		if bound.given && slices.Contains(may, bound.name) {
			p.add(field+"."+bound.name, "remove it, or write shape: Uniform", "times of this sort have no bounds")
		}
	}
}

// part is a part of a whole.
func (p *problems) part(field string, part *Amount) {
	if !part.empty() && part.err == nil && (part.Unit == Span || part.Value > 1) {
		p.add(field, "write a part such as 55%", "%s is no part", part.text)
	}
}

func (p *problems) floor(field string, floor *Amount) {
	switch {
	case floor.empty() || floor.err != nil:
	case floor.Unit == Span:
		p.add(field, "write a part such as 80%, or a number of replicas", "a floor is no duration")
	case floor.Unit == Percent && floor.Value > 1:
		p.add(field, "write at most 100%", "%s is more than all", floor.text)
	}
}

func (p *problems) pick(field string, pick *Amount) {
	if !pick.empty() && pick.Unit == Span {
		p.add(field, "write a number or a part such as 25%", "a duration picks nothing")
	}
}

func (p *problems) workloads(field string, w *Workloads) {
	p.pattern(field+".name", w.Name, w.Count)
	for i, namespace := range w.Namespaces {
		p.label(index(field+".namespaces", i), namespace)
	}
	if w.Replicas != nil {
		w.Replicas.check(p, field+".replicas", Plain)
	}
	p.span(field+".lifetime", w.Lifetime)
	p.floor(field+".floor", &w.Floor)
	p.propagation(field+".policy", w.Policy)
	at := field + ".arrival"
	switch a := w.Arrival; {
	case a.Process == uniform && a.Over.Duration == 0:
		p.add(at+".over", "add the time they are spread over, such as 10m", "Uniform needs it")
	case a.Process == poisson && a.PerMinute == 0:
		p.add(at+".perMinute", "add how many arrive in a minute", "Poisson needs it")
	case a.Process != uniform && !a.Over.empty():
		p.add(at+".over", "write process: Uniform, or remove it", "it has no meaning here")
	case a.Process != poisson && a.PerMinute != 0:
		p.add(at+".perMinute", "write process: Poisson, or remove it", "it has no meaning here")
	}
}

func (p *problems) settings(s *Scenario) {
	for _, gate := range sortedKeys(s.Settings.FeatureGates) {
		if !slices.Contains(featureGates(), gate) {
			p.add("settings.featureGates."+gate, didYouMean(gate, featureGates()), "unknown feature gate")
		}
	}
	p.latency("settings.api.serviceTime", s.Settings.API.ServiceTime)
	p.latency("settings.members.startup", s.Settings.Members.Startup)
	p.latency("settings.members.api.serviceTime", s.Settings.Members.API.ServiceTime)
	p.moves(&s.Settings)
	eviction := &s.Settings.Eviction
	p.part("settings.eviction.unhealthyThreshold", &eviction.UnhealthyThreshold)
	p.part("settings.eviction.stopThreshold", &eviction.StopThreshold)
	p.part("settings.eviction.floor", &eviction.Floor)
	if !s.Settings.Estimator.Timeout.empty() && s.Settings.Estimator.Source != byNodes {
		p.add("settings.estimator.timeout", "add source: Nodes, or remove it", "nobody is asked for estimates")
	}
	if len(s.Settings.Controllers) > 0 {
		defaults := controlplane.Defaults()
		known := append(controlplane.Controllers(defaults), controlplane.Optional(defaults)...)
		if _, err := controlplane.Choose(known, s.Settings.Controllers); err != nil {
			p.add("settings.controllers", "write *, NAME or -NAME", "%v", err)
		}
	}
}

// moves checks how replicas move between clusters that are well.
func (p *problems) moves(s *Settings) {
	surge := &s.Rebalance.Surge
	if p.pick("settings.rebalance.surge", surge); !surge.empty() && surge.err == nil && surge.Unit == Plain && (surge.Value < 1 || surge.Value != math.Trunc(surge.Value)) {
		p.add("settings.rebalance.surge", "write a number such as 2, or a part such as 25%", "%s is no number of replicas from 1 on", surge.text)
	}
	p.part("settings.rebalance.hysteresis", &s.Rebalance.Hysteresis)
	p.part("settings.rebalance.atOnce", &s.Rebalance.AtOnce)
	p.interval("settings.rebalance.interval", &s.Rebalance.Interval)
	if s.Descheduler != nil {
		p.interval("settings.descheduler.interval", &s.Descheduler.Interval)
	}
}

// interval is the time between two looks: at none there is no second one.
func (p *problems) interval(field string, interval *Duration) {
	if !interval.empty() && interval.err == nil && interval.Duration == 0 {
		p.add(field, durationFix, "%s is no interval", interval.text)
	}
}

// readable reads a file that the scenario names.
func (p *problems) readable(s *Scenario, field, name string) []byte {
	if s.files == nil {
		p.add(field, "write its content inline", "%s cannot be read: the scenario stands alone", name)
		return nil
	}
	content, err := fs.ReadFile(s.files, name)
	if err != nil {
		p.add(field, "write a path relative to the scenario, without ..", "%v", err)
		return nil
	}
	return content
}
