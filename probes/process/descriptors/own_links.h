// OwnLinks: what the descriptors of a process are, and who has some of their files open, by one look.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "probes/process/descriptors/descriptors.h"
#include "probes/process/descriptors/peers.h"
#include "probes/process/descriptors/sockets.h"

namespace netpoll::probes {

// One reading of the target's links, each of them once: a process may have many thousands. Nothing of it is looked up
// before it is asked for. One thread at a time.
class OwnLinks {
 public:
  // Who has that many descriptors has sockets among them.
  static constexpr long kMany = 100;

  // sockets: one of pid that perhaps reads ahead already; null: none does.
  explicit OwnLinks(pid_t pid, std::unique_ptr<SocketFinder> sockets = nullptr);
  ~OwnLinks();
  OwnLinks(const OwnLinks&) = delete;
  OwnLinks& operator=(const OwnLinks&) = delete;

  // Whether they may be listed.
  bool readable() const;
  // By number.
  std::vector<int> epoll_descriptors() const;
  std::vector<int> io_uring_descriptors() const;

  // What a number stands for where somebody says that it is the file with this inode (nothing: not known): the link is
  // read again where it was not there or was another's, since files come and go while one looks.
  enum class Number { kSame, kClosed, kOther };
  Number look_at(int number, std::optional<std::uint64_t> inode);

  struct Described {
    Descriptors descriptors;
    Holders holders;  // of `also` and of the other ends; the target's own descriptors among them
  };
  // Describes the numbers, repeats are fine, and finds who has the files of `also` open, by one walk over the links of
  // other processes, which there is none of where nobody is to be found. Once, at last.
  Described describe(const std::vector<int>& numbers, const FileKeys& also, Ends ends);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace netpoll::probes
