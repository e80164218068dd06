// Tests that go on as another user: an ordinary one, and copies of programs that it can reach wherever the tree lies.
#pragma once

#include <grp.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace netpoll::test {

inline constexpr uid_t kNobody = 65534;

// Gives up root, its groups and capabilities for good. Only root can.
inline bool become_nobody() {
  return setgroups(0, nullptr) == 0 && setresgid(kNobody, kNobody, kNobody) == 0 &&
         setresuid(kNobody, kNobody, kNobody) == 0;
}

// A copy of program that every user may execute: the tree may lie below a folder that is its owner's alone, as /root
// is. Call it before become_nobody(). The copies go with the process that made them.
inline std::string for_everybody(const std::string& program) {
  namespace fs = std::filesystem;
  struct Folder {
    Folder() {
      std::string name = (fs::temp_directory_path() / "netpoll-test-XXXXXX").string();
      path = mkdtemp(name.data());
      fs::permissions(path, fs::perms(0755));
    }
    ~Folder() {
      std::error_code ignored;
      if (owner == getpid()) fs::remove_all(path, ignored);
    }
    const pid_t owner = getpid();
    fs::path path;
  };
  static const Folder folder;
  const fs::path copy = folder.path / fs::path(program).filename();
  if (!fs::exists(copy)) fs::copy_file(program, copy);
  fs::permissions(copy, fs::perms(0755));
  return copy.string();
}

}  // namespace netpoll::test
