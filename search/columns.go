package search

import (
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/seatrial/seatrial/api/names"
)

// columnsOf are what a table shows of a kind: name, cluster and age, and a few fields of kinds that many look at.
func columnsOf(resource schema.GroupResource) (rest.TableConvertor, error) {
	cluster := ".metadata.annotations." + strings.ReplaceAll(names.AnnotationCachedFromCluster, ".", `\.`)
	columns := []apiextensionsv1.CustomResourceColumnDefinition{{Name: "Cluster", Type: "string", JSONPath: cluster, Description: "Cluster that it is in"}}
	columns = append(columns, ownColumns(resource)...)
	columns = append(columns, apiextensionsv1.CustomResourceColumnDefinition{Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp", Description: "Time since it was created"})
	convertor, err := tableconvertor.New(columns)
	if err != nil {
		return nil, fmt.Errorf("the columns of %s: %w", resource, err)
	}
	return convertor, nil
}

func ownColumns(resource schema.GroupResource) []apiextensionsv1.CustomResourceColumnDefinition {
	text := func(name, path string) apiextensionsv1.CustomResourceColumnDefinition {
		return apiextensionsv1.CustomResourceColumnDefinition{Name: name, Type: "string", JSONPath: path}
	}
	count := func(name, path string) apiextensionsv1.CustomResourceColumnDefinition {
		return apiextensionsv1.CustomResourceColumnDefinition{Name: name, Type: "integer", JSONPath: path}
	}
	switch resource.String() {
	case "pods":
		return []apiextensionsv1.CustomResourceColumnDefinition{
			text("Status", ".status.phase"), count("Restarts", ".status.containerStatuses[0].restartCount"), text("IP", ".status.podIP"), text("Node", ".spec.nodeName"),
		}
	case "nodes":
		return []apiextensionsv1.CustomResourceColumnDefinition{text("Status", `.status.conditions[?(@.type=="Ready")].reason`), text("Version", ".status.nodeInfo.kubeletVersion")}
	case "services":
		return []apiextensionsv1.CustomResourceColumnDefinition{text("Type", ".spec.type"), text("Cluster-IP", ".spec.clusterIP")}
	case "namespaces", "persistentvolumes", "persistentvolumeclaims":
		return []apiextensionsv1.CustomResourceColumnDefinition{text("Status", ".status.phase")}
	case "deployments.apps":
		return []apiextensionsv1.CustomResourceColumnDefinition{
			count("Desired", ".spec.replicas"), count("Up-to-date", ".status.updatedReplicas"), count("Ready", ".status.readyReplicas"), count("Available", ".status.availableReplicas"),
		}
	case "statefulsets.apps", "replicasets.apps":
		return []apiextensionsv1.CustomResourceColumnDefinition{count("Desired", ".spec.replicas"), count("Ready", ".status.readyReplicas")}
	case "daemonsets.apps":
		return []apiextensionsv1.CustomResourceColumnDefinition{count("Desired", ".status.desiredNumberScheduled"), count("Ready", ".status.numberReady")}
	case "jobs.batch":
		return []apiextensionsv1.CustomResourceColumnDefinition{count("Completions", ".spec.completions"), count("Succeeded", ".status.succeeded"), count("Active", ".status.active")}
	}
	return nil
}
