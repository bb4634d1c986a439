package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/deploy"
)

// Reach opens a way to the API server of the control plane, and returns how to talk to it as its administrator. The way is closed
// by the returned function.
type Reach func(ctx context.Context, ca []byte, certificate, key []byte) (*rest.Config, func(), error)

// Forward reaches it through the host's API server, so that it works wherever the host can be reached.
func Forward(config *rest.Config, host client.Client, namespace string) Reach {
	return func(ctx context.Context, ca, certificate, key []byte) (*rest.Config, func(), error) {
		pod, err := readyAPIServer(ctx, host, namespace)
		if err != nil {
			return nil, nil, err
		}
		port, closeWay, err := forward(ctx, config, namespace, pod)
		if err != nil {
			return nil, nil, fmt.Errorf("forwarding a port to pod %s/%s: %w", namespace, pod, err)
		}
		return &rest.Config{
			Host:            fmt.Sprintf("https://127.0.0.1:%d", port),
			TLSClientConfig: rest.TLSClientConfig{CAData: ca, CertData: certificate, KeyData: key},
			QPS:             -1,
		}, closeWay, nil
	}
}

func readyAPIServer(ctx context.Context, host client.Client, namespace string) (string, error) {
	pods, err := podsOf(ctx, host, namespace, labels.SelectorFromSet(labels.Set{"app": deploy.APIServer}))
	if err != nil {
		return "", err
	}
	for _, pod := range pods {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil {
				return pod.Name, nil
			}
		}
	}
	return "", fmt.Errorf("no pod of %s in namespace %s is ready", deploy.APIServer, namespace)
}

// forward listens on a free port of loopback for the API server in a pod.
func forward(ctx context.Context, config *rest.Config, namespace, pod string) (uint16, func(), error) {
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return 0, nil, err
	}
	to := clients.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return 0, nil, err
	}
	tunnel, err := portforward.NewSPDYOverWebsocketDialer(to, config)
	if err != nil {
		return 0, nil, err
	}
	dialer := portforward.NewFallbackDialer(tunnel, spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, to), func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	// It would tell of connections that are cut when the way is closed.
	ctx, cancel := context.WithCancel(klog.NewContext(ctx, logr.Discard()))
	ready := make(chan struct{})
	forwarder, err := portforward.NewOnAddressesWithContext(ctx, dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", deploy.APIServerPort)}, ready, io.Discard, io.Discard)
	if err != nil {
		cancel()
		return 0, nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	end := func() {
		cancel()
		<-ended //nolint:errcheck // It says that it was cancelled.
	}
	select {
	case err := <-ended:
		cancel()
		if err == nil {
			err = errors.New("it ended before it began")
		}
		return 0, nil, err
	case <-ctx.Done():
		// Dialing knows no context, so this does not wait for its end.
		cancel()
		return 0, nil, context.Cause(ctx)
	case <-ready:
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		end()
		return 0, nil, err
	}
	return ports[0].Local, end, nil
}
