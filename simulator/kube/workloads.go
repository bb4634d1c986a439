package kube

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Kinds that Apply takes.
const (
	KindDeployment              = "Deployment"
	KindStatefulSet             = "StatefulSet"
	KindDaemonSet               = "DaemonSet"
	KindJob                     = "Job"
	KindCronJob                 = "CronJob"
	KindReplicaSet              = "ReplicaSet"
	KindPod                     = "Pod"
	KindResourceQuota           = "ResourceQuota"
	KindLimitRange              = "LimitRange"
	KindHorizontalPodAutoscaler = "HorizontalPodAutoscaler"
	KindPodDisruptionBudget     = "PodDisruptionBudget"
	KindPriorityClass           = "PriorityClass"
	KindNamespace               = "Namespace"
)

// Key names an object of the cluster.
type Key struct{ Kind, Namespace, Name string }

func (k Key) String() string {
	if k.Namespace == "" {
		return k.Kind + " " + k.Name
	}
	return k.Kind + " " + k.Namespace + "/" + k.Name
}

func (k Key) compare(other Key) int {
	return cmp.Or(cmp.Compare(k.Kind, other.Kind), cmp.Compare(k.Namespace, other.Namespace), cmp.Compare(k.Name, other.Name))
}

// workload is an object with pods. The object is the caller's and never changed.
type workload struct {
	key        Key
	object     client.Object
	generation int64
	replicas   int32
	// sets are its revisions, oldest first; current is the one of the template as it is.
	sets     []int32
	current  int32
	revision int64
	template *corev1.PodTemplateSpec

	touched, changed, known bool
	// gone workloads wait for their pods to end.
	gone bool
	// progressed is when the roll-out last got on, and stalled that it has not for its deadline.
	progressed int64
	stalled    bool
	deadline   int64
	gen        uint32
	// refused: a quota did not let it have another pod. refusals counts these since the last success, and askAgain is when it
	// tries anew.
	refused  bool
	refusals int32
	askAgain int64

	ordinals *ordinals
	job      *job
	cron     *cron
	seen     progress
	reported Status
}

// Apply makes the cluster want what an object says: a Deployment, StatefulSet, DaemonSet, Job, CronJob, ReplicaSet or Pod
// without owner, HorizontalPodAutoscaler, PodDisruptionBudget, ResourceQuota, LimitRange, PriorityClass or Namespace, with its
// defaults filled in. The cluster keeps the object and relies on nobody changing it.
func (c *Cluster) Apply(object client.Object) error {
	c.advance()
	return c.apply(object)
}

func (c *Cluster) apply(object client.Object) error {
	var err error
	switch object := object.(type) {
	case *appsv1.Deployment:
		err = c.applyWorkload(KindDeployment, object, ptr.Deref(object.Spec.Replicas, 1), &object.Spec.Template)
	case *appsv1.ReplicaSet:
		err = c.applyWorkload(KindReplicaSet, object, ptr.Deref(object.Spec.Replicas, 1), &object.Spec.Template)
	case *appsv1.StatefulSet:
		err = c.applyWorkload(KindStatefulSet, object, ptr.Deref(object.Spec.Replicas, 1), &object.Spec.Template)
	case *appsv1.DaemonSet:
		err = c.applyWorkload(KindDaemonSet, object, 0, &object.Spec.Template)
	case *batchv1.Job:
		err = c.applyWorkload(KindJob, object, ptr.Deref(object.Spec.Parallelism, 1), &object.Spec.Template)
	case *corev1.Pod:
		err = c.applyWorkload(KindPod, object, 1, &corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: object.Labels, Annotations: object.Annotations}, Spec: object.Spec})
	case *batchv1.CronJob:
		err = c.applyCron(object)
	case *autoscalingv2.HorizontalPodAutoscaler:
		err = c.applyAutoscaler(object)
	case *policyv1.PodDisruptionBudget:
		err = c.applyBudget(object)
	case *corev1.ResourceQuota:
		err = c.applyQuota(object)
	case *corev1.LimitRange:
		c.applyLimits(object)
	case *schedulingv1.PriorityClass:
		class := priorityClass{object.Value, ptr.Deref(object.PreemptionPolicy, corev1.PreemptLowerPriority)}
		c.priorityClasses[object.Name] = class
		if object.GlobalDefault {
			c.defaultClass = class
		}
	case *corev1.Namespace:
		c.setNamespace(object.Name, object.Labels)
	default:
		err = fmt.Errorf("applying %T %s: the simulated cluster has no such kind", object, object.GetName())
	}
	c.poke()
	return err
}

