// One of a chain of programs that wait for one another: relay ROLE LISTEN NEXT. Addresses are NETWORK:ADDRESS, or "-"
// for none. It listens, says "address A", and asks NEXT when it is asked itself; a head asks at once.
//
//	relay head - NEXT         asks and waits for the answer
//	relay middle LISTEN NEXT  asks once; who comes later waits for ever, so that a question in a ring ends
//	relay tail LISTEN -       never answers
//
// With http as the network the question is a request, and its connection is watched while the handler runs.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// "unix:/path" -> "unix", "/path"; http goes over tcp.
func parts(address string) (kind, network, rest string) {
	kind, rest, _ = strings.Cut(address, ":")
	network = kind
	if kind == "http" {
		network = "tcp"
	}
	return
}

var asked int32

func ask(next string) {
	if next == "-" || atomic.AddInt32(&asked, 1) > 1 {
		select {}
	}
	kind, network, address := parts(next)
	if kind == "http" {
		answer, err := http.Get("http://" + address + "/")
		check(err)
		_, err = io.ReadAll(answer.Body)
		check(err)
		return
	}
	conn, err := net.Dial(network, address)
	check(err)
	_, err = conn.Write([]byte("?"))
	check(err)
	_, err = conn.Read(make([]byte, 1))
	check(err)
}

func serve(listen, next string) {
	kind, network, address := parts(listen)
	listener, err := net.Listen(network, address)
	check(err)
	fmt.Println("address " + kind + ":" + listener.Addr().String())
	if kind == "http" {
		check(http.Serve(listener, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ask(next) })))
	}
	for {
		conn, err := listener.Accept()
		check(err)
		go func() {
			_, err := conn.Read(make([]byte, 1))
			check(err)
			ask(next)
			conn.Close()
		}()
	}
}

func main() {
	role, listen, next := os.Args[1], os.Args[2], os.Args[3]
	if role != "tail" && role != "middle" || listen == "-" {
		fmt.Println("ready")
		ask(next)
		return
	}
	serve(listen, next)
}
