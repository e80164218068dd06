// The section by which readers of Mach-O files find the debug root: its first word is the root's address, which dyld
// relocates with the rest of the image.
#include "libruntime/debug/root.h"

extern "C" [[gnu::used, gnu::section("__DATA,__netpoll")]] netpoll::debug::DebugRoot* const netpoll_debug_root_pointer =
    &netpoll_debug_root;

namespace netpoll::debug {

void link_root() {}

}  // namespace netpoll::debug
