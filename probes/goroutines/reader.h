// Reader: turns the memory of a process or core into goroutine records; one implementation for each runtime.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "netpoll/result.h"
#include "netpoll/trace/goroutine.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

struct ReadOptions {
  int retries = 4;  // readings of what moved, beyond the first
  bool stacks = true;
  std::optional<Ends> endpoints = Ends::kBoth;  // nothing: descriptors are numbers alone
  bool pause = false;                           // stop a live target while its memory is copied
};

// Attached to one Subject, which outlives it. read() may be called again and again; what does not change (tables,
// layouts, names) is looked up once. One thread at a time.
class Reader {
 public:
  virtual ~Reader() = default;
  // Errors: kNotFound (it ended meanwhile), kPermission, kProtocol (its tables make no sense).
  virtual Result<trace::GoroutineSnapshot> read(const ReadOptions& options) = 0;
};

// One row a runtime.
struct ReaderRow {
  std::string_view language;
  // Whether the subject runs it, and which version: cheap, and without an answer to whether we can read it. nullopt: it
  // does not; an empty text: it does and names no version. Errors: kNotFound, kPermission.
  Result<std::optional<std::string>> (*version)(Subject& subject);
  // Null for a Subject that does not run it, and kNotSupported, with what could not be established, for one that does
  // but in a form that we cannot read.
  Result<std::unique_ptr<Reader>> (*attach)(Subject& subject);
};
std::span<const ReaderRow> reader_rows();
// What else can be asked on this system of a process that none of them reads.
std::string hint_for_other(pid_t pid);

// Of a pollDesc, whose deadline is 0 (none), absolute ns of the target's CLOCK_MONOTONIC, or negative (it has passed)
// in every runtime that follows Go: ns from now, negative when it has passed.
std::optional<std::int64_t> deadline_from_now(std::int64_t deadline, std::int64_t now);

// The first reader that takes the subject. kNotSupported: none does; the hint says what else can be done.
Result<std::unique_ptr<Reader>> attach_reader(Subject& subject);

}  // namespace netpoll::probes
