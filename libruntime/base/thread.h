// thread.h: how the runtime, and what belongs to it, starts threads of its own.
#pragma once

#include <pthread.h>

namespace netpoll::base {

// Starts a thread called name with every asynchronous signal blocked, as the poll thread and sysmon stay. Fatal when
// the machine gives no thread.
void start_thread(pthread_t& thread, void* (*main)(void*), void* arg, const char* name);

}  // namespace netpoll::base
