package rules

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

const (
	whyOrder = "Go ranges over maps in another order each time, and what leaves this code in another order is another run: sort the keys first"
	// noOrder in its comment makes the order of a function's list the business of its callers, who need none.
	noOrder = "in no order"
)

// Calls whose order is seen from outside: API writes (with a context), events and text.
var (
	writes  = []string{"Create", "Update", "Patch", "Apply", "Delete", "DeleteAllOf"}
	outputs = []string{"Event", "Eventf", "AnnotatedEventf", "Write", "WriteString", "WriteByte", "WriteRune", "Fprint", "Fprintf", "Fprintln"}
)

// checkOrder finds loops over maps that write, tell or list in the order of the map. It sees what stands in the loop itself,
// not what functions called there do.
func (tr *tree) checkOrder() []finding {
	var found []finding
	for _, pkg := range tr.packages {
		if pkg.info == nil {
			continue
		}
		for _, file := range pkg.syntax {
			for _, declaration := range file.Decls {
				function, ok := declaration.(*ast.FuncDecl)
				if !ok || function.Body == nil {
					continue
				}
				ast.Inspect(function.Body, func(node ast.Node) bool {
					if loop, ok := node.(*ast.RangeStmt); ok && unordered(pkg.info, loop.X) {
						found = append(found, tr.checkLoop(pkg.info, function, loop)...)
					}
					return true
				})
			}
		}
	}
	return found
}

// unordered reports whether an expression is a map or what comes out of one as it is.
func unordered(info *types.Info, expr ast.Expr) bool {
	if call, ok := expr.(*ast.CallExpr); ok {
		called := callee(info, call)
		return called != nil && (called.Pkg() != nil && called.Pkg().Path() == "maps" || called.Name() == "UnsortedList")
	}
	_, isMap := info.TypeOf(expr).Underlying().(*types.Map)
	return isMap
}

func (tr *tree) checkLoop(info *types.Info, function *ast.FuncDecl, loop *ast.RangeStmt) []finding {
	var found []finding
	ast.Inspect(loop.Body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CallExpr:
			if called := callee(info, node); called != nil && visible(called) {
				found = append(found, tr.report("order", node.Pos(), "%s in a loop over a map: %s", called.Name(), whyOrder))
			}
		case *ast.AssignStmt:
			grown := grownList(info, loop, node)
			if grown != nil && !sortedAfter(info, function, loop, grown) && !strings.Contains(function.Doc.Text(), noOrder) {
				found = append(found, tr.report("order", node.Pos(), "%s lists in the order of a map: %s, or say %q in the comment of a function whose callers sort or only count", grown.Name(), whyOrder, noOrder))
			}
		}
		return true
	})
	return found
}

func callee(info *types.Info, call *ast.CallExpr) *types.Func {
	var name *ast.Ident
	switch function := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		name = function
	case *ast.SelectorExpr:
		name = function.Sel
	default:
		return nil
	}
	called, _ := info.Uses[name].(*types.Func)
	return called
}

func visible(called *types.Func) bool {
	if slices.Contains(outputs, called.Name()) {
		return true
	}
	parameters := called.Signature().Params()
	return slices.Contains(writes, called.Name()) && parameters.Len() > 0 && parameters.At(0).Type().String() == "context.Context"
}

// grownList is the variable that `x = append(x, ...)` grows, if x outlives the loop.
func grownList(info *types.Info, loop *ast.RangeStmt, assign *ast.AssignStmt) types.Object {
	if len(assign.Lhs) != 1 || len(assign.Rhs) != 1 {
		return nil
	}
	list, ok := assign.Lhs[0].(*ast.Ident)
	call, isCall := assign.Rhs[0].(*ast.CallExpr)
	if !ok || !isCall {
		return nil
	}
	if name, ok := call.Fun.(*ast.Ident); !ok || info.Uses[name] != types.Universe.Lookup("append") {
		return nil
	}
	object := info.Uses[list]
	if object == nil || within(object.Pos(), loop) {
		return nil
	}
	return object
}

// sortedAfter reports whether a call whose name speaks of sorting gets the list after the loop.
func sortedAfter(info *types.Info, function *ast.FuncDecl, loop *ast.RangeStmt, list types.Object) bool {
	sorted := false
	ast.Inspect(function.Body, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok || call.Pos() < loop.End() || !speaksOfSorting(call.Fun) {
			return !sorted
		}
		for _, argument := range call.Args {
			ast.Inspect(argument, func(node ast.Node) bool {
				name, ok := node.(*ast.Ident)
				sorted = sorted || ok && info.Uses[name] == list
				return !sorted
			})
		}
		return !sorted
	})
	return sorted
}

func speaksOfSorting(function ast.Expr) bool {
	switch function := ast.Unparen(function).(type) {
	case *ast.Ident:
		return strings.Contains(strings.ToLower(function.Name), "sort")
	case *ast.SelectorExpr:
		return speaksOfSorting(function.Sel) || speaksOfSorting(function.X)
	}
	return false
}

func within(pos token.Pos, node ast.Node) bool { return node.Pos() <= pos && pos < node.End() }
