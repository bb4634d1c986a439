package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/seatrial/seatrial/api/names"
)

// Skipped is what is never propagated, whatever a policy says, besides what belongs to the control plane itself.
type Skipped struct {
	Namespaces []*regexp.Regexp
	APIs       APIs
}

// Skips tells objects that are never propagated; the namespace of cluster-scoped ones is empty.
func (s Skipped) Skips(kind schema.GroupVersionKind, namespace string) bool {
	if names.IsReservedNamespace(namespace) || neverPropagated(kind) || s.APIs.Has(kind) {
		return true
	}
	return namespace != "" && slices.ContainsFunc(s.Namespaces, func(pattern *regexp.Regexp) bool { return pattern.MatchString(namespace) })
}

// neverPropagated tells the kinds that belong to the control plane itself, and events, which would echo for ever.
func neverPropagated(kind schema.GroupVersionKind) bool {
	switch kind.Group {
	case "apps.karmada.io", "autoscaling.karmada.io", "cluster.karmada.io", "config.karmada.io", "networking.karmada.io",
		"policy.karmada.io", "remedy.karmada.io", "work.karmada.io", "events.k8s.io":
		return true
	case "coordination.k8s.io":
		return kind.Version == "v1"
	case "":
		return kind.Kind == "Event"
	}
	return false
}

// APIs is a set of kinds: whole groups, versions of groups, or single kinds.
type APIs struct {
	groups   map[string]bool
	versions map[schema.GroupVersion]bool
	kinds    map[schema.GroupVersionKind]bool
}

// Has tells whether a kind is in the set.
func (a APIs) Has(kind schema.GroupVersionKind) bool {
	return a.groups[kind.Group] || a.versions[kind.GroupVersion()] || a.kinds[kind]
}

// ParseAPIs reads a list separated by semicolons. An entry is a group, a group/version, or a group/version/Kind, which further
// kinds of that version may follow, separated by commas. The core group has no name: its kinds are v1/Kind, and it cannot be
// named as a whole.
func ParseAPIs(text string) (APIs, error) {
	parsed := APIs{groups: map[string]bool{}, versions: map[schema.GroupVersion]bool{}, kinds: map[schema.GroupVersionKind]bool{}}
	for entry := range strings.SplitSeq(text, ";") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		if err := parsed.add(entry); err != nil {
			return APIs{}, fmt.Errorf("%q: %w", entry, err)
		}
	}
	return parsed, nil
}

func (a APIs) add(entry string) error {
	parts := strings.Split(entry, "/")
	if slices.Contains(parts, "") || len(parts) > 3 {
		return fmt.Errorf("want a group, group/version, group/version/Kind,Kind or v1/Kind,Kind")
	}
	core := parts[0] == "v1"
	switch {
	case core && len(parts) == 2:
		return a.addKinds(schema.GroupVersion{Version: parts[0]}, parts[1])
	case core:
		return fmt.Errorf("kinds of the core group are v1/Kind,Kind")
	case len(parts) == 1:
		a.groups[parts[0]] = true
	case len(parts) == 2:
		a.versions[schema.GroupVersion{Group: parts[0], Version: parts[1]}] = true
	default:
		return a.addKinds(schema.GroupVersion{Group: parts[0], Version: parts[1]}, parts[2])
	}
	return nil
}

// addKinds takes "Kind,Kind"; each may repeat its version in front.
func (a APIs) addKinds(version schema.GroupVersion, list string) error {
	for kind := range strings.SplitSeq(list, ",") {
		if kind = strings.TrimSpace(kind); kind == "" {
			return fmt.Errorf("a kind has no name")
		}
		a.kinds[version.WithKind(kind)] = true
	}
	return nil
}
