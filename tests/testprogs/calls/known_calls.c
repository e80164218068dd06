/*
 * known_calls: makes system calls of syscalls.def in known numbers and prints them, for tests of the probes.
 *
 *   known_calls SCENARIO...     runs the scenarios in order, then prints the truth and exits with 0
 *
 * It is linked statically and makes every call by itself, so that neither the dynamic loader nor stdio adds any. Each
 * call goes through call(), which keeps the books; what is printed at the end contains the print itself:
 *
 *   call NAME COUNT
 *   error NAME ERRNO COUNT
 *   ctl ADD MOD DEL
 *   wait NAME EVENTS EMPTY TIMEOUTS ZERO TIMED FOREVER
 *   bytes NAME COUNT
 *   socket NAME COUNT         calls of socket_calls.def
 *   uring NAME COUNT          operations of io_uring
 *   uncounted COUNT           calls of the 32-bit interface, which no probe can name
 *
 * Threads and forked children add to the same books. A child that executes a program prints books of its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_epoll_wait
#define SYS_epoll_wait -1
#endif
#ifndef SYS_epoll_create
#define SYS_epoll_create -1
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 -1
#endif
#ifndef SYS_poll
#define SYS_poll -1
#endif
#ifndef SYS_select
#define SYS_select -1
#endif
#ifndef SYS_accept
#define SYS_accept -1
#endif

enum row {
#define NETPOLL_SYSCALL(name, class_) ROW_##name,
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
  ROWS
};
static const char* const names[] = {
#define NETPOLL_SYSCALL(name, class_) #name,
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
};
static const long numbers[] = {
#define NETPOLL_SYSCALL(name, class_) SYS_##name,
#include "probes/syscalls.def"
#undef NETPOLL_SYSCALL
};

enum socket_row {
#define NETPOLL_SOCKET_CALL(name, kind) SOCKET_##name,
#include "probes/socket_calls.def"
#undef NETPOLL_SOCKET_CALL
  SOCKET_ROWS
};
static const char* const socket_names[] = {
#define NETPOLL_SOCKET_CALL(name, kind) #name,
#include "probes/socket_calls.def"
#undef NETPOLL_SOCKET_CALL
};

/* Shared with forked children. */
#define ERRNOS 600
#define WAITS (ROW_pselect6 + 1)
struct books {
  long count[ROWS];
  long errors[ROWS][ERRNOS];
  long add, mod, del;
  long events[WAITS], empty[WAITS], timeouts[WAITS], asked[WAITS][3];
  long bytes[ROWS];
  long socket_calls[SOCKET_ROWS];
  long nops, uring_closes;
  long uncounted;
};
static struct books* books;

static void add(long* what, long n) { __atomic_fetch_add(what, n, __ATOMIC_RELAXED); }

/* Without the C library: its errno belongs to a thread, and our threads have none of their own. */
static long kernel(long nr, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = nr;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#endif
}

