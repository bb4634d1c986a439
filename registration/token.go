package registration

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
	bootstrap "k8s.io/cluster-bootstrap/token/util"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Token lets clusters register.
type Token struct {
	// Value is the token, of the form id.secret: [a-z0-9]{6}.[a-z0-9]{16}.
	Value       string
	Description string
	// Expires is when it ends; the zero time for never.
	Expires time.Time
	// Usages are what it can be used for, by the names of Kubernetes: signing, authentication. Groups are those of its holders beyond
	// system:bootstrappers.
	Usages, Groups []string
}

// DefaultToken can be used to register clusters.
func DefaultToken() Token {
	return Token{Usages: slices.Clone(bootstrapapi.KnownTokenUsages), Groups: []string{TokenGroup}}
}

// NewTokenValue draws a token.
func NewTokenValue() (string, error) {
	value, err := bootstrap.GenerateBootstrapToken()
	if err != nil {
		return "", fmt.Errorf("drawing a token: %w", err)
	}
	return value, nil
}

// ID is the part of a token that is no secret.
func (t Token) ID() string {
	id, _, _ := strings.Cut(t.Value, ".")
	return id
}

// validate tells what is wrong with a token, by the names of the flags.
func (t Token) validate() error {
	if !bootstrap.IsValidBootstrapToken(t.Value) {
		return fmt.Errorf("the token is not of the form [a-z0-9]{6}.[a-z0-9]{16}")
	}
	if err := bootstrap.ValidateUsages(t.Usages); err != nil {
		return fmt.Errorf("--usages: %w", err)
	}
	for _, group := range t.Groups {
		if err := bootstrap.ValidateBootstrapGroupName(group); err != nil {
			return fmt.Errorf("--groups: %w", err)
		}
	}
	return nil
}

// Create makes the token known to a control plane.
func (t Token) Create(ctx context.Context, plane client.Client) error {
	if err := t.validate(); err != nil {
		return err
	}
	if err := plane.Create(ctx, t.secret()); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("there is a token with the ID %s already", t.ID())
		}
		return fmt.Errorf("creating token %s: %w", t.ID(), err)
	}
	return nil
}

func (t Token) secret() *corev1.Secret {
	_, secret, _ := strings.Cut(t.Value, ".")
	data := map[string][]byte{
		bootstrapapi.BootstrapTokenIDKey:     []byte(t.ID()),
		bootstrapapi.BootstrapTokenSecretKey: []byte(secret),
	}
	if t.Description != "" {
		data[bootstrapapi.BootstrapTokenDescriptionKey] = []byte(t.Description)
	}
	if !t.Expires.IsZero() {
		data[bootstrapapi.BootstrapTokenExpirationKey] = []byte(t.Expires.UTC().Format(time.RFC3339))
	}
	for _, usage := range t.Usages {
		data[bootstrapapi.BootstrapTokenUsagePrefix+usage] = []byte("true")
	}
	if len(t.Groups) > 0 {
		data[bootstrapapi.BootstrapTokenExtraGroupsKey] = []byte(strings.Join(t.Groups, ","))
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: bootstrap.BootstrapTokenSecretName(t.ID())},
		Type:       bootstrapapi.SecretTypeBootstrapToken,
		Data:       data,
	}
}

// Tokens lists the bootstrap tokens of a control plane by their IDs. Secrets of that type that hold none are left out.
func Tokens(ctx context.Context, plane client.Client) ([]Token, error) {
	secrets := &corev1.SecretList{}
	if err := plane.List(ctx, secrets, client.InNamespace(metav1.NamespaceSystem)); err != nil {
		return nil, fmt.Errorf("listing the tokens: %w", err)
	}
	var tokens []Token
	for i := range secrets.Items {
		if token, ok := tokenOf(&secrets.Items[i]); ok {
			tokens = append(tokens, token)
		}
	}
	slices.SortFunc(tokens, func(a, b Token) int { return cmp.Compare(a.Value, b.Value) })
	return tokens, nil
}

func tokenOf(secret *corev1.Secret) (Token, bool) {
	value := bootstrap.TokenFromIDAndSecret(string(secret.Data[bootstrapapi.BootstrapTokenIDKey]), string(secret.Data[bootstrapapi.BootstrapTokenSecretKey]))
	if secret.Type != bootstrapapi.SecretTypeBootstrapToken || !bootstrap.IsValidBootstrapToken(value) {
		return Token{}, false
	}
	token := Token{Value: value, Description: string(secret.Data[bootstrapapi.BootstrapTokenDescriptionKey])}
	// A time that cannot be read is one that the API server does not take for the future.
	if text := string(secret.Data[bootstrapapi.BootstrapTokenExpirationKey]); text != "" {
		expires, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return Token{}, false
		}
		token.Expires = expires
	}
	for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
		if usage, ok := strings.CutPrefix(key, bootstrapapi.BootstrapTokenUsagePrefix); ok && string(secret.Data[key]) == "true" {
			token.Usages = append(token.Usages, usage)
		}
	}
	if groups := string(secret.Data[bootstrapapi.BootstrapTokenExtraGroupsKey]); groups != "" {
		token.Groups = strings.Split(groups, ",")
	}
	return token, true
}

// DeleteToken ends a token, named by itself or by its ID.
func DeleteToken(ctx context.Context, plane client.Client, token string) error {
	id, _, _ := strings.Cut(token, ".")
	if !bootstrap.IsValidBootstrapToken(id + ".0123456789abcdef") {
		return fmt.Errorf("%q is no ID of a token: it has six of [a-z0-9]", id)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: bootstrap.BootstrapTokenSecretName(id)}}
	if err := plane.Delete(ctx, secret); err != nil {
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("there is no token with the ID %s", id)
		}
		return fmt.Errorf("deleting token %s: %w", id, err)
	}
	return nil
}
