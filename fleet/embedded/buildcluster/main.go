// Command buildcluster builds the cluster binary of fleet/embedded into bin/, from anywhere in the source tree.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/seatrial/seatrial/fleet/embedded"
)

func main() {
	output := flag.String("o", "", "path of the binary (default bin/seatrial-cluster of the source tree)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := embedded.BuildBinary(ctx, *output, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
