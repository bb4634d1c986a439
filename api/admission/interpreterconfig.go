package admission

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/interpreter/sandbox"
)

const (
	maxWebhookTimeoutSeconds = 30
	// contextVersion is the version of ResourceInterpreterContext that is spoken.
	contextVersion = "v1alpha1"
)

// script is one operation that a customization defines.
type script struct {
	field, text string
	// shared operations may be defined by several objects, whose answers add up.
	shared bool
}

// scriptsOf lists the operations that a customization defines, in the order of the fields.
func scriptsOf(rules *configv1alpha1.CustomizationRules) []script {
	var scripts []script
	if rules.Retention != nil {
		scripts = append(scripts, script{field: "retention", text: rules.Retention.LuaScript})
	}
	if rules.ReplicaResource != nil {
		scripts = append(scripts, script{field: "replicaResource", text: rules.ReplicaResource.LuaScript})
	}
	if rules.ComponentResource != nil {
		scripts = append(scripts, script{field: "componentResource", text: rules.ComponentResource.LuaScript})
	}
	if rules.ReplicaRevision != nil {
		scripts = append(scripts, script{field: "replicaRevision", text: rules.ReplicaRevision.LuaScript})
	}
	if rules.StatusReflection != nil {
		scripts = append(scripts, script{field: "statusReflection", text: rules.StatusReflection.LuaScript})
	}
	if rules.StatusAggregation != nil {
		scripts = append(scripts, script{field: "statusAggregation", text: rules.StatusAggregation.LuaScript})
	}
	if rules.HealthInterpretation != nil {
		scripts = append(scripts, script{field: "healthInterpretation", text: rules.HealthInterpretation.LuaScript})
	}
	if rules.DependencyInterpretation != nil {
		text := rules.DependencyInterpretation.LuaScript
		scripts = append(scripts, script{field: "dependencyInterpretation", text: text, shared: true})
	}
	return scripts
}

// ValidateInterpreterCustomization checks that every script loads, and that no other stored customization of the same kind
// defines the same operation. Objects with the name of the customization are the customization itself.
func ValidateInterpreterCustomization(
	customization *configv1alpha1.ResourceInterpreterCustomization,
	stored []configv1alpha1.ResourceInterpreterCustomization,
) field.ErrorList {
	var faults field.ErrorList
	path := field.NewPath("spec", "customizations")
	for _, script := range scriptsOf(&customization.Spec.Customizations) {
		if err := loads(script.text, script.field); err != nil {
			faults = append(faults, field.Invalid(path.Child(script.field, "luaScript"), script.text, err.Error()))
		}
		for i := range stored {
			other := &stored[i]
			if other.Name == customization.Name || other.Spec.Target != customization.Spec.Target || script.shared {
				continue
			}
			for _, theirs := range scriptsOf(&other.Spec.Customizations) {
				if theirs.field == script.field {
					fault := fmt.Sprintf("%s defines it for %s %s already",
						other.Name, other.Spec.Target.APIVersion, other.Spec.Target.Kind)
					faults = append(faults, field.Forbidden(path.Child(script.field), fault))
				}
			}
		}
	}
	return faults
}

// loads compiles a script as the interpreter does, without running it.
func loads(text, name string) error {
	_, err := sandbox.Compile(name, text)
	return err
}

