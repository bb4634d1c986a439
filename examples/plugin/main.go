package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/seatrial/seatrial/component"
	"github.com/seatrial/seatrial/scheduler/framework"
)

// main runs a scheduler like `seatrial scheduler`, with all its flags. Start it with --config=scheduler.yaml, or with
// --plugins='*' for the default arguments.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	registry := framework.Registry{}
	Register(registry)
	if err := component.NewScheduler(registry).ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		stop()
		os.Exit(1)
	}
}
