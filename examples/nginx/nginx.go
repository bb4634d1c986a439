// Package nginx holds the example that `seatrial up` applies: a Deployment and the policy that divides it over three members.
package nginx

import "embed"

// Files are the manifests, one object each.
//
//go:embed *.yaml
var Files embed.FS

// Namespace and Name are those of the Deployment and of its policy.
const (
	Namespace = "default"
	Name      = "nginx"
)
