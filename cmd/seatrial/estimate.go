package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seatrial/seatrial/component"
	"github.com/seatrial/seatrial/estimator/nodes"
)

// estimateOptions are the flags of the command estimate.
type estimateOptions struct {
	process  *component.Process
	file     string
	dump     string
	clusters []string
	timeout  time.Duration
	output   output
}

func newEstimateCommand() *cobra.Command {
	options := &estimateOptions{process: component.NewProcess("", ""), timeout: time.Minute, output: outputText}
	command := &cobra.Command{
		Use:   "estimate -f FILE",
		Short: "Tell how many replicas of a workload fit into each cluster, and what stands in the way of more",
		Long: `Pack the pods of a workload onto the nodes of each member cluster, beside the pods that run there, and tell how many fit and
what binds: "cpu on 14 of 20 nodes, taint on 6" says that 14 nodes run out of CPU first and 6 keep the pods away.

The members are read through the credentials that the control plane holds, or from files with --cluster-dump; nothing is written.
Heeded are requests, node selectors and affinity, taints, resource quotas, and what the pods ask of those around them: affinity
and anti-affinity between pods, topology spread, host ports, volumes, and preemption by priority.

Clusters that cannot be read are shown with the reason. The exit code is 1 only when none can be read.`,
		Example: `  seatrial estimate -f deployment.yaml

  # Two clusters, as data
  seatrial estimate -f deployment.yaml --clusters member1,member2 -o json | jq '.workloads[].clusters[] | {name, capacity}'

  # Without a control plane: what kubectl says of a cluster
  kubectl get nodes,pods,resourcequotas -A -o yaml > member1.yaml
  seatrial estimate -f deployment.yaml --cluster-dump member1.yaml`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return options.run(command) },
	}
	flags := command.Flags()
	flags.StringVarP(&options.file, "filename", "f", "", "File with the workloads, YAML or JSON, any number of documents; - reads standard input")
	flags.StringSliceVar(&options.clusters, "clusters", nil, "Clusters to look at; empty means all")
	flags.StringVar(&options.dump, "cluster-dump", "", "Read a cluster from this file instead of a control plane, or one from each .yaml, .yml and .json file of this folder; clusters are named after their files")
	flags.DurationVar(&options.timeout, "timeout", options.timeout, "Give up on clusters that cannot be read within this time")
	options.process.AddPlaneFlags(flags)
	options.output.addTo(command)
	return command
}

func (o *estimateOptions) run(command *cobra.Command) error {
	if o.file == "" {
		return errors.New("-f is required: the file with the workload, or - for standard input")
	}
	if o.timeout <= 0 {
		return fmt.Errorf("--timeout: %s is not above zero", o.timeout)
	}
	workloads, err := readWorkloads(command.Context(), o.file, command.InOrStdin())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(command.Context(), o.timeout)
	defer cancel()
	var found []clusterAnswers
	if o.dump != "" {
		found, err = askDumps(o.dump, o.clusters, workloads)
	} else {
		found, err = o.askMembers(ctx, workloads, newCounter(command.ErrOrStderr()))
	}
	if err != nil {
		return err
	}
	report := newEstimateReport(workloads, found)
	if o.output == outputJSON {
		err = printJSON(command.OutOrStdout(), report)
	} else {
		err = report.print(command.OutOrStdout())
	}
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(found, func(c clusterAnswers) bool { return c.err == nil }) {
		return fmt.Errorf("none of %d clusters could be read", len(found))
	}
	return nil
}

// clusterAnswers are the answers of one cluster to each workload, in order, or why there are none.
type clusterAnswers struct {
	name         string
	explanations []nodes.Explanation
	err          error
}

// answer estimates every workload on one cluster.
func answer(name string, state *clusterState, workloads []workloadDemand) clusterAnswers {
	answers := clusterAnswers{name: name}
	for i := range workloads {
		explanation, err := state.index.Explain(&workloads[i].demand)
		if err != nil {
			return clusterAnswers{name: name, err: fmt.Errorf("%s: %w", workloads[i].describe(), err)}
		}
		answers.explanations = append(answers.explanations, explanation)
	}
	return answers
}

// chosen applies the flag --clusters to the clusters there are.
func chosen(all, wanted []string) ([]string, error) {
	if len(all) == 0 {
		return nil, errors.New("there is no cluster to look at")
	}
	if len(wanted) == 0 {
		return all, nil
	}
	for _, name := range wanted {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("--clusters: there is no cluster %q; the clusters are %s", name, strings.Join(all, ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !slices.Contains(wanted, name) }), nil
}
