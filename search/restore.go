package search

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/search/cache"
)

// largestBody bounds what is read of a write, as API servers bound it.
const largestBody = 3 << 20

// restore gives a write the member's own resource version, and takes away the mark of the cluster. What is no object stays as it is.
func restore(w http.ResponseWriter, r *http.Request, cluster string) (*http.Request, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	if err != nil {
		return nil, apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("reading the request: %v", err))
	}
	if r.Header.Get("Content-Type") == runtime.ContentTypeProtobuf {
		body, err = restoreProtobuf(body, cluster)
	} else {
		body, err = restoreJSON(body, cluster)
	}
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("the object cannot be written by way of the cache: %v", err))
	}
	restored := r.Clone(r.Context())
	restored.Body, restored.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return restored, nil
}

func restoreJSON(body []byte, cluster string) ([]byte, error) {
	object := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&object) != nil {
		return body, nil
	}
	if _, found, err := unstructured.NestedMap(object, "metadata"); !found || err != nil {
		return body, nil //nolint:nilerr // The member says what is wrong with it.
	}
	restoreMeta(&unstructured.Unstructured{Object: object}, cluster)
	return json.Marshal(object)
}

// restoreProtobuf takes apart what clients send of the built-in kinds. No other has this encoding.
func restoreProtobuf(body []byte, cluster string) ([]byte, error) {
	codec := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	object, _, err := codec.Decode(body, nil, nil)
	if err != nil {
		return nil, err
	}
	accessor, err := meta.Accessor(object)
	if err != nil {
		return nil, err
	}
	restoreMeta(accessor, cluster)
	var restored bytes.Buffer
	err = codec.Encode(object, &restored)
	return restored.Bytes(), err
}

func restoreMeta(object metav1.Object, cluster string) {
	annotations := object.GetAnnotations()
	if _, marked := annotations[names.AnnotationCachedFromCluster]; marked {
		delete(annotations, names.AnnotationCachedFromCluster)
		object.SetAnnotations(annotations)
	}
	if versions, err := cache.ParseVersions(object.GetResourceVersion()); err == nil && versions.Of(cluster, object.GetNamespace()) != "" {
		object.SetResourceVersion(versions.Of(cluster, object.GetNamespace()))
	}
}
