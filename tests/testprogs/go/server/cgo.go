//go:build cgo

package main

// #include <unistd.h>
// static long read_one(int fd) { char c; return read(fd, &c, 1); }
// static long write_five(int fd) { return write(fd, "12345", 5); }
import "C"

// waitInC starts a goroutine that waits in a call that C makes.
func waitInC() {
	fd := blockingPipe()
	start(waiting{What: "read in C", FD: fd}, func() { C.read_one(C.int(fd)) })
}

// writeInC writes 5 bytes in a call that C makes.
func writeInC(fd int) { C.write_five(C.int(fd)) }
