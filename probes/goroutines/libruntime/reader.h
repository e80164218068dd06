// The reader of libruntime: through the debug ABI (netpoll/debug/abi.h), without stopping the target and without
// symbols.
//
// Consistency: all G records are read, then what they refer to, then the records again. A goroutine whose id, status
// and park count are the same in both readings did not move in between, so what was read of it belongs together; one
// that moved is read again on its own, a few times, and left out and counted when it keeps moving.
#pragma once

#include <memory>

#include "netpoll/result.h"
#include "probes/goroutines/reader.h"

namespace netpoll::probes {

// The row of reader_rows(); see ReaderRow.
Result<std::optional<std::string>> libruntime_version(Subject& subject);
// kProtocol: its tables make no sense; kNotSupported: of another debug ABI.
Result<std::unique_ptr<Reader>> attach_libruntime(Subject& subject);

}  // namespace netpoll::probes
