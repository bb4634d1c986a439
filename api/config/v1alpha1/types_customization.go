package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ResourceInterpreterCustomization teaches the control plane one resource kind with Lua scripts: how many replicas it has,
// how its status reads, when it is healthy, what it depends on.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=resourceinterpretercustomizations,scope=Cluster,shortName=ric,categories={karmada-io}
// +kubebuilder:printcolumn:name="TARGET-API-VERSION",type=string,JSONPath=`.spec.target.apiVersion`
// +kubebuilder:printcolumn:name="TARGET-KIND",type=string,JSONPath=`.spec.target.kind`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
type ResourceInterpreterCustomization struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec names the kind and carries the scripts.
	// +required
	Spec ResourceInterpreterCustomizationSpec `json:"spec"`
}

// ResourceInterpreterCustomizationSpec binds scripts to one kind.
type ResourceInterpreterCustomizationSpec struct {
	// Target is the resource kind the scripts are for.
	// +required
	Target CustomizationTarget `json:"target"`

	// Customizations are the scripts, one for each operation. An operation without a script keeps its built-in answer.
	// Except for dependencies, no two objects may carry a script for the same operation of the same kind.
	// +required
	Customizations CustomizationRules `json:"customizations"`
}

// CustomizationTarget names a resource kind.
type CustomizationTarget struct {
	// APIVersion is the group and version of the kind, such as "apps/v1".
	// +required
	APIVersion string `json:"apiVersion"`

	// Kind is the kind, such as "Deployment".
	// +required
	Kind string `json:"kind"`
}

// CustomizationRules holds the scripts of one kind. Every script runs in a sandbox without network, files or clock, and
// gets and returns Lua tables in the shape of the object's JSON.
type CustomizationRules struct {
	// Retention keeps values that the member cluster set itself, so that the control plane does not write over them.
	// +optional
	Retention *LocalValueRetention `json:"retention,omitempty"`

	// ReplicaResource tells how many replicas the object wants and what one replica needs. It is for kinds with one pod
	// template; a kind with several uses componentResource.
	// +optional
	ReplicaResource *ReplicaResourceRequirement `json:"replicaResource,omitempty"`

	// ComponentResource tells the components of a kind with several pod templates: for each its replicas and what one
	// replica needs.
	// +optional
	ComponentResource *ComponentResourceRequirement `json:"componentResource,omitempty"`

	// ReplicaRevision writes a number of replicas into the object; each cluster gets its share that way.
	// +optional
	ReplicaRevision *ReplicaRevision `json:"replicaRevision,omitempty"`

	// StatusReflection picks the part of the status in a member cluster that is reported to the control plane. Without it
	// the whole status is reported.
	// +optional
	StatusReflection *StatusReflection `json:"statusReflection,omitempty"`

	// StatusAggregation combines the statuses of all member clusters into the status of the template.
	// +optional
	StatusAggregation *StatusAggregation `json:"statusAggregation,omitempty"`

	// HealthInterpretation decides whether the object in a member cluster is healthy.
	// +optional
	HealthInterpretation *HealthInterpretation `json:"healthInterpretation,omitempty"`

	// DependencyInterpretation lists the objects that must reach the same clusters, such as ConfigMaps and Secrets.
	// +optional
	DependencyInterpretation *DependencyInterpretation `json:"dependencyInterpretation,omitempty"`
}

// LocalValueRetention carries the script of the Retain operation.
type LocalValueRetention struct {
	// LuaScript defines the function
	//
	//	function Retain(desiredObj, observedObj)
	//
	// desiredObj is the object about to be written to the member cluster, observedObj is the one found there. It returns
	// desiredObj with the values to keep copied into it.
	// +required
	LuaScript string `json:"luaScript"`
}

// ReplicaResourceRequirement carries the script of the InterpretReplica operation.
type ReplicaResourceRequirement struct {
	// LuaScript defines the function
	//
	//	function GetReplicas(desiredObj)
	//
	// desiredObj is the template. It returns two values: the number of replicas, and a table in the shape of
	// ReplicaRequirements of work.karmada.io/v1alpha2 for one replica, or nil when a replica has no requirements.
	// +required
	LuaScript string `json:"luaScript"`
}

// ComponentResourceRequirement carries the script of the InterpretComponent operation.
type ComponentResourceRequirement struct {
	// LuaScript defines the function
	//
	//	function GetComponents(desiredObj)
	//
	// desiredObj is the template. It returns a list of tables in the shape of Component of work.karmada.io/v1alpha2, each
	// with a name that is unique in the list.
	// +required
	LuaScript string `json:"luaScript"`
}

// ReplicaRevision carries the script of the ReviseReplica operation.
type ReplicaRevision struct {
	// LuaScript defines the function
	//
	//	function ReviseReplica(desiredObj, desiredReplica)
	//
	// desiredObj is the template and desiredReplica the number of replicas for one cluster. It returns desiredObj with
	// that number in it.
	// +required
	LuaScript string `json:"luaScript"`
}

// StatusReflection carries the script of the InterpretStatus operation.
type StatusReflection struct {
	// LuaScript defines the function
	//
	//	function ReflectStatus(observedObj)
	//
	// observedObj is the object found in the member cluster. It returns the status to report, in any shape.
	// +required
	LuaScript string `json:"luaScript"`
}

// StatusAggregation carries the script of the AggregateStatus operation.
type StatusAggregation struct {
	// LuaScript defines the function
	//
	//	function AggregateStatus(desiredObj, statusItems)
	//
	// desiredObj is the template and statusItems a list of tables in the shape of AggregatedStatusItem of
	// work.karmada.io/v1alpha2, one for each cluster. It returns desiredObj with its status filled in.
	// +required
	LuaScript string `json:"luaScript"`
}

// HealthInterpretation carries the script of the InterpretHealth operation.
type HealthInterpretation struct {
	// LuaScript defines the function
	//
	//	function InterpretHealth(observedObj)
	//
	// observedObj is the object found in the member cluster. It returns true when the object is healthy.
	// +required
	LuaScript string `json:"luaScript"`
}

// DependencyInterpretation carries the script of the InterpretDependency operation.
type DependencyInterpretation struct {
	// LuaScript defines the function
	//
	//	function GetDependencies(desiredObj)
	//
	// desiredObj is the template. It returns a list of tables in the shape of DependentObjectReference.
	// +required
	LuaScript string `json:"luaScript"`
}

// ResourceInterpreterCustomizationList is a list of ResourceInterpreterCustomization objects.
//
// +kubebuilder:object:root=true
type ResourceInterpreterCustomizationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the objects of this page.
	Items []ResourceInterpreterCustomization `json:"items"`
}
