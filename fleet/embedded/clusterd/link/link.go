// Package link is a TCP forwarder that can be cut like a network cable: while it is, bytes vanish and nobody is told.
package link

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const dialTimeout = 5 * time.Second

// Link forwards connections from its listener to a target.
//
// While partitioned, connections (open ones and new ones, which are still accepted) stay open and carry nothing. Healing closes
// them: half of what they carried is lost, and their ends would otherwise wait for it.
type Link struct {
	listener net.Listener
	target   string

	mu sync.Mutex
	// conns are both ends of all that was accepted and not closed yet.
	conns map[net.Conn]struct{}
	// cut is closed when the link is partitioned; healing makes a new one.
	cut    chan struct{}
	isCut  bool
	closed bool
	wg     sync.WaitGroup
}

// Open listens on the address (host:port) and forwards to target.
func Open(listen, target string) (*Link, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listening for %s: %w", target, err)
	}
	k := &Link{listener: l, target: target, conns: map[net.Conn]struct{}{}, cut: make(chan struct{})}
	k.wg.Add(1)
	go k.accept()
	return k, nil
}

// Addr is where the link listens.
func (k *Link) Addr() string { return k.listener.Addr().String() }

// Partition stops every byte in both directions. Doing so twice is doing so once.
func (k *Link) Partition() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.isCut {
		k.isCut = true
		close(k.cut)
	}
}

// Heal lets new connections through and closes those from before. An uncut link is left alone.
func (k *Link) Heal() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.isCut {
		return
	}
	k.isCut = false
	k.cut = make(chan struct{})
	k.closeConns()
}

// Close closes the listener and every connection and waits for the link's goroutines.
func (k *Link) Close() {
	k.listener.Close()
	k.mu.Lock()
	k.closed = true
	k.closeConns()
	k.mu.Unlock()
	k.wg.Wait()
}

func (k *Link) closeConns() {
	for c := range k.conns {
		c.Close()
		delete(k.conns, c)
	}
}

func (k *Link) accept() {
	defer k.wg.Done()
	for {
		conn, err := k.listener.Accept()
		if err != nil {
			return
		}
		k.wg.Add(1)
		go func() {
			defer k.wg.Done()
			k.forward(conn)
		}()
	}
}

// forward carries one connection until an end closes it. A connection lives in one epoch, the time between two heals: once its
// epoch is cut it only waits to be closed.
func (k *Link) forward(client net.Conn) {
	cut, ok := k.adopt(client, nil)
	defer k.drop(client)
	if !ok {
		return
	}
	select {
	case <-cut:
		waitClosed(client)
		return
	default:
	}
	server, err := net.DialTimeout("tcp", k.target, dialTimeout)
	if err != nil {
		return
	}
	if _, ok := k.adopt(server, cut); !ok {
		server.Close()
		return
	}
	defer k.drop(server)

	done := make(chan struct{}, 2)
	go func() { carry(server, client, cut); done <- struct{}{} }()
	go func() { carry(client, server, cut); done <- struct{}{} }()
	<-done
	<-done
}

// adopt registers a connection in the present epoch, or, when epoch is given, only if that is still the present one.
func (k *Link) adopt(c net.Conn, epoch chan struct{}) (chan struct{}, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || (epoch != nil && epoch != k.cut) {
		return nil, false
	}
	k.conns[c] = struct{}{}
	return k.cut, true
}

func (k *Link) drop(c net.Conn) {
	c.Close()
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.conns, c)
}

// carry copies until src ends, and then ends dst the same way, unless the epoch is cut: then it holds dst open and drops what
// comes, until the connection is closed under it.
func carry(dst, src net.Conn, cut <-chan struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		select {
		case <-cut:
			if err == nil {
				waitClosed(src)
			} else {
				waitClosed(dst)
			}
			return
		default:
		}
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				src.Close()
				return
			}
		}
		if err != nil {
			halfClose(dst, err)
			return
		}
	}
}

// halfClose passes on how the other end closed: an orderly end of its bytes, or anything else.
func halfClose(c net.Conn, err error) {
	if tcp, ok := c.(*net.TCPConn); ok && err == io.EOF {
		tcp.CloseWrite()
		return
	}
	c.Close()
}

// waitClosed swallows what arrives until the connection is closed by either side.
func waitClosed(c net.Conn) { io.Copy(io.Discard, c) }
