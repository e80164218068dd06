// The system calls in which threads block, by the number that /proc/PID/task/TID/syscall shows on this machine.
#pragma once

#include <string>

namespace netpoll::probes {

enum class CallObject { kNone, kReads, kWrites, kOther };  // what it does with the descriptor in its first argument

struct BlockingCall {
  std::string name;  // "read"; "syscall 451" for one that is not in the table
  CallObject fd = CallObject::kNone;
};
BlockingCall blocking_call(long number);

}  // namespace netpoll::probes
