//go:build !cgo

package main

// waitInC needs C.
func waitInC() {}
