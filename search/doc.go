// Package search keeps in memory what resource registries choose of members, and serves it: all clusters as a list, or the fleet as
// if it were one cluster.
package search
