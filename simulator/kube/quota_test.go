package kube

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// quotaOf limits what is given in pairs of names and amounts.
func quotaOf(pairs ...string) *corev1.ResourceQuota {
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "quota"}}
	q.Spec.Hard = corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		q.Spec.Hard[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return q
}

// used is what the status of the quota says, such as "cpu=1 pods=2".
func (w *world) used() string {
	w.t.Helper()
	status, ok := w.Quota(Key{KindResourceQuota, "ns", "quota"})
	if !ok || len(status.Used) != len(status.Hard) {
		w.t.Errorf("the status of the quota is %+v", status)
	}
	var parts []string
	for _, name := range []corev1.ResourceName{"cpu", "requests.cpu", "limits.memory", "pods", "count/pods"} {
		if used, ok := status.Used[name]; ok {
			parts = append(parts, string(name)+"="+used.String())
		}
	}
	return strings.Join(parts, " ")
}

func TestQuotaBoundsPods(t *testing.T) {
	limits := spec(func(s *corev1.PodSpec) {
		s.Containers[0].Resources.Limits = corev1.ResourceList{"memory": resource.MustParse("8Gi")}
	})
	scoped := quotaOf("pods", "2")
	scoped.Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}
	classes := func(operator corev1.ScopeSelectorOperator, names ...string) *corev1.ResourceQuota {
		q := quotaOf("pods", "2")
		q.Spec.ScopeSelector = &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{
			{ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: operator, Values: names}}}
		return q
	}
	for name, test := range map[string]struct {
		quota  *corev1.ResourceQuota
		change func(*appsv1.Deployment)
		want   int32
		used   string
	}{
		"pods":                    {quotaOf("pods", "3"), nil, 3, "pods=3"},
		"all pods":                {quotaOf("count/pods", "3"), nil, 3, "count/pods=3"},
		"requests":                {quotaOf("requests.cpu", "1100m", "pods", "9"), nil, 2, "requests.cpu=1 pods=2"},
		"plain name":              {quotaOf("cpu", "2500m"), nil, 5, "cpu=2500m"},
		"limits":                  {quotaOf("limits.memory", "20Gi"), limits, 2, "limits.memory=16Gi"},
		"limits that are missing": {quotaOf("limits.memory", "20Gi"), nil, 0, "limits.memory=0"},
		"what is not modelled":    {quotaOf("services", "1"), nil, 6, ""},
		"scope that is not met":   {scoped, nil, 6, "pods=0"},
		"scope that is met":       {scoped, spec(func(s *corev1.PodSpec) { s.Containers[0].Resources.Requests = nil }), 2, "pods=2"},
		"class of others":         {classes(corev1.ScopeSelectorOpIn, "gold"), nil, 6, "pods=0"},
		"own class":               {classes(corev1.ScopeSelectorOpIn, "gold"), spec(func(s *corev1.PodSpec) { s.PriorityClassName = "gold" }), 2, "pods=2"},
		"no class":                {classes(corev1.ScopeSelectorOpDoesNotExist), nil, 2, "pods=2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			w.pool("pool", 4)
			w.must(w.Apply(test.quota))
			d := deployment("app", 6, "500m")
			if test.change != nil {
				test.change(d)
			}
			w.must(w.Apply(d))
			w.loop.run(time.Minute)
			s, _ := w.Status(key(KindDeployment, "app"))
			if s.Ready != test.want || s.Replicas != test.want || s.Refused != (test.want < 6) || w.used() != test.used {
				t.Errorf("%d of %d pods are ready, refused %t, used %q; want %d and %q", s.Ready, s.Replicas, s.Refused, w.used(), test.want, test.used)
			}
		})
	}
}