/* Returns what the kernel does: -errno for failure. -ENOSYS, uncounted, where this architecture has no such call. */
static long call(enum row row, long a, long b, long c, long d, long e, long f) {
  if (numbers[row] < 0) return -ENOSYS;
  add(&books->count[row], 1);
  const long result = kernel(numbers[row], a, b, c, d, e, f);
  if (result < 0 && result > -ERRNOS) add(&books->errors[row][-result], 1);
  if (result > 0) add(&books->bytes[row], result);
  return result;
}
#define CALL6(row, a, b, c, d, e, f, ...) \
  call(ROW_##row, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define CALL(...) CALL6(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

static void fail(const char* what) {
  syscall(SYS_write, 2, what, strlen(what));
  syscall(SYS_write, 2, "\n", 1);
  syscall(SYS_exit_group, 99);
}
static void must(int ok, const char* what) {
  if (!ok) fail(what);
}

/* timeout: < 0 for ever, 0 none, > 0 some. */
static void waited(enum row row, int timeout, long result) {
  add(&books->asked[row][timeout < 0 ? 2 : timeout > 0], 1);
  if (result > 0) add(&books->events[row], result);
  if (result == 0) add(&books->empty[row], 1);
  if (result == 0 && timeout > 0) add(&books->timeouts[row], 1);
}

static void control(int epfd, int op, int fd, unsigned events, long expected) {
  struct epoll_event event = {.events = events};
  long result = CALL(epoll_ctl, epfd, op, fd, &event);
  must(result == expected, "epoll_ctl");
  add(op == EPOLL_CTL_ADD ? &books->add : op == EPOLL_CTL_MOD ? &books->mod : &books->del, 1);
}

/* timeout_ms as for epoll_wait; each of the three calls gets the same wait. */
static void wait_for(int row, int epfd, int timeout_ms, long expected) {
  struct epoll_event events[8];
  long result = 0;
  if (row == ROW_epoll_pwait2) {
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    result = CALL(epoll_pwait2, epfd, events, 8, timeout_ms < 0 ? NULL : &timeout, NULL, 8);
  } else {
    result = call(row, epfd, (long)events, 8, timeout_ms, 0, 8);
  }
  if (result == -ENOSYS) return;
  must(result == expected, "epoll wait");
  waited(row, timeout_ms, result);
}

/* The same of a set of one descriptor, by each of the four older calls. */
static void wait_for_one(int row, int fd, int timeout_ms, long expected) {
  struct pollfd entry = {fd, POLLIN, 0};
  struct timespec span = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
  struct timeval micro = {timeout_ms / 1000, timeout_ms % 1000 * 1000L};
  long nfds = fd + 1, result = 0;
  fd_set set;
  FD_ZERO(&set);
  FD_SET(fd, &set);
  if (row == ROW_poll) result = CALL(poll, &entry, 1, timeout_ms);
  if (row == ROW_ppoll) result = CALL(ppoll, &entry, 1, timeout_ms < 0 ? NULL : &span, NULL, 8);
  if (row == ROW_select) result = CALL(select, nfds, &set, NULL, NULL, timeout_ms < 0 ? NULL : &micro);
  if (row == ROW_pselect6) result = CALL(pselect6, nfds, &set, NULL, NULL, timeout_ms < 0 ? NULL : &span, NULL);
  if (result == -ENOSYS) return;
  must(result == expected, "wait for one");
  waited(row, timeout_ms, result);
}

/* Each of poll, ppoll, select and pselect6: three empty looks, a timeout, and three that return an event. */
static void sets(void) {
  int fds[2];
  must(pipe(fds) == 0, "pipe");
  for (int row = ROW_poll; row <= ROW_pselect6; ++row) {
    for (int i = 0; i < 3; ++i) wait_for_one(row, fds[0], 0, 0);
    wait_for_one(row, fds[0], 2, 0);
  }
  must(CALL(write, fds[1], "x", 1) == 1, "write");
  for (int row = ROW_poll; row <= ROW_pselect6; ++row) {
    wait_for_one(row, fds[0], 0, 1);
    wait_for_one(row, fds[0], 1000, 1);
    wait_for_one(row, fds[0], -1, 1);
  }
  for (int i = 0; i < 2; ++i) must(CALL(close, fds[i]) == 0, "close");
}

/* The calls that move bytes without a buffer or in batches, and those of sockets that are beside the table. */
static void batches(void) {
  int sockets[2], fds[2];
  char buffer[64];
  struct iovec word = {"0123456789", 10}, vec = {buffer, sizeof(buffer)};
  must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sockets) == 0 && pipe(fds) == 0, "socketpair");
  add(&books->socket_calls[SOCKET_socketpair], 1);
  struct mmsghdr out[3] = {{{.msg_iov = &word, .msg_iovlen = 1}, 0},
                           {{.msg_iov = &word, .msg_iovlen = 1}, 0},
                           {{.msg_iov = &word, .msg_iovlen = 1}, 0}};
  struct mmsghdr in[3] = {{{.msg_iov = &vec, .msg_iovlen = 1}, 0},
                          {{.msg_iov = &vec, .msg_iovlen = 1}, 0},
                          {{.msg_iov = &vec, .msg_iovlen = 1}, 0}};
  must(CALL(sendmmsg, sockets[0], out, 3, 0) == 3, "sendmmsg");
  must(CALL(recvmmsg, sockets[1], in, 3, 0, NULL) == 3, "recvmmsg");
  must(CALL(recvmmsg, sockets[1], in, 3, 0, NULL) == -EAGAIN, "recvmmsg EAGAIN");
  for (int i = 0; i < 2; ++i) must(CALL(pwritev2, sockets[0], &word, 1, -1, 0, 0) == 10, "pwritev2");
  for (int i = 0; i < 2; ++i) must(CALL(preadv2, sockets[1], &vec, 1, -1, 0, 0) == 10, "preadv2");
  must(CALL(write, fds[1], "0123456789", 10) == 10, "write");
  must(CALL(splice, fds[0], NULL, sockets[0], NULL, 7, 0) == 7, "splice");
  int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  must(CALL(sendfile, fds[1], file, NULL, 100) == 100, "sendfile");
  must(CALL(io_uring_enter, -1, 0, 0, 0, NULL, 0) == -EBADF, "io_uring_enter");

  int value = 0;
  socklen_t length = sizeof(value);
  for (int i = 0; i < 3; ++i) must(getsockopt(sockets[0], SOL_SOCKET, SO_TYPE, &value, &length) == 0, "getsockopt");
  must(kernel(SYS_fcntl, sockets[0], F_GETFL, 0, 0, 0, 0) >= 0, "fcntl");
  must(kernel(SYS_fcntl, sockets[1], F_GETFL, 0, 0, 0, 0) >= 0, "fcntl");
  must(kernel(SYS_fcntl, fds[0], F_GETFL, 0, 0, 0, 0) >= 0, "fcntl of a pipe");
  must(kernel(SYS_fcntl, 1000000, F_GETFL, 0, 0, 0, 0) == -EBADF, "fcntl of nothing");
  add(&books->socket_calls[SOCKET_getsockopt], 3);
  add(&books->socket_calls[SOCKET_fcntl], 2);
  for (int i = 0; i < 2; ++i) must(CALL(close, sockets[i]) == 0 && CALL(close, fds[i]) == 0, "close");
  must(CALL(close, file) == 0, "close");
}

