package placement_test

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/internal/golden"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// recordedInput is the input of one recorded case.
type recordedInput struct {
	Clusters                       []*clusterv1alpha1.Cluster         `json:"clusters"`
	Spec                           workv1alpha2.ResourceBindingSpec   `json:"spec"`
	Status                         workv1alpha2.ResourceBindingStatus `json:"status"`
	EnableEmptyWorkloadPropagation bool                               `json:"enableEmptyWorkloadPropagation"`
	Estimators                     recordedEstimators                 `json:"estimators"`
	FeatureGates                   map[string]bool                    `json:"featureGates"`
	ExistingBindings               []workv1alpha2.ResourceBinding     `json:"existingBindings"`
	AssigningBindings              []workv1alpha2.ResourceBinding     `json:"assigningBindings"`
	// Annotations hold preferences. No recorded case has them; property tests and the fuzz target do.
	Annotations map[string]string `json:"annotations"`
}

type recordedEstimators struct {
	Replicas  map[string]int32 `json:"replicas"`
	Sets      map[string]int32 `json:"sets"`
	StubError bool             `json:"stubError"`
	General   bool             `json:"general"`
}

// recordedOutcome is what the reference decided.
type recordedOutcome struct {
	Clusters []workv1alpha2.TargetCluster `json:"clusters"`
	Error    *struct {
		Kind       string                       `json:"kind"`
		Message    string                       `json:"message"`
		Rejections map[string]map[string]string `json:"rejections"`
	} `json:"error"`
}

// overflown matches the only answers a decision may differ from: capacity sums that overflowed int32.
var overflown = regexp.MustCompile(`Clusters available replicas -\d+ are not enough to schedule`)

func TestGolden(t *testing.T) {
	raw, err := os.ReadFile("testdata/deviations.json")
	if err != nil {
		t.Fatalf("reading the deviations: %v", err)
	}
	var deviations map[string]string
	decode(t, "testdata/deviations.json", raw, &deviations)
	otherSet := os.Getenv("GOLDEN_DIR") != ""
	for _, c := range golden.Load(t, "placement") {
		var in recordedInput
		var want recordedOutcome
		decode(t, c.ID, c.In, &in)
		decode(t, c.ID, c.Out, &want)
		if want.Error != nil && want.Error.Message == "" {
			want.Error.Message = c.Message
		}
		diff := difference(want, in.decide(), c.OrderVaries)
		allowed := want.Error != nil && overflown.MatchString(want.Error.Message)
		listed := deviations[c.ID] != ""
		switch {
		case diff != "" && !(allowed && (listed || otherSet)):
			t.Errorf("%s %v: (-want +got)\n%s", c.ID, c.Classes, diff)
		case diff == "" && listed && !otherSet:
			t.Errorf("%s is listed as a deviation and does not differ", c.ID)
		}
	}
}

// unsupported is how the reference refuses to spread by provider, zone or label alone.
const unsupported = "failed to select clusters: just support cluster and region spread constraint"

// TestDefaultSpreadDiffersOnlyWhereTheReferenceRefuses decides all recorded cases with the default options.
func TestDefaultSpreadDiffersOnlyWhereTheReferenceRefuses(t *testing.T) {
	placed := 0
	for _, c := range golden.Load(t, "placement") {
		var in recordedInput
		decode(t, c.ID, c.In, &in)
		want := in.decide()
		request := in.request()
		request.Options.Spread = placement.SpreadCompatible
		candidates := placement.Candidates(request, in.snapshot())
		got := placement.Assign(candidates, in.capacity(candidates))
		if want.Err != nil && want.Err.Error() == unsupported {
			if got.Err == nil {
				placed++
			}
			continue
		}
		if diff := cmp.Diff(outcomeOf(want), outcomeOf(got)); diff != "" {
			t.Errorf("%s: (-reference +default)\n%s", c.ID, diff)
		}
	}
	if placed == 0 && os.Getenv("GOLDEN_DIR") == "" {
		t.Error("no workload that the reference refuses to spread is placed")
	}
}

func decode(t testing.TB, id string, raw json.RawMessage, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: reading case: %v", id, err)
	}
}

func (in *recordedInput) request() placement.Request {
	preferences, err := placement.ParsePreferences(in.Annotations)
	if err != nil {
		preferences = placement.Preferences{}
	}
	return placement.Request{
		Preferences: preferences,
		Binding: types.NamespacedName{
			Namespace: in.Spec.Resource.Namespace,
			Name:      names.Binding(in.Spec.Resource.Kind, in.Spec.Resource.Name),
		},
		Spec:          &in.Spec,
		Term:          in.Status.SchedulerObservedAffinityName,
		LastScheduled: in.Status.LastScheduledTime,
		Options: placement.Options{
			Spread:                   placement.SpreadReference,
			EmptyWorkloadPropagation: in.EnableEmptyWorkloadPropagation,
			MultiplePodTemplates:     in.FeatureGates["MultiplePodTemplatesScheduling"],
			WorkloadAffinity:         in.FeatureGates["WorkloadAffinity"],
		},
	}
}

