package eviction

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/utils/ptr"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Stuck says why copies are still held: nothing has got on for the timeout, because replicas do not become ready where they are to go, and
// the floor lets no more go before. It is nil while the move gets on, or before anybody has decided where to.
func (o *Options) Stuck(tasks []workv1alpha2.GracefulEvictionTask, view *View) error {
	if o.Reference || !o.decided(view) {
		return nil
	}
	held := make([]string, 0, len(tasks))
	for i := range tasks {
		task := &tasks[i]
		if task.SuppressDeletion != nil || task.CreationTimestamp.IsZero() || Waiting(view.Spec, task) {
			continue
		}
		if view.Now.Sub(task.CreationTimestamp.Time) < o.Timeout {
			return nil
		}
		held = append(held, fmt.Sprintf("%s (%d)", task.FromCluster, ptr.Deref(task.Replicas, view.Spec.Replicas)))
	}
	lacking := o.lacking(view)
	if len(held) == 0 || len(lacking) == 0 {
		return nil
	}
	return errors.New("copies are held in " + strings.Join(held, ", ") + " until others are ready: " + strings.Join(lacking, ", "))
}

// lacking tells of the targets that are not as they shall be.
func (o *Options) lacking(view *View) []string {
	var lacking []string
	for _, target := range view.Spec.Clusters {
		item := view.copyIn(target.Name)
		switch {
		case !view.Seen(target.Name):
			lacking = append(lacking, target.Name+" cannot be seen")
		case item == nil:
			lacking = append(lacking, target.Name+" has no copy yet")
		default:
			ready, counted := view.readyIn(item)
			if counted && ready < int64(target.Replicas) {
				lacking = append(lacking, fmt.Sprintf("%s has %d of %d replicas ready", target.Name, ready, target.Replicas))
			} else if !o.healthy(item, target) {
				lacking = append(lacking, target.Name+" has a copy that is not healthy")
			}
		}
	}
	return lacking
}
