// What was written down of a process's descriptors while it lived: a core holds nothing of them.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "netpoll/result.h"
#include "probes/process/descriptors/descriptors.h"
#include "probes/process/descriptors/peers.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

// Reads three forms:
// - a folder of save_core_context, or with copies of /proc/PID/fdinfo and, if there, of /proc/PID/{fd,net,status}
//   under the same names; or a copy of /proc/PID/fdinfo itself;
// - the text of the journal's field COREDUMP_OPEN_FDS (systemd-coredump(8); systemd: coredump.c, compose_open_fds),
//   as `coredumpctl --field=COREDUMP_OPEN_FDS` prints it;
// - an entry of `journalctl -o json --all` with that field.
// Its bytes are foreign: what does not follow its format is left out.
class SavedDescriptors {
 public:
  // kProtocol: it holds nothing of any descriptor.
  static Result<SavedDescriptors> open(const std::string& path);

  // Of the process, as it saw itself; nothing: the form does not say.
  std::optional<pid_t> pid() const { return pid_; }
  std::vector<int> epoll_descriptors() const;
  std::optional<std::vector<Registration>> registrations(int epfd) const;
  // As describe_descriptors, as far as the form says.
  Descriptors describe(const std::vector<int>& fds) const;

 private:
  struct Saved {
    std::string link;  // empty: unknown
    std::optional<AccessMode> mode;
    std::vector<Registration> registrations;
  };

  void read_folder(const std::string& folder);
  void read_text(std::istream& text);
  void read_peers(std::istream& text);
  static void add_info_line(const std::string& line, Saved& saved);

  std::map<int, Saved> saved_;
  std::map<int, std::vector<trace::PeerProcess>> peers_;
  std::string net_;  // folder with tables of sockets; empty: none
  std::optional<pid_t> pid_;
};

// Writes what a later core of the process will lack into folder, which is made, or has to be empty: copies of
// /proc/PID/{comm,status,maps,fdinfo,fd,net}, and who holds the other ends. Not at one moment: the process runs on.
// What fails leaves the folder as it was. kInvalid: the folder is not empty. Else the errors of reading /proc and of
// writing.
Result<void> save_core_context(pid_t pid, const std::string& folder);

}  // namespace netpoll::probes
