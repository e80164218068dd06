// Lab: where the first half of an experiment (claim.h) works: the process that `netpoll-trace __claim NAME` is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/claims/claim.h"
#include "exporters/json.h"
#include "libruntime/base/clock.h"
#include "libruntime/base/epoll_list.h"
#include "netpoll/base/mutex.h"
#include "netpoll/config.h"
#include "netpoll/fd.h"
#include "netpoll/net/conn.h"
#include "netpoll/result.h"
#include "netpoll/runtime.h"
#include "netpoll/trace/event.h"

namespace netpoll::cli {

// Takes notes, and keeps them until report(). Thread-safe, in goroutines and out of them.
class Lab {
 public:
  // report_fd: where the notes go, as one line of JSON.
  explicit Lab(int report_fd) : report_fd_(report_fd) {}

  void fact(const std::string& name, exporters::Json value);
  // For who wants to follow it: what is about to be done, or was seen.
  void step(std::string text);
  // Runs part of the experiment, and notes from when to when.
  template <typename F>
  void window(const std::string& name, F&& part) {
    const std::int64_t begin = base::nanotime();
    part();
    note_window(name, begin, base::nanotime());
  }

  // Takes a value that the experiment cannot do without; where there is none, it ends here, and says so.
  template <typename T>
  T need(Result<T> result, std::string_view what) {
    if (!result) give_up(std::string(what) + ": " + result.error().message());
    return std::move(*result);
  }
  void need(const Result<void>& result, std::string_view what) {
    if (!result) give_up(std::string(what) + ": " + result.error().message());
  }
  // The same for what a system call returned.
  Fd need_fd(int fd, std::string_view call);
  [[noreturn]] void give_up(const std::string& why);

  void report();

 private:
  void note_window(const std::string& name, std::int64_t begin, std::int64_t end);
  void write_report(const std::string& failure);

  int report_fd_;
  base::Mutex mutex_;
  exporters::Json facts_ NETPOLL_GUARDED_BY(mutex_) = exporters::Json::object();
  exporters::Json steps_ NETPOLL_GUARDED_BY(mutex_) = exporters::Json::array();
};

// The configuration of an experiment: so many Ps, and room on the stacks for notes.
netpoll::Config lab_config(int procs);
// One end of a pair writes a byte, or takes one.
void put_byte(Lab& lab, Conn& conn);
void take_byte(Lab& lab, Conn& conn);

// What the kernel says of this process, not the runtime.
std::vector<int> epoll_descriptors();
std::vector<base::EpollEntry> epoll_entries(int epfd);
std::optional<base::EpollEntry> registration(int fd);  // in any epoll instance
std::int64_t count_of(const Runtime& runtime, trace::Tp tp);

// The hidden subcommand: words are the name of a claim and a descriptor for the report.
int claim_main(std::span<char*> words);

}  // namespace netpoll::cli
