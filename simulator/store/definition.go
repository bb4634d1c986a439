package store

import (
	"context"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// definitionRules: a CustomResourceDefinition adds a kind to the store when Step establishes it.
func definitionRules() *nativeRules {
	return &nativeRules{
		generation: generationBySpec,
		defaults: func(object client.Object) {
			apiextensionsv1.SetObjectDefaults_CustomResourceDefinition(object.(*apiextensionsv1.CustomResourceDefinition))
		},
		prepareCreate: func(object client.Object) {
			definition := object.(*apiextensionsv1.CustomResourceDefinition)
			for _, version := range definition.Spec.Versions {
				if version.Storage {
					definition.Status.StoredVersions = []string{version.Name}
				}
			}
		},
		validate: validateDefinition,
		cleanup:  apiextensionsv1.CustomResourceCleanupFinalizer,
	}
}

// validateDefinition refuses definitions the store could not serve.
func validateDefinition(object, _ client.Object) field.ErrorList {
	definition := object.(*apiextensionsv1.CustomResourceDefinition)
	spec := field.NewPath("spec")
	var errs field.ErrorList
	required := definition.Spec.Names.Plural + "." + definition.Spec.Group
	if definition.Name != required {
		errs = append(errs, field.Invalid(field.NewPath("metadata", "name"), definition.Name,
			"must be spec.names.plural+\".\"+spec.group"))
	}
	for _, message := range apivalidation.NameIsDNSSubdomain(definition.Spec.Group, false) {
		errs = append(errs, field.Invalid(spec.Child("group"), definition.Spec.Group, message))
	}
	stored := 0
	for i := range definition.Spec.Versions {
		version := &definition.Spec.Versions[i]
		if version.Storage {
			stored++
		}
		if _, err := newVersionSchema(definition, version); err != nil {
			errs = append(errs, field.Invalid(spec.Child("versions").Index(i).Child("schema"), version.Name, err.Error()))
		}
	}
	if stored != 1 {
		errs = append(errs, field.Invalid(spec.Child("versions"), stored,
			"must have exactly one version marked as storage version"))
	}
	return errs
}

// define serves what a definition defines, or removes it together with its objects.
func (s *Store) define(ctx context.Context, r *record) error {
	definition, ok := s.liveObject(r).(*apiextensionsv1.CustomResourceDefinition)
	if !ok {
		return nil
	}
	if definition.DeletionTimestamp != nil {
		return s.withdraw(ctx, r, definition)
	}
	resource, err := FromDefinition(definition)
	if err != nil {
		return err
	}
	s.Register(resource)
	return s.establish(ctx, r)
}

// establish says in the status that a definition is served.
func (s *Store) establish(ctx context.Context, r *record) error {
	_, err := s.modify(ctx, modification{
		kind: r.kind, key: r.key, aspect: aspectStatus,
		next: func(current *version) (client.Object, error) {
			if current == nil {
				return nil, apierrors.NewNotFound(r.kind.resource.groupResource(), r.key.Name)
			}
			definition := current.object.DeepCopyObject().(*apiextensionsv1.CustomResourceDefinition)
			definition.Status.AcceptedNames = definition.Spec.Names
			s.setCondition(definition, apiextensionsv1.NamesAccepted, "NoConflicts", "no conflicts found")
			s.setCondition(definition, apiextensionsv1.Established, "InitialNamesAccepted",
				"the initial names have been accepted")
			return definition, nil
		},
	})
	return client.IgnoreNotFound(err)
}

func (s *Store) setCondition(definition *apiextensionsv1.CustomResourceDefinition,
	conditionType apiextensionsv1.CustomResourceDefinitionConditionType, reason, message string) {
	for _, condition := range definition.Status.Conditions {
		if condition.Type == conditionType {
			return
		}
	}
	definition.Status.Conditions = append(definition.Status.Conditions, apiextensionsv1.CustomResourceDefinitionCondition{
		Type: conditionType, Status: apiextensionsv1.ConditionTrue, LastTransitionTime: s.now(),
		Reason: reason, Message: message,
	})
}

// withdraw deletes one object of a definition that is being deleted, or lets the definition go when none is left.
func (s *Store) withdraw(ctx context.Context, r *record, definition *apiextensionsv1.CustomResourceDefinition) error {
	gk := schema.GroupKind{Group: definition.Spec.Group, Kind: definition.Spec.Names.Kind}
	victim, left := s.firstOf(gk)
	if victim != nil {
		s.enqueue(chore{duty: dutyDefine, record: r})
		return s.remove(ctx, victim.kind, victim.key, &metav1.DeleteOptions{})
	}
	if left {
		return nil
	}
	s.unregister(gk)
	return s.dropFinalizer(ctx, r, apiextensionsv1.CustomResourceCleanupFinalizer)
}

// firstOf finds the first object of a kind that is not being deleted yet; left tells whether there is any at all.
func (s *Store) firstOf(gk schema.GroupKind) (victim *record, left bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k := s.kinds[gk]
	if k == nil {
		return nil, false
	}
	k.order.Ascend(func(r *record) bool {
		if v := r.live(); v != nil {
			left = true
			if v.object.GetDeletionTimestamp() == nil {
				victim = r
			}
		}
		return victim == nil
	})
	return victim, left
}

func (s *Store) unregister(gk schema.GroupKind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kinds, gk)
	s.mapper.rebuild(s.resources())
}

// selectable gives the path of a field that a definition makes selectable.
func (k *kind) selectable(name string) ([]string, bool) {
	if k.resource.definition == nil {
		return nil, false
	}
	for i := range k.resource.definition.Spec.Versions {
		for _, selectable := range k.resource.definition.Spec.Versions[i].SelectableFields {
			path := strings.TrimPrefix(selectable.JSONPath, ".")
			if path == name {
				return strings.Split(path, "."), true
			}
		}
	}
	return nil, false
}
