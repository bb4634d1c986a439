package render

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/internal/byhand"
)

// TestJobBeginsWhereNoneRuns: a Job that moves begins in its new cluster when the member it was in has let go of it. Others do not wait, nor
// does a Job that leaves directly.
func TestJobBeginsWhereNoneRuns(t *testing.T) {
	for name, c := range map[string]struct {
		kind      string
		purge     policyv1alpha1.PurgeMode
		reference bool
		waits     bool
	}{
		"a Job":                {kind: "Job", waits: true},
		"a schedule of Jobs":   {kind: "CronJob", waits: true},
		"an evicted Job":       {kind: "Job", purge: policyv1alpha1.PurgeModeGracefully, waits: true},
		"directly":             {kind: "Job", purge: policyv1alpha1.PurgeModeDirectly},
		"as the reference":     {kind: "Job", reference: true},
		"what runs all along":  {kind: "ConfigMap"},
		"what is evicted, too": {kind: "ConfigMap", purge: policyv1alpha1.PurgeModeGracefully},
	} {
		t.Run(name, func(t *testing.T) {
			options := eviction.Defaults()
			options.Reference = c.reference
			plane := byhand.New(t, New(options, 1))
			made := bound(plane, "m1")
			if c.kind != "ConfigMap" {
				template := client.Object(&batchv1.Job{Spec: batchv1.JobSpec{Template: restartless()}})
				if c.kind == "CronJob" {
					template = &batchv1.CronJob{Spec: batchv1.CronJobSpec{Schedule: "0 * * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: restartless()}}}}
				}
				template.SetNamespace("default")
				template.SetName("web")
				plane.Create(template)
				made.Spec.Resource.APIVersion, made.Spec.Resource.Kind = "batch/v1", c.kind
				plane.Must(plane.Store.Update(t.Context(), made))
			}
			plane.Turn(control.KeyOf(made))
			if got := works(t, plane); !slices.Equal(got, []string{"m1"}) {
				t.Fatalf("Works for %v", got)
			}
			plane.Create(&clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m2"}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}})
			plane.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.ExecutionSpace("m2")}})
			plane.Read(made)
			made.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m2"}}
			if c.purge != "" {
				made.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{FromCluster: "m1", PurgeMode: c.purge, Producer: names.EvictionProducerTaint, Reason: names.EvictionReasonTaint}}
			}
			plane.Must(plane.Store.Update(t.Context(), made))
			plane.Turn(control.KeyOf(made))
			plane.Read(made)
			told := meta.FindStatusCondition(made.Status.Conditions, names.ConditionRendered)
			if got := slices.Contains(works(t, plane), "m2"); got == c.waits || (told != nil) != c.waits {
				t.Fatalf("it has begun: %t, condition %+v; waits: %t", got, told, c.waits)
			}
			if !c.waits {
				return
			}
			if want := "giving cluster m2 its Work: it is to run once, and may still run in m1"; told.Message != want {
				t.Errorf("%q, want %q", told.Message, want)
			}
			made.Spec.GracefulEvictionTasks = nil
			plane.Must(plane.Store.Update(t.Context(), made))
			plane.Turn(control.KeyOf(made))
			list := &workv1alpha1.WorkList{}
			plane.Must(plane.Store.List(t.Context(), list))
			left := &list.Items[0]
			if len(list.Items) != 1 || left.DeletionTimestamp.IsZero() {
				t.Fatalf("%d Works, the first of which goes at %s", len(list.Items), left.DeletionTimestamp)
			}
			left.Finalizers = nil
			plane.Must(plane.Store.Update(t.Context(), left))
			plane.Turn(control.KeyOf(made))
			plane.Read(made)
			if got := works(t, plane); !slices.Equal(got, []string{"m2"}) || meta.FindStatusCondition(made.Status.Conditions, names.ConditionRendered) != nil {
				t.Errorf("in the end Works for %v, conditions %+v", got, made.Status.Conditions)
			}
		})
	}
}

