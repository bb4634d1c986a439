package search

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
)

// none stands for what an object has not.
const none = "<none>"

func orNone(s string) string { return cmp.Or(s, none) }

// ownColumns are those by which kubectl shows the kinds that are looked at most, nil for other kinds.
func ownColumns(resource schema.GroupResource) rest.TableConvertor {
	switch resource.String() {
	case "pods":
		return podColumns()
	case "nodes":
		return nodeColumns()
	case "services":
		return serviceColumns()
	case "namespaces":
		return columns[corev1.Namespace]{{name: "Status", kind: text, of: func(n *corev1.Namespace) any { return string(n.Status.Phase) }}}
	case "configmaps":
		return columns[corev1.ConfigMap]{{name: "Data", kind: count, of: func(c *corev1.ConfigMap) any { return int64(len(c.Data) + len(c.BinaryData)) }}}
	case "secrets":
		return columns[corev1.Secret]{
			{name: "Type", kind: text, of: func(s *corev1.Secret) any { return string(s.Type) }},
			{name: "Data", kind: count, of: func(s *corev1.Secret) any { return int64(len(s.Data)) }},
		}
	case "persistentvolumeclaims":
		return claimColumns()
	}
	return workloadColumns(resource)
}

func workloadColumns(resource schema.GroupResource) rest.TableConvertor {
	type (
		deployment  = appsv1.Deployment
		statefulSet = appsv1.StatefulSet
		replicaSet  = appsv1.ReplicaSet
		daemonSet   = appsv1.DaemonSet
		job         = batchv1.Job
	)
	switch resource.String() {
	case "deployments.apps":
		return columns[deployment]{
			{name: "Ready", kind: text, of: func(d *deployment) any { return part(d.Status.ReadyReplicas, d.Spec.Replicas) }},
			{name: "Up-to-date", kind: count, of: func(d *deployment) any { return int64(d.Status.UpdatedReplicas) }},
			{name: "Available", kind: count, of: func(d *deployment) any { return int64(d.Status.AvailableReplicas) }},
		}
	case "statefulsets.apps":
		return columns[statefulSet]{{name: "Ready", kind: text, of: func(s *statefulSet) any { return part(s.Status.ReadyReplicas, s.Spec.Replicas) }}}
	case "replicasets.apps":
		return columns[replicaSet]{
			{name: "Desired", kind: count, of: func(r *replicaSet) any { return wanted(r.Spec.Replicas) }},
			{name: "Current", kind: count, of: func(r *replicaSet) any { return int64(r.Status.Replicas) }},
			{name: "Ready", kind: count, of: func(r *replicaSet) any { return int64(r.Status.ReadyReplicas) }},
		}
	case "daemonsets.apps":
		return columns[daemonSet]{
			{name: "Desired", kind: count, of: func(d *daemonSet) any { return int64(d.Status.DesiredNumberScheduled) }},
			{name: "Current", kind: count, of: func(d *daemonSet) any { return int64(d.Status.CurrentNumberScheduled) }},
			{name: "Ready", kind: count, of: func(d *daemonSet) any { return int64(d.Status.NumberReady) }},
			{name: "Up-to-date", kind: count, of: func(d *daemonSet) any { return int64(d.Status.UpdatedNumberScheduled) }},
			{name: "Available", kind: count, of: func(d *daemonSet) any { return int64(d.Status.NumberAvailable) }},
		}
	case "jobs.batch":
		return columns[job]{
			{name: "Status", kind: text, of: func(j *job) any { return jobStatus(j) }},
			{name: "Completions", kind: text, of: func(j *job) any { return completions(j) }},
		}
	}
	return nil
}

// wanted are replicas, one where none are named.
func wanted(replicas *int32) int64 {
	if replicas == nil {
		return 1
	}
	return int64(*replicas)
}

func part(ready int32, of *int32) string { return fmt.Sprintf("%d/%d", ready, wanted(of)) }

// completions tell how much of a job is done. Without a number of completions one will do, however many try.
func completions(job *batchv1.Job) string {
	done := part(job.Status.Succeeded, job.Spec.Completions)
	if job.Spec.Completions == nil && wanted(job.Spec.Parallelism) > 1 {
		done += fmt.Sprintf(" of %d", *job.Spec.Parallelism)
	}
	return done
}

