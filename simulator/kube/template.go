package kube

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
)

// Annotations on the template of a Job's pods: how long they run, in seconds, and the fraction of them that fails.
const (
	AnnotationRunSeconds = "simulator.seatrial.io/run-seconds"
	AnnotationFailRate   = "simulator.seatrial.io/fail-rate"
)

// template is a PodTemplateSpec as the scheduler and the kubelets read it. The spec is the caller's and never changed.
type template struct {
	spec *corev1.PodTemplateSpec
	// pod is the spec of its pods, which have defaults that a template has not.
	pod       *corev1.PodSpec
	namespace string
	labels    labels.Set
	profile   *profile
	alike     likeness

	requests []amount
	// cpu and memory are what it counts for in scores, asksCPU and asksMemory what it requests.
	cpu, memory         int64
	asksCPU, asksMemory int64
	priority            int32
	// gated pods are not scheduled, forbidden ones not made.
	preempts, gated, forbidden bool

	tolerations []corev1.Toleration
	required    nodeaffinity.RequiredNodeAffinity
	preferred   *nodeaffinity.PreferredSchedulingTerms
	// pinned templates run on the node of their number; picky ones tell nodes apart by name.
	pinned, picky bool
	ports         []port

	hard, soft  []spread
	need, avoid []podTerm
	attract     []weighted

	images   []int32
	grace    time.Duration
	minReady time.Duration
	runs     bool
	runFor   time.Duration
	failRate float64

	// verdicts of the shapes, made when first asked for.
	verdicts []verdict
	parked   *parked
	// shares are those in the quotas of version quotaVersion.
	shares       []share
	quotaVersion uint64
}

// verdict is what a template finds in a shape of nodes.
type verdict struct {
	known bool
	// reject is why its pods cannot run there, zero when they can. selected looks at the node affinity alone.
	reject   reason
	selected bool
	// prefers and shuns are the raw scores of preferred node affinity and PreferNoSchedule taints.
	prefers, shuns int32
}

type port struct {
	ip       string
	protocol corev1.Protocol
	number   int32
}

func (p port) conflicts(q port) bool {
	return p.number == q.number && p.protocol == q.protocol && (p.ip == q.ip || p.ip == "0.0.0.0" || q.ip == "0.0.0.0")
}

// compile reads a template, for a set whose pods it tells by the hash.
func (c *Cluster) compile(w *workload, spec *corev1.PodTemplateSpec, hash string) (*template, error) {
	t := &template{spec: spec, namespace: w.key.Namespace, labels: labels.Set(spec.Labels)}
	var admitted bool
	t.pod, admitted = c.limited(t.namespace, withDefaultRequests(&spec.Spec))
	t.forbidden = !admitted
	t.requests, t.cpu, t.memory = c.resources.podRequests(t.pod)
	for _, a := range t.requests {
		switch a.column {
		case columnCPU:
			t.asksCPU = a.value
		case columnMemory:
			t.asksMemory = a.value
		}
	}
	if hash != "" {
		t.labels = labels.Merge(t.labels, labels.Set{w.hashLabel(): hash})
	}
	if len(c.resources.names) > c.stride {
		c.widen()
	}
	class := c.priorityOf(&spec.Spec)
	t.priority = class.value
	t.preempts = ptr.Deref(spec.Spec.PreemptionPolicy, class.preemption) != corev1.PreemptNever
	t.gated = len(spec.Spec.SchedulingGates) > 0
	t.profile = c.profileOf(spec.Spec.SchedulerName)
	t.grace = time.Duration(ptr.Deref(spec.Spec.TerminationGracePeriodSeconds, 30)) * time.Second
	t.readContainers(c, &spec.Spec)
	if err := t.readNodeTerms(c, w); err != nil {
		return nil, err
	}
	if err := t.readPodTerms(c, w); err != nil {
		return nil, err
	}
	if err := t.readLikeness(); err != nil {
		return nil, fmt.Errorf("summing up the template: %w", err)
	}
	return t, t.readAnnotations(w)
}

// priorityClass is what pods take over from a PriorityClass.
type priorityClass struct {
	value      int32
	preemption corev1.PreemptionPolicy
}

