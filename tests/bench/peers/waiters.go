// The subject of snapshot_cost.py: goroutines that wait, and some that work, with the pprof endpoint of Go's own.
//
//	waiters IO CHAN WORKERS    IO goroutines that wait for a TCP connection to be readable, CHAN that wait for a channel,
//	                           and WORKERS pairs that send a byte to and fro over a connection
//
// Says "address HOST:PORT" of the endpoint, then answers each line of standard input with the round trips so far, and
// ends when that ends.
package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"strconv"
	"sync/atomic"
)

var trips uint64

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	check(err)
	return n
}

// pair gives both ends of a connection. Without keep-alive, whose probes would come in bursts.
func pair(listener net.Listener) (net.Conn, net.Conn) {
	dialer := net.Dialer{KeepAlive: -1}
	a, err := dialer.Dial("tcp", listener.Addr().String())
	check(err)
	b, err := listener.Accept()
	check(err)
	return a, b
}

//go:noinline
func wait(conn net.Conn) {
	conn.Read(make([]byte, 1))
}

func bounce(conn net.Conn, first bool) {
	b := make([]byte, 1)
	if first {
		conn.Write(b)
	}
	for {
		if _, err := conn.Read(b); err != nil {
			return
		}
		if _, err := conn.Write(b); err != nil {
			return
		}
		if first {
			atomic.AddUint64(&trips, 1)
		}
	}
}

func main() {
	config := net.ListenConfig{KeepAlive: -1}
	listener, err := config.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	check(err)
	for i := 0; i < number(1); i += 2 {
		a, b := pair(listener)
		go wait(a)
		go wait(b)
	}
	never := make(chan bool)
	for i := 0; i < number(2); i++ {
		go func() { <-never }()
	}
	for i := 0; i < number(3); i++ {
		a, b := pair(listener)
		go bounce(a, true)
		go bounce(b, false)
	}
	endpoint, err := net.Listen("tcp4", "127.0.0.1:0")
	check(err)
	go http.Serve(endpoint, nil)
	fmt.Println("address", endpoint.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(atomic.LoadUint64(&trips))
	}
}
