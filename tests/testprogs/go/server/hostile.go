// Programs that are hard on whoever looks into them.
package main

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// waitBehindTheBack starts two readers whose numbers are then taken from them without a word to the runtime: one
// becomes a pipe, the other is closed, and that last, since what is opened next takes its number. A duplicate keeps each
// socket open and registered.
func waitBehindTheBack() {
	tcp := listen("tcp4", "127.0.0.1:0")
	var p [2]int
	check(syscall.Pipe2(p[:], syscall.O_CLOEXEC))
	for _, state := range []string{"reused", "closed"} {
		first, _ := pair(tcp)
		read(first, state, time.Time{})
		fd := fdOf(first.(*net.TCPConn))
		// Who reads has to wait before its number goes.
		for deadline := time.Now().Add(30 * time.Second); !settled(dump()) && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		_, err := syscall.Dup(fd)
		check(err)
		if state == "closed" {
			check(syscall.Close(fd))
		} else {
			check(syscall.Dup3(p[0], fd, syscall.O_CLOEXEC))
		}
	}
}

// waitInACrowd starts n goroutines that wait for nothing.
func waitInACrowd(n int) {
	never := make(chan bool)
	for i := 0; i < n; i++ {
		go func() { <-never }()
	}
	time.Sleep(100 * time.Millisecond)
}

//go:noinline
func descend(depth int, bottom chan bool, never chan bool) byte {
	var frame [64 << 10]byte
	frame[depth%len(frame)] = 1
	if depth == 0 {
		bottom <- true
		<-never
	}
	return descend(depth-1, bottom, never) + frame[depth/2%len(frame)]
}

// waitDeep starts a goroutine whose stack is so many megabytes deep, and returns when it waits there: of one that still
// runs nobody but itself knows the stack.
func waitDeep(megabytes int) {
	debug.SetMaxStack(4 << 30)
	bottom := make(chan bool)
	start(waiting{What: "at the bottom", FD: -1}, func() { descend(megabytes*16, bottom, make(chan bool)) })
	<-bottom
	settledDump()
}

// waitLabelled starts goroutines with labels of 10 MB, and with what a terminal would obey.
func waitLabelled() {
	for _, value := range []string{strings.Repeat("x", 10<<20), "\x1b[31mred\x1b[0m\n\r\x07\x00", "\xff\xfe broken", "\u202eback"} {
		w := waiting{What: strconv.Itoa(len(value)), FD: -1}
		all = append(all, &w)
		known := make(chan bool)
		go pprof.Do(context.Background(), pprof.Labels("label", value, value[:min(len(value), 64)], "key"), func(context.Context) {
			w.Goid = goid()
			known <- true
			<-make(chan bool)
		})
		<-known
	}
}

// waitWellLabelled starts n goroutines with a thousand labels of 8 KiB each, whose texts they share.
func waitWellLabelled(n int) {
	texts := make([]string, 0, 2000)
	for i := 0; i < 1000; i++ {
		texts = append(texts, fmt.Sprintf("%04096d", i), strings.Repeat("x", 4096))
	}
	for i := 0; i < n; i++ {
		known := make(chan bool)
		// A set of its own each.
		go pprof.Do(context.Background(), pprof.Labels(texts...), func(context.Context) {
			all = append(all, &waiting{What: "well labelled", FD: -1, Goid: goid()})
			known <- true
			<-make(chan bool)
		})
		<-known
	}
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}
