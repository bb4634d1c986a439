package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build tells what this executable was made from.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCommand() *cobra.Command {
	output := outputText
	command := &cobra.Command{
		Use:     "version",
		Short:   "Print what this executable was built from",
		Example: "  seatrial version -o json",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			made := currentBuild()
			if output == outputJSON {
				encoder := json.NewEncoder(command.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(made)
			}
			_, err := fmt.Fprintf(command.OutOrStdout(), "seatrial %s (%s, %s)\n", made.Version, made.Go, made.Platform)
			return err
		},
	}
	output.addTo(command)
	return command
}

func currentBuild() build {
	made := build{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return made
	}
	made.Version = info.Main.Version
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			made.Commit = setting.Value
		case "vcs.modified":
			made.Modified = setting.Value == "true"
		}
	}
	return made
}
