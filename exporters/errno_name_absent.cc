// Names of errno: C libraries other than GNU's have none, and nothing counts calls by them there.
#include "exporters/text.h"

namespace netpoll::exporters {

std::string errno_name(int number) { return "errno" + std::to_string(number); }

}  // namespace netpoll::exporters
