// Copies /proc/PID's files of descriptors, and reads copies and what systemd-coredump makes of them.
#include "probes/process/core/saved_descriptors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>
#include <utility>

#include "libruntime/base/epoll_list.h"
#include "netpoll/fd.h"
#include "probes/process/descriptors/links.h"
#include "probes/process/descriptors/sockets.h"
#include "probes/process/memory.h"
#include "probes/process/proc_status.h"
#include "probes/process/regular_file.h"

namespace netpoll::probes {
namespace {

constexpr std::uint64_t kLargestText = 256 << 20;  // some 100 bytes for each registration
constexpr std::string_view kPeersFile = "peers";
constexpr std::string_view kJournalField = "COREDUMP_OPEN_FDS";

std::optional<int> small_number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// The names in a folder that are numbers, in order; nothing where it cannot be listed.
std::optional<std::vector<int>> numbers_in(const std::string& folder) {
  const Dir dir(opendir(folder.c_str()));
  if (dir == nullptr) return std::nullopt;
  std::vector<int> numbers = list_numbers(dir.get());
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::string link_text(const std::string& path) {
  std::array<char, PATH_MAX> text;
  const ssize_t size = readlink(path.c_str(), text.data(), text.size());
  return size < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(size));
}

bool is_folder(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

Result<std::string> text_of_file(const std::string& path) {
  const auto file = RegularFile::open(path);
  if (!file) return file.error();
  if (file->size() > kLargestText) return Error(ErrorKind::kProtocol, path + " is too large for a list of descriptors");
  std::string text(file->size(), '\0');
  text.resize(file->read_some(0, text.data(), text.size()));
  return text;
}

// The innermost of "NSpid:\t4711\t1", else "Pid:\t4711" (proc_pid_status(5)).
std::optional<pid_t> own_pid(std::istream& status) {
  std::optional<pid_t> pid;
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("NSpid:") && !line.starts_with("Pid:")) continue;
    const auto last = line.find_last_of(" \t");
    if (last != std::string::npos) pid = small_number(std::string_view(line).substr(last + 1));
    if (line.starts_with("NSpid:")) break;
  }
  return pid;
}

// The value of the journal's field in an entry of `journalctl -o json`, which gives text that is not printable as a
// list of bytes.
std::optional<std::string> journal_field(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object()) continue;
    const auto field = entry.find(kJournalField);
    if (field == entry.end()) continue;
    if (field->is_string()) return field->get<std::string>();
    if (!field->is_array()) continue;
    std::string bytes;
    for (const auto& byte : *field) {
      if (!byte.is_number_unsigned() || byte.get<std::uint64_t>() > UCHAR_MAX) return std::nullopt;
      bytes += static_cast<char>(byte.get<unsigned>());
    }
    return bytes;
  }
  return std::nullopt;
}

Result<void> write_error(const std::string& path, int sys_errno) { return posix_error("write " + path, sys_errno); }

// A file of /proc has no size, so it is read to its end.
Result<void> copy_file(const std::string& from, const std::string& to) {
  const Fd in(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in.valid()) return posix_error("open " + from, errno);
  const Fd out(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!out.valid()) return write_error(to, errno);
  std::vector<char> piece(1 << 16);
  for (;;) {
    const ssize_t n = read(in.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return posix_error("read " + from, errno);
    if (n == 0) return {};
    for (ssize_t done = 0; done < n;) {
      const ssize_t written = write(out.get(), piece.data() + done, static_cast<std::size_t>(n - done));
      if (written < 0 && errno != EINTR) return write_error(to, errno);
      if (written > 0) done += written;
    }
  }
}

Result<void> make_folder(const std::string& path) {
  // Addresses and paths of the process: for its user alone, as /proc has it.
  if (mkdir(path.c_str(), 0700) != 0) return posix_error("make the folder " + path, errno);
  return {};
}

Result<bool> is_empty_folder(const std::string& path) {
  const Dir dir(opendir(path.c_str()));
  if (dir == nullptr) return posix_error("open " + path, errno);
  while (const dirent* entry = readdir(dir.get())) {
    const std::string_view name(entry->d_name);
    if (name != "." && name != "..") return false;
  }
  return true;
}

// The folder that a context is saved in. All of it is gathered in a folder inside, and taken over when it is complete:
// what fails half-way leaves nothing behind.
class ContextFolder {
 public:
  // kInvalid: it is there, and not empty.
  static Result<ContextFolder> make(const std::string& path) {
    const bool is_new = mkdir(path.c_str(), 0700) == 0;
    if (!is_new && errno != EEXIST) return posix_error("make the folder " + path, errno);
    const auto empty = is_empty_folder(path);
    if (!empty) return empty.error();
    if (!*empty) {
      return Error(ErrorKind::kInvalid, path + " is not empty")
          .with_hint("give a new folder for every process and time");
    }
    ContextFolder folder(path, is_new);
    if (auto r = make_folder(folder.inside()); !r) return std::move(r).error();
    return folder;
  }
  ContextFolder(ContextFolder&& other) noexcept : path_(std::exchange(other.path_, {})), is_new_(other.is_new_) {}
  ContextFolder& operator=(ContextFolder&&) = delete;
  ~ContextFolder() {
    if (path_.empty()) return;
    std::error_code ignored;
    std::filesystem::remove_all(inside(), ignored);
    if (is_new_) rmdir(path_.c_str());
  }

  std::string inside() const { return path_ + "/.incomplete"; }

  Result<void> complete() {
    const auto names = names_in(inside());
    for (const std::string& name : names) {
      const std::string to = path_ + "/" + name;
      if (rename((inside() + "/" + name).c_str(), to.c_str()) != 0) return write_error(to, errno);
    }
    is_new_ = false;
    return {};
  }

 private:
  ContextFolder(std::string path, bool is_new) : path_(std::move(path)), is_new_(is_new) {}

  static std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
      names.push_back(entry.path().filename());
    return names;
  }

  std::string path_;
  bool is_new_;
};

