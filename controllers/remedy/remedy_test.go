package remedy

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	remedyv1alpha1 "github.com/seatrial/seatrial/api/remedy/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/internal/byhand"
)

func remedy(name string, clusters []string, signs []remedyv1alpha1.DecisionMatch, actions ...remedyv1alpha1.RemedyAction) remedyv1alpha1.Remedy {
	made := remedyv1alpha1.Remedy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: remedyv1alpha1.RemedySpec{DecisionMatches: signs, Actions: actions}}
	if clusters != nil {
		made.Spec.ClusterAffinity = &remedyv1alpha1.ClusterAffinity{ClusterNames: clusters}
	}
	return made
}

func sign(condition string, operator remedyv1alpha1.ClusterConditionOperator, status string) []remedyv1alpha1.DecisionMatch {
	return []remedyv1alpha1.DecisionMatch{{}, {ClusterConditionMatch: &remedyv1alpha1.ClusterConditionRequirement{
		ConditionType: remedyv1alpha1.ConditionType(condition), Operator: operator, ConditionStatus: status,
	}}}
}

func TestPrescribed(t *testing.T) {
	cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1"}}
	cluster.Status.Conditions = []metav1.Condition{{Type: "Names", Status: metav1.ConditionFalse}}
	const equal, differs, traffic = remedyv1alpha1.ClusterConditionEqual, remedyv1alpha1.ClusterConditionNotEqual, remedyv1alpha1.TrafficControl
	for _, c := range []struct {
		name     string
		remedies []remedyv1alpha1.Remedy
		want     string
	}{
		{"no remedies", nil, ""},
		{"always, everywhere", []remedyv1alpha1.Remedy{remedy("a", nil, nil, traffic)}, "TrafficControl"},
		{"equal", []remedyv1alpha1.Remedy{remedy("a", nil, sign("Names", equal, "False"), traffic)}, "TrafficControl"},
		{"not equal", []remedyv1alpha1.Remedy{remedy("a", nil, sign("Names", equal, "True"), traffic)}, ""},
		{"differs", []remedyv1alpha1.Remedy{remedy("a", nil, sign("Names", differs, "True"), traffic)}, "TrafficControl"},
		{"does not differ", []remedyv1alpha1.Remedy{remedy("a", nil, sign("Names", differs, "False"), traffic)}, ""},
		{"no such condition", []remedyv1alpha1.Remedy{remedy("a", nil, sign("Other", differs, "True"), traffic)}, ""},
		{"the cluster is named", []remedyv1alpha1.Remedy{remedy("a", []string{"m2", "m1"}, nil, traffic)}, "TrafficControl"},
		{"another is", []remedyv1alpha1.Remedy{remedy("a", []string{"m2"}, nil, traffic)}, ""},
		{"none is", []remedyv1alpha1.Remedy{remedy("a", []string{}, nil, traffic)}, ""},
		{"sorted, each once", []remedyv1alpha1.Remedy{remedy("a", nil, nil, traffic, "Another"), remedy("b", nil, nil, traffic)}, "Another TrafficControl"},
	} {
		if got := strings.Join(prescribed(c.remedies, cluster), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestTurn writes what changed, and takes it back with the remedy.
func TestTurn(t *testing.T) {
	plane := byhand.New(t, New(1))
	cluster, always := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1"}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}}, remedy("a", nil, nil, remedyv1alpha1.TrafficControl)
	plane.Create(cluster, &always)
	for _, want := range []string{"TrafficControl", ""} {
		plane.Turn(onCluster(t.Context(), nil, eventOf(cluster))[0])
		plane.Read(cluster)
		if got := strings.Join(cluster.Status.RemedyActions, " "); got != want {
			t.Errorf("actions %q, want %q", got, want)
		}
		version := cluster.ResourceVersion
		plane.Turn(onCluster(t.Context(), nil, eventOf(cluster))[0])
		if plane.Read(cluster); cluster.ResourceVersion != version {
			t.Error("a turn without news wrote")
		}
		if want != "" {
			plane.Must(plane.Store.Delete(t.Context(), &always))
		}
	}
}

func eventOf(cluster *clusterv1alpha1.Cluster) control.Event { return control.Event{New: cluster} }
