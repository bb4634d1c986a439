package execute

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
)

// settlement is how the member objects of a Work were when they were in line with it. Most turns of a Work answer to what the
// one before has written, and find nothing else; they need not read its manifests again.
type settlement struct {
	uid        types.UID
	generation int64
	sources    []control.Source
	// objects are the names of the member objects, and versions what they were.
	objects  []types.NamespacedName
	versions []string
}

// versionOf tells apart the states of a member object.
func versionOf(object *unstructured.Unstructured) string {
	return string(object.GetUID()) + "@" + object.GetResourceVersion()
}

// stands tells whether a Work and its member objects are as a turn left them that had nothing more to do.
func (e *executor) stands(ctx context.Context, deps control.Deps, work *workv1alpha1.Work, cluster string) (settlement, bool) {
	e.mu.Lock()
	known, found := e.settled[control.KeyOf(work)]
	e.mu.Unlock()
	if !found || known.uid != work.UID || known.generation != work.Generation || !told(work) {
		return known, false
	}
	member, err := deps.Members.Member(ctx, cluster)
	if err != nil {
		return known, false
	}
	for i, name := range known.objects {
		observed := &unstructured.Unstructured{}
		observed.SetGroupVersionKind(known.sources[i].GVK)
		if err := member.Get(ctx, name, observed, client.UnsafeDisableDeepCopy); err != nil || versionOf(observed) != known.versions[i] {
			return known, false
		}
	}
	return known, true
}

// told tells whether the conditions of a Work say that this generation of it is applied.
func told(work *workv1alpha1.Work) bool {
	return !slices.ContainsFunc([]string{names.ConditionWorkApplied, names.ConditionWorkDispatching}, func(name string) bool {
		condition := meta.FindStatusCondition(work.Status.Conditions, name)
		return condition == nil || condition.Status != metav1.ConditionTrue || condition.ObservedGeneration != work.Generation
	})
}

// settle remembers what a turn leaves.
func (e *executor) settle(work *workv1alpha1.Work, manifests []*unstructured.Unstructured, sources []control.Source, versions []string) {
	left := settlement{uid: work.UID, generation: work.Generation, sources: sources, versions: versions}
	for _, manifest := range manifests {
		left.objects = append(left.objects, client.ObjectKeyFromObject(manifest))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.settled[control.KeyOf(work)] = left
}

// unlearn has every Work looked at anew.
func (e *executor) unlearn() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.settled)
}

func (e *executor) unsettle(key control.Key) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.settled, key)
}
