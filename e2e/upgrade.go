package e2e

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
)

// upgraded is how many workloads move during an upgrade.
const upgraded = 4

// UpgradeInTheMiddle replaces the components by another build while workloads move from one cluster to another: none of them ever has
// fewer ready replicas, all arrive, what need not move is not made anew, and what is asked for meanwhile is done.
func UpgradeInTheMiddle(t *testing.T, rig Rig) {
	f := start(t, rig)
	defer f.space("upgrade")()
	var moving []*appsv1.Deployment
	var policies []*policyv1alpha1.PropagationPolicy
	for n := range upgraded {
		web := deployment("upgrade", fmt.Sprint("web-", n), 6)
		policy := onlyWeighted(weightedPolicy("upgrade", web.Name, map[string]int64{"member1": 2, "member2": 1}))
		f.create(web)
		f.create(policy)
		moving, policies = append(moving, web), append(policies, policy)
	}
	copies := map[string]types.UID{}
	for _, web := range moving {
		f.awaitPlacement("upgrade", web.Name, map[string]int32{"member1": 4, "member2": 2})
		found := blank(web)
		f.must(f.member("member1").Get(f.ctx, client.ObjectKeyFromObject(web), found))
		copies[web.Name] = found.UID
	}

	next := onlyWeighted(weightedPolicy("upgrade", "", map[string]int64{"member1": 1, "member3": 2}))
	for _, policy := range policies {
		update(f, f.plane, policy, func(p *policyv1alpha1.PropagationPolicy) { p.Spec.Placement = next.Spec.Placement })
	}
	// The scheduler has decided about one of them, and none has arrived.
	f.awaitBinding(moving[0], "a move that has begun", func(b binding.Binding) bool { return len(b.Spec.GracefulEvictionTasks) > 0 })
	f.must(rig.Upgrade(f.ctx))
	late := configMap("upgrade", "late", nil)
	f.create(late)
	f.propagate(late, "member2")

	f.await(toNotice, "the end of all moves", func(ctx context.Context) (bool, error) {
		arrived := true
		for _, web := range moving {
			ready, err := f.ready(ctx, web)
			if err == nil && ready < 6 {
				err = fmt.Errorf("%s: %d of 6 replicas are ready", web.Name, ready)
			}
			if err != nil {
				return false, err
			}
			moved, err := as(f.plane, f.bindingOf(web), func(object client.Object) bool {
				view, _ := binding.Of(object)
				return scheduled(view, "member1", "member3") && !eviction.Holding(view.Spec)
			})(ctx)
			if err != nil {
				return false, err
			}
			arrived = arrived && moved
		}
		return arrived, nil
	})
	for _, web := range moving {
		f.awaitPlacement("upgrade", web.Name, map[string]int32{"member1": 2, "member3": 4})
		f.awaitHolders(web, "member1", "member3")
		f.stays("the same copy of "+web.Name+" in member1", as(f.member("member1"), web, func(d *appsv1.Deployment) bool { return d.UID == copies[web.Name] }))
	}
	f.awaitHolders(late, "member2")
}
