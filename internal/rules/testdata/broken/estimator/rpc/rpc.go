// Package rpc may use the network.
package rpc

import (
	_ "net"

	_ "google.golang.org/grpc"
)
