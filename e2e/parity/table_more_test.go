package parity

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// impossible asks for a node that does not exist.
var impossible = on("no", "such-node")

func workloadCases() []*scene {
	trouble := []corev1.Taint{taint("off", corev1.TaintEffectNoSchedule)}
	suspended := job("batch", 3, 3, "1")
	suspended.Spec.Suspend = ptr.To(true)
	indexed := job("batch", 2, 5, "1")
	indexed.Spec.CompletionMode = ptr.To(batchv1.IndexedCompletion)
	late := job("batch", 3, 3, "5")
	late.Spec.ActiveDeadlineSeconds = ptr.To[int64](5)
	started := statefulSet("db", 5, appsv1.OrderedReadyPodManagement, "1")
	started.Spec.Ordinals = &appsv1.StatefulSetOrdinals{Start: 7}
	return []*scene{
		{name: "stateful-ordered", ends: waiting, groups: single(3, "2"), steps: []step{
			create(statefulSet("db", 6, appsv1.OrderedReadyPodManagement, "1", apart(hostLabel, "db")))}},
		{name: "stateful-parallel", ends: waiting, groups: single(3, "2"), steps: []step{
			create(statefulSet("db", 6, appsv1.ParallelPodManagement, "1", apart(hostLabel, "db")))}},
		{name: "stateful-scale-down", ends: skew, groups: []group{{name: "a", count: 2, cpu: "4"}, {name: "b", count: 1, cpu: "1"}}, steps: []step{
			create(statefulSet("db", 8, appsv1.OrderedReadyPodManagement, "1")),
			update(&appsv1.StatefulSet{}, "db", "scale db to 4", func(s *appsv1.StatefulSet) { s.Spec.Replicas = ptr.To[int32](4) })}, within: 1},
		{name: "daemons", ends: waiting, groups: []group{{name: "a", count: 2, cpu: "2"}, {name: "b", count: 1, cpu: "2", taints: trouble}, {name: "c", count: 1, cpu: "500m"}},
			steps: []step{create(daemonSet("agent", "1"))}},
		{name: "daemons-on-full-nodes", ends: waiting, groups: pair(1, 1), steps: []step{
			create(deployment("web", 4, "1", on("group", "a"))), create(daemonSet("agent", "1"))}},
		{name: "daemons-preempt", ends: preempted, groups: pair(1, 1), steps: []step{
			create(deployment("web", 8, "1", class("low"))), create(daemonSet("agent", "1", class("high")))}},
		{name: "daemons-on-cordoned", ends: whole, groups: pair(1, 1), steps: []step{cordon("a", true), create(daemonSet("agent", "1"))}},
		{name: "daemons-follow-taints", ends: whole, groups: pair(1, 1), steps: []step{
			create(daemonSet("agent", "1")), taintNodes("a", taint("off", corev1.TaintEffectNoExecute))}},
		{name: "job", ends: whole, groups: single(1, "3"), steps: []step{create(job("batch", 5, 8, "1"))}},
		{name: "job-indexed", ends: whole, groups: single(1, "3"), steps: []step{create(indexed)}},
		{name: "job-waits", ends: waiting, groups: single(1, "3"), steps: []step{create(job("batch", 4, 8, "5"))}},
		{name: "job-fewer-left", ends: waiting, groups: single(1, "3"), steps: []step{create(job("batch", 5, 3, "1", impossible))}},
		{name: "job-wider", ends: waiting, groups: single(1, "3"), steps: []step{create(job("batch", 2, 8, "5")),
			update(&batchv1.Job{}, "batch", "run 4 of batch at once", func(j *batchv1.Job) { j.Spec.Parallelism = ptr.To[int32](4) })}},
		{name: "job-resumed", ends: whole, groups: single(1, "3"), steps: []step{create(suspended),
			update(&batchv1.Job{}, "batch", "resume batch", func(j *batchv1.Job) { j.Spec.Suspend = ptr.To(false) })}},
		{name: "job-late", ends: whole, groups: single(1, "3"), steps: []step{create(late)}},
		{name: "stateful-start", ends: waiting, groups: single(1, "3"), steps: []step{create(started)}},
		{name: "job-suspended", ends: whole, groups: single(1, "3"), steps: []step{create(suspended)}},
		{name: "replica-set", ends: waiting, groups: pair(1, 1), steps: []step{create(replicaSet("web", 10, "1"))}},
		{name: "replica-set-keeps-old", ends: whole, groups: pair(1, 1), steps: []step{create(replicaSet("web", 3, "1", on("group", "a"))),
			update(&appsv1.ReplicaSet{}, "web", "update web and scale it to 5", func(r *appsv1.ReplicaSet) {
				r.Spec.Replicas = ptr.To[int32](5)
				on("group", "b")(&r.Spec.Template)
			}),
			update(&appsv1.ReplicaSet{}, "web", "scale web to 4", func(r *appsv1.ReplicaSet) { r.Spec.Replicas = ptr.To[int32](4) })},
			within: 1, draw: "ages within a power of two count as equal when a pod has to go"},
		{name: "pods", ends: waiting, groups: single(1, "3"), steps: []step{create(pod("a", "2")), create(pod("b", "2")), create(pod("c", "1"))}},
	}
}

