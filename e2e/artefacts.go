package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/seatrial/seatrial/fleet"
)

// keptKinds are those whose objects tell why a case failed. Secrets are not among them.
func keptKinds() []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for _, group := range []struct{ version, kinds string }{
		{"v1", "Namespace Node Pod Service ConfigMap PersistentVolumeClaim"},
		{"apps/v1", "Deployment StatefulSet DaemonSet"},
		{"batch/v1", "Job"},
		{"coordination.k8s.io/v1", "Lease"},
		{"cluster.karmada.io/v1alpha1", "Cluster"},
		{"policy.karmada.io/v1alpha1", "PropagationPolicy ClusterPropagationPolicy OverridePolicy ClusterOverridePolicy FederatedResourceQuota"},
		{"work.karmada.io/v1alpha1", "Work"},
		{"work.karmada.io/v1alpha2", "ResourceBinding ClusterResourceBinding"},
		{"apps.karmada.io/v1alpha1", "WorkloadRebalancer"},
		{"autoscaling.karmada.io/v1alpha1", "FederatedHPA CronFederatedHPA"},
		{"networking.karmada.io/v1alpha1", "MultiClusterService"},
		{"config.karmada.io/v1alpha1", "ResourceInterpreterCustomization"},
	} {
		version, _ := schema.ParseGroupVersion(group.version)
		for _, kind := range strings.Fields(group.kinds) {
			kinds = append(kinds, version.WithKind(kind))
		}
	}
	return kinds
}

// Keep writes what a fleet holds into a folder: for each cluster its objects as YAML, by kind, and the events for users; and what
// components and clusters have told. A cluster that does not answer is left out and told of by the error; the rest is written.
func Keep(ctx context.Context, rig Rig, folder string) error {
	clusters, err := rig.Clusters(ctx)
	if err != nil {
		return fmt.Errorf("keeping artefacts: %w", err)
	}
	var failures []error
	for _, cluster := range clusters {
		if err := keepCluster(ctx, rig, cluster, filepath.Join(folder, cluster.Name)); err != nil {
			failures = append(failures, fmt.Errorf("keeping artefacts of cluster %s: %w", cluster.Name, err))
		}
	}
	logs := filepath.Join(folder, "logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return fmt.Errorf("keeping logs: %w", err)
	}
	if err := rig.Logs(ctx, logs); err != nil {
		failures = append(failures, fmt.Errorf("keeping logs: %w", err))
	}
	return errors.Join(failures...)
}

func keepCluster(ctx context.Context, rig Rig, cluster fleet.Cluster, folder string) error {
	if cluster.State != fleet.Running {
		return fmt.Errorf("it is %s", cluster.State)
	}
	from, err := rig.Client(ctx, cluster.Name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, gvk := range keptKinds() {
		if err := keepKind(ctx, from, gvk, folder); err != nil {
			return err
		}
	}
	return keepEvents(ctx, from, folder)
}

// keepKind writes nothing where the kind is not served, or has no objects.
func keepKind(ctx context.Context, from client.Client, gvk schema.GroupVersionKind, folder string) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	if err := from.List(ctx, list); err != nil {
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("listing %s: %w", gvk.Kind, err)
	}
	if len(list.Items) == 0 {
		return nil
	}
	var written []string
	for i := range list.Items {
		list.Items[i].SetManagedFields(nil)
		text, err := yaml.Marshal(list.Items[i].Object)
		if err != nil {
			return fmt.Errorf("writing %s %s: %w", gvk.Kind, list.Items[i].GetName(), err)
		}
		written = append(written, string(text))
	}
	name := strings.ToLower(gvk.Kind)
	if gvk.Group != "" {
		name += "." + gvk.Group
	}
	return os.WriteFile(filepath.Join(folder, name+".yaml"), []byte(strings.Join(written, "---\n")), 0o644)
}

// keepEvents writes one line for each event, the oldest first.
func keepEvents(ctx context.Context, from client.Client, folder string) error {
	list := &corev1.EventList{}
	if err := from.List(ctx, list); err != nil {
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("listing events: %w", err)
	}
	if len(list.Items) == 0 {
		return nil
	}
	slices.SortStableFunc(list.Items, func(a, b corev1.Event) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	lines := &strings.Builder{}
	for i := range list.Items {
		event := &list.Items[i]
		fmt.Fprintf(lines, "%s %s %s %s/%s: %s\n", event.CreationTimestamp.UTC().Format("15:04:05"), event.Reason,
			event.InvolvedObject.Kind, event.InvolvedObject.Namespace, event.InvolvedObject.Name, event.Message)
	}
	return os.WriteFile(filepath.Join(folder, "events.txt"), []byte(lines.String()), 0o644)
}
