package control

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/interpreter"
)

// Deps is everything a controller may use of the outside world.
type Deps struct {
	// Client reads and writes the control plane. Reads of watched kinds may lag behind writes; all others are current.
	Client client.Client
	// Live reads the control plane past every view, at the price of a request each time. It is for what must not be decided
	// from an old view, such as whether something is gone for good.
	Live client.Reader
	// Paths reads what the control plane's API server has below paths; nil where there is no such server.
	Paths PathReader
	// Members reaches the member clusters.
	Members Members
	// Clock tells the time. Waiting is Result.RequeueAfter.
	Clock clock.PassiveClock
	// Events records what users should see beside the object it concerns.
	Events EventRecorder
	// IDs yields unique identifiers, in an order fixed by a seed in the simulator.
	IDs IDSource
	// Interpreter knows the structure of resource templates.
	Interpreter interpreter.Interpreter
}

// EventRecorder records one event about an object; eventType is Normal or Warning.
type EventRecorder interface {
	Eventf(object runtime.Object, eventType, reason, messageFormat string, args ...any)
}

// IDSource yields identifiers in the form of a random UUID.
type IDSource interface {
	NewID() string
}

// ErrNoMember says that there is no Cluster object of that name, or that it lacks what is needed to reach it.
var ErrNoMember = errors.New("no connection to this member cluster")

// Members reaches the member clusters known to the control plane.
type Members interface {
	// Member returns the connection to one member. It fails with an error wrapping ErrNoMember when the Cluster object or
	// its credentials are missing; it does not probe whether the cluster answers.
	Member(ctx context.Context, cluster string) (Member, error)
}

// Member is the connection to one member cluster.
type Member interface {
	// Client writes to the member. Reads of kinds subscribed to with view Managed answer from that view, and say NotFound
	// for objects it does not hold; all others ask the API server.
	client.Client
	// Live asks the API server on every read.
	Live() client.Reader
	// Inventory reads nodes, pods and EndpointSlices from the view of that name.
	Inventory() client.Reader
	// Health asks the API server how it is. An error means that it could not be reached.
	Health(ctx context.Context) (healthy bool, err error)
	// Discover lists what the API server serves.
	Discover(ctx context.Context) (Discovery, error)
}

// PathReader asks an API server for what is no object of a kind, as values of metrics are none. A Member of a real cluster is one.
type PathReader interface {
	// ReadPath returns what a GET is answered with. Errors are those of the API server.
	ReadPath(ctx context.Context, path string, parameters map[string]string) ([]byte, error)
}

// Surveyor is a Member that knows what its nodes and pods add up to without listing them, as one does whose objects are made
// only when somebody reads them. A member that is none is listed through its Inventory; both answer alike.
type Surveyor interface {
	// Survey counts nodes by the grades of the models, where there are any.
	Survey(ctx context.Context, models []clusterv1alpha1.ResourceModel) (Survey, error)
}

// Survey is what the nodes and pods of a cluster add up to.
type Survey struct {
	// Revision is that of the nodes and pods: answers of one connection with the same revision are equal. 0 says nothing.
	Revision  uint64
	Nodes     clusterv1alpha1.NodeSummary
	Resources clusterv1alpha1.ResourceSummary
}

// Discovery is what an API server says about itself.
type Discovery struct {
	// Revision is that of what is served: answers of one connection with the same revision are equal. 0 says nothing.
	Revision uint64
	// Version is its git version, such as v1.36.3.
	Version string
	// APIs are the served kinds by group and version, sorted.
	APIs []clusterv1alpha1.APIEnablement
	// Complete is false when some group could not be listed.
	Complete bool
}
