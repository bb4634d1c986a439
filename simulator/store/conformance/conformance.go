// Package conformance says what the store and a real kube-apiserver must do alike: one table of cases that runs against
// both. Where they differ, the real one is right.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Env is one API server as seen by one case.
type Env struct {
	Client client.WithWatch
	// Namespace is empty and used by no other case.
	Namespace string
	// Settle lets the server's background work go on until done reports true; it fails when that does not come about.
	Settle func(ctx context.Context, done func() (bool, error)) error
}

// Case is one behaviour.
type Case struct {
	Name string
	Run  func(ctx context.Context, t *testing.T, env Env)
}

// Scheme knows the kinds the cases use.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, AddWidgets,
	} {
		if err := add(scheme); err != nil {
			panic(fmt.Sprintf("building the scheme of the conformance cases: %v", err))
		}
	}
	return scheme
}

// Cases is the table.
func Cases() []Case {
	return slices.Concat(metadataCases(), updateCases(), patchCases(), deleteCases(), statusCases(), readCases(),
		watchCases(), customCases(), namespaceCases(), ownershipCases(), definitionCases(), builtinCases(), moreCases())
}

// Run runs every case in a new environment.
func Run(t *testing.T, newEnv func(t *testing.T) Env) {
	t.Helper()
	names := map[string]bool{}
	for _, c := range Cases() {
		if names[c.Name] {
			t.Fatalf("two cases are called %q", c.Name)
		}
		names[c.Name] = true
		t.Run(strings.ReplaceAll(c.Name, " ", "_"), func(t *testing.T) {
			env := newEnv(t)
			c.Run(t.Context(), t, env)
		})
	}
}

// Prepare creates the namespace and the definition of Widget, and waits until both can be used.
func Prepare(ctx context.Context, t *testing.T, env Env) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: env.Namespace}}
	must(t, client.IgnoreAlreadyExists(env.Client.Create(ctx, namespace)))
	must(t, client.IgnoreAlreadyExists(env.Client.Create(ctx, WidgetDefinition())))
	must(t, env.Settle(ctx, func() (bool, error) {
		err := env.Client.List(ctx, &WidgetList{}, client.InNamespace(env.Namespace))
		return err == nil, nil
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks the status of an API error.
func refused(t *testing.T, err error, code int32, reason metav1.StatusReason) *metav1.Status {
	t.Helper()
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		t.Fatalf("got %v, want an API error %d %s", err, code, reason)
	}
	got := status.Status()
	if got.Code != code || got.Reason != reason {
		t.Fatalf("got %d %s (%s), want %d %s", got.Code, got.Reason, got.Message, code, reason)
	}
	return &got
}

// invalid checks that an object was refused because of a field.
func invalid(t *testing.T, err error, field string) {
	t.Helper()
	status := refused(t, err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	if status.Details == nil {
		t.Fatalf("no details in %v", err)
	}
	for _, cause := range status.Details.Causes {
		if cause.Field == field {
			return
		}
	}
	t.Fatalf("no cause names the field %s: %v", field, err)
}

func notFound(t *testing.T, err error) {
	t.Helper()
	refused(t, err, http.StatusNotFound, metav1.StatusReasonNotFound)
}

func conflict(t *testing.T, err error) {
	t.Helper()
	refused(t, err, http.StatusConflict, metav1.StatusReasonConflict)
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}

func equalStrings(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s is %q, want %q", what, got, want)
	}
}

// configMap makes a ConfigMap of the case's namespace.
func configMap(env Env, name string, data ...string) *corev1.ConfigMap {
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: name}}
	for i := 0; i+1 < len(data); i += 2 {
		if object.Data == nil {
			object.Data = map[string]string{}
		}
		object.Data[data[i]] = data[i+1]
	}
	return object
}

// created stores an object and returns it.
func created[T client.Object](ctx context.Context, t *testing.T, env Env, object T) T {
	t.Helper()
	must(t, env.Client.Create(ctx, object))
	return object
}

// reload reads an object into a new one of its type.
func reload[T any, P interface {
	*T
	client.Object
}](ctx context.Context, t *testing.T, env Env, object P) P {
	t.Helper()
	fresh := P(new(T))
	must(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), fresh))
	return fresh
}

// gone waits until an object does not exist any more.
func gone(ctx context.Context, t *testing.T, env Env, object client.Object) {
	t.Helper()
	must(t, env.Settle(ctx, func() (bool, error) {
		copied := object.DeepCopyObject().(client.Object)
		err := env.Client.Get(ctx, client.ObjectKeyFromObject(object), copied)
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	}))
}
