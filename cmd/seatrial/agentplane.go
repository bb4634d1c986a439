package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/controllers/live"
	"github.com/seatrial/seatrial/registration"
)

// restrict has the manager watch nothing but the agent's own Cluster and Works: it may see no others. The election Lease stands in
// the member, so that a lost control plane costs no leadership.
func (o *agentOptions) restrict(options *ctrl.Options, member *rest.Config) {
	own := cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", o.settings.Cluster)}
	space := cache.ByObject{Namespaces: map[string]cache.Config{names.ExecutionSpace(o.settings.Cluster): {}}}
	options.Cache.ByObject = map[client.Object]cache.ByObject{&clusterv1alpha1.Cluster{}: own, &workv1alpha1.Work{}: space}
	if o.resync > 0 {
		options.Cache.SyncPeriod = &o.resync
	}
	// The control plane may go while the first lists are on their way, and be away for long.
	options.Controller.CacheSyncTimeout = patience
	priority := o.gates.Enabled(gatePriorityQueue)
	options.Controller.UsePriorityQueue = &priority
	options.LeaderElectionConfig = member
	options.MapperProvider = func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return agentKinds(), nil }
}

// patience is how long an agent waits for a control plane: for ever, in effect.
const patience = 10 * 365 * 24 * time.Hour

// agentKinds are the kinds of the control plane that an agent has to do with. It does not ask which there are: a control plane that is
// away must not keep an agent from starting.
func agentKinds() meta.RESTMapper {
	kinds := meta.NewDefaultRESTMapper(nil)
	for _, known := range []struct {
		version schema.GroupVersion
		kind    string
		scope   meta.RESTScope
	}{
		{clusterv1alpha1.GroupVersion, "Cluster", meta.RESTScopeRoot},
		{configv1alpha1.GroupVersion, "ResourceInterpreterCustomization", meta.RESTScopeRoot},
		{configv1alpha1.GroupVersion, "ResourceInterpreterWebhookConfiguration", meta.RESTScopeRoot},
		{workv1alpha1.GroupVersion, "Work", meta.RESTScopeNamespace},
		{coordinationv1.SchemeGroupVersion, "Lease", meta.RESTScopeNamespace},
		{eventsv1.SchemeGroupVersion, "Event", meta.RESTScopeNamespace},
	} {
		kinds.Add(known.version.WithKind(known.kind), known.scope)
		// Caches of single namespaces ask for the scope of what they list by the kind of the list.
		kinds.Add(known.version.WithKind(known.kind+"List"), known.scope)
	}
	return kinds
}

// announcePause is the time between attempts to register.
const announcePause = 2 * time.Second

// register makes the Cluster. It waits for a control plane that does not answer: it may come back.
func (o *agentOptions) register(ctx context.Context, plane *rest.Config, member client.Client) error {
	reported := registration.Reported{
		Access: slices.Contains(o.reported, "KubeCredentials"), Impersonation: slices.Contains(o.reported, "KubeImpersonator"),
	}
	// One configuration has one set of connections.
	probing := live.Probing(plane)
	err := wait.PollUntilContextCancel(ctx, announcePause, true, func(ctx context.Context) (bool, error) {
		// A client discovers the kinds of its API server when it is made.
		api, err := client.New(probing, client.Options{Scheme: member.Scheme()})
		if err == nil {
			err = registration.Announce(ctx, api, member, o.member, reported)
		}
		var refused *registration.Refused
		if errors.As(err, &refused) {
			return false, err
		}
		if err != nil {
			klog.FromContext(ctx).Info("The member is not registered yet", "cluster", o.settings.Cluster, "reason", err.Error())
		}
		return err == nil, nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}
