package store_test

import (
	"context"
	"fmt"
	goruntime "runtime"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/simulator/store"
	"github.com/seatrial/seatrial/simulator/store/conformance"
)

// benchSize is how many objects of each kind a benchmark's store holds.
const benchSize = 10_000

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func benchConfigMap(i int) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: fmt.Sprintf("object-%06d", i),
			Labels: map[string]string{"app": fmt.Sprintf("app-%d", i%1000), "tier": "web"},
		},
		Data: map[string]string{"key": "value", "other": "another value"},
	}
}

func benchWidget(i int) *conformance.Widget {
	replicas := int32(i % 100)
	return &conformance.Widget{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: fmt.Sprintf("object-%06d", i),
			Labels: map[string]string{"app": fmt.Sprintf("app-%d", i%1000)},
		},
		Spec: conformance.WidgetSpec{
			Replicas: &replicas, Mode: "Manual", Tags: []string{"a", "b", "c"},
			Payload: &runtime.RawExtension{Raw: []byte(`{"kind":"Thing","spec":{"a":1,"b":["x","y"]}}`)},
		},
	}
}

// benchStore holds benchSize config maps and widgets.
func benchStore(b *testing.B, trusting bool) *store.Store {
	b.Helper()
	widgets, err := store.FromDefinition(conformance.WidgetDefinition())
	must(b, err)
	s := newStore(b, func(o *store.Options) {
		o.Resources = append(o.Resources, widgets)
		o.Retain = 1000
		o.Trusting = trusting
	})
	must(b, s.IndexLabels(&corev1.ConfigMap{}, "app"))
	for i := range benchSize {
		must(b, s.Client().Create(b.Context(), benchConfigMap(i)))
		must(b, s.Client().Create(b.Context(), benchWidget(i)))
	}
	b.ReportAllocs()
	b.ResetTimer()
	return s
}

func BenchmarkGet(b *testing.B) {
	key := client.ObjectKeyFromObject(benchConfigMap(4711))
	for name, reader := range map[string]func(*store.Store) client.Reader{
		"copied": func(s *store.Store) client.Reader { return s.Client() },
		"shared": func(s *store.Store) client.Reader { return s.Reader() },
		"past":   func(s *store.Store) client.Reader { return s.At(s.Revision() - 500) },
	} {
		b.Run(name+"/native", func(b *testing.B) {
			r := reader(benchStore(b, false))
			for b.Loop() {
				must(b, r.Get(context.Background(), key, &corev1.ConfigMap{}))
			}
		})
		b.Run(name+"/custom", func(b *testing.B) {
			r := reader(benchStore(b, false))
			for b.Loop() {
				must(b, r.Get(context.Background(), key, &conformance.Widget{}))
			}
		})
	}
}

func BenchmarkList(b *testing.B) {
	for name, options := range map[string][]client.ListOption{
		"all":   nil,
		"scan":  {client.MatchingLabels{"tier": "db"}},
		"index": {client.MatchingLabels{"app": "app-7"}},
	} {
		b.Run(name, func(b *testing.B) {
			r := benchStore(b, false).Reader()
			for b.Loop() {
				must(b, r.List(context.Background(), &corev1.ConfigMapList{}, options...))
			}
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	for name, make := range map[string]func(int) client.Object{
		"native": func(i int) client.Object { return benchConfigMap(i) },
		"custom": func(i int) client.Object { return benchWidget(i) },
	} {
		for _, trusting := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/trusting=%v", name, trusting), func(b *testing.B) {
				c := benchStore(b, trusting).Client()
				i := benchSize
				for b.Loop() {
					must(b, c.Create(context.Background(), make(i)))
					i++
				}
			})
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	b.Run("native", func(b *testing.B) {
		c := benchStore(b, false).Client()
		object := benchConfigMap(4711)
		must(b, c.Get(context.Background(), client.ObjectKeyFromObject(object), object))
		for b.Loop() {
			object.Data["key"] += "."
			if len(object.Data["key"]) > 100 {
				object.Data["key"] = ""
			}
			must(b, c.Update(context.Background(), object))
		}
	})
	for _, trusting := range []bool{false, true} {
		b.Run(fmt.Sprintf("status/trusting=%v", trusting), func(b *testing.B) {
			c := benchStore(b, trusting).Client()
			object := benchWidget(4711)
			must(b, c.Get(context.Background(), client.ObjectKeyFromObject(object), object))
			for b.Loop() {
				object.Status.Ready++
				must(b, c.Status().Update(context.Background(), object))
			}
		})
		b.Run(fmt.Sprintf("patch/trusting=%v", trusting), func(b *testing.B) {
			c := benchStore(b, trusting).Client()
			object := benchWidget(4711)
			must(b, c.Get(context.Background(), client.ObjectKeyFromObject(object), object))
			for b.Loop() {
				before := object.DeepCopyObject().(client.Object)
				*object.Spec.Replicas = (*object.Spec.Replicas + 1) % 100
				must(b, c.Patch(context.Background(), object, client.MergeFrom(before)))
			}
		})
	}
}

// BenchmarkWatch is one write and its delivery to an open watch and to the change feed.
func BenchmarkWatch(b *testing.B) {
	s := benchStore(b, false)
	c := s.Client()
	watcher, err := c.Watch(context.Background(), &corev1.ConfigMapList{},
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: fmt.Sprint(s.Revision())}})
	must(b, err)
	defer watcher.Stop()
	object := benchConfigMap(4711)
	must(b, c.Get(context.Background(), client.ObjectKeyFromObject(object), object))
	seen := s.Revision()
	n := 0
	for b.Loop() {
		n++
		object.Data["key"] = fmt.Sprint(n)
		must(b, c.Update(context.Background(), object))
		<-watcher.ResultChan()
		events, err := s.Changes(seen, 0)
		must(b, err)
		if len(events) != 1 || events[0].Old() == nil {
			b.Fatalf("%d changes after one write", len(events))
		}
		seen = events[0].Revision
	}
}

// BenchmarkSize states what a store costs that holds so many objects: bytes an object, and a read and a write of one of them.
func BenchmarkSize(b *testing.B) {
	for _, objects := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(objects), func(b *testing.B) {
			before := heap()
			s := newStore(b, func(o *store.Options) { o.Retain = 1000 })
			c := s.Client()
			for i := range objects {
				must(b, c.Create(b.Context(), benchConfigMap(i)))
			}
			perObject := float64(heap()-before) / float64(objects)
			read := &corev1.ConfigMap{}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				must(b, c.Get(b.Context(), client.ObjectKeyFromObject(benchConfigMap(i*7919%objects)), read))
				read.Data["key"] = fmt.Sprint(i)
				must(b, c.Update(b.Context(), read))
			}
			b.ReportMetric(perObject, "B/object")
		})
	}
}

// heap is what is in use after a collection.
func heap() uint64 {
	var stats goruntime.MemStats
	goruntime.GC()
	goruntime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