// applyWorkload follows a workload. Its template makes a revision when it differs from that of the current one.
func (c *Cluster) applyWorkload(kind string, object client.Object, replicas int32, template *corev1.PodTemplateSpec) error {
	key := Key{kind, object.GetNamespace(), object.GetName()}
	if replicas < 0 {
		return fmt.Errorf("applying %s: replicas is %d, it must be 0 or more", key, replicas)
	}
	id, ok := c.workOf[key]
	if !ok {
		id = c.newWorkload(key)
	}
	w := &c.works[id]
	w.object, w.generation, w.known = object, max(object.GetGeneration(), 1), true
	if w.template == nil || w.template != template && !apiequality.Semantic.DeepEqual(w.template, template) {
		if err := c.revise(id, template); err != nil {
			if len(w.sets) == 0 {
				c.freeWorkload(id)
			}
			return fmt.Errorf("applying %s: %w", key, err)
		}
		c.works[id].progressed, c.works[id].stalled = c.now, false
	} else {
		w.template = template
		c.sets[w.current].template.minReady = minReady(object)
	}
	w = &c.works[id]
	if w.replicas != replicas && kind == KindDeployment {
		c.scaleSets(w, w.replicas, replicas)
		w.progressed, w.stalled = c.now, false
	}
	w.replicas = replicas
	c.prepare(id)
	c.touch(id)
	return nil
}

// prepare makes what a kind needs beside its sets.
func (c *Cluster) prepare(id int32) {
	w := &c.works[id]
	switch w.key.Kind {
	case KindStatefulSet:
		if w.ordinals == nil {
			w.ordinals = &ordinals{}
		}
	case KindDaemonSet:
		if !slices.Contains(c.daemons, id) {
			c.daemons = append(c.daemons, id)
		}
		c.wantDaemons(id)
	case KindJob:
		c.prepareJob(id)
	}
}

func (c *Cluster) newWorkload(key Key) int32 {
	id := int32(len(c.works))
	if last := len(c.freeWorks) - 1; last >= 0 {
		id, c.freeWorks = c.freeWorks[last], c.freeWorks[:last]
		c.works[id] = workload{gen: c.works[id].gen + 1}
	} else {
		c.works = append(c.works, workload{})
	}
	w := &c.works[id]
	w.key, w.current = key, none
	c.workOf[key] = id
	return id
}

// revise makes the set of a template, or takes up an older one of the same.
func (c *Cluster) revise(id int32, template *corev1.PodTemplateSpec) error {
	w := &c.works[id]
	for i, of := range w.sets {
		if apiequality.Semantic.DeepEqual(c.sets[of].template.spec, template) {
			w.sets = append(slices.Delete(w.sets, i, i+1), of)
			w.revision++
			c.sets[of].revision = w.revision
			w.template, w.current = template, of
			return nil
		}
	}
	revision := w.revision + 1
	hash := hashOf(w.key, revision)
	if w.key.Kind == KindPod || w.key.Kind == KindReplicaSet {
		hash = ""
	}
	compiled, err := c.compile(w, template, hash)
	if err != nil {
		return err
	}
	compiled.minReady = minReady(w.object)
	of := int32(len(c.sets))
	if last := len(c.freeSets) - 1; last >= 0 {
		of, c.freeSets = c.freeSets[last], c.freeSets[:last]
		c.loudness++
	} else {
		c.sets = append(c.sets, set{})
		c.setGens = append(c.setGens, 0)
	}
	if compiled.loud() {
		c.loudness++
	}
	c.setGens[of]++
	c.sets[of] = set{work: id, revision: revision, hash: hash, template: compiled}
	w.sets = append(w.sets, of)
	w.revision, w.template, w.current = revision, template, of
	return nil
}

func minReady(object client.Object) time.Duration {
	var seconds int32
	switch object := object.(type) {
	case *appsv1.Deployment:
		seconds = object.Spec.MinReadySeconds
	case *appsv1.StatefulSet:
		seconds = object.Spec.MinReadySeconds
	case *appsv1.ReplicaSet:
		seconds = object.Spec.MinReadySeconds
	case *appsv1.DaemonSet:
		seconds = object.Spec.MinReadySeconds
	}
	return time.Duration(seconds) * time.Second
}

// hashLabel is the label by which Kubernetes tells the pods of revisions apart.
func (w *workload) hashLabel() string {
	if w.key.Kind == KindDeployment {
		return appsv1.DefaultDeploymentUniqueLabelKey
	}
	return appsv1.ControllerRevisionHashLabelKey
}

// dropSet forgets a revision without pods.
func (c *Cluster) dropSet(of int32) {
	w := &c.works[c.sets[of].work]
	if park := c.sets[of].template.parked; park != nil {
		c.leaveParking(park)
	}
	w.sets = slices.DeleteFunc(w.sets, func(other int32) bool { return other == of })
	c.sets[of] = set{}
	c.setGens[of]++
	c.freeSets = append(c.freeSets, of)
}

// Delete removes an object; the pods of a workload end with it. Deleting what is not there changes nothing.
func (c *Cluster) Delete(key Key) {
	c.advance()
	c.delete(key)
}

