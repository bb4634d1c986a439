// Package report measures what the users of a fleet feel while a simulation runs, and tells it.
//
// A Recorder is fed with what happens, in the order of virtual time: replicas that are wanted, run and are ready, decisions,
// losses, capacities. It keeps sums, not history: an event costs the same at the end of a long run as at its beginning, and
// memory grows with the number of workloads and clusters, never with the number of events. Finish turns the sums into a Report,
// which is plain data and is written as text, JSON, JUnit, OpenMetrics, CSV or HTML, always with the same bytes.
//
// # What is available
//
// A workload that has just been created, or has just been scaled up, is not an outage. So a workload is held to what it has
// already reached: promised(t) is the highest number of ready replicas so far, and never more than what is desired now.
// Replicas missing to that are unavailable, an incident lasts from the first missing replica until none is missing, and the
// floor is a part of what is promised.
package report
