package e2e

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// shipyard is a webhook that interprets Rafts: their sailors are replicas. It answers while it is awake.
type shipyard struct {
	*httptest.Server
	asleep atomic.Bool
	woken  chan struct{}
}

func openShipyard(t *testing.T) *shipyard {
	t.Helper()
	yard := &shipyard{woken: make(chan struct{})}
	yard.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if yard.asleep.Load() {
			select {
			case <-yard.woken:
			case <-r.Context().Done():
			}
			return
		}
		message := &configv1alpha1.ResourceInterpreterContext{}
		if err := json.NewDecoder(r.Body).Decode(message); err != nil || message.Request == nil {
			http.Error(w, "not a question", http.StatusBadRequest)
			return
		}
		message.Response, message.Request = answer(message.Request), nil
		_ = json.NewEncoder(w).Encode(message) // a control plane that is gone needs no answer
	}))
	t.Cleanup(func() {
		close(yard.woken)
		yard.Close()
	})
	return yard
}

func answer(question *configv1alpha1.ResourceInterpreterRequest) *configv1alpha1.ResourceInterpreterResponse {
	response := &configv1alpha1.ResourceInterpreterResponse{UID: question.UID, Successful: true}
	raft := &unstructured.Unstructured{}
	if err := raft.UnmarshalJSON(question.Object.Raw); err != nil {
		return &configv1alpha1.ResourceInterpreterResponse{UID: question.UID, Status: &configv1alpha1.RequestStatus{Message: err.Error(), Code: http.StatusBadRequest}}
	}
	sailors, _, _ := unstructured.NestedInt64(raft.Object, "spec", "sailors")
	switch question.Operation {
	case configv1alpha1.InterpreterOperationInterpretReplica:
		response.Replicas = ptr.To(int32(sailors))
	case configv1alpha1.InterpreterOperationReviseReplica:
		response.PatchType = ptr.To(configv1alpha1.PatchTypeJSONPatch)
		response.Patch = []byte(fmt.Sprintf(`[{"op":"replace","path":"/spec/sailors","value":%d}]`, *question.DesiredReplicas))
	case configv1alpha1.InterpreterOperationInterpretDependency:
		response.Dependencies = []configv1alpha1.DependentObjectReference{{APIVersion: "v1", Kind: "ConfigMap", Namespace: question.Namespace, Name: "chart"}}
	}
	return response
}

func (y *shipyard) configuration() *configv1alpha1.ResourceInterpreterWebhookConfiguration {
	return &configv1alpha1.ResourceInterpreterWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "shipyard"},
		Webhooks: []configv1alpha1.ResourceInterpreterWebhook{{
			Name: "rafts.example.com", TimeoutSeconds: ptr.To[int32](1), InterpreterContextVersions: []string{"v1alpha1"},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				URL: ptr.To(y.URL + "/rafts"), CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: y.Certificate().Raw}),
			},
			Rules: []configv1alpha1.RuleWithOperations{{
				Operations: []configv1alpha1.InterpreterOperation{
					configv1alpha1.InterpreterOperationInterpretReplica, configv1alpha1.InterpreterOperationReviseReplica,
					configv1alpha1.InterpreterOperationInterpretDependency,
				},
				Rule: configv1alpha1.Rule{APIGroups: []string{"example.com"}, APIVersions: []string{"v1"}, Kinds: []string{"Raft"}},
			}},
		}},
	}
}

