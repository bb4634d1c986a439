package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/deploy"
	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/estimator"
	estimatorclient "github.com/seatrial/seatrial/estimator/rpc/client"
)

var _ e2e.Estimating = (*kindRig)(nil)

// Estimators implements e2e.Estimating. They run in the host, so they are asked through its API server, in the scheduler's name.
func (r *kindRig) Estimators(ctx context.Context) (asked estimator.Estimators, done func(), err error) {
	config, err := clientcmd.BuildConfigFromFlags("", r.HostKubeconfig())
	if err != nil {
		return nil, nil, err
	}
	folder, err := os.MkdirTemp("", "seatrial-estimators-")
	if err != nil {
		return nil, nil, fmt.Errorf("making a folder for the certificates of estimators: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	end := func() {
		cancel()
		_ = os.RemoveAll(folder)
	}
	files, err := r.estimatorFiles(ctx, folder)
	if err != nil {
		end()
		return nil, nil, err
	}
	made, err := estimatorclient.New(estimatorclient.Options{
		Resolver: estimatorclient.DNS(estimatorclient.Naming{}), TLS: files,
		Dial: func(dialing context.Context, address string) (net.Conn, error) {
			return r.dialEstimator(dialing, ctx.Done(), config, address)
		},
	})
	if err != nil {
		end()
		return nil, nil, err
	}
	return made, func() { made.Close(); end() }, nil
}

// estimatorFiles are what the scheduler shows to estimators, and knows them by.
func (r *kindRig) estimatorFiles(ctx context.Context, folder string) (estimatorclient.TLS, error) {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: names.NamespaceSystem, Name: "karmada-scheduler-cert"}
	if err := r.host.Get(ctx, key, secret); err != nil {
		return estimatorclient.TLS{}, fmt.Errorf("reading the certificates of the scheduler: %w", err)
	}
	for name, content := range secret.Data {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return estimatorclient.TLS{}, fmt.Errorf("writing the certificates of the scheduler: %w", err)
		}
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	return estimatorclient.TLS{CAFile: in("estimator-ca.crt"), CertFile: in("client.crt"), KeyFile: in("client.key")}, nil
}

// dialEstimator connects with the estimator whose Service has an address, until ended is closed.
func (r *kindRig) dialEstimator(ctx context.Context, ended <-chan struct{}, config *rest.Config, address string) (net.Conn, error) {
	service, _, _ := strings.Cut(address, ".")
	member := strings.TrimPrefix(service, deploy.Estimator+"-")
	pods := &corev1.PodList{}
	if err := r.host.List(ctx, pods, client.InNamespace(names.NamespaceSystem), client.MatchingLabels{"cluster": member}); err != nil {
		return nil, fmt.Errorf("looking for the estimator of %s: %w", member, err)
	}
	if len(pods.Items) == 0 {
		return nil, fmt.Errorf("%s has no estimator", member)
	}
	host, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	ask := host.CoreV1().RESTClient().Post().Namespace(names.NamespaceSystem).Resource("pods").Name(pods.Items[0].Name).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	ready, failed := make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.New(spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, ask),
		[]string{fmt.Sprint("0:", estimatorclient.DefaultPort)}, ended, ready, io.Discard, io.Discard)
	if err != nil {
		return nil, err
	}
	go func() { failed <- forwarder.ForwardPorts() }()
	select {
	case <-ready:
	case err := <-failed:
		return nil, fmt.Errorf("reaching the estimator of %s: %w", member, err)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprint("127.0.0.1:", ports[0].Local))
}
