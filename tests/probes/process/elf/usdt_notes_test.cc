// USDT notes, whole, damaged and cut short.
#include "probes/process/elf/usdt_notes.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>

#include "tests/support/catch.h"
#include "tests/support/skip.h"

namespace netpoll::probes {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct ScratchFile {
  explicit ScratchFile(const std::string& bytes) {
    char name[] = "/tmp/netpoll-elf-XXXXXX";
    ::close(::mkstemp(name));
    path = name;
    write(bytes);
  }
  ~ScratchFile() { ::unlink(path.c_str()); }
  void write(const std::string& bytes) const { std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes; }
  std::string path;
};

}  // namespace

#ifdef NETPOLL_KNOWN_TRACEPOINTS
TEST_CASE("sites of a provider are found, each on its nop, sharing their probe's semaphore") {
  auto sites = read_usdt_sites(NETPOLL_KNOWN_TRACEPOINTS, "netpoll");
  REQUIRE(sites);
  const std::string file = read_file(NETPOLL_KNOWN_TRACEPOINTS);
  std::set<std::string> names;
  std::set<std::uint64_t> park_sites, park_semaphores;
  for (const UsdtSite& site : *sites) {
    names.insert(site.name);
    REQUIRE(site.offset < file.size());
    REQUIRE(site.semaphore_offset + 2 <= file.size());
#ifdef __x86_64__
    CHECK(static_cast<unsigned char>(file[site.offset]) == 0x90);
#endif
    CHECK(file[site.semaphore_offset] == 0);
    if (site.name == "park") {
      park_sites.insert(site.offset);
      park_semaphores.insert(site.semaphore_offset);
    }
  }
  CHECK(names == std::set<std::string>{"park", "ready", "poll_exit", "of_the_future"});
  CHECK(park_sites.size() >= 2);
  CHECK(park_semaphores.size() == 1);
  CHECK_FALSE(park_semaphores.count(0));
}

TEST_CASE("another provider's sites are not ours") {
  auto sites = read_usdt_sites(NETPOLL_KNOWN_TRACEPOINTS, "netpol");
  REQUIRE(sites);
  CHECK(sites->empty());
}

TEST_CASE("a file that is cut short anywhere gives sites or an error, never more") {
  const std::string whole = read_file(NETPOLL_KNOWN_TRACEPOINTS);
  const ScratchFile file("");
  for (std::size_t length = 0; length < whole.size(); length += 1 + length / 20) {
    file.write(whole.substr(0, length));
    auto sites = read_usdt_sites(file.path, "netpoll");
    if (!sites) CHECK(sites.error().is(ErrorKind::kProtocol));
  }
}

TEST_CASE("damaged headers and notes give sites or an error, never more") {
  const std::string whole = read_file(NETPOLL_KNOWN_TRACEPOINTS);
  Elf64_Ehdr header;
  std::memcpy(&header, whole.data(), sizeof(header));
  const std::size_t notes = whole.find("stapsdt");
  REQUIRE(notes != std::string::npos);
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < sizeof(header) + header.e_phnum * sizeof(Elf64_Phdr); i += 3) places.push_back(i);
  for (std::size_t i = 0; i < header.e_shnum * sizeof(Elf64_Shdr); i += 5) places.push_back(header.e_shoff + i);
  for (std::size_t i = 0; i < 256; ++i) places.push_back(notes - 12 + i);
  const ScratchFile file("");
  for (const std::size_t place : places) {
    for (const char value : {'\0', '\xff', '\x7f'}) {
      if (place >= whole.size()) continue;
      std::string damaged = whole;
      damaged[place] = value;
      file.write(damaged);
      auto sites = read_usdt_sites(file.path, "netpoll");
      if (!sites) {
        const ErrorKind kind = sites.error().kind();
        CHECK((kind == ErrorKind::kProtocol || kind == ErrorKind::kNotSupported));
      }
    }
  }
}
#endif

TEST_CASE("a program without probes has no sites") {
  auto sites = read_usdt_sites("/bin/true", "netpoll");
  REQUIRE(sites);
  CHECK(sites->empty());
}

TEST_CASE("what is no program is refused in words") {
  const ScratchFile text("#!/bin/sh\nexit 0\n");
  auto script = read_usdt_sites(text.path, "netpoll");
  REQUIRE_FALSE(script);
  CHECK(script.error().is(ErrorKind::kProtocol));
  auto missing = read_usdt_sites("/nonexistent/file", "netpoll");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().is(ErrorKind::kNotFound));
  auto folder = read_usdt_sites("/tmp", "netpoll");
  REQUIRE_FALSE(folder);
  CHECK(folder.error().is(ErrorKind::kProtocol));
}

}  // namespace netpoll::probes
