// Links of descriptors, one by one and thousands at once.
#include "probes/process/descriptors/links.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>
#include <vector>

#include "netpoll/fd.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"

using netpoll::Fd;
using namespace netpoll::probes;

namespace {

// As readlink(1) has it.
std::string link_of(int number) {
  std::string text(PATH_MAX, '\0');
  const ssize_t size = readlink(("/proc/self/fd/" + std::to_string(number)).c_str(), text.data(), text.size());
  text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return text;
}

}  // namespace

TEST_CASE("the text of a link is kept, whatever it leads to") {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  const Fd kinds[] = {Fd(ends[0]), Fd(ends[1]), Fd(socket(AF_UNIX, SOCK_STREAM, 0)), Fd(open("/dev/null", O_RDONLY)),
                      Fd(open("/tmp", O_RDONLY | O_DIRECTORY))};
  const Dir folder = open_links(getpid());
  REQUIRE(folder);
  for (const Fd& fd : kinds) {
    const auto link = read_link(dirfd(folder.get()), fd.get());
    REQUIRE(link);
    CHECK(link->number == fd.get());
    CHECK(link->text() == link_of(fd.get()));
  }
}

TEST_CASE("a number that is no descriptor has no link") {
  const Dir folder = open_links(getpid());
  REQUIRE(folder);
  CHECK_FALSE(read_link(dirfd(folder.get()), INT_MAX));
  CHECK(errno == ENOENT);
}

TEST_CASE("thousands of links are read in order, without those that closed meanwhile") {
  constexpr rlim_t kNeeded = 4200;
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_max < kNeeded) NETPOLL_SKIP("no 4,200 descriptors are to be had");
  const rlimit before = limit;
  if (limit.rlim_cur < kNeeded) limit.rlim_cur = kNeeded;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  {
    std::vector<Fd> open;
    for (int i = 0; i < 4000; ++i) open.emplace_back(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    REQUIRE(open.back().valid());
    const Dir folder = open_links(getpid());
    REQUIRE(folder);
    std::vector<int> numbers = list_numbers(folder.get());
    for (std::size_t i = 0; i < open.size(); i += 1000) open[i].reset(-1);

    const auto links = read_links(dirfd(folder.get()), numbers);

    std::vector<int> left;
    for (const int number : numbers) {
      if (!link_of(number).empty()) left.push_back(number);
    }
    REQUIRE(links.size() == left.size());
    CHECK(links.size() >= 3996);
    std::size_t right = 0;
    for (std::size_t i = 0; i < links.size(); ++i)
      right += links[i].number == left[i] && links[i].text() == link_of(left[i]);
    CHECK(right == links.size());
  }
  CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}
