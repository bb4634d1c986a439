package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd/attach"
	"k8s.io/kubectl/pkg/cmd/exec"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

func newExecCommand(streams genericiooptions.IOStreams) *cobra.Command {
	return inOnePod(func(f cmdutil.Factory) *cobra.Command { return exec.NewCmdExec(f, streams) },
		"Run a command in a container of a member", `  # In a pod, in whichever member it is
  seatrial exec nginx-7c5b -- date

  # In a pod of a deployment that several members have; a shell
  seatrial exec deployment/nginx -C member1 -it -- sh`)
}

func newAttachCommand(streams genericiooptions.IOStreams) *cobra.Command {
	return inOnePod(func(f cmdutil.Factory) *cobra.Command { return attach.NewCmdAttach(f, streams) },
		"Attach to a container of a member", `  # To a pod, in whichever member it is
  seatrial attach nginx-7c5b

  # To a container of a pod of one member, with a terminal
  seatrial attach web-0 -c shell -C member1 -it`)
}

// inOnePod adopts a command that works on one pod. Unless the flags name the place, it is the only member that has the pod.
func inOnePod(build func(cmdutil.Factory) *cobra.Command, short, example string) *cobra.Command {
	t := newTarget()
	command := build(t.factory())
	command = adopt(command, func(command *cobra.Command, args []string) error {
		if t.scope.value == "" && t.cluster == "" {
			return t.search(command, args)
		}
		return t.settle(command.Context())
	})
	command.Short, command.Example = short, example
	command.Long = short + `.

Without --cluster and --operation-scope, the pod is looked for in all members that are ready, and it must be in one alone.`
	t.access.addTo(command.Flags())
	t.addTo(command, "default the member that has the pod")
	t.complete(command)
	return command
}

// search sets the cluster to the only member that has what the first argument names.
func (t *target) search(command *cobra.Command, args []string) error {
	if len(args) == 0 || command.ArgsLenAtDash() == 0 {
		return errors.New("name a POD or TYPE/NAME, or the member with --cluster")
	}
	everywhere := &places{access: t.access, scope: scope{allowed: []string{scopeMembers}}}
	found, left, err := everywhere.find(command.Context())
	if err != nil {
		return err
	}
	holders, faults, err := holding(found, args[0])
	if err != nil {
		return err
	}
	switch len(holders) {
	case 1:
		// Who may not look into a member has nothing there to be mistaken for.
		if unsure := slices.DeleteFunc(faults, apierrors.IsForbidden); len(unsure) > 0 {
			return joined(append(unsure, fmt.Errorf("%s is in %s, and may be elsewhere: name it with --cluster", named(args[0]), holders[0].name)))
		}
		t.cluster = holders[0].name
		return nil
	case 0:
		return joined(append(append(left, faults...), fmt.Errorf("no member has %s in this namespace (see --namespace)", named(args[0]))))
	}
	var names []string
	for _, holder := range holders {
		names = append(names, holder.name)
	}
	return fmt.Errorf("%s is in %s: name one of them with --cluster", named(args[0]), strings.Join(names, ", "))
}

// named reads an argument as kubectl does, for which a name alone is that of a pod.
func named(argument string) string {
	if strings.Contains(argument, "/") {
		return argument
	}
	return "pod " + argument
}

// holding are the places that have an object. Faults are those of places that do not answer.
func holding(found []place, argument string) (holders []place, faults []error, err error) {
	if len(found) == 0 {
		return nil, nil, errors.New("there is no member to ask: none is ready")
	}
	namespace, _, err := found[0].factory.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the namespace of the kubeconfig: %w", err)
	}
	has := make([]bool, len(found))
	answers := inAll(found, func(i int, at place) error {
		_, err := at.factory.NewBuilder().Unstructured().NamespaceParam(namespace).DefaultNamespace().SingleResourceType().
			ResourceNames("pods", argument).Do().Infos()
		has[i] = err == nil
		return err
	})
	for i, at := range found {
		if has[i] {
			holders = append(holders, at)
		}
		for _, cause := range answers[i].causes {
			if !absent(cause) {
				faults = append(faults, at.fault(cause))
			}
		}
	}
	return slices.Clip(holders), faults, nil
}
