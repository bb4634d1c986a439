package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/cert"

	"github.com/seatrial/seatrial/registration"
)

func newTokenCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "token",
		Short: "Manage the bootstrap tokens by which clusters register",
		Long:  `Manage bootstrap tokens: who holds one can register a new cluster in Pull mode, until the token expires.`,
		Example: `  # A token for a day, and the command that registers a cluster with it
  seatrial token create --print-register-command`,
	}
	s := &sides{}
	flags := command.PersistentFlags()
	flags.StringVar(&s.kubeconfig, "kubeconfig", "", "Kubeconfig of the control plane (default $KUBECONFIG or ~/.kube/config)")
	flags.StringVar(&s.context, "karmada-context", "", "Context of the control plane in that kubeconfig (default its current one)")
	command.AddCommand(newTokenCreateCommand(s), newTokenListCommand(s), newTokenDeleteCommand(s))
	return command
}

func newTokenCreateCommand(s *sides) *cobra.Command {
	token := registration.DefaultToken()
	lifetime, printCommand := 24*time.Hour, false
	command := &cobra.Command{
		Use:   "create [TOKEN]",
		Short: "Create a bootstrap token, and print it",
		Example: `  seatrial token create --ttl 1h --description "for member4"

  # The command that registers a cluster with the token
  seatrial token create --print-register-command`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if lifetime < 0 {
				return errors.New("--ttl: a token cannot last less than no time; 0 means for ever")
			}
			if lifetime > 0 {
				token.Expires = time.Now().Add(lifetime)
			}
			return s.createToken(command, args, token, printCommand)
		},
	}
	flags := command.Flags()
	flags.DurationVar(&lifetime, "ttl", lifetime, "How long the token lasts; 0 means for ever")
	flags.StringSliceVar(&token.Usages, "usages", token.Usages, "What the token can be used for: signing, authentication")
	flags.StringSliceVar(&token.Groups, "groups", token.Groups, "Groups of those who come with the token; each begins with system:bootstrappers:")
	flags.StringVar(&token.Description, "description", "", "What the token is for")
	flags.BoolVar(&printCommand, "print-register-command", false, "Print the command that registers a cluster with the token instead of the token alone")
	return command
}

func (s *sides) createToken(command *cobra.Command, args []string, token registration.Token, printCommand bool) error {
	var err error
	if len(args) > 0 {
		token.Value = args[0]
	} else if token.Value, err = registration.NewTokenValue(); err != nil {
		return err
	}
	text := token.Value
	if printCommand {
		if text, err = s.registerCommand(token.Value); err != nil {
			return err
		}
	}
	plane, err := s.plane()
	if err != nil {
		return err
	}
	if err := token.Create(command.Context(), plane); err != nil {
		return err
	}
	_, err = fmt.Fprintln(command.OutOrStdout(), text)
	return err
}

// registerCommand registers a cluster with a token at the control plane of the kubeconfig.
func (s *sides) registerCommand(token string) (string, error) {
	config, err := load(s.kubeconfig, s.context).ClientConfig()
	if err != nil {
		return "", fmt.Errorf("finding the control plane (see --kubeconfig and --karmada-context): %w", err)
	}
	if err := rest.LoadTLSFiles(config); err != nil {
		return "", fmt.Errorf("reading the CA of the control plane: %w", err)
	}
	certificates, err := cert.ParseCertsPEM(config.CAData)
	if err != nil {
		return "", fmt.Errorf("--print-register-command needs the CA of the control plane, and its kubeconfig names none: %w", err)
	}
	text := fmt.Sprintf("seatrial register %s --token %s", strings.TrimPrefix(config.Host, "https://"), token)
	for _, certificate := range certificates {
		text += " --discovery-token-ca-cert-hash " + registration.HashCA(certificate)
	}
	return text, nil
}

func newTokenListCommand(s *sides) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the bootstrap tokens",
		Example: `  seatrial token list`,
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			plane, err := s.plane()
			if err != nil {
				return err
			}
			tokens, err := registration.Tokens(command.Context(), plane)
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(command.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(table, "TOKEN\tTTL\tEXPIRES\tUSAGES\tDESCRIPTION\tEXTRA GROUPS")
			for _, token := range tokens {
				left, expires := "<forever>", "<never>"
				if !token.Expires.IsZero() {
					left, expires = lastsFor(time.Until(token.Expires)), token.Expires.Format(time.RFC3339)
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", token.Value, left, expires, listedOr(token.Usages), listedOr([]string{token.Description}), listedOr(token.Groups))
			}
			return table.Flush()
		},
	}
}

func lastsFor(left time.Duration) string {
	if left <= 0 {
		return "<invalid>"
	}
	return left.Round(time.Second).String()
}

func listedOr(list []string) string {
	if text := strings.Join(list, ","); text != "" {
		return text
	}
	return "<none>"
}

func newTokenDeleteCommand(s *sides) *cobra.Command {
	return &cobra.Command{
		Use:   "delete TOKEN...",
		Short: "Delete bootstrap tokens, named by themselves or by their IDs",
		Example: `  seatrial token delete abcdef

  # All that there are
  seatrial token list | awk 'NR > 1 { print $1 }' | xargs seatrial token delete`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			plane, err := s.plane()
			if err != nil {
				return err
			}
			for _, token := range args {
				if err := registration.DeleteToken(command.Context(), plane, token); err != nil {
					return err
				}
				id, _, _ := strings.Cut(token, ".")
				if _, err := fmt.Fprintf(command.OutOrStdout(), "deleted token %s\n", id); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
