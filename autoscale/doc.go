// Package autoscale decides how many replicas a workload that is spread over clusters shall have, by what its pods use: a decision is
// a function of the specification, the readings of all clusters, what was recommended and done before, and the time.
//
// The algorithm is that of the HorizontalPodAutoscaler of Kubernetes (autoscaling/v2), over the pods of all clusters that can be asked.
// Clusters that cannot be asked are taken to be as busy as the others. In two points it is more careful: a metric above its target
// never takes replicas away, nor does one below its target add any, however many pods there happen to be; and what a process has
// forgotten it takes to have been the worst, where replicas would go.
package autoscale
