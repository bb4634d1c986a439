package eviction

import (
	"maps"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

const flinkStatus = `{"jobStatus":{"jobID":"fd72014d","state":"RUNNING","retries":2,"ok":true,"none":null,"points":[1,2]}}`

func TestPreservedLabels(t *testing.T) {
	copies := []workv1alpha2.AggregatedStatusItem{
		{ClusterName: "m1", Status: &runtime.RawExtension{Raw: []byte(flinkStatus)}},
		{ClusterName: "silent"}, {ClusterName: "garbled", Status: &runtime.RawExtension{Raw: []byte("{")}},
	}
	for _, c := range []struct {
		cluster, path string
		want          map[string]string
		fails         bool
	}{
		{"m1", "{.jobStatus.jobID}", map[string]string{"job": "fd72014d"}, false},
		{"m1", "{ .jobStatus.retries }", map[string]string{"job": "2"}, false},
		{"m1", "{.jobStatus.ok}", map[string]string{"job": "true"}, false},
		{"m1", "{.jobStatus.missing}", nil, false},
		{"m1", "{.jobStatus.none}", nil, false},
		{"m1", "{.jobStatus}", nil, true},
		{"m1", "{.jobStatus.points[*]}", nil, true},
		{"m1", "{.jobStatus.points[7]}", nil, true},
		{"m1", "{.jobStatus", nil, true},
		{"silent", "{.jobStatus.jobID}", nil, true},
		{"garbled", "{.jobStatus.jobID}", nil, true},
		{"unknown", "{.jobStatus.jobID}", nil, true},
	} {
		preservation := &policyv1alpha1.StatePreservation{Rules: []policyv1alpha1.StatePreservationRule{{AliasLabelName: "job", JSONPath: c.path}}}
		labels, err := PreservedLabels(preservation, copies, c.cluster)
		if (err != nil) != c.fails || !maps.Equal(labels, c.want) {
			t.Errorf("%s in %s: %v, error %v; want %v", c.path, c.cluster, labels, err, c.want)
		}
	}
	if labels, err := PreservedLabels(nil, copies, "silent"); labels != nil || err != nil {
		t.Errorf("nothing to preserve: %v, error %v", labels, err)
	}
}

func TestInjectedLabels(t *testing.T) {
	state := map[string]string{"job": "fd72014d"}
	task := workv1alpha2.GracefulEvictionTask{FromCluster: "m1", PreservedLabelState: state, ClustersBeforeFailover: []string{"m1", "m3"}}
	for name, c := range map[string]struct {
		targets []workv1alpha2.TargetCluster
		tasks   []workv1alpha2.GracefulEvictionTask
		cluster string
		want    map[string]string
	}{
		"the successor":        {targets("m2", 1), []workv1alpha2.GracefulEvictionTask{task}, "m2", state},
		"no failover":          {targets("m2", 1), nil, "m2", nil},
		"several targets":      {targets("m2", 1, "m4", 1), []workv1alpha2.GracefulEvictionTask{task}, "m2", nil},
		"ran there before":     {targets("m3", 1), []workv1alpha2.GracefulEvictionTask{task}, "m3", nil},
		"failed there":         {targets("m1", 1), []workv1alpha2.GracefulEvictionTask{{FromCluster: "m1", PreservedLabelState: state}}, "m1", nil},
		"only the last counts": {targets("m2", 1), []workv1alpha2.GracefulEvictionTask{task, {FromCluster: "m5"}}, "m2", nil},
	} {
		spec := &workv1alpha2.ResourceBindingSpec{Clusters: c.targets, GracefulEvictionTasks: c.tasks}
		if got := InjectedLabels(spec, c.cluster); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// FuzzPreservedLabels: paths come from users, statuses from members.
func FuzzPreservedLabels(f *testing.F) {
	for _, path := range []string{"{.jobStatus.jobID}", "{.a[0]}", "{range .x[*]}{.y}{end}", "{..id}", "{", "{.a[?(@.b==1)]}", "plain", ""} {
		f.Add(path, flinkStatus)
	}
	f.Fuzz(func(t *testing.T, path, status string) {
		preservation := &policyv1alpha1.StatePreservation{Rules: []policyv1alpha1.StatePreservationRule{{AliasLabelName: "job", JSONPath: path}}}
		copies := []workv1alpha2.AggregatedStatusItem{{ClusterName: "m1", Status: &runtime.RawExtension{Raw: []byte(status)}}}
		labels, err := PreservedLabels(preservation, copies, "m1")
		if err != nil && labels != nil {
			t.Errorf("labels %v beside error %v", labels, err)
		}
	})
}
