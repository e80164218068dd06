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

// getsockopt of an int; 0 when it fails.
int get_option(int fd, int level, int option);

// The user's hook between socket() and bind()/connect().
Result<void> run_control(const char* operation, const Addr& address, int fd,
                         const std::function<Result<void>(int)>& control);

// Before bind of a server: that it may start again while connections of its last life linger, and that nobody else
// binds beside it. The option that says so differs, and on Windows the name of the one means the opposite of the other.
Result<void> keep_address(const char* operation, const Addr& address, int fd);
// Before bind: that several sockets may have the address, and the kernel deals out what comes (SO_REUSEPORT).
// kNotSupported where it does not.
Result<void> share_port(const char* operation, const Addr& address, int fd);

Result<void> bind_socket(const char* operation, const Addr& address, int fd);

// getsockname and getpeername; invalid when they fail.
Addr socket_name(int fd);
Addr peer_name(int fd);

// Whether address means "every address of the machine".
bool is_wildcard(const Addr& address);

// address as a socket of family names it: an IPv4-mapped one (RFC 4291, 2.5.5.2) and an IPv4 one stand for each other,
// as do the wildcards. What has no name there, or no IP address, stays what it is, and the kernel says why.
Addr in_family(const Addr& address, int family);
// As readers from outside print an address: an IPv4 address inside of IPv6 is an IPv4 address, an unbound one is none.
std::string shown(const Addr& address);

// Makes one family of the two ends of a socket to be, as Go does (net/ipsock_posix.go, favoriteAddrFamily): a mapped
// address counts as IPv4, and a wildcard goes along with the other end.
void agree_on_family(Addr& local, Addr& peer);

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