// "FD PID PEER_FD COMM" for each.
Result<void> write_peers(pid_t pid, const std::vector<int>& fds, const std::string& path) {
  std::ofstream file(path);
  const Descriptors found = describe_descriptors(pid, fds, Ends::kBoth);
  for (const int fd : fds) {
    const auto info = found.find(fd);
    if (info == found.end()) continue;
    for (const trace::PeerProcess& peer : info->second.peer_processes) {
      std::string comm = peer.comm;
      std::replace(comm.begin(), comm.end(), '\n', '?');  // a process may call itself anything
      file << fd << ' ' << peer.pid << ' ' << peer.fd << ' ' << comm << '\n';
    }
  }
  file.close();
  return file.good() ? Result<void>() : write_error(path, errno);
}

}  // namespace

Result<SavedDescriptors> SavedDescriptors::open(const std::string& path) {
  SavedDescriptors saved;
  if (is_folder(path)) {
    saved.read_folder(path);
  } else {
    auto text = text_of_file(path);
    if (!text) return std::move(text).error();
    if (text->starts_with('{')) {
      auto field = journal_field(*text);
      if (!field) {
        return Error(ErrorKind::kProtocol, path + " has no field " + std::string(kJournalField))
            .with_hint("journalctl -o json --all COREDUMP_PID=PID gives it");
      }
      text = std::move(*field);
    }
    std::istringstream stream(std::move(*text));
    saved.read_text(stream);
  }
  if (saved.saved_.empty()) {
    return Error(ErrorKind::kProtocol, path + " holds no descriptors of a process")
        .with_hint(
            "give a folder of --save-core-context, a copy of /proc/PID/fdinfo, or the text of COREDUMP_OPEN_FDS");
  }
  return saved;
}

// A line of a file in /proc/PID/fdinfo: "flags:\t02004002" in octal, or "tfd: ...".
void SavedDescriptors::add_info_line(const std::string& line, Saved& saved) {
  if (const auto entry = base::parse_epoll_entry(line)) {
    saved.registrations.push_back(
        {.fd = entry->fd, .events = entry->events, .data = entry->data, .inode = entry->inode});
  } else if (line.starts_with("flags:")) {
    unsigned flags = 0;
    const std::size_t begin = std::min(line.find_first_of("01234567"), line.size());
    if (std::from_chars(line.data() + begin, line.data() + line.size(), flags, 8).ec != std::errc{}) return;
    const unsigned access = flags & O_ACCMODE;
    saved.mode = AccessMode{.reads = access != O_WRONLY, .writes = access != O_RDONLY};
  }
}

void SavedDescriptors::read_folder(const std::string& folder) {
  const bool whole = is_folder(folder + "/fdinfo");
  const std::string infos = whole ? folder + "/fdinfo" : folder;
  for (const int fd : numbers_in(infos).value_or(std::vector<int>())) {
    Saved& saved = saved_[fd];
    std::ifstream file(infos + "/" + std::to_string(fd));
    for (std::string line; std::getline(file, line);) add_info_line(line, saved);
  }
  if (!whole) return;
  for (const int fd : numbers_in(folder + "/fd").value_or(std::vector<int>())) {
    saved_[fd].link = link_text(folder + "/fd/" + std::to_string(fd));
  }
  if (is_folder(folder + "/net")) net_ = folder + "/net/";
  std::ifstream status(folder + "/status");
  pid_ = own_pid(status);
  std::ifstream peers(folder + "/" + std::string(kPeersFile));
  read_peers(peers);
}

