package component

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/scheme"
)

// NewClient returns a client of a control plane or a member that knows all kinds of a fleet and has no cache.
func NewClient(config *rest.Config) (client.Client, error) {
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		return nil, fmt.Errorf("collecting the known kinds: %w", err)
	}
	made, err := client.New(config, client.Options{Scheme: kinds})
	if err != nil {
		return nil, fmt.Errorf("making a client of %s: %w", config.Host, err)
	}
	return made, nil
}

// Client returns such a client of the control plane that the flags say.
func (p *Process) Client() (client.Client, error) {
	config, err := p.RESTConfig()
	if err != nil {
		return nil, err
	}
	return NewClient(config)
}
