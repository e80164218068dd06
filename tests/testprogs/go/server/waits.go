// Goroutines that wait for each other, in calls, and with labels; and such that do not wait at all.
package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
)

// A generic type: its functions' names have brackets.
type box[T any] struct{ held chan T }

//go:noinline
func (b *box[T]) take() T { return <-b.held }

// Small enough to be inlined, twice.
func innermost(c chan int) { <-c }
func inner(c chan int)     { innermost(c) }

// A method that is promoted through an interface is called by a wrapper that the compiler writes.
type waiter interface{ wait() }
type base struct{ never chan int }
type derived struct {
	label string
	*base
}

//go:noinline
func (b *base) wait() { <-b.never }

//go:noinline
func deep(n int, never chan int) int {
	if n == 0 {
		return <-never
	}
	return deep(n-1, never) + 1
}

//go:noinline
func waitThen(f func()) {
	defer f()
	panic("a goroutine may wait while it panics")
}

func waitForEachOther() {
	never := make(chan int)
	other := make(chan int)
	nobody := make(chan int)
	none := waiting{FD: -1}
	say := func(what string) waiting {
		w := none
		w.What = what
		return w
	}
	start(say("chan receive"), func() { <-never })
	start(say("chan send"), func() { other <- 1 })
	start(say("nil chan"), func() { var c chan int; <-c })
	start(say("select"), func() {
		select {
		case <-never:
		case nobody <- 1:
		}
	})
	start(say("select without cases"), func() { select {} })
	start(say("sleep"), func() { time.Sleep(24 * time.Hour) })

	var locked sync.Mutex
	locked.Lock()
	start(say("mutex"), func() { locked.Lock() })
	var rw sync.RWMutex
	rw.Lock()
	start(say("rwmutex"), func() { rw.RLock() })
	var group sync.WaitGroup
	group.Add(1)
	start(say("wait group"), func() { group.Wait() })
	cond := sync.NewCond(new(sync.Mutex))
	start(say("cond"), func() { cond.L.Lock(); cond.Wait() })
	kept = append(kept, never, other, nobody, &locked, &rw, &group, cond)

	start(say("generic"), func() { (&box[string]{make(chan string)}).take() })
	start(say("generic of a struct"), func() { (&box[struct{ a, b int }]{make(chan struct{ a, b int })}).take() })
	start(say("inlined"), func() { inner(never) })
	start(say("wrapper"), func() { waiter(derived{"d", &base{never}}).wait() })
	start(say("method value"), waiter(derived{"d", &base{never}}).wait)
	start(say("deep"), func() { deep(70, never) })
	start(say("deferred"), func() { defer func() { recover() }(); waitThen(func() { <-never }) })
	start(say("locked to thread"), func() { runtime.LockOSThread(); <-never })
	start(say("child of a child"), func() {
		start(say("grandchild"), func() { <-never })
		<-never
	})
}

// blockingPipe is a pipe that the poller does not know.
func blockingPipe() int {
	var ends [2]int
	check(syscall.Pipe(ends[:]))
	return ends[0]
}

func waitInCalls() {
	fd := blockingPipe()
	start(waiting{What: "read in a call", FD: fd}, func() { syscall.Read(fd, make([]byte, 1)) })
	waitInC()
}

func waitWithLabels() {
	never := make(chan int)
	for n := 1; n <= 20; n++ {
		labels := make(map[string]string)
		var list []string
		for i := 0; i < n; i++ {
			key, value := fmt.Sprintf("key-%d", i), fmt.Sprintf("value %d of %d", i, n)
			labels[key] = value
			list = append(list, key, value)
		}
		set := pprof.Labels(list...)
		start(waiting{What: fmt.Sprintf("%d labels", n), FD: -1, Labels: labels}, func() {
			pprof.Do(context.Background(), set, func(context.Context) { <-never })
		})
	}
}

// churn starts and ends goroutines as fast as it can, on all Ps.
func churn() {
	for i := 0; i < 2*runtime.GOMAXPROCS(0); i++ {
		go func() {
			for {
				done := make(chan bool)
				for j := 0; j < 16; j++ {
					go func(depth int) {
						grow(depth)
						done <- true
					}(j)
				}
				for j := 0; j < 16; j++ {
					<-done
				}
			}
		}()
	}
}

// grow makes a stack that has to move.
//
//go:noinline
func grow(depth int) byte {
	var block [512]byte
	if depth > 0 {
		block[depth] = grow(depth - 1)
	}
	return block[depth/2]
}
