package component

import (
	"fmt"
	"slices"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/component-base/featuregate"
	logsapi "k8s.io/component-base/logs/api/v1"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
)

// ApplyLogging makes the logs of the process what the flags say, once. Whatever the verbosity, they do not hold what is said to API
// servers: client-go would write it out from --v=8 on, the secrets of members among it.
func ApplyLogging(logging *logsapi.LoggingConfiguration, gates featuregate.FeatureGate) error {
	// What a format keeps back in a buffer is written by a function that klog alone knows, and forgets below.
	logging.Options.Text.InfoBufferSize, logging.Options.JSON.InfoBufferSize = resource.QuantityValue{}, resource.QuantityValue{}
	if err := logsapi.ValidateAndApply(logging, gates); err != nil {
		return fmt.Errorf("logging flags: %w", err)
	}
	logger := klog.Background()
	options := []klog.LoggerOption{klog.ContextualLogger(true)}
	if writer, ok := logger.GetSink().(textlogger.KlogBufferWriter); ok {
		options = append(options, klog.WriteKlogBuffer(writer.WriteKlogBuffer))
	}
	klog.SetLoggerWithOptions(discreetly(logger), options...)
	return nil
}

// bodies are the messages of client-go with what was said, under the key "body".
var bodies = []string{"Request Body", "Response Body"}

func discreetly(logger logr.Logger) logr.Logger {
	sink := logger.GetSink()
	if deep, ok := sink.(logr.CallDepthLogSink); ok {
		sink = deep.WithCallDepth(1)
	}
	return logger.WithSink(discreet{sink})
}

// discreet leaves the bodies of requests and answers out of logs.
type discreet struct{ logr.LogSink }

// Init implements logr.LogSink. The sink inside is in use already.
func (discreet) Init(logr.RuntimeInfo) {}

// Info implements logr.LogSink.
func (d discreet) Info(level int, message string, pairs ...any) {
	if slices.Contains(bodies, message) {
		pairs = withoutBody(pairs)
	}
	d.LogSink.Info(level, message, pairs...)
}

func withoutBody(pairs []any) []any {
	pairs = slices.Clone(pairs)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] == "body" {
			pairs[i+1] = fmt.Sprintf("(%d bytes)", len(fmt.Sprint(pairs[i+1])))
		}
	}
	return pairs
}

// WithValues implements logr.LogSink.
func (d discreet) WithValues(pairs ...any) logr.LogSink {
	return discreet{d.LogSink.WithValues(pairs...)}
}

// WithName implements logr.LogSink.
func (d discreet) WithName(name string) logr.LogSink { return discreet{d.LogSink.WithName(name)} }

// WithCallDepth implements logr.CallDepthLogSink.
func (d discreet) WithCallDepth(depth int) logr.LogSink {
	if deep, ok := d.LogSink.(logr.CallDepthLogSink); ok {
		return discreet{deep.WithCallDepth(depth)}
	}
	return d
}
