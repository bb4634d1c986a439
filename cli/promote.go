package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/dynamic"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/workload"
)

// promoteRun is one call of promote.
type promoteRun struct {
	*access
	genericiooptions.IOStreams
	cluster, clusterKubeconfig, clusterContext string
	createPolicy, dependencies, dryRun         bool
	policyName, output                         string

	plane  dynamic.Interface
	mapper meta.RESTMapper
}

func newPromoteCommand(streams genericiooptions.IOStreams) *cobra.Command {
	run := &promoteRun{access: newAccess(), IOStreams: streams}
	command := &cobra.Command{
		Use:   "promote TYPE NAME -C CLUSTER",
		Short: "Take over what runs in a member as a template with a policy",
		Long: `Take over an object of a member: the control plane gets it as a template, and a policy that sends it to that member. The object
itself goes on as it is: the template says the same, and bears work.karmada.io/conflict-resolution: overwrite, by which the control
plane may own what it did not make.

Nothing is written unless the control plane accepts all of it. What is promoted already is left alone.`,
		Example: `  # What would be made
  seatrial promote deployment nginx -n shop -C member1 -o yaml

  seatrial promote deployment nginx -n shop -C member1

  # With the ConfigMaps, Secrets and others that it needs
  seatrial promote deployment nginx -n shop -C member1 --dependencies

  # A template alone, for a policy of one's own
  seatrial promote deployment nginx -n shop -C member1 --auto-create-policy=false`,
		RunE: func(command *cobra.Command, args []string) error {
			if err := run.settle(args); err != nil {
				return err
			}
			return reported(command.Context(), func() error { return run.promote(command.Context(), args) })
		},
	}
	run.access.addTo(command.Flags())
	flags := command.Flags()
	flags.StringVarP(&run.cluster, "cluster", "C", "", "Member that has the object (required)")
	flags.StringVar(&run.clusterKubeconfig, "cluster-kubeconfig", "", "Kubeconfig of the member (default through the control plane)")
	flags.StringVar(&run.clusterContext, "cluster-context", "", "Context of the member in that kubeconfig (default the one named like it, or its current one)")
	flags.BoolVar(&run.createPolicy, "auto-create-policy", true, "Create a policy that sends the object to the member")
	flags.StringVar(&run.policyName, "policy-name", "", "Name of the policy (default the name of the object with a hash)")
	flags.BoolVarP(&run.dependencies, "dependencies", "d", false, "Promote what the object needs as well, and have the policy propagate it")
	flags.BoolVar(&run.dryRun, "dry-run", false, "Let the control plane judge all of it and keep nothing")
	flags.StringVarP(&run.output, "output", "o", "", "Print what would be made, as json or yaml, and make nothing")
	accept(flags, map[string]string{"deps": "dependencies"})
	run.complete(command)
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	command.ValidArgsFunction = func(command *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if run.cluster == "" || len(args) > 1 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return typesThenNames(run.member())(command, args, typed)
	}
	return command
}

func (r *promoteRun) settle(args []string) error {
	switch {
	case len(args) != 2 && (len(args) != 1 || !strings.Contains(args[0], "/")):
		return errors.New("give the TYPE and the NAME of one object, such as deployment nginx")
	case r.cluster == "":
		return errors.New("--cluster is required: the member that has the object")
	case r.output != "" && r.output != "json" && r.output != "yaml":
		return fmt.Errorf("--output %q: use json or yaml", r.output)
	case r.policyName != "" && !r.createPolicy:
		return errors.New("--policy-name names a policy that --auto-create-policy=false does not create: leave one of them out")
	}
	return nil
}

// member is how the member is reached: through the control plane, or by a kubeconfig of its own.
func (r *promoteRun) member() cmdutil.Factory {
	if r.clusterKubeconfig == "" {
		return factoryOf(r.access.member(r.cluster))
	}
	direct := genericclioptions.NewConfigFlags(true)
	direct.KubeConfig, direct.Context, direct.Namespace = &r.clusterKubeconfig, &r.clusterContext, r.Namespace
	if r.clusterContext == "" {
		if config, err := direct.ToRawKubeConfigLoader().RawConfig(); err == nil && config.Contexts[r.cluster] != nil {
			direct = genericclioptions.NewConfigFlags(true)
			direct.KubeConfig, direct.Context, direct.Namespace = &r.clusterKubeconfig, &r.cluster, r.Namespace
		}
	}
	return factoryOf(direct)
}

