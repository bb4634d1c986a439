// Package webhook interprets kinds by asking webhooks, which users register in ResourceInterpreterWebhookConfigurations.
//
// A Client is what a process has of connections, answers and experience with webhooks; Interpreters share it, and each knows
// the configurations that it was shown. Webhooks are on the network, so that this package serves live control planes only.
//
// Interpretation is a function of the object: answers count again for the same question about the same content for some
// minutes. A webhook that does not answer in time costs a worker its timeout once; then it is left alone for a while, in which
// questions for it fail at once, so that objects of other kinds go their way.
package webhook
