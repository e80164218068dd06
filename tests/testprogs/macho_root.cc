// A program for macOS whose debug root is the real one's name and place, and holds nothing: linked for what its
// sections are, never run.
#include "libruntime/debug/root.h"

extern "C" netpoll::debug::DebugRoot netpoll_debug_root = {
    .magic = {'n', 'e', 't', 'p', 'o', 'l', 'l', '-', 'd', 'e', 'b', 'u', 'g', '-', '1', '\0'}};

int main() { netpoll::debug::link_root(); }