/* epoll_ctl of each kind, with errors; per wait call three that return 2 events, four empty looks, two timeouts. */
static void polls(void) {
  long epfd = CALL(epoll_create1, EPOLL_CLOEXEC);
  must(epfd >= 0, "epoll_create1");
  long old = CALL(epoll_create, 1);
  if (old >= 0) must(CALL(close, old) == 0, "close");
  int pipes[2][2];
  must(pipe(pipes[0]) == 0 && pipe(pipes[1]) == 0, "pipe");

  control(epfd, EPOLL_CTL_ADD, pipes[0][0], EPOLLIN, 0);
  control(epfd, EPOLL_CTL_ADD, pipes[1][0], EPOLLIN, 0);
  control(epfd, EPOLL_CTL_ADD, pipes[1][0], EPOLLIN, -EEXIST);
  control(epfd, EPOLL_CTL_MOD, pipes[0][1], EPOLLIN, -ENOENT);
  control(epfd, EPOLL_CTL_DEL, 1000000, EPOLLIN, -EBADF);
  for (int row = ROW_epoll_wait; row <= ROW_epoll_pwait2; ++row) {
    for (int i = 0; i < 4; ++i) wait_for(row, epfd, 0, 0);
    for (int i = 0; i < 2; ++i) wait_for(row, epfd, 1, 0);
  }
  for (int i = 0; i < 2; ++i) must(CALL(write, pipes[i][1], "x", 1) == 1, "write");
  for (int row = ROW_epoll_wait; row <= ROW_epoll_pwait2; ++row) {
    wait_for(row, epfd, 0, 2);
    wait_for(row, epfd, 1000, 2);
    wait_for(row, epfd, -1, 2);
  }
  for (int i = 0; i < 4; ++i) control(epfd, EPOLL_CTL_MOD, pipes[0][0], EPOLLIN | EPOLLET, 0);
  for (int i = 0; i < 4; ++i) {
    control(epfd, EPOLL_CTL_DEL, pipes[1][0], 0, 0);
    control(epfd, EPOLL_CTL_ADD, pipes[1][0], EPOLLIN, 0);
  }
  control(epfd, EPOLL_CTL_DEL, pipes[0][0], 0, 0);
  long wrong = CALL(epoll_wait, pipes[0][0], &pipes, 1, 0);
  if (wrong == -EINVAL) add(&books->asked[ROW_epoll_wait][0], 1);
  must(wrong == -EINVAL || wrong == -ENOSYS, "epoll_wait on a pipe");
  for (int i = 0; i < 2; ++i) {
    for (int side = 0; side < 2; ++side) must(CALL(close, pipes[i][side]) == 0, "close");
  }
  must(CALL(close, epfd) == 0, "close");
}

