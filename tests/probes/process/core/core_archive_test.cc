// Cores in the wrappings in which they lie on disks, against what the packers' own programs made of them.
#include "probes/process/core/archive/core_archive.h"

#include <elf.h>
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/skip.h"
#include "tests/support/temp_dir.h"

using netpoll::ErrorKind;
using netpoll::test::TempDir;
using netpoll::test::write_file;
using namespace netpoll::probes;

namespace {

bool shell(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }

std::string contents_of(const PlainCore& core) {
  std::string text(core.file.size(), '\0');
  REQUIRE(core.file.read(0, text.data(), text.size()));
  return text;
}

// The headers of a core with one segment up to its end.
std::string core_headers(std::uint64_t size) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_type = ET_CORE;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_offset = sizeof(header) + sizeof(segment);
  segment.p_filesz = size - segment.p_offset;
  std::string text(reinterpret_cast<const char*>(&header), sizeof(header));
  return text.append(reinterpret_cast<const char*>(&segment), sizeof(segment));
}

// What is not packed away: no two pages alike, with a hole of zeros in the middle and at the end.
std::string some_memory(std::size_t size) {
  std::mt19937_64 random(4711);
  std::string text = core_headers(size);
  while (text.size() < size / 2) text += static_cast<char>(random() & 0xff);
  text.resize(size, '\0');
  for (int i = 0; i < 100; ++i) text[size / 4 * 3 + static_cast<std::size_t>(i)] = 'x';
  return text;
}

std::string base64(const std::string& bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    unsigned group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8U | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text += at + i > bytes.size() ? '=' : kDigits[group >> (18 - 6 * i) & 63U];
    }
  }
  return text;
}

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// As apport's problem_report.py writes it: the header of the gzip by itself, then pieces, each line whole base64.
std::string crash_report(const std::string& gzipped) {
  std::string text =
      "ProblemType: Crash\nArchitecture: amd64\nCoreDump: base64\n " + base64(gzipped.substr(0, 10)) + "\n";
  for (std::size_t at = 10; at < gzipped.size(); at += 1000) text += " " + base64(gzipped.substr(at, 1000)) + "\n";
  return text +
         "ExecutablePath: /usr/bin/server\nProcMaps:\n 00400000-00401000 r-xp 00000000 08:01 1 /usr/bin/server\n";
}

}  // namespace

TEST_CASE("a compressed core is what it was before it was packed") {
  const TempDir folder;
  const std::string plain = folder / "plain";
  const std::string memory = some_memory(3'000'001);
  write_file(plain, memory);
  int packers = 0;
  for (const std::string command : {"zstd", "lz4", "gzip"}) {
    if (!shell("command -v " + command)) continue;
    INFO(command);
    ++packers;
    const std::string packed = folder / command;
    REQUIRE(std::system((command + " -c '" + plain + "' > '" + packed + "' 2>/dev/null").c_str()) == 0);
    const auto core = open_plain_core(packed);
    REQUIRE(core);
    CHECK_FALSE(core->cut_short);
    CHECK(contents_of(*core) == memory);

    const std::string bytes = file_text(packed);
    for (const std::size_t size : {bytes.size() - 1, bytes.size() / 2, std::size_t{20}}) {
      write_file(packed, bytes.substr(0, size));
      const auto cut = open_plain_core(packed);
      if (!cut) continue;
      CHECK(cut->cut_short);
      CHECK(memory.starts_with(contents_of(*cut)));
    }
    // Any damage leads to an error or to other bytes.
    for (std::size_t at = 0; at < 60; ++at) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
      write_file(packed, damaged);
      const auto core_or_error = open_plain_core(packed);
      if (!core_or_error) CHECK(core_or_error.error().message().find(packed) != std::string::npos);
    }
  }
  if (packers == 0) NETPOLL_SKIP("no zstd, lz4 or gzip to pack with");
}

TEST_CASE("zeros of a core take no room when it is unpacked") {
  const TempDir folder;
  if (!shell("command -v zstd")) NETPOLL_SKIP("no zstd to pack with");
  const std::string plain = folder / "plain";
  constexpr std::uint64_t kSize = 1U << 30U;
  write_file(plain, core_headers(kSize));
  REQUIRE(shell("truncate -s " + std::to_string(kSize) + " '" + plain + "' && zstd -1 -q '" + plain + "'"));
  const auto core = open_plain_core(plain + ".zst");
  REQUIRE(core);
  CHECK(core->file.size() == kSize);
  struct stat status {};
  REQUIRE(fstat(core->file.fd(), &status) == 0);
  CHECK(status.st_nlink == 0);
  CHECK(static_cast<std::uint64_t>(status.st_blocks) * 512 < 1U << 20U);
}

TEST_CASE("what is no core is not unpacked, nor what goes on beyond the core's end") {
  const TempDir folder;
  if (!shell("command -v zstd")) NETPOLL_SKIP("no zstd to pack with");
  const std::string plain = folder / "plain";
  const auto unpacked = [&](const std::string& begin, const std::string& size) {
    write_file(plain, begin);
    REQUIRE(shell("truncate -s " + size + " '" + plain + "' && zstd -1 -q -f '" + plain + "'"));
    return open_plain_core(plain + ".zst");
  };
  const auto other = unpacked("begin", "1G");
  REQUIRE_FALSE(other);
  CHECK(other.error().message().find("not ELF") != std::string::npos);
  const auto longer = unpacked(core_headers(1 << 20), "1G");
  REQUIRE_FALSE(longer);
  CHECK(longer.error().is(ErrorKind::kProtocol));
  CHECK(longer.error().message().find("beyond the 1048576 bytes") != std::string::npos);
  // The table of segments is not whole, or there is none.
  CHECK(unpacked(core_headers(1 << 20).substr(0, 100), "100"));
  CHECK(
      unpacked("\x7f"
               "E",
               "2"));
}

TEST_CASE("a crash report of apport gives its core") {
  const TempDir folder;
  if (!shell("command -v gzip")) NETPOLL_SKIP("no gzip to pack with");
  const std::string plain = folder / "plain";
  const std::string memory = some_memory(200'000);
  write_file(plain, memory);
  REQUIRE(std::system(("gzip -n -c '" + plain + "' > '" + plain + ".gz'").c_str()) == 0);
  const std::string report = crash_report(file_text(plain + ".gz"));
  const std::string path = folder / "server.crash";
  write_file(path, report);
  const auto core = open_plain_core(path);
  REQUIRE(core);
  CHECK_FALSE(core->cut_short);
  CHECK(contents_of(*core) == memory);

  write_file(path, report.substr(0, report.find("CoreDump")));
  const auto without = open_plain_core(path);
  REQUIRE_FALSE(without);
  CHECK(without.error().is(ErrorKind::kProtocol));
  write_file(path, report.substr(0, report.size() / 2));
  const auto cut = open_plain_core(path);
  if (cut) CHECK(cut->cut_short);
  write_file(path, "ProblemType: Crash\nCoreDump: base64\n ?!\n");
  CHECK_FALSE(open_plain_core(path));
  write_file(path, "ProblemType: Crash\nCoreDump: base64\n aGVsbG8=\n");
  CHECK_FALSE(open_plain_core(path));
}

TEST_CASE("what is no regular file is not waited for") {
  const TempDir folder;
  const std::string fifo = folder / "fifo";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  CHECK_FALSE(open_plain_core(fifo));
  CHECK_FALSE(open_plain_core(folder.path()));
  CHECK_FALSE(open_plain_core(folder / "missing"));
}
