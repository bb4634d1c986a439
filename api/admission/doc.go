// Package admission completes and checks objects before they are stored: pure functions that the webhooks, the aggregated
// API server and the in-memory store share.
//
// Default functions change their argument and can run again without further change. Validate functions return every
// fault they find, in the order of the fields.
package admission
