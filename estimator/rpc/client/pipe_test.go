package client

import (
	"context"
	"net"
	"sync"
)

// pipes listens in memory. grpc's bufconn does as much, but each of its connections starts a timer that is due at once, and Go 1.26 with
// the race detector now and then crashes on such a timer of a test bubble.
type pipes struct {
	dialed chan net.Conn
	closed chan struct{}
	close  func()
}

func listenInMemory() *pipes {
	closed := make(chan struct{})
	return &pipes{dialed: make(chan net.Conn), closed: closed, close: sync.OnceFunc(func() { close(closed) })}
}

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.dialed <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.dialed:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.close()
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }
