package conformance

import (
	"encoding/json"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
)

// WidgetGVK is the kind of the custom resource the cases define.
var WidgetGVK = schema.GroupVersionKind{Group: "conformance.example.com", Version: "v1", Kind: "Widget"}

// Widget is a custom resource with what custom resources can have: defaults, validation, an enumeration, a rule, a set,
// a status subresource and a part that is not pruned.
type Widget struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   WidgetSpec   `json:"spec,omitempty"`
	Status WidgetStatus `json:"status,omitempty"`
}

// WidgetSpec is the desired state.
type WidgetSpec struct {
	// Replicas is 1 by default and at most 100.
	Replicas *int32 `json:"replicas,omitempty"`
	// Mode is Auto by default, or Manual.
	Mode string `json:"mode,omitempty"`
	// Min is never more than Max.
	Min *int32 `json:"min,omitempty"`
	Max *int32 `json:"max,omitempty"`
	// Tags are a set.
	Tags []string `json:"tags,omitempty"`
	// Payload is kept as it is.
	Payload *runtime.RawExtension `json:"payload,omitempty"`
}

// WidgetStatus is the observed state.
type WidgetStatus struct {
	Ready      int32              `json:"ready,omitempty"`
	Phase      string             `json:"phase,omitempty"`
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// WidgetList is a list of Widgets.
type WidgetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Widget `json:"items"`
}

// DeepCopyObject implements runtime.Object.
func (w *Widget) DeepCopyObject() runtime.Object {
	copied := &Widget{TypeMeta: w.TypeMeta, ObjectMeta: *w.ObjectMeta.DeepCopy(), Spec: w.Spec, Status: w.Status}
	for _, pointer := range []**int32{&copied.Spec.Replicas, &copied.Spec.Min, &copied.Spec.Max} {
		if *pointer != nil {
			*pointer = ptr.To(**pointer)
		}
	}
	copied.Spec.Tags = append([]string(nil), w.Spec.Tags...)
	copied.Spec.Payload = w.Spec.Payload.DeepCopy()
	copied.Status.Conditions = nil
	for i := range w.Status.Conditions {
		copied.Status.Conditions = append(copied.Status.Conditions, *w.Status.Conditions[i].DeepCopy())
	}
	return copied
}

// DeepCopyObject implements runtime.Object.
func (l *WidgetList) DeepCopyObject() runtime.Object {
	copied := &WidgetList{TypeMeta: l.TypeMeta, ListMeta: *l.ListMeta.DeepCopy()}
	for i := range l.Items {
		copied.Items = append(copied.Items, *l.Items[i].DeepCopyObject().(*Widget))
	}
	return copied
}

// AddWidgets registers the types with a scheme.
func AddWidgets(scheme *runtime.Scheme) error {
	scheme.AddKnownTypeWithName(WidgetGVK, &Widget{})
	scheme.AddKnownTypeWithName(WidgetGVK.GroupVersion().WithKind("WidgetList"), &WidgetList{})
	metav1.AddToGroupVersion(scheme, WidgetGVK.GroupVersion())
	return nil
}

// WidgetDefinition defines Widget.
func WidgetDefinition() *apiextensionsv1.CustomResourceDefinition {
	return definition("Widget", "widgets", apiextensionsv1.CustomResourceDefinitionVersion{
		Name: "v1", Served: true, Storage: true,
		Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
		Schema:       &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: widgetSchema()},
	})
}

// definition makes a definition of a namespaced kind of the cases' group.
func definition(kind, plural string,
	versions ...apiextensionsv1.CustomResourceDefinitionVersion) *apiextensionsv1.CustomResourceDefinition {
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: plural + "." + WidgetGVK.Group},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: WidgetGVK.Group, Scope: apiextensionsv1.NamespaceScoped,
			Names:    apiextensionsv1.CustomResourceDefinitionNames{Kind: kind, Plural: plural},
			Versions: versions,
		},
	}
}

func widgetSchema() *apiextensionsv1.JSONSchemaProps {
	integer := apiextensionsv1.JSONSchemaProps{Type: "integer", Format: "int32"}
	replicas := integer
	replicas.Default, replicas.Minimum, replicas.Maximum = literal(1), ptr.To(0.0), ptr.To(100.0)
	text := apiextensionsv1.JSONSchemaProps{Type: "string"}
	condition := apiextensionsv1.JSONSchemaProps{
		Type: "object", Required: []string{"type", "status"},
		Properties: map[string]apiextensionsv1.JSONSchemaProps{
			"type": text, "status": text, "reason": text, "message": text,
			"lastTransitionTime": {Type: "string", Format: "date-time"}, "observedGeneration": {Type: "integer", Format: "int64"},
		},
	}
	return &apiextensionsv1.JSONSchemaProps{
		Type: "object",
		Properties: map[string]apiextensionsv1.JSONSchemaProps{
			"spec": {
				Type: "object", Default: literal(map[string]any{}),
				Properties: map[string]apiextensionsv1.JSONSchemaProps{
					"replicas": replicas,
					"mode": {
						Type: "string", Default: literal("Auto"),
						Enum: []apiextensionsv1.JSON{*literal("Auto"), *literal("Manual")},
					},
					"min": integer, "max": integer,
					"tags": {
						Type: "array", XListType: ptr.To("set"),
						Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &text},
					},
					"payload": {Type: "object", XPreserveUnknownFields: ptr.To(true)},
				},
				XValidations: apiextensionsv1.ValidationRules{{
					Rule: "!has(self.min) || !has(self.max) || self.min <= self.max", Message: "min must not be more than max",
				}},
			},
			"status": {
				Type: "object",
				Properties: map[string]apiextensionsv1.JSONSchemaProps{
					"ready": {Type: "integer", Format: "int32", Minimum: ptr.To(0.0)},
					"phase": text,
					"conditions": {
						Type: "array", Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &condition},
						XListType: ptr.To("map"), XListMapKeys: []string{"type"},
					},
				},
			},
		},
	}
}

// literal is a JSON value in a schema.
func literal(value any) *apiextensionsv1.JSON {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return &apiextensionsv1.JSON{Raw: raw}
}
