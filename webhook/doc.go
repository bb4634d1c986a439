// Package webhook serves admission and the conversion of bindings to the API server of a control plane over HTTPS.
//
// What is judged stands in one table, by which requests are served and the webhook is registered. The judgements themselves are
// the pure functions of api/admission. What cannot be judged is refused, and while no server answers, the API server refuses for
// it: an object that was never completed or checked would lose more than a write that is tried again.
package webhook
