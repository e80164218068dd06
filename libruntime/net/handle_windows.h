// handle_windows.h: what a handle of a file, pipe or device was opened for.
#pragma once

namespace netpoll::net {

struct HandleUse {
  bool overlapped = false;  // FILE_FLAG_OVERLAPPED: calls may be under way when they return, and there is no position
  bool reads = false;
  bool writes = false;
  bool appends = false;  // writes, but only at the end
};

// Of a handle that is no socket; all false where the system does not say.
HandleUse handle_use(int fd);

}  // namespace netpoll::net