/* Every other call of the table, in different numbers, with EAGAIN and other errors among them. */
static void io(void) {
  int fds[2], sockets[2];
  char buffer[64];
  struct iovec vec = {buffer, sizeof(buffer)}, word = {"0123456789", 10};
  must(pipe2(fds, O_NONBLOCK) == 0, "pipe2");
  for (int i = 0; i < 17; ++i) must(CALL(read, fds[0], buffer, sizeof(buffer)) == -EAGAIN, "read EAGAIN");
  for (int i = 0; i < 3; ++i) {
    must(CALL(write, fds[1], "0123456789", 10) == 10, "write");
    must(CALL(read, fds[0], buffer, sizeof(buffer)) == 10, "read");
  }
  for (int i = 0; i < 2; ++i) {
    must(CALL(writev, fds[1], &word, 1) == 10, "writev");
    must(CALL(readv, fds[0], &vec, 1) == 10, "readv");
  }
  must(CALL(readv, fds[0], &vec, 1) == -EAGAIN, "readv EAGAIN");
  for (int i = 0; i < 2; ++i) must(CALL(close, fds[i]) == 0, "close");
  for (int i = 0; i < 5; ++i) must(CALL(close, 1000000) == -EBADF, "close EBADF");
  must(CALL(write, 1000000, "x", 1) == -EBADF, "write EBADF");

  must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets) == 0, "socketpair");
  add(&books->socket_calls[SOCKET_socketpair], 1);
  struct msghdr out = {.msg_iov = &word, .msg_iovlen = 1}, in = {.msg_iov = &vec, .msg_iovlen = 1};
  for (int i = 0; i < 6; ++i) {
    must(CALL(sendto, sockets[0], "0123456789", 10, 0, NULL, 0) == 10, "sendto");
    must(CALL(recvfrom, sockets[1], buffer, sizeof(buffer), 0, NULL, NULL) == 10, "recvfrom");
  }
  must(CALL(recvfrom, sockets[1], buffer, sizeof(buffer), 0, NULL, NULL) == -EAGAIN, "recvfrom EAGAIN");
  for (int i = 0; i < 4; ++i) {
    must(CALL(sendmsg, sockets[0], &out, 0) == 10, "sendmsg");
    must(CALL(recvmsg, sockets[1], &in, 0) == 10, "recvmsg");
  }
  for (int i = 0; i < 8; ++i) must(CALL(recvmsg, sockets[1], &in, 0) == -EAGAIN, "recvmsg EAGAIN");
  for (int i = 0; i < 2; ++i) must(CALL(close, sockets[i]) == 0, "close");

  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const socklen_t automatic = sizeof(address.sun_family);
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  must(bind(listener, (struct sockaddr*)&address, automatic) == 0, "bind");
  socklen_t length = sizeof(address);
  must(getsockname(listener, (struct sockaddr*)&address, &length) == 0, "getsockname");
  for (int i = 0; i < 2; ++i) must(CALL(connect, client, &address, length) == -ECONNREFUSED, "connect refused");
  must(listen(listener, 4) == 0, "listen");
  add(&books->socket_calls[SOCKET_socket], 2);
  add(&books->socket_calls[SOCKET_bind], 1);
  add(&books->socket_calls[SOCKET_getsockname], 1);
  add(&books->socket_calls[SOCKET_listen], 1);
  for (int i = 0; i < 9; ++i) must(CALL(accept4, listener, NULL, NULL, 0) == -EAGAIN, "accept4 EAGAIN");
  if (SYS_accept >= 0) must(CALL(accept, listener, NULL, NULL) == -EAGAIN, "accept EAGAIN");
  must(CALL(connect, client, &address, length) == 0, "connect");
  long served = CALL(accept4, listener, NULL, NULL, SOCK_CLOEXEC);
  must(served >= 0, "accept4");
  must(CALL(close, served) == 0 && CALL(close, client) == 0 && CALL(close, listener) == 0, "close");

  int word32 = 1;
  for (int i = 0; i < 3; ++i) must(CALL(futex, &word32, FUTEX_WAIT_PRIVATE, 2, NULL) == -EAGAIN, "futex EAGAIN");
  must(CALL(futex, &word32, FUTEX_WAKE_PRIVATE, 1) == 0, "futex wake");
  struct timespec moment = {0, 1000};
  for (int i = 0; i < 2; ++i) must(CALL(nanosleep, &moment, NULL) == 0, "nanosleep");
  for (int i = 0; i < 3; ++i) must(CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, &moment, NULL) == 0, "clock_nanosleep");
  struct timespec never = {0, 2000000000};
  must(CALL(nanosleep, &never, NULL) == -EINVAL, "nanosleep EINVAL");
}

