package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/estimator/nodes"
)

// clusterState is a member as estimates see it.
type clusterState struct {
	index  *nodes.Index
	claims nodes.Claims
	nodes  int
}

func newClusterState() *clusterState {
	return &clusterState{index: nodes.NewIndex(nodes.Options{Quotas: true})}
}

// add takes an object in. Volumes count with the pods that come after them.
func (s *clusterState) add(object runtime.Object) error {
	switch object := object.(type) {
	case *corev1.Node:
		s.nodes++
		return s.index.UpsertNode(object)
	case *corev1.Pod:
		return s.index.UpsertPod(object, s.claims.VolumesOf(object)...)
	case *corev1.ResourceQuota:
		s.index.UpsertQuota(object)
	case *corev1.Namespace:
		s.index.UpsertNamespace(object)
	case *storagev1.CSINode:
		s.index.UpsertCSINode(object)
	case *corev1.PersistentVolume:
		s.claims.Upsert(object)
	}
	return nil
}

// pageSize is how many objects one request to a member asks for.
const pageSize = 500

// readMember reads all that estimates look at. A cluster that does not serve or show volumes, their limits or namespaces is
// estimated without.
func readMember(ctx context.Context, member client.Reader) (*clusterState, error) {
	state := newClusterState()
	for _, kind := range []struct {
		name     string
		list     client.ObjectList
		optional bool
	}{
		{"nodes", &corev1.NodeList{}, false},
		{"resource quotas", &corev1.ResourceQuotaList{}, false},
		{"namespaces", &corev1.NamespaceList{}, true},
		{"volume limits", &storagev1.CSINodeList{}, true},
		{"volumes", &corev1.PersistentVolumeList{}, true},
		{"pods", &corev1.PodList{}, false},
	} {
		err := readKind(ctx, member, kind.list, state)
		if kind.optional && (meta.IsNoMatchError(err) || apierrors.IsForbidden(err)) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading its %s: %w", kind.name, err)
		}
	}
	return state, nil
}

// readKind reads all objects of a kind, page by page.
func readKind(ctx context.Context, member client.Reader, kind client.ObjectList, state *clusterState) error {
	for next := ""; ; {
		// Decoding into the list of the page before would leave traces of that.
		page := kind.DeepCopyObject().(client.ObjectList)
		if err := member.List(ctx, page, client.Limit(pageSize), client.Continue(next)); err != nil {
			return err
		}
		items, err := meta.ExtractList(page)
		if err != nil {
			return err
		}
		for _, item := range items {
			if err := state.add(item); err != nil {
				return err
			}
		}
		if next = page.GetContinue(); next == "" {
			return nil
		}
	}
}
