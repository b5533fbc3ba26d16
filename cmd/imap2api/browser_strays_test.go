package main

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// strays is where every name of the network leads: it notes who wanted to go to a hostile host.
type strays struct {
	listener net.Listener
	mu       sync.Mutex
	count    int
	working  sync.WaitGroup
}

func listenForStrays(t *testing.T) *strays {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &strays{listener: listener}
	s.working.Go(s.accept)
	t.Cleanup(func() { _ = listener.Close(); s.working.Wait() })
	return s
}

func (s *strays) address() string { return s.listener.Addr().String() }

func (s *strays) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.working.Go(func() { s.take(conn) })
	}
}

// take reads the beginning: the host is in the greeting of TLS as in the header of HTTP.
// What the browser wants for itself does not count.
func (s *strays) take(conn net.Conn) {
	defer conn.Close() //nolint:errcheck // nothing is sent
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 4096)
	n, _ := conn.Read(b)
	if strings.Contains(string(b[:n]), "hostile.test") {
		s.mu.Lock()
		s.count++
		s.mu.Unlock()
	}
}

func (s *strays) seen() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}
