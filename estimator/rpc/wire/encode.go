package wire

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
)

// EncodeRequirements keeps nil nil.
func EncodeRequirements(from *workv1alpha2.ReplicaRequirements) (*ReplicaRequirements, error) {
	if from == nil {
		return nil, nil
	}
	claim, err := encodeClaim(from.NodeClaim)
	if err != nil {
		return nil, err
	}
	request, err := encodeRequest(from.ResourceRequest)
	if err != nil {
		return nil, err
	}
	return &ReplicaRequirements{
		NodeClaim: claim, Namespace: &from.Namespace, PriorityClassName: &from.PriorityClassName, ResourceRequestBytes: request,
	}, nil
}

// EncodeComponents keeps the order.
func EncodeComponents(from []workv1alpha2.Component) ([]*Component, error) {
	var to []*Component
	for i := range from {
		component := &Component{Name: &from[i].Name, Replicas: &from[i].Replicas}
		if needs := from[i].ReplicaRequirements; needs != nil {
			claim, err := encodeClaim(needs.NodeClaim)
			if err != nil {
				return nil, fmt.Errorf("component %s: %w", from[i].Name, err)
			}
			request, err := encodeRequest(needs.ResourceRequest)
			if err != nil {
				return nil, fmt.Errorf("component %s: %w", from[i].Name, err)
			}
			component.ReplicaRequirements = &ComponentReplicaRequirements{
				NodeClaim: claim, PriorityClassName: &needs.PriorityClassName, ResourceRequestBytes: request,
			}
		}
		to = append(to, component)
	}
	return to, nil
}

// EncodeAssumed keeps the order.
func EncodeAssumed(from []estimator.AssumedWorkload) ([]*AssumedWorkload, error) {
	var to []*AssumedWorkload
	for i := range from {
		components, err := EncodeComponents(from[i].Components)
		if err != nil {
			return nil, fmt.Errorf("workload assumed in namespace %s: %w", from[i].Namespace, err)
		}
		to = append(to, &AssumedWorkload{Namespace: &from[i].Namespace, Components: components})
	}
	return to, nil
}

// EncodePod keeps nil nil.
func EncodePod(from *estimator.PodDemand) (*PodDemand, error) {
	if from == nil {
		return nil, nil
	}
	to := &PodDemand{Labels: from.Labels, Priority: from.Priority}
	var err error
	if to.Affinity, err = encodeAll[corev1.PodAffinityTerm]("affinity", from.Affinity); err != nil {
		return nil, err
	}
	if to.AntiAffinity, err = encodeAll[corev1.PodAffinityTerm]("antiAffinity", from.AntiAffinity); err != nil {
		return nil, err
	}
	if to.TopologySpreadConstraints, err = encodeAll[corev1.TopologySpreadConstraint]("topologySpreadConstraints", from.Spread); err != nil {
		return nil, err
	}
	for _, port := range from.HostPorts {
		to.HostPorts = append(to.HostPorts, &HostPort{Ip: port.IP, Protocol: string(port.Protocol), Port: port.Port})
	}
	for _, volume := range from.Volumes {
		encoded := &Volume{Driver: volume.Driver, Shared: volume.Shared}
		if volume.NodeAffinity != nil {
			if encoded.NodeAffinity, err = volume.NodeAffinity.Marshal(); err != nil {
				return nil, fmt.Errorf("encoding the node affinity of a volume: %w", err)
			}
		}
		to.Volumes = append(to.Volumes, encoded)
	}
	return to, nil
}

// EncodeExplanation leaves out the answer, which stands beside it.
func EncodeExplanation(from nodes.Explanation) *Explanation {
	to := &Explanation{Nodes: int32(from.Nodes), Quota: from.Quota}
	for _, constraint := range from.Constraints {
		to.Constraints = append(to.Constraints, &Constraint{
			Reason: constraint.Reason, Nodes: int32(constraint.Nodes), Replicas: constraint.Replicas,
		})
	}
	return to
}

func encodeClaim(from *workv1alpha2.NodeClaim) (*NodeClaim, error) {
	if from == nil {
		return nil, nil
	}
	to := &NodeClaim{NodeSelector: from.NodeSelector}
	var err error
	if from.HardNodeAffinity != nil {
		if to.NodeAffinityBytes, err = from.HardNodeAffinity.Marshal(); err != nil {
			return nil, fmt.Errorf("encoding a node affinity: %w", err)
		}
	}
	to.TolerationsBytes, err = encodeAll[corev1.Toleration]("tolerations", from.Tolerations)
	return to, err
}

func encodeRequest(from corev1.ResourceList) (map[string][]byte, error) {
	if len(from) == 0 {
		return nil, nil
	}
	to := make(map[string][]byte, len(from))
	for name, quantity := range from {
		encoded, err := quantity.Marshal()
		if err != nil {
			return nil, fmt.Errorf("encoding the request for %s: %w", name, err)
		}
		to[string(name)] = encoded
	}
	return to, nil
}

// marshaler is a pointer to a Kubernetes type.
type marshaler[T any] interface {
	*T
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

func encodeAll[T any, P marshaler[T]](what string, from []T) ([][]byte, error) {
	var to [][]byte
	for i := range from {
		encoded, err := P(&from[i]).Marshal()
		if err != nil {
			return nil, fmt.Errorf("encoding %s[%d]: %w", what, i, err)
		}
		to = append(to, encoded)
	}
	return to, nil
}
