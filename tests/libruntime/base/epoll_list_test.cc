// The kernel's list of registrations, from the real kernel.
#include "libruntime/base/epoll_list.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <set>
#include <utility>
#include <vector>

#include "netpoll/fd.h"
#include "tests/support/catch.h"

namespace netpoll::base {
namespace {

void add(const Fd& epoll, int fd, std::uint64_t data) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = data;
  REQUIRE(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0);
}

using Entries = std::multiset<std::pair<int, std::uint64_t>>;  // the kernel's order is that of its addresses

Entries read(int epfd) {
  Entries entries;
  EpollList list("self", epfd);
  while (const auto entry = list.next()) entries.emplace(entry->fd, entry->data);
  return entries;
}

TEST_CASE("a line of the list gives number, events, data word and inode") {
  const auto entry = parse_epoll_entry("tfd:       12 events: 8000201d data: 200000005  pos:0 ino:4e5f sdev:8");
  REQUIRE(entry.has_value());
  CHECK(entry->fd == 12);
  CHECK(entry->events == 0x8000201d);
  CHECK(entry->data == 0x2'0000'0005);
  CHECK(entry->inode == 0x4e5f);
  CHECK_FALSE(parse_epoll_entry("tfd: 1 events: 19 data: 1")->inode.has_value());
  CHECK(parse_epoll_entry("tfd: 1 events: 19 data: ffffffffffffffff")->data == UINT64_MAX);
}

TEST_CASE("a line of something else gives nothing") {
  for (const char* line : {"", "pos:\t0", "flags:\t02000002", "tfd:", "tfd: x events: 19 data: 1", "tfd: 3 events: 19",
                           "tfd: 3 events: 19 data:", "tfd: 3 data: 1", "eventfd-count:                0"}) {
    INFO(line);
    CHECK_FALSE(parse_epoll_entry(line).has_value());
  }
}

TEST_CASE("a list of many pieces is whole") {
  const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  std::vector<Fd> files;
  Entries expected;
  for (std::uint64_t i = 0; i < 900; ++i) {  // 16 KiB hold about 170 lines
    files.emplace_back(eventfd(0, EFD_CLOEXEC));
    REQUIRE(files.back().valid());
    const std::uint64_t data = i * 0x1'0001'0001;
    add(epoll, files.back().get(), data);
    expected.emplace(files.back().get(), data);
  }
  CHECK(read(epoll.get()) == expected);
}

TEST_CASE("one number that stands for two files is listed twice") {
  const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  Fd first(eventfd(0, EFD_CLOEXEC));
  const int number = first.get();
  add(epoll, number, 1);
  const Fd elsewhere(dup(number));  // keeps the open file, and with it the registration
  first.reset(-1);
  const Fd second(eventfd(0, EFD_CLOEXEC));
  REQUIRE(second.get() == number);
  add(epoll, number, 2);
  CHECK(read(epoll.get()) == Entries{{number, 1}, {number, 2}});
}

TEST_CASE("what is no epoll instance, or closed, has an empty list") {
  const Fd file(eventfd(0, EFD_CLOEXEC));
  CHECK(read(file.get()).empty());
  CHECK(read(-1).empty());
}

}  // namespace
}  // namespace netpoll::base
