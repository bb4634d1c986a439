package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/cli"
	"github.com/seatrial/seatrial/component"
	estimatorclient "github.com/seatrial/seatrial/estimator/rpc/client"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// newExplainCommand documents kinds, as users of kubectl expect of it, and has the explanation of decisions below it.
func newExplainCommand(streams genericiooptions.IOStreams) *cobra.Command {
	command := cli.NewExplainCommand(streams)
	command.Use = "explain TYPE[.FIELD...] | binding [NAMESPACE/]NAME"
	command.Short = "Tell why a workload goes where it goes, or what a field of a kind means"
	command.Long = `Tell why a workload goes where it goes, with "seatrial explain binding", or else what a kind is and what its fields mean, for kinds
of the control plane or, with --cluster, of a member. The kinds of bindings are resourcebinding and clusterresourcebinding.`
	command.Example = `  # Why a workload goes where it goes
  seatrial explain binding default/nginx-deployment

  # What can be said in a policy, and in a kind of a member
  seatrial explain propagationpolicy.spec.placement
  seatrial explain widgets.spec --cluster member1 --recursive`
	command.AddCommand(newExplainBindingCommand())
	return command
}

func newExplainBindingCommand() *cobra.Command {
	process := component.NewProcess("", "")
	decisions := component.NewDecisions(nil)
	output := outputText
	command := &cobra.Command{
		Use:   "binding [NAMESPACE/]NAME",
		Short: "Tell for each cluster why a binding goes there or not",
		Long: `Make the decision of the scheduler for one binding, with the state the control plane is in now, and tell how it came about:
why clusters were filtered out, the scores of the others, their capacity, and the share each gets. Nothing is written.

A name without a namespace is that of a ClusterResourceBinding. Give it the flags of the scheduler, --config among them, and it
asks the same plugins, extenders and estimators. What the scheduler decided and clusters do not report yet is known to the
scheduler alone, and not taken into account here.`,
		Example: `  seatrial explain binding default/nginx-deployment

  # By the configuration of a scheduler with plugins and extenders, and by the estimators of the members
  seatrial explain binding default/nginx-deployment --config scheduler.yaml --enable-scheduler-estimator

  # The clusters that were filtered out, and by which plugins
  seatrial explain binding default/nginx-deployment -o json | jq -r '.clusters[] | select(.rejections) | "\(.name) \(.rejections[].plugin)"'`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(command *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(given) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return bindingNames(command.Context(), process), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(command *cobra.Command, args []string) error {
			// What went wrong with an estimator stands in the answer.
			klog.SetLogger(logr.Discard())
			options, err := decisions.Options()
			if err != nil {
				return err
			}
			reader, err := process.Client()
			if err != nil {
				return err
			}
			clusters, err := readFleet(command.Context(), reader)
			if err != nil {
				return err
			}
			estimators, err := connect(command.Context(), process, &decisions.Estimators, clusters)
			if err != nil {
				return err
			}
			if estimators != nil {
				defer estimators.Close()
				options.Estimators = estimators
			}
			explanation, err := explainBinding(command.Context(), reader, options, clusters, args[0])
			if err != nil {
				return err
			}
			if output == outputJSON {
				return printJSON(command.OutOrStdout(), explanation)
			}
			return printExplanation(command.OutOrStdout(), explanation)
		},
	}
	flags := command.Flags()
	process.AddPlaneFlags(flags)
	decisions.AddTo(command)
	output.addTo(command)
	return command
}

func readFleet(ctx context.Context, plane client.Reader) ([]*clusterv1alpha1.Cluster, error) {
	clusters := &clusterv1alpha1.ClusterList{}
	if err := plane.List(ctx, clusters); err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	items := make([]*clusterv1alpha1.Cluster, len(clusters.Items))
	for i := range items {
		items[i] = &clusters.Items[i]
	}
	return items, nil
}

func connect(ctx context.Context, process *component.Process, estimators *component.Estimators, clusters []*clusterv1alpha1.Cluster) (*estimatorclient.Client, error) {
	config, err := process.RESTConfig()
	if err != nil {
		return nil, err
	}
	members := &component.Members{}
	for _, cluster := range clusters {
		members.See(cluster)
	}
	return estimators.Connect(ctx, config, members, nil)
}

func explainBinding(
	ctx context.Context, plane client.Reader, options scheduler.Options, clusters []*clusterv1alpha1.Cluster, name string,
) (scheduler.Explanation, error) {
	bound, err := binding.Get(ctx, plane, bindingName(name))
	if err != nil {
		return scheduler.Explanation{}, fmt.Errorf("reading binding %s: %w", name, err)
	}
	return options.Explain(ctx, bound, placement.NewSnapshot(clusters)), nil
}

// bindingName reads NAMESPACE/NAME or NAME.
func bindingName(text string) types.NamespacedName {
	if namespace, name, namespaced := strings.Cut(text, "/"); namespaced {
		return types.NamespacedName{Namespace: namespace, Name: name}
	}
	return types.NamespacedName{Name: text}
}

// bindingNames are what completion offers; a control plane that does not answer has none.
func bindingNames(ctx context.Context, process *component.Process) []string {
	reader, err := process.Client()
	if err != nil {
		return nil
	}
	bindings, err := binding.List(ctx, reader)
	if err != nil {
		return nil
	}
	var names []string
	for _, bound := range bindings {
		names = append(names, strings.TrimPrefix(bound.NamespacedName().String(), "/"))
	}
	return names
}

func printExplanation(out io.Writer, e scheduler.Explanation) error {
	name := strings.TrimPrefix(e.Namespace+"/"+e.Name, "/")
	fmt.Fprintf(out, "%s is on %s\n", name, targets(e.Stored))
	if e.NotServed != "" {
		fmt.Fprintf(out, "The scheduler leaves it alone: %s.\n", e.NotServed)
	}
	if e.Obstacle != "" {
		fmt.Fprintf(out, "A decision now fails: %s\n", e.Obstacle)
	} else {
		fmt.Fprintf(out, "A decision now gives %s\n", targets(e.Decided))
	}
	if e.Term != "" {
		fmt.Fprintf(out, "Affinity term: %s\n", e.Term)
	}
	for _, concession := range e.Concessions {
		fmt.Fprintf(out, "It gives way: %s\n", concession)
	}
	if len(e.Clusters) == 0 {
		return nil
	}
	fmt.Fprintln(out)
	table := newTable(out, "CLUSTER", "SHARE", "HELD", "CAPACITY", "SCORE", "RESULT")
	for _, cluster := range e.Clusters {
		score := "-"
		if len(cluster.Scores) > 0 {
			score = strconv.FormatInt(cluster.Score, 10)
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\t%s\n", cluster.Name, cluster.Share, cluster.Held, capacity(cluster), score, result(cluster))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return printFootnotes(out, e)
}

// capacity marks what is less certain than it could be; footnotes say why.
func capacity(cluster scheduler.ClusterExplanation) string {
	if cluster.Capacity == nil {
		return "-"
	}
	text := strconv.FormatInt(*cluster.Capacity, 10)
	if cluster.Doubt != nil {
		text += "*"
	}
	return text
}

// roomIs tells how the room of a cluster was counted that is in doubt.
func roomIs(kind placement.DoubtKind) string {
	switch kind {
	case placement.DoubtStale:
		return "counted on the nodes of an earlier moment"
	case placement.DoubtPartial:
		return "counted without regard to other pods"
	default:
		return "counted by the resource summary of the cluster alone"
	}
}

func printFootnotes(out io.Writer, e scheduler.Explanation) error {
	var notes []string
	counted := false
	for _, cluster := range e.Clusters {
		counted = counted || cluster.Capacity != nil
		if cluster.Doubt != nil && cluster.Capacity != nil {
			notes = append(notes, fmt.Sprintf("* %s: %s: %s", cluster.Name, roomIs(cluster.Doubt.Kind), cluster.Doubt.Reason))
		}
	}
	if counted && e.InFlightExcluded {
		notes = append(notes, "Capacities do not heed what was assigned lately and clusters do not report yet; those the scheduler decides by do.")
	}
	if len(notes) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(out, "\n"+strings.Join(notes, "\n"))
	return err
}

func result(cluster scheduler.ClusterExplanation) string {
	text := "fits, not chosen"
	switch {
	case cluster.Leaving:
		return "leaving the fleet"
	case len(cluster.Rejections) > 0:
		parts := make([]string, 0, len(cluster.Rejections))
		for _, rejection := range cluster.Rejections {
			parts = append(parts, rejection.Reason+" ("+rejection.Plugin+")")
		}
		return "filtered out: " + strings.Join(parts, "; ")
	case cluster.Selected:
		text = "chosen"
	}
	if cluster.Overflow > 0 {
		text += fmt.Sprintf(", overflow %d", cluster.Overflow)
	}
	if scores := scoresOf(cluster); len(scores) > 1 {
		text += " (" + strings.Join(scores, ", ") + ")"
	}
	return text
}

// scoresOf lists what plugins gave, but for nothing.
func scoresOf(cluster scheduler.ClusterExplanation) []string {
	var scores []string
	for _, score := range cluster.Scores {
		if score.Score != 0 {
			scores = append(scores, fmt.Sprintf("%s %d", score.Plugin, score.Score))
		}
	}
	return scores
}

// targets reads "member1:2, member2:1"; clusters of objects without replicas stand alone.
func targets(clusters []workv1alpha2.TargetCluster) string {
	if len(clusters) == 0 {
		return "no cluster"
	}
	parts := make([]string, 0, len(clusters))
	for _, cluster := range clusters {
		if cluster.Replicas > 0 {
			parts = append(parts, fmt.Sprintf("%s:%d", cluster.Name, cluster.Replicas))
			continue
		}
		parts = append(parts, cluster.Name)
	}
	return strings.Join(parts, ", ")
}
