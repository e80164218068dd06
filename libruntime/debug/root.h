// root.h: the one object by which readers in other processes find the runtimes of this one (netpoll/debug/abi.h).
#pragma once

#include "netpoll/debug/abi.h"

// Not exported: each program or library that contains libruntime has its own.
#if defined(__ELF__)
#pragma GCC visibility push(hidden)
#endif
extern "C" netpoll::debug::DebugRoot netpoll_debug_root;
#if defined(__ELF__)
#pragma GCC visibility pop
#endif

namespace netpoll::debug {

// Has no effect. Whoever publishes a runtime calls it, so that a linker which takes from an archive only what is
// referred to takes root_elf.cc, root_macho.cc or root_pe.cc as well, and with it what readers look for.
void link_root();

}  // namespace netpoll::debug
