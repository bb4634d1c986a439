package declarative

import (
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
)

// Operation is one question that a customization can answer.
type Operation struct {
	Name configv1alpha1.InterpreterOperation
	// Field of spec.customizations holds the script.
	Field string
	// Function is what the script defines.
	Function string

	script func(*configv1alpha1.CustomizationRules) string
}

// Operations are all that customizations can answer, in the order of their fields.
func Operations() []Operation {
	return []Operation{
		{configv1alpha1.InterpreterOperationRetain, "retention", "Retain", func(rules *configv1alpha1.CustomizationRules) string {
			return source(rules.Retention, func(r *configv1alpha1.LocalValueRetention) string { return r.LuaScript })
		}},
		{configv1alpha1.InterpreterOperationInterpretReplica, "replicaResource", "GetReplicas", func(rules *configv1alpha1.CustomizationRules) string {
			return source(rules.ReplicaResource, func(r *configv1alpha1.ReplicaResourceRequirement) string { return r.LuaScript })
		}},
		{configv1alpha1.InterpreterOperationInterpretComponent, "componentResource", "GetComponents", func(rules *configv1alpha1.CustomizationRules) string {
			return source(rules.ComponentResource, func(r *configv1alpha1.ComponentResourceRequirement) string { return r.LuaScript })
		}},
		{configv1alpha1.InterpreterOperationReviseReplica, "replicaRevision", "ReviseReplica", func(rules *configv1alpha1.CustomizationRules) string {
			return source(rules.ReplicaRevision, func(r *configv1alpha1.ReplicaRevision) string { return r.LuaScript })
		}},
		{configv1alpha1.InterpreterOperationInterpretStatus, "statusReflection", "ReflectStatus", func(rules *configv1alpha1.CustomizationRules) string {
			return source(rules.StatusReflection, func(r *configv1alpha1.StatusReflection) string { return r.LuaScript })
		}},
		{configv1alpha1.InterpreterOperationAggregateStatus, "statusAggregation", "AggregateStatus", func(rules *configv1alpha1.CustomizationRules) string {
			return source(rules.StatusAggregation, func(r *configv1alpha1.StatusAggregation) string { return r.LuaScript })
		}},
		{configv1alpha1.InterpreterOperationInterpretHealth, "healthInterpretation", "InterpretHealth", func(rules *configv1alpha1.CustomizationRules) string {
			return source(rules.HealthInterpretation, func(r *configv1alpha1.HealthInterpretation) string { return r.LuaScript })
		}},
		{configv1alpha1.InterpreterOperationInterpretDependency, "dependencyInterpretation", "GetDependencies", func(rules *configv1alpha1.CustomizationRules) string {
			return source(rules.DependencyInterpretation, func(r *configv1alpha1.DependencyInterpretation) string { return r.LuaScript })
		}},
	}
}

// source is the script of a field, empty without one.
func source[T any](field *T, script func(*T) string) string {
	if field == nil {
		return ""
	}
	return script(field)
}
