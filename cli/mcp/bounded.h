// bound: cuts a document to what fits a conversation, and says what it left out.
#pragma once

#include <cstddef>

#include "exporters/json_fwd.h"

namespace netpoll::cli {

// Every list keeps its first `limit` elements, those with findings before the others; system calls that did not occur
// are left out. The document gets a member "bounded": the limit, and each list that was cut with how many of its
// elements are shown and how many there are.
void bound(exporters::Json& document, std::size_t limit);

}  // namespace netpoll::cli
