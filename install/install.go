// Package install brings a control plane into a Kubernetes cluster, its host, and takes it out again. Package deploy has the
// manifests; here is what is done with them, and what they cannot say: certificates, and the kinds inside the control plane.
package install

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/apiserver"
	"github.com/seatrial/seatrial/component"
	"github.com/seatrial/seatrial/deploy"
	"github.com/seatrial/seatrial/fleet/local"
	"github.com/seatrial/seatrial/registration"
)

// Options say what to install, and how.
type Options struct {
	// Values go into the manifests. Images of programs of Kubernetes that are empty are those that the host itself runs.
	Values deploy.Values
	// Advertised is the address, HOST or HOST:PORT, by which clients and agents outside reach the API server; empty means a node
	// of the host with the node port.
	Advertised string
	// ExternalHosts are further DNS names and IP addresses that the API server's certificate is good for.
	ExternalHosts []string
	// CertValidity is how long certificates last; authorities last ten years.
	CertValidity time.Duration
	// Rotate replaces certificates that still serve, but not the authorities.
	Rotate bool
	// DryRun checks the host and finds out what would change there. Nothing is written.
	DryRun bool
	// Force takes over fields that others have set since.
	Force bool
	// Members are clusters to join in Push mode, each with an estimator.
	Members []Member
	// Timeout bounds the whole installation.
	Timeout time.Duration
}

// Progress tells of steps. fleet/local has one for terminals and pipes.
type Progress interface {
	Step(name string, do func(say func(string)) error) error
}

// Result is what an installation came to.
type Result struct {
	Namespace string `json:"namespace"`
	// Endpoint is the URL of the control plane outside.
	Endpoint string `json:"endpoint"`
	// Changes are those in the host and in the control plane, in the order in which they were made.
	Changes []Change `json:"changes"`
	// Issued names the certificates that were made or replaced.
	Issued []string `json:"issued,omitempty"`
	// Joined are the members that were not members before.
	Joined []string `json:"joined,omitempty"`
	// Seconds is the time it took, of which ReadySeconds passed until the control plane was ready.
	Seconds      float64 `json:"seconds"`
	ReadySeconds float64 `json:"readySeconds"`

	// Kubeconfig reaches the control plane as its administrator.
	Kubeconfig []byte `json:"-"`
}

// Count tells how many changes were of an action.
func (r *Result) Count(action string) int {
	count := 0
	for _, change := range r.Changes {
		if change.Action == action {
			count++
		}
	}
	return count
}

// Host is the cluster that the control plane is in.
type Host struct {
	Client client.Client
	// Reach opens a way to the control plane once it runs.
	Reach Reach
	// Served waits until the control plane serves the kinds of its aggregated API; nil for asking it.
	Served func(ctx context.Context, plane *rest.Config) error
}

// Connect makes a Host of a cluster.
func Connect(config *rest.Config, namespace string) (Host, error) {
	host, err := client.New(config, client.Options{Scheme: clientgoscheme.Scheme})
	if err != nil {
		return Host{}, fmt.Errorf("connecting to the host (see --kubeconfig and --context): %w", err)
	}
	return Host{Client: host, Reach: Forward(config, host, namespace)}, nil
}

// installation is one run of Install.
type installation struct {
	Options
	Host
	host client.Client
	// values are those of the options, completed by what the host shows.
	values deploy.Values
	result *Result

	// nodes are addresses of the host's nodes; known is the address that an earlier installation advertised.
	nodes []string
	known string

	manifests deploy.Manifests
	secrets   *credentials
	writer    applier

	// config and plane reach the control plane.
	config *rest.Config
	plane  client.Client
}

