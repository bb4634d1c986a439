package sandbox

import (
	"maps"
	"math"
	"math/bits"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// newMachine makes a Lua state with what scripts may use.
func newMachine(options *Options) *machine {
	l := lua.NewState(lua.Options{
		SkipOpenLibs: true, CallStackSize: maxCalls, MinimizeStackMemory: true,
		RegistrySize: 1 << 10, RegistryMaxSize: maxRegistry, RegistryGrowStep: 1 << 10,
	})
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable, lua.OpenString, lua.OpenMath} {
		l.Push(l.NewFunction(open))
		l.Call(0, 0)
	}
	given := l.G.Global
	globals, behind := l.NewTable(), l.NewTable()
	behind.RawSetString("__index", globals)
	for _, name := range []string{"_VERSION", "ipairs", "type", "unpack"} {
		globals.RawSetString(name, given.RawGetString(name))
	}
	l.SetFuncs(globals, map[string]lua.LGFunction{
		concatName: concatenate, lengthName: length, tableName: chargeTable, assignName: assignTo, keyName: keyOf,
		equalName: comparing(equal), lessName: comparing(less), atMostName: comparing(atMost),
		greaterName: comparing(greater), atLeastName: comparing(atLeast),
		"next": next, "tostring": toString, "print": printer(options.Print),
		"tonumber": metered(given.RawGetString("tonumber")), "select": reading(given.RawGetString("select")),
		"assert": metered(given.RawGetString("assert")), "error": metered(given.RawGetString("error")),
		"pcall": catching(given.RawGetString("pcall")), "xpcall": catching(given.RawGetString("xpcall")),
	})
	globals.RawSetString("pairs", l.NewClosure(pairs, globals.RawGetString("next")))
	// These are left out by the reference as well.
	for _, name := range []string{
		"collectgarbage", "dofile", "getfenv", "getmetatable", "load", "loadfile", "loadstring", "module", "newproxy", "rawequal",
		"rawget", "rawset", "setfenv", "setmetatable",
	} {
		globals.RawSetString(name, l.NewFunction(refuse(name, "scripts may not use it")))
	}
	l.SetFuncs(l.GetMetatable(lua.LString("")).(*lua.LTable), arithmetic(given.RawGetString("tonumber").(*lua.LFunction)))
	libraries := map[string]*lua.LTable{
		"table": tableLibrary(l, given), "string": stringLibrary(l, given), "math": mathLibrary(l, given), "os": clockless(l),
	}
	for _, name := range slices.Sorted(maps.Keys(libraries)) {
		libraries[name] = readOnly(l, name, libraries[name])
		globals.RawSetString(name, libraries[name])
	}
	for _, name := range slices.Sorted(maps.Keys(options.Libraries)) {
		libraries[name] = readOnly(l, name, goLibrary(l, options.Libraries[name]))
	}
	globals.RawSetString("require", l.NewFunction(require(libraries, options.Modules, behind)))
	return &machine{state: l, behind: behind}
}

// readOnly is an empty table that answers from another one and takes no assignment.
func readOnly(l *lua.LState, name string, table *lua.LTable) *lua.LTable {
	behind := l.NewTable()
	behind.RawSetString("__index", table)
	behind.RawSetString("__newindex", l.NewFunction(func(l *lua.LState) int {
		l.RaiseError("the library %s cannot be changed", name)
		return 0
	}))
	shown := l.NewTable()
	shown.Metatable = behind
	return shown
}

func refuse(name, why string) lua.LGFunction {
	return func(l *lua.LState) int {
		l.RaiseError("%s: %s", name, why)
		return 0
	}
}

// require answers the libraries, and what the modules return. A module sees the globals that all calls share, and not what
// the script has set.
func require(libraries map[string]*lua.LTable, modules map[string]*Script, behind *lua.LTable) lua.LGFunction {
	return func(l *lua.LState) int {
		name := l.CheckString(1)
		meterOf(l).read(l, l.Get(1))
		if library, ok := libraries[name]; ok {
			l.Push(library)
			return 1
		}
		module, ok := modules[name]
		if !ok {
			l.RaiseError("there is no module %q; scripts can require %v", name, modulesOf(libraries, modules))
		}
		own := l.CreateTable(0, 4)
		own.Metatable = behind
		l.Push(load(l, module, own))
		l.Call(0, 1)
		return 1
	}
}

func modulesOf(libraries map[string]*lua.LTable, modules map[string]*Script) []string {
	return slices.Sorted(func(yield func(string) bool) {
		for name := range libraries {
			if !yield(name) {
				return
			}
		}
		for name := range modules {
			if !yield(name) {
				return
			}
		}
	})
}

