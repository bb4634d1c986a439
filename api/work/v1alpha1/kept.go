package v1alpha1

import (
	"encoding/json"
	"fmt"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// kept is what a stored binding has and v1alpha1 has no fields for. It travels in an annotation, so that a client which reads a binding
// as v1alpha1, changes it and writes it back takes nothing away: not its placement, and not its eviction tasks.
type kept struct {
	Spec   *workv1alpha2.ResourceBindingSpec   `json:"spec,omitempty"`
	Status *workv1alpha2.ResourceBindingStatus `json:"status,omitempty"`
}

// tooLarge stands for what does not fit into the annotations of an object, which an API server would not hand out with it, nor any list
// that it is in. Such a binding can be read as v1alpha1, and not be written back.
const tooLarge = "too large"

// fits tells whether a text can be added to annotations.
func fits(annotations map[string]string, text string) bool {
	size := len(names.AnnotationStoredFields) + len(text)
	for key, value := range annotations {
		size += len(key) + len(value)
	}
	return size <= validation.TotalAnnotationSizeLimitB
}

// keep notes in the annotations of a binding what its stored form has beyond it.
func keep(meta *metav1.ObjectMeta, spec workv1alpha2.ResourceBindingSpec, status workv1alpha2.ResourceBindingStatus) error {
	delete(meta.Annotations, names.AnnotationStoredFields)
	var beyond kept
	reference, targets := spec.Resource, spec.Clusters
	spec.Clusters, spec.Replicas, spec.Resource = nil, 0, workv1alpha2.ObjectReference{}
	if requirements := spec.ReplicaRequirements; requirements != nil {
		others := *requirements
		others.ResourceRequest = nil
		if spec.ReplicaRequirements = &others; requirements.ResourceRequest != nil && apiequality.Semantic.DeepEqual(others, workv1alpha2.ReplicaRequirements{}) {
			spec.ReplicaRequirements = nil
		}
	}
	for _, target := range targets {
		if len(target.Components) > 0 {
			spec.Clusters = append(spec.Clusters, workv1alpha2.TargetCluster{Name: target.Name, Components: target.Components})
		}
	}
	if reference.UID != "" || !apiequality.Semantic.DeepEqual(spec, workv1alpha2.ResourceBindingSpec{}) {
		// The reference tells whether it is still the object that has the UID.
		spec.Resource, beyond.Spec = reference, &spec
	}
	items := status.AggregatedStatus
	status.Conditions, status.AggregatedStatus = nil, nil
	for _, item := range items {
		if item.Health != "" {
			status.AggregatedStatus = append(status.AggregatedStatus, workv1alpha2.AggregatedStatusItem{ClusterName: item.ClusterName, Health: item.Health})
		}
	}
	if !apiequality.Semantic.DeepEqual(status, workv1alpha2.ResourceBindingStatus{}) {
		beyond.Status = &status
	}
	if beyond == (kept{}) {
		return nil
	}
	text, err := json.Marshal(beyond)
	if err != nil {
		return fmt.Errorf("noting what v1alpha1 has no fields for: %w", err)
	}
	if !fits(meta.Annotations, string(text)) {
		text = []byte(tooLarge)
	}
	metav1.SetMetaDataAnnotation(meta, names.AnnotationStoredFields, string(text))
	return nil
}

// restore adds to a stored form what the annotation of the binding notes, and takes the annotation away. One that cannot be read is an
// error: what it stands for would be lost.
func restore(meta *metav1.ObjectMeta, spec *workv1alpha2.ResourceBindingSpec, status *workv1alpha2.ResourceBindingStatus) error {
	text, noted := meta.Annotations[names.AnnotationStoredFields]
	if !noted {
		return nil
	}
	if text == tooLarge {
		return fmt.Errorf("what v1alpha1 has no fields for is too large for annotation %s, and would be lost: write it as %s", names.AnnotationStoredFields, workv1alpha2.GroupVersion)
	}
	if delete(meta.Annotations, names.AnnotationStoredFields); len(meta.Annotations) == 0 {
		meta.Annotations = nil
	}
	var beyond kept
	if err := json.Unmarshal([]byte(text), &beyond); err != nil {
		return fmt.Errorf("annotation %s, which holds what v1alpha1 has no fields for: %w", names.AnnotationStoredFields, err)
	}
	if beyond.Spec != nil {
		*spec = withSpec(*beyond.Spec, *spec)
	}
	if beyond.Status != nil {
		*status = withStatus(*beyond.Status, *status)
	}
	return nil
}

// withSpec is what was noted, with what v1alpha1 says of a spec. The components of targets are noted by cluster.
func withSpec(noted, said workv1alpha2.ResourceBindingSpec) workv1alpha2.ResourceBindingSpec {
	was, is := noted.Resource, said.Resource
	if was.APIVersion == is.APIVersion && was.Kind == is.Kind && was.Namespace == is.Namespace && was.Name == is.Name {
		is.UID = was.UID
	}
	requirements := said.ReplicaRequirements
	if others := noted.ReplicaRequirements; others != nil {
		if requirements != nil {
			others.ResourceRequest = requirements.ResourceRequest
		}
		requirements = others
	}
	components := map[string][]workv1alpha2.TargetComponent{}
	for _, target := range noted.Clusters {
		components[target.Name] = target.Components
	}
	for i := range said.Clusters {
		said.Clusters[i].Components = components[said.Clusters[i].Name]
	}
	noted.Resource, noted.Replicas, noted.Clusters, noted.ReplicaRequirements = is, said.Replicas, said.Clusters, requirements
	return noted
}

// withStatus is what was noted, with what v1alpha1 says of a status. How copies are is noted by cluster.
func withStatus(noted, said workv1alpha2.ResourceBindingStatus) workv1alpha2.ResourceBindingStatus {
	health := map[string]workv1alpha2.ResourceHealth{}
	for _, item := range noted.AggregatedStatus {
		health[item.ClusterName] = item.Health
	}
	for i := range said.AggregatedStatus {
		said.AggregatedStatus[i].Health = health[said.AggregatedStatus[i].ClusterName]
	}
	noted.Conditions, noted.AggregatedStatus = said.Conditions, said.AggregatedStatus
	return noted
}
