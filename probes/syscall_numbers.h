// The kernel's numbers for the rows of syscalls.def and socket_calls.def, on the architecture that we are built for.
#pragma once

#include <optional>

#include "probes/counts.h"

namespace netpoll::probes {

// nullopt: this architecture has no such call (aarch64 has epoll_pwait only, and no epoll_create).
std::optional<int> syscall_number(Syscall syscall);

// The row that nr belongs to; nullopt for a call that is not counted.
std::optional<Syscall> syscall_of_number(long nr);

// The same of calls beside the table.
std::optional<int> syscall_number(SocketCall call);
std::optional<SocketCall> socket_call_of_number(long nr);

}  // namespace netpoll::probes
