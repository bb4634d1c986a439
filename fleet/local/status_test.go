package local

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"github.com/seatrial/seatrial/api/admission"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/examples/nginx"
	"github.com/seatrial/seatrial/fleet"
)

func TestLacking(t *testing.T) {
	placed := func(desired, ready int32, clusters ...Placement) *Workload {
		return &Workload{Name: "w", Desired: desired, Ready: ready, Clusters: clusters}
	}
	for _, c := range []struct {
		name     string
		workload *Workload
		want     string
	}{
		{"absent", nil, "it is not there"},
		{"unscheduled", placed(3, 0), "0 of 3 replicas are assigned to clusters"},
		{"partly assigned", placed(3, 2, Placement{"a", 2, 2}), "2 of 3 replicas are assigned to clusters"},
		{"starting", placed(3, 1, Placement{"a", 1, 1}, Placement{"b", 2, 0}), "ready: b 0/2"},
		{"too many", placed(1, 1, Placement{"a", 1, 2}), "ready: a 2/1"},
		{"not yet aggregated", placed(3, 1, Placement{"a", 1, 1}, Placement{"b", 2, 2}), "the control plane counts 1 of 3 ready"},
		{"ready", placed(3, 3, Placement{"a", 1, 1}, Placement{"b", 2, 2}), ""},
		{"scaled to nothing", placed(0, 0), ""},
	} {
		if got := c.workload.lacking(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFaults(t *testing.T) {
	whole := func(change func(*Status)) *Status {
		s := &Status{
			Clusters: []ClusterStatus{
				{Name: "plane", Role: fleet.ControlPlane, State: fleet.Running, Version: "v1", Ready: "True"},
				{Name: "m", Role: fleet.Member, State: fleet.Running, Version: "v1", Ready: "True"},
			},
			Components: []ComponentStatus{{Name: "c", Started: true, State: fleet.Running, Health: healthOK}},
			Example:    &Workload{Name: "w", Desired: 1, Ready: 1, Clusters: []Placement{{"m", 1, 1}}},
		}
		change(s)
		return s
	}
	for _, c := range []struct {
		name   string
		status *Status
		want   []string
	}{
		{"all well", whole(func(*Status) {}), nil},
		{"nothing", &Status{}, nil},
		{"stopped cluster", whole(func(s *Status) { s.Clusters[1].State = fleet.Stopped }), []string{"cluster m is stopped"}},
		{"silent cluster", whole(func(s *Status) { s.Clusters[0].Version = "" }), []string{"cluster plane does not answer"}},
		{"partition", whole(func(s *Status) { s.Clusters[1].Partitioned = true }), []string{"cluster m is partitioned from the control plane"}},
		{"not joined", whole(func(s *Status) { s.Clusters[1].Ready = NotJoined }), []string{"cluster m has not joined"}},
		{"not ready", whole(func(s *Status) { s.Clusters[1].Ready = "False" }), []string{"cluster m is not ready (False)"}},
		{"sick component", whole(func(s *Status) { s.Components[0].Health = "sick" }), []string{"component c: sick"}},
		{"waiting example", whole(func(s *Status) { s.Example.Ready = 0 }), []string{"deployment w: the control plane counts 0 of 1 ready"}},
		{"ended on purpose", whole(func(s *Status) {
			s.Clusters[0].State, s.Clusters[1].State = fleet.Stopped, fleet.Stopped
			s.Components[0] = ComponentStatus{Name: "c", State: fleet.Stopped, Health: "c does not run"}
		}), nil},
		{"all crashed", whole(func(s *Status) {
			s.Clusters[0].State, s.Clusters[1].State = fleet.Stopped, fleet.Stopped
			s.Components[0].State, s.Components[0].Health, s.Example = fleet.Stopped, "c does not run", nil
		}), []string{"cluster plane is stopped", "cluster m is stopped", "component c: c does not run"}},
	} {
		if got := c.status.Faults(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestProgressInAPipe(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out)
	clock := time.Unix(0, 0)
	p.now = func() time.Time { return clock }
	took := func(d time.Duration, err error) func(func(string)) error {
		return func(say func(string)) error {
			say("working")
			clock = clock.Add(d)
			return err
		}
	}
	broken := errors.New("broken")
	if err := p.Step("one", took(1500*time.Millisecond, nil)); err != nil {
		t.Error(err)
	}
	if err := p.Step("two", took(40*time.Millisecond, broken)); !errors.Is(err, broken) {
		t.Errorf("the step's error became %v", err)
	}
	if want := "✓ one (1.5s)\n✗ two (0.0s)\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestProgressOnATerminal(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out)
	p.terminal = true
	drawn := p.Step("one", func(say func(string)) error {
		say(strings.Repeat("long ", 40))
		p.draw()
		return nil
	})
	if drawn != nil {
		t.Fatal(drawn)
	}
	for _, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\r\x1b[K") {
		if n := len([]rune(line)); n >= 80 {
			t.Errorf("a line of %d characters wraps: %q", n, line)
		}
	}
	if !strings.Contains(out.String(), "long") || !strings.HasSuffix(out.String(), "s)\n") {
		t.Errorf("drew %q", out.String())
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		line  string
		width int
		want  string
	}{{"short", 10, "short"}, {"exactly10!", 10, "exactly1…"}, {"äöüäöüäöü", 5, "äöü…"}, {"any", 0, "any"}} {
		if got := clip(c.line, c.width); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.line, c.width, got, c.want)
		}
	}
}

// The example is what Up waits for: a Deployment by that name, and a valid policy that divides it over the default members.
func TestExampleManifests(t *testing.T) {
	deployment, policy := &appsv1.Deployment{}, &policyv1alpha1.PropagationPolicy{}
	for file, object := range map[string]any{"deployment.yaml": deployment, "propagationpolicy.yaml": policy} {
		text, err := nginx.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(text, object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	if deployment.Namespace != nginx.Namespace || deployment.Name != nginx.Name || policy.Namespace != nginx.Namespace {
		t.Errorf("the deployment is %s/%s, the policy in %s", deployment.Namespace, deployment.Name, policy.Namespace)
	}
	admission.PropagationOf(policy).Default(true, func() string { return "some-id" })
	if faults := admission.PropagationOf(policy).Validate(); len(faults) > 0 {
		t.Errorf("the policy: %v", faults)
	}
	selected := policy.Spec.ResourceSelectors[0]
	if selected.Kind != "Deployment" || selected.Name != deployment.Name {
		t.Errorf("the policy selects %+v", selected)
	}
	var members []string
	for _, spec := range fleetSpecs(3)[1:] {
		members = append(members, spec.Name)
	}
	if got := policy.Spec.Placement.ClusterAffinity.ClusterNames; !slices.Equal(got, members) {
		t.Errorf("the policy is for %v, the members are %v", got, members)
	}
}
