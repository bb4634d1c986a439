package policy

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/seatrial/seatrial/api/names"
)

// SelectedKinds are the kinds a policy selects, each once, in the order of its selectors.
func (p Policy) SelectedKinds() []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for _, selector := range p.Spec.ResourceSelectors {
		kind := schema.FromAPIVersionAndKind(selector.APIVersion, selector.Kind)
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// FormerKinds are the kinds a policy selected before, of which it may still claim templates. Words that name no kind are left out, for
// anybody can write the annotation.
func (p Policy) FormerKinds() []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for word := range strings.SplitSeq(p.GetAnnotations()[names.AnnotationFormerKinds], ",") {
		at := strings.LastIndex(word, "/")
		if at <= 0 || at == len(word)-1 {
			continue
		}
		if kind := schema.FromAPIVersionAndKind(word[:at], word[at+1:]); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// NoteFormerKinds keeps on a policy whose selectors change which kinds it selected until now.
func (p Policy) NoteFormerKinds(before Policy) {
	selected, selectedBefore := p.SelectedKinds(), before.SelectedKinds()
	if slices.Equal(selected, selectedBefore) {
		// Others take the note off when they have seen to it.
		return
	}
	var former []schema.GroupVersionKind
	for _, kind := range slices.Concat(before.FormerKinds(), p.FormerKinds(), selectedBefore) {
		if !slices.Contains(selected, kind) && !slices.Contains(former, kind) {
			former = append(former, kind)
		}
	}
	SetFormerKinds(p, former)
}

// SetFormerKinds writes them down, as "v1/ConfigMap,apps/v1/Deployment".
func SetFormerKinds(object metav1.Object, kinds []schema.GroupVersionKind) {
	annotations := maps.Clone(object.GetAnnotations())
	delete(annotations, names.AnnotationFormerKinds)
	if len(kinds) > 0 {
		var words []string
		for _, kind := range kinds {
			words = append(words, kind.GroupVersion().String()+"/"+kind.Kind)
		}
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[names.AnnotationFormerKinds] = strings.Join(words, ",")
	}
	object.SetAnnotations(annotations)
}
