package admission

import (
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

var testTime = metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))

// wantFaults compares the fields of faults with those wanted, as "type field".
func wantFaults(t *testing.T, name string, faults field.ErrorList, want ...string) {
	t.Helper()
	var got []string
	for _, fault := range faults {
		got = append(got, fault.Field)
		if fault.Error() == "" || strings.Contains(fault.Error(), "%!") {
			t.Errorf("%s: bad message %q", name, fault.Error())
		}
	}
	if len(got) != len(want) || (len(got) > 0 && !reflect.DeepEqual(got, want)) {
		t.Errorf("%s: faults at %q, want at %q: %v", name, got, want, faults)
	}
}

func newCluster(change func(*clusterv1alpha1.Cluster)) *clusterv1alpha1.Cluster {
	cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member1"}}
	cluster.Spec.SyncMode = clusterv1alpha1.Push
	change(cluster)
	return cluster
}

func TestDefaultClusterMakesAValidCluster(t *testing.T) {
	cluster := newCluster(func(c *clusterv1alpha1.Cluster) {
		c.Spec.Zone = "z1"
		c.Spec.Taints = []corev1.Taint{
			{Key: "a", Effect: corev1.TaintEffectNoExecute}, {Key: "b", Effect: corev1.TaintEffectNoSchedule},
		}
	})
	DefaultCluster(cluster, testTime, true)
	wantFaults(t, "defaulted cluster", ValidateCluster(cluster))
	if added := cluster.Spec.Taints[0].TimeAdded; added == nil || !added.Equal(&testTime) {
		t.Errorf("time of the NoExecute taint: %v", added)
	}
	if cluster.Spec.Taints[1].TimeAdded != nil {
		t.Error("a NoSchedule taint got a time")
	}
	if cluster.Spec.Zone != "" || !reflect.DeepEqual(cluster.Spec.Zones, []string{"z1"}) {
		t.Errorf("zone %q, zones %q", cluster.Spec.Zone, cluster.Spec.Zones)
	}
	last := cluster.Spec.ResourceModels[8]
	if last.Grade != 8 || last.Ranges[0].Min.String() != "128" || last.Ranges[1].Min.String() != "1Ti" {
		t.Errorf("last grade: %+v", last)
	}
	again := cluster.DeepCopy()
	DefaultCluster(again, metav1.NewTime(testTime.Add(time.Hour)), true)
	if !reflect.DeepEqual(cluster, again) {
		t.Error("completing twice changed the cluster")
	}
}

func TestDefaultClusterModels(t *testing.T) {
	quantity := resource.MustParse
	models := func() []clusterv1alpha1.ResourceModel {
		return []clusterv1alpha1.ResourceModel{
			{Grade: 7, Ranges: []clusterv1alpha1.ResourceModelRange{{Name: "cpu", Min: quantity("2"), Max: quantity("4")}}},
			{Grade: 1, Ranges: []clusterv1alpha1.ResourceModelRange{{Name: "cpu", Min: quantity("1"), Max: quantity("2")}}},
		}
	}
	given := newCluster(func(c *clusterv1alpha1.Cluster) { c.Spec.ResourceModels = models() })
	DefaultCluster(given, testTime, true)
	wantFaults(t, "given models in order", ValidateCluster(given))
	if given.Spec.ResourceModels[0].Grade != 1 || !given.Spec.ResourceModels[0].Ranges[0].Min.IsZero() {
		t.Errorf("models: %+v", given.Spec.ResourceModels)
	}
	off := newCluster(func(c *clusterv1alpha1.Cluster) { c.Spec.ResourceModels = models() })
	DefaultCluster(off, testTime, false)
	if !reflect.DeepEqual(off.Spec.ResourceModels, models()) {
		t.Error("models changed with modeling off")
	}
	updated := newCluster(func(*clusterv1alpha1.Cluster) {})
	DefaultClusterUpdate(updated, testTime, true)
	if len(updated.Spec.ResourceModels) != 0 {
		t.Error("removed models came back on update")
	}
}

