// Goroutines that wait for connections which the poller does not watch any more, as programs lose them that go behind
// the runtime's back:
//
//	closed      close(2) on the number of a connection; nobody else has it open, so that its registration is gone, too
//	removed     somebody else's EPOLL_CTL_DEL
//	kept        nothing happened to it
//
// Prints "FATE FD" for each, then "ready", and ends when its standard input does.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func fdOf(c net.Conn) int {
	raw, err := c.(syscall.Conn).SyscallConn()
	check(err)
	number := -1
	check(raw.Control(func(fd uintptr) { number = int(fd) }))
	return number
}

// theEpoll is the number of the runtime's instance, the only one of this program.
func theEpoll() int {
	for fd := 3; fd < 1000; fd++ {
		if link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil && link == "anon_inode:[eventpoll]" {
			return fd
		}
	}
	return -1
}

func main() {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	check(err)
	fates := []string{"closed", "removed", "kept"}
	var numbers []int
	var kept []net.Conn
	for range fates {
		dialled, err := net.Dial("tcp4", l.Addr().String())
		check(err)
		accepted, err := l.Accept()
		check(err)
		kept = append(kept, dialled, accepted)
		numbers = append(numbers, fdOf(accepted))
		go accepted.Read(make([]byte, 1))
	}
	time.Sleep(100 * time.Millisecond) // they wait, or lint does not find them: the test asks again
	check(syscall.Close(numbers[0]))
	check(syscall.EpollCtl(theEpoll(), syscall.EPOLL_CTL_DEL, numbers[1], nil))
	for i, fate := range fates {
		fmt.Println(fate, numbers[i])
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	for _, c := range kept[2:] {
		c.Close()
	}
}
