package crds_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/seatrial/seatrial/api/crds"
)

// bindings are the kinds that are served in versions of different shape.
var bindings = []string{"clusterresourcebindings.work.karmada.io", "resourcebindings.work.karmada.io"}

func load(t *testing.T, options ...crds.Option) []*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	definitions, err := crds.Load(options...)
	if err != nil {
		t.Fatal(err)
	}
	return definitions
}

func names(definitions []*apiextensionsv1.CustomResourceDefinition) []string {
	var names []string
	for _, definition := range definitions {
		names = append(names, definition.Name)
	}
	return names
}

func TestLoadReturnsEveryKindSorted(t *testing.T) {
	want := []string{
		"clusteroverridepolicies.policy.karmada.io",
		"clusterpropagationpolicies.policy.karmada.io",
		"clusterresourcebindings.work.karmada.io",
		"clustertaintpolicies.policy.karmada.io",
		"cronfederatedhpas.autoscaling.karmada.io",
		"federatedhpas.autoscaling.karmada.io",
		"federatedresourcequotas.policy.karmada.io",
		"multiclusteringresses.networking.karmada.io",
		"multiclusterservices.networking.karmada.io",
		"overridepolicies.policy.karmada.io",
		"propagationpolicies.policy.karmada.io",
		"remedies.remedy.karmada.io",
		"resourcebindings.work.karmada.io",
		"resourceinterpretercustomizations.config.karmada.io",
		"resourceinterpreterwebhookconfigurations.config.karmada.io",
		"serviceexports.multicluster.x-k8s.io",
		"serviceimports.multicluster.x-k8s.io",
		"workloadrebalancers.apps.karmada.io",
		"works.work.karmada.io",
	}
	if diff := cmp.Diff(want, names(load(t))); diff != "" {
		t.Errorf("definitions (-want +got):\n%s", diff)
	}
}

// The API server refuses a definition that breaks these rules, or that is too large for its store.
func TestDefinitionsCanBeInstalled(t *testing.T) {
	const largest = 512 << 10
	variants := map[string][]crds.Option{
		"as generated":    nil,
		"with webhook":    {crds.ConvertThrough(apiextensionsv1.WebhookClientConfig{URL: ptr.To("https://127.0.0.1:8443")})},
		"without webhook": {crds.WithoutWebhook()},
	}
	for name, options := range variants {
		for _, definition := range load(t, options...) {
			text, err := yaml.Marshal(definition)
			if err != nil {
				t.Fatal(err)
			}
			if len(text) > largest {
				t.Errorf("%s: %s has %d bytes, more than %d", name, definition.Name, len(text), largest)
			}
			// The API server fills in the defaults before it validates.
			apiextensionsv1.SetObjectDefaults_CustomResourceDefinition(definition)
			internal := &apiextensions.CustomResourceDefinition{}
			if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(
				definition, internal, nil); err != nil {
				t.Fatalf("%s: %s: %v", name, definition.Name, err)
			}
			internal.Status.StoredVersions = []string{storageVersion(definition)}
			for _, problem := range validation.ValidateCustomResourceDefinition(context.Background(), internal) {
				t.Errorf("%s: %s: %v", name, definition.Name, problem)
			}
		}
	}
}

func storageVersion(definition *apiextensionsv1.CustomResourceDefinition) string {
	for _, version := range definition.Spec.Versions {
		if version.Storage {
			return version.Name
		}
	}
	return ""
}

// converting returns the definitions that name a webhook for conversion.
func converting(definitions []*apiextensionsv1.CustomResourceDefinition) []*apiextensionsv1.CustomResourceDefinition {
	return slices.DeleteFunc(slices.Clone(definitions), func(definition *apiextensionsv1.CustomResourceDefinition) bool {
		return definition.Spec.Conversion == nil || definition.Spec.Conversion.Strategy != apiextensionsv1.WebhookConverter
	})
}

func TestKindsWithSeveralVersionsConvert(t *testing.T) {
	definitions := load(t)
	if diff := cmp.Diff(bindings, names(converting(definitions))); diff != "" {
		t.Errorf("definitions with a conversion webhook (-want +got):\n%s", diff)
	}
	for _, definition := range definitions {
		if several := len(definition.Spec.Versions) > 1; several != slices.Contains(bindings, definition.Name) {
			t.Errorf("%s: %d versions", definition.Name, len(definition.Spec.Versions))
		}
	}
	for _, definition := range converting(definitions) {
		webhook := definition.Spec.Conversion.Webhook
		if address := *webhook.ClientConfig.URL; !strings.HasSuffix(address, crds.ConversionPath) {
			t.Errorf("%s: conversion at %s", definition.Name, address)
		}
		if diff := cmp.Diff([]string{"v1"}, webhook.ConversionReviewVersions); diff != "" {
			t.Errorf("%s: review versions (-want +got):\n%s", definition.Name, diff)
		}
	}
}

func TestConvertThrough(t *testing.T) {
	tests := []struct {
		name         string
		client, want apiextensionsv1.WebhookClientConfig
	}{{
		name:   "URL without path",
		client: apiextensionsv1.WebhookClientConfig{URL: ptr.To("https://127.0.0.1:8443"), CABundle: []byte("ca")},
		want:   apiextensionsv1.WebhookClientConfig{URL: ptr.To("https://127.0.0.1:8443/convert"), CABundle: []byte("ca")},
	}, {
		name:   "URL with another path",
		client: apiextensionsv1.WebhookClientConfig{URL: ptr.To("https://webhook.example/mutate")},
		want:   apiextensionsv1.WebhookClientConfig{URL: ptr.To("https://webhook.example/convert")},
	}, {
		name: "service",
		client: apiextensionsv1.WebhookClientConfig{
			Service: &apiextensionsv1.ServiceReference{Namespace: "system", Name: "webhook", Port: ptr.To[int32](8443)},
		},
		want: apiextensionsv1.WebhookClientConfig{Service: &apiextensionsv1.ServiceReference{
			Namespace: "system", Name: "webhook", Port: ptr.To[int32](8443), Path: ptr.To("/convert"),
		}},
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			given := test.client.DeepCopy()
			converted := converting(load(t, crds.ConvertThrough(test.client)))
			if diff := cmp.Diff(bindings, names(converted)); diff != "" {
				t.Errorf("definitions with a conversion webhook (-want +got):\n%s", diff)
			}
			for _, definition := range converted {
				if diff := cmp.Diff(&test.want, definition.Spec.Conversion.Webhook.ClientConfig); diff != "" {
					t.Errorf("%s (-want +got):\n%s", definition.Name, diff)
				}
			}
			if diff := cmp.Diff(given, &test.client); diff != "" {
				t.Errorf("the given configuration changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestConvertThroughRefusesBrokenURL(t *testing.T) {
	_, err := crds.Load(crds.ConvertThrough(apiextensionsv1.WebhookClientConfig{URL: ptr.To("https://[")}))
	if err == nil || !strings.Contains(err.Error(), bindings[0]) {
		t.Errorf("error %v, want one that names %s", err, bindings[0])
	}
}

func TestWithoutWebhook(t *testing.T) {
	plain := load(t)
	for i, definition := range load(t, crds.WithoutWebhook()) {
		want := plain[i]
		if slices.Contains(bindings, definition.Name) {
			want.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{Strategy: apiextensionsv1.NoneConverter}
		}
		if diff := cmp.Diff(want, definition); diff != "" {
			t.Errorf("%s (-want +got):\n%s", definition.Name, diff)
		}
	}
}
