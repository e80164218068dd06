// servers.h: the server side of each workload, a function that runs as the first goroutine of the server process. It
// listens, says so, and returns or goes on serving; goroutines that are left when the run ends are cancelled.
//
// What the plainest of them, echo, costs in system calls is exact, and tests/cli/workload/counts_test.cc holds it. With
// C connections, N messages smaller than the buffer, and a load that connects first, in every poll mode:
//   sendto               N           each answer
//   recvfrom             N + C       each message, each end of stream; none ends in EAGAIN (level, when several
//                        threads poll: now and then one, for an event that two of them saw)
//   epoll_create1        1
//   epoll_ctl add        C + 2       each connection, the listener, the poller's own wake-up descriptor
//   epoll_ctl del        edge, oneshot: 0, since close(2) takes the registration away
//                        level: 1, the listener's, which is armed when it is closed
//   epoll_ctl mod        edge: 0
//                        oneshot: N + C + 1 + A, each wait of a connection or the listener arms
//                        level: each wait arms and each event disarms, at most twice that
//   accept4              C + A       A: how often the queue was found empty, which is timing
//   epoll_wait and kin   timing; one connection: one per message, 64 connections: 0.02 to 0.2 per message
//   read, write, futex   a handful, for the pipes to the CLI and the start and end of threads
#pragma once

#include "cli/workload/serve/server.h"

namespace netpoll::workload {

// Reads into a buffer that the connection's goroutine holds, and writes it back: echo, churn, pipeline.
void serve_echo(Server& server);
// Several listeners on one port, echo behind each.
void serve_reuseport(Server& server);
// Echo beside --busy goroutines that compute for about 20 µs and yield, again and again.
void serve_cpu(Server& server);
// Waits for readability and takes a buffer only then, or holds it (--hold).
void serve_idle(Server& server);
// One goroutine per connection reads messages, one for all verifies them.
void serve_fanin(Server& server);
// Relays each connection to an echo server in the same process, with a goroutine per direction.
void serve_proxy(Server& server);
// Answers a request of 16 bytes (load/loads.h) with as many bytes as it asks for.
void serve_slow(Server& server);
// Answers datagrams, which it verifies, from one socket.
void serve_udp(Server& server);
// Self-driven: --conns socket pairs; per operation one read that times out and one that gets its bytes in time. The
// latency is how late the time-out came.
void serve_deadline(Server& server);
// Self-driven: --conns pairs of goroutines, each pair with two pipes; the latency is that of a round trip.
void serve_pipe(Server& server);

}  // namespace netpoll::workload
