// thread.h: how the runtime, and what belongs to it, starts threads of its own, and what it wants of the calling one.
#pragma once

#include <pthread.h>

#include <cstddef>

namespace netpoll::base {

// Starts a thread called name with every asynchronous signal blocked, as the poll thread and sysmon stay. Fatal when
// the machine gives no thread.
void start_thread(pthread_t& thread, void* (*main)(void*), void* arg, const char* name);

// The asynchronous signals that a thread has blocked; nothing where there are none.
struct SignalMask {
  alignas(8) unsigned char bits[128] = {};
};
SignalMask signal_mask();
// Gives the calling thread this mask, less the signals by which faults are reported.
void use_signal_mask(const SignalMask& mask);

// From now on a timed sleep of the calling thread ends within microseconds of its time, not tens of them.
void sleep_precisely();

// The calling thread's stack, where the system tells; else null and 0.
struct ThreadStack {
  void* lo = nullptr;
  std::size_t size = 0;
};
ThreadStack thread_stack();

// Calls handler before every fork(2) from now on; never where there is no such call.
void before_each_fork(void (*handler)());

}  // namespace netpoll::base
