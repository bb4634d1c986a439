// Package cache keeps objects of many member clusters and answers get, list and watch over all of them as one API server would.
//
// Each member is followed by its own list and watch. What a client needs to go on where it left is a version per cluster: the
// resource versions and continue tokens that it is given hold those of all clusters.
package cache