// WebhooksInterpretKinds lets a webhook tell what a kind means: its replicas are divided and its dependencies follow. While the
// webhook hangs, its kind stays as it is and says so, and others go their way. The controllers reach this process over the
// network.
func WebhooksInterpretKinds(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	yard := openShipyard(t)
	defer f.space("yard")()
	definition, configuration := raftDefinition(), yard.configuration()
	f.create(definition)
	f.create(configuration)
	f.create(configMap("yard", "chart", nil))
	kinds := &policyv1alpha1.ClusterPropagationPolicy{ObjectMeta: metav1.ObjectMeta{Name: "rafts"}, Spec: f.placed(definition, members...)}
	f.create(kinds)
	f.awaitHolders(definition, members...)
	raft := raft("yard", "kon-tiki", 6)
	f.awaitReported(raft, members...)
	f.await(toSettle, "kind Raft served by the control plane", func(ctx context.Context) (bool, error) {
		err := f.plane.Create(ctx, raft)
		return err == nil, unlessUnserved(err)
	})
	divided := weightedPolicy("yard", "kon-tiki", map[string]int64{"member1": 1, "member2": 2, "member3": 3})
	divided.Spec.ResourceSelectors = []policyv1alpha1.ResourceSelector{{APIVersion: "example.com/v1", Kind: "Raft", Namespace: "yard", Name: "kon-tiki"}}
	divided.Spec.PropagateDeps = true
	f.create(divided)
	f.awaitSailors(raft, 1, 2, 3)
	f.awaitHolders(configMap("yard", "chart", nil), members...)

	f.Log("hanging")
	yard.asleep.Store(true)
	update(f, f.plane, raft, func(r *unstructured.Unstructured) { r.Object["spec"] = map[string]any{"sailors": int64(12)} })
	f.awaitTrouble(raft, names.ConditionUpToDate, "shipyard/rafts.example.com")
	config := configMap("yard", "settings", map[string]string{"mode": "1"})
	f.create(config)
	f.propagate(config, "member1")
	f.awaitMode(config, "1", "member1")
	f.awaitBinding(raft, "the replicas from before", func(b binding.Binding) bool { return b.Spec.Replicas == 6 })
	f.awaitSailors(raft, 1, 2, 3)

	f.Log("waking up")
	yard.asleep.Store(false)
	f.await(toNotice, "12 sailors", func(ctx context.Context) (bool, error) { return f.sail(ctx, raft, 2, 4, 6) })
	f.awaitNoTrouble(raft, names.ConditionUpToDate)

	f.delete(f.plane, raft)
	f.awaitAbsent(f.plane, raft)
	f.awaitAbsent(f.member("member1"), raft)
	f.delete(f.plane, configuration)
	f.delete(f.plane, definition)
	f.awaitHolders(definition)
	f.delete(f.plane, kinds)
	f.awaitAbsent(f.plane, kinds)
}

func (f *fixture) awaitSailors(raft *unstructured.Unstructured, shares ...int64) {
	f.Helper()
	f.await(toSettle, fmt.Sprintf("%v sailors in the members", shares), func(ctx context.Context) (bool, error) { return f.sail(ctx, raft, shares...) })
}

// sail tells whether each member has its share of the sailors.
func (f *fixture) sail(ctx context.Context, raft *unstructured.Unstructured, shares ...int64) (bool, error) {
	for i, share := range shares {
		found := blank(raft)
		if err := f.member(members[i]).Get(ctx, client.ObjectKeyFromObject(raft), found); err != nil {
			return false, unlessUnserved(err)
		}
		if sailors, _, err := unstructured.NestedInt64(found.Object, "spec", "sailors"); err != nil || sailors != share {
			return false, err
		}
	}
	return true, nil
}

func raft(namespace, name string, sailors int64) *unstructured.Unstructured {
	made := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"sailors": sailors}}}
	made.SetGroupVersionKind(schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Raft"})
	made.SetNamespace(namespace)
	made.SetName(name)
	return made
}

// raftDefinition defines a kind that no interpreter knows.
func raftDefinition() *unstructured.Unstructured {
	definition := boatDefinition()
	definition.SetName("rafts.example.com")
	spec := definition.Object["spec"].(map[string]any)
	spec["scope"] = "Namespaced"
	spec["names"] = map[string]any{"plural": "rafts", "singular": "raft", "kind": "Raft", "listKind": "RaftList"}
	return definition
}
