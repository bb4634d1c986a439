// Package sandbox runs Lua scripts that nobody vouches for: without files, network, clock or random numbers, on a budget of
// instructions and bytes that is counted, not timed. The same script with the same arguments therefore gives the same answer,
// or stops with the same error, on every machine.
//
// The interpreter of Lua 5.1 is gopher-lua. It has no limit of its own for single operations that cost much, so a script is
// rewritten while it is compiled: what may allocate or scan more than a constant amount (.., #, comparisons, table constructors
// and computed keys) becomes a call of a function that asks the meter first.
package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

const (
	// maxSource is how long a script may be, in bytes.
	maxSource = 256 << 10
	// maxNesting is how deep expressions and blocks may be nested; the compiler and the machine recurse on them.
	maxNesting = 200
	// maxName is how long a name may be, in bytes: global variables and fields are looked up by them.
	maxName = 1 << 10
)

// Script is a compiled script. It is immutable and may run many times at once.
type Script struct {
	name    string
	proto   *lua.FunctionProto
	defines map[string]bool
}

// Compile checks and compiles a script. The name stands in front of the line in errors, as in "name:3: ...".
func Compile(name, source string) (script *Script, err error) {
	defer func() {
		// The parser and the compiler panic on some input that they have no error for.
		if fault := recover(); fault != nil {
			script, err = nil, fmt.Errorf("%s: the Lua compiler gave up: %v", name, fault)
		}
	}()
	if len(source) > maxSource {
		return nil, fmt.Errorf("%s: the script has %d bytes; at most %d are allowed", name, len(source), maxSource)
	}
	chunk, err := parse.Parse(strings.NewReader(source), name)
	if err != nil {
		return nil, syntaxError(name, err)
	}
	rewriting := &rewriter{defines: map[string]bool{}}
	chunk, err = rewriting.rewrite(chunk)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	proto, err := lua.Compile(chunk, name)
	if err != nil {
		return nil, err
	}
	return &Script{name: name, proto: proto, defines: rewriting.defines}, nil
}

// Defines tells whether the script sets a global of that name anywhere, as `function name()` does.
func (s *Script) Defines(global string) bool { return s.defines[global] }

// syntaxError is on one line, with the place in front as in errors at run time.
func syntaxError(name string, err error) error {
	var fault *parse.Error
	if !errors.As(err, &fault) {
		return fmt.Errorf("%s: %w", name, err)
	}
	if fault.Pos.Line == parse.EOF {
		return fmt.Errorf("%s: the script ends too early: an \"end\", a bracket or a quote is missing", name)
	}
	return fmt.Errorf("%s:%d: %s near %q", name, fault.Pos.Line, fault.Message, fault.Token)
}

// The functions that a rewritten script calls. Their names are none that a script could write.
const (
	concatName  = "(concat)"
	lengthName  = "(length)"
	tableName   = "(table)"
	assignName  = "(assign)"
	keyName     = "(key)"
	equalName   = "(==)"
	lessName    = "(<)"
	atMostName  = "(<=)"
	greaterName = "(>)"
	atLeastName = "(>=)"
)

// rewriter replaces what may cost more than a constant amount by calls.
type rewriter struct {
	defines map[string]bool
	depth   int
}

// refusal unwinds the rewriter.
type refusal struct {
	line int
	why  string
}

func (r *rewriter) rewrite(chunk []ast.Stmt) (rewritten []ast.Stmt, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			refused, ok := fault.(refusal)
			if !ok {
				panic(fault)
			}
			err = fmt.Errorf("%d: %s", refused.line, refused.why)
		}
	}()
	return r.statements(chunk), nil
}

func (r *rewriter) enter(at ast.PositionHolder) {
	if r.depth++; r.depth > maxNesting {
		panic(refusal{at.Line(), fmt.Sprintf("nested deeper than %d", maxNesting)})
	}
}

func (r *rewriter) name(at ast.PositionHolder, name string) {
	if len(name) > maxName {
		panic(refusal{at.Line(), fmt.Sprintf("a name of %d bytes; at most %d are allowed", len(name), maxName)})
	}
}

func (r *rewriter) leave() { r.depth-- }

func (r *rewriter) statements(list []ast.Stmt) []ast.Stmt {
	for i := range list {
		list[i] = r.statement(list[i])
	}
	return list
}

