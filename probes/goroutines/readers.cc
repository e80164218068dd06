// The table of readers: adding a runtime is one row here, and the folder with its reader.
#include <array>
#include <optional>
#include <string>

#include "probes/goroutines/go/reader.h"
#include "probes/goroutines/libruntime/reader.h"
#include "probes/goroutines/reader.h"

namespace netpoll::probes {
namespace {

constexpr std::array kReaders = {
    ReaderRow{.language = "libruntime", .version = libruntime_version, .attach = attach_libruntime},
    ReaderRow{.language = "go", .version = go_version, .attach = attach_go},
};

Error no_reader(const Subject& subject) {
  std::string known;
  for (const ReaderRow& row : kReaders) known += (known.empty() ? "" : ", ") + std::string(row.language);
  const std::string exe = subject.executable_path();
  Error error(ErrorKind::kNotSupported, subject.name() + (exe.empty() ? "" : " (" + exe + ")") +
                                            " is not a program of a known runtime: " + known);
  if (!subject.pid()) return error;
  return std::move(error).with_hint("netpoll-trace stat -p " + std::to_string(*subject.pid()) +
                                    " counts the poller's system calls of any process");
}

}  // namespace

std::span<const ReaderRow> reader_rows() { return kReaders; }

std::optional<std::int64_t> deadline_from_now(std::int64_t deadline, std::int64_t now) {
  if (deadline == 0) return std::nullopt;
  return deadline > 0 ? deadline - now : -1;
}

Result<std::unique_ptr<Reader>> attach_reader(Subject& subject) {
  // One that runs two runtimes is read with the first that can be: a Go program may load a library that uses libruntime
  // of another version.
  std::optional<Error> refused;
  for (const ReaderRow& row : kReaders) {
    auto reader = row.attach(subject);
    if (!reader && !reader.error().is(ErrorKind::kNotSupported)) return reader;
    if (!reader) {
      if (!refused) refused = std::move(reader).error();
    } else if (*reader != nullptr) {
      return reader;
    }
  }
  if (refused) return std::move(*refused);
  return no_reader(subject);
}

}  // namespace netpoll::probes
