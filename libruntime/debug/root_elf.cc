// The note by which readers of ELF files find the debug root (netpoll/debug/abi.h). Its value is a distance, so no
// relocation is needed and `strip` keeps it (SHF_ALLOC).
#include "libruntime/debug/root.h"

namespace netpoll::debug {

__asm__(
    ".pushsection .note.netpoll,\"a\",%note\n"
    ".balign 4\n"
    ".long 8\n"  // size of the name
    ".long 8\n"  // size of the descriptor
    ".long 1\n"  // kNoteType
    ".asciz \"netpoll\"\n"
    "1: .quad netpoll_debug_root - 1b\n"
    ".popsection\n");
static_assert(kNoteType == 1 && sizeof(kNoteName) == 8);

void link_root() {}

}  // namespace netpoll::debug
