// paced_calls of Go: CALLS calls of epoll_wait with nothing to report, by a goroutine that is bound to its thread; prints
// the CPU time that each took, in ns. What naming goroutines costs a call is seen by this.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
)

const rusageThread = 1 // RUSAGE_THREAD, getrusage(2)

func cpuNs() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(rusageThread, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func main() {
	runtime.LockOSThread()
	calls := 1000000
	if len(os.Args) > 1 {
		calls, _ = strconv.Atoi(os.Args[1])
	}
	epfd, err := syscall.EpollCreate1(0)
	if err != nil {
		panic(err)
	}
	events := make([]syscall.EpollEvent, 1)
	begin := cpuNs()
	for i := 0; i < calls; i++ {
		syscall.EpollWait(epfd, events, 0)
	}
	fmt.Println((cpuNs() - begin) / int64(calls))
}
