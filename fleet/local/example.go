package local

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/examples/nginx"
	"github.com/seatrial/seatrial/fleet"
)

// Workload is the example workload as it is now.
type Workload struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Desired and Ready are replicas: what the template asks for, and what its status in the control plane says is ready.
	Desired  int32       `json:"desired"`
	Ready    int32       `json:"ready"`
	Clusters []Placement `json:"clusters"`
}

// Placement is one cluster's share of a workload: the replicas assigned to it, and those that the cluster itself says are ready.
type Placement struct {
	Cluster string `json:"cluster"`
	Desired int32  `json:"desired"`
	Ready   int32  `json:"ready"`
}

// createExample creates the example workload and its policy. What is there already stays as the user changed it.
func createExample(ctx context.Context, plane client.Client, files fs.FS) error {
	manifests, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return fmt.Errorf("listing manifests: %w", err)
	}
	for _, name := range manifests {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("reading manifest %s: %w", name, err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict(text, &object.Object); err != nil {
			return fmt.Errorf("decoding manifest %s: %w", name, err)
		}
		if err := plane.Create(ctx, object, fieldOwner); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating %s %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), err)
		}
	}
	return nil
}

// reach finds a client of a member.
type reach func(ctx context.Context, cluster string) (client.Client, error)

// workload looks at the example workload; nil when there is none.
func workload(ctx context.Context, plane client.Client, members reach) (*Workload, error) {
	key := client.ObjectKey{Namespace: nginx.Namespace, Name: nginx.Name}
	template := &appsv1.Deployment{}
	if err := plane.Get(ctx, key, template); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	w := &Workload{Namespace: key.Namespace, Name: key.Name, Desired: 1, Clusters: []Placement{}}
	if template.Spec.Replicas != nil {
		w.Desired = *template.Spec.Replicas
	}
	if template.Status.ObservedGeneration >= template.Generation {
		w.Ready = template.Status.ReadyReplicas
	}
	binding := &workv1alpha2.ResourceBinding{}
	if err := plane.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: names.Binding("Deployment", key.Name)}, binding); err != nil {
		return w, client.IgnoreNotFound(err)
	}
	for _, target := range binding.Spec.Clusters {
		w.Clusters = append(w.Clusters, Placement{Cluster: target.Name, Desired: target.Replicas, Ready: readyIn(ctx, members, target.Name, key)})
	}
	return w, nil
}

// readyIn counts the ready replicas in a member; one that is not there, does not answer or is not of this fleet has none.
func readyIn(ctx context.Context, members reach, name string, key client.ObjectKey) int32 {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	member, err := members(ctx, name)
	if err != nil {
		return 0
	}
	copied := &appsv1.Deployment{}
	if err := member.Get(ctx, key, copied); err != nil {
		return 0
	}
	return copied.Status.ReadyReplicas
}

// lacking says what the workload still lacks; empty when all of it is ready where it is to be, and the control plane knows it.
func (w *Workload) lacking() string {
	if w == nil {
		return "it is not there"
	}
	var assigned int32
	var waiting []string
	for _, placement := range w.Clusters {
		assigned += placement.Desired
		if placement.Ready != placement.Desired {
			waiting = append(waiting, fmt.Sprintf("%s %d/%d", placement.Cluster, placement.Ready, placement.Desired))
		}
	}
	switch {
	case assigned != w.Desired:
		return fmt.Sprintf("%d of %d replicas are assigned to clusters", assigned, w.Desired)
	case len(waiting) > 0:
		return "ready: " + strings.Join(waiting, ", ")
	case w.Ready != w.Desired:
		return fmt.Sprintf("the control plane counts %d of %d ready", w.Ready, w.Desired)
	}
	return ""
}

// rollOut creates the example and waits until it is ready everywhere.
func (u *up) rollOut(ctx context.Context, say func(string)) error {
	if err := createExample(ctx, u.plane, nginx.Files); err != nil {
		return err
	}
	return u.await(ctx, say, func(ctx context.Context) (string, error) {
		w, err := workload(ctx, u.plane, u.member)
		if err != nil {
			return "", fmt.Errorf("looking at deployment %s in %s: %w", nginx.Name, fleet.ControlPlaneName, err)
		}
		return w.lacking(), nil
	})
}
