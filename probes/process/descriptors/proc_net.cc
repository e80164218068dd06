// The tables of /proc/PID/net; format: proc_pid_net(5) and the kernel's tcp_ipv4.c, udp.c, af_unix.c.
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>

#include "probes/process/descriptors/sockets.h"
#include "probes/process/memory.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

// Takes the next word of line, blanks before it skipped.
std::string_view take_word(std::string_view& line) {
  const auto first = line.find_first_not_of(' ');
  if (first == std::string_view::npos) return line = {};
  line.remove_prefix(first);
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(word.size());
  return word;
}

template <typename T>
std::optional<T> number(std::string_view word, int base) {
  T value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, base);
  if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
  return value;
}

struct Address {
  std::array<std::uint32_t, 4> words{};
  int family = AF_INET;
  std::uint16_t port = 0;
};

// "0100007F:1F90": the address in words of 32 bits, each printed as a number of the host's byte order, and the port.
std::optional<Address> parse_address(std::string_view word) {
  const auto colon = word.find(':');
  if (colon != 8 && colon != 32) return std::nullopt;
  Address address;
  address.family = colon == 8 ? AF_INET : AF_INET6;
  for (std::size_t i = 0; i < colon / 8; ++i) {
    const auto value = number<std::uint32_t>(word.substr(8 * i, 8), 16);
    if (!value) return std::nullopt;
    address.words[i] = *value;
  }
  const auto port = number<std::uint16_t>(word.substr(colon + 1), 16);
  if (!port) return std::nullopt;
  address.port = *port;
  return address;
}

constexpr unsigned kListen = 10;  // TCP_LISTEN (include/net/tcp_states.h)

}  // namespace

void read_inet_table(std::istream& table, std::string_view kind, SocketSearch& search) {
  const bool is_tcp = kind == "tcp";
  std::string line;
  std::getline(table, line);  // headings
  while (std::getline(table, line)) {
    //   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 30012 1 ...
    std::string_view rest = line;
    take_word(rest);
    const auto local = parse_address(take_word(rest));
    const auto peer = parse_address(take_word(rest));
    const auto state = number<unsigned>(take_word(rest), 16);
    const std::string_view queues = take_word(rest);                // "TX:RX"
    for (int skipped = 0; skipped < 4; ++skipped) take_word(rest);  // timer, retransmits, uid, timeout
    const auto inode = number<std::uint64_t>(take_word(rest), 10);
    if (!local || !peer || !state || !inode || *inode == 0) continue;
    if (is_tcp && *state != kListen && peer->port != 0) {
      search.add_ends(*inode,
                      SocketEnds::of(local->family, local->words.data(), local->port, peer->words.data(), peer->port));
    }
    if (!search.wants(*inode)) continue;
    const auto colon = std::min(queues.find(':'), queues.size());
    search.add(*inode,
               {.kind = kind,
                .local = address_text(local->family, local->words.data(), local->port),
                .peer = address_text(peer->family, peer->words.data(), peer->port),
                .state = is_tcp ? tcp_state_name(*state) : std::string_view{},
                .recv_queue_bytes = number<std::uint64_t>(queues.substr(std::min(colon + 1, queues.size())), 16),
                .send_queue_bytes = number<std::uint64_t>(queues.substr(0, colon), 16)});
  }
}

void read_unix_table(std::istream& table, SocketSearch& search) {
  std::string line;
  std::getline(table, line);  // headings
  while (std::getline(table, line)) {
    // 00000000f1: 00000002 00000000 00010000 0001 01 21504 /run/server.sock
    std::string_view rest = line;
    for (int skipped = 0; skipped < 6; ++skipped) take_word(rest);
    const auto inode = number<std::uint64_t>(take_word(rest), 10);
    if (!inode || !search.wants(*inode)) continue;
    if (!rest.empty()) rest.remove_prefix(1);
    search.add(*inode, {.kind = "unix", .local = rest.empty() ? std::string() : "unix:" + std::string(rest)});
  }
}

Result<SocketTable> find_in_net_tables(const std::string& folder, const Inodes& wanted) {
  struct Table {
    const char* file;
    std::string_view kind;
  };
  static constexpr std::array kInetTables = {Table{"tcp", "tcp"}, Table{"tcp6", "tcp"}, Table{"udp", "udp"},
                                             Table{"udp6", "udp"}};
  SocketSearch search(wanted);
  bool any = false;
  std::array<char, 1 << 16> buffer;
  for (const Table& t : kInetTables) {
    if (t.kind != "tcp" && search.complete()) return search.take();
    std::ifstream file;
    file.rdbuf()->pubsetbuf(buffer.data(), buffer.size());
    file.open(folder + t.file);
    any = any || file.good();
    read_inet_table(file, t.kind, search);
  }
  if (search.complete()) return search.take();
  std::ifstream file(folder + "unix");
  any = any || file.good();
  read_unix_table(file, search);
  if (!any) return posix_error("open " + folder + "tcp", ENOENT);
  return search.take();
}

Result<SocketTable> find_in_proc_net(pid_t pid, const Inodes& wanted) {
  auto found = find_in_net_tables("/proc/" + std::to_string(living_thread(pid)) + "/net/", wanted);
  if (!found && found.error().is(ErrorKind::kNotFound)) return process_error(pid, ESRCH);
  return found;
}

}  // namespace netpoll::probes