func (r *promoteRun) promote(ctx context.Context, args []string) error {
	if err := r.exist(ctx, "cluster", r.cluster); err != nil {
		return err
	}
	f := r.factory()
	var err error
	if r.plane, err = f.DynamicClient(); err != nil {
		return err
	}
	if r.mapper, err = f.ToRESTMapper(); err != nil {
		return err
	}
	member := r.member()
	found, err := r.object(member, args)
	if err != nil {
		return fmt.Errorf("cluster %s: %w", r.cluster, err)
	}
	made, err := r.promotionOf(ctx, member, found)
	if err != nil {
		return err
	}
	if r.output != "" {
		return made.print(r.Out, r.output)
	}
	return r.create(ctx, made)
}

// object reads what the arguments name from the member.
func (r *promoteRun) object(member cmdutil.Factory, args []string) (*unstructured.Unstructured, error) {
	// The namespace is that of the control plane's kubeconfig, unless -n is given: a kubeconfig of the member has its own.
	namespace, _, err := r.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the namespace of the kubeconfig: %w", err)
	}
	infos, err := member.NewBuilder().Unstructured().NamespaceParam(namespace).DefaultNamespace().SingleResourceType().
		ResourceTypeOrNameArgs(false, args...).Latest().Flatten().Do().Infos()
	if err != nil {
		return nil, err
	}
	if len(infos) != 1 {
		return nil, fmt.Errorf("%s names %d objects: name one", strings.Join(args, " "), len(infos))
	}
	found := infos[0].Object.(*unstructured.Unstructured)
	if owner := metav1.GetControllerOf(found); owner != nil {
		return nil, fmt.Errorf("%s belongs to %s %s, which would make it anew: promote that instead", workload.Describe(found), owner.Kind, owner.Name)
	}
	return found, nil
}

// create has all judged before the first is kept.
func (r *promoteRun) create(ctx context.Context, made *promotion) error {
	name := workload.Describe(made.template)
	promoted, err := r.promoted(ctx, made)
	switch {
	case err != nil:
		return err
	case promoted:
		_, err := fmt.Fprintf(r.Out, "%s is promoted already\n", name)
		return err
	}
	if err := r.createAll(ctx, made, metav1.DryRunAll); err != nil {
		return err
	}
	done := "promoted"
	if r.dryRun {
		done = "would be promoted (dry run)"
	} else if err := r.createAll(ctx, made); err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.Out, "%s of cluster %s %s\n", name, r.cluster, done)
	return err
}

// promoted tells whether all was made before. A template alone may say anything: it must not be let loose on the member.
func (r *promoteRun) promoted(ctx context.Context, made *promotion) (bool, error) {
	template, err := r.read(ctx, made.template)
	if err != nil || template == nil {
		return false, err
	}
	if made.policy != nil {
		policy, err := r.read(ctx, made.policy)
		if err != nil {
			return false, err
		}
		if policy == nil {
			return false, fmt.Errorf("%s is in the control plane already, without the policy %s: if it says the same as that of cluster %s, "+
				"make a policy that sends it there, and else remove it first", workload.Describe(made.template), made.policy.GetName(), r.cluster)
		}
		clusters, _, _ := unstructured.NestedStringSlice(policy.Object, "spec", "placement", "clusterAffinity", "clusterNames")
		if len(clusters) > 0 && !slices.Contains(clusters, r.cluster) {
			return false, fmt.Errorf("%s is promoted already, by the policy %s for %s: if the template says the same as that of cluster %s, add the cluster there",
				workload.Describe(made.template), policy.GetName(), strings.Join(clusters, ", "), r.cluster)
		}
	}
	return true, nil
}

// read gives what the control plane has of an object's kind and name, nil where it has none.
func (r *promoteRun) read(ctx context.Context, object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	resources, err := r.resources(object)
	if err != nil {
		return nil, err
	}
	found, err := resources.Get(ctx, object.GetName(), metav1.GetOptions{})
	if err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return found, nil
}

