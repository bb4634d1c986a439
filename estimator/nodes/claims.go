package nodes

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/seatrial/seatrial/estimator"
)

// Claims knows which CSI driver attaches the volume that a claim is bound to. Its zero value knows none.
type Claims struct {
	drivers map[types.NamespacedName]string
	// bound are the claims of volumes, by the name of the volume.
	bound map[string]types.NamespacedName
}

// Upsert takes note of a volume.
func (c *Claims) Upsert(volume *corev1.PersistentVolume) {
	c.Delete(volume.Name)
	if volume.Spec.CSI == nil || volume.Spec.ClaimRef == nil {
		return
	}
	if c.bound == nil {
		c.drivers, c.bound = map[types.NamespacedName]string{}, map[string]types.NamespacedName{}
	}
	claim := types.NamespacedName{Namespace: volume.Spec.ClaimRef.Namespace, Name: volume.Spec.ClaimRef.Name}
	c.bound[volume.Name], c.drivers[claim] = claim, volume.Spec.CSI.Driver
}

// Delete forgets a volume.
func (c *Claims) Delete(volume string) {
	if claim, ok := c.bound[volume]; ok {
		delete(c.bound, volume)
		delete(c.drivers, claim)
	}
}

// VolumesOf are the attached volumes of a pod whose driver is known.
func (c *Claims) VolumesOf(pod *corev1.Pod) []estimator.Volume {
	if len(c.drivers) == 0 {
		return nil
	}
	var volumes []estimator.Volume
	for i := range pod.Spec.Volumes {
		name := ""
		switch volume := &pod.Spec.Volumes[i]; {
		case volume.PersistentVolumeClaim != nil:
			name = volume.PersistentVolumeClaim.ClaimName
		case volume.Ephemeral != nil:
			name = pod.Name + "-" + volume.Name
		}
		if driver := c.drivers[types.NamespacedName{Namespace: pod.Namespace, Name: name}]; driver != "" {
			volumes = append(volumes, estimator.Volume{Driver: driver})
		}
	}
	return volumes
}
