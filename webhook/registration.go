package webhook

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/seatrial/seatrial/api/crds"
	"github.com/seatrial/seatrial/api/names"
)

const (
	// MutatingConfiguration and ValidatingConfiguration are those of the reference, so that a registered server takes the place of
	// another one, and no quota is charged twice.
	MutatingConfiguration   = "mutating-config"
	ValidatingConfiguration = "validating-config"

	// patience is how long the API server waits for an answer, in seconds, before it refuses.
	patience = int32(10)
	// mostAuthorities bounds those of copies of the server that nobody asks any more.
	mostAuthorities = 8

	protectionName = "resourcedeletionprotection.karmada.io"
)

// registration makes an API server ask this server.
type registration struct {
	plane client.Client
	// base is the URL by which the API server reaches this server, without a path.
	base  url.URL
	clock clock.PassiveClock
	// converted are the definitions of the kinds that are served in several versions.
	converted []string
}

func newRegistration(plane client.Client, base url.URL, now clock.PassiveClock) (*registration, error) {
	r := &registration{plane: plane, base: base, clock: now}
	definitions, err := crds.Load()
	if err != nil {
		return nil, err
	}
	for _, definition := range definitions {
		if definition.Spec.Conversion != nil && definition.Spec.Conversion.Strategy == apiextensionsv1.WebhookConverter {
			r.converted = append(r.converted, definition.Name)
		}
	}
	return r, nil
}

// ensure writes what differs: both configurations, and the conversion of the kinds that need one. The authorities of other copies of
// this server stay in the bundle while they are valid.
func (r *registration) ensure(ctx context.Context, bundle []byte) error {
	mutating := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: MutatingConfiguration}}
	if err := r.write(ctx, mutating, func() {
		var present []byte
		for _, hook := range mutating.Webhooks {
			present = append(present, hook.ClientConfig.CABundle...)
		}
		mutating.Webhooks = r.mutating(r.merge(bundle, present))
	}); err != nil {
		return err
	}
	validating := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: ValidatingConfiguration}}
	if err := r.write(ctx, validating, func() {
		var present []byte
		for _, hook := range validating.Webhooks {
			present = append(present, hook.ClientConfig.CABundle...)
		}
		validating.Webhooks = r.validating(r.merge(bundle, present))
	}); err != nil {
		return err
	}
	return r.convert(ctx, bundle)
}

func (r *registration) write(ctx context.Context, object client.Object, change func()) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		_, err := controllerutil.CreateOrUpdate(ctx, r.plane, object, func() error { change(); return nil })
		return err
	})
	if err != nil {
		return fmt.Errorf("registering in %s: %w", object.GetName(), err)
	}
	return nil
}

// convert directs the kinds that are served in several versions here. Those that are not installed have nothing to convert.
func (r *registration) convert(ctx context.Context, bundle []byte) error {
	for _, name := range r.converted {
		if err := retry.RetryOnConflict(retry.DefaultRetry, func() error { return r.convertOne(ctx, name, bundle) }); err != nil {
			return fmt.Errorf("registering the conversion of %s: %w", name, err)
		}
	}
	return nil
}

func (r *registration) convertOne(ctx context.Context, name string, bundle []byte) error {
	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := r.plane.Get(ctx, client.ObjectKey{Name: name}, definition); err != nil {
		return client.IgnoreNotFound(err)
	}
	var present []byte
	if conversion := definition.Spec.Conversion; conversion != nil && conversion.Webhook != nil && conversion.Webhook.ClientConfig != nil {
		present = conversion.Webhook.ClientConfig.CABundle
	}
	conversion := &apiextensionsv1.CustomResourceConversion{
		Strategy: apiextensionsv1.WebhookConverter,
		Webhook: &apiextensionsv1.WebhookConversion{
			ClientConfig:             &apiextensionsv1.WebhookClientConfig{URL: r.at(crds.ConversionPath), CABundle: r.merge(bundle, present)},
			ConversionReviewVersions: []string{"v1"},
		},
	}
	if equality.Semantic.DeepEqual(definition.Spec.Conversion, conversion) {
		return nil
	}
	definition.Spec.Conversion = conversion
	return r.plane.Update(ctx, definition)
}

func (r *registration) at(path string) *string {
	return ptr.To(r.base.JoinPath(path).String())
}

func (r *registration) client(path string, bundle []byte) admissionregistrationv1.WebhookClientConfig {
	return admissionregistrationv1.WebhookClientConfig{URL: r.at(path), CABundle: bundle}
}

