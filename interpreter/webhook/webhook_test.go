package webhook

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/interpreter"
)

type (
	request  = configv1alpha1.ResourceInterpreterRequest
	response = configv1alpha1.ResourceInterpreterResponse
	rule     = configv1alpha1.RuleWithOperations
)

// hooked is a webhook with an interpreter that asks it.
type hooked struct {
	*Interpreter
	server *httptest.Server
	clock  *testclock.FakePassiveClock

	mu       sync.Mutex
	asked    []request
	outcomes []string
}

// Asked implements Recorder.
func (h *hooked) Asked(_, _, outcome string, _ time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.outcomes = append(h.outcomes, outcome)
}

func (h *hooked) questions() []request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.asked)
}

// serve answers every question with what reply makes of it, for all kinds and operations.
func serve(t *testing.T, reply func(w http.ResponseWriter, question request)) *hooked {
	t.Helper()
	made := &hooked{clock: testclock.NewFakePassiveClock(time.Unix(1, 0))}
	made.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		message := &configv1alpha1.ResourceInterpreterContext{}
		if err != nil || json.Unmarshal(body, message) != nil || message.Request == nil || r.URL.Path != "/interpret" {
			http.Error(w, "not a question", http.StatusBadRequest)
			return
		}
		made.mu.Lock()
		made.asked = append(made.asked, *message.Request)
		made.mu.Unlock()
		reply(w, *message.Request)
	}))
	t.Cleanup(made.server.Close)
	shared, err := NewClient(Options{Recorder: made, Clock: made.clock})
	if err != nil {
		t.Fatal(err)
	}
	made.Interpreter = shared.Interpreter()
	made.Observe(nil, made.configuration("main", everything()))
	return made
}

func everything() rule {
	return rule{
		Operations: []configv1alpha1.InterpreterOperation{"*"},
		Rule:       configv1alpha1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Kinds: []string{"*"}},
	}
}

func (h *hooked) configuration(name string, rules ...rule) *configv1alpha1.ResourceInterpreterWebhookConfiguration {
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.server.Certificate().Raw})
	return &configv1alpha1.ResourceInterpreterWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []configv1alpha1.ResourceInterpreterWebhook{{
			Name:         "hook.example.com",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: ptr.To(h.server.URL + "/interpret"), CABundle: authority},
			Rules:        rules, InterpreterContextVersions: []string{"v1alpha1"},
		}},
	}
}

// say answers a question; the identifier is filled in.
func say(w http.ResponseWriter, question request, answer response) {
	answer.UID = question.UID
	message := configv1alpha1.ResourceInterpreterContext{Response: &answer}
	message.SetGroupVersionKind(contextKind)
	_ = json.NewEncoder(w).Encode(message) // a client that is gone needs no answer
}

func boat(sails int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Boat",
		"metadata": map[string]any{"namespace": "sea", "name": "nina"},
		"spec":     map[string]any{"sails": sails},
	}}
}

func patch(steps string) response {
	return response{Successful: true, Patch: []byte(steps), PatchType: ptr.To(configv1alpha1.PatchTypeJSONPatch)}
}

