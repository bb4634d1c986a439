// Package names holds every name an installation can observe: labels, annotations, finalizers, namespaces, taints, condition
// types and reasons, event reasons, and the rules that derive the names of generated objects.
//
// All of them are part of the wire contract: changing one breaks existing installations.
package names
