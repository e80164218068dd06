// What changed between two views of interest sets.
#pragma once

#include "exporters/json_fwd.h"

namespace netpoll::cli {

// Of two documents of `epoll`: {"appeared": [], "gone": [], "changed": []} of registrations. One is the same while its
// process, instance, number, addresses and data word are. Members that an older document lacks count as null.
exporters::Json epoll_changes(const exporters::Json& earlier, const exporters::Json& later);

bool anything_changed(const exporters::Json& changes);

}  // namespace netpoll::cli