// TestOperations: every operation carries what it needs to the webhook, and its answer back.
func TestOperations(t *testing.T) {
	h := serve(t, func(w http.ResponseWriter, question request) {
		answer := response{Successful: true}
		switch question.Operation {
		case configv1alpha1.InterpreterOperationInterpretReplica:
			answer.Replicas, answer.ReplicaRequirements = ptr.To[int32](3), &workv1alpha2.ReplicaRequirements{Namespace: question.Namespace}
		case configv1alpha1.InterpreterOperationInterpretComponent:
			answer.Components = []workv1alpha2.Component{{Name: "sail", Replicas: 2}}
		case configv1alpha1.InterpreterOperationReviseReplica:
			answer = patch(fmt.Sprintf(`[{"op":"replace","path":"/spec/sails","value":%d}]`, *question.DesiredReplicas))
		case configv1alpha1.InterpreterOperationRetain:
			answer = patch(`[{"op":"add","path":"/spec/kept","value":` + fmt.Sprint(strings.Contains(string(question.ObservedObject.Raw), `"sails":7`)) + `}]`)
		case configv1alpha1.InterpreterOperationAggregateStatus:
			answer = patch(fmt.Sprintf(`[{"op":"add","path":"/status","value":{"members":%d}}]`, len(question.AggregatedStatus)))
		case configv1alpha1.InterpreterOperationInterpretDependency:
			answer.Dependencies = []configv1alpha1.DependentObjectReference{{APIVersion: "v1", Kind: "ConfigMap", Namespace: question.Namespace, Name: question.Name}}
		case configv1alpha1.InterpreterOperationInterpretStatus:
			answer.RawStatus = &runtime.RawExtension{Raw: []byte(`{"afloat":true}`)}
		case configv1alpha1.InterpreterOperationInterpretHealth:
			answer.Healthy = ptr.To(true)
		}
		say(w, question, answer)
	})
	ctx, object := t.Context(), boat(2)
	fail := func(what string, err error, holds bool) {
		t.Helper()
		if err != nil || !holds {
			t.Errorf("%s: error %v, as it should be: %t", what, err, holds)
		}
	}
	replicas, requirements, err := h.Replicas(ctx, object)
	fail("replicas", err, replicas == 3 && requirements != nil && requirements.Namespace == "sea")
	components, err := h.Components(ctx, object)
	fail("components", err, len(components) == 1 && components[0].Name == "sail")
	revised, err := h.ReviseReplica(ctx, object, 9)
	fail("revised", err, revised != nil && revised.Object["spec"].(map[string]any)["sails"] == int64(9))
	retained, err := h.Retain(ctx, object, boat(7))
	fail("retained", err, retained != nil && retained.Object["spec"].(map[string]any)["kept"] == true)
	summed, err := h.AggregateStatus(ctx, object, []workv1alpha2.AggregatedStatusItem{{ClusterName: "m1"}, {ClusterName: "m2"}})
	fail("summed", err, summed != nil && summed.Object["status"].(map[string]any)["members"] == int64(2))
	needed, err := h.Dependencies(ctx, object)
	fail("dependencies", err, len(needed) == 1 && needed[0].Name == "nina")
	status, err := h.ReflectStatus(ctx, object)
	fail("status", err, status != nil && string(status.Raw) == `{"afloat":true}`)
	healthy, err := h.Health(ctx, object)
	fail("health", err, healthy)
	if fmt.Sprint(object.Object) != fmt.Sprint(boat(2).Object) {
		t.Errorf("the object became %v", object.Object)
	}
	if _, err := h.ReviseReplica(ctx, object, 1<<40); err == nil {
		t.Error("more replicas than the wire can say are no error")
	}
}

// TestAnswersAreRemembered: the same question about the same content goes out once, until the answer is old or the webhook is
// another.
func TestAnswersAreRemembered(t *testing.T) {
	h := serve(t, func(w http.ResponseWriter, question request) {
		say(w, question, response{Successful: true, Replicas: ptr.To[int32](3)})
	})
	touched := boat(2)
	touched.SetResourceVersion("7")
	touched.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "me"}})
	ask := func(what string, object *unstructured.Unstructured, wantAsked int) {
		t.Helper()
		if _, _, err := h.Replicas(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		if got := len(h.questions()); got != wantAsked {
			t.Errorf("%s: %d questions went out so far, want %d", what, got, wantAsked)
		}
	}
	ask("first", boat(2), 1)
	ask("again", boat(2), 1)
	ask("bookkeeping", touched, 1)
	ask("other content", boat(3), 2)
	h.clock.SetTime(h.clock.Now().Add(answersCount + time.Second))
	ask("old", boat(2), 3)
	h.Observe(nil, h.configuration("main", everything()))
	ask("the same configuration", boat(2), 3)
	changed := h.configuration("main", everything())
	changed.Webhooks[0].TimeoutSeconds = ptr.To[int32](3)
	h.Observe(nil, changed)
	ask("another configuration", boat(2), 4)
	if ids := h.questions(); ids[0].UID == "" || ids[0].UID == ids[1].UID {
		t.Errorf("identifiers %q and %q", ids[0].UID, ids[1].UID)
	}
	if first := h.outcomes[:3]; !slices.Equal(first, []string{Answered, Remembered, Remembered}) {
		t.Errorf("outcomes %v", first)
	}
}

