// posix.h: what systems with POSIX do each in a way of its own, and what only some of them do. One file a system
// answers (system_linux.cc, system_bsd.cc, thread_linux.cc, thread_bsd.cc). Not on Windows.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <string>

namespace netpoll::base {

// pthread_create(3) for a thread called name, which outlives it: some systems have a thread name another, some only
// itself. The signal mask is the caller's (start_thread() sees to it). 0, or an errno.
int create_thread(pthread_t& thread, void* (*main)(void*), void* arg, const char* name);

// For a call on fd that may raise SIGPIPE and has no flag against it. True: the signal is blocked in the calling thread
// from here on, and end_sigpipe() has to follow. False: nothing needs to be done afterwards, since the program blocks
// it (then it stays pending, as for its own writes) or the system raises none for fd.
bool block_sigpipe(int fd);
// pending: the call may have raised one, which is taken back.
void end_sigpipe(bool pending);

// Whether a signal was sent by the kernel, as the keyboard's are, by what siginfo_t says: si_code and si_pid.
// Async-signal-safe.
bool sent_by_kernel(int code, int pid);

// Of a socket of the Internet families: whether it is TCP, with no protocol on top that turns the stream into records.
bool is_plain_tcp(int fd);

// Lets the calling process, and the threads that it will start, run on one processor alone. 0, or an errno: ENOTSUP
// where no process is bound.
int bind_to_cpu(int cpu);

// The path of the program that runs; "" where that is not known.
std::string own_path();

// Opens a file of the folder that has no name yet, to be written, with mode 0600. -errno, with EOPNOTSUPP among others
// where there are no such files.
int open_unnamed(const char* folder);
// Gives it one: 0, or an errno: EEXIST where the name is taken.
int name_file(int fd, const char* path);

// Makes the pipe behind fd hold at least `size` bytes, where the system lets it.
void widen_pipe(int fd, int size);

}  // namespace netpoll::base