func (in *recordedInput) snapshot() *placement.Snapshot {
	var peers []placement.Peer
	for i := range in.ExistingBindings {
		peers = append(peers, peerOf(&in.ExistingBindings[i], false))
	}
	for i := range in.AssigningBindings {
		peers = append(peers, peerOf(&in.AssigningBindings[i], true))
	}
	none := &placement.Peers{}
	return placement.NewSnapshot(in.Clusters).WithPeers(none.Put(peers...))
}

func peerOf(binding *workv1alpha2.ResourceBinding, inFlight bool) placement.Peer {
	version, _ := strconv.ParseUint(binding.ResourceVersion, 10, 64)
	peer := placement.Peer{
		Binding:         types.NamespacedName{Namespace: binding.Namespace, Name: binding.Name},
		ResourceVersion: version,
		InFlight:        inFlight,
	}
	if groups := binding.Spec.WorkloadAffinityGroups; groups != nil {
		peer.AffinityGroup, peer.AntiAffinityGroup = groups.AffinityGroup, groups.AntiAffinityGroup
	}
	for _, cluster := range binding.Spec.Clusters {
		peer.Clusters = append(peer.Clusters, cluster.Name)
	}
	return peer
}

func (in *recordedInput) decide() placement.Decision {
	candidates := placement.Candidates(in.request(), in.snapshot())
	return placement.Assign(candidates, in.capacity(candidates))
}

// capacity asks the recorded estimators.
func (in *recordedInput) capacity(candidates *placement.CandidateSet) []int32 {
	capacity := placement.NoCapacity(candidates.Len())
	answers := in.Estimators.Replicas
	if candidates.Demand() == placement.DemandSets {
		answers = in.Estimators.Sets
	}
	if !in.Estimators.StubError {
		for i, name := range candidates.Names() {
			if answer, ok := answers[name]; ok {
				capacity[i] = answer
			}
		}
	}
	if in.Estimators.General {
		placement.Tighten(capacity, in.general(candidates))
	}
	return capacity
}

// general asks the estimator that reads the resource summaries.
func (in *recordedInput) general(candidates *placement.CandidateSet) []int32 {
	answer := make([]int32, candidates.Len())
	general := estimator.General{UseModels: true}
	for i, cluster := range candidates.Clusters() {
		if candidates.Demand() == placement.DemandSets {
			answer[i] = general.Sets(cluster, in.Spec.Components, nil)
		} else {
			answer[i] = general.Replicas(cluster, in.Spec.ReplicaRequirements, nil)
		}
	}
	return answer
}

// difference compares a decision with the recorded outcome; it is empty when they agree.
func difference(want recordedOutcome, got placement.Decision, orderVaries bool) string {
	if want.Error == nil {
		if got.Err != nil {
			return "unexpected error: " + got.Err.Error()
		}
		clusters := got.Clusters
		if orderVaries {
			clusters = slices.Clone(clusters)
			slices.SortFunc(clusters, func(a, b workv1alpha2.TargetCluster) int { return cmpNames(a.Name, b.Name) })
		}
		if len(want.Clusters)+len(clusters) == 0 {
			return ""
		}
		return cmp.Diff(want.Clusters, clusters)
	}
	if got.Err == nil {
		return "no error, want " + want.Error.Kind + ": " + want.Error.Message
	}
	kind, rejections := classify(got.Err)
	if kind != want.Error.Kind {
		return "error kind " + kind + ", want " + want.Error.Kind + ": " + want.Error.Message + ", got " + got.Err.Error()
	}
	if want.Error.Message != "" && want.Error.Message != got.Err.Error() {
		return cmp.Diff(want.Error.Message, got.Err.Error())
	}
	if len(want.Error.Rejections)+len(rejections) == 0 {
		return ""
	}
	return cmp.Diff(want.Error.Rejections, rejections)
}

func cmpNames(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func classify(err error) (kind string, rejections map[string]map[string]string) {
	var fit *placement.FitError
	var unschedulable *placement.UnschedulableError
	switch {
	case errors.As(err, &fit):
		rejections = map[string]map[string]string{}
		for _, cluster := range fit.Rejections {
			rejections[cluster.Cluster] = map[string]string{}
			for _, rejection := range cluster.Rejections {
				rejections[cluster.Cluster][rejection.Plugin] = rejection.Reason
			}
		}
		return "FitError", rejections
	case errors.As(err, &unschedulable):
		return "UnschedulableError", nil
	}
	return "Other", nil
}