func (r *rewriter) statement(statement ast.Stmt) ast.Stmt {
	r.enter(statement)
	defer r.leave()
	switch s := statement.(type) {
	case *ast.AssignStmt:
		return r.assignment(s)
	case *ast.LocalAssignStmt:
		r.expressions(s.Exprs)
	case *ast.FuncCallStmt:
		s.Expr = r.expression(s.Expr)
	case *ast.DoBlockStmt:
		r.statements(s.Stmts)
	case *ast.WhileStmt:
		s.Condition = r.expression(s.Condition)
		r.statements(s.Stmts)
	case *ast.RepeatStmt:
		s.Condition = r.expression(s.Condition)
		r.statements(s.Stmts)
	case *ast.IfStmt:
		s.Condition = r.expression(s.Condition)
		r.statements(s.Then)
		r.statements(s.Else)
	case *ast.NumberForStmt:
		s.Init, s.Limit = r.expression(s.Init), r.expression(s.Limit)
		if s.Step != nil {
			s.Step = r.expression(s.Step)
		}
		r.statements(s.Stmts)
	case *ast.GenericForStmt:
		r.expressions(s.Exprs)
		r.statements(s.Stmts)
	case *ast.FuncDefStmt:
		if name, ok := s.Name.Func.(*ast.IdentExpr); ok && s.Name.Method == "" {
			r.defines[name.Value] = true
		}
		r.name(s, s.Name.Method)
		for _, part := range []ast.Expr{s.Name.Func, s.Name.Receiver} {
			if part != nil {
				r.expression(part)
			}
		}
		r.expression(s.Func)
	case *ast.ReturnStmt:
		r.expressions(s.Exprs)
	}
	return statement
}

// assignment replaces assignments to computed keys: `a[i] = v` may fill every place up to i.
func (r *rewriter) assignment(s *ast.AssignStmt) ast.Stmt {
	r.expressions(s.Rhs)
	computed := make([]*ast.AttrGetExpr, len(s.Lhs))
	for i, target := range s.Lhs {
		switch target := target.(type) {
		case *ast.IdentExpr:
			r.name(target, target.Value)
			r.defines[target.Value] = true
		case *ast.AttrGetExpr:
			r.enter(target)
			target.Object, target.Key = r.expression(target.Object), r.expression(target.Key)
			r.leave()
			if _, constant := target.Key.(*ast.StringExpr); !constant || !brief(target.Key) {
				computed[i] = target
			}
		}
	}
	if !slices.ContainsFunc(computed, func(target *ast.AttrGetExpr) bool { return target != nil }) {
		return s
	}
	if len(s.Lhs) == 1 && len(s.Rhs) == 1 {
		return assign(s, computed[0].Object, computed[0].Key, single(s.Rhs[0]))
	}
	return severally(s, computed)
}

// severally assigns to several targets: all that is computed is computed before the first of them changes.
func severally(s *ast.AssignStmt, computed []*ast.AttrGetExpr) ast.Stmt {
	hold, block := &ast.LocalAssignStmt{}, &ast.DoBlockStmt{}
	hold.SetLine(s.Line())
	block.SetLine(s.Line())
	holding := func(name string, value ast.Expr) ast.Expr {
		hold.Names = append(hold.Names, name)
		hold.Exprs = append(hold.Exprs, value)
		return ident(s, name)
	}
	var sets []ast.Stmt
	for i, target := range s.Lhs {
		value := ident(s, fmt.Sprintf("(value %d)", i))
		if computed[i] == nil {
			set := &ast.AssignStmt{Lhs: []ast.Expr{target}, Rhs: []ast.Expr{value}}
			set.SetLine(s.Line())
			sets = append(sets, set)
			continue
		}
		object := holding(fmt.Sprintf("(object %d)", i), single(computed[i].Object))
		key := holding(fmt.Sprintf("(key %d)", i), single(computed[i].Key))
		sets = append(sets, assign(s, object, key, value))
	}
	for i := range s.Lhs {
		hold.Names = append(hold.Names, fmt.Sprintf("(value %d)", i))
	}
	hold.Exprs = append(hold.Exprs, s.Rhs...)
	block.Stmts = append([]ast.Stmt{hold}, sets...)
	return block
}

func (r *rewriter) expressions(list []ast.Expr) {
	for i := range list {
		list[i] = r.expression(list[i])
	}
}

