package sandbox

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

const (
	// maxCaptures is the number of captures of a pattern in Lua 5.1, and maxPatternDepth how deep items may recurse.
	maxCaptures     = 32
	maxPatternDepth = 200
	// stepsPerInstruction is how many steps of the matcher cost as much as an instruction.
	stepsPerInstruction = 4
)

// Special lengths of captures.
const (
	openCapture     = -1
	positionCapture = -2
)

// matcher matches patterns as the Lua 5.1 manual defines them, backtracking on the meter. The one of gopher-lua cannot be
// stopped.
type matcher struct {
	l                *lua.LState
	subject, pattern string
	captures         []span
	depth, steps     int
}

// span is a capture: where it starts and how long it is.
type span struct{ start, size int }

func newMatcher(l *lua.LState, subject, pattern string) *matcher {
	return &matcher{l: l, subject: subject, pattern: pattern}
}

func (x *matcher) step() {
	if x.steps++; x.steps >= 64*stepsPerInstruction {
		x.steps = 0
		meterOf(x.l).work(x.l, 64)
	}
}

// at matches the pattern from p on at one place of the subject, from scratch. It answers where the match ends, -1 for none.
func (x *matcher) at(place, p int) int {
	x.captures = x.captures[:0]
	return x.match(place, p)
}

func (x *matcher) match(s, p int) int {
	if x.depth++; x.depth > maxPatternDepth {
		x.l.RaiseError("the pattern is too complex")
	}
	defer func() { x.depth-- }()
	for {
		x.step()
		if p == len(x.pattern) {
			return s
		}
		switch c := x.pattern[p]; {
		case c == '(':
			if p+1 < len(x.pattern) && x.pattern[p+1] == ')' {
				return x.capture(s, p+2, positionCapture)
			}
			return x.capture(s, p+1, openCapture)
		case c == ')':
			return x.close(s, p+1)
		case c == '$' && p+1 == len(x.pattern):
			if s == len(x.subject) {
				return s
			}
			return -1
		case c == '%' && p+1 < len(x.pattern) && x.pattern[p+1] == 'b':
			if s = x.balanced(s, p+2); s < 0 {
				return -1
			}
			p += 4
		case c == '%' && p+1 < len(x.pattern) && x.pattern[p+1] == 'f':
			end := x.itemEnd(p + 2)
			if !x.frontier(s, p+2, end) {
				return -1
			}
			p = end
		case c == '%' && p+1 < len(x.pattern) && isDigit(x.pattern[p+1]):
			if s = x.again(s, x.pattern[p+1]); s < 0 {
				return -1
			}
			p += 2
		default:
			end, done := x.item(&s, p)
			if done {
				return s
			}
			p = end
		}
	}
}

// item matches a single character with what follows it (?, *, +, - or nothing). When done, s is the outcome of the match;
// otherwise the match goes on at s with the pattern from next on.
func (x *matcher) item(s *int, p int) (next int, done bool) {
	end := x.itemEnd(p)
	suffix := byte(0)
	if end < len(x.pattern) {
		suffix = x.pattern[end]
	}
	switch suffix {
	case '?':
		if x.single(*s, p, end) {
			if found := x.match(*s+1, end+1); found >= 0 {
				*s = found
				return 0, true
			}
		}
		return end + 1, false
	case '+', '*':
		*s = x.most(*s, p, end, suffix == '+')
		return 0, true
	case '-':
		*s = x.least(*s, p, end)
		return 0, true
	}
	if !x.single(*s, p, end) {
		*s = -1
		return 0, true
	}
	*s++
	return end, false
}

func (x *matcher) most(s, p, end int, one bool) int {
	count := 0
	for x.single(s+count, p, end) {
		x.step()
		count++
	}
	fewest := 0
	if one {
		fewest = 1
	}
	for ; count >= fewest; count-- {
		if found := x.match(s+count, end+1); found >= 0 {
			return found
		}
	}
	return -1
}

func (x *matcher) least(s, p, end int) int {
	for {
		if found := x.match(s, end+1); found >= 0 {
			return found
		}
		if !x.single(s, p, end) {
			return -1
		}
		s++
	}
}

func (x *matcher) capture(s, p, size int) int {
	if len(x.captures) >= maxCaptures {
		x.l.RaiseError("the pattern has more than %d captures", maxCaptures)
	}
	x.captures = append(x.captures, span{s, size})
	depth := len(x.captures)
	found := x.match(s, p)
	if found < 0 {
		x.captures = x.captures[:depth-1]
	}
	return found
}