// TestFinishedJobBeginsNowhereElse: a Job that has come to its end does not run again because it is moved, nor because it is to run where
// others have left. Where each cluster has a Job of its own, one that comes to them gets one as well.
func TestFinishedJobBeginsNowhereElse(t *testing.T) {
	const complete, failed = batchv1.JobComplete, batchv1.JobFailed
	for name, c := range map[string]struct {
		end        batchv1.JobConditionType
		kind       string
		after      []string
		duplicated bool
		reference  bool
		begins     bool
	}{
		"it runs":                          {after: []string{"m2"}, begins: true},
		"it is complete":                   {end: complete, after: []string{"m2"}},
		"it has failed":                    {end: failed, after: []string{"m2"}},
		"it is to be in another as well":   {end: complete, after: []string{"m1", "m2"}},
		"each has its own, and one joins":  {end: complete, after: []string{"m1", "m2"}, duplicated: true, begins: true},
		"each has its own, in other ones":  {end: complete, after: []string{"m2"}, duplicated: true},
		"as the reference":                 {end: complete, after: []string{"m2"}, reference: true, begins: true},
		"what makes Jobs begins elsewhere": {kind: "CronJob", after: []string{"m2"}, begins: true},
	} {
		t.Run(name, func(t *testing.T) {
			options := eviction.Defaults()
			options.Reference = c.reference
			plane := byhand.New(t, New(options, 1))
			made := bound(plane, "m1", "m2")
			job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Spec: batchv1.JobSpec{Parallelism: ptr.To(int32(2)), Completions: ptr.To(int32(2)), Template: restartless()}}
			plane.Create(job)
			plane.Create(&batchv1.CronJob{
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
				Spec:       batchv1.CronJobSpec{Schedule: "0 * * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: restartless()}}},
			})
			place := func(clusters ...string) {
				plane.Read(made)
				made.Spec.Resource.APIVersion, made.Spec.Resource.Kind = "batch/v1", "Job"
				if c.kind != "" {
					made.Spec.Resource.Kind = c.kind
				}
				made.Spec.Replicas, made.Spec.Clusters = 2, nil
				if !c.duplicated && c.kind == "" {
					made.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided}}
				}
				for _, cluster := range clusters {
					made.Spec.Clusters = append(made.Spec.Clusters, workv1alpha2.TargetCluster{Name: cluster, Replicas: int32(2 / len(clusters))})
				}
				plane.Must(plane.Store.Update(t.Context(), made))
				plane.Turn(control.KeyOf(made))
			}
			place("m1")
			if got := works(t, plane); !slices.Equal(got, []string{"m1"}) {
				t.Fatalf("Works for %v", got)
			}
			plane.Read(job)
			job.Status = endedBy(c.end)
			plane.Must(plane.Store.Status().Update(t.Context(), job))
			place(c.after...)
			list := &workv1alpha1.WorkList{}
			plane.Must(plane.Store.List(t.Context(), list))
			for i := range list.Items {
				if !list.Items[i].DeletionTimestamp.IsZero() {
					list.Items[i].Finalizers = nil
					plane.Must(plane.Store.Update(t.Context(), &list.Items[i]))
				}
			}
			plane.Turn(control.KeyOf(made))
			plane.Read(made)
			told := meta.FindStatusCondition(made.Status.Conditions, names.ConditionRendered)
			if got := slices.Contains(works(t, plane), "m2"); got != c.begins || (told == nil) != c.begins {
				t.Fatalf("it begins: %t, condition %+v", got, told)
			}
			if want := "giving cluster m2 its Work: the Job has come to its end, and would run again"; told != nil && told.Message != want {
				t.Errorf("%q, want %q", told.Message, want)
			}
		})
	}
}

