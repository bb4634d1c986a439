// Package parity holds the simulated member cluster against a real one: the same nodes, workloads and disturbances on both,
// compared whenever both are at rest. The real one has Kubernetes' own API server, scheduler and controllers over fake
// kubelets, so what is compared is who runs where and who waits, not how long containers take.
package parity