func TestLimitRanges(t *testing.T) {
	amounts := func(pairs ...string) corev1.ResourceList { return quotaOf(pairs...).Spec.Hard }
	container := corev1.LimitRangeItem{Type: corev1.LimitTypeContainer}
	item := func(change func(*corev1.LimitRangeItem)) corev1.LimitRangeItem {
		made := container
		change(&made)
		return made
	}
	bare := func(s *corev1.PodSpec) { s.Containers[0].Resources = corev1.ResourceRequirements{} }
	limit := func(cpu string) func(*corev1.PodSpec) {
		return func(s *corev1.PodSpec) { s.Containers[0].Resources.Limits = amounts("cpu", cpu) }
	}
	for name, test := range map[string]struct {
		item   corev1.LimitRangeItem
		change func(*corev1.PodSpec)
		// ready of 8 pods that ask for half of one of 4 CPUs
		ready, refused int32
	}{
		"default request":            {item(func(i *corev1.LimitRangeItem) { i.DefaultRequest = amounts("cpu", "2") }), bare, 2, 0},
		"request that is there":      {item(func(i *corev1.LimitRangeItem) { i.DefaultRequest = amounts("cpu", "2") }), nil, 8, 0},
		"request by default limit":   {item(func(i *corev1.LimitRangeItem) { i.Default = amounts("cpu", "1") }), bare, 4, 0},
		"request by maximum":         {item(func(i *corev1.LimitRangeItem) { i.Max = amounts("cpu", "1") }), bare, 4, 0},
		"request by minimum":         {item(func(i *corev1.LimitRangeItem) { i.Min = amounts("cpu", "2") }), bare, 2, 0},
		"below minimum":              {item(func(i *corev1.LimitRangeItem) { i.Min = amounts("cpu", "1") }), nil, 0, 8},
		"above maximum":              {item(func(i *corev1.LimitRangeItem) { i.Max = amounts("cpu", "1") }), limit("2"), 0, 8},
		"request above maximum":      {item(func(i *corev1.LimitRangeItem) { i.Max = amounts("cpu", "200m") }), nil, 0, 8},
		"within ratio":               {item(func(i *corev1.LimitRangeItem) { i.MaxLimitRequestRatio = amounts("cpu", "4") }), limit("2"), 8, 0},
		"beyond ratio":               {item(func(i *corev1.LimitRangeItem) { i.MaxLimitRequestRatio = amounts("cpu", "3") }), limit("2"), 0, 8},
		"ratio without limit":        {item(func(i *corev1.LimitRangeItem) { i.MaxLimitRequestRatio = amounts("cpu", "3") }), nil, 0, 8},
		"whole pod":                  {item(func(i *corev1.LimitRangeItem) { i.Type, i.Max = corev1.LimitTypePod, amounts("cpu", "1") }), limit("2"), 0, 8},
		"whole pod within":           {item(func(i *corev1.LimitRangeItem) { i.Type, i.Max = corev1.LimitTypePod, amounts("cpu", "1") }), limit("1"), 8, 0},
		"something else than a pod":  {item(func(i *corev1.LimitRangeItem) { i.Type, i.Max = "PersistentVolumeClaim", amounts("storage", "1") }), nil, 8, 0},
		"whole pod without defaults": {item(func(i *corev1.LimitRangeItem) { i.Type, i.Min = corev1.LimitTypePod, amounts("cpu", "1") }), bare, 0, 8},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			w.pool("pool", 1)
			w.must(w.Apply(&corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "limits"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{test.item}}}))
			w.must(w.Apply(&corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "limits"},
				Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{item(func(i *corev1.LimitRangeItem) { i.Min = amounts("cpu", "4") })}}}))
			d := deployment("app", 8, "500m")
			if test.change != nil {
				test.change(&d.Spec.Template.Spec)
			}
			w.must(w.Apply(d))
			w.loop.run(time.Minute)
			if s, _ := w.Status(key(KindDeployment, "app")); s.Ready != test.ready || s.Desired-s.Replicas != test.refused {
				t.Errorf("%d pods are ready and %d refused, want %d and %d", s.Ready, s.Desired-s.Replicas, test.ready, test.refused)
			}
			w.Delete(Key{KindLimitRange, "ns", "limits"})
			free := deployment("free", 1, "10m")
			w.must(w.Apply(free))
			w.loop.run(time.Minute)
			if s, _ := w.Status(key(KindDeployment, "free")); s.Refused {
				t.Error("a limit range that is gone forbids a pod")
			}
		})
	}
}

// TestQuotaIsFreed: controllers ask again at growing intervals, and at once when one of their own pods goes.
func TestQuotaIsFreed(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 4)
	w.must(w.Apply(quotaOf("pods", "3", "count/pods", "10")))
	w.must(w.Apply(deployment("app", 6, "500m")))
	w.must(w.Apply(statefulSet(1, "v1")))
	w.must(w.Apply(daemons("agent", "50m")))
	w.loop.run(30 * time.Second)
	w.expect("app", "3/3/3/3")
	if s, _ := w.Status(key(KindDeployment, "app")); len(s.DeploymentStatus(&appsv1.DeploymentStatus{}, w.loop.now).Conditions) != 3 {
		t.Errorf("the refusal is not told: %+v", s)
	}
	for name, kind := range map[string]string{"db": KindStatefulSet, "agent": KindDaemonSet} {
		w.holds(kind, name, 0, 0)
	}
	timers := w.Stats().Timers
	w.loop.run(time.Hour)
	if more := w.Stats().Timers - timers; more < 12 || more > 40 {
		t.Errorf("three refused workloads ran %d timers in an hour", more)
	}
	w.must(w.Apply(quotaOf("pods", "11", "count/pods", "20")))
	w.loop.run(20 * time.Minute)
	w.expect("app", "6/6/6/6")
	w.holds(KindStatefulSet, "db", 1, 0)
	w.holds(KindDaemonSet, "agent", 4, 0)
	w.Delete(Key{KindResourceQuota, "ns", "quota"})
	if _, ok := w.Quota(Key{KindResourceQuota, "ns", "quota"}); ok {
		t.Error("the quota is still there")
	}
	timers = w.Stats().Timers
	w.loop.run(24 * time.Hour)
	if more := w.Stats().Timers - timers; more > 3 {
		t.Errorf("%d timers ran after everything was there", more)
	}
	w.check()
}

