// LibbpfLog collects what libbpf says while it lives, so that a failure can be explained; otherwise libbpf is silent.
#pragma once

#include <string>
#include <string_view>

#include "netpoll/error.h"

namespace netpoll::probes {

// One at a time per thread; the thread that made it receives its own messages only. libbpf keeps its print function
// in a process-wide variable: it is set once, to a function that finds the LibbpfLog of the calling thread.
class LibbpfLog {
 public:
  LibbpfLog();
  ~LibbpfLog();
  LibbpfLog(const LibbpfLog&) = delete;
  LibbpfLog& operator=(const LibbpfLog&) = delete;

  // The last complaint that is worth showing, without the "libbpf: " prefix; empty if there was none.
  std::string last() const;
  // Whether the kernel looked at a program and refused it. It answers EACCES then, as for a lack of privileges.
  bool rejected() const { return text_.find("PROG LOAD LOG") != text_.npos; }
  void append(std::string_view line) { text_ += line; }

 private:
  std::string text_;
};

// Turns libbpf's result (a negative errno) for `what` into an Error whose hint names what is missing here: privileges,
// BTF, the bpf system call; or says that this kernel's verifier does not take our program.
Error bpf_error(const std::string& what, int result, const LibbpfLog& log);

}  // namespace netpoll::probes
