package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/kubectl/pkg/cmd/get"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/util/completion"
)

// getRun is one call of get: kubectl's, once for each place, with one output.
type getRun struct {
	*places
	*get.GetOptions
}

func newGetCommand(streams genericiooptions.IOStreams) *cobra.Command {
	run := &getRun{places: newPlaces(scopePlane, scopeMembers, scopeAll), GetOptions: get.NewGetOptions(programName, streams)}
	command := &cobra.Command{
		Use:   "get TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE[.VERSION][.GROUP]/NAME ...",
		Short: "Show resources of the control plane and of members",
		Long: `Show resources of the control plane, of members, or of both. Tables tell by CLUSTER where an object is, and by ADOPTION whether
the control plane owns it there; "-" stands for objects of the control plane itself. For pods, ADOPTION is shown with -o wide.

Without --operation-scope the control plane is asked, and with --clusters alone these members. What exists nowhere is an error; of
members that are not named, those without it are passed over.

Other output formats give a single list for several places, in which objects of members bear the annotation
resource.karmada.io/cached-from-cluster.`,
		Example: `  seatrial get deployments

  # Where a deployment is, and how it is there
  seatrial get deployment nginx --operation-scope all

  # The pods of two members, with their nodes
  seatrial get pods -C member1,member2 -o wide

  # Which images run where
  seatrial get deployments -A -s members -o json | jq -r '.items[] |
    [.metadata.annotations["resource.karmada.io/cached-from-cluster"], .metadata.name, .spec.template.spec.containers[].image] | @tsv'`,
		Aliases: []string{"list", "ls"},
		RunE: func(command *cobra.Command, args []string) error {
			if run.Raw == "" && len(args) == 0 && cmdutil.IsFilenameSliceEmpty(run.Filenames, run.Kustomize) {
				return errors.New("give the TYPE of resource to get, such as deployments; " + programName + " api-resources lists them")
			}
			return reported(command.Context(), func() error { return run.get(command, args) })
		},
	}
	run.addFlags(command)
	command.ValidArgsFunction = func(command *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		return completion.ResourceTypeAndNameCompletionFunc(run.first())(command, args, typed)
	}
	run.complete(command)
	return command
}

func (r *getRun) addFlags(command *cobra.Command) {
	r.access.addTo(command.Flags())
	r.scope.addTo(command, "default karmada, with --clusters members")
	r.places.addTo(command)
	r.PrintFlags.AddFlags(command)
	flags := command.Flags()
	flags.StringVar(&r.Raw, "raw", "", "Path to ask of a single place, instead of a resource")
	flags.BoolVarP(&r.Watch, "watch", "w", false, "Go on to show changes")
	flags.BoolVar(&r.WatchOnly, "watch-only", false, "Show changes, without what there is before them")
	flags.BoolVar(&r.OutputWatchEvents, "output-watch-events", false, "Show what kind of change it is, with --watch or --watch-only")
	flags.BoolVar(&r.IgnoreNotFound, "ignore-not-found", false, "It is no error when an object does not exist")
	flags.StringVar(&r.FieldSelector, "field-selector", "", "Fields that objects must have, such as metadata.name=nginx")
	flags.BoolVarP(&r.AllNamespaces, "all-namespaces", "A", false, "Objects of all namespaces")
	flags.BoolVar(&r.ServerPrint, "server-print", true, "Have the servers lay out their tables")
	cmdutil.AddFilenameOptionFlags(command, &r.FilenameOptions, "identifying the resource to get from a server.")
	cmdutil.AddChunkSizeFlag(command, &r.ChunkSize)
	cmdutil.AddLabelSelectorFlagVar(command, &r.LabelSelector)
	cmdutil.AddSubresourceFlags(command, &r.Subresource, "Subresource to get of the requested object.")
	accept(flags, map[string]string{"labels": "selector"})
}

