package component

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// RegisterBuild tells by a metric of the reference what the process was built from: a gauge that is always 1.
func RegisterBuild(registry prometheus.Registerer) error {
	made := prometheus.Labels{
		"git_version": "unknown", "git_commit": "", "git_tree_state": "", "build_date": "",
		"go_version": runtime.Version(), "compiler": runtime.Compiler, "platform": runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		made["git_version"] = info.Main.Version
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				made["git_commit"] = setting.Value
			case "vcs.time":
				made["build_date"] = setting.Value
			case "vcs.modified":
				made["git_tree_state"] = map[string]string{"true": "dirty", "false": "clean"}[setting.Value]
			}
		}
	}
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "karmada_build_info", Help: "What the process was built from, as labels.", ConstLabels: made,
	})
	gauge.Set(1)
	err := registry.Register(gauge)
	var known prometheus.AlreadyRegisteredError
	if err != nil && !errors.As(err, &known) {
		return fmt.Errorf("registering the metric of the build: %w", err)
	}
	return nil
}
