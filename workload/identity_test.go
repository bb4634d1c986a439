package workload

import (
	"encoding/json"
	"testing"
)

// TestSkim holds the short way to the identity of a manifest to decoding it.
func TestSkim(t *testing.T) {
	for manifest, plain := range map[string]bool{
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"labels":{"a":"b"},"name":"web","namespace":"shop"},"spec":{"replicas":3}}`: true,
		`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}`:                                                                  true,
		`{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"shop"}}`:                                                                  false,
		`{"Kind":"Namespace","apiVersion":"v1","metadata":{"name":"shop"}}`:                                                                  false,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"x":"é"}`:                                                             false,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":7}}`:                                                                       false,
		`{"apiVersion":"v1","kind":"ConfigMap"}`:                                                                                             false,
		`[]`:                                                                                                                                 false, ``: false,
	} {
		var skimmed, decoded identity
		if got := skimmed.skim([]byte(manifest)); got != plain {
			t.Errorf("%s is skimmed: %t", manifest, got)
		} else if got && (json.Unmarshal([]byte(manifest), &decoded) != nil || skimmed != decoded) {
			t.Errorf("%s is %+v, want %+v", manifest, skimmed, decoded)
		}
	}
}
