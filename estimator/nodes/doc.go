// Package nodes packs pods onto the nodes of one cluster: how many replicas of a demand, or whole sets of components, still
// fit, and what stands in the way of more.
//
// An Index holds the cluster. It is kept by events, one node or pod at a time, and answers without looking at pods again:
// pods of equal shape on one node are one cell, nodes of equal labels and taints are one class, and what is free on the
// nodes of a class stands side by side in memory. Selectors are evaluated once for each label value, not for each node.
//
// Estimates read the index only, so any number may run at the same time as long as no event does.
package nodes
