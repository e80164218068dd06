// The table of readers on other systems than Linux, where only programs of libruntime say where their tables are.
#include <array>

#include "probes/goroutines/libruntime/reader.h"
#include "probes/goroutines/reader.h"

namespace netpoll::probes {
namespace {

constexpr std::array kReaders = {
    ReaderRow{.language = "libruntime", .version = libruntime_version, .attach = attach_libruntime},
};

}  // namespace

std::span<const ReaderRow> reader_rows() { return kReaders; }

std::string hint_for_other(pid_t /*pid*/) { return "on Linux it reads Go programs as well"; }

}  // namespace netpoll::probes
