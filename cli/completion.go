package cli

import (
	"github.com/spf13/cobra"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/util/completion"
)

// resourceNames completes names of objects of one kind.
func resourceNames(f cmdutil.Factory, resource string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return completion.CompGetResource(f, resource, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// resourceTypes completes one kind.
func resourceTypes(f cmdutil.Factory) cobra.CompletionFunc {
	complete := completion.ResourceTypeAndNameCompletionFunc(f)
	return func(command *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(command, args, typed)
	}
}

// typesThenNames completes a kind and then the name of one object of it.
func typesThenNames(f cmdutil.Factory) cobra.CompletionFunc {
	return completion.SpecifiedResourceTypeAndNameNoRepeatCompletionFunc(f, nil)
}
