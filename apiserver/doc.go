// Package apiserver is the aggregated API server of the control plane. It serves cluster.karmada.io/v1alpha1 and, where that is wanted,
// search.karmada.io/v1alpha1 from etcd, next to the kube-apiserver that forwards to it, forwards to members what callers ask of them,
// and asks that kube-apiserver who a caller is and what the caller may do.
package apiserver