func rolloutCases() []*scene {
	recreate := deployment("web", 4, "1")
	recreate.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
	daemons := daemonSet("agent", "1")
	daemons.Spec.UpdateStrategy = appsv1.DaemonSetUpdateStrategy{Type: appsv1.RollingUpdateDaemonSetStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: ptr.To(intstr.FromInt(2)), MaxSurge: ptr.To(intstr.FromInt(0))}}
	surging := daemonSet("agent", "1")
	surging.Spec.UpdateStrategy = appsv1.DaemonSetUpdateStrategy{Type: appsv1.RollingUpdateDaemonSetStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: ptr.To(intstr.FromInt(0)), MaxSurge: ptr.To(intstr.FromInt(1))}}
	slow := rolling(deployment("web", 4, "500m"), 2, 1)
	slow.Spec.MinReadySeconds, slow.Spec.ProgressDeadlineSeconds = 3600, ptr.To[int32](7200)
	more := func(cpu string) change { return requests(map[corev1.ResourceName]string{"cpu": cpu, "memory": "1Gi"}) }
	return []*scene{
		{name: "roll-surge-full", ends: waiting, groups: pair(1, 1), steps: []step{create(rolling(deployment("web", 8, "1"), 1, 0)), roll("web", image("web:2"))}},
		{name: "roll-unavailable", ends: whole, groups: pair(1, 1), steps: []step{create(rolling(deployment("web", 8, "1"), 0, 2)), roll("web", image("web:2"))}, within: 1},
		{name: "roll-to-nowhere", ends: waiting, groups: pair(1, 1), steps: []step{create(rolling(deployment("web", 4, "1"), 0, 1)), roll("web", impossible)}, within: 1},
		{name: "roll-quarter-to-nowhere", ends: waiting, groups: pair(2, 1), steps: []step{create(deployment("web", 10, "500m")), roll("web", impossible)}, within: 2},
		{name: "roll-twice", ends: waiting, groups: pair(2, 1), steps: []step{create(deployment("web", 10, "500m")), roll("web", impossible), roll("web", image("web:3"))}, within: 2},
		{name: "roll-back", ends: whole, groups: pair(1, 1), steps: []step{create(deployment("web", 4, "1")), roll("web", impossible),
			roll("web", spec(func(s *corev1.PodSpec) { delete(s.NodeSelector, "no") }))}, within: 1},
		{name: "roll-and-scale", ends: waiting, groups: pair(2, 2), steps: []step{create(rolling(deployment("web", 8, "500m"), 3, 2)), roll("web", impossible), scale("web", 12)}, within: 2},
		{name: "roll-and-shrink", ends: waiting, groups: pair(2, 2), steps: []step{create(rolling(deployment("web", 8, "500m"), 3, 2)), roll("web", impossible), scale("web", 5)}, within: 2},
		{name: "roll-larger", ends: waiting, groups: single(2, "4"), steps: []step{create(rolling(deployment("web", 4, "2"), 0, 1)), roll("web", more("3"))}, within: 1},
		{name: "roll-with-scale", ends: waiting, groups: pair(2, 2), steps: []step{create(deployment("web", 4, "500m")),
			update(&appsv1.Deployment{}, "web", "update web and scale it to 8", func(d *appsv1.Deployment) {
				d.Spec.Replicas = ptr.To[int32](8)
				impossible(&d.Spec.Template)
			})}, within: 2},
		{name: "roll-paused", ends: waiting, groups: pair(1, 1), steps: []step{create(deployment("web", 6, "1")),
			update(&appsv1.Deployment{}, "web", "pause and update web", func(d *appsv1.Deployment) {
				d.Spec.Paused = true
				impossible(&d.Spec.Template)
			}), scale("web", 9)}},
		{name: "roll-not-yet-available", ends: whole, groups: pair(1, 1), steps: []step{create(slow), roll("web", image("web:2"))}, within: 2},
		{name: "recreate-to-nowhere", ends: waiting, groups: pair(1, 1), steps: []step{create(recreate), roll("web", impossible)}},
		{name: "stateful-roll-to-nowhere", ends: waiting, groups: single(4, "2"), steps: []step{
			create(statefulSet("db", 4, appsv1.OrderedReadyPodManagement, "1")),
			update(&appsv1.StatefulSet{}, "db", "update db", func(s *appsv1.StatefulSet) { impossible(&s.Spec.Template) })}},
		{name: "stateful-roll-partition", ends: waiting, groups: single(4, "2"), steps: []step{
			create(statefulSet("db", 4, appsv1.ParallelPodManagement, "1")),
			update(&appsv1.StatefulSet{}, "db", "update db", func(s *appsv1.StatefulSet) {
				s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: ptr.To[int32](2)}
				more("3")(&s.Spec.Template)
			})}},
		{name: "stateful-roll-back", ends: waiting, groups: single(4, "2"), steps: []step{
			create(statefulSet("db", 4, appsv1.OrderedReadyPodManagement, "1")),
			update(&appsv1.StatefulSet{}, "db", "update db", func(s *appsv1.StatefulSet) { more("3")(&s.Spec.Template) }),
			update(&appsv1.StatefulSet{}, "db", "undo the update of db", func(s *appsv1.StatefulSet) { more("1")(&s.Spec.Template) })}},
		{name: "daemons-roll-surge", ends: waiting, groups: []group{{name: "a", count: 2, cpu: "1"}, {name: "b", count: 2, cpu: "4"}}, steps: []step{create(surging),
			update(&appsv1.DaemonSet{}, "agent", "update agent", func(d *appsv1.DaemonSet) { image("agent:2")(&d.Spec.Template) })}},
		{name: "daemons-roll-stuck", ends: waiting, groups: single(4, "2"), steps: []step{create(daemons),
			update(&appsv1.DaemonSet{}, "agent", "update agent", func(d *appsv1.DaemonSet) { more("3")(&d.Spec.Template) })}},
	}
}

