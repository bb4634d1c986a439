// Package wire is what estimators and those who ask them say to each other over gRPC, and how it maps to Go types of the
// project.
//
// Two services share the connection. Estimator, with its messages, is that of installed control planes: its names and
// field numbers never change. BatchEstimator is of this project, answers many demands at once, and knows what an installed
// estimator does not: demands on pods around, explanations, and whether the answer is stale.
//
// Decoding trusts nobody. Errors name the field, count nothing twice and never depend on the order of a map; what is
// decoded has no negative replica counts, and no quantity that takes long to compute with.
package wire

// MaxDemands is how many demands one batch may hold.
const MaxDemands = 4096

// MetadataObject is the key of the request metadata that names the workload, for logs.
const MetadataObject = "object"
