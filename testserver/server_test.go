package testserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func newServer(t *testing.T, options Options) *Server {
	t.Helper()
	server, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func call(server http.Handler, method, path, body string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	server.ServeHTTP(recorder, httptest.NewRequest(method, path, strings.NewReader(body)))
	return recorder
}

func TestAnswersAndCounts(t *testing.T) {
	server := newServer(t, Options{Name: "one", LogSize: 10})
	for range 3 {
		if answer := call(server, http.MethodGet, "/any/path", ""); answer.Body.String() != "one\n" || answer.Header().Get(servedBy) != "one" {
			t.Fatalf("got %q by %q, want the name", answer.Body, answer.Header().Get(servedBy))
		}
	}
	call(server, http.MethodGet, "/livez", "")
	var count Count
	if err := json.Unmarshal(call(server, http.MethodGet, "/count", "").Body.Bytes(), &count); err != nil {
		t.Fatal(err)
	}
	if want := (Count{Name: "one", Served: 3, Ready: true}); count != want {
		t.Errorf("count %+v, want %+v", count, want)
	}
}

func TestReadinessIsSwitched(t *testing.T) {
	server := newServer(t, Options{Name: "one", LogSize: 1})
	steps := []struct {
		put    string
		status int
		ready  int
	}{
		{"false", http.StatusNoContent, http.StatusServiceUnavailable},
		{"perhaps", http.StatusBadRequest, http.StatusServiceUnavailable},
		{strings.Repeat("1", 100), http.StatusBadRequest, http.StatusServiceUnavailable},
		{"true", http.StatusNoContent, http.StatusOK},
	}
	for _, step := range steps {
		if got := call(server, http.MethodPut, "/readyz", step.put).Code; got != step.status {
			t.Errorf("PUT %.20q: status %d, want %d", step.put, got, step.status)
		}
		if got := call(server, http.MethodGet, "/readyz", "").Code; got != step.ready {
			t.Errorf("after PUT %.20q: readiness %d, want %d", step.put, got, step.ready)
		}
	}
}

func TestLogKeepsTheLast(t *testing.T) {
	for _, requests := range []int{0, 2, 3, 4, 7} {
		t.Run(fmt.Sprint(requests), func(t *testing.T) {
			server := newServer(t, Options{Name: "one", LogSize: 3})
			for n := range requests {
				call(server, http.MethodGet, fmt.Sprintf("/%d", n), "")
			}
			lines := json.NewDecoder(bytes.NewReader(call(server, http.MethodGet, "/log", "").Body.Bytes()))
			for n := max(0, requests-3); n < requests; n++ {
				var line Request
				if err := lines.Decode(&line); err != nil {
					t.Fatal(err)
				}
				if want := fmt.Sprintf("/%d", n); line.Path != want || line.Status != http.StatusOK {
					t.Errorf("line %+v, want path %s", line, want)
				}
			}
			if lines.More() {
				t.Error("the log has more lines than that")
			}
		})
	}
}

func TestLogBoundsPaths(t *testing.T) {
	server := newServer(t, Options{Name: "one", LogSize: 1})
	call(server, http.MethodGet, "/"+strings.Repeat("a", 5000), "")
	if got := len(server.log.last()[0].Path); got != longestPath {
		t.Errorf("a path of %d characters is kept, want %d", got, longestPath)
	}
}

// A server that is told to end says so first, answers meanwhile, and waits for what is open.
func TestDrains(t *testing.T) {
	server := newServer(t, Options{Name: "one", LogSize: 10, Latency: 50 * time.Millisecond, Linger: 500 * time.Millisecond, Patience: 5 * time.Second})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	get := func(path string) (int, string) {
		transport := &http.Transport{DisableKeepAlives: true}
		response, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Get("http://" + listener.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
	if status, _ := get("/readyz"); status != http.StatusOK {
		t.Fatalf("readiness %d before it ends", status)
	}
	cancel()
	for server.ready.Load() {
		time.Sleep(time.Millisecond)
	}
	if status, _ := get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("readiness %d while it drains, want %d", status, http.StatusServiceUnavailable)
	}
	if _, text := get("/"); text != "one\n" {
		t.Errorf("answer %q while it drains, want its name", text)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if connection, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		connection.Close()
		t.Error("it still listens")
	}
}

func TestRefusesOptions(t *testing.T) {
	for _, options := range []Options{{LogSize: 0}, {LogSize: 1, Latency: -1}, {LogSize: 1, Linger: -1}, {LogSize: 1, Patience: -1}} {
		if _, err := New(options); err == nil {
			t.Errorf("%+v is accepted", options)
		}
	}
}
