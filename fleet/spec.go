package fleet

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// What a member has when its Spec does not say.
const (
	DefaultNodes         = 3
	DefaultCPU           = "8"
	DefaultMemory        = "32Gi"
	DefaultPods          = "110"
	DefaultStartupDelay  = time.Second
	DefaultStartupJitter = 500 * time.Millisecond
)

// WithDefaults fills what is empty: the role is Member, and a member has DefaultNodes nodes of the default size.
func (s Spec) WithDefaults() Spec {
	if s.Role == "" {
		s.Role = Member
	}
	if s.Role != Member {
		return s
	}
	if s.Nodes.Count == 0 {
		s.Nodes.Count = DefaultNodes
	}
	orDefault(&s.Nodes.CPU, DefaultCPU)
	orDefault(&s.Nodes.Memory, DefaultMemory)
	orDefault(&s.Nodes.Pods, DefaultPods)
	if s.Startup == (Startup{}) {
		s.Startup = Startup{Delay: DefaultStartupDelay, Jitter: DefaultStartupJitter}
	}
	s.Startup.Delay = max(s.Startup.Delay, 0)
	s.Startup.Jitter = max(s.Startup.Jitter, 0)
	return s
}

func orDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

// Validate says what is wrong with a Spec that has its defaults.
func (s Spec) Validate() error {
	if errs := validation.IsDNS1123Label(s.Name); len(errs) > 0 {
		return fmt.Errorf("cluster name %q: %s", s.Name, strings.Join(errs, "; "))
	}
	if s.Role != ControlPlane && s.Role != Member {
		return fmt.Errorf("cluster %s: role %q is neither %q nor %q", s.Name, s.Role, ControlPlane, Member)
	}
	if s.Nodes.Count < 0 {
		return fmt.Errorf("cluster %s: %d nodes", s.Name, s.Nodes.Count)
	}
	if s.Role == ControlPlane {
		if s.Nodes.Count > 0 {
			return fmt.Errorf("cluster %s: a control plane has no nodes", s.Name)
		}
		return nil
	}
	for _, q := range []struct{ what, value string }{{"CPU", s.Nodes.CPU}, {"memory", s.Nodes.Memory}, {"pods", s.Nodes.Pods}} {
		if _, err := resource.ParseQuantity(q.value); err != nil {
			return fmt.Errorf("cluster %s: %s %q of its nodes: %w", s.Name, q.what, q.value, err)
		}
	}
	return nil
}
