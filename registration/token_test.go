package registration_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/registration"
)

const someToken = "abcdef.0123456789abcdef"

func TestTokens(t *testing.T) {
	plane, _ := sides(t)
	token := registration.DefaultToken()
	token.Value, token.Description, token.Expires = someToken, "for m9", time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	if err := token.Create(t.Context(), plane); err != nil {
		t.Fatal(err)
	}
	secret := get(t, plane, &corev1.Secret{ObjectMeta: named("kube-system", "bootstrap-token-abcdef")})
	if secret.Type != "bootstrap.kubernetes.io/token" {
		t.Errorf("type %s", secret.Type)
	}
	for key, want := range map[string]string{
		"token-id": "abcdef", "token-secret": "0123456789abcdef", "description": "for m9", "expiration": "2026-05-01T00:00:00Z",
		"usage-bootstrap-signing": "true", "usage-bootstrap-authentication": "true", "auth-extra-groups": "system:bootstrappers:karmada:default-cluster-token",
	} {
		if got := string(secret.Data[key]); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if err := token.Create(t.Context(), plane); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second time: %v", err)
	}
	// Secrets that look like tokens and hold none are no tokens.
	for name, data := range map[string]map[string][]byte{
		"bootstrap-token-empty0": {}, "bootstrap-token-dated0": {"token-id": []byte("dated0"), "token-secret": []byte("0123456789abcdef"), "expiration": []byte("soon")},
	} {
		other := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: name}, Type: "bootstrap.kubernetes.io/token", Data: data}
		if err := plane.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
	}
	listed, err := registration.Tokens(t.Context(), plane)
	if err != nil || len(listed) != 1 {
		t.Fatalf("%d tokens, %v", len(listed), err)
	}
	if got := listed[0]; got.Value != someToken || got.Description != "for m9" || !got.Expires.Equal(token.Expires) || len(got.Usages) != 2 || len(got.Groups) != 1 {
		t.Errorf("listed %+v", got)
	}
	for _, name := range []string{"abcdef", someToken} {
		err := registration.DeleteToken(t.Context(), plane, name)
		if name == "abcdef" && err != nil || name != "abcdef" && (err == nil || strings.Contains(err.Error(), "0123456789abcdef")) {
			t.Errorf("deleting %s: %v", name, err)
		}
	}
}

func TestTokensThatCannotBe(t *testing.T) {
	plane, _ := sides(t)
	for want, change := range map[string]func(*registration.Token){
		"[a-z0-9]{6}.[a-z0-9]{16}": func(token *registration.Token) { token.Value = "abc.def" },
		"--usages":                 func(token *registration.Token) { token.Usages = []string{"cooking"} },
		"--groups":                 func(token *registration.Token) { token.Groups = []string{"system:masters"} },
	} {
		token := registration.DefaultToken()
		token.Value = someToken
		change(&token)
		if err := token.Create(t.Context(), plane); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %s", err, want)
		}
	}
	if err := registration.DeleteToken(t.Context(), plane, "../admin"); err == nil {
		t.Error("a name that is none was looked for")
	}
}
