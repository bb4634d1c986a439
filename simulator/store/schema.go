package store

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// versionSchema prunes, defaults and validates the objects of one version of a custom resource, by the libraries of the
// real API server.
type versionSchema struct {
	structural *structuralschema.Structural
	validator  validation.SchemaValidator
	status     validation.SchemaValidator
	rules      *cel.Validator
	preserve   bool
	// defaults tells whether the schema sets any default.
	defaults bool
	// lacks is for the Go type that objects are kept as; nil where there is none.
	lacks lacking
	scale *apiextensionsv1.CustomResourceSubresourceScale
}

func newVersionSchema(definition *apiextensionsv1.CustomResourceDefinition,
	version *apiextensionsv1.CustomResourceDefinitionVersion) (*versionSchema, error) {
	if version.Schema == nil || version.Schema.OpenAPIV3Schema == nil {
		return nil, fmt.Errorf("version %s has no schema", version.Name)
	}
	props := &apiextensions.JSONSchemaProps{}
	err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		version.Schema.OpenAPIV3Schema, props, nil)
	if err != nil {
		return nil, fmt.Errorf("converting the schema of version %s: %w", version.Name, err)
	}
	s := &versionSchema{preserve: definition.Spec.PreserveUnknownFields}
	if s.structural, err = structuralschema.NewStructural(props); err != nil {
		return nil, fmt.Errorf("the schema of version %s is not structural: %w", version.Name, err)
	}
	if err := defaulting.PruneDefaults(s.structural); err != nil {
		return nil, fmt.Errorf("pruning the defaults of version %s: %w", version.Name, err)
	}
	if s.validator, _, err = validation.NewSchemaValidator(props); err != nil {
		return nil, fmt.Errorf("compiling the schema of version %s: %w", version.Name, err)
	}
	if status, found := props.Properties["status"]; found {
		if s.status, _, err = validation.NewSchemaValidator(&status); err != nil {
			return nil, fmt.Errorf("compiling the status schema of version %s: %w", version.Name, err)
		}
	}
	s.rules = cel.NewValidator(s.structural, true, celconfig.PerCallLimit)
	s.defaults = hasDefaults(s.structural)
	if version.Subresources != nil {
		s.scale = version.Subresources.Scale
	}
	return s, nil
}

func hasDefaults(s *structuralschema.Structural) bool {
	found := false
	visitor := structuralschema.Visitor{Structural: func(s *structuralschema.Structural) bool {
		found = found || s.Default.Object != nil
		return false
	}}
	visitor.Visit(s)
	return found
}

// coerce drops what the schema does not know, brings the metadata into form and sets defaults. It returns the paths that
// were dropped; an error means malformed content.
func (s *versionSchema) coerce(tree *unstructured.Unstructured) (unknown []string, err error) {
	gvk := tree.GroupVersionKind()
	meta, found, dropped, err := objectmeta.GetObjectMetaWithOptions(tree.Object,
		objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return nil, err
	}
	unknown = append(unknown, dropped...)
	if !s.preserve {
		options := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
		unknown = append(unknown, pruning.PruneWithOptions(tree.Object, s.structural, true, options)...)
		defaulting.PruneNonNullableNullsWithoutDefaults(tree.Object, s.structural)
	}
	failure, dropped := objectmeta.CoerceWithOptions(nil, tree.Object, s.structural, false,
		objectmeta.CoerceOptions{ReturnUnknownFieldPaths: true})
	if failure != nil {
		return nil, failure
	}
	unknown = append(unknown, dropped...)
	tree.SetGroupVersionKind(gvk)
	if found {
		if err := objectmeta.SetObjectMeta(tree.Object, meta); err != nil {
			return nil, err
		}
	}
	defaulting.Default(tree.Object, s.structural)
	return unknown, nil
}

// validate checks a new object against the schema.
func (s *versionSchema) validate(ctx context.Context, tree *unstructured.Unstructured) field.ErrorList {
	errs := validation.ValidateCustomResource(nil, tree.Object, s.validator)
	errs = append(errs, s.validateScale(tree)...)
	errs = append(errs, objectmeta.Validate(ctx, nil, tree.Object, s.structural, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, s.structural, tree.Object)...)
	return append(errs, s.validateRules(ctx, errs, tree.Object, nil)...)
}

