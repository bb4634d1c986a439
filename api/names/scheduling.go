package names

// AnnotationAppliedPreferences is kept by the scheduler on a binding whose placement annotations ask for something: those of
// the last decision as a JSON object and, when the decision went by ClusterPrice, a checksum of all prices under that name.
const AnnotationAppliedPreferences = "seatrial.io/applied-preferences"
