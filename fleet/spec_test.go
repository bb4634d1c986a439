package fleet

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSpecDefaults(t *testing.T) {
	standard := NodePool{Count: DefaultNodes, CPU: DefaultCPU, Memory: DefaultMemory, Pods: DefaultPods}
	for name, tc := range map[string]struct{ in, want Spec }{
		"member by default": {
			in:   Spec{Name: "m"},
			want: Spec{Name: "m", Role: Member, Nodes: standard, Startup: Startup{Delay: DefaultStartupDelay, Jitter: DefaultStartupJitter}},
		},
		"what is given stays": {
			in:   Spec{Name: "m", Role: Member, Nodes: NodePool{Count: 1, CPU: "2", Memory: "1Gi", Pods: "5"}, Startup: Startup{Jitter: time.Minute}},
			want: Spec{Name: "m", Role: Member, Nodes: NodePool{Count: 1, CPU: "2", Memory: "1Gi", Pods: "5"}, Startup: Startup{Jitter: time.Minute}},
		},
		"negative start-up means none": {
			in:   Spec{Name: "m", Nodes: standard, Startup: Startup{Delay: -1, Jitter: -1}},
			want: Spec{Name: "m", Role: Member, Nodes: standard},
		},
		"a control plane has no nodes": {
			in:   Spec{Name: "c", Role: ControlPlane},
			want: Spec{Name: "c", Role: ControlPlane},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.in.WithDefaults()
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("defaults (-want +got):\n%s", diff)
			}
			if err := got.Validate(); err != nil {
				t.Errorf("the defaulted spec is not valid: %v", err)
			}
		})
	}
}

func TestSpecValidate(t *testing.T) {
	valid := Spec{Name: "m"}.WithDefaults()
	for name, tc := range map[string]struct {
		change func(*Spec)
		want   string
	}{
		"name is a path":       {func(s *Spec) { s.Name = "../m" }, `cluster name "../m"`},
		"no name":              {func(s *Spec) { s.Name = "" }, `cluster name ""`},
		"unknown role":         {func(s *Spec) { s.Role = "host" }, `cluster m: role "host"`},
		"negative nodes":       {func(s *Spec) { s.Nodes.Count = -1 }, "cluster m: -1 nodes"},
		"CPU":                  {func(s *Spec) { s.Nodes.CPU = "many" }, `cluster m: CPU "many"`},
		"memory":               {func(s *Spec) { s.Nodes.Memory = "1GiB" }, `cluster m: memory "1GiB"`},
		"pods":                 {func(s *Spec) { s.Nodes.Pods = "" }, `cluster m: pods ""`},
		"nodes without a role": {func(s *Spec) { s.Role = ControlPlane }, "cluster m: a control plane has no nodes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid
			tc.change(&s)
			if err := s.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}
