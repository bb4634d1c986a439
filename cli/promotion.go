package cli

import (
	"context"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/dynamic"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/utils/clock"

	"github.com/seatrial/seatrial/api/admission"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/interpreter/standard"
	"github.com/seatrial/seatrial/workload"
)

// promotion is what the control plane is given of an object of a member.
type promotion struct {
	template *unstructured.Unstructured
	// needed are the templates of what the object needs.
	needed []*unstructured.Unstructured
	// policy is nil when users have their own.
	policy *unstructured.Unstructured
}

func (r *promoteRun) promotionOf(ctx context.Context, member cmdutil.Factory, found *unstructured.Unstructured) (*promotion, error) {
	made := &promotion{template: templateOf(found)}
	var err error
	if r.dependencies {
		if made.needed, err = r.needed(ctx, member, found); err != nil {
			return nil, err
		}
	}
	if r.createPolicy {
		object := identity{gvk: found.GroupVersionKind(), namespace: found.GetNamespace(), name: found.GetName()}
		propagateDeps := func(spec *policyv1alpha1.PropagationSpec) { spec.PropagateDeps = r.dependencies }
		if made.policy, err = policyFor(object, r.policyName, propagateDeps, r.cluster); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// templateOf says what a member object says, without what its cluster wrote or an earlier control plane left. It may take over the
// object, unless its author has decided on that.
func templateOf(found *unstructured.Unstructured) *unstructured.Unstructured {
	decided := found.GetAnnotations()[names.AnnotationConflictResolution]
	template := workload.HandOver(found)
	admission.CleanManifest(template)
	unstructured.RemoveNestedField(template.Object, "status")
	if decided == "" {
		decided = names.ConflictOverwrite
	}
	annotations := template.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[names.AnnotationConflictResolution] = decided
	template.SetAnnotations(annotations)
	return template
}

// needed are the templates of what an object refers to, as far as the member has it.
func (r *promoteRun) needed(ctx context.Context, member cmdutil.Factory, found *unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	chain := standard.New(clock.RealClock{})
	if err := r.teach(ctx, chain); err != nil {
		return nil, err
	}
	references, err := chain.Dependencies(ctx, found)
	if err != nil && !interpreter.IsUnsupported(err) {
		return nil, fmt.Errorf("finding what %s needs: %w", workload.Describe(found), err)
	}
	objects, err := member.DynamicClient()
	if err != nil {
		return nil, err
	}
	mapper, err := member.ToRESTMapper()
	if err != nil {
		return nil, err
	}
	var templates []*unstructured.Unstructured
	for _, reference := range references {
		referred, err := read(ctx, objects, mapper, reference)
		if err != nil {
			return nil, fmt.Errorf("reading %s %s, which %s needs: %w",
				reference.Kind, names.NamespacedKey(reference.Namespace, reference.Name), workload.Describe(found), err)
		}
		for i := range referred {
			templates = append(templates, templateOf(&referred[i]))
		}
	}
	return templates, nil
}

// teach shows the customizations of the control plane.
func (r *promoteRun) teach(ctx context.Context, chain interpreter.Chain) error {
	list, err := r.plane.Resource(configv1alpha1.GroupVersion.WithResource("resourceinterpretercustomizations")).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing the ResourceInterpreterCustomizations of the control plane: %w", err)
	}
	for _, item := range list.Items {
		customization := &configv1alpha1.ResourceInterpreterCustomization{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, customization); err != nil {
			return fmt.Errorf("reading ResourceInterpreterCustomization %s: %w", item.GetName(), err)
		}
		chain.Observe(nil, customization)
	}
	return nil
}

// read gives the objects that a reference means; those that are missing there are missing for the object itself too.
func read(
	ctx context.Context, objects dynamic.Interface, mapper meta.RESTMapper, reference configv1alpha1.DependentObjectReference,
) ([]unstructured.Unstructured, error) {
	kind := schema.FromAPIVersionAndKind(reference.APIVersion, reference.Kind)
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	var resources dynamic.ResourceInterface = objects.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		resources = objects.Resource(mapping.Resource).Namespace(reference.Namespace)
	}
	if reference.Name != "" {
		found, err := resources.Get(ctx, reference.Name, metav1.GetOptions{})
		if absent := err != nil && absent(err); absent || err != nil {
			if absent {
				return nil, nil
			}
			return nil, err
		}
		return []unstructured.Unstructured{*found}, nil
	}
	list, err := resources.List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(reference.LabelSelector)})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// print gives a List as JSON, and documents one after the other as YAML.
func (p *promotion) print(out io.Writer, format string) error {
	all := append(append(p.needed, p.template), p.policy)
	if p.policy == nil {
		all = all[:len(all)-1]
	}
	printer, err := genericclioptions.NewJSONYamlPrintFlags().ToPrinter(format)
	if err != nil {
		return err
	}
	if format == "yaml" {
		for _, object := range all {
			if err := printer.PrintObj(object, out); err != nil {
				return err
			}
		}
		return nil
	}
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List"}}
	for _, object := range all {
		list.Items = append(list.Items, *object)
	}
	return printer.PrintObj(list, out)
}
