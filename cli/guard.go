package cli

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

// Failure is how a command ended that kubectl's code ran: with what kubectl would say and exit with.
type Failure struct {
	message string
	// Code is never 0.
	Code int
}

// Error is empty when all was said before.
func (f *Failure) Error() string { return f.message }

// catchFatal has kubectl's code, which ends the process on errors, tell guarded instead.
var catchFatal = sync.OnceFunc(func() {
	cmdutil.BehaviorOnFatal(func(message string, code int) {
		panic(&Failure{message: withFix(strings.TrimSuffix(strings.TrimPrefix(message, "error: "), "\n")), Code: code})
	})
})

// withFix says what helps against an error of which kubectl does not.
func withFix(message string) string {
	if strings.Contains(message, noSuchKind) {
		message += "; " + programName + " api-resources lists those it has"
	}
	return message
}

// guarded runs code of kubectl, which reports errors by cmdutil.CheckErr and mostly heeds no context: once that ends, nobody waits
// for it any longer.
func guarded(ctx context.Context, run func()) error {
	catchFatal()
	if !klog.V(1).Enabled() {
		// The libraries log what comes back as an error as well.
		klog.SetLogger(logr.Discard())
	}
	ended := make(chan error, 1)
	go func() {
		defer func() {
			switch reason := recover().(type) {
			case nil:
				ended <- nil
			case *Failure:
				ended <- reason
			default:
				panic(reason)
			}
		}()
		run()
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return errors.New("interrupted")
	}
}

// reported has an error say what kubectl says of it: "Error from server (NotFound): ...".
func reported(ctx context.Context, run func() error) error {
	return guarded(ctx, func() { cmdutil.CheckErr(run()) })
}

// adopt makes a command of kubectl, with all below it, one of ours. What prepare finds is told before the command begins.
func adopt(command *cobra.Command, prepare func(command *cobra.Command, args []string) error) *cobra.Command {
	for _, below := range command.Commands() {
		adopt(below, prepare)
	}
	command.Long, command.Example = spoken(command.Long), spoken(command.Example)
	run := command.Run
	if run == nil {
		return command
	}
	command.Run = nil
	command.RunE = func(command *cobra.Command, args []string) error {
		if prepare != nil {
			if err := prepare(command, args); err != nil {
				return err
			}
		}
		return guarded(command.Context(), func() { run(command, args) })
	}
	return command
}

func spoken(text string) string {
	return strings.ReplaceAll(text, "kubectl ", programName+" ")
}
