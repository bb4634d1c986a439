package storage

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
)

func TestRegistriesKeepSpecAndStatusApart(t *testing.T) {
	registry := func(kind, condition string) *searchv1alpha1.ResourceRegistry {
		made := &searchv1alpha1.ResourceRegistry{}
		made.Spec.ResourceSelectors = []searchv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: kind}}
		made.Status.Conditions = append(made.Status.Conditions, metav1.Condition{Type: condition})
		return made
	}
	created := registry("Pod", "A")
	registryStrategy{}.PrepareForCreate(t.Context(), created)
	if created.Generation != 1 || len(created.Status.Conditions) > 0 {
		t.Errorf("created: %+v", created)
	}
	before, updated := registry("Pod", "A"), registry("Node", "B")
	registryStrategy{}.PrepareForUpdate(t.Context(), updated, before)
	if updated.Generation != 1 || updated.Spec.ResourceSelectors[0].Kind != "Node" || updated.Status.Conditions[0].Type != "A" {
		t.Errorf("updated: %+v", updated)
	}
	status := registry("Node", "B")
	status.Labels = map[string]string{"a": "1"}
	registryStatusStrategy{}.PrepareForUpdate(t.Context(), status, before)
	if status.Generation != 0 || len(status.Labels) > 0 || status.Spec.ResourceSelectors[0].Kind != "Pod" || status.Status.Conditions[0].Type != "B" {
		t.Errorf("status updated: %+v", status)
	}
}

func TestRegistriesNameTheField(t *testing.T) {
	made := &searchv1alpha1.ResourceRegistry{}
	made.Spec.ResourceSelectors = []searchv1alpha1.ResourceSelector{{APIVersion: "apps/v1", Kind: "Deployment"}, {APIVersion: "a/b/c"}}
	var fields []string
	for _, fault := range (registryStrategy{}).Validate(t.Context(), made) {
		fields = append(fields, fault.Field)
	}
	if len(fields) != 2 || fields[0] != "spec.resourceSelectors[1].apiVersion" || fields[1] != "spec.resourceSelectors[1].kind" {
		t.Errorf("faults of %v", fields)
	}
	made.Spec.BackendStore = &searchv1alpha1.BackendStoreConfig{}
	if warnings := (registryStrategy{}).WarningsOnCreate(t.Context(), made); len(warnings) != 1 {
		t.Errorf("warnings %v", warnings)
	}
	made.Spec.BackendStore.OpenSearch = &searchv1alpha1.OpenSearchConfig{}
	if warnings := (registryStrategy{}).WarningsOnCreate(t.Context(), made); len(warnings) != 0 {
		t.Errorf("warnings of a store: %v", warnings)
	}
	for _, tc := range []struct{ addresses, want string }{
		{"", "spec.backendStore.openSearch.addresses"}, {"https://a:9200 http://b", ""},
		{"https://a hunter2@a:9200", "spec.backendStore.openSearch.addresses[1]"}, {"ftp://a", "spec.backendStore.openSearch.addresses[0]"},
	} {
		made.Spec.BackendStore.OpenSearch.Addresses = strings.Fields(tc.addresses)
		faults := validateStore(made.Spec.BackendStore, field.NewPath("spec", "backendStore", "openSearch", "addresses"))
		if len(faults) > 0 && faults[0].Field != tc.want || len(faults) == 0 && tc.want != "" || strings.Contains(fmt.Sprint(faults), "hunter2") {
			t.Errorf("addresses %q: %v, want a fault of %q", tc.addresses, faults, tc.want)
		}
	}
}