// goLibrary makes functions of a Go library callable.
func goLibrary(l *lua.LState, library Library) *lua.LTable {
	table := l.NewTable()
	for _, name := range slices.Sorted(maps.Keys(library)) {
		function := library[name]
		table.RawSetString(name, l.NewFunction(func(l *lua.LState) int {
			m := meterOf(l)
			arguments := make([]any, l.GetTop())
			for i := range arguments {
				value, err := m.fromLua(l.Get(i+1), nil)
				if err != nil {
					l.RaiseError("argument %d of %s: %s", i+1, name, err)
				}
				arguments[i] = value
			}
			answer, err := function(arguments)
			if err != nil {
				l.RaiseError("%s: %s", name, err)
			}
			value, err := m.toLua(l, answer, 0)
			if err != nil {
				l.RaiseError("the answer of %s: %s", name, err)
			}
			l.Push(value)
			return 1
		}))
	}
	return table
}

// mathLibrary has no random numbers. Its functions take text for numbers.
func mathLibrary(l *lua.LState, given *lua.LTable) *lua.LTable {
	library := given.RawGetString("math").(*lua.LTable)
	library.ForEach(func(name, value lua.LValue) {
		if function, ok := value.(*lua.LFunction); ok {
			library.RawSet(name, l.NewFunction(metered(function)))
		}
	})
	for _, name := range []string{"random", "randomseed"} {
		why := "scripts get no random numbers, so that the same object always has the same answer"
		library.RawSetString(name, l.NewFunction(refuse("math."+name, why)))
	}
	return library
}

// clockless says of every function that would read the clock why there is none.
func clockless(l *lua.LState) *lua.LTable {
	library := l.NewTable()
	for _, name := range []string{"clock", "date", "difftime", "time"} {
		why := "scripts get no clock, so that the same object always has the same answer"
		library.RawSetString(name, l.NewFunction(refuse("os."+name, why)))
	}
	return library
}

// text shows a value. Tables and functions have no text of their own: their address differs from run to run.
func text(value lua.LValue) string {
	switch value := value.(type) {
	case nil:
		return "nil"
	case lua.LString, lua.LNumber, lua.LBool, *lua.LNilType:
		return value.String()
	default:
		return value.Type().String()
	}
}

func toString(l *lua.LState) int {
	shown := text(l.CheckAny(1))
	meterOf(l).allocate(l, int64(len(shown)))
	l.Push(lua.LString(shown))
	return 1
}

func printer(sink func(string)) lua.LGFunction {
	return func(l *lua.LState) int {
		line := ""
		for i := 1; i <= l.GetTop(); i++ {
			shown := text(l.Get(i))
			meterOf(l).allocate(l, int64(len(line)+len(shown)+1))
			if i > 1 {
				line += "\t"
			}
			line += shown
		}
		if sink != nil {
			sink(line)
		}
		return 0
	}
}

// metered takes instructions by the length of the strings a function gets and gives.
func metered(value lua.LValue) lua.LGFunction {
	function := value.(*lua.LFunction).GFunction
	return func(l *lua.LState) int {
		m := meterOf(l)
		for i := 1; i <= l.GetTop(); i++ {
			if given, ok := l.Get(i).(lua.LString); ok {
				m.allocate(l, int64(len(given)))
			}
		}
		return function(l)
	}
}

func concatenate(l *lua.LState) int {
	parts := make([]string, l.GetTop())
	for i := range parts {
		value := l.Get(i + 1)
		if !lua.LVCanConvToString(value) {
			l.RaiseError("attempt to concatenate a %s value", value.Type())
		}
		parts[i] = value.String()
	}
	l.Push(lua.LString(join(l, parts, "")))
	return 1
}

// length is the operator #.
func length(l *lua.LState) int {
	switch value := l.Get(1).(type) {
	case lua.LString:
		l.Push(lua.LNumber(len(value)))
	case *lua.LTable:
		meterOf(l).scan(l, value)
		l.Push(lua.LNumber(value.Len()))
	default:
		l.RaiseError("attempt to get the length of a %s value", value.Type())
	}
	return 1
}

func chargeTable(l *lua.LState) int {
	made, _ := l.Get(1).(*lua.LTable)
	meterOf(l).allocate(l, tableBytes+int64(made.Len())*placeBytes)
	return 1
}

// assignTo is the assignment to a computed key.
func assignTo(l *lua.LState) int {
	object, key, value := l.Get(1), l.Get(2), l.Get(3)
	meterOf(l).read(l, key)
	table, ok := object.(*lua.LTable)
	switch number, isNumber := key.(lua.LNumber); {
	case !ok || table.Metatable != lua.LNil:
		l.SetTable(object, key, value)
	case key == lua.LNil || isNumber && math.IsNaN(float64(number)):
		l.RaiseError("a table has no key %s", text(key))
	case isNumber && isPlace(number):
		assignPlace(l, table, int(number), value)
	case value == lua.LNil:
		meterOf(l).leaveGaps(table, 1)
		table.RawSetH(key, value)
	default:
		if table.RawGetH(key) == lua.LNil {
			meterOf(l).allocate(l, keyBytes)
		}
		table.RawSetH(key, value)
	}
	return 0
}

// isPlace tells keys that gopher-lua keeps in the array of a table.
func isPlace(number lua.LNumber) bool {
	return number >= 1 && number < lua.LNumber(lua.MaxArrayIndex) && number == lua.LNumber(int(number))
}

