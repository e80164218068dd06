// Guards on kernels that take a mapping for each.
#include "libruntime/context/stack.h"
#include "tests/support/catch.h"

namespace netpoll::context {
namespace {

TEST_CASE("without guards that need no mapping, stacks beyond the limit of mappings have a guard of zeros") {
  pretend_old_kernel(2);
  StackSlab slab = StackSlab::map(4, 16 * 1024);
  REQUIRE(slab.valid());
  CHECK(slab.protect(0) == StackGuard::kFault);
  CHECK(slab.protect(1) == StackGuard::kFault);
  CHECK(slab.protect(2) == StackGuard::kZeroed);
  CHECK(slab.protect(3) == StackGuard::kZeroed);
  const Stack stack = slab.at(2);
  auto* lo = static_cast<char*>(stack.lo);
  lo[0] = 1;
  static_cast<char*>(slab.at(1).hi)[-1] = 1;
  CHECK_FALSE(stack_overflowed(stack));
  for (const int below : {1, 100, 4096}) {
    lo[-below] = 1;
    CHECK(stack_overflowed(stack));
    lo[-below] = 0;
  }
  CHECK_FALSE(stack_overflowed(stack));
  slab.unmap();

  StackSlab again = StackSlab::map(4, 16 * 1024);
  REQUIRE(again.valid());
  CHECK(again.protect(2) == StackGuard::kFault);  // the first slab gave its two back
  CHECK(again.protect(3) == StackGuard::kFault);
  CHECK(again.protect(0) == StackGuard::kZeroed);
  again.unmap();
}

}  // namespace
}  // namespace netpoll::context
