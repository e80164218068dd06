// The choice among the readers of the table (reader_rows.cc).
#include <optional>
#include <string>

#include "probes/goroutines/reader.h"

namespace netpoll::probes {
namespace {

Error no_reader(const Subject& subject) {
  std::string known;
  for (const ReaderRow& row : reader_rows()) known += (known.empty() ? "" : ", ") + std::string(row.language);
  const std::string exe = subject.executable_path();
  Error error(ErrorKind::kNotSupported, subject.name() + (exe.empty() ? "" : " (" + exe + ")") +
                                            " is not a program of a known runtime: " + known);
  return subject.pid() ? std::move(error).with_hint(hint_for_other(*subject.pid())) : error;
}

}  // namespace

std::optional<std::int64_t> deadline_from_now(std::int64_t deadline, std::int64_t now) {
  if (deadline == 0) return std::nullopt;
  return deadline > 0 ? deadline - now : -1;
}

Result<std::unique_ptr<Reader>> attach_reader(Subject& subject) {
  // One that runs two runtimes is read with the first that can be: a Go program may load a library that uses libruntime
  // of another version.
  std::optional<Error> refused;
  for (const ReaderRow& row : reader_rows()) {
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
