// Package fuzz runs the controllers of a control plane through random scenarios with random faults, judges every write by the
// invariants, and shrinks what fails to a small scenario that can be replayed.
package fuzz

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/seatrial/seatrial/fleet"
)

// Action is what a step does.
type Action string

// What users do. Object is what is applied, and otherwise a reference: its kind, namespace and name.
const (
	Apply      Action = "apply"
	Delete     Action = "delete"
	DeleteCopy Action = "deleteCopy"
	Scale      Action = "scale"
	Label      Action = "label"
	Taint      Action = "taint"
	Untaint    Action = "untaint"
	Join       Action = "join"
	Unjoin     Action = "unjoin"
	// Entrust gives the control plane credentials for acting in a cluster as somebody else, kept in a namespace; without one it
	// takes them away.
	Entrust Action = "entrust"
)

// Faults last for a time.
const (
	Kill           Action = "kill"
	Pause          Action = "pause"
	Partition      Action = "partition"
	PlaneDown      Action = "planeDown"
	SlowWatch      Action = "slowWatch"
	LostWatch      Action = "lostWatch"
	RepeatWatch    Action = "repeatWatch"
	Conflict       Action = "conflict"
	Refuse         Action = "refuse"
	SlowAPI        Action = "slowAPI"
	Crash          Action = "crash"
	LoseNode       Action = "loseNode"
	BadEstimator   Action = "badEstimator"
	StaleEstimator Action = "staleEstimator"
	ClockSkew      Action = "clockSkew"
)

// Faults are all of them, in the order of reports.
func Faults() []Action {
	return []Action{
		Kill, Pause, Partition, PlaneDown, SlowWatch, LostWatch, RepeatWatch, Conflict, Refuse, SlowAPI, Crash, LoseNode,
		BadEstimator, StaleEstimator, ClockSkew,
	}
}

// Scenario is a fleet and what happens to it. It holds all that a run depends on.
type Scenario struct {
	// Seed draws what the steps leave open: identifiers, which calls a fault hits.
	Seed uint64 `json:"seed"`
	// Size is what its seed was drawn with; empty for large.
	Size     string       `json:"size,omitempty"`
	Clusters []fleet.Spec `json:"clusters"`
	// Duration is when faults end and the fleet must settle.
	Duration metav1.Duration `json:"duration"`
	// EnforceQuotas has admission refuse bindings beyond the FederatedResourceQuotas of their namespace.
	EnforceQuotas bool   `json:"enforceQuotas,omitempty"`
	Steps         []Step `json:"steps"`
}

// Step happens at a time after the beginning. A step that makes no sense any more, because others were left out, does nothing.
type Step struct {
	At metav1.Duration `json:"at"`
	Do Action          `json:"do"`
	// Cluster is the member, or empty for the control plane.
	Cluster  string                     `json:"cluster,omitempty"`
	Object   *unstructured.Unstructured `json:"object,omitempty"`
	Replicas int64                      `json:"replicas,omitempty"`
	Labels   map[string]string          `json:"labels,omitempty"`
	// Namespace is where credentials are kept.
	Namespace string `json:"namespace,omitempty"`
	// Effect is that of a taint; NoSchedule when empty.
	Effect corev1.TaintEffect `json:"effect,omitempty"`
	// For is how long a fault lasts.
	For metav1.Duration `json:"for,omitzero"`
	// Rate is which part of the calls or deliveries a fault in them hits; 0 for 0.3 of the calls and all deliveries.
	Rate float64 `json:"rate,omitempty"`
	// Delay is that of a watch, the time of a slow API server for a write, how long a crashed process stays away, and how far a
	// skewed clock is ahead.
	Delay metav1.Duration `json:"delay,omitzero"`
	// Controller is the one that crashes after as many writes in one turn, the one before whose write in a turn the control
	// plane fails, and the only one whose writes a conflict, a refusal or a slow answer hits; empty for all.
	Controller string `json:"controller,omitempty"`
	Writes     int    `json:"writes,omitempty"`
	// Node is the one that a member loses; empty for its first.
	Node string `json:"node,omitempty"`
}

// Parse reads a scenario from YAML or JSON.
func Parse(text []byte) (Scenario, error) {
	var scenario Scenario
	if err := yaml.UnmarshalStrict(text, &scenario); err != nil {
		return Scenario{}, fmt.Errorf("reading the scenario: %w", err)
	}
	if len(scenario.Clusters) == 0 {
		return Scenario{}, fmt.Errorf("reading the scenario: clusters: there is none; name at least one")
	}
	if _, err := SizeOf(scenario.Size); err != nil {
		return Scenario{}, fmt.Errorf("reading the scenario: size: %w", err)
	}
	for i, step := range scenario.Steps {
		if err := step.validate(); err != nil {
			return Scenario{}, fmt.Errorf("reading the scenario: steps[%d]: %w", i, err)
		}
	}
	return scenario, nil
}

func (s Step) validate() error {
	switch s.Do {
	case Apply, Delete, DeleteCopy, Scale:
		if s.Object == nil || s.Object.GetKind() == "" || s.Object.GetName() == "" {
			return fmt.Errorf("object: %s needs one with kind and name", s.Do)
		}
		return nil
	case Label, Taint, Untaint, Join, Unjoin, Entrust, Kill, Pause, Partition, LoseNode, BadEstimator, StaleEstimator:
		if s.Cluster == "" {
			return fmt.Errorf("cluster: %s needs one", s.Do)
		}
		return nil
	case PlaneDown, SlowWatch, LostWatch, RepeatWatch, Conflict, Refuse, SlowAPI, Crash, ClockSkew:
		if s.Rate < 0 || s.Rate > 1 {
			return fmt.Errorf("rate: %g is no part; give one from 0 to 1", s.Rate)
		}
		return nil
	}
	return fmt.Errorf("do: there is no action %q", s.Do)
}

// workloads counts the objects of users that are propagated.
func (s Scenario) workloads() int {
	names := map[string]bool{}
	for _, step := range s.Steps {
		if step.Do == Apply && slices.ContainsFunc(kindsOfWorkloads, func(k workloadKind) bool { return k.kind == step.Object.GetKind() }) {
			names[step.Object.GetKind()+" "+step.Object.GetNamespace()+"/"+step.Object.GetName()] = true
		}
	}
	return len(names)
}

// YAML is the scenario in the form that Parse reads.
func (s Scenario) YAML() (string, error) {
	text, err := yaml.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("writing the scenario: %w", err)
	}
	return string(text), nil
}
