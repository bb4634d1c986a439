package names

import (
	"hash/fnv"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/rand"
)

const (
	derivedServicePrefix = "derived-"
	importedSlicePrefix  = "imported-"

	// ImpersonatorName names the service account, ClusterRole and ClusterRoleBinding that let the control plane impersonate
	// its users in a member.
	ImpersonatorName = "karmada-impersonator"
	// DefaultEstimatorPrefix starts the names of estimator Services and Deployments.
	DefaultEstimatorPrefix = "karmada-scheduler-estimator"

	serviceAccountPrefix = "karmada-"
	memberRolePrefix     = "karmada-controller-manager:"

	// AgentUserPrefix, followed by the cluster, is the user of a pull-mode agent; AgentGroup is its group.
	AgentUserPrefix = "system:karmada:agent:"
	AgentGroup      = "system:karmada:agents"
)

// Hash is the 32-bit FNV-1a sum of text in decimal digits, each mapped to a letter or digit that cannot spell a word. It
// has 1 to 10 characters.
func Hash(text string) string {
	sum := fnv.New32a()
	sum.Write([]byte(text))
	return rand.SafeEncodeString(strconv.FormatUint(uint64(sum.Sum32()), 10))
}

// Binding names the ResourceBinding or ClusterResourceBinding of a template.
func Binding(kind, name string) string {
	return strings.ToLower(withoutColons(name) + "-" + kind)
}

// Work names the Work that carries an object; namespace is empty for cluster-scoped objects.
func Work(kind, name, namespace string) string {
	base := strings.ToLower(withoutColons(name))
	identity := base + "-" + kind
	if namespace != "" {
		identity = namespace + "-" + identity
	}
	return base + "-" + Hash(strings.ToLower(identity))
}

// PromotedPolicy names the policy made for a promoted resource; gvk is in the form "apps/v1, Kind=Deployment".
func PromotedPolicy(namespace, name, gvk string) string {
	return strings.ToLower(withoutColons(name) + "-" + Hash(namespace+gvk))
}

// ReferenceKey identifies a binding inside a label key.
func ReferenceKey(namespace, name string) string {
	return Hash(NamespacedKey(namespace, name))
}

// DependedByLabel is the label key an attached binding carries for each binding that depends on it.
func DependedByLabel(namespace, name string) string {
	return LabelDependedByPrefix + ReferenceKey(namespace, name)
}

// NamespacedKey is namespace/name, or the name alone without a namespace.
func NamespacedKey(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// ServiceAccount names the service account in a member whose token the control plane uses.
func ServiceAccount(cluster string) string {
	return serviceAccountPrefix + cluster
}

// MemberRole names the ClusterRole and ClusterRoleBinding of that service account.
func MemberRole(serviceAccount string) string {
	return memberRolePrefix + serviceAccount
}

// ImpersonationSecret names the secret in the control plane with the token of the impersonator of a cluster.
func ImpersonationSecret(cluster string) string {
	return cluster + "-impersonator"
}

// DerivedService names the Service made for a ServiceImport.
func DerivedService(serviceImport string) string {
	return derivedServicePrefix + serviceImport
}

// ImportedEndpointSlice names a slice collected from a cluster for a ServiceImport.
func ImportedEndpointSlice(slice, cluster string) string {
	return importedSlicePrefix + cluster + "-" + slice
}

// DispatchedEndpointSlice names a slice in the clusters that consume a MultiClusterService.
func DispatchedEndpointSlice(slice, provider string) string {
	return provider + "-" + slice
}

// Estimator names the Service and the Deployment of the estimator of a cluster.
func Estimator(prefix, cluster string) string {
	return prefix + "-" + cluster
}

// AgentUser is the user name of the pull-mode agent of a cluster.
func AgentUser(cluster string) string {
	return AgentUserPrefix + cluster
}

// AgentRequest names the certificate request by which the agent of a cluster replaces its certificate.
func AgentRequest(cluster string) string {
	return "karmada-agent-" + cluster
}

// withoutColons makes names of RBAC objects, which may hold colons, valid names of other objects.
func withoutColons(name string) string {
	return strings.ReplaceAll(name, ":", ".")
}
