package component

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"k8s.io/component-base/featuregate"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
)

// TestLogsAreNotKeptBack in a buffer that nobody empties: what is logged is there at once, whatever the flags say.
func TestLogsAreNotKeptBack(t *testing.T) {
	defer klog.CaptureState().Restore()
	output, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	stdout := os.Stdout
	os.Stdout = output
	defer func() { os.Stdout = stdout }()
	gates := featuregate.NewFeatureGate()
	if err := errors.Join(logsapi.AddFeatureGates(gates), gates.Set("LoggingAlphaOptions=true")); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text", "json"} {
		flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
		logging := logsapi.NewLoggingConfiguration()
		logsapi.AddFlags(logging, flags)
		arguments := []string{"--logging-format=" + format, "--log-" + format + "-split-stream", "--log-" + format + "-info-buffer-size=1Mi", "--log-flush-frequency=1h"}
		if err := flags.Parse(arguments); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(logsapi.ResetForTest(gates), ApplyLogging(logging, gates)); err != nil {
			t.Fatal(err)
		}
		klog.Background().Info("hello from " + format)
		told, err := os.ReadFile(output.Name())
		if err != nil || !strings.Contains(string(told), "hello from "+format) {
			t.Errorf("%s: the output is %q, %v", format, told, err)
		}
	}
	if err := logsapi.ResetForTest(gates); err != nil {
		t.Error(err)
	}
}

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
