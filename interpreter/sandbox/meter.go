package sandbox

import (
	"context"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Limits are what one call may use. They are counted, so that a call that reaches one does so everywhere. Each value among the
// arguments adds to them, so that what suffices for the reports of three clusters suffices for those of thousands.
type Limits struct {
	// Instructions of the Lua machine; library functions cost some for each stretch of bytes or places that they work on.
	Instructions int64
	// Bytes are about all that the call allocates, freed or not.
	Bytes int64
}

// What one value among the arguments adds.
const (
	instructionsPerValue = 100
	bytesPerValue        = 512
)

// DefaultLimits end an endless loop in a fraction of a second.
func DefaultLimits() Limits {
	return Limits{Instructions: 2_000_000, Bytes: 32 << 20}
}

// LimitError says which limit a script has reached.
type LimitError struct {
	What  string
	Limit int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("the script was stopped: it uses more than %d %s", e.Limit, e.What)
}

const (
	// bytesPerInstruction and placesPerInstruction are how much of a library function's work costs as much as an instruction.
	bytesPerInstruction  = 64
	placesPerInstruction = 16
	// tableBytes and placeBytes are about what the machine allocates for a small table, and for one more place of a list.
	tableBytes = 1 << 10
	placeBytes = 16
	// keyBytes is about what one more key of a table takes.
	keyBytes = 128
	// freePlaces are the registers that a function may hold for nothing: no more fit into it but by results and arguments that
	// are not counted in the script, as of unpack(list) and f(...). Each instruction on those moves all of them.
	freePlaces = 256
	// lookAround is the number of instructions between two looks at the context of the caller.
	lookAround = 4096
)

// meter is the context of one call: gopher-lua asks Done before every instruction, and that is where they are counted. A
// limit once reached stays reached, so a script cannot go on by catching the error.
type meter struct {
	outer  context.Context
	state  *lua.LState
	limits Limits

	// instructions and bytes are what is left of the limits.
	instructions, bytes int64
	untilLook           int
	// given counts the values that were converted for the script.
	given   int64
	failure error
	// gaps count the places that a table may have without a value; whoever scans the table passes them.
	gaps map[*lua.LTable]int64
	// lists and objects are the empty tables that were made from an empty list or object.
	lists, objects map[*lua.LTable]bool
	// large are the integers among the arguments that Lua numbers may not hold, by the number that they became.
	large map[float64][]int64
}

var _ context.Context = (*meter)(nil)

func newMeter(ctx context.Context, on *lua.LState, limits Limits) *meter {
	return &meter{outer: ctx, state: on, limits: limits, instructions: limits.Instructions, bytes: limits.Bytes, untilLook: lookAround}
}

// ended is closed from the start, for every meter whose call is over.
var ended = func() chan struct{} {
	channel := make(chan struct{})
	close(channel)
	return channel
}()

// Done counts one instruction. The channel it returns is open as long as the call may go on.
func (m *meter) Done() <-chan struct{} {
	m.instructions--
	if held := m.state.GetTop(); held > freePlaces {
		m.instructions -= int64(held) / placesPerInstruction
	}
	if m.untilLook--; m.untilLook <= 0 || m.instructions < 0 {
		m.check()
	}
	if m.failure != nil {
		return ended
	}
	return nil
}

func (m *meter) check() {
	m.untilLook = lookAround
	switch {
	case m.failure != nil:
	case m.instructions < 0:
		m.failure = &LimitError{What: "instructions", Limit: m.limits.Instructions}
	case m.bytes < 0:
		m.failure = &LimitError{What: "bytes of memory", Limit: m.limits.Bytes}
	default:
		m.failure = m.outer.Err()
	}
}

func (m *meter) Err() error                  { return m.failure }
func (m *meter) Deadline() (time.Time, bool) { return time.Time{}, false }
func (m *meter) Value(any) any               { return nil }

// work takes instructions for what a library function does at once.
func (m *meter) work(l *lua.LState, instructions int64) {
	m.instructions -= instructions
	m.stopIfOver(l)
}

// allocate takes bytes before they are allocated.
func (m *meter) allocate(l *lua.LState, bytes int64) {
	m.bytes -= bytes
	m.instructions -= bytes / bytesPerInstruction
	m.stopIfOver(l)
}

func (m *meter) stopIfOver(l *lua.LState) {
	if m.instructions < 0 || m.bytes < 0 {
		m.check()
	}
	if m.failure != nil {
		l.RaiseError("%s", m.failure.Error())
	}
}

// scan takes instructions for passing the gaps of a table.
func (m *meter) scan(l *lua.LState, table *lua.LTable) {
	if gaps := m.gaps[table]; gaps > 0 {
		m.work(l, gaps/placesPerInstruction)
	}
}

func (m *meter) leaveGaps(table *lua.LTable, places int64) {
	if m.gaps == nil {
		m.gaps = map[*lua.LTable]int64{}
	}
	m.gaps[table] += places
}

// grant adds to the limits for the values that a script gets.
func (m *meter) grant(values int64) {
	m.limits.Instructions += values * instructionsPerValue
	m.limits.Bytes += values * bytesPerValue
	m.instructions += values * instructionsPerValue
	m.bytes += values * bytesPerValue
}

// meterOf finds the meter of the running call.
func meterOf(l *lua.LState) *meter { return l.Context().(*meter) }
