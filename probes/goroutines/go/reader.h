// The reader of Go runtimes.
#pragma once

#include <memory>

#include "netpoll/result.h"
#include "probes/goroutines/reader.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

// The row of reader_rows(); see ReaderRow. The version is the executable's own word (build_info.h).
Result<std::optional<std::string>> go_version(Subject& subject);
// Go 1.18 and later, x86-64 and aarch64, stripped or not.
Result<std::unique_ptr<Reader>> attach_go(Subject& subject);

}  // namespace netpoll::probes
