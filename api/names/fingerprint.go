package names

// AnnotationTemplateFingerprint on a binding sums up the template that the binding was last made from: what users say in it, and
// its generation. A template that differs in nothing else, as after each change of its status, makes no new binding, and keeps a
// policy with lazy activation asleep. It stands on a template that such a policy claims, as long as there is no binding.
const AnnotationTemplateFingerprint = "seatrial.io/template-fingerprint"