func TestValidateCluster(t *testing.T) {
	cases := map[string]struct {
		change func(*clusterv1alpha1.Cluster)
		want   []string
	}{
		"fine":        {func(*clusterv1alpha1.Cluster) {}, nil},
		"dotted name": {func(c *clusterv1alpha1.Cluster) { c.Name = "a.b" }, []string{"metadata.name"}},
		"longest name": {func(c *clusterv1alpha1.Cluster) {
			c.Name = strings.Repeat("a", 48)
		}, nil},
		"long name": {func(c *clusterv1alpha1.Cluster) {
			c.Name = strings.Repeat("a", 49)
		}, []string{"metadata.name"}},
		"no mode":      {func(c *clusterv1alpha1.Cluster) { c.Spec.SyncMode = "" }, []string{"spec.syncMode"}},
		"unknown mode": {func(c *clusterv1alpha1.Cluster) { c.Spec.SyncMode = "Sideways" }, []string{"spec.syncMode"}},
		"empty secret": {func(c *clusterv1alpha1.Cluster) {
			c.Spec.SecretRef = &clusterv1alpha1.LocalSecretReference{}
		}, []string{"spec.secretRef.namespace", "spec.secretRef.name"}},
		"endpoint": {func(c *clusterv1alpha1.Cluster) { c.Spec.APIEndpoint = "tcp://10.0.0.1:6443/path" }, nil},
		"endpoint without host": {func(c *clusterv1alpha1.Cluster) {
			c.Spec.APIEndpoint = "10.0.0.1/x"
		}, []string{"spec.apiEndpoint"}},
		"endpoint with everything": {func(c *clusterv1alpha1.Cluster) {
			c.Spec.APIEndpoint = "https://me:secret@host/?q=1#f"
		}, []string{"spec.apiEndpoint", "spec.apiEndpoint", "spec.apiEndpoint"}},
		"socks proxy": {func(c *clusterv1alpha1.Cluster) { c.Spec.ProxyURL = "socks5://p:1080" }, nil},
		"ftp proxy":   {func(c *clusterv1alpha1.Cluster) { c.Spec.ProxyURL = "ftp://p" }, []string{"spec.proxyURL"}},
		"bad location": {func(c *clusterv1alpha1.Cluster) {
			c.Spec.Provider, c.Spec.Region, c.Spec.Zones = "a b", "-", []string{"ok", "!"}
		}, []string{"spec.provider", "spec.region", "spec.zones[1]"}},
		"zone and zones": {func(c *clusterv1alpha1.Cluster) {
			c.Spec.Zone, c.Spec.Zones = "a", []string{"b"}
		}, []string{"spec.zone"}},
		"taints": {func(c *clusterv1alpha1.Cluster) {
			c.Spec.Taints = []corev1.Taint{
				{Key: "a", Effect: "NoSchedule"}, {Key: "a", Effect: "NoSchedule"}, {Key: "b c", Effect: "Evict"}, {Key: "d"},
			}
		}, []string{"spec.taints[1]", "spec.taints[2].key", "spec.taints[2].effect", "spec.taints[3].effect"}},
	}
	for name, c := range cases {
		wantFaults(t, name, ValidateCluster(newCluster(c.change)), c.want...)
	}
	old := newCluster(func(c *clusterv1alpha1.Cluster) { c.UID = "1"; c.ResourceVersion = "1" })
	changed := newCluster(func(c *clusterv1alpha1.Cluster) { c.UID = "2"; c.ResourceVersion = "1" })
	wantFaults(t, "changed UID", ValidateClusterUpdate(changed, old), "metadata.uid")
	wantFaults(t, "changed UID", ValidateClusterStatusUpdate(changed, old), "metadata.uid")
}

func TestEndpointFaultsKeepCredentials(t *testing.T) {
	cluster := newCluster(func(c *clusterv1alpha1.Cluster) { c.Spec.APIEndpoint = "https://me:hush@host" })
	if text := ValidateCluster(cluster).ToAggregate().Error(); strings.Contains(text, "hush") {
		t.Errorf("the message shows the password: %s", text)
	}
}

func TestValidateResourceModels(t *testing.T) {
	span := func(name, low, high string) clusterv1alpha1.ResourceModelRange {
		return clusterv1alpha1.ResourceModelRange{
			Name: corev1.ResourceName(name), Min: resource.MustParse(low), Max: resource.MustParse(high),
		}
	}
	const most = "9223372036854775807"
	grades := func(ranges ...[]clusterv1alpha1.ResourceModelRange) []clusterv1alpha1.ResourceModel {
		var models []clusterv1alpha1.ResourceModel
		for i, r := range ranges {
			models = append(models, clusterv1alpha1.ResourceModel{Grade: uint(i), Ranges: r})
		}
		return models
	}
	type ranges = []clusterv1alpha1.ResourceModelRange
	cases := map[string]struct {
		models []clusterv1alpha1.ResourceModel
		want   []string
	}{
		"fine":  {grades(ranges{span("cpu", "0", "1")}, ranges{span("cpu", "1", most)}), nil},
		"gap":   {grades(ranges{span("cpu", "0", "1")}, ranges{span("cpu", "2", most)}), []string{"m[1].ranges[0].min"}},
		"start": {grades(ranges{span("cpu", "1", most)}), []string{"m[0].ranges[0].min"}},
		"end":   {grades(ranges{span("cpu", "0", "1")}), []string{"m[0].ranges[0].max"}},
		"other resource": {
			grades(ranges{span("cpu", "0", "1")}, ranges{span("memory", "1", most)}), []string{"m[1].ranges[0].name"},
		},
		"more resources": {
			grades(ranges{span("cpu", "0", "1")}, ranges{span("cpu", "1", most), span("memory", "0", most)}),
			[]string{"m[1].ranges"},
		},
		"empty range": {
			grades(ranges{span("cpu", "0", "0")}, ranges{span("cpu", "0", most)}), []string{"m[0].ranges[0].max"},
		},
	}
	for name, c := range cases {
		wantFaults(t, name, validateResourceModels(c.models, field.NewPath("m")), c.want...)
	}
	twice := grades(ranges{span("cpu", "0", "1")}, ranges{span("cpu", "1", most)})
	twice[1].Grade = 0
	wantFaults(t, "same grade", validateResourceModels(twice, field.NewPath("m")), "m[1].grade")
}
