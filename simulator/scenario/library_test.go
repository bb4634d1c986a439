package scenario

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/seatrial/seatrial/api/admission"
)

// TestLibrary loads and plans every scenario that comes with the program.
func TestLibrary(t *testing.T) {
	themes := sets.New[string]()
	for _, name := range Library() {
		t.Run(name, func(t *testing.T) {
			read, _, err := FromLibrary(name)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := read.Plan(read.Seed)
			if err != nil {
				t.Fatal(err)
			}
			themes.Insert(read.Metadata.Labels["theme"])
			if plan.Name != name {
				t.Errorf("its name is %s", plan.Name)
			}
			if len(strings.Fields(plan.Description)) < 20 {
				t.Error("it has no paragraph that describes it")
			}
			if len(plan.Clusters) < 3 || len(plan.Objects) == 0 || len(plan.Actions) == 0 || len(plan.Objectives) < 2 {
				t.Errorf("%d clusters, %d objects, %d actions and %d objectives are too little", len(plan.Clusters), len(plan.Objects), len(plan.Actions), len(plan.Objectives))
			}
		})
	}
	if len(Library()) < 20 || themes.Len() < 6 {
		t.Errorf("%d scenarios on %v", len(Library()), sets.List(themes))
	}
}

// TestLibraryIsAdmitted holds that a control plane takes every object of every scenario.
func TestLibraryIsAdmitted(t *testing.T) {
	options := admission.Options{IDs: func() string { return "0b2f6c1e-5d8e-4a53-9f0e-0c1f6b1d7a11" }, Now: metav1.NewTime(DefaultStart()), Modeling: true}
	for _, name := range Library() {
		read, _, err := FromLibrary(name)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := read.Plan(1)
		if err != nil {
			t.Fatal(err)
		}
		objects := plan.Objects
		for i := range plan.Actions {
			objects = append(objects, plan.Actions[i].Objects...)
		}
		for _, object := range objects {
			if err := admission.Default(object, nil, options); err != nil {
				t.Errorf("%s: %s %s: %v", name, kindName(object), object.GetName(), err)
			}
			for _, fault := range admission.Validate(object, nil, options) {
				t.Errorf("%s: %s %s: %v", name, kindName(object), object.GetName(), fault)
			}
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	read, err := Load("large.yaml", []byte(`apiVersion: simulator.seatrial.io/v1alpha1
kind: Scenario
metadata: {name: large}
duration: 24h
fleet:
  clusters:
    - {name: "m{n}", count: 100, region: eu, zones: [a, b, c], pools: [{count: 5000, cpu: 32}]}
workloads:
  - {name: "app-{n}", count: 10000, replicas: {mean: 200}, cpu: 100m}
timeline:
  - {at: 1h, for: 1h, fail: {pick: 25%}}
  - {every: 1h, scale: {workloads: {pick: 1%}, factor: 1.1}}
  - {every: 1h, failNodes: {pick: 20}, for: 30m}
`), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := read.Plan(1); err != nil {
			b.Fatal(err)
		}
	}
}
