// Package estimator tells how many replicas, or whole sets of components, fit into a cluster.
//
// Everything here is pure: cluster state and demand go in, a number comes out.
package estimator
