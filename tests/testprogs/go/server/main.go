// Prey for the reader of Go programs: starts goroutines that wait in every way, states what is true about each as one
// line of JSON, prints "ready", and ends when its standard input does.
//
//	server            one goroutine for each way to wait
//	server many N     N goroutines that each wait for a socket of their own
//	server stale, crowd N, deep MB, labels, labelled N    see hostile.go
//	server churn      the first, beside goroutines that start and end as fast as they can
//	server spin       the first, beside one that never stops running
//	server speak      see speak.go
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What the program knows of one of its goroutines. The rest stands in the dump.
type waiting struct {
	Goid           uint64            `json:"goid"`
	What           string            `json:"what"`
	FD             int               `json:"fd"` // -1: waits for none
	Mode           string            `json:"mode,omitempty"`
	DeadlineUnixNs int64             `json:"deadline_unix_ns,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
}

type truth struct {
	Version    string     `json:"version"`
	Main       uint64     `json:"main"`
	Goroutines []*waiting `json:"goroutines"`
	Dump       string     `json:"dump"` // of runtime.Stack, which debug/pprof/goroutine?debug=2 prints
}

var all []*waiting

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// goid is the number that heads the dump of the calling goroutine.
func goid() uint64 {
	var text [64]byte
	fields := bytes.Fields(text[:runtime.Stack(text[:], false)])
	id, err := strconv.ParseUint(string(fields[1]), 10, 64)
	check(err)
	return id
}

// start runs f in a goroutine of its own, which states itself as w.
func start(w waiting, f func()) {
	all = append(all, &w)
	known := make(chan bool)
	go func() {
		w.Goid = goid()
		known <- true
		f()
	}()
	<-known
}

func dump() string {
	for text := make([]byte, 1<<20); ; text = make([]byte, 2*len(text)) {
		if n := runtime.Stack(text, true); n < len(text) {
			return string(text[:n])
		}
	}
}

// states maps each goroutine of a dump to what stands in its brackets.
func states(dump string) map[uint64]string {
	found := make(map[uint64]string)
	for _, line := range strings.Split(dump, "\n") {
		var id uint64
		if n, _ := fmt.Sscanf(line, "goroutine %d ", &id); n == 1 {
			found[id] = line[strings.Index(line, "[")+1 : strings.Index(line, "]")]
		}
	}
	return found
}

// settled says whether every goroutine has come to where it will stay.
func settled(dump string) bool {
	state := states(dump)
	for _, w := range all {
		s := state[w.Goid]
		if s == "" || strings.HasPrefix(s, "run") || (w.FD >= 0 && w.Mode != "" && !strings.HasPrefix(s, "IO wait")) {
			return false
		}
	}
	return true
}

func settledDump() string {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		// In the second of two dumps a goroutine that was about to block has blocked.
		if settled(dump()) {
			time.Sleep(10 * time.Millisecond)
			if text := dump(); settled(text) {
				return text
			}
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Fprintln(os.Stderr, "goroutines do not come to rest:\n"+dump())
	os.Exit(1)
	return ""
}

var spins uint64

// turn is called by spin so that its stack has two functions of the program's.
//
//go:noinline
func turn() {
	for i := 0; i < 1000000000; i++ {
		spins++
	}
}

func spin() {
	for {
		turn()
	}
}

func main() {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	// Further modes start little: number is how much of it.
	number := 0
	if len(os.Args) > 2 {
		n, err := strconv.Atoi(os.Args[2])
		check(err)
		number = n
	}
	few := true
	switch mode {
	case "many":
		waitForMany(number)
	case "stale":
		waitBehindTheBack()
	case "crowd":
		waitInACrowd(number)
	case "deep":
		waitDeep(number)
	case "labels":
		waitLabelled()
	case "labelled":
		waitWellLabelled(number)
	case "speak":
	default:
		few = false
		waitForSockets()
		waitForEachOther()
		waitInCalls()
		waitWithLabels()
	}
	text := ""
	if !few {
		text = settledDump()
	}
	line, err := json.Marshal(truth{runtime.Version(), goid(), all, text})
	check(err)
	os.Stdout.Write(append(line, "\nready\n"...))
	if mode == "churn" {
		churn()
	}
	if mode == "spin" {
		go spin()
	}
	if mode == "speak" {
		speak()
	}
	// A plain call, so that the main goroutine waits in read(0).
	var end [1]byte
	for {
		if n, err := syscall.Read(0, end[:]); err != syscall.EINTR && n <= 0 {
			return
		}
	}
}
