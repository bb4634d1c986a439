// Package simulator runs real clusters.
package simulator

import (
	_ "os" // want "outside"

	_ "google.golang.org/grpc"      // want "outside"
	_ "k8s.io/client-go/kubernetes" // want "outside"
	_ "k8s.io/client-go/kubernetes/scheme"
	_ "k8s.io/client-go/rest"            // want "outside"
	_ "k8s.io/client-go/tools/clientcmd" // want "outside"
	_ "sigs.k8s.io/controller-runtime"   // want "outside"
	_ "sigs.k8s.io/controller-runtime/pkg/client"

	_ "github.com/seatrial/seatrial/internal/rules/testdata/broken/fleet/embedded" // want "closure"
)
