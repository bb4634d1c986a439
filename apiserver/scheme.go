package apiserver

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// wireScheme knows the kinds as clients see them: the served version and the API machinery's own kinds.
func wireScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := clusterv1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering the kinds of %s: %w", clusterv1alpha1.GroupVersion, err)
	}
	if err := scheme.SetVersionPriority(clusterv1alpha1.GroupVersion); err != nil {
		return nil, fmt.Errorf("ordering the versions of %s: %w", clusterv1alpha1.GroupVersion.Group, err)
	}
	v1 := schema.GroupVersion{Version: "v1"}
	metav1.AddToGroupVersion(scheme, v1)
	scheme.AddUnversionedTypes(v1,
		&metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	return scheme, nil
}

// servingScheme is wireScheme with the served types standing in for the internal version that the generic API server works in.
// There is one version, so converting to the internal one only changes the label.
func servingScheme() (*runtime.Scheme, error) {
	scheme, err := wireScheme()
	if err != nil {
		return nil, err
	}
	internal := schema.GroupVersion{Group: clusterv1alpha1.GroupVersion.Group, Version: runtime.APIVersionInternal}
	scheme.AddKnownTypes(internal, &clusterv1alpha1.Cluster{}, &clusterv1alpha1.ClusterList{})
	return scheme, nil
}
