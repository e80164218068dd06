// The back end `self`: libruntime's own exact tracepoint counters, read through the debug ABI. It costs the target
// nothing and needs no more than the right to read its memory; of system calls it knows nothing.
#pragma once

#include <memory>

#include "probes/source.h"

namespace netpoll::probes {

// Counts::tracepoints are filled as soon as the target has a libruntime; everything else stays as it was built.
//
// A held target need not have one yet: its counts start at 0. One that already runs counts from attach(), which fails
// with kNotSupported when it, or one of several, is not a libruntime program. Forks are not followed. Counters vanish
// with their Runtime, so wait() looks at them every few milliseconds: what the last of these looks did not see, at the
// end of the target, is not counted.
std::unique_ptr<Source> make_self_source();

}  // namespace netpoll::probes