// createAll makes the policy before the template, which another policy might claim otherwise. What is needed may be there for others
// as well.
func (r *promoteRun) createAll(ctx context.Context, made *promotion, dryRun ...string) error {
	for _, object := range made.needed {
		err := r.createOne(ctx, object, dryRun)
		if apierrors.IsAlreadyExists(err) {
			err = r.sharable(ctx, object)
		}
		if err != nil {
			return err
		}
	}
	if made.policy == nil {
		return r.createOne(ctx, made.template, dryRun)
	}
	err := r.createOne(ctx, made.policy, dryRun)
	earlier := apierrors.IsAlreadyExists(err)
	if earlier {
		err = r.aligned(ctx, made.policy, err)
	}
	if err != nil {
		return err
	}
	if err := r.createOne(ctx, made.template, dryRun); err != nil {
		if earlier || len(dryRun) > 0 {
			return err
		}
		return errors.Join(err, r.takeBack(ctx, made.policy))
	}
	return nil
}

// aligned accepts a policy of that name, such as of a call that was interrupted, which selects the same and sends it to the member.
func (r *promoteRun) aligned(ctx context.Context, wanted *unstructured.Unstructured, taken error) error {
	known, err := r.read(ctx, wanted)
	if err != nil || known == nil {
		return errors.Join(err, taken)
	}
	selects := func(policy *unstructured.Unstructured) string {
		selectors, _, _ := unstructured.NestedSlice(policy.Object, "spec", "resourceSelectors")
		if len(selectors) != 1 {
			return ""
		}
		only, _ := selectors[0].(map[string]any)
		return fmt.Sprint(only["apiVersion"], only["kind"], only["name"], only["labelSelector"])
	}
	clusters, _, _ := unstructured.NestedStringSlice(known.Object, "spec", "placement", "clusterAffinity", "clusterNames")
	if selects(known) != selects(wanted) || !slices.Contains(clusters, r.cluster) {
		return taken
	}
	return nil
}

// takeBack deletes a policy for a template that there is not.
func (r *promoteRun) takeBack(ctx context.Context, policy *unstructured.Unstructured) error {
	resources, err := r.resources(policy)
	if err != nil {
		return err
	}
	if err := client.IgnoreNotFound(resources.Delete(ctx, policy.GetName(), metav1.DeleteOptions{})); err != nil {
		return fmt.Errorf("deleting %s again, which is of no use: %w", workload.Describe(policy), err)
	}
	return nil
}

// sharable refuses what the control plane has with another content, which the policy would force upon the member.
func (r *promoteRun) sharable(ctx context.Context, object *unstructured.Unstructured) error {
	known, err := r.read(ctx, object)
	if err != nil || known == nil {
		return err
	}
	content := func(of *unstructured.Unstructured) map[string]any {
		said := maps.Clone(of.Object)
		delete(said, "metadata")
		delete(said, "status")
		return said
	}
	if equality.Semantic.DeepEqual(content(known), content(object)) {
		return nil
	}
	return fmt.Errorf("%s is in the control plane already and says something else than that of cluster %s: make them the same, or promote without --dependencies",
		workload.Describe(object), r.cluster)
}

func (r *promoteRun) createOne(ctx context.Context, object *unstructured.Unstructured, dryRun []string) error {
	resources, err := r.resources(object)
	if err != nil {
		return err
	}
	_, err = resources.Create(ctx, object, metav1.CreateOptions{DryRun: dryRun})
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err) && object.GetNamespace() != "":
		return fmt.Errorf("creating %s in the control plane: %w; create the namespace there first: %s create namespace %s",
			workload.Describe(object), err, programName, object.GetNamespace())
	}
	return fmt.Errorf("creating %s in the control plane: %w", workload.Describe(object), err)
}

// resources are those of an object's kind and namespace in the control plane.
func (r *promoteRun) resources(object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	kind := object.GroupVersionKind()
	mapping, err := r.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("the control plane does not know %s: apply its CustomResourceDefinition there first: %w", kind, err)
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return r.plane.Resource(mapping.Resource), nil
	}
	return r.plane.Resource(mapping.Resource).Namespace(object.GetNamespace()), nil
}
