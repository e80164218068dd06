// Adds the offset of the target's time namespace to our clock.
#include "probes/process/clock.h"

#include <fstream>
#include <string>

#include "libruntime/base/clock.h"

namespace netpoll::probes {
namespace {

std::int64_t offset_of(const std::string& who) {
  std::ifstream file("/proc/" + who + "/timens_offsets");
  return monotonic_offset(file);
}

}  // namespace

std::int64_t monotonic_offset(std::istream& timens_offsets) {
  std::string clock;
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  while (timens_offsets >> clock >> seconds >> nanoseconds) {
    if (clock == "monotonic") return seconds * 1'000'000'000 + nanoseconds;
  }
  return 0;
}

std::int64_t target_monotonic_now(pid_t pid) {
  return base::nanotime() - offset_of("self") + offset_of(std::to_string(pid));
}

}  // namespace netpoll::probes
