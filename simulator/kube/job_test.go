package kube

import (
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func testJob(change ...func(*batchv1.JobSpec)) *batchv1.Job {
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "job", Generation: 1}}
	j.Spec = batchv1.JobSpec{Parallelism: ptr.To[int32](2), Completions: ptr.To[int32](5), Template: podTemplate("job", "100m")}
	for _, c := range change {
		c(&j.Spec)
	}
	return j
}

// TestJobs run pods of a minute after a second of start.
func TestJobs(t *testing.T) {
	failing := func(s *batchv1.JobSpec) { s.Template.Annotations = map[string]string{AnnotationFailRate: "1"} }
	for name, c := range map[string]struct {
		job       *batchv1.Job
		took      time.Duration
		condition string
		succeeded int32
		failed    int32
	}{
		"three rounds": {testJob(), 183 * time.Second, "Complete", 5, 0},
		"indexed": {testJob(func(s *batchv1.JobSpec) { s.CompletionMode = ptr.To(batchv1.IndexedCompletion) }),
			183 * time.Second, "Complete", 5, 0},
		"work queue": {testJob(func(s *batchv1.JobSpec) { s.Completions = nil }), 61 * time.Second, "Complete", 2, 0},
		"quick": {testJob(func(s *batchv1.JobSpec) { s.Template.Annotations = map[string]string{AnnotationRunSeconds: "0.5"} }),
			4500 * time.Millisecond, "Complete", 5, 0},
		"too long": {testJob(func(s *batchv1.JobSpec) { s.ActiveDeadlineSeconds = ptr.To[int64](100) }),
			100 * time.Second, "Failed", 2, 0},
		"failing at once": {testJob(failing, func(s *batchv1.JobSpec) { s.BackoffLimit = ptr.To[int32](0) }),
			61 * time.Second, "Failed", 0, 2},
		// One pod at a time, with back-offs of 10s and 20s between them.
		"failing thrice": {testJob(failing, func(s *batchv1.JobSpec) { s.BackoffLimit, s.Parallelism = ptr.To[int32](2), ptr.To[int32](1) }),
			(3*61 + 10 + 20) * time.Second, "Failed", 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			w.pool("pool", 3)
			w.must(w.Apply(c.job))
			w.loop.run(time.Hour)
			w.check()
			s, _ := w.Status(key(KindJob, "job"))
			if s.Condition != c.condition || s.Finished != c.took || s.Succeeded != c.succeeded || s.Failed != c.failed {
				t.Errorf("%s after %v with %d and %d pods, want %s after %v with %d and %d", s.Condition, s.Finished, s.Succeeded, s.Failed,
					c.condition, c.took, c.succeeded, c.failed)
			}
			if status := w.JobStatus(s); len(status.Conditions) != 2 || string(status.Conditions[1].Type) != c.condition {
				t.Errorf("conditions %+v", status.Conditions)
			}
		})
	}
}

func TestCronJobs(t *testing.T) {
	for policy, want := range map[batchv1.ConcurrencyPolicy]string{
		batchv1.AllowConcurrent: "10m 15m 20m", batchv1.ForbidConcurrent: "15m 5m", batchv1.ReplaceConcurrent: "20m",
	} {
		w := newWorld(t, Options{})
		w.pool("pool", 3)
		cron := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "cron"}}
		cron.Spec = batchv1.CronJobSpec{Schedule: "*/5 * * * *", ConcurrencyPolicy: policy, SuccessfulJobsHistoryLimit: ptr.To[int32](1)}
		cron.Spec.JobTemplate.Spec = testJob().Spec
		cron.Spec.JobTemplate.Spec.Template.Annotations = map[string]string{AnnotationRunSeconds: "150"}
		w.must(w.Apply(cron))
		w.loop.run(21 * time.Minute)
		w.check()
		var began []string
		for _, known := range w.Workloads() {
			if s, _ := w.Status(known); known.Kind == KindJob {
				began = append(began, strings.TrimSuffix(s.Started.String(), "0s"))
			}
		}
		slices.Sort(began)
		if got := strings.Join(began, " "); got != want {
			t.Errorf("%s: jobs of %s are there, want %s", policy, got, want)
		}
		if problems := w.Problems(); len(problems) > 0 {
			t.Error(problems)
		}
	}
	w := newWorld(t, Options{})
	bad := &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "cron"}, Spec: batchv1.CronJobSpec{Schedule: "never"}}
	if err := w.Apply(bad); err == nil || !strings.Contains(err.Error(), `spec.schedule "never"`) {
		t.Errorf("a bad schedule gives %v", err)
	}
}

func TestJobExpires(t *testing.T) {
	var removed []Key
	w := newWorld(t, Options{Events: Events{Removed: func(key Key) { removed = append(removed, key) }}})
	w.pool("pool", 3)
	w.must(w.Apply(testJob(func(s *batchv1.JobSpec) { s.TTLSecondsAfterFinished = ptr.To[int32](60) })))
	w.loop.run(242 * time.Second)
	if len(removed) > 0 {
		t.Error("removed too early")
	}
	w.loop.run(2 * time.Second)
	if !slices.Equal(removed, []Key{key(KindJob, "job")}) || len(w.Workloads()) > 0 {
		t.Errorf("removed %v, left %v", removed, w.Workloads())
	}
}
