// TraceReader: a recorded trace, as trace -f ndjson writes it, read back event by event.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "exporters/json_fwd.h"
#include "netpoll/result.h"
#include "netpoll/trace/record.h"

namespace netpoll::cli {

// The lines of a file, one at a time, whatever its size. One thread at a time.
class LineFile {
 public:
  // "-": standard input. kInvalid: it cannot be read.
  static Result<LineFile> open(const std::string& path);
  LineFile(LineFile&&) noexcept;
  LineFile& operator=(LineFile&&) = delete;
  ~LineFile();

  // Returns whether there was another line. It is valid until the next call. whole: it had its newline. kInvalid: it
  // cannot be read, or is longer than any line of ours.
  struct Line {
    std::string_view text;
    bool whole = true;
  };
  Result<bool> next(Line& line);
  std::uint64_t number() const { return number_; }  // of the last line, from 1 on
  const std::string& name() const { return name_; }

 private:
  LineFile() = default;

  std::string name_;
  int fd_ = -1;
  std::string buffer_;
  std::size_t begin_ = 0;  // of what is not handed out yet
  std::size_t searched_ = 0;
  bool at_end_ = false;
  std::uint64_t number_ = 0;
};

// Hands over records whose names live as long as the reader. Memory does not grow with the trace.
class TraceReader {
 public:
  // meta: the first line, whose schema is known to be ours.
  TraceReader(LineFile& file, const exporters::Json& meta);
  ~TraceReader();

  // Reads to the end of the file. sink: gets events and losses. Returns the totals: those of the line `end`, or where
  // there is none those of what was read, and cut_short true. kInvalid, naming file and line: what is not such a trace.
  // A sink that has had enough says so by stop().
  class Sink : public trace::Sink {
   public:
    virtual bool stop() const = 0;
  };
  Result<exporters::Json> read(Sink& sink);

 private:
  class Lines;
  std::unique_ptr<Lines> lines_;
};

}  // namespace netpoll::cli
