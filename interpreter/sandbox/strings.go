package sandbox

import (
	"fmt"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// stringLibrary changes the library of gopher-lua in place, which is also where methods of strings are looked up.
func stringLibrary(l *lua.LState, given *lua.LTable) *lua.LTable {
	library := given.RawGetString("string").(*lua.LTable)
	for _, name := range []string{"byte", "char", "len", "lower", "reverse", "sub", "upper"} {
		library.RawSetString(name, l.NewFunction(metered(library.RawGetString(name))))
	}
	l.SetFuncs(library, map[string]lua.LGFunction{
		"find": stringFind, "match": stringMatch, "gmatch": stringGmatch, "gsub": stringGsub,
		"format": stringFormat, "rep": stringRep, "dump": refuse("string.dump", "scripts may not use it"),
	})
	library.RawSetString("gfind", library.RawGetString("gmatch"))
	return library
}

func stringRep(l *lua.LState) int {
	part, times := l.CheckString(1), l.CheckInt(2)
	if times <= 0 || part == "" {
		l.Push(lua.LString(""))
		return 1
	}
	if times > maxString {
		times = maxString + 1
	}
	chargeString(l, int64(len(part))*int64(times))
	l.Push(lua.LString(strings.Repeat(part, times)))
	return 1
}

// startOf is the optional argument that tells where to begin: 1 is the first byte, and negative ones count from the end.
func startOf(l *lua.LState, argument int, subject string) int {
	start := l.OptInt(argument, 1)
	switch {
	case start > 0:
		start--
	case start < 0:
		start = max(len(subject)+start, 0)
	}
	return min(start, len(subject))
}

// search finds the first match from start on.
func search(x *matcher, start int) (from, to int) {
	p, anchored := 0, strings.HasPrefix(x.pattern, "^")
	if anchored {
		p = 1
	}
	for place := start; place <= len(x.subject); place++ {
		if end := x.at(place, p); end >= 0 {
			return place, end
		}
		if anchored {
			break
		}
	}
	return -1, -1
}

func stringFind(l *lua.LState) int {
	subject, pattern := l.CheckString(1), l.CheckString(2)
	start := startOf(l, 3, subject)
	meterOf(l).read(l, lua.LString(pattern))
	if l.ToBool(4) || !strings.ContainsAny(pattern, "^$*+?.([%-") {
		meterOf(l).work(l, int64(len(subject))/bytesPerInstruction)
		at := strings.Index(subject[start:], pattern)
		if at < 0 {
			l.Push(lua.LNil)
			return 1
		}
		l.Push(lua.LNumber(start + at + 1))
		l.Push(lua.LNumber(start + at + len(pattern)))
		return 2
	}
	x := newMatcher(l, subject, pattern)
	from, to := search(x, start)
	if from < 0 {
		l.Push(lua.LNil)
		return 1
	}
	l.Push(lua.LNumber(from + 1))
	l.Push(lua.LNumber(to))
	return 2 + pushCaptures(x)
}

func stringMatch(l *lua.LState) int {
	subject := l.CheckString(1)
	x := newMatcher(l, subject, l.CheckString(2))
	from, to := search(x, startOf(l, 3, subject))
	if from < 0 {
		l.Push(lua.LNil)
		return 1
	}
	return pushCapturesOr(x, from, to)
}

// stringGmatch returns an iterator over all matches.
func stringGmatch(l *lua.LState) int {
	x := newMatcher(l, l.CheckString(1), l.CheckString(2))
	place := 0
	l.Push(l.NewFunction(func(l *lua.LState) int {
		x.l = l
		for ; place <= len(x.subject); place++ {
			end := x.at(place, 0)
			if end < 0 {
				continue
			}
			from := place
			place = max(end, place+1)
			return pushCapturesOr(x, from, end)
		}
		l.Push(lua.LNil)
		return 1
	}))
	return 1
}

func stringGsub(l *lua.LState) int {
	subject, pattern := l.CheckString(1), l.CheckString(2)
	x := newMatcher(l, subject, pattern)
	p, anchored := 0, strings.HasPrefix(pattern, "^")
	if anchored {
		p = 1
	}
	most := l.OptInt(4, len(subject)+1)
	var built strings.Builder
	place, count := 0, 0
	put := func(text string) {
		checkString(l, int64(built.Len()+len(text)))
		meterOf(l).allocate(l, int64(len(text)))
		built.WriteString(text)
	}
	for count < most {
		end := x.at(place, p)
		if end >= 0 {
			count++
			put(replacement(l, x, place, end))
		}
		switch {
		case end > place:
			place = end
		case place < len(subject):
			put(subject[place : place+1])
			place++
		default:
			place = len(subject) + 1
		}
		if place > len(subject) || anchored {
			break
		}
	}
	if place < len(subject) {
		put(subject[place:])
	}
	l.Push(lua.LString(built.String()))
	l.Push(lua.LNumber(count))
	return 2
}

// replacement is what a match becomes: false and nil leave it as it is.
func replacement(l *lua.LState, x *matcher, from, to int) string {
	whole := x.subject[from:to]
	var value lua.LValue
	switch by := l.Get(3).(type) {
	case lua.LString, lua.LNumber:
		return expand(l, x, by.String(), whole)
	case *lua.LTable:
		key := captureOr(x, 0, whole)
		meterOf(l).read(l, key)
		value = l.GetTable(by, key)
	case *lua.LFunction:
		l.Push(by)
		count := pushCapturesOr(x, from, to)
		l.Call(count, 1)
		value = l.Get(-1)
		l.Pop(1)
	default:
		l.RaiseError("string.gsub replaces by a string, a table or a function, not by a %s value", by.Type())
	}
	switch value := value.(type) {
	case lua.LString, lua.LNumber:
		return value.String()
	}
	if lua.LVAsBool(value) {
		l.RaiseError("string.gsub cannot replace by a %s value", value.Type())
	}
	return whole
}

// expand puts captures into a replacement: %0 is the whole match, %1 the first capture.
func expand(l *lua.LState, x *matcher, by, whole string) string {
	if !strings.Contains(by, "%") {
		return by
	}
	var built strings.Builder
	meterOf(l).work(l, int64(len(by))/placesPerInstruction)
	for i := 0; i < len(by); i++ {
		if by[i] != '%' || i+1 == len(by) {
			built.WriteByte(by[i])
			continue
		}
		i++
		switch c := by[i]; {
		case c == '0':
			built.WriteString(whole)
		case isDigit(c):
			built.WriteString(captureOr(x, int(c-'1'), whole).String())
		default:
			built.WriteByte(c)
		}
		if built.Len() > maxString {
			chargeString(l, int64(built.Len()))
		}
	}
	return built.String()
}

// captureOr is one capture; without any, the first is the whole match.
func captureOr(x *matcher, index int, whole string) lua.LValue {
	if index == 0 && len(x.captures) == 0 {
		return lua.LString(whole)
	}
	if index >= len(x.captures) {
		x.l.RaiseError("there is no capture %d", index+1)
	}
	switch captured := x.captures[index]; captured.size {
	case positionCapture:
		return lua.LNumber(captured.start + 1)
	case openCapture:
		x.l.RaiseError("the pattern does not close capture %d", index+1)
		return lua.LNil
	default:
		return lua.LString(x.text(captured))
	}
}

func pushCaptures(x *matcher) int {
	for i := range x.captures {
		x.l.Push(captureOr(x, i, ""))
	}
	return len(x.captures)
}

func pushCapturesOr(x *matcher, from, to int) int {
	if len(x.captures) == 0 {
		x.l.Push(lua.LString(x.subject[from:to]))
		return 1
	}
	return pushCaptures(x)
}

// stringFormat knows the directives of Lua 5.1.
func stringFormat(l *lua.LState) int {
	format := l.CheckString(1)
	for i := 1; i <= l.GetTop(); i++ {
		meterOf(l).read(l, l.Get(i))
	}
	argument := 1
	var built strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			built.WriteByte(format[i])
			continue
		}
		if i++; i < len(format) && format[i] == '%' {
			built.WriteByte('%')
			continue
		}
		flags := i
		for i < len(format) && strings.IndexByte("-+ #0123456789.", format[i]) >= 0 {
			i++
		}
		if i == len(format) {
			l.RaiseError("string.format: the format ends within a directive")
		}
		argument++
		built.WriteString(formatted(l, format[flags:i], format[i], argument))
		if built.Len() > maxString {
			break
		}
	}
	chargeString(l, int64(built.Len()))
	l.Push(lua.LString(built.String()))
	return 1
}