// TestRememberedAnswersAreNotShared: those who write an answer into an object must not change what others get.
func TestRememberedAnswersAreNotShared(t *testing.T) {
	h := serve(t, func(w http.ResponseWriter, question request) {
		say(w, question, response{Successful: true, Replicas: ptr.To[int32](3), ReplicaRequirements: &workv1alpha2.ReplicaRequirements{Namespace: "sea"}})
	})
	for range 2 {
		_, requirements, err := h.Replicas(t.Context(), boat(2))
		if err != nil || requirements.Namespace != "sea" {
			t.Fatalf("%+v, %v", requirements, err)
		}
		requirements.Namespace = "changed"
	}
}

// TestHangingWebhookRests: it costs its timeout once; then questions fail at once, until one at a time finds out whether it is
// back.
func TestHangingWebhookRests(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	release := make(chan struct{})
	h := serve(t, func(w http.ResponseWriter, question request) {
		if broken.Load() {
			<-release
			return
		}
		say(w, question, response{Successful: true, Replicas: ptr.To[int32](3)})
	})
	defer close(release)
	h.hooks[0].timeout = 50 * time.Millisecond
	ask := func(outcome, says string) {
		t.Helper()
		_, _, err := h.Replicas(t.Context(), boat(2))
		if got := h.outcomes[len(h.outcomes)-1]; got != outcome || (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Fatalf("outcome %s, error %v; want %s, %q", got, err, outcome, says)
		}
	}
	const says = "main/hook.example.com for InterpretReplica: no answer within 50ms; it is asked again after a while"
	ask(TimedOut, says)
	ask(Resting, says) // in the same words, so that conditions stay as they are
	if asked := len(h.questions()); asked != 1 {
		t.Errorf("%d questions went out, want 1", asked)
	}
	h.clock.SetTime(h.clock.Now().Add(60 * time.Millisecond))
	ask(TimedOut, says)
	h.clock.SetTime(h.clock.Now().Add(60 * time.Millisecond))
	ask(Resting, says) // the rest is longer each time
	h.clock.SetTime(h.clock.Now().Add(longestRest))
	broken.Store(false)
	ask(Answered, "")
	ask(Remembered, "")
}

