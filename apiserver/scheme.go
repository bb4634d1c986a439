package apiserver

import (
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/apiserver/storage"
)

// wireScheme knows the kinds as clients see them: the served version and the API machinery's own kinds.
func wireScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clusterv1alpha1.AddToScheme(scheme), searchv1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering the served kinds: %w", err)
	}
	for _, version := range served() {
		if err := scheme.SetVersionPriority(version); err != nil {
			return nil, fmt.Errorf("ordering the versions of %s: %w", version.Group, err)
		}
	}
	v1 := schema.GroupVersion{Version: "v1"}
	metav1.AddToGroupVersion(scheme, v1)
	scheme.AddUnversionedTypes(v1,
		&metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	return scheme, nil
}

// served are the versions of the groups that the server can serve.
func served() []schema.GroupVersion {
	return []schema.GroupVersion{clusterv1alpha1.GroupVersion, searchv1alpha1.GroupVersion}
}

// servingScheme is wireScheme with the served types standing in for the internal version that the generic API server works in.
// Each group has one version, so converting to the internal one only changes the label.
func servingScheme() (*runtime.Scheme, error) {
	scheme, err := wireScheme()
	if err != nil {
		return nil, err
	}
	internal := schema.GroupVersion{Group: clusterv1alpha1.GroupVersion.Group, Version: runtime.APIVersionInternal}
	scheme.AddKnownTypes(internal, &clusterv1alpha1.Cluster{}, &clusterv1alpha1.ClusterList{}, &clusterv1alpha1.ClusterProxyOptions{})
	internal.Group = searchv1alpha1.GroupVersion.Group
	scheme.AddKnownTypes(internal, &searchv1alpha1.ResourceRegistry{}, &searchv1alpha1.ResourceRegistryList{}, &searchv1alpha1.Search{}, &searchv1alpha1.Proxying{})
	if err := storage.ReadProxyOptions(scheme); err != nil {
		return nil, fmt.Errorf("registering the parameters of clusters/proxy: %w", err)
	}
	return scheme, nil
}
