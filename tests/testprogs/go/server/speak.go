// Goroutines whose system calls say who makes them.
package main

import (
	"context"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"syscall"
)

// speak waits for a byte on standard input. Then goroutines make 50 writes each of 1000 + their goid bytes, with their
// number among them as a label; and, where there is C, as many of 5 bytes are made there, by no goroutine.
func speak() {
	var begin [1]byte
	syscall.Read(0, begin[:])
	null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	check(err)
	fd := int(null.Fd())
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Add(1)
		go pprof.Do(context.Background(), pprof.Labels("worker", strconv.Itoa(i)), func(context.Context) {
			defer all.Done()
			text := make([]byte, 1000+goid())
			for n := 0; n < 50; n++ {
				syscall.Write(fd, text)
				runtime.Gosched()
			}
		})
	}
	all.Wait()
	for n := 0; n < 50; n++ {
		writeInC(fd)
	}
	os.Stdout.WriteString("spoken\n")
}
