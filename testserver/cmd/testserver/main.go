// Command testserver is a workload to watch from outside, and the client that watches it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/seatrial/seatrial/testserver"
	"github.com/seatrial/seatrial/testserver/ask"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// Once ending, a second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	if err := newRootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		stop()
		os.Exit(1)
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "testserver",
		Short:         "An HTTP server to run as a workload, and a client that goes on asking it",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newServeCommand(), newAskCommand())
	return root
}

func newServeCommand() *cobra.Command {
	options := testserver.Options{LogSize: 1000, Linger: 5 * time.Second, Patience: 10 * time.Second}
	listen := ":8080"
	command := &cobra.Command{
		Use:   "serve",
		Short: "Answer requests with the name of this server",
		Long: `Answer every request with the name of this server, and tell about itself:

  GET /livez    200 while it runs
  GET /readyz   200 while it is ready; PUT true or false there switches it
  GET /count    how many requests it has served, as JSON
  GET /log      the last requests, one JSON object a line

On SIGTERM it is not ready any more, serves on for --linger, and ends when no request is open.`,
		Example: `  testserver serve --listen 127.0.0.1:8080 --name one

  # Not ready any more
  curl -X PUT -d false http://127.0.0.1:8080/readyz`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return serve(command.Context(), options, listen) },
	}
	flags := command.Flags()
	flags.StringVar(&listen, "listen", listen, "Address to listen on")
	flags.StringVar(&options.Name, "name", "", "Name to answer with (default that of the machine, in a pod the pod's)")
	flags.IntVar(&options.LogSize, "log-size", options.LogSize, "Requests to remember for /log")
	flags.DurationVar(&options.Latency, "latency", 0, "How long an answer takes")
	flags.DurationVar(&options.Linger, "linger", options.Linger, "How long to go on serving, not ready, when told to end")
	flags.DurationVar(&options.Patience, "patience", options.Patience, "How long to wait for open requests after that")
	return command
}

func serve(ctx context.Context, options testserver.Options, listen string) error {
	if options.Name == "" {
		var err error
		if options.Name, err = os.Hostname(); err != nil {
			return fmt.Errorf("finding a name (see --name): %w", err)
		}
	}
	server, err := testserver.New(options)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listening (see --listen): %w", err)
	}
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	log.Info("serving", "name", options.Name, "address", listener.Addr().String())
	err = server.Serve(ctx, listener)
	log.Info("ended", "name", options.Name, "error", err)
	return err
}

func newAskCommand() *cobra.Command {
	plan := ask.Plan{Rate: 20, Timeout: time.Second, For: 30 * time.Second}
	output := "text"
	command := &cobra.Command{
		Use:   "ask URL [URL...]",
		Short: "Go on asking through addresses at a steady rate, and tell what was served",
		Long: `Ask through the addresses in turn at a steady rate, whatever happens meanwhile, and tell how many requests were served, how many
failed, and the longest time without one that was served. Interrupted, it tells of what was asked until then.`,
		Example: `  # Two clusters, through the node ports of one service, for a minute
  testserver ask http://172.18.0.3:30080 http://172.18.0.4:30080 --failover --rate 50 --for 1m -o json`,
		RunE: func(command *cobra.Command, args []string) error {
			plan.Addresses = args
			if output != "text" && output != "json" {
				return fmt.Errorf("--output %q: use text or json", output)
			}
			report, err := ask.Run(command.Context(), plan)
			if err != nil {
				return err
			}
			if output == "json" {
				encoder := json.NewEncoder(command.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(report)
			}
			return report.Print(command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.Float64Var(&plan.Rate, "rate", plan.Rate, "Requests a second")
	flags.IntVar(&plan.Count, "count", 0, "End after so many requests; 0 means --for alone ends it")
	flags.DurationVar(&plan.For, "for", plan.For, "End after this time; 0 means --count alone ends it")
	flags.DurationVar(&plan.Timeout, "timeout", plan.Timeout, "Time for one try at one address")
	flags.BoolVar(&plan.Failover, "failover", false, "Try the other addresses when one fails, before the request counts as failed")
	flags.StringVarP(&output, "output", "o", output, "Output format: text or json")
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return command
}
