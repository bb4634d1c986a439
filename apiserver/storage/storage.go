package storage

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/utils/clock"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/apiserver/proxy"
)

// Settings is what the storage of Clusters depends on besides etcd.
type Settings struct {
	// Typer knows the kinds of *Cluster and *ClusterList.
	Typer runtime.ObjectTyper
	Clock clock.PassiveClock
	// Modeling gives clusters without resource models the default ones.
	Modeling bool
	// Members are reached through the proxy subresource.
	Members *proxy.Members
	// AgentSecretNamespaces are those of the secrets that agents may have their Clusters refer to.
	AgentSecretNamespaces []string
}

// New returns the storage of clusters and its subresources, by resource path. It does not connect to etcd before it is used.
func New(settings Settings, options generic.RESTOptionsGetter) (map[string]rest.Storage, error) {
	rules := strategy{
		ObjectTyper:   settings.Typer,
		NameGenerator: names.SimpleNameGenerator,
		clock:         settings.Clock,
		modeling:      settings.Modeling,

		agentSecretNamespaces: settings.AgentSecretNamespaces,
	}
	clusters := &registry.Store{
		NewFunc:                   func() runtime.Object { return &clusterv1alpha1.Cluster{} },
		NewListFunc:               func() runtime.Object { return &clusterv1alpha1.ClusterList{} },
		DefaultQualifiedResource:  clusterv1alpha1.Resource("clusters"),
		SingularQualifiedResource: clusterv1alpha1.Resource("cluster"),
		CreateStrategy:            rules,
		UpdateStrategy:            rules,
		DeleteStrategy:            rules,
		ResetFieldsStrategy:       rules,
		TableConvertor:            tableConvertor{clock: settings.Clock},
	}
	if err := clusters.CompleteWithOptions(&generic.StoreOptions{RESTOptions: options}); err != nil {
		return nil, fmt.Errorf("setting up the storage of clusters: %w", err)
	}

	statusRules := statusStrategy{rules}
	status := *clusters
	status.UpdateStrategy = statusRules
	status.ResetFieldsStrategy = statusRules

	return map[string]rest.Storage{
		"clusters":        protected{clusters},
		"clusters/status": &statusStorage{store: &status},
		"clusters/proxy":  &proxyStorage{clusters: clusters, members: settings.Members},
	}, nil
}

// statusStorage is the status subresource: the same object in the same place, read whole and written by statusStrategy.
type statusStorage struct {
	store *registry.Store
}

var (
	_ rest.Patcher             = &statusStorage{}
	_ rest.ResetFieldsStrategy = &statusStorage{}
)

func (s *statusStorage) New() runtime.Object { return s.store.New() }

// Destroy does nothing: the store belongs to the main resource.
func (s *statusStorage) Destroy() {}

func (s *statusStorage) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return s.store.Get(ctx, name, options)
}

// Update never creates: a status without its cluster has no meaning.
func (s *statusStorage) Update(ctx context.Context, name string, object rest.UpdatedObjectInfo,
	createValidation rest.ValidateObjectFunc, updateValidation rest.ValidateObjectUpdateFunc, _ bool,
	options *metav1.UpdateOptions) (runtime.Object, bool, error) {
	return s.store.Update(ctx, name, object, createValidation, updateValidation, false, options)
}

func (s *statusStorage) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return s.store.GetResetFields()
}

func (s *statusStorage) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	return s.store.ConvertToTable(ctx, object, options)
}
