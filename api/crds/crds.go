// Package crds holds the CustomResourceDefinitions of the API, generated from the types, and loads them for installing.
package crds

import (
	"cmp"
	"embed"
	"fmt"
	"net/url"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

//go:embed *.yaml
var files embed.FS

// ConversionPath is the URL path under which a webhook server converts between the served versions of a kind.
const ConversionPath = "/convert"

// Option adapts a loaded definition to the place where it is installed.
type Option func(*apiextensionsv1.CustomResourceDefinition) error

// Load returns all definitions sorted by name, each adapted by the options in turn. Every call returns fresh copies.
// Without options the definitions are as generated: those of kinds with several versions name the conversion webhook of
// a default installation.
func Load(options ...Option) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("listing definitions: %w", err)
	}
	definitions := make([]*apiextensionsv1.CustomResourceDefinition, 0, len(entries))
	for _, entry := range entries {
		definition, err := read(entry.Name())
		if err != nil {
			return nil, err
		}
		for _, adapt := range options {
			if err := adapt(definition); err != nil {
				return nil, fmt.Errorf("adapting definition %s: %w", definition.Name, err)
			}
		}
		definitions = append(definitions, definition)
	}
	slices.SortFunc(definitions, func(a, b *apiextensionsv1.CustomResourceDefinition) int {
		return cmp.Compare(a.Name, b.Name)
	})
	return definitions, nil
}

func read(file string) (*apiextensionsv1.CustomResourceDefinition, error) {
	text, err := files.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading definition %s: %w", file, err)
	}
	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(text, definition); err != nil {
		return nil, fmt.Errorf("decoding definition %s: %w", file, err)
	}
	return definition, nil
}

// ConvertThrough directs the kinds that need conversion to the given webhook server. Whatever path the client
// configuration has is replaced by ConversionPath. It fails for a URL that cannot be parsed.
func ConvertThrough(client apiextensionsv1.WebhookClientConfig) Option {
	return func(definition *apiextensionsv1.CustomResourceDefinition) error {
		if !needsConversion(definition) {
			return nil
		}
		config := client.DeepCopy()
		if err := setPath(config, ConversionPath); err != nil {
			return err
		}
		definition.Spec.Conversion.Webhook.ClientConfig = config
		return nil
	}
}

func setPath(config *apiextensionsv1.WebhookClientConfig, path string) error {
	if config.Service != nil {
		config.Service.Path = &path
	}
	if config.URL != nil {
		address, err := url.Parse(*config.URL)
		if err != nil {
			return fmt.Errorf("parsing conversion webhook URL: %w", err)
		}
		address.Path = path
		text := address.String()
		config.URL = &text
	}
	return nil
}

// WithoutWebhook makes the definitions usable where no webhook server runs: the API server then changes nothing but
// apiVersion between versions. Versions other than the stored one drop the fields they do not know, so use only the
// stored ones for writing.
func WithoutWebhook() Option {
	return func(definition *apiextensionsv1.CustomResourceDefinition) error {
		if needsConversion(definition) {
			definition.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{
				Strategy: apiextensionsv1.NoneConverter,
			}
		}
		return nil
	}
}

func needsConversion(definition *apiextensionsv1.CustomResourceDefinition) bool {
	conversion := definition.Spec.Conversion
	return conversion != nil && conversion.Strategy == apiextensionsv1.WebhookConverter
}
