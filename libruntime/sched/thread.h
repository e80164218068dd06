// thread.h: how the runtime starts its own threads.
#pragma once

#include <pthread.h>
#include <signal.h>

#include "libruntime/context/context.h"

namespace netpoll::sched {

// Starts a thread called name with every asynchronous signal blocked, as the poll thread and sysmon stay. Fatal when
// the machine gives no thread.
void start_thread(pthread_t& thread, void* (*main)(void*), void* arg, const char* name);

// Gives the calling thread, an M, the program's mask: what a goroutine starts with posix_spawn or fork inherits it
// (sigprocmask(2); glibc's posix_spawn runs no atfork handlers and keeps the caller's mask), and Go's children have the
// mask that the process had before the runtime, too. Without SIGSEGV and SIGBUS, by which a stack overflow is named.
void use_program_mask(const sigset_t& program);

// Tells the sanitizers which stack the calling thread runs on.
void adopt_thread_stack(context::SanitizerFiber& fiber);

}  // namespace netpoll::sched
