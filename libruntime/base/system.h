// system.h: what the runtime asks of the operating system beside threads, words to sleep on and descriptors. One file a
// system answers (system_linux.cc, system_bsd.cc, system_windows.cc), so that nothing above has to ask which one it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace netpoll::base {

// Zeroed memory, aligned to a page, of which only pages that were touched cost anything. Null when there is none.
void* map_lazily(std::size_t size);
// Gives memory of map_lazily() back; size is what it was asked with.
void unmap(void* memory, std::size_t size);

// The number by which the system's tools know the calling thread.
std::uint32_t thread_id();

// The processors that this process may run on, at least 1.
int usable_cpus();

// A thread that a back end of the poller keeps for itself, and that wakes nobody by its own will, began (1) or ended
// (-1).
void count_own_thread(int change);

// Whether the process has, beside those, exactly `threads` threads and no handler of an asynchronous signal, so that
// nothing else can act in it. False where that cannot be known.
bool nothing_else_acts(std::uint64_t threads);

// Writes to the standard error stream in one call. Allocates nothing; a failure is nobody's to hear of.
void write_to_stderr(const char* text, std::size_t size);

// Writes the calling thread's stack to the standard error stream, a frame a line, as well as the system can name it.
void print_stack();

// "Connection refused" for ECONNREFUSED.
std::string errno_text(int number);

}  // namespace netpoll::base