/* 2,000 reads, each of which ends in EAGAIN, and 2,000 looks into an empty epoll: a burst without a pause. */
static void burst(void) {
  int fds[2];
  char byte;
  must(pipe2(fds, O_NONBLOCK) == 0, "pipe2");
  long epfd = CALL(epoll_create1, 0);
  for (int i = 0; i < 2000; ++i) {
    must(CALL(read, fds[0], &byte, 1) == -EAGAIN, "read EAGAIN");
    wait_for(ROW_epoll_pwait, epfd, 0, 0);
  }
  must(CALL(close, epfd) == 0 && CALL(close, fds[0]) == 0 && CALL(close, fds[1]) == 0, "close");
}

static int busy_thread(void* done) {
  for (int i = 0; i < 3; ++i) {
    polls();
    io();
  }
  burst();
  add(done, 1);
  return 0;
}

static int short_thread(void* done) {
  io();
  add(done, 1);
  return 0;
}

/* Not by pthread_create: glibc locks its list of stacks, and so makes futex calls in numbers that depend on timing. */
static void start_thread(int (*body)(void*), void* argument) {
  const size_t size = 128 * 1024;
  char* stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(stack != MAP_FAILED, "mmap");
  const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  must(clone(body, stack + size, flags, argument) > 0, "clone");
}

/* 8 threads at once, then 64 one after the other. */
static void threads(void) {
  static long done;
  for (int i = 0; i < 8; ++i) start_thread(busy_thread, &done);
  while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) < 8) sched_yield();
  for (int i = 0; i < 64; ++i) {
    start_thread(short_thread, &done);
    while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) < 9 + i) sched_yield();
  }
}

static pid_t fork_plain(void) { return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }

static void reap(pid_t child) {
  int status = 0;
  must(waitpid(child, &status, 0) == child && status == 0, "child failed");
}

/* 6 children with a grandchild each. */
static void forks(void) {
  pid_t children[6];
  for (int i = 0; i < 6; ++i) {
    children[i] = fork_plain();
    if (children[i] != 0) continue;
    polls();
    pid_t grandchild = fork_plain();
    if (grandchild == 0) {
      io();
      syscall(SYS_exit_group, 0);
    }
    reap(grandchild);
    io();
    syscall(SYS_exit_group, 0);
  }
  polls();
  for (int i = 0; i < 6; ++i) reap(children[i]);
}

/* A child that runs another image of this program. */
static void execs(void) {
  pid_t child = fork_plain();
  if (child == 0) {
    char* argv[] = {"known_calls", "polls", "io", NULL};
    execv("/proc/self/exe", argv);
    syscall(SYS_exit_group, 98);
  }
  reap(child);
}

