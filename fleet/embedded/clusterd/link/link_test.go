package link

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// silence is how long nothing has to come for it to count as nothing.
const silence = 100 * time.Millisecond

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func open(t *testing.T) *Link {
	t.Helper()
	k, err := Open("127.0.0.1:0", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func dial(t *testing.T, k *Link) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", k.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func say(t *testing.T, c net.Conn, word string) {
	t.Helper()
	if _, err := c.Write([]byte(word)); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c net.Conn, word string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	got := make([]byte, len(word))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != word {
		t.Fatalf("heard %q, %v; want %q", got, err, word)
	}
}

func hearNothing(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(silence))
	n, err := c.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("heard %d bytes, %v; want silence", n, err)
	}
}

func hearClosed(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection is still open")
	}
}

func TestForwards(t *testing.T) {
	k := open(t)
	c := dial(t, k)
	big := bytes.Repeat([]byte("0123456789"), 1<<17)
	go c.Write(big)
	hear(t, c, string(big))
	// The end of one direction is passed on; the other still carries what is left.
	say(t, c, "bye")
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	hear(t, c, "bye")
	hearClosed(t, c)
}

func TestPartitionHoldsAndHealDrops(t *testing.T) {
	k := open(t)
	before, closing := dial(t, k), dial(t, k)
	say(t, before, "one")
	hear(t, before, "one")
	say(t, closing, "two")
	hear(t, closing, "two")
	for range 2 { // twice is once
		k.Partition()
	}
	say(t, before, "lost")
	hearNothing(t, before)
	closing.Close() // an end that goes away in a partition disturbs nobody
	during := dial(t, k)
	say(t, during, "lost too")
	hearNothing(t, during)
	for range 2 {
		k.Heal()
	}
	hearClosed(t, before)
	hearClosed(t, during)
	after := dial(t, k)
	say(t, after, "again")
	hear(t, after, "again")
}

func TestHealOfTheWholeKeepsConnections(t *testing.T) {
	k := open(t)
	c := dial(t, k)
	say(t, c, "a")
	hear(t, c, "a")
	k.Heal()
	say(t, c, "b")
	hear(t, c, "b")
}

func TestTargetGone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := l.Addr().String()
	l.Close()
	k, err := Open("127.0.0.1:0", target)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	hearClosed(t, dial(t, k))
}

func TestCloseEndsAll(t *testing.T) {
	for name, partitioned := range map[string]bool{"whole": false, "partitioned": true} {
		t.Run(name, func(t *testing.T) {
			k := open(t)
			c := dial(t, k)
			say(t, c, "x")
			hear(t, c, "x")
			if partitioned {
				k.Partition()
			}
			done := make(chan struct{})
			go func() { k.Close(); close(done) }()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatal("Close waits for a connection")
			}
			hearClosed(t, c)
		})
	}
}
