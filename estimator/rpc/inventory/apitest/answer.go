package apitest

import (
	"fmt"
	"net/http"
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
)

func (r call) info() runtime.SerializerInfo {
	info, ok := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), r.mediaType)
	if !ok {
		panic("no serializer for " + r.mediaType)
	}
	return info
}

func (r call) encode(object runtime.Object) []byte {
	encoder := scheme.Codecs.EncoderForVersion(r.info().Serializer, schema.GroupVersion{Group: r.group, Version: "v1"})
	encoded, err := runtime.Encode(encoder, object)
	if err != nil {
		panic(fmt.Sprintf("encoding %T: %v", object, err))
	}
	return encoded
}

func (r call) write(response http.ResponseWriter, code int, object runtime.Object) {
	response.Header().Set("Content-Type", r.mediaType)
	response.WriteHeader(code)
	_, _ = response.Write(r.encode(object))
}

func (r call) fail(response http.ResponseWriter, code int32, reason metav1.StatusReason) {
	r.write(response, int(code), &metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: string(reason)})
}

func (s *Server) get(response http.ResponseWriter, r call) {
	s.mu.Lock()
	object, ok := s.objects[r.resource][r.namespace+"/"+r.name]
	s.mu.Unlock()
	if !ok {
		r.fail(response, http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	}
	r.write(response, http.StatusOK, object)
}

// list answers a page; the token of the next one is its first place.
func (s *Server) list(response http.ResponseWriter, r call) {
	s.mu.Lock()
	objects, version := s.matching(r), len(s.events)
	s.mu.Unlock()
	start, _ := strconv.Atoi(r.options.Continue)
	end := len(objects)
	if limit := int(r.options.Limit); limit > 0 {
		end = min(end, start+limit)
	}
	list := r.listOf(objects[start:end])
	about, err := meta.ListAccessor(list)
	if err != nil {
		panic(err)
	}
	about.SetResourceVersion(strconv.Itoa(version))
	if end < len(objects) {
		about.SetContinue(strconv.Itoa(end))
	}
	r.write(response, http.StatusOK, list)
}

// kindOf is the kind of a resource that is served.
func kindOf(resource string) string {
	return map[string]string{
		"pods": "Pod", "nodes": "Node", "namespaces": "Namespace", "persistentvolumes": "PersistentVolume",
		"csinodes": "CSINode", "resourcequotas": "ResourceQuota", "replicasets": "ReplicaSet", "deployments": "Deployment",
	}[resource]
}

func (r call) listOf(objects []runtime.Object) runtime.Object {
	list, err := scheme.Scheme.New(schema.GroupVersionKind{Group: r.group, Version: "v1", Kind: kindOf(r.resource) + "List"})
	if err == nil {
		err = meta.SetList(list, objects)
	}
	if err != nil {
		panic(fmt.Sprintf("listing %s: %v", r.resource, err))
	}
	return list
}

// matching are the objects of a resource in the namespace and with the labels that are asked for, in the order they came.
func (s *Server) matching(r call) []runtime.Object {
	selector, err := labels.Parse(r.options.LabelSelector)
	if err != nil {
		panic(err)
	}
	var found []runtime.Object
	for _, name := range s.order[r.resource] {
		object := s.objects[r.resource][name]
		about := accessor(object)
		if (r.namespace == "" || about.GetNamespace() == r.namespace) && selector.Matches(labels.Set(about.GetLabels())) {
			found = append(found, object)
		}
	}
	return found
}

func (s *Server) watch(response http.ResponseWriter, request *http.Request, r call) {
	replay := r.options.SendInitialEvents != nil && *r.options.SendInitialEvents
	s.mu.Lock()
	epoch, old, oldest, at := s.epoch, s.oldServer, s.oldest, len(s.events)
	var initial []runtime.Object
	if replay {
		initial = s.matching(r)
	}
	s.mu.Unlock()
	if replay && old {
		r.fail(response, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
		return
	}
	if !replay {
		at, _ = strconv.Atoi(r.options.ResourceVersion)
	}
	out := r.stream(response)
	if !replay && at < oldest {
		out.send(watch.Error, &metav1.Status{Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired})
		return
	}
	for _, object := range initial {
		out.send(watch.Added, object)
	}
	if replay {
		out.bookmark(at)
	}
	out.flush()
	s.follow(request, r, out, at, epoch)
}

// follow sends what happens from now on until the caller or the server has enough.
func (s *Server) follow(request *http.Request, r call, out *stream, at, epoch int) {
	for {
		s.mu.Lock()
		events, changed, ended := s.events[min(at, len(s.events)):], s.changed, s.epoch != epoch
		s.mu.Unlock()
		if ended {
			return
		}
		for _, e := range events {
			if e.resource == r.resource {
				out.send(e.kind, e.object)
			}
		}
		at += len(events)
		out.flush()
		select {
		case <-changed:
		case <-request.Context().Done():
			return
		}
	}
}

// stream writes watch events.
type stream struct {
	call
	response http.ResponseWriter
	frames   interface{ Write([]byte) (int, error) }
	encoder  runtime.Encoder
}

func (r call) stream(response http.ResponseWriter) *stream {
	streaming := r.info().StreamSerializer
	response.Header().Set("Content-Type", r.mediaType+";stream=watch")
	response.WriteHeader(http.StatusOK)
	return &stream{
		call: r, response: response, frames: streaming.Framer.NewFrameWriter(response),
		encoder: scheme.Codecs.EncoderForVersion(streaming.Serializer, schema.GroupVersion{Version: "v1"}),
	}
}

func (s *stream) send(kind watch.EventType, object runtime.Object) {
	event := &metav1.WatchEvent{Type: string(kind), Object: runtime.RawExtension{Raw: s.encode(object)}}
	encoded, err := runtime.Encode(s.encoder, event)
	if err != nil {
		panic(fmt.Sprintf("encoding an event: %v", err))
	}
	// A caller that has gone is seen by its context.
	_, _ = s.frames.Write(encoded)
}

// bookmark says that all there was has been sent.
func (s *stream) bookmark(version int) {
	object, err := scheme.Scheme.New(schema.GroupVersionKind{Group: s.group, Version: "v1", Kind: kindOf(s.resource)})
	if err != nil {
		panic(err)
	}
	about := accessor(object)
	about.SetResourceVersion(strconv.Itoa(version))
	about.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	s.send(watch.Bookmark, object)
}

func (s *stream) flush() { s.response.(http.Flusher).Flush() }