// formatted is one directive with its argument.
func formatted(l *lua.LState, flags string, verb byte, argument int) string {
	for _, number := range strings.Split(strings.TrimLeft(flags, "-+ #0"), ".") {
		if len(number) > 2 {
			l.RaiseError("string.format: width or precision %s is too large", number)
		}
	}
	directive := "%" + flags
	switch verb {
	case 'd', 'i':
		return fmt.Sprintf(directive+"d", int64(l.CheckNumber(argument)))
	case 'u':
		return fmt.Sprintf(directive+"d", uint64(int64(l.CheckNumber(argument))))
	case 'c':
		return string([]byte{byte(l.CheckInt(argument))})
	case 'o', 'x', 'X':
		return fmt.Sprintf(directive+string(verb), uint64(int64(l.CheckNumber(argument))))
	case 'e', 'E', 'f', 'g', 'G':
		return fmt.Sprintf(directive+string(verb), float64(l.CheckNumber(argument)))
	case 'q':
		return strconv.Quote(l.CheckString(argument))
	case 's':
		shown := text(l.CheckAny(argument))
		if len(shown) > maxString {
			chargeString(l, int64(len(shown)))
		}
		return fmt.Sprintf(directive+"s", shown)
	}
	l.RaiseError("string.format: there is no directive %%%c", verb)
	return ""
}
