// The reader of Go runtimes.
#pragma once

#include <memory>

#include "netpoll/result.h"
#include "probes/goroutines/reader.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

// Go 1.18 and later, x86-64 and aarch64, stripped or not. The row of the table of readers; see ReaderRow::attach.
Result<std::unique_ptr<Reader>> attach_go(Subject& subject);

}  // namespace netpoll::probes
