package extender_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	wire "k8s.io/kube-scheduler/extender/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/framework/extender"
	"github.com/seatrial/seatrial/scheduler/placement"
)

var _ framework.Gatherer = (&extender.Extenders{}).Gather

// candidates are m1, m2 and m3 for a Deployment of two replicas.
func candidates() *placement.CandidateSet {
	var clusters []*clusterv1alpha1.Cluster
	for _, name := range []string{"m1", "m2", "m3"} {
		cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"tier": "gold"}}}
		cluster.Spec.Taints = []corev1.Taint{{Key: "slow", Effect: corev1.TaintEffectPreferNoSchedule}}
		cluster.Status.ResourceSummary = &clusterv1alpha1.ResourceSummary{
			Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8")},
		}
		cluster.Status.APIEnablements = []clusterv1alpha1.APIEnablement{{
			GroupVersion: "apps/v1", Resources: []clusterv1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}},
		}}
		clusters = append(clusters, cluster)
	}
	request := placement.Request{Spec: &workv1alpha2.ResourceBindingSpec{
		Resource: workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", UID: "u1"},
		Replicas: 2,
		ReplicaRequirements: &workv1alpha2.ReplicaRequirements{
			ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m")},
		},
		Placement: &policyv1alpha1.Placement{ClusterTolerations: []corev1.Toleration{{Key: "slow", Operator: corev1.TolerationOpExists}}},
	}}
	return placement.Candidates(request, placement.NewSnapshot(clusters))
}

