package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	clientspdy "k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// playedPort is forwarded to the pod of a played kubelet.
const playedPort = "8080"

// giveBackByPorts says for each connection to a port which port it is, and then what comes in.
func giveBackByPorts(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
		return
	}
	opened := make(chan httpstream.Stream)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, _ <-chan struct{}) error {
		go func() { opened <- stream }()
		return nil
	})
	if connection == nil {
		return
	}
	defer func() {
		// The test sees what it was sent.
		_ = connection.Close()
	}()
	// Each connection is a stream of data and one of errors, in any order.
	halves := map[string]httpstream.Stream{}
	for {
		select {
		case stream := <-opened:
			id := stream.Headers().Get(corev1.PortForwardRequestIDHeader)
			other := halves[id]
			if other == nil {
				halves[id] = stream
				continue
			}
			if other.Headers().Get(corev1.StreamType) == corev1.StreamTypeData {
				stream, other = other, stream
			}
			go giveBackByPort(stream, other)
		case <-connection.CloseChan():
			return
		}
	}
}

func giveBackByPort(data, errors httpstream.Stream) {
	_, _ = io.WriteString(data, data.Headers().Get(corev1.PortHeader)+": ")
	_, _ = io.Copy(data, data)
	_ = data.Close()
	_ = errors.Close()
}

// throughPorts sends a text to the port of a played pod by the protocol of today's clients, and by that of those before, and returns what
// comes back by either.
func (f *fixture) throughPorts(config *rest.Config, member rest.Interface, pod *corev1.Pod, text string) map[string]string {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.ctx, toSettle)
	defer cancel()
	ask := member.Post().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("portforward").URL()
	here, ports, told := []string{"127.0.0.1"}, []string{"0:" + playedPort}, io.Discard
	tunnel, err := portforward.NewSPDYOverWebsocketDialer(ask, config)
	f.must(err)
	byWebSocket := forwarding{ready: make(chan struct{})}
	byWebSocket.PortForwarder, err = portforward.NewOnAddressesWithContext(ctx, tunnel, here, ports, byWebSocket.ready, told, told)
	f.must(err)
	transport, upgrader, err := clientspdy.RoundTripperFor(config)
	f.must(err)
	bySPDY, dialer := forwarding{ready: make(chan struct{})}, clientspdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, ask)
	bySPDY.PortForwarder, err = portforward.NewOnAddressesWithContext(ctx, dialer, here, ports, bySPDY.ready, told, told)
	f.must(err)
	back := map[string]string{}
	for protocol, way := range map[string]forwarding{"WebSocket": byWebSocket, "SPDY": bySPDY} {
		got, err := way.carry(text)
		if err != nil {
			f.Errorf("through a port by %s: %v", protocol, err)
		}
		back[protocol] = got
	}
	return back
}

// forwarding is a way to a port, and tells when it is open.
type forwarding struct {
	*portforward.PortForwarder
	ready chan struct{}
}

// carry sends a text, and returns what comes back.
func (w forwarding) carry(text string) (string, error) {
	ended := make(chan error, 1)
	go func() { ended <- w.ForwardPorts() }()
	select {
	case err := <-ended:
		return "", fmt.Errorf("opening it: %w", err)
	case <-w.ready:
	}
	opened, err := w.GetPorts()
	if err != nil {
		return "", fmt.Errorf("asking where it begins: %w", err)
	}
	connection, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(opened[0].Local)})
	if err != nil {
		return "", fmt.Errorf("connecting: %w", err)
	}
	defer func() {
		// All has been read.
		_ = connection.Close()
	}()
	if _, err := io.WriteString(connection, text); err != nil {
		return "", fmt.Errorf("sending: %w", err)
	}
	if err := connection.CloseWrite(); err != nil {
		return "", fmt.Errorf("ending what is sent: %w", err)
	}
	got, err := io.ReadAll(connection)
	return string(got), err
}
