package webhook

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	webhookutil "k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/utils/ptr"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
)

// defaultTimeout counts where a configuration names none.
const defaultTimeout = 10 * time.Second

// hook is one webhook of a configuration, ready to be asked.
type hook struct {
	// name is configuration/webhook, for users.
	name string
	// identity changes with everything that the configuration says about the webhook.
	identity string
	way      webhookutil.ClientConfig
	timeout  time.Duration
	rules    []configv1alpha1.RuleWithOperations
	// fault is why it cannot be asked; nil for none.
	fault error
}

// hooksOf are the webhooks of a configuration, in its order.
func hooksOf(configuration *configv1alpha1.ResourceInterpreterWebhookConfiguration) []*hook {
	hooks := make([]*hook, 0, len(configuration.Webhooks))
	for i := range configuration.Webhooks {
		hooks = append(hooks, newHook(configuration.Name, &configuration.Webhooks[i]))
	}
	return hooks
}

func newHook(configuration string, registered *configv1alpha1.ResourceInterpreterWebhook) *hook {
	made := &hook{
		name: configuration + "/" + registered.Name, rules: registered.Rules, timeout: defaultTimeout,
		way: webhookutil.ClientConfig{
			Name: registered.Name, URL: ptr.Deref(registered.ClientConfig.URL, ""), CABundle: registered.ClientConfig.CABundle,
		},
	}
	if registered.TimeoutSeconds != nil {
		made.timeout = time.Duration(*registered.TimeoutSeconds) * time.Second
	}
	if service := registered.ClientConfig.Service; service != nil {
		made.way.Service = &webhookutil.ClientConfigService{
			Name: service.Name, Namespace: service.Namespace, Path: ptr.Deref(service.Path, ""), Port: ptr.Deref(service.Port, 443),
		}
	}
	switch {
	case !slices.Contains(registered.InterpreterContextVersions, configv1alpha1.GroupVersion.Version):
		made.fault = fmt.Errorf("interpreterContextVersions: it understands %v; this control plane speaks %s", registered.InterpreterContextVersions, configv1alpha1.GroupVersion.Version)
	case made.timeout <= 0:
		made.fault = fmt.Errorf("timeoutSeconds: must be between 1 and 30, is %d", *registered.TimeoutSeconds)
	case made.way.URL == "" && made.way.Service == nil:
		made.fault = fmt.Errorf("clientConfig: needs a url or a service")
	}
	// What came as JSON can be written as JSON.
	encoded, _ := json.Marshal(registered)
	sum := sha256.Sum256(encoded)
	made.identity = made.name + string(sum[:])
	return made
}

// answers tells whether a question is for this webhook.
func (h *hook) answers(kind schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) bool {
	return slices.ContainsFunc(h.rules, func(rule configv1alpha1.RuleWithOperations) bool {
		return names(rule.Operations, operation) && names(rule.APIGroups, kind.Group) && names(rule.APIVersions, kind.Version) && names(rule.Kinds, kind.Kind)
	})
}

// names tells whether a list of a rule names a value, or all.
func names[T ~string](list []T, value T) bool {
	return slices.Contains(list, value) || slices.Contains(list, "*")
}
