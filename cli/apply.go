package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/kubectl/pkg/cmd/apply"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

// applyRun is one call of apply.
type applyRun struct {
	*access
	*apply.ApplyFlags
	allClusters bool
	clusters    []string
}

func newApplyCommand(streams genericiooptions.IOStreams) *cobra.Command {
	run := &applyRun{access: newAccess(), ApplyFlags: apply.NewApplyFlags(streams)}
	f := run.factory()
	command := &cobra.Command{
		Use:   "apply (-f FILE | -k DIRECTORY)",
		Short: "Apply files to the control plane, and send what is in them to members",
		Long: `Apply files to the control plane, as "kubectl apply" does. With --cluster or --all-clusters, each resource in them is given a policy
that sends it there: a PropagationPolicy in its namespace, or a ClusterPropagationPolicy. Its name follows from the resource, so
applying the files again changes the same policies.`,
		Example: `  # Templates only: policies say where they go
  seatrial apply -f shop.yaml

  # To two members
  seatrial apply -f shop.yaml -C member1,member2

  # To all, after a look at what would change
  seatrial apply -k shop/ --all-clusters --dry-run=server
  seatrial apply -k shop/ --all-clusters`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, args []string) error {
			if run.allClusters && len(run.clusters) > 0 {
				return errors.New("--all-clusters and --cluster contradict each other: leave one of them out")
			}
			return reported(command.Context(), func() error { return run.apply(f, command, args) })
		},
	}
	run.AddFlags(command)
	command.AddCommand(adopt(apply.NewCmdApplyViewLastApplied(f, streams), nil), adopt(apply.NewCmdApplySetLastApplied(f, streams), nil),
		adopt(apply.NewCmdApplyEditLastApplied(f, streams), nil))
	run.addBelow(command)
	flags := command.Flags()
	flags.BoolVar(&run.allClusters, "all-clusters", false, "Send what is applied to all members")
	flags.StringSliceVarP(&run.clusters, "cluster", "C", nil, "Send what is applied to these members, comma-separated")
	accept(flags, map[string]string{"clusters": "cluster"})
	run.complete(command)
	return command
}

func (r *applyRun) apply(f cmdutil.Factory, command *cobra.Command, args []string) error {
	options, err := r.ToOptions(f, command, programName, args)
	if err != nil {
		return err
	}
	if err := options.Validate(); err != nil {
		return err
	}
	if len(r.clusters) > 0 {
		if err := r.exist(command.Context(), "cluster", r.clusters...); err != nil {
			return err
		}
	}
	if r.allClusters || len(r.clusters) > 0 {
		if err := r.addPolicies(f, options); err != nil {
			return err
		}
	}
	return options.Run()
}

// addPolicies has the policy of each object applied after it.
func (r *applyRun) addPolicies(f cmdutil.Factory, options *apply.ApplyOptions) error {
	infos, err := options.GetObjects()
	if err != nil {
		return err
	}
	var all []*resource.Info
	for _, info := range infos {
		object := identity{gvk: info.Mapping.GroupVersionKind, name: info.Name}
		if info.Namespaced() {
			object.namespace = info.Namespace
		}
		policy, err := policyFor(object, "", nil, r.clusters...)
		if err != nil {
			return err
		}
		kind := policy.GroupVersionKind()
		mapping, err := options.Mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			return fmt.Errorf("looking for %s in the control plane (is it one? see --kubeconfig and --karmada-context): %w", kind.Kind, err)
		}
		client, err := f.UnstructuredClientForMapping(mapping)
		if err != nil {
			return fmt.Errorf("making a client for %s: %w", kind.Kind, err)
		}
		all = append(all, info, &resource.Info{
			Namespace: policy.GetNamespace(), Name: policy.GetName(), Source: info.Source, Object: policy, Mapping: mapping, Client: client,
		})
	}
	options.SetObjects(all)
	return nil
}
