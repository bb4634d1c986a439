package local

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/crds"
	"github.com/seatrial/seatrial/api/names"
)

// fieldOwner is the manager of the fields that Up applies.
const fieldOwner = client.FieldOwner("seatrial")

// installKinds applies the definitions of the fleet's own kinds and waits until they are served.
func installKinds(ctx context.Context, plane client.Client, say func(string)) error {
	definitions, err := crds.Load(crds.WithoutWebhook())
	if err != nil {
		return err
	}
	applying, applyCtx := errgroup.WithContext(ctx)
	for _, definition := range definitions {
		applying.Go(func() error {
			definition.TypeMeta = metav1.TypeMeta{APIVersion: apiextensionsv1.SchemeGroupVersion.String(), Kind: "CustomResourceDefinition"}
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(definition)
			if err != nil {
				return fmt.Errorf("encoding definition %s: %w", definition.Name, err)
			}
			delete(content, "status")
			return apply(applyCtx, plane, &unstructured.Unstructured{Object: content})
		})
	}
	if err := applying.Wait(); err != nil {
		return err
	}
	return await(ctx, say, func(ctx context.Context) (string, error) { return unserved(ctx, plane, definitions) })
}

// unserved counts the definitions that are not served yet.
func unserved(ctx context.Context, plane client.Client, wanted []*apiextensionsv1.CustomResourceDefinition) (string, error) {
	present := &apiextensionsv1.CustomResourceDefinitionList{}
	if err := plane.List(ctx, present); err != nil {
		return "", fmt.Errorf("listing the kinds: %w", err)
	}
	established := map[string]bool{}
	for i := range present.Items {
		established[present.Items[i].Name] = isEstablished(&present.Items[i])
	}
	missing := 0
	for _, definition := range wanted {
		if !established[definition.Name] {
			missing++
		}
	}
	if missing == 0 {
		return "", nil
	}
	return fmt.Sprintf("%d of %d kinds are not served yet", missing, len(wanted)), nil
}

func isEstablished(definition *apiextensionsv1.CustomResourceDefinition) bool {
	for _, condition := range definition.Status.Conditions {
		if condition.Type == apiextensionsv1.Established {
			return condition.Status == apiextensionsv1.ConditionTrue
		}
	}
	return false
}

// createNamespaces makes the namespaces that a control plane has from the start.
func createNamespaces(ctx context.Context, plane client.Client) error {
	for _, name := range []string{names.NamespaceSystem, names.NamespaceCluster} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{names.LabelSystem: names.LabelSystemValue}}}
		if err := plane.Create(ctx, namespace); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating namespace %s: %w", name, err)
		}
	}
	return nil
}

func apply(ctx context.Context, plane client.Client, object *unstructured.Unstructured) error {
	err := plane.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), fieldOwner, client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("applying %s %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), err)
	}
	return nil
}
