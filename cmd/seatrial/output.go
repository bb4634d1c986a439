package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// output is the form a command prints its data in; it implements pflag.Value.
type output string

const (
	outputText output = "text"
	outputJSON output = "json"
)

func outputs() []string { return []string{string(outputText), string(outputJSON)} }

func (o *output) String() string { return string(*o) }
func (o *output) Type() string   { return "format" }

// Set refuses forms that do not exist.
func (o *output) Set(text string) error {
	if !slices.Contains(outputs(), text) {
		return fmt.Errorf("use one of %s", strings.Join(outputs(), ", "))
	}
	*o = output(text)
	return nil
}

// addTo gives a command the flag -o and its completion.
func (o *output) addTo(command *cobra.Command) {
	command.Flags().VarP(o, "output", "o", "Output format: "+strings.Join(outputs(), " or "))
	// It fails only for a flag that does not exist.
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs(), cobra.ShellCompDirectiveNoFileComp))
}