// Install makes the control plane run in the host: what is as wanted is left alone, what is missing or differs is made so. Every step
// can be repeated, so an installation that failed or was interrupted is continued by another run. Interrupted, it leaves what it made.
func Install(ctx context.Context, host Host, options Options, progress Progress) (*Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, options.Timeout, fmt.Errorf("not done within %s (see --timeout)", options.Timeout))
	defer cancel()
	i := &installation{
		Options: options, Host: host, host: host.Client, values: options.Values,
		result: &Result{Namespace: options.Values.Namespace},
	}
	i.writer = applier{to: i.host, dry: options.DryRun, force: options.Force, changes: &i.result.Changes}
	began := time.Now()
	steps := []step{
		{"checking the host", i.check},
		{"making certificates", i.certify},
		{"applying etcd and the API server", i.applying(func() []client.Object { return i.manifests.API })},
	}
	more := []step{
		{"waiting for the API server", i.ready(func() []client.Object { return i.manifests.API })},
		{"installing kinds", i.installKinds},
		{"applying the servers behind it", i.applying(func() []client.Object { return i.manifests.Servers })},
		{"waiting for the servers behind it", i.awaitServers},
		{"applying the controllers", i.applying(func() []client.Object { return i.manifests.Controllers })},
		{"waiting for the controllers", i.ready(func() []client.Object { return i.manifests.Controllers })},
	}
	if options.DryRun {
		more = []step{{"comparing the rest", i.applying(func() []client.Object { return slices.Concat(i.manifests.Servers, i.manifests.Controllers) })}}
	}
	if err := i.run(ctx, progress, append(steps, more...)); err != nil {
		return nil, err
	}
	i.result.ReadySeconds = time.Since(began).Seconds()
	if !options.DryRun {
		if err := i.run(ctx, progress, i.joining()); err != nil {
			return nil, err
		}
	}
	i.result.Seconds = time.Since(began).Seconds()
	return i.result, nil
}

// step is one line of the progress.
type step struct {
	name string
	do   func(ctx context.Context, say func(string)) error
}

