// The Subject that is a core file: an ELF core as the kernel (core(5)), gdb's gcore and systemd-coredump write it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "netpoll/result.h"
#include "probes/process/subject.h"

namespace netpoll::probes {

// What the kernel held of the process is gone: its epoll descriptors, what its descriptors were, its clock.
class CoreSubject : public Subject {
 public:
  // Of the process that died, from NT_PRPSINFO, else the first NT_PRSTATUS. No process of today has to be behind it.
  virtual std::optional<pid_t> dead_pid() const = 0;
  // Its name, of at most 15 bytes (TASK_COMM_LEN); empty: the core does not say.
  virtual const std::string& comm() const = 0;
  // The core ends before the memory that its headers announce.
  virtual bool cut_short() const = 0;
};

// Opens the core at path. Pages that it does not hold come from the files that its NT_FILE note names: the kernel
// leaves out what is the same in the file. exe: the executable, empty for the one that the core names. A file whose
// build id (of the linker, or Go's) differs from the one in the core is not read. A core that systemd-coredump
// compressed, or that is inside of a crash report of apport, is unpacked into a temporary file first.
// fdinfo: what was written down of the descriptors (saved_descriptors.h), empty for nothing.
//
// Errors: kProtocol for a file that is no whole ELF core, kNotSupported for one of 32 bits or of another machine,
// kNotFound where the executable is not there, kInvalid where it is of another build.
Result<std::unique_ptr<CoreSubject>> make_core_subject(const std::string& path, const std::string& exe,
                                                       const std::string& fdinfo = {});

}  // namespace netpoll::probes
