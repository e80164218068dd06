//go:build cgo

package main

// #include <unistd.h>
// static long read_one(int fd) { char c; return read(fd, &c, 1); }
import "C"

// waitInC starts a goroutine that waits in a call that C makes.
func waitInC() {
	fd := blockingPipe()
	start(waiting{What: "read in C", FD: fd}, func() { C.read_one(C.int(fd)) })
}
