package inventory

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

func log() klog.Logger { return klog.Background().WithName("inventory") }

// kinds are what has to be watched. Volumes come before pods, which are counted with the volumes that are known.
func (v *Inventory) kinds() []*stream {
	core, storage := v.client.CoreV1().RESTClient(), v.client.StorageV1().RESTClient()
	volumes := v.stream(core, "persistentvolumes", fields.Everything())
	volumes.optional = true
	volumes.upsert = func(object runtime.Object) { v.claims.Upsert(object.(*corev1.PersistentVolume)) }
	volumes.remove = func(_, name string) { v.claims.Delete(name) }

	limits := v.stream(storage, "csinodes", fields.Everything())
	limits.optional = true
	limits.upsert = func(object runtime.Object) { v.index.UpsertCSINode(object.(*storagev1.CSINode)) }
	limits.remove = func(_, name string) { v.index.DeleteCSINode(name) }

	namespaces := v.stream(core, "namespaces", fields.Everything())
	namespaces.optional = true
	namespaces.upsert = func(object runtime.Object) { v.index.UpsertNamespace(object.(*corev1.Namespace)) }
	namespaces.remove = func(_, name string) { v.index.DeleteNamespace(name) }

	all := v.stream(core, "nodes", fields.Everything())
	all.upsert = func(object runtime.Object) {
		if err := v.index.UpsertNode(object.(*corev1.Node)); err != nil {
			log().Error(err, "Leaving out a node")
		}
	}
	all.remove = func(_, name string) { v.index.DeleteNode(name) }

	pods := v.stream(core, "pods", fields.AndSelectors(
		fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
		fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed))))
	pods.after = volumes.synced
	pods.upsert = func(object runtime.Object) { v.upsertPod(object.(*corev1.Pod)) }
	pods.remove = v.deletePod

	streams := []*stream{volumes, limits, namespaces, all, pods}
	if v.options.Gates.Quotas {
		quotas := v.stream(core, "resourcequotas", fields.Everything())
		quotas.upsert = func(object runtime.Object) { v.index.UpsertQuota(trimQuota(object.(*corev1.ResourceQuota))) }
		quotas.remove = v.index.DeleteQuota
		streams = append(streams, quotas)
	}
	return streams
}

func (v *Inventory) stream(client cache.Getter, kind string, selector fields.Selector) *stream {
	return &stream{
		inventory: v, kind: kind, server: cache.NewListWatchFromClient(client, kind, corev1.NamespaceAll, selector),
		seen: map[key]uint32{}, synced: make(chan struct{}),
	}
}

// trimQuota keeps what estimates look at.
func trimQuota(quota *corev1.ResourceQuota) *corev1.ResourceQuota {
	kept := &corev1.ResourceQuota{Spec: corev1.ResourceQuotaSpec{Scopes: quota.Spec.Scopes, ScopeSelector: quota.Spec.ScopeSelector}, Status: quota.Status}
	kept.Namespace, kept.Name = quota.Namespace, quota.Name
	return kept
}

func (v *Inventory) upsertPod(pod *corev1.Pod) {
	if err := v.index.UpsertPod(pod, v.claims.VolumesOf(pod)...); err != nil {
		log().Error(err, "Leaving out a pod")
	}
	v.notePending(pod)
}

func (v *Inventory) deletePod(namespace, name string) {
	v.index.DeletePod(namespace, name)
	v.forgetPending(namespace, name)
}
