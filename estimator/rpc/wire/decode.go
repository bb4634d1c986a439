package wire

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
)

// Bounds of what one field may hold. They are far above what API servers store, and keep decoders of Kubernetes types from
// recursing, or big numbers from growing, without end.
const (
	maxObjectBytes    = 256 << 10
	maxQuantityBytes  = 256
	maxQuantityDigits = 64
	maxExponent       = 64
	maxComponents     = 1024
)

// DecodeRequirements keeps nil nil. Fields in errors are relative to the message.
func DecodeRequirements(from *ReplicaRequirements) (*workv1alpha2.ReplicaRequirements, error) {
	if from == nil {
		return nil, nil
	}
	claim, err := decodeClaim(from.GetNodeClaim())
	if err != nil {
		return nil, err
	}
	request, err := decodeRequest(from.GetResourceRequestBytes())
	if err != nil {
		return nil, err
	}
	return &workv1alpha2.ReplicaRequirements{
		NodeClaim: claim, ResourceRequest: request, Namespace: from.GetNamespace(), PriorityClassName: from.GetPriorityClassName(),
	}, nil
}

// DecodeComponents keeps the order. Fields in errors start at components.
func DecodeComponents(from []*Component) ([]workv1alpha2.Component, error) {
	if len(from) > maxComponents {
		return nil, fmt.Errorf("components: has %d, more than %d", len(from), maxComponents)
	}
	var to []workv1alpha2.Component
	for i, component := range from {
		if component.GetReplicas() < 0 {
			return nil, fmt.Errorf("components[%d].replicas: is negative: %d", i, component.GetReplicas())
		}
		decoded := workv1alpha2.Component{Name: component.GetName(), Replicas: component.GetReplicas()}
		if needs := component.GetReplicaRequirements(); needs != nil {
			claim, err := decodeClaim(needs.GetNodeClaim())
			if err != nil {
				return nil, fmt.Errorf("components[%d].replicaRequirements.%w", i, err)
			}
			request, err := decodeRequest(needs.GetResourceRequestBytes())
			if err != nil {
				return nil, fmt.Errorf("components[%d].replicaRequirements.%w", i, err)
			}
			decoded.ReplicaRequirements = &workv1alpha2.ComponentReplicaRequirements{
				NodeClaim: claim, ResourceRequest: request, PriorityClassName: needs.GetPriorityClassName(),
			}
		}
		to = append(to, decoded)
	}
	return to, nil
}

// DecodeAssumed keeps the order. Fields in errors start at assumedWorkloads.
func DecodeAssumed(from []*AssumedWorkload) ([]estimator.AssumedWorkload, error) {
	var to []estimator.AssumedWorkload
	for i, workload := range from {
		components, err := DecodeComponents(workload.GetComponents())
		if err != nil {
			return nil, fmt.Errorf("assumedWorkloads[%d].%w", i, err)
		}
		to = append(to, estimator.AssumedWorkload{Namespace: workload.GetNamespace(), Components: components})
	}
	return to, nil
}

// DecodePod keeps nil nil. Fields in errors are relative to the message.
func DecodePod(from *PodDemand) (*estimator.PodDemand, error) {
	if from == nil {
		return nil, nil
	}
	to := &estimator.PodDemand{Labels: from.GetLabels(), Priority: from.Priority}
	var err error
	if to.Affinity, err = decodeAll[corev1.PodAffinityTerm]("affinity", from.GetAffinity()); err != nil {
		return nil, err
	}
	if to.AntiAffinity, err = decodeAll[corev1.PodAffinityTerm]("antiAffinity", from.GetAntiAffinity()); err != nil {
		return nil, err
	}
	if to.Spread, err = decodeAll[corev1.TopologySpreadConstraint]("topologySpreadConstraints", from.GetTopologySpreadConstraints()); err != nil {
		return nil, err
	}
	for _, port := range from.GetHostPorts() {
		to.HostPorts = append(to.HostPorts, estimator.HostPort{IP: port.GetIp(), Protocol: corev1.Protocol(port.GetProtocol()), Port: port.GetPort()})
	}
	for i, volume := range from.GetVolumes() {
		decoded := estimator.Volume{Driver: volume.GetDriver(), Shared: volume.GetShared()}
		if volume.NodeAffinity != nil {
			decoded.NodeAffinity = &corev1.VolumeNodeAffinity{}
			if err := decode(decoded.NodeAffinity, volume.GetNodeAffinity()); err != nil {
				return nil, fmt.Errorf("volumes[%d].nodeAffinity: %w", i, err)
			}
		}
		to.Volumes = append(to.Volumes, decoded)
	}
	return to, nil
}

