package live

import (
	"context"
	"fmt"
	"io"

	"k8s.io/client-go/rest"

	"github.com/seatrial/seatrial/control"
)

// mostOfPath is how long an answer may be, in bytes. A member shall not fill the memory of a control plane.
const mostOfPath = 16 << 20

// Paths implements control.PathReader by a client of an API server.
type Paths struct{ rest.Interface }

var (
	_ control.PathReader = Paths{}
	_ control.PathReader = &connection{}
)

// ReadPath implements control.PathReader.
func (p Paths) ReadPath(ctx context.Context, path string, parameters map[string]string) ([]byte, error) {
	request := p.Get().AbsPath(path)
	for name, value := range parameters {
		request = request.Param(name, value)
	}
	answer, err := request.SetHeader("Accept", "application/json").Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer, mostOfPath+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(body) > mostOfPath {
		return nil, fmt.Errorf("reading %s: the answer has more than %d bytes", path, mostOfPath)
	}
	return body, nil
}

// ReadPath implements control.PathReader.
func (c *connection) ReadPath(ctx context.Context, path string, parameters map[string]string) ([]byte, error) {
	return Paths{c.discovery.RESTClient()}.ReadPath(ctx, path, parameters)
}