// TestQuotaOfLostPods: pods that cannot end on a silent node take their share until quotas are counted anew.
func TestQuotaOfLostPods(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 2)
	w.must(w.Apply(quotaOf("pods", "4", "count/pods", "9")))
	w.must(w.Apply(deployment("app", 4, "1")))
	w.loop.run(time.Minute)
	w.must(w.FailNode("pool-0", true))
	w.loop.run(7 * time.Minute)
	w.expect("app", "2/2/2/2")
	if used := w.used(); used != "pods=4 count/pods=4" {
		t.Errorf("used %s", used)
	}
	w.loop.run(20 * time.Minute)
	w.expect("app", "4/4/4/4")
	if used := w.used(); used != "pods=4 count/pods=6" {
		t.Errorf("used %s", used)
	}
	w.must(w.HealNode("pool-0"))
	w.loop.run(time.Minute)
	if used := w.used(); used != "pods=4 count/pods=4" {
		t.Errorf("used %s", used)
	}
	w.check()
}

// TestQuotaOfFinishedPods: what they took is free again.
func TestQuotaOfFinishedPods(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 4)
	w.must(w.Apply(quotaOf("pods", "2", "requests.cpu", "5")))
	w.must(w.Apply(testJob(func(s *batchv1.JobSpec) { *s.Parallelism, *s.Completions = 4, 6 })))
	most := int64(0)
	for w.loop.step(w.loop.now.Add(time.Hour)) {
		status, _ := w.Quota(Key{KindResourceQuota, "ns", "quota"})
		pods := status.Used["pods"]
		most = max(most, pods.Value())
	}
	s, _ := w.Status(key(KindJob, "job"))
	if s.Condition != string(batchv1.JobComplete) || most != 2 || w.used() != "requests.cpu=0 pods=0" {
		t.Errorf("the job came to %q, held %d pods at most, and leaves %q", s.Condition, most, w.used())
	}
	told := 0
	for _, line := range w.told {
		if strings.Contains(line, " quota ") {
			told++
		}
	}
	if told < 2 {
		t.Errorf("the quota's status was told %d times", told)
	}
}

func TestReplicaSets(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 4)
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app", Generation: 1}}
	replicas := int32(3)
	set.Spec.Replicas, set.Spec.Template = &replicas, podTemplate("app", "1")
	w.must(w.Apply(set))
	w.loop.run(time.Minute)
	w.holds(KindReplicaSet, "app", 3, 0)

	// A new template is for new pods only.
	set = set.DeepCopy()
	*set.Spec.Replicas, set.Spec.Template.Spec.Containers[0].Image = 5, "app:2"
	w.must(w.Apply(set))
	w.loop.run(time.Minute)
	images := map[string]int{}
	for _, pod := range w.Pods("ns", nil) {
		images[pod.Spec.Containers[0].Image]++
		if owner := pod.OwnerReferences[0]; owner.Kind != "ReplicaSet" || owner.Name != "app" || pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey] != "" {
			t.Errorf("pod %s belongs to %s %s and has labels %v", pod.Name, owner.Kind, owner.Name, pod.Labels)
		}
	}
	if fmt.Sprint(images) != "map[app:1:3 app:2:2]" {
		t.Errorf("pods run %v", images)
	}
	set = set.DeepCopy()
	*set.Spec.Replicas = 1
	w.must(w.Apply(set))
	w.loop.run(time.Minute)
	s, _ := w.Status(key(KindReplicaSet, "app"))
	if status := s.ReplicaSetStatus(&appsv1.ReplicaSetStatus{}, w.loop.now); status.Replicas != 1 || status.ReadyReplicas != 1 || len(status.Conditions) > 0 {
		t.Errorf("the status is %+v", status)
	}
	w.Delete(key(KindReplicaSet, "app"))
	w.loop.run(time.Minute)
	if left := len(w.Pods("ns", nil)); left > 0 {
		t.Errorf("%d pods outlive their ReplicaSet", left)
	}
	w.check()
}