// ValidateInterpreterWebhooks checks names, endpoints and rules of every webhook.
func ValidateInterpreterWebhooks(configuration *configv1alpha1.ResourceInterpreterWebhookConfiguration) field.ErrorList {
	var faults field.ErrorList
	seen := sets.New[string]()
	for i := range configuration.Webhooks {
		webhook, at := &configuration.Webhooks[i], field.NewPath("webhooks").Index(i)
		faults = append(faults, validation.IsFullyQualifiedName(at.Child("name"), webhook.Name)...)
		if seen.Has(webhook.Name) {
			faults = append(faults, field.Duplicate(at.Child("name"), webhook.Name))
		}
		seen.Insert(webhook.Name)
		if (webhook.ClientConfig.URL == nil) == (webhook.ClientConfig.Service == nil) {
			faults = append(faults, field.Required(at.Child("clientConfig"), "needs either url or service"))
		}
		if seconds := webhook.TimeoutSeconds; seconds != nil && (*seconds < 1 || *seconds > maxWebhookTimeoutSeconds) {
			fault := fmt.Sprintf("must be between 1 and %d", maxWebhookTimeoutSeconds)
			faults = append(faults, field.Invalid(at.Child("timeoutSeconds"), *seconds, fault))
		}
		for j := range webhook.Rules {
			faults = append(faults, validateInterpreterRule(&webhook.Rules[j], at.Child("rules").Index(j))...)
		}
		faults = append(faults, validateContextVersions(webhook.InterpreterContextVersions, at)...)
	}
	return faults
}

func validateInterpreterRule(rule *configv1alpha1.RuleWithOperations, path *field.Path) field.ErrorList {
	operations := []configv1alpha1.InterpreterOperation{
		configv1alpha1.InterpreterOperationAll,
		configv1alpha1.InterpreterOperationInterpretReplica,
		configv1alpha1.InterpreterOperationInterpretComponent,
		configv1alpha1.InterpreterOperationReviseReplica,
		configv1alpha1.InterpreterOperationRetain,
		configv1alpha1.InterpreterOperationAggregateStatus,
		configv1alpha1.InterpreterOperationInterpretStatus,
		configv1alpha1.InterpreterOperationInterpretHealth,
		configv1alpha1.InterpreterOperationInterpretDependency,
		configv1alpha1.InterpreterOperationPrune,
	}
	faults := validateStar(rule.Operations, configv1alpha1.InterpreterOperationAll, path.Child("operations"))
	for i, operation := range rule.Operations {
		if !slices.Contains(operations, operation) {
			faults = append(faults, field.NotSupported(path.Child("operations").Index(i), operation, operations))
		}
	}
	faults = append(faults, validateStar(rule.APIGroups, "*", path.Child("apiGroups"))...)
	faults = append(faults, validateStar(rule.APIVersions, "*", path.Child("apiVersions"))...)
	faults = append(faults, validateStar(rule.Kinds, "*", path.Child("kinds"))...)
	faults = append(faults, validateFilled(rule.APIVersions, path.Child("apiVersions"))...)
	return append(faults, validateFilled(rule.Kinds, path.Child("kinds"))...)
}

// validateStar checks that a list has entries and that one for everything stands alone.
func validateStar[T ~string](list []T, star T, path *field.Path) field.ErrorList {
	if len(list) == 0 {
		return field.ErrorList{field.Required(path, "must not be empty")}
	}
	if len(list) > 1 && slices.Contains(list, star) {
		return field.ErrorList{field.Invalid(path, list, "\"*\" must stand alone")}
	}
	return nil
}

// validateFilled refuses empty entries; only the core API group has an empty name.
func validateFilled(list []string, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	for i, entry := range list {
		if entry == "" {
			faults = append(faults, field.Required(path.Index(i), "must not be empty"))
		}
	}
	return faults
}

func validateContextVersions(versions []string, path *field.Path) field.ErrorList {
	path = path.Child("interpreterContextVersions")
	if len(versions) == 0 {
		return field.ErrorList{field.Required(path, "must include "+contextVersion)}
	}
	var faults field.ErrorList
	seen := sets.New[string]()
	for i, version := range versions {
		for _, fault := range validation.IsDNS1035Label(version) {
			faults = append(faults, field.Invalid(path.Index(i), version, fault))
		}
		if seen.Has(version) {
			faults = append(faults, field.Duplicate(path.Index(i), version))
		}
		seen.Insert(version)
	}
	if !seen.Has(contextVersion) {
		faults = append(faults, field.Invalid(path, versions, "must include "+contextVersion))
	}
	return faults
}
