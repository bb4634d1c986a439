package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newDownCommand() *cobra.Command {
	var stateDir string
	var keepData bool
	command := &cobra.Command{
		Use:   "down",
		Short: "End the fleet on this machine",
		Long: `End every process that "seatrial up" started, and no other, and remove their data. It works on what a crashed or
interrupted start left, too. When nothing runs, it says so and succeeds.`,
		Example: `  seatrial down

  # Keep the data, so that "seatrial up" goes on from them
  seatrial down --keep-data`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			installation, err := openInstallation(stateDir)
			if err != nil {
				return err
			}
			found, err := installation.Down(command.Context(), keepData)
			if err != nil {
				return err
			}
			message := "ended the fleet in %s and removed its data\n"
			switch {
			case !found:
				message = "nothing to end: there is no fleet in %s\n"
			case keepData:
				message = "ended the fleet in %s and kept its data\n"
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), message, installation.Dir())
			return err
		},
	}
	addStateDir(command, &stateDir)
	command.Flags().BoolVar(&keepData, "keep-data", false, "Keep the clusters' data and the logs")
	return command
}