/* Children that nobody is to trace, made by clone and, where the kernel has it, clone3; each makes calls. */
static void untraced(void) {
  struct clone_args three = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
  for (int kind = 0; kind < 2; ++kind) {
    const pid_t child = kind == 0 ? (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_UNTRACED, 0, 0, 0, 0)
                                  : (pid_t)syscall(SYS_clone3, &three, sizeof(three));
    if (child == 0) {
      polls();
      io();
      syscall(SYS_exit_group, 0);
    }
    if (child < 0 && kind == 1) break;
    must(kind == 0 || three.flags == CLONE_UNTRACED, "the flags are the program's");
    reap(child);
  }
}

static int signal_pipe[2];
static void on_alarm(int signal) {
  (void)signal;
  must(CALL(write, signal_pipe[1], "x", 1) == 1, "write");
}

/* A read that a signal interrupts and the kernel restarts: two calls, the first of which ends in ERESTARTSYS. */
static void restart(void) {
  struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
  struct itimerval soon = {.it_value = {0, 50000}};
  char byte;
  must(pipe(signal_pipe) == 0 && sigaction(SIGALRM, &action, NULL) == 0, "sigaction");
  must(setitimer(ITIMER_REAL, &soon, NULL) == 0, "setitimer");
  must(CALL(read, signal_pipe[0], &byte, 1) == 1, "read");
  add(&books->count[ROW_read], 1);
  add(&books->errors[ROW_read][512], 1);
  for (int i = 0; i < 2; ++i) must(CALL(close, signal_pipe[i]) == 0, "close");
}

static void pause_ms(long ms) {
  struct timespec span = {0, ms * 1000000};
  sigset_t none;
  sigemptyset(&none);
  must(kernel(SYS_rt_sigtimedwait, (long)&none, 0, (long)&span, 8, 0, 0) == -EAGAIN, "rt_sigtimedwait");
}

static void ring_in(int clock, long ms) {
  struct itimerspec once = {.it_value = {0, ms * 1000000}};
  must(timerfd_settime(clock, 0, &once, NULL) == 0, "timerfd_settime");
}

/*
 * One wait of each kind, during which signals come that the program ignores, by its own choice and by default. They
 * wake nobody, so each is one call.
 */
static void ignored(void) {
  struct itimerval often = {{0, 7000}, {0, 7000}}, never = {{0, 0}, {0, 0}};
  struct timespec span = {0, 50000000};
  uint64_t times;
  int word = 0;
  const int clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  const pid_t self = getpid();
  must(clock >= 0, "timerfd_create");
  must(signal(SIGALRM, SIG_IGN) != SIG_ERR && signal(SIGWINCH, SIG_DFL) != SIG_ERR, "signal");
  long epfd = CALL(epoll_create1, EPOLL_CLOEXEC);
  control(epfd, EPOLL_CTL_ADD, clock, EPOLLIN, 0);
  const pid_t helper = fork_plain();
  if (helper == 0) {
    while (kill(self, SIGWINCH) == 0 && getppid() == self) pause_ms(5);
    syscall(SYS_exit_group, 0);
  }
  must(setitimer(ITIMER_REAL, &often, NULL) == 0, "setitimer");
  for (int row = ROW_epoll_wait; row < WAITS; ++row) {
    ring_in(clock, 50);
    if (row <= ROW_epoll_pwait2) {
      wait_for(row, epfd, -1, 1);
    } else {
      wait_for_one(row, clock, -1, 1);
    }
    must(CALL(read, clock, &times, sizeof(times)) == sizeof(times), "read timerfd");
  }
  /* Would not end while each signal began the timeout anew. */
  for (int row = ROW_epoll_wait; row <= ROW_epoll_pwait; ++row) wait_for(row, epfd, 40, 0);
  ring_in(clock, 50);
  must(CALL(read, clock, &times, sizeof(times)) == sizeof(times), "read timerfd");
  must(CALL(nanosleep, &span, NULL) == 0, "nanosleep");
  must(CALL(futex, &word, FUTEX_WAIT_PRIVATE, 0, &span) == -ETIMEDOUT, "futex");
  must(setitimer(ITIMER_REAL, &never, NULL) == 0, "setitimer");
  must(kill(helper, SIGKILL) == 0 && waitpid(helper, NULL, 0) == helper, "the helper");
  must(CALL(close, epfd) == 0 && CALL(close, clock) == 0, "close");
}

