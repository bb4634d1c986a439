package e2e

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func clientKey(object client.Object) client.ObjectKey { return client.ObjectKeyFromObject(object) }

// playKubelet adds a node to a member whose kubelet is the test itself, and a pod on it that has a line of log and gives back what a
// command or a port is sent.
func (f *fixture) playKubelet(member string) *corev1.Pod {
	f.Helper()
	kubelet := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/containerLogs/"):
			_, _ = io.WriteString(w, "a line of the log\n")
		case strings.HasPrefix(r.URL.Path, "/exec/"), strings.HasPrefix(r.URL.Path, "/attach/"):
			giveBack(w, r)
		case strings.HasPrefix(r.URL.Path, "/portForward/"):
			giveBackByPorts(w, r)
		default:
			http.NotFound(w, r)
		}
	}))
	f.Cleanup(kubelet.Close)
	port := kubelet.Listener.Addr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Port()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "played"}, Spec: corev1.NodeSpec{Unschedulable: true}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "played"}, Spec: corev1.PodSpec{
		NodeName: node.Name, Containers: []corev1.Container{{Name: "main", Image: "none"}},
		Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
	}}
	to := f.member(member)
	f.createIn(to, node)
	f.Cleanup(func() {
		ended := context.WithoutCancel(f.ctx)
		_ = to.Delete(ended, pod, client.GracePeriodSeconds(0))
		_ = to.Delete(ended, node)
	})
	// The member's own controllers write to the node as well.
	bare := node.DeepCopy()
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(port)
	f.must(to.Status().Patch(f.ctx, node, client.MergeFrom(bare)))
	f.createIn(to, pod)
	return pod
}

// giveBack runs the one command that the played kubelet knows: what comes in goes out.
func giveBack(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{remotecommand.StreamProtocolV4Name}); err != nil {
		return
	}
	opened := make(chan httpstream.Stream, 3)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, _ <-chan struct{}) error {
		opened <- stream
		return nil
	})
	if connection == nil {
		return
	}
	defer func() {
		// The test sees what it was sent.
		_ = connection.Close()
	}()
	streams := map[string]httpstream.Stream{}
	for range 3 {
		select {
		case stream := <-opened:
			streams[stream.Headers().Get(corev1.StreamType)] = stream
		case <-connection.CloseChan():
			return
		}
	}
	_, _ = io.Copy(streams[corev1.StreamTypeStdout], streams[corev1.StreamTypeStdin])
	_, _ = io.WriteString(streams[corev1.StreamTypeError], `{"status":"Success"}`)
}
