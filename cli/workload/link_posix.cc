// The pipes between the CLI and a child, and the lines that come out of them.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "cli/workload/protocol.h"
#include "libruntime/base/syscall.h"

namespace netpoll::workload {

Result<Link> make_link() {
  int control[2];
  int report[2];
  if (const long r = base::sys(SYS_pipe2, control, O_CLOEXEC); r < 0) return posix_error("pipe2", static_cast<int>(-r));
  Link link;
  link.child_control.reset(control[0]);
  link.control.reset(control[1]);
  if (const long r = base::sys(SYS_pipe2, report, O_CLOEXEC); r < 0) return posix_error("pipe2", static_cast<int>(-r));
  link.report.reset(report[0]);
  link.child_report.reset(report[1]);
  if (fcntl(link.child_control.get(), F_SETFD, 0) != 0 || fcntl(link.child_report.get(), F_SETFD, 0) != 0 ||
      fcntl(link.report.get(), F_SETFL, O_NONBLOCK) != 0) {
    return posix_error("fcntl", errno);
  }
  return link;
}

Result<std::vector<std::string>> LineReader::read() {
  char buffer[16 * 1024];
  while (!at_end_) {
    const ssize_t n = ::read(fd_, buffer, sizeof(buffer));
    if (n > 0) {
      partial_.append(buffer, static_cast<std::size_t>(n));
    } else if (n == 0) {
      at_end_ = true;
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      return posix_error("read from child", errno);
    }
  }
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t end; (end = partial_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    lines.push_back(partial_.substr(begin, end - begin));
  }
  partial_.erase(0, begin);
  return lines;
}

}  // namespace netpoll::workload
