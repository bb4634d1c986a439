package cli

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// access is how the flags of a command say that the control plane is reached, and through it the members.
type access struct {
	*genericclioptions.ConfigFlags
}

func newAccess() *access {
	return &access{genericclioptions.NewConfigFlags(true).WithDiscoveryBurst(300).WithDiscoveryQPS(50)}
}

// addTo offers those flags of kubectl that make sense here; a command of a control plane has no --server and no --user.
func (a *access) addTo(flags *pflag.FlagSet) {
	offered := pflag.NewFlagSet("", pflag.ContinueOnError)
	a.ConfigFlags.AddFlags(offered)
	for _, name := range []string{"kubeconfig", "namespace", "as", "as-group", "as-uid", "request-timeout", "cache-dir"} {
		flags.AddFlag(offered.Lookup(name))
	}
	chosen := *offered.Lookup("context")
	chosen.Name, chosen.Usage = "karmada-context", "Context of the control plane in the kubeconfig (default its current one)"
	flags.AddFlag(&chosen)
	acceptContext(flags)
	logging := flag.NewFlagSet("", flag.ContinueOnError)
	klog.InitFlags(logging)
	verbosity := pflag.PFlagFromGoFlag(logging.Lookup("v"))
	verbosity.Usage, verbosity.DefValue = "How much is logged: 6 shows the requests that are made, 8 what is in them", "0"
	flags.AddFlag(verbosity)
}

// addBelow offers the flags to a command and to all below it.
func (a *access) addBelow(command *cobra.Command) {
	a.addTo(command.PersistentFlags())
	acceptBelow(command)
}

// acceptBelow is needed since commands inherit flags, but not the other names for them.
func acceptBelow(command *cobra.Command) {
	acceptContext(command.Flags())
	for _, below := range command.Commands() {
		acceptBelow(below)
	}
}

func acceptContext(flags *pflag.FlagSet) {
	accept(flags, map[string]string{"context": "karmada-context"})
}

// accept takes other names for flags: kubectl and the reference call the same things differently from command to command.
func accept(flags *pflag.FlagSet, aliases map[string]string) {
	before := flags.GetNormalizeFunc()
	flags.SetNormalizeFunc(func(set *pflag.FlagSet, given string) pflag.NormalizedName {
		if name, known := aliases[given]; known {
			given = name
		}
		return before(set, given)
	})
}

// member is how a member is reached through the control plane, by the same kubeconfig and as the same user.
func (a *access) member(name string) genericclioptions.RESTClientGetter {
	through := genericclioptions.NewConfigFlags(true).WithDiscoveryBurst(300).WithDiscoveryQPS(50)
	through.KubeConfig, through.Context, through.Namespace = a.KubeConfig, a.Context, a.Namespace
	through.Impersonate, through.ImpersonateGroup, through.ImpersonateUID = a.Impersonate, a.ImpersonateGroup, a.ImpersonateUID
	through.Timeout, through.CacheDir = a.Timeout, a.CacheDir
	return through.WithWrapConfigFn(func(config *rest.Config) *rest.Config {
		server, _, err := rest.DefaultServerUrlFor(config)
		if err != nil {
			// Whoever makes a client of it is told the same.
			return config
		}
		proxied := rest.CopyConfig(config)
		proxied.Host = server.JoinPath("apis", clusterv1alpha1.GroupVersion.String(), "clusters", name, "proxy").String()
		return proxied
	})
}

func (a *access) factory() cmdutil.Factory { return factoryOf(a) }

func factoryOf(getter genericclioptions.RESTClientGetter) cmdutil.Factory {
	return cmdutil.NewFactory(cmdutil.NewMatchVersionFlags(getter))
}

// clusters lists the members by name.
func (a *access) clusters(ctx context.Context) ([]clusterv1alpha1.Cluster, error) {
	config, err := a.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the control plane (see --kubeconfig and --karmada-context): %w", err)
	}
	plane, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of %s: %w", config.Host, err)
	}
	list, err := plane.Resource(clusterv1alpha1.GroupVersion.WithResource("clusters")).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the clusters of the control plane: %w", err)
	}
	members := make([]clusterv1alpha1.Cluster, len(list.Items))
	for i, item := range list.Items {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &members[i]); err != nil {
			return nil, fmt.Errorf("reading cluster %s: %w", item.GetName(), err)
		}
	}
	slices.SortFunc(members, func(a, b clusterv1alpha1.Cluster) int { return strings.Compare(a.Name, b.Name) })
	return members, nil
}

// exist tells which of the names, given by a flag, are no members. Who may not list clusters is judged by the proxy alone.
func (a *access) exist(ctx context.Context, flag string, given ...string) error {
	members, err := a.clusters(ctx)
	if apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var known []string
	for i := range members {
		known = append(known, members[i].Name)
	}
	for _, name := range given {
		if !slices.Contains(known, name) {
			return fmt.Errorf("--%s: there is no cluster %q; the members are: %s", flag, name, strings.Join(known, ", "))
		}
	}
	return nil
}

// complete gives flags their completion, as far as a command has them.
func (a *access) complete(command *cobra.Command) {
	functions := map[string]cobra.CompletionFunc{
		"namespace": resourceNames(a.factory(), "namespace"), "karmada-context": a.contextNames,
		"cluster": a.clusterNames, "clusters": a.clusterNames,
	}
	for name, function := range functions {
		if command.Flag(name) != nil {
			// It fails only for a flag that does not exist or is registered already.
			_ = command.RegisterFlagCompletionFunc(name, function)
		}
	}
}

// clusterNames completes the last of several names that commas separate. A control plane that does not answer has none.
func (a *access) clusterNames(command *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	members, err := a.clusters(command.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	before := typed[:strings.LastIndex(typed, ",")+1]
	taken := strings.Split(before, ",")
	var offered []string
	for i := range members {
		if !slices.Contains(taken, members[i].Name) {
			offered = append(offered, before+members[i].Name)
		}
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}

func (a *access) contextNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	config, err := a.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var offered []string
	for name := range config.Contexts {
		offered = append(offered, name)
	}
	slices.Sort(offered)
	return offered, cobra.ShellCompDirectiveNoFileComp
}