func (x *matcher) close(s, p int) int {
	last := len(x.captures) - 1
	for last >= 0 && x.captures[last].size != openCapture {
		last--
	}
	if last < 0 {
		x.l.RaiseError("the pattern closes a capture that is not open")
	}
	x.captures[last].size = s - x.captures[last].start
	found := x.match(s, p)
	if found < 0 {
		x.captures[last].size = openCapture
	}
	return found
}

// balanced is %bxy.
func (x *matcher) balanced(s, p int) int {
	if p+1 >= len(x.pattern) {
		x.l.RaiseError("the pattern ends within %%b")
	}
	if s >= len(x.subject) || x.subject[s] != x.pattern[p] {
		return -1
	}
	opening, closing, open := x.pattern[p], x.pattern[p+1], 1
	for s++; s < len(x.subject); s++ {
		x.step()
		switch x.subject[s] {
		case closing:
			if open--; open == 0 {
				return s + 1
			}
		case opening:
			open++
		}
	}
	return -1
}

// frontier is %f[set]: the place between a character outside of the set and one inside.
func (x *matcher) frontier(s, p, end int) bool {
	if p >= len(x.pattern) || x.pattern[p] != '[' {
		x.l.RaiseError("the pattern lacks a set after %%f")
	}
	var before, after byte
	if s > 0 {
		before = x.subject[s-1]
	}
	if s < len(x.subject) {
		after = x.subject[s]
	}
	return !x.inSet(before, p, end-1) && x.inSet(after, p, end-1)
}

// again is %1 to %9: the text of an earlier capture once more.
func (x *matcher) again(s int, digit byte) int {
	index := int(digit) - '1'
	if index < 0 || index >= len(x.captures) || x.captures[index].size == openCapture {
		x.l.RaiseError("the pattern refers to capture %c, which is not there", digit)
	}
	text := x.text(x.captures[index])
	meterOf(x.l).work(x.l, int64(len(text))/bytesPerInstruction)
	if !strings.HasPrefix(x.subject[s:], text) {
		return -1
	}
	return s + len(text)
}

func (x *matcher) text(captured span) string {
	return x.subject[captured.start : captured.start+max(captured.size, 0)]
}

// itemEnd is where the single character class that starts at p ends.
func (x *matcher) itemEnd(p int) int {
	if p >= len(x.pattern) {
		x.l.RaiseError("the pattern ends too early")
	}
	switch x.pattern[p] {
	case '%':
		if p+1 >= len(x.pattern) {
			x.l.RaiseError("the pattern ends with %%")
		}
		return p + 2
	case '[':
		end := p + 1
		if end < len(x.pattern) && x.pattern[end] == '^' {
			end++
		}
		for first := true; ; first = false {
			x.step()
			switch {
			case end >= len(x.pattern):
				x.l.RaiseError("the pattern lacks a ]")
			case x.pattern[end] == ']' && !first:
				return end + 1
			case x.pattern[end] == '%':
				end++
			}
			end++
		}
	}
	return p + 1
}

func (x *matcher) single(s, p, end int) bool {
	if s >= len(x.subject) {
		return false
	}
	c := x.subject[s]
	switch x.pattern[p] {
	case '.':
		return true
	case '%':
		return inClass(c, x.pattern[p+1])
	case '[':
		return x.inSet(c, p, end-1)
	}
	return x.pattern[p] == c
}

// inSet tells whether a set that starts at p, with its closing bracket at last, holds a character.
func (x *matcher) inSet(c byte, p, last int) bool {
	inside := true
	if x.pattern[p+1] == '^' {
		inside = false
		p++
	}
	for p++; p < last; p++ {
		x.step()
		switch {
		case x.pattern[p] == '%' && p+1 < last:
			p++
			if inClass(c, x.pattern[p]) {
				return inside
			}
		case p+2 < last && x.pattern[p+1] == '-':
			if x.pattern[p] <= c && c <= x.pattern[p+2] {
				return inside
			}
			p += 2
		case x.pattern[p] == c:
			return inside
		}
	}
	return !inside
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// inClass tells whether a character is of a class such as %a; the class in upper case is all others.
func inClass(c, class byte) bool {
	var in bool
	switch class | 0x20 {
	case 'a':
		in = isLower(c) || isUpper(c)
	case 'c':
		in = c < 0x20 || c == 0x7f
	case 'd':
		in = isDigit(c)
	case 'l':
		in = isLower(c)
	case 'p':
		in = '!' <= c && c <= '~' && !isLower(c) && !isUpper(c) && !isDigit(c)
	case 's':
		in = c == ' ' || '\t' <= c && c <= '\r'
	case 'u':
		in = isUpper(c)
	case 'w':
		in = isLower(c) || isUpper(c) || isDigit(c)
	case 'x':
		in = isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
	case 'z':
		in = c == 0
	default:
		return class == c
	}
	return in != isUpper(class)
}
