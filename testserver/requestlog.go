package testserver

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Request is one line of the log.
type Request struct {
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	From   string    `json:"from"`
	// Status is 499 when the caller left before the answer.
	Status int `json:"status"`
	// Took is in nanoseconds.
	Took time.Duration `json:"took"`
}

// longestPath bounds what one request takes of the log.
const longestPath = 256

// requestLog keeps the last requests in a ring.
type requestLog struct {
	mu   sync.Mutex
	ring []Request
	// next is where the next request goes; once the ring is full, the oldest stands there.
	next int
	full bool
}

func newRequestLog(size int) *requestLog { return &requestLog{ring: make([]Request, size)} }

func (l *requestLog) add(request Request) {
	if len(request.Path) > longestPath {
		request.Path = request.Path[:longestPath]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring[l.next] = request
	if l.next++; l.next == len(l.ring) {
		l.next, l.full = 0, true
	}
}

// last are the remembered requests, oldest first.
func (l *requestLog) last() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.full {
		return append([]Request(nil), l.ring[:l.next]...)
	}
	return append(append([]Request(nil), l.ring[l.next:]...), l.ring[:l.next]...)
}

func (l *requestLog) serve(response http.ResponseWriter, _ *http.Request) {
	response.Header().Set("Content-Type", "application/jsonl")
	lines := json.NewEncoder(response)
	for _, request := range l.last() {
		if lines.Encode(request) != nil {
			return
		}
	}
}
