// Package workload breaks the rules of purity, each beside what it should have done.
package workload

import (
	cryptorand "crypto/rand"
	"math/rand/v2"
	"net/http"
	clock "time"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8srand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/klog/v2"
	k8sclock "k8s.io/utils/clock"
)

var now = clock.Now // want "time"

func times(given k8sclock.PassiveClock) []any {
	clock.Sleep(clock.Second) // want "time"
	return []any{
		given.Now(),
		given.Since(given.Now()),
		metav1.NewTime(given.Now()),
		metav1.Now(),                 // want "time"
		clock.After(clock.Hour),      // want "time"
		clock.NewTimer(clock.Second), // want "time"
		k8sclock.RealClock{},         // want "time"
		now(),
	}
}

func chances(seeded *rand.Rand, space uuid.UUID) []any {
	own := rand.New(rand.NewPCG(1, 2))
	return []any{
		seeded.IntN(6),
		own.IntN(6),
		rand.IntN(6), // want "chance"
		uuid.NewSHA1(space, nil),
		uuid.NewString(), // want "chance"
		k8srand.SafeEncodeString("x"),
		k8srand.String(5), // want "chance"
		cryptorand.Reader, // want "chance"
	}
}

func worlds(logger klog.Logger) int {
	go times(nil) // want "go"
	logger.Info("given")
	klog.Info("taken")              // want "world"
	_, _ = http.Get("http://[::1]") // want "world"
	return http.StatusNotFound
}