// serve answers each verb with a fixed body.
func serve(t *testing.T, answers map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[strings.TrimPrefix(r.URL.Path, "/v1/")]
		if !ok {
			http.Error(w, "no such verb", http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/v1"
}

func settings(url string) framework.Extender {
	return framework.Extender{URL: url, FilterVerb: "filter", PrioritizeVerb: "prioritize", Weight: 2, Timeout: 10 * time.Second}
}

func gather(ctx context.Context, t *testing.T, skipped func(string, error), extenders ...framework.Extender) ([]placement.Foreign, error) {
	t.Helper()
	made, err := extender.New(extenders, skipped)
	if err != nil {
		t.Fatal(err)
	}
	return made.Gather(ctx, candidates())
}

func TestGatherReachesPlacement(t *testing.T) {
	first := serve(t, map[string]string{
		"filter":     `{"NodeNames":["m1","m3"],"FailedNodes":{"m2":"no licence"}}`,
		"prioritize": `[{"Host":"m3","Score":10},{"Host":"m1","Score":3}]`,
	})
	second := serve(t, map[string]string{"filter": `{"Nodes":{"items":[{"metadata":{"name":"m3"}}]}}`})
	other := settings(second)
	other.PrioritizeVerb = ""
	// The scores of the first are asked for after the filter of the second: m1 is gone by then.
	if _, err := gather(t.Context(), t, nil, settings(first), other); err == nil || !strings.Contains(err.Error(), `it scores cluster "m1"`) {
		t.Errorf("error %v", err)
	}
	verdicts, err := gather(t.Context(), t, nil, settings(first))
	if err != nil {
		t.Fatal(err)
	}
	plugin := "Extender " + first
	want := []placement.Foreign{
		{Cluster: "m2", Plugin: plugin, Reason: "no licence"}, {Cluster: "m1", Plugin: plugin, Score: 60}, {Cluster: "m3", Plugin: plugin, Score: 200},
	}
	if diff := cmp.Diff(want, verdicts); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	decision := placement.Assign(candidates().Apply(verdicts...), nil)
	targets := []workv1alpha2.TargetCluster{{Name: "m3", Replicas: 2}, {Name: "m1", Replicas: 2}}
	if diff := cmp.Diff(targets, decision.Clusters); diff != "" || decision.Err != nil {
		t.Errorf("error %v, targets (-want +got):\n%s", decision.Err, diff)
	}
}

func TestQuestion(t *testing.T) {
	var asked []wire.ExtenderArgs
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var args wire.ExtenderArgs
		if err := json.NewDecoder(r.Body).Decode(&args); err != nil || r.Method != http.MethodPost {
			t.Errorf("%s: %v", r.Method, err)
		}
		asked = append(asked, args)
		_, _ = io.WriteString(w, `[]`)
	}))
	defer server.Close()
	whole := settings(server.URL)
	whole.FilterVerb = ""
	names := whole
	names.NamesOnly = true
	for _, kind := range []framework.Extender{whole, names} {
		if verdicts, err := gather(t.Context(), t, nil, kind); err != nil || len(verdicts) > 0 {
			t.Fatalf("verdicts %v, error %v", verdicts, err)
		}
	}
	node := asked[0].Nodes.Items[1]
	wantNode := corev1.Node{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{Name: "m2", Labels: map[string]string{"tier": "gold"}},
		Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: "slow", Effect: corev1.TaintEffectPreferNoSchedule}}},
		Status:     corev1.NodeStatus{Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8")}},
	}
	if diff := cmp.Diff(wantNode, node); diff != "" {
		t.Errorf("node (-want +got):\n%s", diff)
	}
	pod := asked[0].Pod
	if cpu := pod.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU]; cpu.String() != "500m" || pod.Namespace != "shop" ||
		pod.OwnerReferences[0].Kind != "Deployment" || len(pod.Spec.Tolerations) != 1 {
		t.Errorf("pod %+v", pod)
	}
	if asked[0].NodeNames != nil || asked[1].Nodes != nil {
		t.Error("nodes and names are mixed")
	}
	if diff := cmp.Diff([]string{"m1", "m2", "m3"}, *asked[1].NodeNames); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestRejections(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   []string
	}{
		"all pass":         {`{"NodeNames":["m3","m2","m1"]}`, nil},
		"without a reason": {`{"NodeNames":["m2"],"FailedNodes":{"m1":""}}`, []string{"m1: rejected by the extender", "m3: rejected by the extender"}},
		"a long reason":    {`{"NodeNames":["m1","m2"],"FailedNodes":{"m3":"` + strings.Repeat(`so long\n`, 500) + `"}}`, []string{"m3: " + strings.TrimSpace(strings.Repeat("so long ", 25)) + "..."}},
		"all rejected":     {`{"FailedNodes":{"m1":"a","m2":"b"},"FailedAndUnresolvableNodes":{"m2":"c","m3":"d"}}`, []string{"m1: a", "m2: c", "m3: d"}},
		"empty list":       {`{"NodeNames":[],"FailedNodes":{"m1":"a","m2":"a","m3":"a"}}`, []string{"m1: a", "m2: a", "m3: a"}},
	} {
		t.Run(name, func(t *testing.T) {
			only := settings(serve(t, map[string]string{"filter": c.answer}))
			only.PrioritizeVerb = ""
			verdicts, err := gather(t.Context(), t, nil, only)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, verdict := range verdicts {
				got = append(got, verdict.Cluster+": "+verdict.Reason)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("rejections (-want +got):\n%s", diff)
			}
		})
	}
}