func quotaCases() []*scene {
	pods := func(count string) step { return create(quota(map[corev1.ResourceName]string{"pods": count})) }
	gold := quota(map[corev1.ResourceName]string{"pods": "2"})
	gold.Spec.ScopeSelector = &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{
		{ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: corev1.ScopeSelectorOpIn, Values: []string{"high"}}}}
	web := func(changes ...change) step { return create(deployment("web", 6, "500m", changes...)) }
	return []*scene{
		{name: "quota-pods", ends: whole, groups: single(1, "4"), steps: []step{pods("4"), web()}},
		{name: "quota-requests", ends: whole, groups: single(1, "4"), steps: []step{
			create(quota(map[corev1.ResourceName]string{"requests.cpu": "1300m", "requests.memory": "64Gi"})), web()}},
		{name: "quota-counts-pending", ends: waiting, groups: single(1, "2"), steps: []step{pods("5"), web()}},
		{name: "quota-limits-missing", ends: whole, groups: single(1, "4"), steps: []step{
			create(quota(map[corev1.ResourceName]string{"limits.memory": "64Gi"})), web()}},
		{name: "quota-of-class", ends: whole, groups: single(1, "4"), steps: []step{
			create(gold), web(), create(deployment("first", 3, "100m", class("high")))}},
		{name: "quota-raised", ends: whole, groups: single(1, "4"), steps: []step{pods("2"), web(),
			update(&corev1.ResourceQuota{}, "quota", "raise the quota", func(q *corev1.ResourceQuota) { q.Spec.Hard["pods"] = resource.MustParse("5") })}},
		{name: "quota-freed", ends: whole, groups: single(1, "4"), steps: []step{pods("4"), create(deployment("old", 3, "100m")), web(), deleteDeployment("old")}},
		{name: "quota-roll-surge", ends: whole, groups: pair(1, 1), steps: []step{pods("4"), create(rolling(deployment("web", 4, "1"), 1, 0)), roll("web", image("web:2"))}, within: 1},
		{name: "quota-roll-unavailable", ends: whole, groups: pair(1, 1), steps: []step{pods("4"), create(rolling(deployment("web", 4, "1"), 0, 1)), roll("web", image("web:2"))}, within: 1},
		{name: "quota-stateful", ends: whole, groups: single(1, "4"), steps: []step{pods("2"), create(statefulSet("db", 4, appsv1.OrderedReadyPodManagement, "500m"))}},
		{name: "quota-daemons", ends: whole, groups: single(3, "2"), steps: []step{pods("2"), create(daemonSet("agent", "500m"))}},
		{name: "quota-job", ends: whole, groups: single(1, "4"), steps: []step{pods("2"), create(job("batch", 3, 5, "500m"))}},
	}
}