// TestCallerWhoLeavesIsNoTimeout: a process that ends says nothing about a webhook.
func TestCallerWhoLeavesIsNoTimeout(t *testing.T) {
	h := serve(t, func(w http.ResponseWriter, question request) {
		say(w, question, response{Successful: true, Replicas: ptr.To[int32](3)})
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := h.Replicas(ctx, boat(2)); err == nil {
		t.Fatal("no error")
	}
	if _, _, err := h.Replicas(t.Context(), boat(2)); err != nil {
		t.Errorf("the next question: %v", err)
	}
}

// TestBadAnswers: each says what is wrong and with which webhook, and none is remembered.
func TestBadAnswers(t *testing.T) {
	wrong := func(answer response) func(http.ResponseWriter, request) {
		return func(w http.ResponseWriter, question request) { say(w, question, answer) }
	}
	text := func(text string) func(http.ResponseWriter, request) {
		return func(w http.ResponseWriter, _ request) { _, _ = io.WriteString(w, text) }
	}
	for _, c := range []struct {
		name  string
		reply func(http.ResponseWriter, request)
		says  string
		want  string
	}{
		{"an error", func(w http.ResponseWriter, _ request) { http.Error(w, "broken", http.StatusInternalServerError) }, "", Failed},
		{"no JSON", text("hello"), "reading the answer", Failed},
		{"another kind", text(`{"kind":"Status","apiVersion":"v1"}`), "want a config.karmada.io/v1alpha1", Failed},
		{"no response", text(`{"kind":"ResourceInterpreterContext","apiVersion":"config.karmada.io/v1alpha1"}`), "no response", Failed},
		{"another question", text(`{"kind":"ResourceInterpreterContext","apiVersion":"config.karmada.io/v1alpha1","response":{"uid":"x","successful":true}}`), "response.uid", Failed},
		{"too much", text(`{"kind":"` + strings.Repeat("x", longestAnswer) + `"}`), "longer than 3 MiB", Failed},
		{"a refusal", wrong(response{Status: &configv1alpha1.RequestStatus{Message: "too windy", Code: 503}}), "too windy (code 503)", Refused},
		{"a refusal without a word", wrong(response{}), "does not say why", Refused},
		{"a patch of no type", wrong(response{Successful: true, Patch: []byte(`[]`)}), "response.patchType", Failed},
		{"no patch", wrong(patch("{}")), "response.patch", Answered},
		{"a patch that fits nothing", wrong(patch(`[{"op":"remove","path":"/spec/none"}]`)), "applying response.patch", Answered},
		{"another object", wrong(patch(`[{"op":"replace","path":"/metadata/name","value":"pinta"}]`)), "makes another object", Answered},
		{"no object", wrong(patch(`[{"op":"replace","path":"","value":7}]`)), "response.patch", Answered},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := serve(t, c.reply)
			_, err := h.ReviseReplica(t.Context(), boat(2), 4)
			if err == nil || !strings.Contains(err.Error(), c.says) || h.outcomes[0] != c.want {
				t.Errorf("error %v of outcome %s, want %q of %s", err, h.outcomes[0], c.says, c.want)
			}
		})
	}
	h := serve(t, wrong(response{Successful: true}))
	if _, _, err := h.Replicas(t.Context(), boat(2)); err == nil || !strings.Contains(err.Error(), "response.replicas") {
		t.Errorf("replicas: error %v", err)
	}
	if _, err := h.Health(t.Context(), boat(2)); err == nil || !strings.Contains(err.Error(), "response.healthy") {
		t.Errorf("health: error %v", err)
	}
	if same, err := h.AggregateStatus(t.Context(), boat(2), nil); err != nil || fmt.Sprint(same.Object) != fmt.Sprint(boat(2).Object) {
		t.Errorf("without a patch: %v, %v; want the object as it is", same, err)
	}
}

// TestRules: a question goes to the first webhook, by the names of configurations, that takes it.
func TestRules(t *testing.T) {
	h := serve(t, func(w http.ResponseWriter, question request) { say(w, question, response{Successful: true}) })
	h.Observe(h.configuration("main"), nil)
	if h.Supports(boat(1).GroupVersionKind(), configv1alpha1.InterpreterOperationInterpretHealth) {
		t.Error("a configuration that is gone still answers")
	}
	if _, err := h.Health(t.Context(), boat(1)); !interpreter.IsUnsupported(err) {
		t.Errorf("error %v, want unsupported", err)
	}
	boats := rule{
		Operations: []configv1alpha1.InterpreterOperation{configv1alpha1.InterpreterOperationInterpretHealth},
		Rule:       configv1alpha1.Rule{APIGroups: []string{"example.com"}, APIVersions: []string{"v1"}, Kinds: []string{"Boat", "Ship"}},
	}
	core := everything()
	core.APIGroups = []string{""}
	h.Observe(nil, h.configuration("b", everything()))
	h.Observe(nil, h.configuration("a", boats, core))
	for _, c := range []struct {
		group, version, kind string
		operation            configv1alpha1.InterpreterOperation
		want                 string
	}{
		{"example.com", "v1", "Boat", configv1alpha1.InterpreterOperationInterpretHealth, "a"},
		{"example.com", "v1", "Ship", configv1alpha1.InterpreterOperationInterpretHealth, "a"},
		{"example.com", "v2", "Boat", configv1alpha1.InterpreterOperationInterpretHealth, "b"},
		{"example.com", "v1", "Raft", configv1alpha1.InterpreterOperationInterpretHealth, "b"},
		{"example.com", "v1", "Boat", configv1alpha1.InterpreterOperationRetain, "b"},
		{"", "v1", "Pod", configv1alpha1.InterpreterOperationRetain, "a"},
		{"other.com", "v1", "Boat", configv1alpha1.InterpreterOperationInterpretHealth, "b"},
	} {
		kind := schema.GroupVersionKind{Group: c.group, Version: c.version, Kind: c.kind}
		if found := h.hookFor(kind, c.operation); found == nil || found.name != c.want+"/hook.example.com" {
			t.Errorf("%s of %s goes to %v, want %s", c.operation, kind, found, c.want)
		}
	}
}

