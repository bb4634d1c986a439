package component

import (
	"maps"
	"strings"

	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
)

// klogFlags are what components accepted for their logs before these had formats: name, and why it does nothing.
func klogFlags() Ignored {
	const files = "logs go to the standard error output; send that to a file instead"
	return Ignored{
		"logtostderr": files, "alsologtostderr": files, "log-dir": files, "log-file": files, "log-file-max-size": files, "one-output": files,
		"stderrthreshold": files, "skip-log-headers": files,
		"add-dir-header":   "log lines name the file and its line alone",
		"skip-headers":     "log lines begin with level and time; --logging-format=json has them as fields",
		"log-backtrace-at": "log lines have no stacks",
	}
}

// AddLoggingFlags adds the flags of logs, and accepts those that earlier components had; underscores count as dashes. What it returns,
// called when the flags are read, warns of those that were given without an effect.
func AddLoggingFlags(logging *logsapi.LoggingConfiguration, flags *pflag.FlagSet) (warn func()) {
	logsapi.AddFlags(logging, flags)
	ignored := klogFlags()
	ignored.AddTo(flags)
	for _, name := range []string{"logtostderr", "alsologtostderr", "one-output", "skip-log-headers", "add-dir-header", "skip-headers"} {
		flags.Lookup(name).NoOptDefVal = "true"
	}
	flags.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	return func() {
		// What is given as it is anyway needs no warning.
		needless := func(name, _ string) bool {
			return flags.Lookup(name).Value.String() == "false" || strings.HasSuffix(name, "logtostderr")
		}
		worth := maps.Clone(ignored)
		maps.DeleteFunc(worth, needless)
		worth.Warn(flags)
	}
}
