package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// TestContextHasBothNames: users of kubectl say --context, and the commands below another know it as well.
func TestContextHasBothNames(t *testing.T) {
	streams := genericiooptions.NewTestIOStreamsDiscard()
	for _, command := range append(Commands(streams), NewExplainCommand(streams)) {
		eachBelow(command, func(command *cobra.Command) {
			if command.Name() == "top" {
				// The commands below it do the work.
				return
			}
			for _, name := range []string{"--context", "--karmada-context"} {
				if err := command.ParseFlags([]string{name, "there"}); err != nil {
					t.Errorf("%s: %v", command.CommandPath(), err)
				} else if got := command.Flag("karmada-context").Value.String(); got != "there" {
					t.Errorf("%s %s there gives %q", command.CommandPath(), name, got)
				}
			}
		})
	}
}

func eachBelow(command *cobra.Command, see func(*cobra.Command)) {
	see(command)
	for _, below := range command.Commands() {
		eachBelow(below, see)
	}
}

func TestUnknownKindsAreToldWithTheFix(t *testing.T) {
	_, _, err := webs(t).run("get", "gizmos")
	if err == nil || !strings.HasSuffix(err.Error(), `"gizmos"; seatrial api-resources lists those it has`) {
		t.Errorf("got %v", err)
	}
}
