// The section by which readers of PE files find the debug root: its first word is the root's address, which the loader
// relocates with the rest of the image.
#include "libruntime/debug/root.h"

extern "C" [[gnu::used, gnu::section(".netpoll")]] netpoll::debug::DebugRoot* const netpoll_debug_root_pointer =
    &netpoll_debug_root;

namespace netpoll::debug {

void link_root() {}

}  // namespace netpoll::debug
