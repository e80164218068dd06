// go_echo: Go's net package, a goroutine per connection with a 4 KiB buffer. Prints "127.0.0.1:PORT Go VERSION" and
// serves until the end of its standard input. With -busy N it also runs N goroutines that compute for about 20 µs and
// yield, again and again, as the workload "cpu" does.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
)

func echo(c net.Conn) {
	defer c.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := c.Read(buffer)
		if n > 0 {
			if _, err := c.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func compute(seed uint64) uint64 {
	sum := uint64(0)
	for i := uint64(1); i <= 16000; i++ {
		z := seed + i*0x9e3779b97f4a7c15
		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
		z = (z ^ (z >> 27)) * 0x94d049bb133111eb
		sum ^= z ^ (z >> 31)
	}
	return sum
}

func main() {
	procs := flag.Int("procs", 1, "GOMAXPROCS")
	busy := flag.Int("busy", 0, "goroutines that compute and yield")
	flag.Parse()
	runtime.GOMAXPROCS(*procs)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for i := 0; i < *busy; i++ {
		go func(seed uint64) {
			for {
				seed = compute(seed)
				runtime.Gosched()
			}
		}(uint64(i))
	}
	fmt.Println(listener.Addr(), "Go", strings.TrimPrefix(runtime.Version(), "go"))
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go echo(c)
		}
	}()
	io.Copy(io.Discard, os.Stdin)
}
