// The process of an experiment: notes, and what the kernel knows of it.
#include "cli/claims/lab.h"

#include <dirent.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <memory>

#include "cli/exit_status.h"
#include "cli/workload/child.h"
#include "cli/workload/line.h"

namespace netpoll::cli {

using exporters::Json;

void Lab::fact(const std::string& name, Json value) {
  const base::MutexLock lock(mutex_);
  facts_[name] = std::move(value);
}

void Lab::step(std::string text) {
  const std::int64_t now = base::nanotime();
  const base::MutexLock lock(mutex_);
  steps_.push_back({{"time_ns", now}, {"text", std::move(text)}});
}

void Lab::note_window(const std::string& name, std::int64_t begin, std::int64_t end) {
  const base::MutexLock lock(mutex_);
  facts_["windows"][name] = {begin, end};
}

Fd Lab::need_fd(int fd, std::string_view call) {
  if (fd < 0) give_up(posix_error(std::string(call), errno).message());
  return Fd(fd);
}

void Lab::give_up(const std::string& why) {
  write_report(why);
  ::_exit(static_cast<int>(ExitStatus::kCannot));
}

void Lab::report() { write_report(""); }

void Lab::write_report(const std::string& failure) {
  const base::MutexLock lock(mutex_);
  const Json report{{"facts", facts_}, {"steps", steps_}, {"failure", failure}};
  workload::write_line(report_fd_, exporters::compact(report));
}

netpoll::Config lab_config(int procs) {
  netpoll::Config config;
  config.procs = procs;
  config.stack_size = std::size_t{256} << 10;
  config.name = "claim";
  return config;
}

void put_byte(Lab& lab, Conn& conn) { lab.need(conn.write(std::string_view("x")), "write"); }

void take_byte(Lab& lab, Conn& conn) {
  std::array<std::byte, 1> byte{};
  lab.need(conn.read_full(byte), "read");
}

std::vector<int> epoll_descriptors() {
  std::vector<int> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), ::closedir);
  if (folder == nullptr) return found;
  while (const dirent* entry = ::readdir(folder.get())) {
    std::array<char, 64> link{};
    const std::string path = std::string("/proc/self/fd/") + entry->d_name;
    const ssize_t size = ::readlink(path.c_str(), link.data(), link.size());
    if (size > 0 && std::string_view(link.data(), static_cast<std::size_t>(size)) == "anon_inode:[eventpoll]") {
      found.push_back(std::atoi(entry->d_name));
    }
  }
  return found;
}

std::vector<base::EpollEntry> epoll_entries(int epfd) {
  std::vector<base::EpollEntry> entries;
  base::EpollList list("self", epfd);
  while (const auto entry = list.next()) entries.push_back(*entry);
  return entries;
}

std::optional<base::EpollEntry> registration(int fd) {
  for (const int epfd : epoll_descriptors()) {
    for (const base::EpollEntry& entry : epoll_entries(epfd)) {
      if (entry.fd == fd) return entry;
    }
  }
  return std::nullopt;
}

std::int64_t count_of(const Runtime& runtime, trace::Tp tp) {
  return static_cast<std::int64_t>(runtime.tracepoint_counts().at(static_cast<std::size_t>(tp)));
}

int claim_main(std::span<char*> words) {
  workload::ignore_signals();
  const Claim* claim = words.size() == 2 ? find_claim(words[0]) : nullptr;
  if (claim == nullptr) return static_cast<int>(ExitStatus::kUsage);
  Lab lab(std::atoi(words[1]));
  claim->act(lab);
  lab.report();
  return static_cast<int>(ExitStatus::kDone);
}

}  // namespace netpoll::cli
