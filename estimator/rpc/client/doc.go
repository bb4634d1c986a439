// Package client asks the estimators of member clusters over gRPC how much fits there. It implements estimator.Estimators.
//
// All clusters of a question are asked at once, under one deadline, and a cluster costs no other its answer. What keeps a
// fleet of hundreds of estimators, some of which are always slow, gone or broken, from costing time:
//   - a cluster without an estimator is known by its Resolver and costs nothing;
//   - a circuit breaker for each cluster leaves an estimator that fails alone, for longer each time, and lets one question
//     through then (Nygard, Release It!, 2007). Nobody waits long for that one;
//   - equal questions on their way to one cluster are one call, and a caller that gives up does not end it for the others;
//   - answers count until the cluster changes, for a short time at most.
//
// Estimators of installed control planes are asked in their own words when they do not know those of this project.
package client
