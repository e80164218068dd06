// Texts of /proc that another process has a hand in, or that were copied from another machine.
#include <sstream>

#include "libruntime/base/epoll_list.h"
#include "probes/process/cgroups.h"
#include "probes/process/clock.h"
#include "probes/process/core/saved_descriptors.h"
#include "probes/process/descriptors/peers.h"
#include "probes/process/descriptors/sockets.h"
#include "probes/process/descriptors/uring_instances.h"
#include "probes/process/mappings.h"
#include "tests/fuzz/input.h"

using namespace netpoll::probes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(netpoll::test::text_of(data, size));
  (void)netpoll::base::parse_epoll_entry(text);
  (void)key_of_link(text);
  std::istringstream offsets(text);
  (void)monotonic_offset(offsets);
  std::istringstream ring(text);
  (void)parse_uring_fdinfo(ring);
  std::istringstream mounts(text);
  (void)parse_cgroup_mount(mounts);
  std::istringstream maps(text);
  const auto mappings = parse_mappings(maps);
  if (!mappings.empty()) (void)find_mapping(mappings, mappings.front().start);
  const Inodes wanted = {1, 4711, 12345};
  SocketSearch search(wanted);
  std::istringstream inet(text);
  read_inet_table(inet, "tcp", search);
  std::istringstream unix_table(text);
  read_unix_table(unix_table, search);
  (void)search.take();

  const netpoll::test::InputFile input(data, size);
  const auto saved = SavedDescriptors::open(input.path());
  if (!saved) return 0;
  const auto epolls = saved->epoll_descriptors();
  for (const int epfd : epolls) (void)saved->registrations(epfd);
  (void)saved->describe(epolls);
  (void)saved->describe({0, 1, 2, 3, 4});
  return 0;
}
