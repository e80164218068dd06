// Names of errno, of Linux and of its kernel.
#include <cstring>

#include "exporters/text.h"

namespace netpoll::exporters {

std::string errno_name(int number) {
  switch (number) {
    // include/linux/errno.h of the kernel: seen by whoever looks at a call before it is restarted.
    case 512:
      return "ERESTARTSYS";
    case 513:
      return "ERESTARTNOINTR";
    case 514:
      return "ERESTARTNOHAND";
    case 516:
      return "ERESTART_RESTARTBLOCK";
    default:
      break;
  }
  const char* name = ::strerrorname_np(number);
  return name != nullptr ? name : "errno" + std::to_string(number);
}

}  // namespace netpoll::exporters
