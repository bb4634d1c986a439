package estimator_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/estimator"
)

func annotated(text string) map[string]string {
	return map[string]string{names.AnnotationPodDemand: text}
}

func TestParsePodDemand(t *testing.T) {
	web := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	full := &estimator.PodDemand{
		Labels:       map[string]string{"app": "web"},
		Affinity:     []corev1.PodAffinityTerm{{TopologyKey: "zone", LabelSelector: web}},
		AntiAffinity: []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelHostname, LabelSelector: web, MatchLabelKeys: []string{"app"}}},
		Spread:       []corev1.TopologySpreadConstraint{{TopologyKey: "zone", MaxSkew: 1, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: web}},
		HostPorts:    []estimator.HostPort{{Port: 443}},
		Volumes:      []estimator.Volume{{Driver: "disk.example.com", Shared: true}},
		Priority:     ptr.To[int32](7),
	}
	text, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		annotations map[string]string
		want        *estimator.PodDemand
	}{
		{nil, nil},
		{map[string]string{"other": "{"}, nil},
		{annotated("{}"), &estimator.PodDemand{}},
		{annotated(string(text)), full},
	} {
		if got, err := estimator.ParsePodDemand(c.annotations); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v is read as %+v, %v", c.annotations, got, err)
		}
	}
}

func TestParsePodDemandNamesTheField(t *testing.T) {
	for text, want := range map[string]string{
		``:                                   "end of JSON",
		`{"hostPorts":[{"port":"80"}]}`:      "hostPorts.port",
		`{"hostPorts":[{"port":80},{}]}`:     "hostPorts[1].port",
		`{"labels":{"app":"a b"}}`:           "labels",
		`{"affinity":[{"topologyKey":""}]}`:  "affinity[0].topologyKey",
		`{"topologySpreadConstraints":[{}]}`: "topologySpreadConstraints[0].maxSkew",
		`{"priority":2147483648}`:            "priority",
		`{"antiAffinity":[{"topologyKey":"zone","labelSelector":{"matchExpressions":[{"key":"a","operator":"Like"}]}}]}`: "antiAffinity[0].labelSelector.matchExpressions[0].operator",
		`{"antiAffinity":[{"topologyKey":"zone","mismatchLabelKeys":["a b"]}]}`:                                          "antiAffinity[0].mismatchLabelKeys[0]",
	} {
		_, err := estimator.ParsePodDemand(annotated(text))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), names.AnnotationPodDemand) {
			t.Errorf("%s: error %v, want one that names the annotation and %q", text, err, want)
		}
	}
}

func TestHostPortConflicts(t *testing.T) {
	for _, c := range []struct {
		a, b estimator.HostPort
		want bool
	}{
		{estimator.HostPort{Port: 80}, estimator.HostPort{Port: 80}, true},
		{estimator.HostPort{Port: 80}, estimator.HostPort{Port: 81}, false},
		{estimator.HostPort{Port: 80, IP: "10.0.0.1"}, estimator.HostPort{Port: 80}, true},
		{estimator.HostPort{Port: 80, IP: "10.0.0.1"}, estimator.HostPort{Port: 80, IP: "0.0.0.0"}, true},
		{estimator.HostPort{Port: 80, IP: "10.0.0.1"}, estimator.HostPort{Port: 80, IP: "10.0.0.2"}, false},
		{estimator.HostPort{Port: 80, Protocol: corev1.ProtocolUDP}, estimator.HostPort{Port: 80}, false},
		{estimator.HostPort{Port: 80, Protocol: corev1.ProtocolTCP}, estimator.HostPort{Port: 80}, true},
	} {
		if c.a.Conflicts(c.b) != c.want || c.b.Conflicts(c.a) != c.want {
			t.Errorf("%+v and %+v: want a conflict: %t", c.a, c.b, c.want)
		}
	}
}

// FuzzParsePodDemand: what is read without an error is valid, and is read again as the same.
func FuzzParsePodDemand(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[`, `{"labels":{"app":"web"},"priority":5}`, `{"hostPorts":[{"port":443,"ip":"10.0.0.1","protocol":"UDP"}]}`,
		`{"affinity":[{"topologyKey":"zone","labelSelector":{"matchLabels":{"app":"web"}},"matchLabelKeys":["app"]}]}`,
		`{"topologySpreadConstraints":[{"topologyKey":"zone","maxSkew":1,"whenUnsatisfiable":"DoNotSchedule"}]}`,
		`{"volumes":[{"driver":"disk","nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["a"]}]}]}}}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, err := estimator.ParsePodDemand(annotated(text))
		if err != nil {
			if read != nil || !strings.Contains(err.Error(), names.AnnotationPodDemand) {
				t.Errorf("read %+v with error %v", read, err)
			}
			return
		}
		again, err := json.Marshal(read)
		if err != nil {
			t.Fatal(err)
		}
		second, err := estimator.ParsePodDemand(annotated(string(again)))
		if err != nil {
			t.Fatalf("%s was read, but %s is not: %v", text, again, err)
		}
		if third, err := json.Marshal(second); err != nil || string(third) != string(again) {
			t.Errorf("%s becomes %s when read again, %v", again, third, err)
		}
	})
}