func limitCases() []*scene {
	list := func(amount string) corev1.ResourceList { return corev1.ResourceList{"cpu": resource.MustParse(amount)} }
	limits := func(item corev1.LimitRangeItem) step {
		return create(&corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "limits"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item}}})
	}
	each, all := corev1.LimitTypeContainer, corev1.LimitTypePod
	bare := create(deployment("web", 6, "1", spec(func(s *corev1.PodSpec) { s.Containers[0].Resources = corev1.ResourceRequirements{} })))
	limited := create(deployment("web", 3, "500m", spec(func(s *corev1.PodSpec) { s.Containers[0].Resources.Limits = list("2") })))
	return []*scene{
		{name: "limits-default-request", ends: waiting, groups: single(1, "4"), steps: []step{limits(corev1.LimitRangeItem{Type: each, DefaultRequest: list("1")}), bare}},
		{name: "limits-default", ends: waiting, groups: single(1, "4"), steps: []step{limits(corev1.LimitRangeItem{Type: each, Default: list("2")}), bare}},
		{name: "limits-max", ends: waiting, groups: single(1, "4"), steps: []step{limits(corev1.LimitRangeItem{Type: each, Max: list("1")}), bare}},
		{name: "limits-min", ends: waiting, groups: single(1, "4"), steps: []step{limits(corev1.LimitRangeItem{Type: each, Min: list("2")}), bare}},
		{name: "limits-below-min", ends: whole, groups: single(1, "4"), steps: []step{limits(corev1.LimitRangeItem{Type: each, Min: list("1")}), limited}},
		{name: "limits-ratio", ends: whole, groups: single(1, "4"), steps: []step{limits(corev1.LimitRangeItem{Type: each, MaxLimitRequestRatio: list("3")}), limited}},
		{name: "limits-of-pod", ends: whole, groups: single(1, "4"), steps: []step{limits(corev1.LimitRangeItem{Type: all, Max: list("1")}), limited}},
		{name: "limits-of-pod-missing", ends: whole, groups: single(1, "4"), steps: []step{limits(corev1.LimitRangeItem{Type: all, Min: list("1")}), bare}},
		{name: "limits-for-quota", ends: whole, groups: single(1, "4"), steps: []step{create(quota(map[corev1.ResourceName]string{"limits.cpu": "3"})),
			limits(corev1.LimitRangeItem{Type: each, Default: list("1")}), bare}},
	}
}