func (r *rewriter) expression(expression ast.Expr) ast.Expr {
	r.enter(expression)
	defer r.leave()
	switch e := expression.(type) {
	case *ast.IdentExpr:
		r.name(e, e.Value)
	case *ast.AttrGetExpr:
		e.Object, e.Key = r.expression(e.Object), r.key(e.Key)
	case *ast.TableExpr:
		for _, field := range e.Fields {
			if field.Key != nil {
				field.Key = r.key(field.Key)
			}
			field.Value = r.expression(field.Value)
		}
		return call(e, tableName, e)
	case *ast.FuncCallExpr:
		if e.Func != nil {
			e.Func = r.expression(e.Func)
		}
		if e.Receiver != nil {
			r.name(e, e.Method)
			e.Receiver = r.expression(e.Receiver)
		}
		r.expressions(e.Args)
	case *ast.LogicalOpExpr:
		e.Lhs, e.Rhs = r.expression(e.Lhs), r.expression(e.Rhs)
	case *ast.RelationalOpExpr:
		return r.comparison(e)
	case *ast.ArithmeticOpExpr:
		e.Lhs, e.Rhs = r.expression(e.Lhs), r.expression(e.Rhs)
	case *ast.StringConcatOpExpr:
		return r.concatenation(e)
	case *ast.UnaryMinusOpExpr:
		e.Expr = r.expression(e.Expr)
	case *ast.UnaryNotOpExpr:
		e.Expr = r.expression(e.Expr)
	case *ast.UnaryLenOpExpr:
		return call(e, lengthName, single(r.expression(e.Expr)))
	case *ast.FunctionExpr:
		r.statements(e.Stmts)
	}
	return expression
}

// key is a key that is looked up: a long one is paid for.
func (r *rewriter) key(key ast.Expr) ast.Expr {
	if brief(key) {
		return r.expression(key)
	}
	return call(key, keyName, single(r.expression(key)))
}

// comparison of what may be two long strings becomes a call.
func (r *rewriter) comparison(e *ast.RelationalOpExpr) ast.Expr {
	short := brief(e.Lhs) || brief(e.Rhs)
	e.Lhs, e.Rhs = r.expression(e.Lhs), r.expression(e.Rhs)
	if short {
		return e
	}
	functions := map[string]string{"==": equalName, "~=": equalName, "<": lessName, "<=": atMostName, ">": greaterName, ">=": atLeastName}
	compared := call(e, functions[e.Operator], single(e.Lhs), single(e.Rhs))
	if e.Operator != "~=" {
		return compared
	}
	different := &ast.UnaryNotOpExpr{Expr: compared}
	different.SetLine(e.Line())
	return different
}

// brief tells expressions of the script, before they are rewritten, that are no long string.
func brief(expression ast.Expr) bool {
	switch e := expression.(type) {
	case *ast.StringExpr:
		return len(e.Value) <= maxName
	case *ast.NumberExpr, *ast.NilExpr, *ast.TrueExpr, *ast.FalseExpr, *ast.ArithmeticOpExpr, *ast.UnaryMinusOpExpr, *ast.UnaryNotOpExpr,
		*ast.UnaryLenOpExpr, *ast.RelationalOpExpr, *ast.TableExpr, *ast.FunctionExpr:
		return true
	}
	return false
}

// concatenation makes one call of a chain, so that it is copied once and not once for each link.
func (r *rewriter) concatenation(e *ast.StringConcatOpExpr) ast.Expr {
	var parts []ast.Expr
	var rest ast.Expr = e
	for {
		link, more := rest.(*ast.StringConcatOpExpr)
		if !more {
			break
		}
		parts = append(parts, single(r.expression(link.Lhs)))
		rest = link.Rhs
	}
	return call(e, concatName, append(parts, single(r.expression(rest)))...)
}

// single cuts an expression with several values to its first.
func single(expression ast.Expr) ast.Expr {
	switch e := expression.(type) {
	case *ast.FuncCallExpr:
		e.AdjustRet = true
	case *ast.Comma3Expr:
		e.AdjustRet = true
	}
	return expression
}

func ident(at ast.PositionHolder, name string) *ast.IdentExpr {
	expression := &ast.IdentExpr{Value: name}
	expression.SetLine(at.Line())
	return expression
}

func call(at ast.PositionHolder, function string, arguments ...ast.Expr) *ast.FuncCallExpr {
	expression := &ast.FuncCallExpr{Func: ident(at, function), Args: arguments, AdjustRet: true}
	expression.SetLine(at.Line())
	expression.SetLastLine(at.LastLine())
	return expression
}

func assign(at ast.PositionHolder, object, key, value ast.Expr) ast.Stmt {
	statement := &ast.FuncCallStmt{Expr: call(at, assignName, single(object), single(key), single(value))}
	statement.SetLine(at.Line())
	return statement
}