// endedBy is the status of a Job that has come to its end, or of one that runs.
func endedBy(end batchv1.JobConditionType) batchv1.JobStatus {
	now := metav1.Now()
	before := map[batchv1.JobConditionType]batchv1.JobConditionType{batchv1.JobComplete: batchv1.JobSuccessCriteriaMet, batchv1.JobFailed: batchv1.JobFailureTarget}[end]
	status := batchv1.JobStatus{StartTime: &now}
	if end == "" {
		return status
	}
	for _, condition := range []batchv1.JobConditionType{before, end} {
		status.Conditions = append(status.Conditions, batchv1.JobCondition{Type: condition, Status: corev1.ConditionTrue})
	}
	if end == batchv1.JobComplete {
		status.CompletionTime = &now
	}
	return status
}

func restartless() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "work", Image: "work:1"}}}}
}

// TestReplicasOfAStatefulSetAreHandedOver follows a StatefulSet of six from m1 to m2: there begins only what has ended here, however it was
// given up. Others are not told to wait.
func TestReplicasOfAStatefulSetAreHandedOver(t *testing.T) {
	begin := func(t *testing.T, labels, wishes map[string]string) *move {
		m := newMove(t, 1, map[string]int32{"m2": 6})
		pods := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "db"}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
		m.Create(&appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", Labels: labels},
			Spec:       appsv1.StatefulSetSpec{Replicas: ptr.To(int32(6)), Selector: &metav1.LabelSelector{MatchLabels: pods.Labels}, Template: pods},
		})
		m.Must(m.Store.DeleteAllOf(t.Context(), &workv1alpha1.Work{}, client.InNamespace(names.ExecutionSpace("m1"))))
		m.Read(m.made)
		m.made.Annotations, m.made.Spec.Resource.Kind = wishes, "StatefulSet"
		m.Must(m.Store.Update(t.Context(), m.made))
		m.turn()
		m.decide(4, 2)
		return m
	}
	m := begin(t, nil, nil)
	m.run(map[string]int32{"m1": 6})
	if again := m.turn().RequeueAfter; again != unwind {
		t.Errorf("another look after %s", again)
	}
	m.expect("m1 is told to give two up", "m1:4")
	m.run(map[string]int32{"m1": 5})
	m.turn()
	m.expect("one of them has ended", "m1:4 m2:1")
	m.run(map[string]int32{"m1": 4, "m2": 1})
	if again := m.turn().RequeueAfter; again != 0 {
		t.Errorf("another look after %s", again)
	}
	m.expect("both have", "m1:4 m2:2")
	m.decide(1, 5)
	m.turn()
	m.turn()
	m.expect("nothing more is reported", "m1:1 m2:2")
	m.now = m.now.Add(m.options.Timeout)
	m.turn()
	m.expect("nothing will be", "m1:1 m2:5")

	m = begin(t, map[string]string{names.LabelRetainReplicas: names.LabelRetainReplicasValue}, nil)
	m.run(map[string]int32{"m1": 9})
	m.turn()
	m.expect("m1 scales by itself", "m1:4 m2:2")

	m = begin(t, nil, map[string]string{names.AnnotationStatefulMoves: names.MakeBeforeBreak})
	m.turn()
	m.expect("it may run twice", "m1:4 m2:2")
}

// decide gives m1 and m2 so many replicas.
func (m *move) decide(m1, m2 int32) {
	m.t.Helper()
	m.Read(m.made)
	m.made.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: m1}, {Name: "m2", Replicas: m2}}
	m.Must(m.Store.Update(m.t.Context(), m.made))
	m.made.Status.LastScheduledTime = &metav1.Time{Time: m.now}
	m.Must(m.Store.Status().Update(m.t.Context(), m.made))
}

// run has clusters report so many replicas, ready or not.
func (m *move) run(replicas map[string]int32) {
	m.t.Helper()
	m.Read(m.made)
	m.made.Status.AggregatedStatus = nil
	for _, name := range slices.Sorted(maps.Keys(replicas)) {
		m.made.Status.AggregatedStatus = append(m.made.Status.AggregatedStatus, workv1alpha2.AggregatedStatusItem{
			ClusterName: name, Applied: true, Status: &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"replicas":%d}`, replicas[name])},
		})
	}
	m.Must(m.Store.Status().Update(m.t.Context(), m.made))
}
