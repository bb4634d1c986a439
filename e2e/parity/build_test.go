package parity

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

const (
	// appLabel names the workload of a pod.
	appLabel = "app"
	// caseLabel keeps the nodes and pods of a case together, as cases share the real cluster.
	caseLabel = "parity.seatrial.io/case"
	zoneLabel = corev1.LabelTopologyZone
	hostLabel = corev1.LabelHostname
	gpu       = "example.com/gpu"
)

// group is a number of like nodes. Zones get the name of the case in front, so that cases do not share them.
type group struct {
	name        string
	count       int
	cpu, memory string
	pods, gpus  string
	zone        string
	labels      map[string]string
	taints      []corev1.Taint
}

type change = func(*corev1.PodTemplateSpec)

// template requests CPU and 1Gi of memory, and lets go of silent nodes after three seconds.
func template(name, cpu string, changes []change) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{appLabel: name}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.example/" + name + ":1"}}},
	}
	requests(map[corev1.ResourceName]string{"cpu": cpu, "memory": "1Gi"})(&t)
	for _, taint := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
		t.Spec.Tolerations = append(t.Spec.Tolerations, corev1.Toleration{
			Key: taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr.To[int64](3)})
	}
	for _, c := range changes {
		c(&t)
	}
	return t
}

func selector(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{appLabel: name}}
}

func deployment(name string, replicas int32, cpu string, changes ...change) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}}
	d.Spec.Replicas, d.Spec.Selector, d.Spec.Template = &replicas, selector(name), template(name, cpu, changes)
	return d
}

func rolling(d *appsv1.Deployment, surge, unavailable int) *appsv1.Deployment {
	d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{
		MaxSurge: ptr.To(intstr.FromInt(surge)), MaxUnavailable: ptr.To(intstr.FromInt(unavailable))}}
	return d
}

func replicaSet(name string, replicas int32, cpu string, changes ...change) *appsv1.ReplicaSet {
	r := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: name}}
	r.Spec.Replicas, r.Spec.Selector, r.Spec.Template = &replicas, selector(name), template(name, cpu, changes)
	return r
}

func quota(hard map[corev1.ResourceName]string) *corev1.ResourceQuota {
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "quota"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{}}}
	for name, amount := range hard {
		q.Spec.Hard[name] = resource.MustParse(amount)
	}
	return q
}

func statefulSet(name string, replicas int32, policy appsv1.PodManagementPolicyType, cpu string, changes ...change) *appsv1.StatefulSet {
	s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: name}}
	s.Spec.Replicas, s.Spec.Selector, s.Spec.Template = &replicas, selector(name), template(name, cpu, changes)
	s.Spec.PodManagementPolicy = policy
	return s
}

func daemonSet(name, cpu string, changes ...change) *appsv1.DaemonSet {
	d := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: name}}
	d.Spec.Selector, d.Spec.Template = selector(name), template(name, cpu, changes)
	return d
}

func job(name string, parallelism, completions int32, cpu string, changes ...change) *batchv1.Job {
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name}}
	j.Spec.Parallelism, j.Spec.Completions, j.Spec.Template = &parallelism, &completions, template(name, cpu, changes)
	j.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	return j
}

func pod(name, cpu string, changes ...change) *corev1.Pod {
	t := template(name, cpu, changes)
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: t.Labels}, Spec: t.Spec}
}

func budget(name string, minimum int) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: ptr.To(intstr.FromInt(minimum)), Selector: selector(name)}}
}

func requests(amounts map[corev1.ResourceName]string) change {
	return func(t *corev1.PodTemplateSpec) {
		list := corev1.ResourceList{}
		for name, amount := range amounts {
			list[name] = resource.MustParse(amount)
		}
		t.Spec.Containers[0].Resources.Requests = list
	}
}

func spec(set func(*corev1.PodSpec)) change {
	return func(t *corev1.PodTemplateSpec) { set(&t.Spec) }
}

func image(name string) change {
	return spec(func(s *corev1.PodSpec) { s.Containers[0].Image = name })
}

func on(key, value string) change {
	return spec(func(s *corev1.PodSpec) {
		if s.NodeSelector == nil {
			s.NodeSelector = map[string]string{}
		}
		s.NodeSelector[key] = value
	})
}

// as counts a pod among those of another workload.
func as(app string) change {
	return func(t *corev1.PodTemplateSpec) { t.Labels[appLabel] = app }
}

func class(name string) change {
	return spec(func(s *corev1.PodSpec) { s.PriorityClassName = name })
}

func tolerate(tolerations ...corev1.Toleration) change {
	return spec(func(s *corev1.PodSpec) { s.Tolerations = append(s.Tolerations, tolerations...) })
}

func hostPort(port int32) change {
	return spec(func(s *corev1.PodSpec) {
		s.Containers[0].Ports = append(s.Containers[0].Ports, corev1.ContainerPort{ContainerPort: port, HostPort: port})
	})
}

// wants makes a node affinity: required alternatives, and preferences with weights.
func wants(required []corev1.NodeSelectorTerm, preferred ...corev1.PreferredSchedulingTerm) change {
	return spec(func(s *corev1.PodSpec) {
		affinity(s).NodeAffinity = &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: preferred}
		if required != nil {
			s.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{NodeSelectorTerms: required}
		}
	})
}

func prefers(weight int32, key string, values ...string) corev1.PreferredSchedulingTerm {
	return corev1.PreferredSchedulingTerm{Weight: weight, Preference: term(key, corev1.NodeSelectorOpIn, values...)}
}

func term(key string, operator corev1.NodeSelectorOperator, values ...string) corev1.NodeSelectorTerm {
	return corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: operator, Values: values}}}
}

func affinity(s *corev1.PodSpec) *corev1.Affinity {
	if s.Affinity == nil {
		s.Affinity = &corev1.Affinity{}
	}
	return s.Affinity
}

func podTerm(topology, app string) corev1.PodAffinityTerm {
	return corev1.PodAffinityTerm{TopologyKey: topology, LabelSelector: selector(app)}
}

func near(topology, app string) change {
	return spec(func(s *corev1.PodSpec) {
		affinity(s).PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{podTerm(topology, app)}}
	})
}

func ratherNear(topology, app string) change {
	return spec(func(s *corev1.PodSpec) {
		affinity(s).PodAffinity = &corev1.PodAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
			{Weight: 100, PodAffinityTerm: podTerm(topology, app)}}}
	})
}

func apart(topology, app string) change {
	return spec(func(s *corev1.PodSpec) {
		affinity(s).PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{podTerm(topology, app)}}
	})
}

func ratherApart(topology, app string) change {
	return spec(func(s *corev1.PodSpec) {
		affinity(s).PodAntiAffinity = &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
			{Weight: 100, PodAffinityTerm: podTerm(topology, app)}}}
	})
}

// spread adds a topology spread constraint over the pods of the template's own workload.
func spread(topology string, skew int32, action corev1.UnsatisfiableConstraintAction, changes ...func(*corev1.TopologySpreadConstraint)) change {
	return func(t *corev1.PodTemplateSpec) {
		c := corev1.TopologySpreadConstraint{MaxSkew: skew, TopologyKey: topology, WhenUnsatisfiable: action, LabelSelector: selector(t.Labels[appLabel])}
		for _, set := range changes {
			set(&c)
		}
		t.Spec.TopologySpreadConstraints = append(t.Spec.TopologySpreadConstraints, c)
	}
}

func taint(key string, effect corev1.TaintEffect) corev1.Taint {
	return corev1.Taint{Key: key, Value: "yes", Effect: effect}
}
