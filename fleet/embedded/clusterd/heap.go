package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The garbage collector's target (as GOGC) for each state of a cluster.
const (
	// A starting cluster makes much garbage in little time and is waited for. Collecting late saves four tenths of the processor
	// time of a start.
	memberStartCollectAt = 400
	// The control plane's API server keeps more of what it makes: every definition, as objects that come to lie scattered among the
	// garbage. A fifth less memory is worth the time.
	planeStartCollectAt = 120
	// An idle one is one of many, and what counts is its memory.
	idleCollectAt = 20
	// A busy one may hold this much garbage, for a small heap that is collected often costs a third of the processor. A cluster
	// without nodes is the control plane, whose API server everything waits for. It has to be busy for a while, which a start is not.
	planeHeadroom  = 640 << 20
	memberHeadroom = 256 << 20
	// Until then, and since it was idle.
	wakeCollectAt = 100

	heapLook  = time.Second
	busyRate  = 24 << 20 // bytes a second
	busyAfter = 10
	calmAfter = 5
)

// tendHeap sets the garbage collector by how much the process allocates, until ctx ends.
func tendHeap(ctx context.Context, headroom uint64) {
	tick := time.NewTicker(heapLook)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	idle, calm, busy := false, 0, 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		allocated, live := sample[0].Value.Uint64(), sample[1].Value.Uint64()
		rate := (allocated - before) / uint64(heapLook/time.Second)
		before = allocated
		switch {
		case rate >= busyRate:
			if idle {
				debug.SetGCPercent(wakeCollectAt)
			}
			idle, calm = false, 0
			if busy++; busy >= busyAfter {
				debug.SetGCPercent(max(idleCollectAt, int(headroom*100/max(live, 1))))
			}
		case !idle:
			if calm++; calm >= calmAfter {
				idle, busy = true, 0
				debug.SetGCPercent(idleCollectAt)
				debug.FreeOSMemory()
			}
		}
	}
}