// TestFaultyConfigurations: what admission would refuse is told when it is used, and never taken for a kind without answers.
func TestFaultyConfigurations(t *testing.T) {
	for says, spoil := range map[string]func(*configv1alpha1.ResourceInterpreterWebhook){
		"interpreterContextVersions": func(w *configv1alpha1.ResourceInterpreterWebhook) { w.InterpreterContextVersions = []string{"v9"} },
		"timeoutSeconds":             func(w *configv1alpha1.ResourceInterpreterWebhook) { w.TimeoutSeconds = ptr.To[int32](0) },
		"clientConfig":               func(w *configv1alpha1.ResourceInterpreterWebhook) { w.ClientConfig.URL = nil },
	} {
		h := serve(t, func(w http.ResponseWriter, question request) { say(w, question, response{Successful: true}) })
		spoiled := h.configuration("main", everything())
		spoil(&spoiled.Webhooks[0])
		h.Observe(nil, spoiled)
		if _, err := h.Health(t.Context(), boat(1)); err == nil || interpreter.IsUnsupported(err) || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one about %s", err, says)
		}
	}
}

// TestStrangersAreNotTrusted: a server that the configuration's authority does not vouch for is told nothing.
func TestStrangersAreNotTrusted(t *testing.T) {
	h := serve(t, func(w http.ResponseWriter, question request) {
		say(w, question, response{Successful: true, Healthy: ptr.To(true)})
	})
	h.server.Config.ErrorLog = nil
	doubtful := h.configuration("main", everything())
	doubtful.Webhooks[0].ClientConfig.CABundle = nil
	h.Observe(nil, doubtful)
	if _, err := h.Health(t.Context(), boat(1)); err == nil || len(h.questions()) > 0 {
		t.Errorf("error %v after %d questions", err, len(h.questions()))
	}
}

// services reads one Service of type ExternalName; all others are missing.
type services struct{ client.Reader }

func (services) Get(_ context.Context, name client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	if name.Name != "elsewhere" {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "services"}, name.Name)
	}
	object.(*corev1.Service).Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "hooks.example.com"}
	return nil
}

func TestServicesAreFound(t *testing.T) {
	for name, want := range map[string]string{"elsewhere": "https://hooks.example.com:8443", "here": "https://here.sea.svc:8443"} {
		if found, err := (resolver{plane: services{}}).ResolveEndpoint("sea", name, 8443); err != nil || found.String() != want {
			t.Errorf("%s is at %v, %v; want %s", name, found, err, want)
		}
	}
	if found, err := (resolver{}).ResolveEndpoint("sea", "elsewhere", 443); err != nil || found.String() != "https://elsewhere.sea.svc:443" {
		t.Errorf("without a control plane: %v, %v", found, err)
	}
}

// FuzzAnswer: whatever a webhook answers, it is an error or an object of the same name.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"uid":"q","successful":true}`,
		`{"uid":"q","successful":true,"patchType":"JSONPatch","patch":"W3sib3AiOiJyZXBsYWNlIiwicGF0aCI6Ii9zcGVjL3NhaWxzIiwidmFsdWUiOjl9XQ=="}`,
		`{"uid":"q","successful":true,"patchType":"JSONPatch","patch":"W3sib3AiOiJjb3B5IiwiZnJvbSI6IiIsInBhdGgiOiIvc3BlYy9hIn1d"}`,
		`{"uid":"q","successful":false,"status":{"message":"no"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		got := &response{}
		if json.Unmarshal(answer, got) != nil {
			return
		}
		if check(request{UID: "q", Operation: configv1alpha1.InterpreterOperationRetain}, got) != nil {
			return
		}
		if object, err := patched(boat(2), got.Patch); err == nil && object.GetName() != "nina" {
			t.Errorf("the object is %v", object.Object)
		}
	})
}
