// Package proxytest has a proxy for tests.
package proxytest

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// New starts a proxy that takes CONNECT and tells what it was asked with. It ends with the test.
func New(t *testing.T, asked func(http.Header)) *httptest.Server {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked(r.Header.Clone())
		onward, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		defer onward.Close()
		inward, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer inward.Close()
		// Not before, or the server might read of what the client sends next.
		if _, err := io.WriteString(inward, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			t.Error(err)
			return
		}
		go func() { _, _ = io.Copy(onward, inward) }()
		_, _ = io.Copy(inward, onward)
	}))
	t.Cleanup(proxy.Close)
	return proxy
}
