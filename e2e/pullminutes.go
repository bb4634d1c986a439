package e2e

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/fleet"
)

// Users change things this often, this many times, while a member is cut off.
const (
	rounds    = 12
	roundTime = 20 * time.Second
)

// AgentCatchesUpAfterMinutes cuts member3, whose agent carries Works into it, off for minutes, while users go on and the member goes its
// own way. Afterwards each copy is written once, however often its template has changed, what was made anew takes the place of what was
// before, the pods of what nobody changed are the same, and replicas that are the member's stay.
func AgentCatchesUpAfterMinutes(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	const space = "minutes"
	defer f.space(space)()
	member := f.member("member3")
	busy, steady, own, anew := deployment(space, "busy", 1), deployment(space, "steady", 2), deployment(space, "own", 1), configMap(space, "anew", map[string]string{"mode": "1"})
	own.Labels[names.LabelRetainReplicas] = names.LabelRetainReplicasValue
	for _, web := range []*appsv1.Deployment{busy, steady, own} {
		f.create(web)
		f.propagate(web, "member3")
		f.awaitPlacement(space, web.Name, map[string]int32{"member3": *web.Spec.Replicas})
	}
	f.create(anew)
	f.propagate(anew, "member3")
	f.awaitMode(anew, "1", "member3")
	written, pods := f.generations(member, busy, steady, own), f.podsOf(member, space, "steady")

	f.must(env.Partition(f.ctx, "member3"))
	f.awaitReadiness("member3", false)
	update(f, member, own, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](4) })
	update(f, f.plane, own, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "nginx:1.29" })
	f.delete(f.plane, anew)
	f.awaitAbsent(f.plane, anew)
	anew = configMap(space, "anew", map[string]string{"mode": "2"})
	f.create(anew)
	var last []corev1.EnvVar
	for round := range rounds {
		last = []corev1.EnvVar{{Name: "ROUND", Value: strconv.Itoa(round)}}
		update(f, f.plane, busy, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Env = last })
		f.pass(roundTime)
	}
	if now := f.generations(member, busy, steady); now["busy"] != written["busy"] || now["steady"] != written["steady"] {
		f.Errorf("what nobody can have asked for was written in the member: generations %v became %v", written, now)
	}

	f.must(env.Heal(f.ctx, "member3"))
	f.awaitReady("member3")
	// Each watch of an agent comes back with a backoff of its own, of up to a minute.
	f.await(toNotice, "the last change in member3", as(member, busy, func(d *appsv1.Deployment) bool {
		return slices.Equal(d.Spec.Template.Spec.Containers[0].Env, last)
	}))
	f.awaitImage(space, "own", "nginx:1.29", "member3")
	f.await(toNotice, "what was made anew in member3", as(member, anew, func(c *corev1.ConfigMap) bool { return c.Data["mode"] == "2" }))
	f.awaitPlacement(space, "busy", map[string]int32{"member3": 1})
	f.stays("what was caught up with", func(context.Context) (bool, error) {
		now := f.generations(member, busy, steady, own)
		// The member has written its replicas itself.
		return now["busy"] == written["busy"]+1 && now["steady"] == written["steady"] && now["own"] == written["own"]+2, nil
	})
	if now := f.podsOf(member, space, "steady"); !maps.Equal(pods, now) {
		f.Errorf("the pods of what nobody changed were %v, and are %v", pods, now)
	}
	f.stays("the replicas of the member", as(member, own, func(d *appsv1.Deployment) bool { return *d.Spec.Replicas == 4 }))
}

// generations tell by name how often the specifications of deployments have been written.
func (f *fixture) generations(from client.Client, of ...*appsv1.Deployment) map[string]int64 {
	f.Helper()
	all := map[string]int64{}
	for _, web := range of {
		found := blank(web)
		f.must(from.Get(f.ctx, clientKey(web), found))
		all[web.Name] = found.Generation
	}
	return all
}

// podsOf are the pods of a deployment, by name; a member that is simulated without nodes has none.
func (f *fixture) podsOf(from client.Client, space, app string) map[string]types.UID {
	f.Helper()
	list := &corev1.PodList{}
	f.must(from.List(f.ctx, list, client.InNamespace(space), client.MatchingLabels{"app": app}))
	all := map[string]types.UID{}
	for i := range list.Items {
		all[list.Items[i].Name] = list.Items[i].UID
	}
	return all
}
