// Names of errno: the C library of Windows has none, and nothing there counts calls by them.
#include "exporters/text.h"

namespace netpoll::exporters {

std::string errno_name(int number) { return "errno" + std::to_string(number); }

}  // namespace netpoll::exporters
