// Goroutines that wait for descriptors.
package main

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// fdOf is the number of a connection, a listener or a file.
func fdOf(c syscall.Conn) int {
	raw, err := c.SyscallConn()
	check(err)
	number := -1
	check(raw.Control(func(fd uintptr) { number = int(fd) }))
	return number
}

func accept(l net.Listener, what string) {
	start(waiting{What: what, FD: fdOf(l.(syscall.Conn)), Mode: "read"}, func() { l.Accept() })
}

func read(c net.Conn, what string, deadline time.Time) {
	w := waiting{What: what, FD: fdOf(c.(syscall.Conn)), Mode: "read"}
	if !deadline.IsZero() {
		check(c.SetReadDeadline(deadline))
		w.DeadlineUnixNs = deadline.UnixNano()
	}
	start(w, func() { c.Read(make([]byte, 1)) })
}

// write fills the connection until its writer waits.
func write(c net.Conn, what string, deadline time.Time) {
	w := waiting{What: what, FD: fdOf(c.(syscall.Conn)), Mode: "write"}
	if !deadline.IsZero() {
		check(c.SetWriteDeadline(deadline))
		w.DeadlineUnixNs = deadline.UnixNano()
	}
	start(w, func() { c.Write(make([]byte, 64<<20)) })
}

// pair connects a socket to l. Both ends stay open as long as the program lives.
func pair(l net.Listener) (dialled, accepted net.Conn) {
	accepting := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		check(err)
		accepting <- c
	}()
	dialled, err := net.Dial(l.Addr().Network(), l.Addr().String())
	check(err)
	accepted = <-accepting
	kept = append(kept, dialled, accepted)
	return dialled, accepted
}

// What must not be closed by a finaliser.
var kept []any

func listen(network, address string) net.Listener {
	l, err := net.Listen(network, address)
	check(err)
	kept = append(kept, l)
	return l
}

func waitForSockets() {
	never := time.Time{}
	tcp := listen("tcp4", "127.0.0.1:0")
	first, second := pair(tcp)
	read(first, "tcp4 read", never)
	read(second, "tcp4 read with deadline", time.Now().Add(time.Hour))
	first, _ = pair(tcp)
	write(first, "tcp4 write with deadline", time.Now().Add(2*time.Hour))
	first, _ = pair(tcp)
	read(first, "tcp4 read beside write", time.Now().Add(3*time.Hour))
	write(first, "tcp4 write beside read", never)
	accept(tcp, "tcp4 accept")

	if tcp6, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		kept = append(kept, tcp6)
		first, _ = pair(tcp6)
		read(first, "tcp6 read", never)
		accept(tcp6, "tcp6 accept")
	}

	unix := listen("unix", fmt.Sprintf("@netpoll-test-%d", os.Getpid()))
	first, _ = pair(unix)
	read(first, "unix read", never)
	accept(unix, "unix accept")

	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	check(err)
	kept = append(kept, udp)
	read(udp, "udp read", never)

	from, to, err := os.Pipe()
	check(err)
	kept = append(kept, from, to)
	start(waiting{What: "pipe read", FD: fdOf(from), Mode: "read"}, func() { from.Read(make([]byte, 1)) })
}

func waitForMany(n int) {
	for i := 0; i < n; i++ {
		udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		check(err)
		kept = append(kept, udp)
		w := &waiting{What: "udp read", FD: fdOf(udp), Mode: "read"}
		all = append(all, w)
		go func() {
			w.Goid = goid()
			udp.Read(make([]byte, 1))
		}()
	}
	time.Sleep(100 * time.Millisecond)
}
