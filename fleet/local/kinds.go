package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/crds"
	"github.com/seatrial/seatrial/api/names"
)

// fieldOwner is the manager of the fields that Up applies.
const fieldOwner = client.FieldOwner("seatrial")

// definitionAnnotation stands on an installed definition: a hash of its content, so that one that is current is not sent again.
const definitionAnnotation = "seatrial/definition"

// InstallKinds creates the definitions of the fleet's own kinds, replaces old ones, and waits until all are served.
func InstallKinds(ctx context.Context, plane client.Client, say func(string)) error {
	wanted, err := definitions()
	if err != nil {
		return err
	}
	present, err := presentKinds(ctx, plane)
	if err != nil {
		return err
	}
	writing, writeCtx := errgroup.WithContext(ctx)
	for _, definition := range wanted {
		writing.Go(func() error { return writeKind(writeCtx, plane, definition, present[definition.Name]) })
	}
	if err := writing.Wait(); err != nil {
		return err
	}
	return await(ctx, say, func(ctx context.Context) (string, error) {
		present, err := presentKinds(ctx, plane)
		if err != nil {
			return "", err
		}
		served := 0
		for _, definition := range wanted {
			if found := present[definition.Name]; found != nil && isEstablished(found) {
				served++
			}
		}
		if served == len(wanted) {
			return "", nil
		}
		return fmt.Sprintf("%d of %d kinds are served", served, len(wanted)), nil
	})
}

// writeKind makes the definition stand in the control plane as wanted. No apply: merging definitions costs the API server seconds.
func writeKind(ctx context.Context, plane client.Client, wanted, present *apiextensionsv1.CustomResourceDefinition) error {
	var err error
	switch {
	case present == nil:
		err = plane.Create(ctx, wanted, fieldOwner)
	case present.Annotations[definitionAnnotation] != wanted.Annotations[definitionAnnotation]:
		wanted.ResourceVersion = present.ResourceVersion
		err = plane.Update(ctx, wanted, fieldOwner)
	}
	if err != nil {
		return fmt.Errorf("installing definition %s: %w", wanted.Name, err)
	}
	return nil
}

// presentKinds are the definitions that stand in the control plane, by name.
func presentKinds(ctx context.Context, plane client.Client) (map[string]*apiextensionsv1.CustomResourceDefinition, error) {
	list := &apiextensionsv1.CustomResourceDefinitionList{}
	if err := plane.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing the kinds: %w", err)
	}
	present := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for i := range list.Items {
		present[list.Items[i].Name] = &list.Items[i]
	}
	return present, nil
}

// definitions are those to install, each with its hash.
func definitions() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	wanted, err := crds.Load(crds.WithoutWebhook())
	if err != nil {
		return nil, err
	}
	for _, definition := range wanted {
		text, err := json.Marshal(definition)
		if err != nil {
			return nil, fmt.Errorf("encoding definition %s: %w", definition.Name, err)
		}
		sum := sha256.Sum256(text)
		metav1.SetMetaDataAnnotation(&definition.ObjectMeta, definitionAnnotation, hex.EncodeToString(sum[:]))
	}
	return wanted, nil
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