// priorityOf resolves what admission would have written into the pod.
func (c *Cluster) priorityOf(spec *corev1.PodSpec) priorityClass {
	if spec.Priority != nil {
		return priorityClass{value: *spec.Priority, preemption: c.priorityClasses[spec.PriorityClassName].preemption}
	}
	switch spec.PriorityClassName {
	case "system-node-critical":
		return priorityClass{value: 2000001000}
	case "system-cluster-critical":
		return priorityClass{value: 2000000000}
	case "":
		return c.defaultClass
	}
	return c.priorityClasses[spec.PriorityClassName]
}

func (t *template) readContainers(c *Cluster, spec *corev1.PodSpec) {
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			if id := c.image(containers[i].Image); !slices.Contains(t.images, id) {
				t.images = append(t.images, id)
			}
			for _, p := range containers[i].Ports {
				if p.HostPort > 0 {
					taken := port{ip: p.HostIP, protocol: p.Protocol, number: p.HostPort}
					if taken.ip == "" {
						taken.ip = "0.0.0.0"
					}
					if taken.protocol == "" {
						taken.protocol = corev1.ProtocolTCP
					}
					t.ports = append(t.ports, taken)
				}
			}
		}
	}
}

// readNodeTerms reads tolerations, with those that admission and the DaemonSet controller add, and node affinity.
func (t *template) readNodeTerms(c *Cluster, w *workload) error {
	spec := &t.spec.Spec
	t.tolerations = slices.Clone(spec.Tolerations)
	if w.key.Kind == KindDaemonSet {
		t.pinned = true
		for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
			forever := corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}
			// One that the template has for some seconds only gives way.
			t.tolerations = slices.DeleteFunc(t.tolerations, func(own corev1.Toleration) bool { return own.MatchToleration(&forever) })
			t.tolerations = append(t.tolerations, forever)
		}
		for _, key := range []string{corev1.TaintNodeDiskPressure, corev1.TaintNodeMemoryPressure, corev1.TaintNodePIDPressure,
			corev1.TaintNodeUnschedulable, corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
			t.tolerations = append(t.tolerations, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
		}
	}
	seconds := int64(c.timing.Toleration / time.Second)
	for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		taint := corev1.Taint{Key: key, Effect: corev1.TaintEffectNoExecute}
		if !t.tolerates(&taint) {
			t.tolerations = append(t.tolerations, corev1.Toleration{
				Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds})
		}
	}
	t.required = nodeaffinity.NewRequiredNodeAffinity(spec.NodeSelector, spec.Affinity)
	_, t.picky = spec.NodeSelector[corev1.LabelHostname]
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil {
		return nil
	}
	affinity := spec.Affinity.NodeAffinity
	if required := affinity.RequiredDuringSchedulingIgnoredDuringExecution; required != nil {
		for i := range required.NodeSelectorTerms {
			t.picky = t.picky || namesNodes(&required.NodeSelectorTerms[i])
		}
	}
	for i := range affinity.PreferredDuringSchedulingIgnoredDuringExecution {
		t.picky = t.picky || namesNodes(&affinity.PreferredDuringSchedulingIgnoredDuringExecution[i].Preference)
	}
	if len(affinity.PreferredDuringSchedulingIgnoredDuringExecution) == 0 {
		return nil
	}
	preferred, err := nodeaffinity.NewPreferredSchedulingTerms(affinity.PreferredDuringSchedulingIgnoredDuringExecution)
	if err != nil {
		return fmt.Errorf("reading the preferred node affinity: %w", err)
	}
	t.preferred = preferred
	return nil
}

// namesNodes reports whether a term looks at what no two nodes have in common.
func namesNodes(term *corev1.NodeSelectorTerm) bool {
	return len(term.MatchFields) > 0 || slices.ContainsFunc(term.MatchExpressions, func(r corev1.NodeSelectorRequirement) bool {
		return r.Key == corev1.LabelHostname
	})
}

