package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/seatrial/seatrial/cli"
)

func verbs() map[string]*cobra.Command {
	found := map[string]*cobra.Command{}
	for _, command := range newRootCommand().Commands() {
		found[command.Name()] = command
	}
	return found
}

// TestVerbs: what users of kubectl and of the reference reach for is there, with an example of each.
func TestVerbs(t *testing.T) {
	const expected = `join unjoin register unregister token cordon uncordon taint get describe explain logs exec attach top apply promote interpret
		create delete edit patch label annotate api-resources api-versions version`
	commands := verbs()
	for verb := range strings.FieldsSeq(expected) {
		command := commands[verb]
		switch {
		case command == nil:
			t.Errorf("there is no verb %s", verb)
		case command.Example == "" && verb != "api-versions":
			t.Errorf("%s has no example", verb)
		case strings.Contains(command.Example, "kubectl"):
			t.Errorf("the example of %s is one of kubectl: %s", verb, command.Example)
		case command.Short == "" || command.Annotations[cobra.CommandDisplayNameAnnotation] != "":
			t.Errorf("%s says nothing of what it does", verb)
		}
	}
}

// TestFlagsOfTheReferenceVerbs: scripts that call the reference's verbs go on working.
func TestFlagsOfTheReferenceVerbs(t *testing.T) {
	commands := verbs()
	for verb, flags := range map[string]string{
		"join":   "kubeconfig karmada-context cluster-kubeconfig cluster-context cluster-namespace cluster-provider cluster-region cluster-zones dry-run karmada-as karmada-as-group karmada-as-uid",
		"unjoin": "kubeconfig karmada-context cluster-kubeconfig cluster-context cluster-namespace dry-run force wait",
		"register": "token discovery-token-ca-cert-hash discovery-token-unsafe-skip-ca-verification discovery-timeout cluster-name cluster-namespace cluster-provider cluster-region " +
			"cluster-zones cert-expiration-seconds enable-cert-rotation karmada-agent-image karmada-agent-replicas proxy-server-address namespace context dry-run",
		"unregister":    "agent-name cluster-kubeconfig cluster-context cluster-namespace karmada-config namespace dry-run wait",
		"cordon":        "kubeconfig karmada-context dry-run",
		"uncordon":      "kubeconfig karmada-context dry-run",
		"taint":         "kubeconfig karmada-context dry-run overwrite",
		"interpret":     "operation check edit show-doc observed-file desired-file status-file desired-replica filename",
		"create":        "filename dry-run output karmada-context",
		"delete":        "filename selector all force grace-period dry-run karmada-context",
		"edit":          "filename output karmada-context",
		"patch":         "filename type patch dry-run output karmada-context",
		"label":         "filename overwrite selector all dry-run output karmada-context",
		"annotate":      "filename overwrite selector all dry-run output karmada-context",
		"get":           "operation-scope clusters labels selector output karmada-context namespace all-namespaces watch",
		"describe":      "operation-scope cluster show-events chunk-size",
		"explain":       "operation-scope cluster api-version recursive output",
		"logs":          "cluster follow previous since tail container",
		"exec":          "operation-scope cluster container stdin tty",
		"attach":        "operation-scope cluster container stdin tty",
		"apply":         "cluster all-clusters filename dry-run prune",
		"promote":       "cluster cluster-kubeconfig cluster-context auto-create-policy policy-name dependencies deps dry-run output",
		"api-resources": "operation-scope cluster output",
		"api-versions":  "operation-scope cluster",
	} {
		for flag := range strings.FieldsSeq(flags) {
			if commands[verb].Flag(flag) == nil && commands[verb].Flags().Lookup(flag) == nil {
				t.Errorf("%s has no flag --%s", verb, flag)
			}
		}
	}
	for path, flags := range map[string]string{
		"token create": "ttl usages groups description print-register-command",
		"top node":     "clusters no-headers sort-by selector show-capacity",
		"top pod":      "clusters no-headers sort-by selector containers sum all-namespaces",
	} {
		command, _, err := newRootCommand().Find(strings.Fields(path))
		if err != nil {
			t.Fatal(err)
		}
		for flag := range strings.FieldsSeq(flags) {
			if command.Flag(flag) == nil {
				t.Errorf("%s has no flag --%s", path, flag)
			}
		}
	}
	for shorthand, verbs := range map[string]string{"C": "get describe explain logs exec attach apply promote", "s": "get describe exec attach", "d": "promote"} {
		for verb := range strings.FieldsSeq(verbs) {
			if commands[verb].Flags().ShorthandLookup(shorthand) == nil {
				t.Errorf("%s has no flag -%s", verb, shorthand)
			}
		}
	}
}

// TestExplainServesBoth: decisions about bindings, and the fields of kinds.
func TestExplainServesBoth(t *testing.T) {
	root := newRootCommand()
	found, rest, err := root.Find([]string{"explain", "binding", "default/nginx"})
	if err != nil || found.Name() != "binding" || !slices.Equal(rest, []string{"default/nginx"}) {
		t.Errorf("explain binding: %v %v %v", found.CommandPath(), rest, err)
	}
	found, rest, err = root.Find([]string{"explain", "deployment.spec"})
	if err != nil || found.Name() != "explain" || !slices.Equal(rest, []string{"deployment.spec"}) {
		t.Errorf("explain deployment.spec: %v %v %v", found.CommandPath(), rest, err)
	}
}

func TestFailuresAreToldOnce(t *testing.T) {
	for text, expected := range map[string]string{
		"it is gone": "Error: it is gone\n", "Error from server (NotFound): pods": "Error from server (NotFound): pods\n", "": "",
	} {
		var out bytes.Buffer
		if tell(&out, errors.New(text)); out.String() != expected {
			t.Errorf("of %q it tells %q", text, out.String())
		}
	}
	if code := exitCode(&cli.Failure{Code: 7}); code != 7 {
		t.Errorf("a command that ended with 7 ends this program with %d", code)
	}
}
