// wait_for_end: until every process that a source watches has ended.
#pragma once

#include "probes/source.h"
#include "tests/support/catch.h"
#include "tests/support/eventually.h"

namespace netpoll::test {

inline void wait_for_end(probes::Source& source) {
  REQUIRE(eventually([&] {
    const auto alive = source.wait(1000, -1);
    REQUIRE(alive);
    return !*alive;
  }));
}

}  // namespace netpoll::test
