// Package storage serves Cluster objects from etcd: what happens to an object on its way in, and how it looks in a table.
//
// Defaulting and validation are the pure functions of api/admission, so a Cluster that this server accepts is one the simulator
// accepts, and the other way round.
package storage
