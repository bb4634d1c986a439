package propagate

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/policy"
)

// onOverride wakes the policies that wait for an override policy which is new.
func onOverride(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	if event.Old != nil || event.New == nil {
		return nil
	}
	policies, err := policy.ListFor(ctx, reader, event.New.GetNamespace(), client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil
	}
	var keys []control.Key
	for _, waiting := range policies {
		if waiting.GetNamespace() == event.New.GetNamespace() && slices.Contains(waiting.Spec.DependentOverrides, event.New.GetName()) {
			keys = append(keys, control.KindKeyOf(policyKind(waiting), waiting))
		}
	}
	return keys
}

// missingOverrides are the override policies that must be there before a policy takes effect, and are not. They are of the scope
// of the policy.
func missingOverrides(ctx context.Context, reader client.Reader, claimer policy.Policy) ([]string, error) {
	var missing []string
	for _, name := range claimer.Spec.DependentOverrides {
		var wanted client.Object = &policyv1alpha1.OverridePolicy{}
		if claimer.ClusterScoped() {
			wanted = &policyv1alpha1.ClusterOverridePolicy{}
		}
		err := reader.Get(ctx, types.NamespacedName{Namespace: claimer.GetNamespace(), Name: name}, wanted)
		if apierrors.IsNotFound(err) {
			missing = append(missing, name)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the override policy %s that %s depends on: %w", name, claimer, err)
		}
	}
	return missing, nil
}