// validateUpdate checks a changed object; violations in parts that have not changed are tolerated.
func (s *versionSchema) validateUpdate(ctx context.Context, tree, old *unstructured.Unstructured) field.ErrorList {
	correlation := common.NewCorrelatedObject(tree.Object, old.Object, &model.Structural{Structural: s.structural})
	errs := validation.ValidateCustomResourceUpdate(nil, tree.Object, old.Object, s.validator,
		validation.WithRatcheting(correlation))
	errs = append(errs, s.validateScale(tree)...)
	errs = append(errs, objectmeta.Validate(ctx, nil, tree.Object, s.structural, false)...)
	errs = append(errs, s.validateLists(tree, old)...)
	return append(errs, s.validateRules(ctx, errs, tree.Object, old.Object, cel.WithRatcheting(correlation))...)
}

// validateStatusUpdate checks the status alone, and the rules of the whole object.
func (s *versionSchema) validateStatusUpdate(ctx context.Context, tree, old *unstructured.Unstructured) field.ErrorList {
	correlation := common.NewCorrelatedObject(tree.Object, old.Object, &model.Structural{Structural: s.structural})
	var errs field.ErrorList
	if status, found := tree.Object["status"]; found && s.status != nil {
		errs = validation.ValidateCustomResourceUpdate(field.NewPath("status"), status, old.Object["status"], s.status,
			validation.WithRatcheting(correlation.Key("status")))
	}
	errs = append(errs, s.validateLists(tree, old)...)
	return append(errs, s.validateRules(ctx, errs, tree.Object, old.Object, cel.WithRatcheting(correlation))...)
}

// validateLists refuses duplicates in sets and maps that the old object did not have.
func (s *versionSchema) validateLists(tree, old *unstructured.Unstructured) field.ErrorList {
	errs := listtype.ValidateListSetsAndMaps(nil, s.structural, tree.Object)
	if len(errs) > 0 && len(listtype.ValidateListSetsAndMaps(nil, s.structural, old.Object)) > 0 {
		return nil
	}
	return errs
}

// validateRules runs the x-kubernetes-validations, unless the object is already known to be malformed in a way that
// could mislead them.
func (s *versionSchema) validateRules(ctx context.Context, known field.ErrorList, tree, old map[string]any,
	options ...cel.Option) field.ErrorList {
	if s.rules == nil {
		return nil
	}
	for _, err := range known {
		switch err.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany,
			field.ErrorTypeTypeInvalid:
			return field.ErrorList{field.Invalid(nil, nil,
				"the rules of the schema were left out because of the other errors")}
		}
	}
	var oldObject any
	if old != nil {
		oldObject = old
	}
	errs, _ := s.rules.Validate(ctx, nil, s.structural, tree, oldObject, celconfig.RuntimeCELCostBudget, options...)
	return errs
}

// validateScale refuses replica counts that the scale subresource could not show.
func (s *versionSchema) validateScale(tree *unstructured.Unstructured) field.ErrorList {
	if s.scale == nil {
		return nil
	}
	path := field.NewPath(s.scale.SpecReplicasPath)
	steps := strings.Split(strings.TrimPrefix(s.scale.SpecReplicasPath, "."), ".")
	replicas, _, err := unstructured.NestedInt64(tree.Object, steps...)
	if err != nil {
		return field.ErrorList{field.Invalid(path, replicas, err.Error())}
	}
	if replicas < 0 {
		return field.ErrorList{field.Invalid(path, replicas, "should be a non-negative integer")}
	}
	return nil
}

// completeTyped sets schema defaults on a Go value, by way of a tree if it lacks any.
func (s *versionSchema) completeTyped(object client.Object) (client.Object, error) {
	if s.lacks != nil && !s.lacks(reflect.ValueOf(object).Elem()) {
		return object, nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	defaulting.Default(content, s.structural)
	completed := reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object)
	return completed, runtime.DefaultUnstructuredConverter.FromUnstructured(content, completed)
}
