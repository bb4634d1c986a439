package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
)

// topRun is one call of top.
type topRun struct {
	*places
	genericiooptions.IOStreams
	selector, fields, sortBy, output string
	noHeaders                        bool
	// For pods.
	allNamespaces, containers, sum bool
	// For nodes.
	capacity bool
}

func newTopCommand(streams genericiooptions.IOStreams) *cobra.Command {
	command := &cobra.Command{
		Use:   "top",
		Short: "Show what pods and nodes of members use",
		Long:  `Show the CPU and the memory that pods and nodes use, for all members that are ready. The members need a metrics API.`,
		Example: `  seatrial top pods -A --sort-by memory

  seatrial top nodes -C member1`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(newTopPodCommand(streams), newTopNodeCommand(streams))
	return command
}

func newTopPodCommand(streams genericiooptions.IOStreams) *cobra.Command {
	run := &topRun{places: newPlaces(scopeMembers), IOStreams: streams}
	command := &cobra.Command{
		Use:     "pod [NAME | -l label]",
		Aliases: []string{"pods", "po"},
		Short:   "Show what pods of members use",
		Example: `  seatrial top pods -n shop

  # The containers of pods with a label, those with most memory first, and their sum
  seatrial top pods -l app=cart --containers --sort-by memory --sum`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error { return run.top(command, args, run.pods) },
	}
	run.addFlags(command, "pod")
	flags := command.Flags()
	flags.StringVar(&run.fields, "field-selector", "", "Fields that pods must have, such as metadata.name=nginx")
	flags.BoolVarP(&run.allNamespaces, "all-namespaces", "A", false, "Pods of all namespaces")
	flags.BoolVar(&run.containers, "containers", false, "Show each container")
	flags.BoolVar(&run.sum, "sum", false, "Show what all of them use together")
	return command
}

func newTopNodeCommand(streams genericiooptions.IOStreams) *cobra.Command {
	run := &topRun{places: newPlaces(scopeMembers), IOStreams: streams}
	command := &cobra.Command{
		Use:     "node [NAME | -l label]",
		Aliases: []string{"nodes", "no"},
		Short:   "Show what nodes of members use",
		Example: `  seatrial top nodes

  # By what the nodes have, not by what pods may use of it
  seatrial top nodes -C member1,member2 --show-capacity`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error { return run.top(command, args, run.nodes) },
	}
	run.addFlags(command, "node")
	command.Flags().BoolVar(&run.capacity, "show-capacity", false, "Shares of the capacity of nodes instead of what is allocatable")
	return command
}

func (r *topRun) addFlags(command *cobra.Command, resource string) {
	r.access.addTo(command.Flags())
	r.places.addTo(command)
	flags := command.Flags()
	cmdutil.AddLabelSelectorFlagVar(command, &r.selector)
	flags.StringVar(&r.sortBy, "sort-by", "", "Those that use most first: cpu or memory (default by name)")
	flags.BoolVar(&r.noHeaders, "no-headers", false, "Print no headers")
	flags.StringVarP(&r.output, "output", "o", "", "Output format: json, or empty for a table")
	r.complete(command)
	// They fail only for flags that do not exist.
	_ = command.RegisterFlagCompletionFunc("sort-by", cobra.FixedCompletions([]string{"cpu", "memory"}, cobra.ShellCompDirectiveNoFileComp))
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json"}, cobra.ShellCompDirectiveNoFileComp))
	command.ValidArgsFunction = func(command *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || len(r.named) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return resourceNames(factoryOf(r.access.member(r.named[0])), resource)(command, args, typed)
	}
}

// top asks all members for what they use, and prints what they say.
func (r *topRun) top(command *cobra.Command, args []string, ask func(context.Context, place, string, metav1.ListOptions) ([]usage, error)) error {
	name, options := "", metav1.ListOptions{LabelSelector: r.selector, FieldSelector: r.fields}
	if len(args) > 0 {
		name = args[0]
	}
	switch {
	case name != "" && (r.selector != "" || r.fields != ""):
		return errors.New("give a NAME or a selector, not both")
	case r.sortBy != "" && r.sortBy != "cpu" && r.sortBy != "memory":
		return fmt.Errorf("--sort-by %q: use cpu or memory", r.sortBy)
	case r.output != "" && r.output != "json":
		return fmt.Errorf("--output %q: use json, or leave it out for a table", r.output)
	}
	return reported(command.Context(), func() error {
		found, left, err := r.find(command.Context())
		if err != nil {
			return err
		}
		uses := make([][]usage, len(found))
		faults := inAll(found, func(i int, at place) error {
			var err error
			uses[i], err = ask(command.Context(), at, name, options)
			return err
		})
		left = append(left, told(faults, len(r.named) > 0)...)
		if err := r.print(uses, len(left) == 0); err != nil {
			left = append(left, err)
		}
		return joined(left)
	})
}

// errNoMetrics tells what a member lacks.
var errNoMetrics = errors.New("it has no metrics API: install metrics-server there")

func metricsOf(at place) (*metrics.MetricsV1beta1Client, error) {
	config, err := at.factory.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	return metrics.NewForConfig(config)
}

func (r *topRun) pods(ctx context.Context, at place, name string, options metav1.ListOptions) ([]usage, error) {
	reader, err := metricsOf(at)
	if err != nil {
		return nil, err
	}
	namespace := metav1.NamespaceAll
	if !r.allNamespaces {
		if namespace, _, err = at.factory.ToRawKubeConfigLoader().Namespace(); err != nil {
			return nil, err
		}
	}
	var found []metricsv1beta1.PodMetrics
	if name != "" {
		pod, err := reader.PodMetricses(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		found = append(found, *pod)
	} else {
		list, err := reader.PodMetricses(namespace).List(ctx, options)
		if err != nil {
			return nil, lacking(err)
		}
		found = list.Items
	}
	uses := make([]usage, 0, len(found))
	for i := range found {
		uses = append(uses, usageOfPod(at.name, &found[i]))
	}
	return uses, nil
}

// lacking tells a list of a kind that does not exist from other errors.
func lacking(err error) error {
	if absent(err) {
		return errNoMetrics
	}
	return err
}

func (r *topRun) nodes(ctx context.Context, at place, name string, options metav1.ListOptions) ([]usage, error) {
	reader, err := metricsOf(at)
	if err != nil {
		return nil, err
	}
	cluster, err := at.factory.KubernetesClientSet()
	if err != nil {
		return nil, err
	}
	if name != "" {
		options.FieldSelector = "metadata.name=" + name
	}
	nodes, err := cluster.CoreV1().Nodes().List(ctx, options)
	if err != nil {
		return nil, err
	}
	if name != "" && len(nodes.Items) == 0 {
		_, err := cluster.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		return nil, err
	}
	measured, err := reader.NodeMetricses().List(ctx, metav1.ListOptions{LabelSelector: options.LabelSelector})
	if err != nil {
		return nil, lacking(err)
	}
	used := map[string]*metricsv1beta1.NodeMetrics{}
	for i := range measured.Items {
		used[measured.Items[i].Name] = &measured.Items[i]
	}
	uses := make([]usage, 0, len(nodes.Items))
	for i := range nodes.Items {
		node := &nodes.Items[i]
		total := node.Status.Allocatable
		if r.capacity {
			total = node.Status.Capacity
		}
		uses = append(uses, usageOfNode(at.name, node.Name, total, used[node.Name]))
	}
	return uses, nil
}
