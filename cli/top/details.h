// What is known of one row, as lines.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cli/top/model.h"
#include "cli/top/text.h"

namespace netpoll::cli {

// Who holds the other end of a descriptor of a process now.
using PeerFinder = std::function<std::vector<trace::PeerProcess>(pid_t pid, int fd)>;

// The answer for one connection, kept from look to look: asking walks over the descriptors of the whole machine.
class RowPeers {
 public:
  explicit RowPeers(PeerFinder find) : find_(std::move(find)) {}

  // The addresses tell a connection from an older one with the same number.
  const std::vector<trace::PeerProcess>& of(pid_t pid, int fd, const std::string& local, const std::string& peer);
  void forget() { known_ = {}; }

 private:
  PeerFinder find_;
  std::tuple<pid_t, int, std::string, std::string> known_;
  std::vector<trace::PeerProcess> peers_;
};

// Of a goroutine its connection, the process at the other end, its labels and stack; of a group its members; of all the
// history. Lines are drawable and of any length.
std::vector<std::string> details_of(const TopModel& model, std::size_t rank, TextRules rules, RowPeers& peers);

}  // namespace netpoll::cli
