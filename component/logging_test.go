package component

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
)

// TestLoggingFlagsWarn of what was given and has no effect, and of nothing that is as it was asked for.
func TestLoggingFlagsWarn(t *testing.T) {
	defer klog.CaptureState().Restore()
	var told bytes.Buffer
	klog.LogToStderr(false)
	klog.SetOutput(&told)
	flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
	warn := AddLoggingFlags(logsapi.NewLoggingConfiguration(), flags)
	arguments := []string{"--logtostderr", "--alsologtostderr=false", "--one-output=false", "--skip_headers", "--log_dir=/var/log/x", "--v=2"}
	if err := flags.Parse(arguments); err != nil {
		t.Fatal(err)
	}
	warn()
	klog.Flush()
	for name, wanted := range map[string]bool{
		"logtostderr": false, "alsologtostderr": false, "one-output": false, "skip-headers": true, "log-dir": true, "log-file": false, "stderrthreshold": false,
	} {
		if warned := strings.Contains(told.String(), "--"+name+" has no effect"); warned != wanted {
			t.Errorf("warns of --%s: %t, want %t in\n%s", name, warned, wanted, told.String())
		}
	}
}
