package webhook

import (
	"bytes"
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/seatrial/seatrial/api/crds"
	"github.com/seatrial/seatrial/api/names"
)

// authorityAt is one made at a time.
func authorityAt(t *testing.T, now time.Time) []byte {
	t.Helper()
	p, err := newPair([]string{"localhost"}, now)
	if err != nil {
		t.Fatal(err)
	}
	return p.authority
}

// installed is a plane with the kinds of the fleet.
func installed(t *testing.T) client.WithWatch {
	t.Helper()
	plane := fakePlane(t).(client.WithWatch)
	definitions, err := crds.Load(crds.WithoutWebhook())
	if err != nil {
		t.Fatal(err)
	}
	for _, definition := range definitions {
		if err := plane.Create(t.Context(), definition); err != nil {
			t.Fatal(err)
		}
	}
	return plane
}

func registrationAt(t *testing.T, plane client.Client) *registration {
	t.Helper()
	base, err := url.Parse("https://127.0.0.1:8443/admission")
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRegistration(plane, *base, testclock.NewFakePassiveClock(began))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func configurations(t *testing.T, plane client.Client) (*admissionregistrationv1.MutatingWebhookConfiguration, *admissionregistrationv1.ValidatingWebhookConfiguration) {
	t.Helper()
	mutating, validating := &admissionregistrationv1.MutatingWebhookConfiguration{}, &admissionregistrationv1.ValidatingWebhookConfiguration{}
	for name, object := range map[string]client.Object{MutatingConfiguration: mutating, ValidatingConfiguration: validating} {
		if err := plane.Get(t.Context(), client.ObjectKey{Name: name}, object); err != nil {
			t.Fatal(err)
		}
	}
	return mutating, validating
}

func TestRegistrationNamesEveryPath(t *testing.T) {
	plane := installed(t)
	own := authorityAt(t, began)
	if err := registrationAt(t, plane).ensure(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	paths := map[string]bool{crds.ConversionPath: true}
	see := func(name string, to admissionregistrationv1.WebhookClientConfig, policy *admissionregistrationv1.FailurePolicyType) {
		path, found := strings.CutPrefix(*to.URL, "https://127.0.0.1:8443/admission")
		if paths[path] = true; !found || !bytes.Equal(to.CABundle, own) || *policy != admissionregistrationv1.Fail {
			t.Errorf("%s: %s, policy %s", name, *to.URL, *policy)
		}
	}
	mutating, validating := configurations(t, plane)
	for _, hook := range mutating.Webhooks {
		see(hook.Name, hook.ClientConfig, hook.FailurePolicy)
	}
	for _, hook := range validating.Webhooks {
		see(hook.Name, hook.ClientConfig, hook.FailurePolicy)
		charges := hook.Name == "resourcebinding.karmada.io"
		if dry := *hook.SideEffects == admissionregistrationv1.SideEffectClassNoneOnDryRun; dry != charges {
			t.Errorf("%s has side effects %s", hook.Name, *hook.SideEffects)
		}
		if guards := hook.ObjectSelector.MatchExpressions; (len(guards) == 1 && guards[0].Key == names.LabelDeletionProtected) != (hook.Name == protectionName) {
			t.Errorf("%s selects %v", hook.Name, hook.ObjectSelector)
		}
	}
	for path := range Handlers(rulesFor(plane)) {
		if !paths[path] {
			t.Errorf("%s is served, and nobody asks", path)
		}
		delete(paths, path)
	}
	if len(paths) > 0 {
		t.Errorf("asked and not served: %v", paths)
	}
	for _, name := range []string{"resourcebindings.work.karmada.io", "clusterresourcebindings.work.karmada.io", "works.work.karmada.io"} {
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := plane.Get(t.Context(), client.ObjectKey{Name: name}, definition); err != nil {
			t.Fatal(err)
		}
		if conversion := definition.Spec.Conversion; (conversion != nil && conversion.Strategy == apiextensionsv1.WebhookConverter) != strings.Contains(name, "binding") {
			t.Errorf("%s is converted by %v", name, conversion)
		}
	}
}

func TestRegistrationIsKept(t *testing.T) {
	plane := installed(t)
	writes := 0
	counting := interceptor.NewClient(plane, interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			writes++
			return c.Update(ctx, object, options...)
		},
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			writes++
			return c.Create(ctx, object, options...)
		},
	})
	r, own := registrationAt(t, counting), authorityAt(t, began)
	ensure := func(when string, bundle []byte, want int) {
		t.Helper()
		writes = 0
		if err := r.ensure(t.Context(), bundle); err != nil || writes != want {
			t.Errorf("%s: %d writes, want %d: %v", when, writes, want, err)
		}
	}
	ensure("first", own, 4)
	ensure("again", own, 0)
	mutating, _ := configurations(t, plane)
	mutating.Webhooks[0].FailurePolicy = nil
	if err := plane.Update(t.Context(), mutating); err != nil {
		t.Fatal(err)
	}
	ensure("changed by somebody", own, 1)
	if err := plane.Delete(t.Context(), mutating); err != nil {
		t.Fatal(err)
	}
	ensure("deleted by somebody", own, 1)
	ensure("by system authorities", nil, 4)
	if mutating, _ := configurations(t, plane); len(mutating.Webhooks[0].ClientConfig.CABundle) > 0 {
		t.Error("authorities are left")
	}
}

// TestCopiesShareARegistration: each finds its authority in the bundle, and none undoes what the other wrote.
func TestCopiesShareARegistration(t *testing.T) {
	plane := installed(t)
	r := registrationAt(t, plane)
	a, b, over := authorityAt(t, began), authorityAt(t, began.Add(-time.Hour)), authorityAt(t, began.Add(-validity))
	var last []byte
	for _, own := range [][]byte{over, a, b, a} {
		if err := r.ensure(t.Context(), own); err != nil {
			t.Fatal(err)
		}
		mutating, validating := configurations(t, plane)
		last = mutating.Webhooks[0].ClientConfig.CABundle
		if !bytes.Contains(last, own) || !bytes.Equal(last, validating.Webhooks[0].ClientConfig.CABundle) {
			t.Errorf("bundle %s", last)
		}
	}
	if want := slices.Concat(b, a); !bytes.Equal(last, want) {
		t.Errorf("%d authorities are left, want those of both copies", len(parse(last)))
	}
	for n := range 3 * mostAuthorities {
		if err := r.ensure(t.Context(), authorityAt(t, began.Add(time.Duration(n)*time.Minute))); err != nil {
			t.Fatal(err)
		}
	}
	if mutating, _ := configurations(t, plane); len(parse(mutating.Webhooks[0].ClientConfig.CABundle)) != mostAuthorities+1 {
		t.Errorf("%d authorities are kept", len(parse(mutating.Webhooks[0].ClientConfig.CABundle)))
	}
}
