// Package rules holds tests alone: they read the source of the whole module and fail where it leaves the two rules that
// everything else rests on. A decision is a pure function of its arguments, so the packages that decide read no clock, roll
// no dice, start no goroutine and reach no network (purity). And what must stay pure imports only what is (imports).
//
// Each rule is proven on testdata/broken, a small module tree that breaks every one of them.
package rules
