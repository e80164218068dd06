// What Go programs call the reasons for which goroutines wait; the numbers differ between versions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "probes/goroutines/go/image.h"
#include "probes/goroutines/go/moduledata.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

class WaitReasons {
 public:
  // Reads runtime.waitReasonStrings (Go's runtime/runtime2.go) of the target. Empty where that is not found.
  static WaitReasons find(const Image& image, Memory& memory, const ModuleData& module);

  // "IO wait"; "reason 17" for one without a known name, and for 0 "".
  std::string name(std::uint8_t reason) const;
  bool known() const { return !names_.empty(); }

 private:
  std::vector<std::string> names_;  // by number
};

}  // namespace netpoll::probes