/* A nanosleep and a futex of 0.3 s each, during which the process is stopped and goes on: two calls, for the program.
 */
static void stopped(void) {
  struct timespec span = {0, 300000000};
  int word = 0;
  const pid_t self = getpid();
  for (int kind = 0; kind < 2; ++kind) {
    pid_t helper = fork_plain();
    if (helper == 0) {
      pause_ms(100);
      kill(self, SIGSTOP);
      pause_ms(100);
      kill(self, SIGCONT);
      syscall(SYS_exit_group, 0);
    }
    if (kind == 0) {
      must(CALL(nanosleep, &span, NULL) == 0, "nanosleep");
    } else {
      must(CALL(futex, &word, FUTEX_WAIT_PRIVATE, 0, &span) == -ETIMEDOUT, "futex");
    }
    reap(helper);
  }
}

/* 3 connects that seccomp refuses, before the kernel looks at them. */
static void refused(void) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0,
       "seccomp");
  for (int i = 0; i < 3; ++i) must(CALL(connect, 0, NULL, 0) == -EPERM, "connect EPERM");
}

/*
 * Calls of the 32-bit interface by a 64-bit program: 5 read, whose number there means close in the 64-bit table, and 7
 * write, whose number means stat, which no table has.
 */
static void compat(void) {
#ifdef __x86_64__
  for (int i = 0; i < 12; ++i) {
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(i < 5 ? 3 : 4), "b"(-1), "c"(0), "d"(0)
                     : "memory", "r8", "r9", "r10", "r11");
    must(result == -EBADF, "int80 read or write");
    add(&books->uncounted, 1);
  }
#endif
}

/* Prints "ready", then sleeps in epoll_wait until a byte arrives on standard input; reads it, and goes on. */
static void await(void) {
  struct epoll_event event = {.events = EPOLLIN};
  char byte;
  long epfd = epoll_create1(0);
  must(epoll_ctl((int)epfd, EPOLL_CTL_ADD, 0, &event) == 0, "epoll_ctl stdin");
  must(write(1, "ready\n", 6) == 6, "write");
  must(epoll_wait((int)epfd, &event, 1, -1) == 1, "epoll_wait stdin");
  must(CALL(read, 0, &byte, 1) == 1, "read stdin");
  must(CALL(close, epfd) == 0, "close");
}

/*
 * Three children, the first of which has a child itself, wait while this process does as await(); then each of the four
 * works.
 */
static void family(void) {
  int ready[2], go[2];
  pid_t children[3];
  char byte;
  must(pipe(ready) == 0 && pipe(go) == 0, "pipe");
  for (int i = 0; i < 3; ++i) {
    children[i] = fork_plain();
    if (children[i] != 0) continue;
    close(go[1]);
    const pid_t grandchild = i == 0 ? fork_plain() : 0;
    must(write(ready[1], "x", 1) == 1, "write");
    must(kernel(SYS_read, go[0], (long)&byte, 1, 0, 0, 0) == 0, "read");
    polls();
    io();
    if (grandchild != 0) reap(grandchild);
    syscall(SYS_exit_group, 0);
  }
  for (int i = 0; i < 4; ++i) must(read(ready[0], &byte, 1) == 1, "read");
  await();
  must(CALL(close, go[1]) == 0, "close");
  for (int i = 0; i < 3; ++i) reap(children[i]);
}

/* Sleeps in epoll_pwait for ever, in a call that never returns; a test kills the process. */
static void hang(void) {
  struct epoll_event event;
  long epfd = CALL(epoll_create1, 0);
  must(write(1, "ready\n", 6) == 6, "write");
  CALL(epoll_pwait, epfd, &event, 1, -1, NULL, 8);
}

