// socket.h: making sockets; shared by listen, dial and datagrams. Errors name the operation and the address.
#pragma once

#include <functional>

#include "netpoll/fd.h"
#include "netpoll/net/addr.h"
#include "netpoll/result.h"

namespace netpoll::net {

// A non-blocking, close-on-exec socket of address's family. type: SOCK_STREAM, SOCK_DGRAM.
Result<Fd> make_socket(const char* operation, const Addr& address, int type);

// setsockopt of an int. The failure's context is "operation address: what".
Result<void> set_option(const char* operation, const Addr& address, int fd, int level, int option, int value,
                        const char* what);

// The user's hook between socket() and bind()/connect().
Result<void> run_control(const char* operation, const Addr& address, int fd,
                         const std::function<Result<void>(int)>& control);

Result<void> bind_socket(const char* operation, const Addr& address, int fd);

// getsockname and getpeername; invalid when they fail.
Addr socket_name(int fd);
Addr peer_name(int fd);

// Whether address means "every address of the machine".
bool is_wildcard(const Addr& address);

// What an inherited descriptor turned out to be.
struct Adopted {
  bool socket = false;
  bool listening = false;
  int type = 0;      // SOCK_STREAM, ...
  bool tcp = false;  // plain TCP, without a record layer on top
  bool unix_domain = false;
  bool regular = false;  // a regular file or directory
  int flags = 0;         // F_GETFL as found
};
Result<Adopted> inspect(int fd);

// Sets O_NONBLOCK where it is missing, resp. puts the flags back as they were found.
Result<void> make_nonblocking(int fd, const Adopted& found);
void restore_flags(int fd, const Adopted& found);

// Removes the file of a Unix address. Failures do not matter: somebody may have removed it before.
void unlink_path(const Addr& address);

}  // namespace netpoll::net