// rules name the stored version alone: the API server converts requests in others.
func (j judged) rules(on operations) []admissionregistrationv1.RuleWithOperations {
	return []admissionregistrationv1.RuleWithOperations{{Operations: on, Rule: admissionregistrationv1.Rule{
		APIGroups: []string{j.kind.Group}, APIVersions: []string{j.kind.Version}, Resources: []string{j.resource},
		Scope: ptr.To(admissionregistrationv1.AllScopes),
	}}}
}

func (r *registration) mutating(bundle []byte) []admissionregistrationv1.MutatingWebhook {
	var all []admissionregistrationv1.MutatingWebhook
	for _, kind := range table() {
		if len(kind.completed) == 0 {
			continue
		}
		all = append(all, admissionregistrationv1.MutatingWebhook{
			Name: kind.name() + ".karmada.io", ClientConfig: r.client(kind.mutatingPath(), bundle), Rules: kind.rules(kind.completed),
			FailurePolicy: ptr.To(admissionregistrationv1.Fail), MatchPolicy: ptr.To(admissionregistrationv1.Equivalent),
			NamespaceSelector: &metav1.LabelSelector{}, ObjectSelector: &metav1.LabelSelector{},
			SideEffects: ptr.To(admissionregistrationv1.SideEffectClassNone), TimeoutSeconds: ptr.To(patience),
			AdmissionReviewVersions: []string{"v1"}, ReinvocationPolicy: ptr.To(admissionregistrationv1.NeverReinvocationPolicy),
		})
	}
	return all
}

func (r *registration) validating(bundle []byte) []admissionregistrationv1.ValidatingWebhook {
	var all []admissionregistrationv1.ValidatingWebhook
	for _, kind := range table() {
		if len(kind.validated) == 0 {
			continue
		}
		effects := admissionregistrationv1.SideEffectClassNone
		if kind.resource == "resourcebindings" {
			// Quotas are charged.
			effects = admissionregistrationv1.SideEffectClassNoneOnDryRun
		}
		all = append(all, r.check(kind.name()+".karmada.io", kind.validatingPath(), bundle, effects, kind.rules(kind.validated)))
	}
	protection := r.check(protectionName, protectionPath, bundle, admissionregistrationv1.SideEffectClassNone,
		[]admissionregistrationv1.RuleWithOperations{{
			Operations: operations{admissionregistrationv1.Delete}, Rule: admissionregistrationv1.Rule{
				APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*"}, Scope: ptr.To(admissionregistrationv1.AllScopes),
			},
		}})
	// What nobody protects can be deleted while no server answers.
	protection.ObjectSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
		Key: names.LabelDeletionProtected, Operator: metav1.LabelSelectorOpExists,
	}}}
	return append(all, protection)
}

func (r *registration) check(name, path string, bundle []byte, effects admissionregistrationv1.SideEffectClass, rules []admissionregistrationv1.RuleWithOperations) admissionregistrationv1.ValidatingWebhook {
	return admissionregistrationv1.ValidatingWebhook{
		Name: name, ClientConfig: r.client(path, bundle), Rules: rules,
		FailurePolicy: ptr.To(admissionregistrationv1.Fail), MatchPolicy: ptr.To(admissionregistrationv1.Equivalent),
		NamespaceSelector: &metav1.LabelSelector{}, ObjectSelector: &metav1.LabelSelector{},
		SideEffects: ptr.To(effects), TimeoutSeconds: ptr.To(patience), AdmissionReviewVersions: []string{"v1"},
	}
}

// merge adds the authorities of other copies of this server to the own ones, and leaves out those whose time is over. The order
// depends on the authorities alone, so that copies do not write in turn.
func (r *registration) merge(own, present []byte) []byte {
	now, mine := r.clock.Now(), parse(own)
	if len(mine) == 0 {
		// Those that the API server's machine trusts are meant.
		return nil
	}
	others := slices.DeleteFunc(parse(present), func(c *x509.Certificate) bool {
		return c.Subject.CommonName != authorityName || !now.Before(c.NotAfter) || slices.ContainsFunc(mine, c.Equal)
	})
	slices.SortFunc(others, older)
	others = slices.CompactFunc(others, (*x509.Certificate).Equal)
	if more := len(others) - mostAuthorities; more > 0 {
		others = others[more:]
	}
	if len(others) == 0 {
		return own
	}
	all := slices.Concat(mine, others)
	slices.SortFunc(all, older)
	var merged []byte
	for _, c := range all {
		merged = append(merged, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return merged
}

func older(a, b *x509.Certificate) int {
	if order := a.NotBefore.Compare(b.NotBefore); order != 0 {
		return order
	}
	return bytes.Compare(a.Raw, b.Raw)
}

// parse reads the certificates of a bundle and leaves out what is none.
func parse(bundle []byte) []*x509.Certificate {
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, bundle = pem.Decode(bundle); block == nil {
			return all
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, c)
		}
	}
}