// DecodeExplanation puts the explanation together with the answer it explains.
func DecodeExplanation(replicas int32, from *Explanation) nodes.Explanation {
	to := nodes.Explanation{Replicas: replicas, Nodes: int(from.GetNodes()), Quota: from.GetQuota()}
	for _, constraint := range from.GetConstraints() {
		to.Constraints = append(to.Constraints, nodes.Constraint{
			Reason: constraint.GetReason(), Nodes: int(constraint.GetNodes()), Replicas: constraint.GetReplicas(),
		})
	}
	return to
}

func decodeClaim(from *NodeClaim) (*workv1alpha2.NodeClaim, error) {
	if from == nil {
		return nil, nil
	}
	to := &workv1alpha2.NodeClaim{NodeSelector: from.GetNodeSelector()}
	if from.NodeAffinityBytes != nil {
		to.HardNodeAffinity = &corev1.NodeSelector{}
		if err := decode(to.HardNodeAffinity, from.GetNodeAffinityBytes()); err != nil {
			return nil, fmt.Errorf("nodeClaim.nodeAffinityBytes: %w", err)
		}
	}
	var err error
	if to.Tolerations, err = decodeAll[corev1.Toleration]("nodeClaim.tolerationsBytes", from.GetTolerationsBytes()); err != nil {
		return nil, err
	}
	return to, nil
}

func decodeRequest(from map[string][]byte) (corev1.ResourceList, error) {
	if len(from) == 0 {
		return nil, nil
	}
	to := make(corev1.ResourceList, len(from))
	for _, name := range slices.Sorted(maps.Keys(from)) {
		quantity, err := decodeQuantity(from[name])
		if err != nil {
			return nil, fmt.Errorf("resourceRequestBytes[%s]: %w", name, err)
		}
		if quantity.Sign() < 0 {
			return nil, fmt.Errorf("resourceRequestBytes[%s]: is negative: %s", name, quantity.String())
		}
		to[corev1.ResourceName(name)] = quantity
	}
	return to, nil
}

// decodeQuantity reads a Quantity, which is a message with its text in field 1. The text is looked at before it is parsed:
// an exponent of a thousand million is a number that takes minutes to write down.
func decodeQuantity(from []byte) (resource.Quantity, error) {
	if len(from) > maxQuantityBytes {
		return resource.Quantity{}, fmt.Errorf("has %d bytes, where a quantity has %d at most", len(from), maxQuantityBytes)
	}
	text, given := "", false
	for rest := from; len(rest) > 0; {
		number, kind, size := protowire.ConsumeTag(rest)
		if size < 0 {
			return resource.Quantity{}, notA("quantity", protowire.ParseError(size))
		}
		rest = rest[size:]
		if number == 1 && kind == protowire.BytesType {
			value, size := protowire.ConsumeBytes(rest)
			if size < 0 {
				return resource.Quantity{}, notA("quantity", protowire.ParseError(size))
			}
			text, given, rest = string(value), true, rest[size:]
			continue
		}
		if size = protowire.ConsumeFieldValue(number, kind, rest); size < 0 {
			return resource.Quantity{}, notA("quantity", protowire.ParseError(size))
		}
		rest = rest[size:]
	}
	if !given {
		return resource.Quantity{}, nil
	}
	if err := reasonable(text); err != nil {
		return resource.Quantity{}, err
	}
	quantity, err := resource.ParseQuantity(text)
	if err != nil {
		return resource.Quantity{}, fmt.Errorf("%q is not a quantity: %w", text, err)
	}
	return quantity, nil
}

// reasonable refuses the text of a quantity that no object can hold.
func reasonable(text string) error {
	if len(text) > maxQuantityDigits {
		return fmt.Errorf("a quantity of %d characters is too long", len(text))
	}
	at := strings.IndexAny(text, "eE")
	if at < 0 || at+1 == len(text) {
		return nil
	}
	if exponent, err := strconv.Atoi(text[at+1:]); err == nil && (exponent > maxExponent || exponent < -maxExponent) {
		return fmt.Errorf("the exponent of %s is beyond %d", text, maxExponent)
	} else if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("the exponent of %s is beyond %d", text, maxExponent)
	}
	return nil
}

func decodeAll[T any, P marshaler[T]](field string, from [][]byte) ([]T, error) {
	var to []T
	if len(from) > 0 {
		to = make([]T, len(from))
	}
	for i := range from {
		if err := decode(P(&to[i]), from[i]); err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", field, i, err)
		}
	}
	return to, nil
}

func decode(to interface{ Unmarshal([]byte) error }, from []byte) error {
	if len(from) > maxObjectBytes {
		return fmt.Errorf("has %d bytes, more than %d", len(from), maxObjectBytes)
	}
	if err := to.Unmarshal(from); err != nil {
		return notA(strings.TrimPrefix(fmt.Sprintf("%T", to), "*"), err)
	}
	return nil
}

func notA(what string, err error) error {
	return fmt.Errorf("is not the protobuf of a %s: %w", what, err)
}
