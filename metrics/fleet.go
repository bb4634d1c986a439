package metrics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/client-go/rest"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/controllers/live"
	"github.com/seatrial/seatrial/workload"
)

const (
	// askTimeout is how long a member may take to answer. Those who ask wait for the slowest.
	askTimeout = 5 * time.Second
	// askedAtOnce are the members that one request asks at a time.
	askedAtOnce = 64
)

// fleet asks members.
type fleet struct {
	// clusters lists the joined clusters. It fails until they are known.
	clusters func() ([]*clusterv1alpha1.Cluster, error)
	// reach returns a client of a member.
	reach func(ctx context.Context, cluster *clusterv1alpha1.Cluster) (rest.Interface, error)
}

// answer is what one member said.
type answer[T any] struct {
	cluster string
	said    T
}

// get asks all members for a path.
func (f *fleet) get(ctx context.Context, path string, parameters map[string]string) ([]answer[[]byte], error) {
	return ask(ctx, f, path, func(ctx context.Context, member rest.Interface) ([]byte, error) {
		return live.Paths{Interface: member}.ReadPath(ctx, path, parameters)
	})
}

// ask asks all members that are ready for something, and returns the answers by the names of clusters. A member that has nothing there
// is passed over. Of those that fail the client is warned; when none has answered, that is the error.
func ask[T any](ctx context.Context, f *fleet, what string, one func(context.Context, rest.Interface) (T, error)) ([]answer[T], error) {
	clusters, err := f.clusters()
	if err != nil {
		return nil, apierrors.NewServiceUnavailable(err.Error())
	}
	var mu sync.Mutex
	var answers []answer[T]
	var failures []string
	asking := errgroup.Group{}
	asking.SetLimit(askedAtOnce)
	for _, cluster := range clusters {
		asking.Go(func() error {
			said, err := askOne(ctx, f, cluster, one)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case apierrors.IsNotFound(err):
			case err != nil:
				failures = append(failures, fmt.Sprintf("cluster %s: %v", cluster.Name, err))
			default:
				answers = append(answers, answer[T]{cluster.Name, said})
			}
			return nil
		})
	}
	_ = asking.Wait()
	slices.Sort(failures)
	if len(answers) == 0 && len(failures) > 0 {
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("asking members for %s: %s", what, strings.Join(failures, "; ")))
	}
	for _, failure := range failures {
		warning.AddWarning(ctx, "", "not counted: "+failure)
	}
	slices.SortFunc(answers, func(a, b answer[T]) int { return cmp.Compare(a.cluster, b.cluster) })
	return answers, nil
}

// errNotReady is said of clusters that are not asked: who asks would only wait for them.
var errNotReady = errors.New("it is not ready")

func askOne[T any](ctx context.Context, f *fleet, cluster *clusterv1alpha1.Cluster, one func(context.Context, rest.Interface) (T, error)) (T, error) {
	var nothing T
	if !workload.Ready(cluster) {
		return nothing, errNotReady
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	member, err := f.reach(ctx, cluster)
	if err != nil {
		return nothing, err
	}
	return one(ctx, member)
}
