// SlowestWaits: the connections and goroutines that waited longest, in bounded memory.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "exporters/json_fwd.h"
#include "netpoll/trace/record.h"

namespace netpoll::cli {

// Ranks by the longest single wait of one kind. A connection is a descriptor until that is closed or stands for another
// one; a goroutine that waits for no descriptor is itself. Who is among the first kShown is exact; the sums of one that
// had to leave and came back begin anew, and are marked. One thread at a time.
class SlowestWaits {
 public:
  enum class By : std::uint8_t { kNetwork, kCpu };
  static constexpr std::size_t kShown = 10;

  explicit SlowestWaits(By by) : by_(by) {}

  // A wait that ended: an event that is a run.
  void add(const trace::Record& record);
  // The descriptor, or everything of the process, stands for something else from now on.
  void forget(pid_t pid, int fd);
  void forget(pid_t pid);

  // Rows, the slowest first.
  exporters::Json json() const;

 private:
  static constexpr std::size_t kRoom = 128;
  using Key = std::tuple<pid_t, int, std::uint64_t>;  // pid, fd, and without an fd the goid

  struct Sum {
    std::uint64_t total_ns = 0;
    std::uint64_t longest_ns = 0;
  };
  struct Row {
    Key key;
    std::uint64_t waits = 0;
    Sum network;
    Sum cpu;
    // Of the longest wait.
    std::uint64_t ended_ns = 0;
    std::uint64_t goid = 0;
    std::shared_ptr<const trace::Endpoint> endpoint;
    std::shared_ptr<const trace::Labels> labels;
    bool partial = false;
  };

  const Sum& ranked(const Row& row) const { return by_ == By::kCpu ? row.cpu : row.network; }
  Row* row_of(const Key& key, const trace::Record& record, std::uint64_t wait_ns);

  By by_;
  std::vector<Row> rows_;
  std::map<Key, std::size_t> live_;  // those whose descriptor still stands for the same
  bool full_once_ = false;
};

}  // namespace netpoll::cli
