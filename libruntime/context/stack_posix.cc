// The size of a page, as POSIX has it asked.
#include <unistd.h>

#include "libruntime/context/stack.h"

namespace netpoll::context {

std::size_t page_size() {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace netpoll::context