func disturbanceCases() []*scene {
	off := taint("off", corev1.TaintEffectNoExecute)
	patient := tolerate(corev1.Toleration{Key: "off", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr.To[int64](4)})
	return []*scene{
		{name: "taint-evicts", ends: waiting, groups: pair(1, 1), steps: []step{create(deployment("web", 6, "1")), taintNodes("a", off)}},
		{name: "taint-evicts-late", ends: waiting, groups: pair(1, 1), steps: []step{create(deployment("web", 6, "1", patient)), taintNodes("a", off, taint("closed", corev1.TaintEffectNoSchedule))}},
		{name: "taint-evicts-all-kinds", ends: waiting, groups: pair(1, 1), steps: []step{
			create(pod("alone", "1", on("group", "a"))), create(statefulSet("db", 2, appsv1.OrderedReadyPodManagement, "1", apart(hostLabel, "db"))),
			create(daemonSet("agent", "500m")), taintNodes("a", off)}},
		{name: "nodes-come-for-daemons", ends: whole, groups: single(1, "4"), steps: []step{create(daemonSet("agent", "1")), addNodes(group{name: "b", count: 2, cpu: "4"})}},
		{name: "affinity-ignored-later", ends: whole, groups: pair(1, 1), steps: []step{
			create(deployment("db", 1, "1", on("group", "b"))), create(deployment("web", 2, "1", near(zoneLabel, "db"))), deleteDeployment("db")}},
		{name: "scale-to-zero", ends: waiting, groups: single(1, "4"), steps: []step{create(deployment("web", 6, "1")), scale("web", 0), scale("web", 5)}},
		{name: "taint-goes", ends: whole, groups: []group{{name: "a", count: 1, cpu: "4", taints: []corev1.Taint{off}}}, steps: []step{create(deployment("web", 3, "1")), taintNodes("a")}},
		{name: "node-comes", ends: waiting, groups: single(1, "4"), steps: []step{create(deployment("web", 10, "1")), addNodes(group{name: "b", count: 1, cpu: "4"})}},
		{name: "scale-up", ends: waiting, groups: pair(1, 1), steps: []step{create(deployment("web", 4, "1")), scale("web", 11)}},
		{name: "scale-down-pending-first", ends: whole, groups: single(1, "4"), steps: []step{create(deployment("web", 7, "1")), scale("web", 4)}},
		{name: "scale-down-crowded-first", ends: skew, groups: []group{{name: "a", count: 1, cpu: "8"}, {name: "b", count: 1, cpu: "1"}}, steps: []step{create(deployment("web", 7, "1")), scale("web", 4)}},
		{name: "room-by-deletion", ends: waiting, groups: single(1, "4"), steps: []step{create(deployment("old", 2, "1")), create(deployment("web", 4, "1")), deleteDeployment("old"), scale("web", 5)}},
		{name: "room-by-scale-down", ends: whole, groups: single(1, "4"), steps: []step{create(deployment("old", 3, "1")), create(deployment("web", 3, "1")), scale("old", 1)}},
		{name: "affinity-comes-true", ends: skew, groups: pair(1, 1), steps: []step{create(deployment("web", 2, "1", near(zoneLabel, "db"))), create(deployment("db", 1, "1", on("group", "b")))}},
	}
}

func lossCases() []*scene {
	return []*scene{
		{name: "lose-node", ends: waiting, groups: pair(1, 1), steps: []step{create(deployment("web", 6, "1")), lose("a", 0)}},
		{name: "lose-node-stateful", ends: waiting, groups: pair(1, 1), steps: []step{
			create(statefulSet("db", 2, appsv1.ParallelPodManagement, "1", apart(hostLabel, "db"))), lose("a", 0)}},
		{name: "lose-node-daemon", ends: waiting, groups: pair(1, 1), steps: []step{create(daemonSet("agent", "1")), lose("a", 0)}},
		{name: "lose-node-scale", ends: waiting, groups: pair(1, 1), steps: []step{create(deployment("web", 6, "1")), lose("b", 0), scale("web", 9)}},
		{name: "lose-node-spread", ends: waiting, groups: pair(2, 1), steps: []step{
			create(deployment("web", 6, "1", spread(zoneLabel, 1, corev1.DoNotSchedule))), lose("b", 0)}},
		{name: "lose-zone", ends: waiting, groups: pair(2, 1), steps: []step{create(deployment("web", 9, "1")), lose("a", 0, 1)}},
		{name: "lose-node-room", ends: skew, groups: pair(2, 1), steps: []step{create(deployment("web", 6, "1")), lose("b", 0)}, within: 1},
		{name: "remove-node", ends: waiting, groups: pair(1, 1), steps: []step{create(deployment("web", 6, "1")), removeNode("a", 0)}},
	}
}
