// Package metrics is the metrics adapter: an API server beside the control plane's that answers for the whole fleet what the metrics
// APIs of members answer each for itself, the use of pods and nodes and custom metrics.
package metrics
