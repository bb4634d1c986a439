package live

import (
	"context"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/seatrial/seatrial/control"
)

// TestReplacementsAreTwoEvents: informers tell of an object that was made anew while they were away as of a change. Controllers hear
// that the old one is gone and that there is another, through watches and through sources.
func TestReplacementsAreTwoEvents(t *testing.T) {
	var heard []string
	hear := func(_ context.Context, _ client.Reader, event control.Event) []control.Key {
		told := func(object client.Object) string {
			if object == nil {
				return "none"
			}
			return string(object.GetUID())
		}
		heard = append(heard, fmt.Sprintf("%s to %s", told(event.Old), told(event.New)))
		return nil
	}
	watch := (&runner{}).handlerFor(hear, nil, corev1.SchemeGroupVersion.WithKind("Secret"))
	source := (&subscription{}).events(&sources{keys: hear, enqueue: func(...control.Key) {}})
	state := func(uid string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid)}}
	}
	for name, update := range map[string]func(old, current client.Object){
		"watch": func(old, current client.Object) {
			watch.Update(t.Context(), event.TypedUpdateEvent[client.Object]{ObjectOld: old, ObjectNew: current}, nil)
		},
		"source": func(old, current client.Object) { source.OnUpdate(old, current) },
	} {
		heard = nil
		update(state("u1"), state("u1"))
		update(state("u1"), state("u2"))
		if want := []string{"u1 to u1", "u1 to none", "none to u2"}; !slices.Equal(heard, want) {
			t.Errorf("%s: heard %q, want %q", name, heard, want)
		}
	}
}
