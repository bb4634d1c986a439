package v1alpha1_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// TestContextWireForm fixes the JSON of the message to interpreter webhooks, which no CustomResourceDefinition describes.
func TestContextWireForm(t *testing.T) {
	object := runtime.RawExtension{Raw: []byte(`{"kind":"CloneSet"}`)}
	request := &configv1alpha1.ResourceInterpreterRequest{
		UID: "u", Kind: metav1.GroupVersionKind{Group: "apps.kruise.io", Version: "v1", Kind: "CloneSet"}, Name: "web", Namespace: "shop",
		Operation: configv1alpha1.InterpreterOperationReviseReplica, Object: object, ObservedObject: &object,
		DesiredReplicas:  ptr.To[int32](0),
		AggregatedStatus: []workv1alpha2.AggregatedStatusItem{{ClusterName: "m1"}},
	}
	response := &configv1alpha1.ResourceInterpreterResponse{
		UID: "u", Successful: true, Status: &configv1alpha1.RequestStatus{Message: "fine", Code: 200},
		Patch: []byte("[]"), PatchType: ptr.To(configv1alpha1.PatchTypeJSONPatch),
		ReplicaRequirements: &workv1alpha2.ReplicaRequirements{Namespace: "shop"}, Replicas: ptr.To[int32](0),
		Components: []workv1alpha2.Component{{Name: "main", Replicas: 2}},
		Dependencies: []configv1alpha1.DependentObjectReference{{
			APIVersion: "v1", Kind: "Secret", Namespace: "shop", Name: "key", LabelSelector: &metav1.LabelSelector{},
		}},
		RawStatus: &object, Healthy: ptr.To(false),
	}
	for _, test := range []struct {
		name    string
		context configv1alpha1.ResourceInterpreterContext
		want    string
	}{
		{"empty request", configv1alpha1.ResourceInterpreterContext{Request: &configv1alpha1.ResourceInterpreterRequest{}}, `{"request":{
			"uid":"","kind":{"group":"","version":"","kind":""},"name":"","operation":"","object":null}}`},
		{"request", configv1alpha1.ResourceInterpreterContext{Request: request}, `{"request":{
			"uid":"u","kind":{"group":"apps.kruise.io","version":"v1","kind":"CloneSet"},"name":"web","namespace":"shop",
			"operation":"ReviseReplica","object":{"kind":"CloneSet"},"observedObject":{"kind":"CloneSet"},"replicas":0,
			"aggregatedStatus":[{"clusterName":"m1"}]}}`},
		{"empty response", configv1alpha1.ResourceInterpreterContext{Response: &configv1alpha1.ResourceInterpreterResponse{}}, `{"response":{
			"uid":"","successful":false}}`},
		{"response", configv1alpha1.ResourceInterpreterContext{Response: response}, `{"response":{
			"uid":"u","successful":true,"status":{"message":"fine","code":200},"patch":"W10=","patchType":"JSONPatch",
			"replicaRequirements":{"namespace":"shop"},"replicas":0,"components":[{"name":"main","replicas":2}],
			"dependencies":[{"apiVersion":"v1","kind":"Secret","namespace":"shop","name":"key","labelSelector":{}}],
			"rawStatus":{"kind":"CloneSet"},"healthy":false}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(decode(t, test.want), decode(t, encode(t, test.context))); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
			var back configv1alpha1.ResourceInterpreterContext
			if err := json.Unmarshal([]byte(test.want), &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decode(t, test.want), decode(t, encode(t, back))); diff != "" {
				t.Errorf("decoded and encoded again (-want +got):\n%s", diff)
			}
		})
	}
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var decoded any
	if err := json.Unmarshal([]byte(text), &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

func encode(t *testing.T, context configv1alpha1.ResourceInterpreterContext) string {
	t.Helper()
	raw, err := json.Marshal(context)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
