// Programs that are not Go, or that we cannot read: refused with what could not be established, and never with harm.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "probes/goroutines/go/reader.h"
#include "tests/probes/goroutines/go/go_server.h"
#include "tests/probes/goroutines/go/scripted_subject.h"
#include "tests/support/catch.h"
#include "tests/support/skip.h"

namespace {

using netpoll::ErrorKind;
using netpoll::test::LoadedFile;
using netpoll::test::system_go_build;
using namespace netpoll::probes;

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Attaches to a damaged copy of the server; returns the error, or "" where there is none.
class Damaged {
 public:
  Damaged() : whole_(contents(system_go_build())) {}
  ~Damaged() { std::filesystem::remove(path_); }

  const std::string& whole() const { return whole_; }
  std::string attach(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    LoadedFile subject(path_, system_go_build());
    auto reader = attach_go(subject);
    if (reader) return *reader ? "attached" : "";
    CHECK(reader.error().is(ErrorKind::kNotSupported));
    return reader.error().message();
  }

 private:
  std::string path_ = std::filesystem::temp_directory_path() / ("netpoll-damaged-" + std::to_string(getpid()));
  std::string whole_;
};

bool has_go() { return std::filesystem::exists(system_go_build()); }

}  // namespace

TEST_CASE("a program that is not Go has no Go reader") {
  auto subject = make_live_subject(getpid());
  REQUIRE(subject);
  const auto reader = attach_go(**subject);
  REQUIRE(reader);
  CHECK(*reader == nullptr);
}

TEST_CASE("a Go program that cannot be read is refused with the reason") {
  if (!has_go()) NETPOLL_SKIP("no Go program: there is no Go");
  const Damaged program;
  const std::string magic("\xf0\xff\xff\xff\0\0\1\x08", 8);
  const auto table = program.whole().find(magic);
  if (table == std::string::npos) NETPOLL_SKIP("the system's Go is newer than 1.19");

  // It was loaded, and has no goroutine yet.
  CHECK(program.attach(program.whole()).find("list of goroutines") != std::string::npos);

  std::string old = program.whole();
  old[table] = '\xfa';
  CHECK(program.attach(old).find("before 1.18") != std::string::npos);

  std::string unknown = program.whole();
  unknown[table] = '\x77';
  CHECK(program.attach(unknown).find("pclntab is damaged") != std::string::npos);

  std::string no_layout = program.whole();
  for (auto at = no_layout.find("runtime.g"); at != std::string::npos; at = no_layout.find("runtime.g", at + 1)) {
    no_layout[at] = 'R';
  }
  CHECK(program.attach(no_layout).find("no struct runtime.g") != std::string::npos);

  std::string narrow = program.whole();
  narrow[EI_CLASS] = ELFCLASS32;
  CHECK(program.attach(narrow).find("32-bit") != std::string::npos);
}

TEST_CASE("a Go program that is damaged anywhere does no harm") {
  if (!has_go()) NETPOLL_SKIP("no Go program: there is no Go");
  const Damaged program;
  const std::string& whole = program.whole();
  for (const std::size_t size : {whole.size() / 2, whole.size() / 4, whole.size() / 16, std::size_t{4096}}) {
    (void)program.attach(whole.substr(0, size));
  }
  // Stretches of noise, in another place each time; the headers stay.
  std::uint32_t random = 1;
  for (int i = 0; i < 24; ++i) {
    std::string noisy = whole;
    const std::size_t begin = 4096 + (whole.size() - 4096) / 24 * static_cast<std::size_t>(i);
    for (std::size_t at = begin; at < begin + whole.size() / 40 && at < whole.size(); ++at) {
      random = random * 1664525 + 1013904223;
      if (random >> 28 == 0) noisy[at] = static_cast<char>(random >> 16);
    }
    (void)program.attach(noisy);
  }
}
