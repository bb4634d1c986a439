package live

import (
	"context"

	"k8s.io/client-go/rest"

	"github.com/seatrial/seatrial/control"
)

// paths implements control.PathReader by a client of an API server.
type paths struct{ rest.Interface }

var (
	_ control.PathReader = paths{}
	_ control.PathReader = &connection{}
)

func (p paths) ReadPath(ctx context.Context, path string, parameters map[string]string) ([]byte, error) {
	request := p.Get().AbsPath(path)
	for name, value := range parameters {
		request = request.Param(name, value)
	}
	return request.SetHeader("Accept", "application/json").DoRaw(ctx)
}

// ReadPath implements control.PathReader.
func (c *connection) ReadPath(ctx context.Context, path string, parameters map[string]string) ([]byte, error) {
	return paths{c.discovery.RESTClient()}.ReadPath(ctx, path, parameters)
}
