package sandbox

import (
	"math"

	lua "github.com/yuin/gopher-lua"
)

// read takes instructions for values whose bytes are passed over: to be compared, hashed as a key, or read as a number.
func (m *meter) read(l *lua.LState, values ...lua.LValue) {
	for _, value := range values {
		if text, ok := value.(lua.LString); ok && len(text) >= bytesPerInstruction {
			m.work(l, int64(len(text))/bytesPerInstruction)
		}
	}
}

// keyOf is a computed key, which is hashed.
func keyOf(l *lua.LState) int {
	key := l.Get(1)
	meterOf(l).read(l, key)
	l.Push(key)
	return 1
}

// comparing is an operator on two values, paid for by the bytes that have to be looked at: those of the shorter string.
func comparing(holds func(l *lua.LState, a, b lua.LValue) bool) lua.LGFunction {
	return func(l *lua.LState) int {
		a, b := l.Get(1), l.Get(2)
		if a, ok := a.(lua.LString); ok {
			if b, ok := b.(lua.LString); ok {
				meterOf(l).work(l, int64(min(len(a), len(b)))/bytesPerInstruction)
			}
		}
		l.Push(lua.LBool(holds(l, a, b)))
		return 1
	}
}

func equal(l *lua.LState, a, b lua.LValue) bool   { return l.Equal(a, b) }
func greater(l *lua.LState, a, b lua.LValue) bool { return less(l, b, a) }
func atLeast(l *lua.LState, a, b lua.LValue) bool { return atMost(l, b, a) }

func less(l *lua.LState, a, b lua.LValue) bool {
	if a, b, ok := bothText(a, b); ok {
		return a < b
	}
	return l.LessThan(a, b)
}

func atMost(l *lua.LState, a, b lua.LValue) bool {
	if a, b, ok := bothText(a, b); ok {
		return a <= b
	}
	if a, ok := a.(lua.LNumber); ok {
		if b, ok := b.(lua.LNumber); ok {
			return a <= b
		}
	}
	return l.LessThan(a, b) // which tells why it cannot
}

func bothText(a, b lua.LValue) (first, second string, ok bool) {
	one, isText := a.(lua.LString)
	other, areText := b.(lua.LString)
	return string(one), string(other), isText && areText
}

// arithmetic are the operators on strings that read as numbers, by the names that Lua has for them. Numbers do not come here.
func arithmetic(tonumber *lua.LFunction) map[string]lua.LGFunction {
	operators := map[string]func(a, b float64) float64{
		"add": func(a, b float64) float64 { return a + b },
		"sub": func(a, b float64) float64 { return a - b },
		"mul": func(a, b float64) float64 { return a * b },
		"div": func(a, b float64) float64 { return a / b },
		"mod": modulo,
		"pow": math.Pow,
		"unm": func(a, _ float64) float64 { return -a },
	}
	functions := map[string]lua.LGFunction{}
	for name, apply := range operators {
		functions["__"+name] = func(l *lua.LState) int {
			a, b := l.Get(1), l.Get(2)
			if name == "unm" {
				b = a
			}
			meterOf(l).read(l, a, b)
			first, isNumber := number(l, tonumber, a)
			second, areNumbers := number(l, tonumber, b)
			switch {
			case isNumber && areNumbers:
			case name == "unm":
				l.RaiseError("cannot negate a %s", a.Type())
			default:
				l.RaiseError("cannot perform %s operation between %s and %s", name, a.Type(), b.Type())
			}
			l.Push(lua.LNumber(apply(first, second)))
			return 1
		}
	}
	return functions
}

// number is a value as a number, if it reads as one.
func number(l *lua.LState, tonumber *lua.LFunction, value lua.LValue) (float64, bool) {
	if !lua.LVCanConvToString(value) {
		return 0, false
	}
	l.Push(tonumber)
	l.Push(value)
	l.Call(1, 1)
	read, ok := l.Get(-1).(lua.LNumber)
	l.Pop(1)
	return float64(read), ok
}

// modulo has the sign of the divisor.
func modulo(a, b float64) float64 {
	rest := math.Mod(a, b)
	if b > 0 && rest < 0 || b < 0 && rest > 0 {
		rest += b
	}
	return rest
}

const (
	// failureCost and frameCost are the instructions that a caught error is worth, and each call that it was raised below of:
	// gopher-lua writes a stack trace of all of them.
	failureCost = 50
	frameCost   = 10
)

// catching is pcall or xpcall, paid for by what it takes to catch an error.
func catching(value lua.LValue) lua.LGFunction {
	function := value.(*lua.LFunction).GFunction
	return func(l *lua.LState) int {
		results := function(l)
		if l.Get(-results) == lua.LFalse {
			meterOf(l).work(l, failureCost+frameCost*depth(l))
		}
		return results
	}
}

// depth is how deep calls are nested.
func depth(l *lua.LState) int64 {
	low, high := 0, 1
	for reaches(l, high) {
		low, high = high, 2*high
	}
	for high-low > 1 {
		if middle := (low + high) / 2; reaches(l, middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return int64(high)
}

func reaches(l *lua.LState, level int) bool {
	_, ok := l.GetStack(level)
	return ok
}

// reading is a function whose first argument is shown when it does not fit.
func reading(value lua.LValue) lua.LGFunction {
	function := value.(*lua.LFunction).GFunction
	return func(l *lua.LState) int {
		meterOf(l).read(l, l.Get(1))
		return function(l)
	}
}
