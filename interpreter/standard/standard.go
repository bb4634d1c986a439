// Package standard puts the interpreters of a control plane in their order.
package standard

import (
	"k8s.io/utils/clock"

	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/interpreter/declarative"
	"github.com/seatrial/seatrial/interpreter/native"
	"github.com/seatrial/seatrial/interpreter/thirdparty"
)

// New is what one controller asks about kinds: first the scripts of users, then the remote interpreters given, then what is
// built in for popular kinds of others and for those of Kubernetes.
func New(clock clock.PassiveClock, remote ...interpreter.Interpreter) interpreter.Chain {
	chain := interpreter.Chain{declarative.New(declarative.Defaults())}
	chain = append(chain, remote...)
	return append(chain, thirdparty.Interpreter(), native.New(native.Options{Clock: clock}))
}