// "3:socket:[4711]", the lines of its fdinfo, and an empty line before the next.
void SavedDescriptors::read_text(std::istream& text) {
  Saved* current = nullptr;
  bool first = true;  // a descriptor's name may stand here
  for (std::string line; std::getline(text, line);) {
    const auto colon = line.find(':');
    const auto number =
        first && colon != std::string::npos ? small_number(std::string_view(line).substr(0, colon)) : std::nullopt;
    if (number) {
      current = &saved_[*number];
      *current = {.link = line.substr(colon + 1), .mode = {}, .registrations = {}};
    } else if (current != nullptr) {
      add_info_line(line, *current);
    }
    first = line.empty();
  }
}

void SavedDescriptors::read_peers(std::istream& text) {
  for (std::string line; std::getline(text, line);) {
    std::istringstream words(line);
    int fd = -1;
    trace::PeerProcess peer;
    if (!(words >> fd >> peer.pid >> peer.fd) || words.get() != ' ') continue;
    std::getline(words, peer.comm);
    peers_[fd].push_back(std::move(peer));
  }
}

std::vector<int> SavedDescriptors::epoll_descriptors() const {
  std::vector<int> found;
  for (const auto& [fd, saved] : saved_) {
    if (saved.link == kEpollLink || (saved.link.empty() && !saved.registrations.empty())) found.push_back(fd);
  }
  return found;
}

std::optional<std::vector<Registration>> SavedDescriptors::registrations(int epfd) const {
  const auto found = saved_.find(epfd);
  if (found == saved_.end()) return std::nullopt;
  return found->second.registrations;
}

Descriptors SavedDescriptors::describe(const std::vector<int>& fds) const {
  Descriptors result;
  std::unordered_map<int, std::uint64_t> sockets;
  Inodes wanted;
  for (const int fd : fds) {
    const auto found = saved_.find(fd);
    if (found == saved_.end() || found->second.link.empty()) continue;
    DescriptorInfo& info = result[fd];
    info.kind = "other";
    info.local = found->second.link;
    if (const auto peers = peers_.find(fd); peers != peers_.end()) info.peer_processes = peers->second;
    const auto key = key_of_link(found->second.link);
    if (!key || key->kind == FileKey::Kind::kEpoll) continue;
    info.inode = key->inode;
    if (key->kind == FileKey::Kind::kPipe) info.kind = "pipe";
    if (key->kind != FileKey::Kind::kSocket) continue;
    sockets[fd] = key->inode;
    wanted.insert(key->inode);
  }
  if (net_.empty() || wanted.empty()) return result;
  const auto tables = find_in_net_tables(net_, wanted);
  if (!tables) return result;
  for (const auto& [fd, inode] : sockets) {
    const auto found = tables->find(inode);
    if (found != tables->end()) set_socket(found->second, result[fd]);
  }
  return result;
}

Result<void> save_core_context(pid_t pid, const std::string& folder) {
  const std::string proc = "/proc/" + std::to_string(living_thread(pid)) + "/";
  // Asked first, so that nothing is written for a process that is not there, or not ours.
  const auto fds = numbers_in(proc + "fd");
  if (!fds) return process_error(pid, errno);
  auto context = ContextFolder::make(folder);
  if (!context) return std::move(context).error();
  const std::string into = context->inside() + "/";
  for (const char* name : {"comm", "status", "maps"}) {
    if (auto r = copy_file(proc + name, into + name); !r) return r;
  }
  for (const char* name : {"fdinfo", "fd", "net"}) {
    if (auto r = make_folder(into + name); !r) return r;
  }
  for (const int fd : *fds) {
    const std::string name = std::to_string(fd);
    const std::string link = link_text(proc + "fd/" + name);
    if (link.empty()) continue;  // it was closed meanwhile
    const std::string to = into + "fd/" + name;
    if (symlink(link.c_str(), to.c_str()) != 0) return write_error(to, errno);
    auto copied = copy_file(proc + "fdinfo/" + name, into + "fdinfo/" + name);
    if (!copied && !copied.error().is(ErrorKind::kNotFound)) return copied;
  }
  for (const char* name : {"tcp", "tcp6", "udp", "udp6", "unix"}) {
    auto copied = copy_file(proc + "net/" + name, into + "net/" + name);
    // A kernel may be without IPv6.
    if (!copied && !copied.error().is(ErrorKind::kNotFound)) return copied;
  }
  if (auto r = write_peers(pid, *fds, into + std::string(kPeersFile)); !r) return r;
  return context->complete();
}

}  // namespace netpoll::probes
