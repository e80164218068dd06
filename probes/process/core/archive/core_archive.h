// A core as it lies on the disk: plain, compressed by systemd-coredump, or inside of a crash report of apport.
#pragma once

#include <string>

#include "netpoll/result.h"
#include "probes/process/regular_file.h"

namespace netpoll::probes {

// A plain core: the file itself, or a temporary one with what was unpacked. Plain files that are no cores pass too.
struct PlainCore {
  RegularFile file;
  bool cut_short = false;  // what it was packed in ends before its end
};

// Errors: kProtocol for what is damaged, or a crash report without a core; kNotSupported for a format that this build
// was made without; those of writing a temporary file.
Result<PlainCore> open_plain_core(const std::string& path);

}  // namespace netpoll::probes