func (t *template) readAnnotations(w *workload) error {
	t.runs = w.key.Kind == KindJob
	if text := t.spec.Annotations[AnnotationRunSeconds]; text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || seconds < 0 {
			return fmt.Errorf("annotation %s is %q: it must be a number of seconds, 0 or more", AnnotationRunSeconds, text)
		}
		t.runFor = max(time.Duration(seconds*float64(time.Second)), 1)
	}
	if text := t.spec.Annotations[AnnotationFailRate]; text != "" {
		rate, err := strconv.ParseFloat(text, 64)
		if err != nil || rate < 0 || rate > 1 {
			return fmt.Errorf("annotation %s is %q: it must be a number from 0 to 1", AnnotationFailRate, text)
		}
		t.failRate = rate
	}
	return nil
}

func (t *template) tolerates(taint *corev1.Taint) bool {
	return schedulinghelpers.TolerationsTolerateTaint(klog.Logger{}, t.tolerations, taint, false)
}

// patience is how long pods of the template stay on nodes of a shape, by its NoExecute taints: zero when they leave at once,
// below zero when they stay.
func (t *template) patience(s *shape) time.Duration {
	patience := Never
	for i := range s.taints {
		taint := &s.taints[i]
		if taint.Effect != corev1.TaintEffectNoExecute {
			continue
		}
		tolerated := false
		for j := range t.tolerations {
			if !t.tolerations[j].ToleratesTaint(klog.Logger{}, taint, false) {
				continue
			}
			tolerated = true
			if seconds := t.tolerations[j].TolerationSeconds; seconds != nil {
				limit := max(time.Duration(*seconds)*time.Second, 0)
				if patience < 0 || limit < patience {
					patience = limit
				}
			}
		}
		if !tolerated {
			return 0
		}
	}
	return patience
}

// verdict is what the template finds in the shape of a node.
func (c *Cluster) verdict(t *template, row int32) verdict {
	id := c.nodes[row].shape
	if t.picky {
		return c.judge(t, &c.shapes.rows[id], c.nodeName(row))
	}
	return *c.verdictOf(t, id)
}

func (c *Cluster) verdictOf(t *template, shape int32) *verdict {
	if len(t.verdicts) <= int(shape) {
		t.verdicts = append(t.verdicts, make([]verdict, int(shape)+1-len(t.verdicts))...)
	}
	if !t.verdicts[shape].known {
		t.verdicts[shape] = c.judge(t, &c.shapes.rows[shape], "")
	}
	return &t.verdicts[shape]
}

func (c *Cluster) judge(t *template, s *shape, name string) verdict {
	v := verdict{known: true}
	object := s.object(name)
	matches, err := t.required.Match(object)
	v.selected = matches && err == nil
	if !v.selected && t.profile.filters(pluginNodeAffinity) {
		v.reject = rejectAffinity
	}
	if t.preferred != nil {
		v.prefers = int32(t.preferred.Score(object))
	}
	for i := range s.taints {
		taint := &s.taints[i]
		if taint.Effect == corev1.TaintEffectPreferNoSchedule {
			if !schedulinghelpers.TolerationsTolerateTaint(klog.Logger{}, preferNoSchedule(t.tolerations), taint, false) {
				v.shuns++
			}
			continue
		}
		plugin := pluginTaintToleration
		if taint.Key == corev1.TaintNodeUnschedulable {
			plugin = pluginNodeUnschedulable
		}
		if v.reject == 0 && t.profile.filters(plugin) && !t.tolerates(taint) {
			v.reject = rejectTaint
		}
	}
	return v
}

// preferNoSchedule are the tolerations that count for scores: those without an effect, or with this one.
func preferNoSchedule(tolerations []corev1.Toleration) []corev1.Toleration {
	var count []corev1.Toleration
	for _, toleration := range tolerations {
		if toleration.Effect == "" || toleration.Effect == corev1.TaintEffectPreferNoSchedule {
			count = append(count, toleration)
		}
	}
	return count
}

// hashOf is a name for a revision, of the kind that Kubernetes gives.
func hashOf(key Key, revision int64) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s %d", key, revision)
	return rand.SafeEncodeString(strconv.FormatUint(uint64(h.Sum32()), 10))
}