func (i *installation) run(ctx context.Context, progress Progress, steps []step) error {
	for _, s := range steps {
		if err := progress.Step(s.name, func(say func(string)) error { return s.do(ctx, say) }); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func (i *installation) applying(objects func() []client.Object) func(context.Context, func(string)) error {
	return func(ctx context.Context, _ func(string)) error {
		if err := i.writer.apply(ctx, objects()...); err != nil {
			return err
		}
		return i.dropBudgets(ctx, objects())
	}
}

func (i *installation) ready(objects func() []client.Object) func(context.Context, func(string)) error {
	return func(ctx context.Context, say func(string)) error { return awaitReady(ctx, i.host, objects(), say) }
}

// certify makes the Secrets, renders the manifests that mount them, and applies the Secrets with what they stand in.
func (i *installation) certify(ctx context.Context, _ func(string)) error {
	present, err := i.present(ctx)
	if err != nil {
		return err
	}
	if store := present[storeSecret]; store != nil {
		i.known = store.Annotations[endpointAnnotation]
		if err := i.revoke(ctx, store); err != nil {
			return err
		}
	}
	at, err := url.Parse(i.endpoint())
	if err != nil {
		return fmt.Errorf("the address of the control plane is no host: %w", err)
	}
	i.secrets, err = issuing{
		namespace: i.values.Namespace, external: append([]string{at.Hostname()}, i.ExternalHosts...), nodes: i.nodes,
		now: time.Now(), validity: i.CertValidity, rotate: i.Rotate,
	}.certify(present)
	if err != nil {
		return err
	}
	i.secrets.secrets[0].Annotations = map[string]string{endpointAnnotation: at.Host}
	i.result.Issued, i.result.Endpoint = i.secrets.issued, i.endpoint()
	if i.result.Kubeconfig, err = i.administratorKubeconfig(); err != nil {
		return err
	}
	if i.manifests, err = deploy.Render(i.values); err != nil {
		return err
	}
	for _, objects := range [][]client.Object{i.manifests.API, i.manifests.Servers, i.manifests.Controllers} {
		deploy.Stamp(objects, i.secrets.secrets)
	}
	if err := i.writer.apply(ctx, i.manifests.Foundation...); err != nil {
		return err
	}
	for _, secret := range i.secrets.secrets {
		if err := i.writer.apply(ctx, secret); err != nil {
			return err
		}
	}
	return nil
}

// revoke ends a removal that was not completed.
func (i *installation) revoke(ctx context.Context, store *corev1.Secret) error {
	if store.Annotations[removingAnnotation] == "" || i.DryRun {
		return nil
	}
	before := store.DeepCopy()
	delete(store.Annotations, removingAnnotation)
	if err := i.host.Patch(ctx, store, client.MergeFrom(before), client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("taking the mark of a removal from Secret %s: %w", client.ObjectKeyFromObject(store), err)
	}
	return nil
}

// endpointAnnotation stands on the store: the host and port that are advertised. Nodes come and go, and the address of a control plane
// shall not change with them.
const endpointAnnotation = "seatrial/endpoint"

// present are the Secrets of an earlier run, by name.
func (i *installation) present(ctx context.Context) (map[string]*corev1.Secret, error) {
	list := &corev1.SecretList{}
	if err := i.host.List(ctx, list, client.InNamespace(i.values.Namespace), client.MatchingLabels{deploy.LabelManagedBy: deploy.ManagedBy}); err != nil {
		return nil, fmt.Errorf("listing the Secrets of namespace %s: %w", i.values.Namespace, err)
	}
	present := map[string]*corev1.Secret{}
	for n := range list.Items {
		present[list.Items[n].Name] = &list.Items[n]
	}
	return present, nil
}

func (i *installation) administratorKubeconfig() ([]byte, error) {
	return kubeconfig(i.endpoint(), i.secrets.ca, &clientcmdapi.AuthInfo{
		ClientCertificateData: i.secrets.admin.cert, ClientKeyData: i.secrets.admin.key,
	})
}

// reach connects to the control plane, for as long as a step lasts. Pods of the API server may be replaced between two steps.
func (i *installation) reach(ctx context.Context) (func(), error) {
	config, closeWay, err := i.Reach(ctx, i.secrets.ca, i.secrets.admin.cert, i.secrets.admin.key)
	if err != nil {
		return nil, err
	}
	if i.plane, err = component.NewClient(config); err != nil {
		closeWay()
		return nil, err
	}
	i.config = config
	return closeWay, nil
}

// installKinds fills the control plane's own API server: namespaces, roles, kinds, and where the aggregated API is.
func (i *installation) installKinds(ctx context.Context, say func(string)) error {
	closeWay, err := i.reach(ctx)
	if err != nil {
		return err
	}
	defer closeWay()
	objects, err := deploy.Plane()
	if err != nil {
		return err
	}
	inside := i.writer
	inside.to = i.plane
	if err := inside.apply(ctx, objects...); err != nil {
		return err
	}
	if err := local.InstallKinds(ctx, i.plane, say); err != nil {
		return err
	}
	if err := registration.OpenPlane(ctx, i.plane, i.endpoint(), i.secrets.ca); err != nil {
		return err
	}
	const servicePort = "443"
	address := net.JoinHostPort(deploy.AggregatedAPIServer+"."+i.values.Namespace+".svc", servicePort)
	return apiserver.Register(ctx, i.config, address, i.secrets.ca, searchv1alpha1.GroupVersion)
}

// awaitServers returns once the servers run and the control plane reaches them. Controllers that start before that find kinds missing.
func (i *installation) awaitServers(ctx context.Context, say func(string)) error {
	if err := awaitReady(ctx, i.host, i.manifests.Servers, say); err != nil {
		return err
	}
	closeWay, err := i.reach(ctx)
	if err != nil {
		return err
	}
	defer closeWay()
	say("the control plane does not serve clusters yet")
	if i.Served != nil {
		return i.Served(ctx, i.config)
	}
	return apiserver.WaitAvailable(ctx, i.config, searchv1alpha1.GroupVersion)
}
