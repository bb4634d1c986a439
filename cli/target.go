package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

// Values of --operation-scope.
const (
	scopePlane   = "karmada"
	scopeMembers = "members"
	scopeAll     = "all"
)

// scope is where a command works; empty means that the user did not say. It implements pflag.Value.
type scope struct {
	value   string
	allowed []string
}

func (s *scope) String() string { return s.value }
func (s *scope) Type() string   { return "scope" }

// Set refuses scopes that the command does not have.
func (s *scope) Set(text string) error {
	if !slices.Contains(s.allowed, text) {
		return fmt.Errorf("use one of %s", strings.Join(s.allowed, ", "))
	}
	s.value = text
	return nil
}

func (s *scope) addTo(command *cobra.Command, otherwise string) {
	command.Flags().VarP(s, "operation-scope", "s", "Where to work: "+strings.Join(s.allowed, ", ")+" ("+otherwise+")")
	// It fails only for a flag that does not exist.
	_ = command.RegisterFlagCompletionFunc("operation-scope", cobra.FixedCompletions(s.allowed, cobra.ShellCompDirectiveNoFileComp))
}

// target is the one place that a command works on: the control plane, or the member named by then. It implements
// genericclioptions.RESTClientGetter, and asks for its cluster only once it is used, since kubectl's commands are made before
// their flags are read.
type target struct {
	*access
	scope   scope
	cluster string

	lock  sync.Mutex
	known map[string]genericclioptions.RESTClientGetter
}

func newTarget() *target {
	return &target{
		access: newAccess(), scope: scope{allowed: []string{scopePlane, scopeMembers}},
		known: map[string]genericclioptions.RESTClientGetter{},
	}
}

func (t *target) addTo(command *cobra.Command, otherwise string) {
	t.scope.addTo(command, otherwise)
	command.Flags().StringVarP(&t.cluster, "cluster", "C", "", "Member to work on")
	accept(command.Flags(), map[string]string{"clusters": "cluster"})
}

// settle tells mistakes in what the flags say together.
func (t *target) settle(ctx context.Context) error {
	switch {
	case t.scope.value == scopePlane && t.cluster != "":
		return fmt.Errorf("--cluster %s contradicts --operation-scope karmada: leave one of them out", t.cluster)
	case t.scope.value == scopeMembers && t.cluster == "":
		return errors.New("--operation-scope members works on one member: name it with --cluster")
	case t.cluster == "":
		return nil
	}
	return t.exist(ctx, "cluster", t.cluster)
}

func (t *target) factory() cmdutil.Factory { return factoryOf(t) }

func (t *target) current() genericclioptions.RESTClientGetter {
	if t.cluster == "" {
		return t.access
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	if t.known[t.cluster] == nil {
		t.known[t.cluster] = t.access.member(t.cluster)
	}
	return t.known[t.cluster]
}

// ToRESTConfig implements genericclioptions.RESTClientGetter.
func (t *target) ToRESTConfig() (*rest.Config, error) { return t.current().ToRESTConfig() }

// ToDiscoveryClient implements genericclioptions.RESTClientGetter.
func (t *target) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return t.current().ToDiscoveryClient()
}

// ToRESTMapper implements genericclioptions.RESTClientGetter.
func (t *target) ToRESTMapper() (meta.RESTMapper, error) { return t.current().ToRESTMapper() }

// ToRawKubeConfigLoader implements genericclioptions.RESTClientGetter.
func (t *target) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	return t.access.ToRawKubeConfigLoader()
}

var (
	_ pflag.Value                        = &scope{}
	_ genericclioptions.RESTClientGetter = &target{}
)
