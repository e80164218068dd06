// A Go library for programs of other languages (-buildmode=c-shared): Start starts a goroutine that waits for a
// connection and one that waits for nothing, and returns the port.
package main

import "C"

import (
	"net"
	"os"
)

//export Start
func Start() C.int {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	go func() { _, _ = listener.Accept() }()
	go func() { <-make(chan bool) }()
	return C.int(listener.Addr().(*net.TCPAddr).Port)
}

func main() {}
