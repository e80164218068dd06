// The table of readers: adding a runtime is one row here, and the folder with its reader.
#include <array>

#include "probes/goroutines/go/reader.h"
#include "probes/goroutines/libruntime/reader.h"
#include "probes/goroutines/reader.h"

namespace netpoll::probes {
namespace {

constexpr std::array kReaders = {
    ReaderRow{.language = "libruntime", .version = libruntime_version, .attach = attach_libruntime},
    ReaderRow{.language = "go", .version = go_version, .attach = attach_go},
};

}  // namespace

std::span<const ReaderRow> reader_rows() { return kReaders; }

std::string hint_for_other(pid_t pid) {
  return "netpoll-trace stat -p " + std::to_string(pid) + " counts the poller's system calls of any process";
}

}  // namespace netpoll::probes
