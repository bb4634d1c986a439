package main

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// While a fleet is small its heap would be collected dozens of times a second; while it is large, garbage as large as itself would
// need as much memory again. So a simulation may hold this much garbage, or this part of what lives if that is more, in percent. It
// takes no more memory than the aim for it, as long as that leaves room for this part.
const (
	garbageRoom = 2304 << 20
	garbagePart = 60
	memoryAim   = 5800 << 20
)

// tendHeap sets the garbage collector accordingly until the context ends, unless the user has done so by GOGC.
func tendHeap(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(400)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for {
		select {
		case <-ctx.Done():
			debug.SetGCPercent(100)
			debug.SetMemoryLimit(math.MaxInt64)
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		live := max(sample[0].Value.Uint64(), 1)
		debug.SetMemoryLimit(max(memoryAim, int64(live/100*(100+2*garbagePart))))
		debug.SetGCPercent(max(garbagePart, int(garbageRoom*100/live)))
	}
}

// helper calls what it is given on a processor that a single play leaves idle, until it is ended.
func helper() (call func(func()), end func()) {
	work := make(chan func(), 1<<12)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for next := range work {
			next()
		}
	}()
	return func(next func()) { work <- next }, func() {
		close(work)
		<-done
	}
}
