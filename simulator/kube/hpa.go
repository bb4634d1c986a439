package kube

import (
	"fmt"
	"math"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/ptr"
)

// scaler is a HorizontalPodAutoscaler. Metrics are not modelled: SetLoad says how many replicas the load would keep at their
// target.
type scaler struct {
	key, target Key
	least, most int32
	load        float64
	planned     bool
	// high are the recommendations of the last while, by which it does not scale down yet.
	high []recommendation
}

type recommendation struct {
	at       int64
	replicas int32
}

// tolerance is how far load and replicas may differ before anything is done.
const tolerance = 0.1

func (c *Cluster) applyAutoscaler(object *autoscalingv2.HorizontalPodAutoscaler) error {
	key := Key{KindHorizontalPodAutoscaler, object.Namespace, object.Name}
	least := ptr.Deref(object.Spec.MinReplicas, 1)
	if least > object.Spec.MaxReplicas {
		return fmt.Errorf("applying %s: spec.minReplicas %d is above spec.maxReplicas %d", key, least, object.Spec.MaxReplicas)
	}
	target := Key{object.Spec.ScaleTargetRef.Kind, object.Namespace, object.Spec.ScaleTargetRef.Name}
	load := -1.0
	if old := c.scaler(key); old != nil {
		load = old.load
		c.deleteAutoscaler(key)
	}
	c.scalers = append(c.scalers, &scaler{key: key, target: target, least: least, most: object.Spec.MaxReplicas, load: load})
	slices.SortFunc(c.scalers, func(a, b *scaler) int { return a.key.compare(b.key) })
	c.planScale(c.scaler(key))
	return nil
}

func (c *Cluster) scaler(key Key) *scaler {
	for _, s := range c.scalers {
		if s.key == key {
			return s
		}
	}
	return nil
}

func (c *Cluster) deleteAutoscaler(key Key) {
	c.scalers = slices.DeleteFunc(c.scalers, func(s *scaler) bool { return s.key == key })
}

// SetLoad says how many replicas of the workload that an autoscaler scales would be at their target now.
func (c *Cluster) SetLoad(autoscaler Key, replicas float64) error {
	c.advance()
	s := c.scaler(autoscaler)
	if s == nil || replicas < 0 {
		return fmt.Errorf("setting the load of %s to %g: no such autoscaler or load", autoscaler, replicas)
	}
	if id, ok := c.workOf[s.target]; ok && s.load >= 0 {
		// Up to now the old load was what every round recommended.
		s.high = append(s.high, recommendation{c.now, s.recommend(c.works[id].replicas)})
	}
	s.load = replicas
	c.planScale(s)
	c.poke()
	return nil
}

// recommend is the number of replicas that the load asks for.
func (s *scaler) recommend(current int32) int32 {
	wanted := current
	if math.Abs(s.load/float64(current)-1) > tolerance {
		wanted = int32(min(math.Ceil(s.load), math.MaxInt32))
	}
	return min(max(wanted, s.least), s.most)
}

// planScale plans one round for all autoscalers, at the next multiple of their interval.
func (c *Cluster) planScale(s *scaler) {
	if s.planned {
		return
	}
	s.planned = true
	interval := max(int64(c.timing.ScaleInterval), 1)
	c.timers.push(timer{at: (c.now/interval + 1) * interval, kind: kindScale})
}

// scale gives every autoscaler that has a round planned its round.
func (c *Cluster) scale() {
	for _, s := range slices.Clone(c.scalers) {
		if s.planned {
			s.planned = false
			c.scaleOne(s)
		}
	}
}

// scaleOne moves a workload towards its load: up by the double or 4 replicas a round at most, down only to the highest
// recommendation of the last minutes.
func (c *Cluster) scaleOne(s *scaler) {
	id, ok := c.workOf[s.target]
	if !ok || s.load < 0 || c.works[id].replicas == 0 {
		return
	}
	current := c.works[id].replicas
	wanted := s.recommend(current)
	s.high = slices.DeleteFunc(s.high, func(r recommendation) bool { return c.now-r.at >= int64(c.timing.ScaleDownWindow) })
	s.high = append(s.high, recommendation{c.now, wanted})
	next := wanted
	if wanted > current {
		next = min(wanted, max(2*current, current+4))
	} else {
		for _, r := range s.high {
			next = max(next, min(r.replicas, current))
		}
	}
	if next != current {
		c.setReplicas(id, next)
	}
	if next != wanted || next != current {
		c.planScale(s)
	}
}

func (c *Cluster) setReplicas(id, replicas int32) {
	w := &c.works[id]
	if w.key.Kind == KindDeployment {
		c.scaleSets(w, w.replicas, replicas)
	}
	w.replicas = replicas
	c.touch(id)
	if c.events.Scaled != nil {
		key := w.key
		c.news = append(c.news, func() { c.events.Scaled(key, replicas) })
	}
}
