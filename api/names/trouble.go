package names

// Conditions of a binding that stand on it only while something is wrong, with status False, so that a binding in order looks as
// it does without them.
const (
	// ConditionUpToDate: the binding lags behind its template or its policy.
	ConditionUpToDate = "UpToDate"
	// ConditionRendered: not every cluster could be given its Work; the others have theirs.
	ConditionRendered = "Rendered"
	// ConditionDependenciesResolved: what the template depends on could not be found out, or not be brought along.
	ConditionDependenciesResolved = "DependenciesResolved"
	// ConditionStatusAggregated: the reports of the clusters could not be summed up in the status of the template.
	ConditionStatusAggregated = "StatusAggregated"
	// ConditionReplaced: copies that are to go are still held, since nothing more becomes ready in their place.
	ConditionReplaced = "Replaced"
)

// ReasonReplacementsNotReady is why copies are not replaced.
const ReasonReplacementsNotReady = "ReplacementsNotReady"