func (c *Cluster) delete(key Key) {
	defer c.poke()
	switch key.Kind {
	case KindPodDisruptionBudget:
		c.deleteBudget(key)
		return
	case KindHorizontalPodAutoscaler:
		c.deleteAutoscaler(key)
		return
	case KindResourceQuota:
		c.deleteQuota(key)
		return
	case KindLimitRange:
		c.deleteLimits(key)
		return
	case KindPriorityClass:
		delete(c.priorityClasses, key.Name)
		return
	case KindNamespace:
		delete(c.namespaces, key.Name)
		c.renamespace()
		return
	}
	id, ok := c.workOf[key]
	if !ok {
		return
	}
	w := &c.works[id]
	if w.cron != nil {
		for _, started := range slices.Clone(w.cron.jobs) {
			c.delete(started)
		}
	}
	w = &c.works[id]
	w.gone, w.known = true, false
	w.gen++
	delete(c.workOf, key)
	c.daemons = slices.DeleteFunc(c.daemons, func(other int32) bool { return other == id })
	for _, of := range slices.Clone(w.sets) {
		for _, pod := range slices.Clone(c.sets[of].pods) {
			c.deletePod(pod)
		}
	}
	c.touch(id)
}

// freeWorkload gives the row back.
func (c *Cluster) freeWorkload(id int32) {
	w := &c.works[id]
	for _, of := range slices.Clone(w.sets) {
		c.dropSet(of)
	}
	if known, ok := c.workOf[w.key]; ok && known == id {
		delete(c.workOf, w.key)
	}
	c.works[id] = workload{gen: w.gen + 1, current: none}
	c.freeWorks = append(c.freeWorks, id)
}

// touch makes the controller of a workload look at it in this turn, and its status be reported.
func (c *Cluster) touch(id int32) {
	w := &c.works[id]
	if !w.touched {
		w.touched = true
		c.touched = append(c.touched, id)
	}
	c.touchStatus(id)
}

// touchStatus makes the status of a workload be reported at the end of the turn.
func (c *Cluster) touchStatus(id int32) {
	w := &c.works[id]
	if !w.changed {
		w.changed = true
		c.changed = append(c.changed, id)
	}
}

// reconcile gives one workload its turn.
func (c *Cluster) reconcile(id int32) {
	w := &c.works[id]
	if w.gone {
		c.finishDeletion(id)
		return
	}
	daemons := w.key.Kind == KindDaemonSet
	w.refused = w.refused && daemons
	switch w.key.Kind {
	case KindDeployment:
		c.reconcileDeployment(id)
	case KindReplicaSet:
		c.reconcileReplicaSet(id)
	case KindStatefulSet:
		c.reconcileStatefulSet(id)
	case KindDaemonSet:
		c.reconcileDaemonSet(id)
	case KindJob:
		c.reconcileJob(id)
	case KindPod:
		if s := &c.sets[w.current]; len(s.pods) == 0 && w.progressed >= 0 {
			// A pod that went is not replaced: progressed marks that it was there.
			if c.createPod(w.current, 0) != none {
				c.works[id].progressed = -1
			}
		}
	}
	// The pods of a DaemonSet are made elsewhere.
	if w := &c.works[id]; !w.refused && !daemons {
		w.refusals, w.askAgain = 0, 0
	}
}

func (c *Cluster) finishDeletion(id int32) {
	for _, of := range c.works[id].sets {
		if len(c.sets[of].pods) > 0 {
			return
		}
	}
	c.freeWorkload(id)
}

// scaleTo makes the number of active pods of a set what is wanted.
func (c *Cluster) scaleTo(of, wanted int32) {
	s := &c.sets[of]
	s.wanted = wanted
	if s.active < wanted {
		s.pods = slices.Grow(s.pods, int(wanted-s.active))
	}
	for s.active < wanted {
		if c.createPod(of, 0) == none {
			return
		}
		s = &c.sets[of]
	}
	if s.active == wanted {
		return
	}
	c.removeFrom([]int32{of}, s.active-wanted)
}

// removeFrom ends as many active pods of some sets, the most dispensable ones.
func (c *Cluster) removeFrom(sets []int32, surplus int32) {
	var active []int32
	for _, of := range sets {
		for _, id := range c.sets[of].pods {
			if c.pods[id].active() {
				active = append(active, id)
			}
		}
	}
	c.victimsFirst(active)
	for _, id := range active[:surplus] {
		c.deletePod(id)
	}
}

// reconcileReplicaSet makes the number of pods what is wanted. Pods made from an older template stay.
func (c *Cluster) reconcileReplicaSet(id int32) {
	w := &c.works[id]
	var active int32
	for _, of := range w.sets {
		active += c.sets[of].active
	}
	if surplus := active - w.replicas; surplus > 0 {
		c.removeFrom(w.sets, surplus)
	} else {
		c.scaleTo(w.current, c.sets[w.current].active-surplus)
	}
	for _, of := range slices.Clone(w.sets) {
		if of != w.current && len(c.sets[of].pods) == 0 {
			c.dropSet(of)
		}
	}
}

// expected is how many pods a workload should have.
func (c *Cluster) expected(w *workload) int32 {
	if w.key.Kind == KindDaemonSet {
		return c.reportedDesired(w)
	}
	return w.replicas
}
