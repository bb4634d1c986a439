package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd/logs"
	"k8s.io/kubectl/pkg/util/completion"
)

// logsRun is one call of logs: kubectl's, once for each member.
type logsRun struct {
	*places
	*logs.LogsOptions
}

func newLogsCommand(streams genericiooptions.IOStreams) *cobra.Command {
	run := &logsRun{places: newPlaces(scopeMembers), LogsOptions: logs.NewLogsOptions(streams)}
	command := &cobra.Command{
		Use:   "logs (POD | TYPE/NAME | -l label) [-c CONTAINER]",
		Short: "Print the logs of containers in members",
		Long: `Print the logs of containers in members. Without --clusters, all members that are ready are asked, and those that do not have what
is named are passed over. Where logs of several members come together, each line begins with the name of its member.`,
		Example: `  # Of a pod, in whichever member it is
  seatrial logs nginx-7c5b

  # Of a deployment in two members
  seatrial logs deployment/nginx -C member1,member2

  # Of all pods with a label, in all members, while they write
  seatrial logs -l app=nginx --all-containers --prefix -f`,
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) == 0 && run.Selector == "" {
				return errors.New("name a POD or TYPE/NAME, or give a --selector of pods")
			}
			return reported(command.Context(), func() error { return run.logs(command, args) })
		},
	}
	run.access.addTo(command.Flags())
	run.places.addTo(command)
	run.AddFlags(command)
	command.ValidArgsFunction = func(command *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(run.named) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return completion.PodResourceNameAndContainerCompletionFunc(factoryOf(run.access.member(run.named[0])))(command, args, typed)
	}
	run.complete(command)
	return command
}

func (r *logsRun) logs(command *cobra.Command, args []string) error {
	found, left, err := r.find(command.Context())
	if err != nil {
		return err
	}
	if len(args) > 0 && len(r.named) == 0 {
		holders, faults, err := holding(found, args[0])
		if err != nil {
			return err
		}
		if left = append(left, faults...); len(holders) == 0 {
			return joined(append(left, fmt.Errorf("no member has %s in this namespace (see --namespace)", named(args[0]))))
		}
		found = holders
		if isPod(args[0]) {
			// The log of a pod is whole, whoever else does not answer. A workload may have pods in every member.
			left = nil
		}
	}
	faults := r.logsOf(command.Context(), command, args, found)
	return joined(append(left, faults...))
}

// isPod tells whether an argument of kubectl means a pod.
func isPod(argument string) bool {
	kind, _, qualified := strings.Cut(argument, "/")
	return !qualified || slices.Contains([]string{"pod", "pods", "po"}, kind)
}

// logsOf prints one member after the other, or all at once when they are followed.
func (r *logsRun) logsOf(ctx context.Context, command *cobra.Command, args []string, found []place) []error {
	lock := &sync.Mutex{}
	work := func(_ int, at place) (err error) {
		options := *r.LogsOptions
		if len(found) > 1 {
			lines := &lineWriter{prefix: "[" + at.name + "] ", out: r.Out, lock: lock}
			defer func() { err = errors.Join(err, lines.Close()) }()
			options.Out = lines
		}
		if err := options.Complete(at.factory, command, slices.Clone(args)); err != nil {
			return err
		}
		if err := options.Validate(); err != nil {
			return err
		}
		return options.RunLogsContext(ctx)
	}
	if r.Follow {
		return told(inAll(found, work), true)
	}
	var faults []error
	for i := range found {
		faults = append(faults, told(inAll(found[i:i+1], work), true)...)
	}
	return faults
}

// lineWriter puts a prefix before each line, and writes whole lines only: others write to the same place.
type lineWriter struct {
	prefix string
	out    io.Writer
	lock   *sync.Mutex
	rest   []byte
}

func (w *lineWriter) Write(text []byte) (int, error) {
	w.rest = append(w.rest, text...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 {
			return len(text), nil
		}
		if err := w.line(w.rest[:end+1]); err != nil {
			return 0, err
		}
		w.rest = w.rest[end+1:]
	}
}

func (w *lineWriter) line(text []byte) error {
	w.lock.Lock()
	defer w.lock.Unlock()
	_, err := w.out.Write(append([]byte(w.prefix), text...))
	return err
}

// Close writes what had no end of line.
func (w *lineWriter) Close() error {
	if len(w.rest) == 0 {
		return nil
	}
	return w.line(append(w.rest, '\n'))
}
