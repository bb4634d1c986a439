package simulator

import (
	"math/rand/v2"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ids yields the same identifiers in the same order for a seed.
type ids struct{ source *rand.ChaCha8 }

func newIDs(seed uint64) *ids {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return &ids{source: rand.NewChaCha8(key)}
}

// NewID implements control.IDSource and store.IDSource.
func (i *ids) NewID() string {
	// The source never fails to fill a buffer.
	return uuid.Must(uuid.NewRandomFromReader(i.source)).String()
}

// orNil turns an absent object into an absent runtime.Object.
func orNil(object client.Object) runtime.Object {
	if object == nil {
		return nil
	}
	return object
}
