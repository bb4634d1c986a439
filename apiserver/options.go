package apiserver

import (
	"errors"

	"github.com/spf13/pflag"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage/storagebackend"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/apiserver/serving"
)

// etcdPrefix is the default root of the server's keys; Clusters stand below <prefix>/cluster.karmada.io/clusters.
const etcdPrefix = "/registry"

// Options are the settings of an API server. NewOptions gives the defaults; Complete and Validate come before Run.
type Options struct {
	*serving.Options
	Etcd *genericoptions.EtcdOptions

	// AgentSecretNamespaces are those of the secrets that agents may have their Clusters refer to.
	AgentSecretNamespaces []string

	// Search serves search.karmada.io too, and keeps in memory what its resource registries choose of members.
	Search bool
}

// NewOptions returns the defaults.
func NewOptions() *Options {
	return &Options{Options: serving.NewOptions(), Etcd: newEtcdOptions(), AgentSecretNamespaces: []string{names.NamespaceCluster}}
}

func newEtcdOptions() *genericoptions.EtcdOptions {
	return genericoptions.NewEtcdOptions(storagebackend.NewDefaultConfig(etcdPrefix, nil))
}

// AddFlags binds the options to flags.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	o.Options.AddFlags(flags)
	o.Etcd.AddFlags(flags)
	flags.StringSliceVar(&o.AgentSecretNamespaces, "agent-secret-namespaces", o.AgentSecretNamespaces,
		"Namespaces of the secrets that agents may have their Clusters refer to, as the controller manager's flag of that name says.")
	flags.BoolVar(&o.Search, "search", o.Search,
		"Serve search.karmada.io too, and keep in memory what its resource registries choose of members.")
}

// Validate names every option that cannot work.
func (o *Options) Validate() error {
	return errors.Join(append(o.Etcd.Validate(), o.Options.Validate())...)
}
