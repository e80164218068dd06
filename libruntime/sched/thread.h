// thread.h: how the runtime starts its own threads.
#pragma once

#include <pthread.h>

#include "libruntime/context/context.h"

namespace netpoll::sched {

// Starts a thread called name with every asynchronous signal blocked: signals belong to the program's own threads.
// Fatal when the machine gives no thread.
void start_thread(pthread_t& thread, void* (*main)(void*), void* arg, const char* name);

// Tells the sanitizers which stack the calling thread runs on.
void adopt_thread_stack(context::SanitizerFiber& fiber);

}  // namespace netpoll::sched
