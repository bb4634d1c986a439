package extender

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	wire "k8s.io/kube-scheduler/extender/v1"
	status "k8s.io/kube-scheduler/framework"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/placement"
)

const (
	// maxAnswer is more bytes than nodes of thousands of clusters take.
	maxAnswer = 64 << 20
	// noReason is the reason where the extender gives none.
	noReason = "rejected by the extender"
	// scale turns an extender's scores into those of plugins.
	scale = status.MaxScore / wire.MaxExtenderPriority
)

// client asks one extender.
type client struct {
	framework.Extender
	http *http.Client
}

func newClient(settings framework.Extender) (*client, error) {
	config := &rest.Config{}
	if files := settings.TLS; files != nil {
		config.TLSClientConfig = rest.TLSClientConfig{
			Insecure: files.Insecure, ServerName: files.ServerName, CertFile: files.CertFile, KeyFile: files.KeyFile, CAFile: files.CAFile,
		}
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("preparing TLS of extender %s: %w", settings.URL, err)
	}
	return &client{Extender: settings, http: &http.Client{Transport: transport}}, nil
}

// name is what users read as the plugin that judged a cluster.
func (c *client) name() string { return "Extender " + c.URL }

// filter returns the verdicts that reject clusters.
func (c *client) filter(ctx context.Context, pod *corev1.Pod, clusters []*clusterv1alpha1.Cluster) ([]placement.Foreign, error) {
	var answer wire.ExtenderFilterResult
	if err := c.call(ctx, c.FilterVerb, c.question(pod, clusters), &answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("it reports an error: %s", framework.Excerpt(answer.Error))
	}
	asked := namesOf(clusters)
	reasons := make(map[string]string, len(clusters))
	for _, failed := range []wire.FailedNodesMap{answer.FailedNodes, answer.FailedAndUnresolvableNodes} {
		for name, reason := range failed {
			reasons[name] = cmp.Or(framework.Excerpt(reason), noReason)
		}
	}
	for name := range reasons {
		if !asked[name] {
			return nil, fmt.Errorf("it rejects %d clusters, some of which it was not asked about", len(reasons))
		}
	}
	kept, err := keptBy(&answer, asked, reasons)
	if err != nil {
		return nil, err
	}
	var verdicts []placement.Foreign
	for _, cluster := range clusters {
		if !kept[cluster.Name] {
			verdicts = append(verdicts, placement.Foreign{Cluster: cluster.Name, Plugin: c.name(), Reason: cmp.Or(reasons[cluster.Name], noReason)})
		}
	}
	return verdicts, nil
}

// keptBy reads the clusters that an answer leaves. Reasons are those of the clusters it rejects.
func keptBy(answer *wire.ExtenderFilterResult, asked map[string]bool, reasons map[string]string) (map[string]bool, error) {
	var names []string
	switch {
	case answer.NodeNames != nil:
		names = *answer.NodeNames
	case answer.Nodes != nil:
		for i := range answer.Nodes.Items {
			names = append(names, answer.Nodes.Items[i].Name)
		}
	case len(reasons) < len(asked):
		return nil, errors.New("it answers with neither nodes nor node names")
	}
	kept := make(map[string]bool, len(names))
	for _, name := range names {
		if !asked[name] {
			return nil, fmt.Errorf("it keeps cluster %q, which it was not asked about", framework.Excerpt(name))
		}
		if reasons[name] != "" {
			return nil, fmt.Errorf("it both keeps and rejects cluster %s", name)
		}
		kept[name] = true
	}
	return kept, nil
}

// prioritize returns the verdicts with weighed scores. A cluster that the answer leaves out gets none.
func (c *client) prioritize(ctx context.Context, pod *corev1.Pod, clusters []*clusterv1alpha1.Cluster) ([]placement.Foreign, error) {
	var answer wire.HostPriorityList
	if err := c.call(ctx, c.PrioritizeVerb, c.question(pod, clusters), &answer); err != nil {
		return nil, err
	}
	asked := namesOf(clusters)
	verdicts := make([]placement.Foreign, 0, len(answer))
	for _, host := range answer {
		known, ok := asked[host.Host]
		switch {
		case !ok:
			return nil, fmt.Errorf("it scores cluster %q, which it was not asked about", framework.Excerpt(host.Host))
		case !known:
			return nil, fmt.Errorf("it scores cluster %s twice", host.Host)
		case host.Score < wire.MinExtenderPriority || host.Score > wire.MaxExtenderPriority:
			return nil, fmt.Errorf("its score %d for cluster %s is not between %d and %d",
				host.Score, host.Host, wire.MinExtenderPriority, wire.MaxExtenderPriority)
		}
		asked[host.Host] = false
		verdicts = append(verdicts, placement.Foreign{Cluster: host.Host, Plugin: c.name(), Score: host.Score * c.Weight * scale})
	}
	return verdicts, nil
}

func namesOf(clusters []*clusterv1alpha1.Cluster) map[string]bool {
	names := make(map[string]bool, len(clusters))
	for _, cluster := range clusters {
		names[cluster.Name] = true
	}
	return names
}

// call posts a question and reads the answer, within the timeout.
func (c *client) call(ctx context.Context, verb string, question, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	body, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("encoding the question: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/"+strings.TrimLeft(verb, "/"), bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s: %w", c.Timeout, err)
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("reading its answer: %w", err)
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("it answers with status %d: %s", response.StatusCode, framework.Excerpt(string(content)))
	case len(content) > maxAnswer:
		return fmt.Errorf("its answer has more than %d bytes", maxAnswer)
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return fmt.Errorf("decoding its answer %q: %w", framework.Excerpt(string(content)), err)
	}
	return nil
}