func jobStatus(job *batchv1.Job) string {
	holds := func(wanted batchv1.JobConditionType) bool {
		return slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool { return c.Type == wanted && c.Status == corev1.ConditionTrue })
	}
	switch {
	case holds(batchv1.JobComplete):
		return "Complete"
	case holds(batchv1.JobFailed):
		return "Failed"
	case job.DeletionTimestamp != nil:
		return "Terminating"
	case holds(batchv1.JobSuspended):
		return "Suspended"
	case holds(batchv1.JobFailureTarget):
		return "FailureTarget"
	case holds(batchv1.JobSuccessCriteriaMet):
		return "SuccessCriteriaMet"
	}
	return "Running"
}

func nodeColumns() columns[corev1.Node] {
	return columns[corev1.Node]{
		{name: "Status", kind: text, of: func(n *corev1.Node) any { return nodeStatus(n) }},
		{name: "Roles", kind: text, of: func(n *corev1.Node) any { return nodeRoles(n) }},
		{name: "Version", kind: text, last: true, of: func(n *corev1.Node) any { return n.Status.NodeInfo.KubeletVersion }},
		{name: "Internal-IP", kind: text, wide: true, of: func(n *corev1.Node) any {
			at := slices.IndexFunc(n.Status.Addresses, func(a corev1.NodeAddress) bool { return a.Type == corev1.NodeInternalIP })
			if at < 0 {
				return none
			}
			return n.Status.Addresses[at].Address
		}},
		{name: "OS-Image", kind: text, wide: true, of: func(n *corev1.Node) any { return n.Status.NodeInfo.OSImage }},
		{name: "Container-Runtime", kind: text, wide: true, of: func(n *corev1.Node) any { return n.Status.NodeInfo.ContainerRuntimeVersion }},
	}
}

func nodeStatus(node *corev1.Node) string {
	status := "Unknown"
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			status = "NotReady"
			if condition.Status == corev1.ConditionTrue {
				status = "Ready"
			}
		}
	}
	if node.Spec.Unschedulable {
		status += ",SchedulingDisabled"
	}
	return status
}

func nodeRoles(node *corev1.Node) string {
	var roles []string
	for _, label := range slices.Sorted(maps.Keys(node.Labels)) {
		if role, is := strings.CutPrefix(label, "node-role.kubernetes.io/"); is && role != "" {
			roles = append(roles, role)
		}
	}
	return orNone(strings.Join(roles, ","))
}

func serviceColumns() columns[corev1.Service] {
	return columns[corev1.Service]{
		{name: "Type", kind: text, of: func(s *corev1.Service) any { return string(s.Spec.Type) }},
		{name: "Cluster-IP", kind: text, of: func(s *corev1.Service) any { return orNone(s.Spec.ClusterIP) }},
		{name: "External-IP", kind: text, of: func(s *corev1.Service) any { return externalOf(s) }},
		{name: "Port(s)", kind: text, of: func(s *corev1.Service) any { return portsOf(s) }},
	}
}

func externalOf(service *corev1.Service) string {
	reached := service.Spec.ExternalIPs
	switch service.Spec.Type {
	case corev1.ServiceTypeExternalName:
		return orNone(service.Spec.ExternalName)
	case corev1.ServiceTypeLoadBalancer:
		var balanced []string
		for _, ingress := range service.Status.LoadBalancer.Ingress {
			balanced = append(balanced, cmp.Or(ingress.IP, ingress.Hostname))
		}
		if reached = append(balanced, reached...); len(reached) == 0 {
			return "<pending>"
		}
	}
	return orNone(strings.Join(reached, ","))
}

func portsOf(service *corev1.Service) string {
	var ports []string
	for _, port := range service.Spec.Ports {
		shown := fmt.Sprint(port.Port)
		if port.NodePort > 0 {
			shown += fmt.Sprintf(":%d", port.NodePort)
		}
		ports = append(ports, shown+"/"+string(port.Protocol))
	}
	return orNone(strings.Join(ports, ","))
}

func claimColumns() columns[corev1.PersistentVolumeClaim] {
	type claim = corev1.PersistentVolumeClaim
	return columns[claim]{
		{name: "Status", kind: text, of: func(c *claim) any {
			if c.DeletionTimestamp != nil {
				return "Terminating"
			}
			return string(c.Status.Phase)
		}},
		{name: "Volume", kind: text, of: func(c *claim) any { return c.Spec.VolumeName }},
		{name: "Capacity", kind: text, of: func(c *claim) any {
			if c.Spec.VolumeName == "" {
				return ""
			}
			return c.Status.Capacity.Storage().String()
		}},
	}
}
