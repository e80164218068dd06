#include "probes/bpf/usdt_links.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "probes/bpf/libbpf_log.h"
#include "probes/bpf/uprobe_multi.h"

namespace netpoll::probes {
namespace {

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

}  // namespace

bool kernel_has_uprobe_multi() {
  // mov r0, 0; exit
  const bpf_insn nothing[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = static_cast<bpf_attach_type>(kUprobeMulti);
  const Fd program(bpf_prog_load(BPF_PROG_TYPE_KPROBE, "netpoll_try", "GPL", nothing, 2, &options));
  if (!program.valid()) return false;
  // A kernel that knows this kind of link gets as far as finding that / is not a regular file.
  return create_multi_link(program.get(), 0, "/", {{1, 0, 0}}) == -EBADF;
}

UsdtLinks::UsdtLinks(UsdtLinks&& other) noexcept
    : multi_(std::move(other.multi_)), single_(std::exchange(other.single_, {})), closing_(std::move(other.closing_)) {}

UsdtLinks& UsdtLinks::operator=(UsdtLinks&& other) noexcept {
  if (this != &other) {
    detach();
    finish();
    multi_ = std::move(other.multi_);
    single_ = std::exchange(other.single_, {});
    closing_ = std::move(other.closing_);
  }
  return *this;
}

UsdtLinks::~UsdtLinks() {
  detach();
  finish();
}

Result<UsdtLinks> UsdtLinks::attach(bpf_program* program, bool multi, pid_t pid, const std::string& path,
                                    const std::vector<UsdtAttachment>& sites) {
  UsdtLinks links;
  if (sites.empty()) return links;
  LibbpfLog log;
  if (multi) {
    const int link = create_multi_link(bpf_program__fd(program), pid, path.c_str(), sites);
    if (link < 0) return bpf_error("attach to the USDT probes of " + path, link, log);
    links.multi_.reset(link);
    return links;
  }
  for (const UsdtAttachment& site : sites) {
    LIBBPF_OPTS(bpf_uprobe_opts, options);
    options.ref_ctr_offset = site.semaphore_offset;
    options.bpf_cookie = site.cookie;
    bpf_link* link = bpf_program__attach_uprobe_opts(program, pid == 0 ? -1 : pid, path.c_str(), site.offset, &options);
    if (link == nullptr) return bpf_error("attach to a USDT probe of " + path, -errno, log);
    links.single_.push_back(link);
  }
  return links;
}

void UsdtLinks::detach() {
  if (!multi_.valid() && single_.empty()) return;
  finish();
  const auto close_all = [](int multi, const std::vector<bpf_link*>& single) {
    if (multi >= 0) ::close(multi);
    for (bpf_link* link : single) bpf_link__destroy(link);
  };
  const int multi = multi_.release();
  const std::vector<bpf_link*> single = std::exchange(single_, {});
  try {
    closing_ = std::thread(close_all, multi, single);
  } catch (const std::system_error&) {
    close_all(multi, single);  // no thread to be had: the caller waits
  }
}

void UsdtLinks::finish() {
  if (closing_.joinable()) closing_.join();
}

}  // namespace netpoll::probes