/* 5 operations that do nothing and 3 that close nothing, by io_uring; nothing where the kernel refuses it. */
static void uring(void) {
  struct io_uring_params params = {0};
  const long fd = kernel(SYS_io_uring_setup, 8, (long)&params, 0, 0, 0, 0);
  if (fd < 0) return;
  const size_t size = params.sq_off.array + params.sq_entries * sizeof(unsigned);
  char* ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, (int)fd, IORING_OFF_SQ_RING);
  struct io_uring_sqe* sqes = mmap(NULL, params.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_POPULATE, (int)fd, IORING_OFF_SQES);
  must(ring != MAP_FAILED && sqes != MAP_FAILED, "mmap of io_uring");
  unsigned* array = (unsigned*)(ring + params.sq_off.array);
  for (unsigned i = 0; i < 8; ++i) {
    sqes[i] = (struct io_uring_sqe){.opcode = i < 5 ? IORING_OP_NOP : IORING_OP_CLOSE, .fd = i < 5 ? 0 : -1};
    array[i] = i;
  }
  __atomic_store_n((unsigned*)(ring + params.sq_off.tail), 8, __ATOMIC_RELEASE);
  must(CALL(io_uring_enter, fd, 8, 0, 0, NULL, 0) == 8, "io_uring_enter");
  add(&books->nops, 5);
  add(&books->uring_closes, 3);
  must(CALL(close, fd) == 0, "close");
}

static char text[64 * 1024];
static size_t used;
static void put(const char* word) {
  const size_t length = strlen(word);
  must(used + length < sizeof(text), "too much truth");
  memcpy(text + used, word, length);
  used += length;
}
static void put_number(long number) {
  char digits[24] = "", *at = digits + sizeof(digits) - 1;
  do *--at = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  put(" ");
  put(at);
}

static void print_truth(void) {
  add(&books->count[ROW_write], 1);
  for (int row = 0; row < ROWS; ++row) {
    if (books->count[row] == 0) continue;
    put("call "), put(names[row]), put_number(books->count[row]), put("\n");
    for (int error = 0; error < ERRNOS; ++error) {
      if (books->errors[row][error] == 0) continue;
      put("error "), put(names[row]), put_number(error), put_number(books->errors[row][error]), put("\n");
    }
  }
  put("ctl"), put_number(books->add), put_number(books->mod), put_number(books->del), put("\n");
  for (int row = 0; row < WAITS; ++row) {
    put("wait "), put(names[row]), put_number(books->events[row]), put_number(books->empty[row]);
    put_number(books->timeouts[row]);
    for (int kind = 0; kind < 3; ++kind) put_number(books->asked[row][kind]);
    put("\n");
  }
  for (int row = 0; row < ROWS; ++row) {
    if (books->bytes[row] == 0 || row == ROW_write) continue; /* this very text is written at last */
    put("bytes "), put(names[row]), put_number(books->bytes[row]), put("\n");
  }
  for (int row = 0; row < SOCKET_ROWS; ++row) {
    if (books->socket_calls[row] == 0) continue;
    put("socket "), put(socket_names[row]), put_number(books->socket_calls[row]), put("\n");
  }
  if (books->nops != 0) put("uring nop"), put_number(books->nops), put("\n");
  if (books->uring_closes != 0) put("uring close"), put_number(books->uring_closes), put("\n");
  put("uncounted"), put_number(books->uncounted), put("\n");
  must(syscall(SYS_write, 1, text, used) == (long)used, "write truth");
}

static const struct {
  const char* name;
  void (*run)(void);
} scenarios[] = {
    {"polls", polls},     {"io", io},           {"burst", burst},       {"threads", threads},
    {"forks", forks},     {"execs", execs},     {"untraced", untraced}, {"restart", restart},
    {"ignored", ignored}, {"stopped", stopped}, {"refused", refused},   {"compat", compat},
    {"await", await},     {"hang", hang},       {"family", family},     {"sets", sets},
    {"batches", batches}, {"uring", uring},
};

int main(int argc, char** argv) {
  books = mmap(NULL, sizeof(*books), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(books != MAP_FAILED, "mmap");
  for (int i = 1; i < argc; ++i) {
    size_t k = 0;
    while (k < sizeof(scenarios) / sizeof(scenarios[0]) && strcmp(scenarios[k].name, argv[i]) != 0) ++k;
    must(k < sizeof(scenarios) / sizeof(scenarios[0]), "unknown scenario");
    scenarios[k].run();
  }
  print_truth();
  syscall(SYS_exit_group, 0);
}