// first is the place whose names completion offers.
func (r *getRun) first() cmdutil.Factory {
	if len(r.named) > 0 {
		return factoryOf(r.access.member(r.named[0]))
	}
	return r.access.factory()
}

func (r *getRun) get(command *cobra.Command, args []string) error {
	if err := r.Validate(); err != nil {
		return err
	}
	found, left, err := r.find(command.Context())
	if err != nil {
		return err
	}
	if r.Raw != "" {
		return r.raw(command, found)
	}
	if len(found) == 0 {
		return joined(append(left, errors.New("there is no member to ask")))
	}
	see := r.gather
	if r.Watch || r.WatchOnly {
		see = r.watch
	}
	return joined(append(left, see(command, args, found)...))
}

// raw asks a single place for a path.
func (r *getRun) raw(command *cobra.Command, found []place) error {
	if len(found) != 1 {
		return errors.New("--raw asks one place: name a single member with --clusters, or none")
	}
	return found[0].fault(r.GetOptions.Run(found[0].factory, command.Flags().Args()))
}

// optionsFor are the options of kubectl for one place; what they give to print comes to see instead.
func (r *getRun) optionsFor(command *cobra.Command, args []string, at place, see func(seen) error) (*get.GetOptions, error) {
	options := *r.GetOptions
	options.IOStreams.Out, options.IOStreams.ErrOut = io.Discard, io.Discard
	if err := options.Complete(at.factory, command, args); err != nil {
		return nil, err
	}
	options.ToPrinter = func(mapping *meta.RESTMapping, shown *bool, withNamespace, _ bool) (printers.ResourcePrinterFunc, error) {
		decoded := get.TablePrinter{Delegate: printers.ResourcePrinterFunc(func(object runtime.Object, _ io.Writer) error {
			return see(seen{place: at, mapping: mapping, withNamespace: withNamespace, object: object, hidden: shown != nil && !*shown})
		})}
		return decoded.PrintObj, nil
	}
	return &options, nil
}

// gather asks all places at once and prints what they have in their order.
func (r *getRun) gather(command *cobra.Command, args []string, found []place) []error {
	answers := make([][]seen, len(found))
	faults := inAll(found, func(i int, at place) error {
		args := slices.Clone(args) // kubectl's code writes to them
		options, err := r.optionsFor(command, args, at, func(s seen) error { answers[i] = append(answers[i], s); return nil })
		if err != nil {
			return err
		}
		return options.Run(at.factory, args)
	})
	told := told(faults, len(r.named) > 0)
	options, err := r.completed(command, args, found[0])
	if err != nil {
		return append(told, err)
	}
	all := slices.Concat(answers...)
	if !options.IsHumanReadablePrinter {
		err = printObjects(options, all, len(found) > 1)
	} else {
		var rows int
		rows, err = printTables(options, all)
		if rows == 0 && err == nil && len(told) == 0 && !r.IgnoreNotFound {
			r.tellNothing(options.Namespace)
		}
	}
	if err != nil {
		told = append(told, err)
	}
	return told
}

func (r *getRun) tellNothing(namespace string) {
	if r.AllNamespaces {
		fmt.Fprintln(r.ErrOut, "No resources found")
		return
	}
	fmt.Fprintf(r.ErrOut, "No resources found in %s namespace.\n", namespace)
}

// completed are the options of kubectl that print.
func (r *getRun) completed(command *cobra.Command, args []string, at place) (*get.GetOptions, error) {
	options := *r.GetOptions
	return &options, options.Complete(at.factory, command, args)
}

// watch follows all places until each of them ends.
func (r *getRun) watch(command *cobra.Command, args []string, found []place) []error {
	options, err := r.completed(command, args, found[0])
	if err != nil {
		return []error{err}
	}
	live := newLivePrinter(options)
	return told(inAll(found, func(_ int, at place) error {
		args := slices.Clone(args)
		options, err := r.optionsFor(command, args, at, live.print)
		if err != nil {
			return err
		}
		return options.Run(at.factory, args)
	}), len(r.named) > 0)
}
