// Package cli holds the verbs by which users work with the resources of a control plane and of its members, with the flags and
// habits of kubectl, whose code does the work. Members are reached through the proxy of the control plane, so one kubeconfig is
// enough for all of them.
package cli

import (
	// Its effect is all that is wanted of it.
	_ "github.com/seatrial/seatrial/cli/english"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd/annotate"
	"k8s.io/kubectl/pkg/cmd/apiresources"
	"k8s.io/kubectl/pkg/cmd/create"
	"k8s.io/kubectl/pkg/cmd/delete"
	"k8s.io/kubectl/pkg/cmd/describe"
	"k8s.io/kubectl/pkg/cmd/edit"
	"k8s.io/kubectl/pkg/cmd/explain"
	"k8s.io/kubectl/pkg/cmd/label"
	"k8s.io/kubectl/pkg/cmd/patch"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

const programName = "seatrial"

// Commands are the verbs, each with flags of its own.
func Commands(streams genericiooptions.IOStreams) []*cobra.Command {
	return []*cobra.Command{
		newGetCommand(streams), newDescribeCommand(streams), newLogsCommand(streams), newExecCommand(streams), newAttachCommand(streams),
		newTopCommand(streams), newApplyCommand(streams), newPromoteCommand(streams),
		onPlane(func(f cmdutil.Factory) *cobra.Command { return create.NewCmdCreate(f, streams) }),
		onPlane(func(f cmdutil.Factory) *cobra.Command { return edit.NewCmdEdit(f, streams) }),
		onPlane(func(f cmdutil.Factory) *cobra.Command { return patch.NewCmdPatch(f, streams) }),
		onPlane(func(f cmdutil.Factory) *cobra.Command { return label.NewCmdLabel(f, streams) }),
		onPlane(func(f cmdutil.Factory) *cobra.Command { return annotate.NewCmdAnnotate(programName, f, streams) }),
		onPlane(func(f cmdutil.Factory) *cobra.Command { return delete.NewCmdDelete(f, streams) }),
		onOne(func(f cmdutil.Factory) *cobra.Command { return apiresources.NewCmdAPIResources(f, streams) }),
		onOne(func(f cmdutil.Factory) *cobra.Command { return apiresources.NewCmdAPIVersions(f, streams) }),
	}
}

// NewExplainCommand documents kinds and their fields.
func NewExplainCommand(streams genericiooptions.IOStreams) *cobra.Command {
	return onOne(func(f cmdutil.Factory) *cobra.Command {
		command := explain.NewCmdExplain(programName, f, streams)
		command.ValidArgsFunction = resourceTypes(f)
		return command
	})
}

func newDescribeCommand(streams genericiooptions.IOStreams) *cobra.Command {
	return onOne(func(f cmdutil.Factory) *cobra.Command {
		command := describe.NewCmdDescribe(programName, f, streams)
		command.Example += "\n\n  # Describe a deployment of a member\n  " + programName + " describe deployment nginx --cluster member1"
		return command
	})
}

// onPlane adopts a command that works on the control plane alone.
func onPlane(build func(cmdutil.Factory) *cobra.Command) *cobra.Command {
	a := newAccess()
	command := adopt(build(a.factory()), nil)
	a.addBelow(command)
	a.complete(command)
	return command
}

// onOne adopts a command that works on the control plane or a member.
func onOne(build func(cmdutil.Factory) *cobra.Command) *cobra.Command {
	t := newTarget()
	command := adopt(build(t.factory()), func(command *cobra.Command, _ []string) error { return t.settle(command.Context()) })
	t.access.addTo(command.Flags())
	t.addTo(command, "default karmada, with --cluster members")
	t.complete(command)
	return command
}