func assignPlace(l *lua.LState, table *lua.LTable, place int, value lua.LValue) {
	m := meterOf(l)
	m.scan(l, table)
	size := table.Len()
	switch {
	case value == lua.LNil && place > size:
	case value == lua.LNil:
		m.leaveGaps(table, 1)
		table.RawSetInt(place, value)
	default:
		if gap := int64(place - size - 1); gap >= 0 {
			m.allocate(l, (gap+1)*placeBytes)
			if gap > 0 {
				m.leaveGaps(table, gap)
			}
		}
		table.RawSetInt(place, value)
	}
}

func next(l *lua.LState) int {
	table := l.CheckTable(1)
	meterOf(l).scan(l, table)
	meterOf(l).read(l, l.Get(2))
	key, value := table.Next(l.Get(2))
	if key == lua.LNil {
		l.Push(lua.LNil)
		return 1
	}
	l.Push(key)
	l.Push(value)
	return 2
}

func pairs(l *lua.LState) int {
	table := l.CheckTable(1)
	l.Push(l.Get(lua.UpvalueIndex(1)))
	l.Push(table)
	l.Push(lua.LNil)
	return 3
}

func tableLibrary(l *lua.LState, given *lua.LTable) *lua.LTable {
	sort := given.RawGetString("table").(*lua.LTable).RawGetString("sort").(*lua.LFunction).GFunction
	return l.SetFuncs(l.NewTable(), map[string]lua.LGFunction{
		"concat": tableConcat, "insert": tableInsert, "remove": tableRemove, "sort": tableSort(sort), "getn": length, "maxn": tableMaxN,
	})
}

// ownTable is an argument that a script may change.
func ownTable(l *lua.LState) (table *lua.LTable, size int) {
	table = l.CheckTable(1)
	if table.Metatable != lua.LNil {
		l.RaiseError("this table cannot be changed")
	}
	meterOf(l).scan(l, table)
	return table, table.Len()
}

func tableInsert(l *lua.LState) int {
	table, size := ownTable(l)
	m := meterOf(l)
	m.allocate(l, placeBytes)
	switch l.GetTop() {
	case 2:
		table.Append(l.Get(2))
	case 3:
		place := l.CheckInt(2)
		if place < 1 || place > size+1 {
			l.RaiseError("table.insert: place %d is outside of 1 to %d", place, size+1)
		}
		m.work(l, int64(size-place+1)/placesPerInstruction)
		table.Insert(place, l.Get(3))
	default:
		l.RaiseError("table.insert needs a table, a place if wanted, and a value")
	}
	return 0
}

func tableRemove(l *lua.LState) int {
	table, size := ownTable(l)
	place := l.OptInt(2, size)
	if place < 1 || place > size {
		l.Push(lua.LNil)
		return 1
	}
	meterOf(l).work(l, int64(size-place)/placesPerInstruction)
	l.Push(table.Remove(place))
	return 1
}

func tableMaxN(l *lua.LState) int {
	table := l.CheckTable(1)
	meterOf(l).scan(l, table)
	l.Push(lua.LNumber(table.MaxN()))
	return 1
}

// tableSort pays for the comparisons, and for the bytes that they read; those by a function of the script count their own too.
func tableSort(sort lua.LGFunction) lua.LGFunction {
	return func(l *lua.LState) int {
		table, size := ownTable(l)
		each := int64(size)
		for place := 1; place <= size && l.GetTop() == 1; place++ {
			if text, ok := table.RawGetInt(place).(lua.LString); ok {
				each += int64(len(text)) / bytesPerInstruction
			}
		}
		meterOf(l).work(l, each*int64(bits.Len(uint(size))))
		return sort(l)
	}
}

func tableConcat(l *lua.LState) int {
	table := l.CheckTable(1)
	m := meterOf(l)
	m.scan(l, table)
	separator, from, to := l.OptString(2, ""), l.OptInt(3, 1), l.OptInt(4, table.Len())
	if from > to {
		l.Push(lua.LString(""))
		return 1
	}
	m.allocate(l, placeBytes)
	var parts []string
	for place := from; place <= to; place++ {
		value := table.RawGetInt(place)
		if !lua.LVCanConvToString(value) {
			l.RaiseError("table.concat: the value at %d is a %s value", place, value.Type())
		}
		m.allocate(l, placeBytes)
		parts = append(parts, value.String())
	}
	l.Push(lua.LString(join(l, parts, separator)))
	return 1
}

// join makes one string of parts, after asking the meter.
func join(l *lua.LState, parts []string, separator string) string {
	size := int64(len(separator)) * int64(max(len(parts)-1, 0))
	for _, part := range parts {
		size += int64(len(part))
	}
	chargeString(l, size)
	return strings.Join(parts, separator)
}

// maxString is how long a string that a script makes may be.
const maxString = 1 << 20

// chargeString takes the bytes of a new string.
func chargeString(l *lua.LState, size int64) {
	checkString(l, size)
	meterOf(l).allocate(l, size)
}

func checkString(l *lua.LState, size int64) {
	if size > maxString {
		l.RaiseError("a string of %d bytes; at most %d are allowed", size, maxString)
	}
}
