package opensearch

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// indexOf is the index of a kind.
func indexOf(kind string) string { return "kubernetes-" + strings.ToLower(kind) }

// document is an object as it is searched for: the specification and the status are JSON in a string each, so that the fields of all
// kinds of all versions have room in one index.
type document struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       string   `json:"spec"`
	Status     string   `json:"status"`
}

type metadata struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	CreationTimestamp string            `json:"creationTimestamp"`
	DeletionTimestamp *string           `json:"deletionTimestamp"`
	Labels            map[string]string `json:"labels"`
	Annotations       map[string]string `json:"annotations"`
}

// documentOf encodes an object. What makes up Secrets and ConfigMaps is left out with all other fields but the specification and the
// status, and so is the copy of it that kubectl keeps in an annotation.
func documentOf(object *unstructured.Unstructured) ([]byte, error) {
	made := document{
		APIVersion: object.GetAPIVersion(), Kind: object.GetKind(),
		Metadata: metadata{
			Name: object.GetName(), Namespace: object.GetNamespace(), CreationTimestamp: object.GetCreationTimestamp().UTC().Format(time.RFC3339),
			Labels: object.GetLabels(), Annotations: maps.Clone(object.GetAnnotations()),
		},
	}
	if _, hasSpec := object.Object["spec"]; !hasSpec {
		delete(made.Metadata.Annotations, corev1.LastAppliedConfigAnnotation)
	}
	if deleted := object.GetDeletionTimestamp(); deleted != nil {
		at := deleted.UTC().Format(time.RFC3339)
		made.Metadata.DeletionTimestamp = &at
	}
	for field, to := range map[string]*string{"spec": &made.Spec, "status": &made.Status} {
		encoded, err := json.Marshal(object.Object[field])
		if err != nil {
			return nil, fmt.Errorf("encoding the %s of %s %s/%s: %w", field, object.GetKind(), object.GetNamespace(), object.GetName(), err)
		}
		*to = string(encoded)
	}
	return json.Marshal(made)
}

// mapping says how the fields of documents are searched. Of annotations, which may be of any size, only the cluster is; labels have
// keys that would contradict each other as fields, such as app and app.kubernetes.io/name.
func mapping(clusterAnnotation string) ([]byte, error) {
	type fields = map[string]any
	word := fields{"type": "text", "fields": fields{"keyword": fields{"type": "keyword", "ignore_above": 256}}}
	plain := fields{"type": "text"}
	return json.Marshal(fields{"mappings": fields{"properties": fields{
		"apiVersion": word, "kind": word, "spec": plain, "status": plain,
		"metadata": fields{"properties": fields{
			"name": word, "namespace": word, "creationTimestamp": word, "deletionTimestamp": word,
			"labels":      fields{"type": "flat_object"},
			"annotations": fields{"dynamic": false, "properties": fields{clusterAnnotation: fields{"type": "keyword"}}},
		}},
	}}})
}