// An extender that cannot be believed fails the decision, or is skipped when it is ignorable.
func TestBadAnswers(t *testing.T) {
	const pass = `{"NodeNames":["m1","m2","m3"]}`
	for name, c := range map[string]struct{ filter, prioritize, want string }{
		"garbage":            {"<html>", "[]", `filter 3 clusters: decoding its answer "<html>"`},
		"nothing":            {"", "[]", "decoding its answer"},
		"null":               {"null", "[]", "it answers with neither nodes nor node names"},
		"wrong shape":        {"[]", "[]", "decoding its answer"},
		"error":              {`{"Error":"out of coffee"}`, "[]", "it reports an error: out of coffee"},
		"keeps a stranger":   {`{"NodeNames":["m1","m9"]}`, "[]", `it keeps cluster "m9", which it was not asked about`},
		"keeps a new node":   {`{"Nodes":{"items":[{}]}}`, "[]", `it keeps cluster ""`},
		"rejects a stranger": {`{"NodeNames":["m1"],"FailedNodes":{"m9":"x"}}`, "[]", "some of which it was not asked about"},
		"contradiction":      {`{"NodeNames":["m1"],"FailedNodes":{"m1":"x"}}`, "[]", "it both keeps and rejects cluster m1"},
		"scores a stranger":  {pass, `[{"Host":"m9","Score":1}]`, `it scores cluster "m9", which it was not asked about`},
		"scores twice":       {pass, `[{"Host":"m1","Score":1},{"Host":"m1","Score":1}]`, "it scores cluster m1 twice"},
		"too high":           {pass, `[{"Host":"m1","Score":11}]`, "its score 11 for cluster m1 is not between 0 and 10"},
		"negative":           {pass, `[{"Host":"m1","Score":-1}]`, "its score -1"},
		"no number":          {pass, `[{"Host":"m1","Score":NaN}]`, "prioritize 3 clusters: decoding its answer"},
		"too large":          {strings.Repeat(" ", 64<<20) + pass, "[]", "its answer has more than 67108864 bytes"},
		"beyond numbers":     {pass, `[{"Host":"m1","Score":1e30}]`, "prioritize 3 clusters: decoding its answer"},
	} {
		t.Run(name, func(t *testing.T) {
			strict := settings(serve(t, map[string]string{"filter": c.filter, "prioritize": c.prioritize}))
			verdicts, err := gather(t.Context(), t, nil, strict)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), strict.URL) || verdicts != nil {
				t.Errorf("verdicts %v, error %v lacks %s", verdicts, err, c.want)
			}
			ignorable := strict
			ignorable.Ignorable = true
			var told error
			verdicts, err = gather(t.Context(), t, func(_ string, err error) { told = err }, ignorable)
			if err != nil || len(verdicts) > 0 || told == nil || !strings.Contains(told.Error(), c.want) {
				t.Errorf("when ignorable: verdicts %v, error %v, skipped for %v", verdicts, err, told)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	block := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-block:
		case <-r.Context().Done():
		}
	}))
	defer hangs.Close()
	defer close(block)
	gone := httptest.NewServer(nil)
	gone.Close()
	slow := settings(hangs.URL)
	slow.Timeout = 20 * time.Millisecond
	for name, c := range map[string]struct {
		extender framework.Extender
		want     string
	}{
		"timeout": {slow, "no answer within 20ms"},
		"refused": {settings(gone.URL), "connection refused"},
		"status":  {settings(serve(t, nil)), "it answers with status 404: no such verb"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := gather(t.Context(), t, nil, c.extender); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v lacks %s", err, c.want)
			}
			c.extender.Ignorable = true
			if verdicts, err := gather(t.Context(), t, nil, c.extender); err != nil || len(verdicts) > 0 {
				t.Errorf("when ignorable: verdicts %v, error %v", verdicts, err)
			}
		})
	}
}

func TestCallerGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ignorable := settings(serve(t, nil))
	ignorable.Ignorable = true
	if _, err := gather(ctx, t, nil, ignorable); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"Host":"m1","Score":1}]`)
	}))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	trusting := settings(server.URL)
	trusting.FilterVerb, trusting.TLS = "", &framework.TLSFiles{CAFile: ca}
	if verdicts, err := gather(t.Context(), t, nil, trusting); err != nil || len(verdicts) != 1 {
		t.Errorf("verdicts %v, error %v", verdicts, err)
	}
	wary := trusting
	wary.TLS = nil
	if _, err := gather(t.Context(), t, nil, wary); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error %v", err)
	}
	trusting.TLS = &framework.TLSFiles{CAFile: ca + ".gone"}
	if _, err := extender.New([]framework.Extender{trusting}, nil); err == nil || !strings.Contains(err.Error(), "preparing TLS of extender https://") {
		t.Errorf("error %v", err)
	}
}
