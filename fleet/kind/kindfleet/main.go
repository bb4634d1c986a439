// Command kindfleet makes the fleet of kind clusters that suites run on, looks at it and ends it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/kind"
)

const usage = `usage: kindfleet [-root folder] command

  up                       make the host and three members, or what is missing of them
  list                     show the clusters and where their kubeconfigs are
  load IMAGE [CLUSTER...]  put an image of the Docker engine on the nodes
  build IMAGE PACKAGE      compile a command and make an image of it
  address CLUSTER PORT     tell where this machine reaches a NodePort
  pause|resume|kill|stop|revive|partition|heal|add|remove CLUSTER
                           do that to a cluster
  down                     delete the fleet
`

// errUsage says that the arguments make no command.
var errUsage = errors.New("no such command, or not these arguments")

func main() {
	root := flag.String("root", ".cache/kind/fleet", "state folder of the fleet")
	flag.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *root, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, errUsage) {
			flag.Usage()
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, root string, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	f, err := kind.Open(ctx, kind.Options{Root: root})
	if err != nil {
		return err
	}
	switch command, args := args[0], args[1:]; {
	case command == "up" && len(args) == 0:
		began := time.Now()
		if err := f.Up(ctx, kind.DefaultSpecs()...); err != nil {
			return err
		}
		fmt.Fprintf(out, "up after %s\n", time.Since(began).Round(time.Millisecond))
		return list(ctx, out, f)
	case command == "list" && len(args) == 0:
		return list(ctx, out, f)
	case command == "load" && len(args) > 0:
		return f.Load(ctx, args[0], args[1:]...)
	case command == "build" && len(args) == 2:
		return kind.BuildImage(ctx, args[0], args[1])
	case command == "address" && len(args) == 2:
		return address(ctx, out, f, args[0], args[1])
	case command == "down" && len(args) == 0:
		return f.Delete(ctx)
	case len(args) == 1:
		return disturb(ctx, f, command, args[0])
	default:
		return errUsage
	}
}

func disturb(ctx context.Context, f *kind.Fleet, command, cluster string) error {
	do, ok := map[string]func(context.Context, string) error{
		"pause": f.Pause, "resume": f.Resume,
		"kill": f.Kill, "stop": f.Stop, "revive": f.Revive,
		"partition": f.Partition, "heal": f.Heal,
		"add":    func(ctx context.Context, name string) error { return f.Add(ctx, fleet.Spec{Name: name}) },
		"remove": f.Remove,
	}[command]
	if !ok {
		return errUsage
	}
	return do(ctx, cluster)
}

func list(ctx context.Context, out io.Writer, f *kind.Fleet) error {
	clusters, err := f.Clusters(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CLUSTER\tSTATE\tPARTITIONED\tENDPOINT\tKUBECONFIG")
	for _, c := range clusters {
		kubeconfig, err := f.Kubeconfig(ctx, c.Name)
		if errors.Is(err, kind.ErrNotInstalled) {
			kubeconfig, err = "(not installed)", nil
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%s\t%t\t%s\t%s\n", c.Name, c.State, c.Partitioned, c.Endpoint, kubeconfig)
		if c.Role == fleet.ControlPlane {
			fmt.Fprintf(table, "  its host\t\t\t\t%s\n", f.HostKubeconfig())
		}
	}
	return table.Flush()
}

func address(ctx context.Context, out io.Writer, f *kind.Fleet, cluster, port string) error {
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("the port %q is no number", port)
	}
	where, err := f.Address(ctx, cluster, number)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, where)
	return nil
}
