// Attaches to all sites at once where the kernel can, else one by one.
#include "probes/bpf/usdt_links.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

#include "probes/bpf/libbpf_log.h"
#include "probes/bpf/uprobe_multi.h"

namespace netpoll::probes {
namespace {

// Links of kSingle are closed by so many threads at most, because their grace periods overlap.
constexpr std::size_t kClosers = 16;

// Returns the link, or -errno.
int create_multi_link(int program, pid_t pid, const char* path, const std::vector<UsdtAttachment>& sites) {
  std::vector<std::uint64_t> offsets, semaphores, cookies;
  for (const UsdtAttachment& site : sites) {
    offsets.push_back(site.offset);
    semaphores.push_back(site.semaphore_offset);
    cookies.push_back(site.cookie);
  }
  UprobeMultiAttr attr{};
  attr.prog_fd = static_cast<std::uint32_t>(program);
  attr.attach_type = kUprobeMulti;
  attr.path = reinterpret_cast<std::uint64_t>(path);
  attr.offsets = reinterpret_cast<std::uint64_t>(offsets.data());
  attr.ref_ctr_offsets = reinterpret_cast<std::uint64_t>(semaphores.data());
  attr.cookies = reinterpret_cast<std::uint64_t>(cookies.data());
  attr.count = static_cast<std::uint32_t>(sites.size());
  attr.pid = static_cast<std::uint32_t>(pid);
  const long link = ::syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
  return link < 0 ? -errno : static_cast<int>(link);
}

// Returns the event, or -errno. The layout of config is in /sys/bus/event_source/devices/uprobe/format.
int open_uprobe_event(pid_t pid, const char* path, const UsdtAttachment& site) {
  std::uint32_t type = 0;
  if (!(std::ifstream("/sys/bus/event_source/devices/uprobe/type") >> type)) return -ENOENT;
  perf_event_attr attr{};
  attr.size = sizeof(attr);
  attr.type = type;
  attr.config = site.semaphore_offset << 32;
  attr.uprobe_path = reinterpret_cast<std::uint64_t>(path);
  attr.probe_offset = site.offset;
  const long event =
      ::syscall(SYS_perf_event_open, &attr, pid == 0 ? -1 : pid, pid == 0 ? 0 : -1, -1, PERF_FLAG_FD_CLOEXEC);
  return event < 0 ? -errno : static_cast<int>(event);
}

}  // namespace

UprobeKind best_uprobe_kind() {
  // mov r0, 0; exit
  const bpf_insn nothing[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = static_cast<bpf_attach_type>(kUprobeMulti);
  const Fd program(bpf_prog_load(BPF_PROG_TYPE_KPROBE, "netpoll_try", "GPL", nothing, 2, &options));
  if (!program.valid()) return UprobeKind::kSingle;
  // A kernel that knows this kind of link gets as far as finding that / is not a regular file.
  const bool known = create_multi_link(program.get(), 0, "/", {{1, 0, 0}}) == -EBADF;
  return known ? UprobeKind::kMulti : UprobeKind::kSingle;
}

UsdtLinks& UsdtLinks::operator=(UsdtLinks&& other) noexcept {
  if (this != &other) {
    detach();
    finish();
    links_ = std::move(other.links_);
    closing_ = std::move(other.closing_);
  }
  return *this;
}

UsdtLinks::~UsdtLinks() {
  detach();
  finish();
}

Result<UsdtLinks> UsdtLinks::attach(int program_fd, UprobeKind kind, pid_t pid, const std::string& path,
                                    const std::vector<UsdtAttachment>& sites, std::vector<UsdtRefusal>* refused) {
  UsdtLinks links;
  if (sites.empty()) return links;
  if (kind == UprobeKind::kMulti) {
    auto attached = links.attach_multi(program_fd, pid, path, sites);
    if (attached) return links;
    if (refused == nullptr) return std::move(attached).error();
  }
  // One by one, so that the one which the kernel refuses is known.
  for (const UsdtAttachment& site : sites) {
    auto attached = kind == UprobeKind::kMulti ? links.attach_multi(program_fd, pid, path, {site})
                                               : links.attach_single(program_fd, pid, path, site);
    if (attached) continue;
    if (refused == nullptr) return std::move(attached).error();
    refused->push_back({site.cookie, std::move(attached).error()});
  }
  return links;
}

Result<void> UsdtLinks::attach_multi(int program_fd, pid_t pid, const std::string& path,
                                     const std::vector<UsdtAttachment>& sites) {
  const int link = create_multi_link(program_fd, pid, path.c_str(), sites);
  if (link < 0) return bpf_error("attach to the USDT probes of " + path, link, LibbpfLog());
  links_.emplace_back(link);
  return {};
}

Result<void> UsdtLinks::attach_single(int program_fd, pid_t pid, const std::string& path, const UsdtAttachment& site) {
  const std::string what = "attach to a USDT probe of " + path;
  const int event = open_uprobe_event(pid, path.c_str(), site);
  if (event < 0) return bpf_error(what, event, LibbpfLog());
  Fd owned(event);
  LIBBPF_OPTS(bpf_link_create_opts, options);
  options.perf_event.bpf_cookie = site.cookie;
  const int link = bpf_link_create(program_fd, event, BPF_PERF_EVENT, &options);
  if (link < 0) return bpf_error(what, link, LibbpfLog());
  links_.emplace_back(link);
  links_.push_back(std::move(owned));
  if (::ioctl(event, PERF_EVENT_IOC_ENABLE, 0) != 0) return bpf_error(what, -errno, LibbpfLog());
  return {};
}

void UsdtLinks::detach() {
  if (links_.empty()) return;
  finish();
  // Breakpoints first. A multi link has nothing to switch off and answers with an error: closing does it at once.
  for (const Fd& link : links_) ::ioctl(link.get(), PERF_EVENT_IOC_DISABLE, 0);
  const std::size_t closers = std::min(kClosers, (links_.size() + 1) / 2);
  std::vector<std::vector<Fd>> shares(closers);
  for (std::size_t i = 0; i < links_.size(); ++i) shares[i / 2 % closers].push_back(std::move(links_[i]));
  links_.clear();
  for (auto& share : shares) {
    try {
      closing_.emplace_back([fds = std::move(share)]() mutable { fds.clear(); });
    } catch (const std::system_error&) {
      // No thread to be had: the share goes with `shares`, and the caller waits.
    }
  }
}

void UsdtLinks::finish() {
  for (std::thread& closing : closing_) closing.join();
  closing_.clear();
}

}  // namespace netpoll::probes
