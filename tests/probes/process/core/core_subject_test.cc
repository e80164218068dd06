// Cores that the tests write themselves, whole and damaged.
#include "probes/process/core/core_subject.h"

#include <elf.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "probes/process/elf/elf_files.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

using netpoll::ErrorKind;
using netpoll::test::TempDir;
using namespace netpoll::probes;

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kExeAt = 0x400000;

template <typename T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

std::string words(const std::vector<std::uint64_t>& list) {
  std::string text;
  for (const std::uint64_t word : list) text += bytes_of(word);
  return text;
}

std::string padded(std::string text, std::size_t unit) {
  text.resize((text.size() + unit - 1) / unit * unit);
  return text;
}

std::string note(const std::string& name, std::uint32_t type, const std::string& contents) {
  const Elf64_Nhdr head{.n_namesz = static_cast<Elf64_Word>(name.size() + 1),
                        .n_descsz = static_cast<Elf64_Word>(contents.size()),
                        .n_type = type};
  return bytes_of(head) + padded(name + '\0', 4) + padded(contents, 4);
}

struct Segment {
  std::uint32_t type = PT_LOAD;
  std::uint64_t address = 0;
  std::string held;
  std::uint64_t size = 0;  // in memory
};

std::string elf(std::uint16_t type, const std::vector<Segment>& segments) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = type;
  header.e_machine = EM_X86_64;
  header.e_phoff = sizeof(header);
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = static_cast<Elf64_Half>(segments.size());
  std::string table;
  std::string contents;
  const std::uint64_t begin = sizeof(header) + segments.size() * sizeof(Elf64_Phdr);
  for (const Segment& s : segments) {
    Elf64_Phdr p{};
    p.p_type = s.type;
    p.p_offset = begin + contents.size();
    p.p_vaddr = s.address;
    p.p_filesz = s.held.size();
    p.p_memsz = s.size;
    table += bytes_of(p);
    contents += s.held;
  }
  return bytes_of(header) + table + contents;
}

// Two pages of an executable with that build id.
std::string executable(const std::string& build_id) {
  std::string file = elf(ET_EXEC, {{.type = PT_NOTE, .held = note("GNU", NT_GNU_BUILD_ID, build_id)}});
  file.resize(kPage, 'h');
  return file + std::string(kPage, 'x');
}

std::string core_notes(const std::string& exe) {
  std::string info(136, '\0');
  const std::int32_t pid = 4711;
  std::memcpy(info.data() + 24, &pid, sizeof(pid));
  std::memcpy(info.data() + 40, "server", 6);
  const std::string files = words({1, kPage, kExeAt, kExeAt + 2 * kPage, 0}) + exe + '\0';
  return note("CORE", NT_PRPSINFO, info) + note("CORE", NT_AUXV, words({AT_PHDR, kExeAt + 64, AT_NULL, 0})) +
         note("CORE", NT_FILE, files);
}

// As the kernel writes it: the first page of the executable, and a page of data that ends in a hole.
std::vector<Segment> usual_segments(const std::string& exe) {
  return {{.type = PT_NOTE, .held = core_notes(exe)},
          {.address = kExeAt, .held = executable("one").substr(0, kPage), .size = 2 * kPage},
          {.address = 0x10000000, .held = std::string(kPage, 'd'), .size = 2 * kPage},
          {.address = 0x10002000, .held = std::string(kPage, 'e'), .size = kPage},
          {.address = 0x10003000, .held = std::string(kPage, 'f'), .size = kPage}};
}

class Cores {
 public:
  Cores() { write("exe", executable("one")); }
  std::string path(const std::string& name) const { return folder_ / name; }
  std::string exe() const { return path("exe"); }
  std::string write(const std::string& name, const std::string& contents) const {
    std::ofstream(path(name), std::ios::binary) << contents;
    return path(name);
  }

 private:
  TempDir folder_;
};

bool reads(CoreSubject& core, std::uint64_t address, std::size_t size, const std::string& expected = {}) {
  std::string bytes(size, '?');
  if (!core.memory().read(address, bytes.data(), size)) return false;
  return expected.empty() || bytes == expected;
}

ErrorKind refusal(const std::string& path, const std::string& exe = {}) {
  const auto core = make_core_subject(path, exe);
  REQUIRE_FALSE(core);
  INFO(core.error().message());
  CHECK(core.error().message().find(path) != std::string::npos);
  CHECK_FALSE(core.error().hint().empty());
  return core.error().kind();
}

}  // namespace

TEST_CASE("a core says who it was, and what was mapped") {
  const Cores cores;
  auto core = make_core_subject(cores.write("core", elf(ET_CORE, usual_segments(cores.exe()))), "");
  REQUIRE(core);
  CHECK((*core)->dead_pid() == 4711);
  CHECK((*core)->comm() == "server");
  CHECK((*core)->executable_path() == cores.exe());
  CHECK_FALSE((*core)->cut_short());
  CHECK_FALSE((*core)->epoll_descriptors());
  CHECK_FALSE((*core)->monotonic_now());
  REQUIRE((*core)->mappings().size() == 1);
  CHECK((*core)->mappings()[0].start == kExeAt);
  CHECK((*core)->elf_files()->open_executable());
}

TEST_CASE("memory that a core does not hold is the file's that was mapped there, or unreadable") {
  const Cores cores;
  auto core = make_core_subject(cores.write("core", elf(ET_CORE, usual_segments(cores.exe()))), "");
  REQUIRE(core);
  CHECK(reads(**core, 0x10000000, 8, "dddddddd"));
  CHECK(reads(**core, 0x10002ffc, 8, "eeeeffff"));
  CHECK(reads(**core, kExeAt + kPage, 8, "xxxxxxxx"));
  CHECK(reads(**core, kExeAt + kPage - 2, 4, "hhxx"));
  // Left out, and no file has it.
  CHECK_FALSE(reads(**core, 0x10001000, 8));
  CHECK_FALSE(reads(**core, 0x10000ffc, 8));
  CHECK_FALSE(reads(**core, 0x10003ffc, 8));
  CHECK_FALSE(reads(**core, kExeAt + 2 * kPage - 4, 8));
  CHECK_FALSE(reads(**core, 0, 8));
  CHECK_FALSE(reads(**core, UINT64_MAX - 3, 8));
}

TEST_CASE("a core that was cut off has no memory there, not zeros and not the file's") {
  const Cores cores;
  const std::string whole = elf(ET_CORE, usual_segments(cores.exe()));
  auto core = make_core_subject(cores.write("core", whole.substr(0, whole.size() - kPage - 100)), "");
  REQUIRE(core);
  CHECK((*core)->cut_short());
  CHECK((*core)->name().find("cut off") != std::string::npos);
  CHECK(reads(**core, 0x10002000, 8, "eeeeeeee"));
  CHECK_FALSE(reads(**core, 0x10002ffc, 4));
  CHECK_FALSE(reads(**core, 0x10003000, 8));

  auto early = make_core_subject(cores.write("early", whole.substr(0, whole.size() - 3 * kPage - 100)), "");
  REQUIRE(early);
  CHECK_FALSE(reads(**early, kExeAt + kPage - 50, 8));
}

TEST_CASE("the executable of a core is checked by its build id, wherever it is now") {
  const Cores cores;
  const std::string core = cores.write("core", elf(ET_CORE, usual_segments("/nowhere/server")));
  CHECK(refusal(core) == ErrorKind::kNotFound);
  CHECK(make_core_subject(core, cores.exe()));
  const std::string other = cores.write("other", executable("two"));
  CHECK(refusal(core, other) == ErrorKind::kInvalid);
  const auto refused = make_core_subject(core, other);
  CHECK(refused.error().message().find(other) != std::string::npos);
  CHECK(refused.error().message().find("6f6e65") != std::string::npos);
  CHECK(refused.error().message().find("74776f") != std::string::npos);
}

TEST_CASE("what is no core that can be read is refused with its reason") {
  const Cores cores;
  const std::string whole = elf(ET_CORE, usual_segments(cores.exe()));
  const auto changed = [&](std::size_t at, char value) {
    std::string bytes = whole;
    bytes[at] = value;
    return bytes;
  };
  CHECK(refusal(cores.write("empty", "")) == ErrorKind::kProtocol);
  CHECK(refusal(cores.write("text", "hello, world")) == ErrorKind::kProtocol);
  CHECK(refusal(cores.write("program", changed(16, ET_EXEC))) == ErrorKind::kProtocol);
  CHECK(refusal(cores.write("32", changed(EI_CLASS, ELFCLASS32))) == ErrorKind::kNotSupported);
  CHECK(refusal(cores.write("big", changed(EI_DATA, ELFDATA2MSB))) == ErrorKind::kNotSupported);
  CHECK(refusal(cores.write("arm", changed(18, EM_ARM))) == ErrorKind::kNotSupported);
  CHECK(refusal(cores.write("xz", std::string("\xfd"
                                              "7zXZ\0....",
                                              10))) == ErrorKind::kNotSupported);
  CHECK(refusal(cores.write("nothing", elf(ET_CORE, {}))) == ErrorKind::kProtocol);
  CHECK(refusal(cores.write("no notes", elf(ET_CORE, {{.address = kPage, .size = kPage}}))) == ErrorKind::kProtocol);
  const auto damaged = make_core_subject(cores.write("zstd", "\x28\xb5\x2f\xfd...."), "");
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().is(ErrorKind::kProtocol));
  CHECK_FALSE(make_core_subject(cores.path("missing"), ""));
}

TEST_CASE("a core that is cut anywhere in its headers and notes is refused or read as far as it goes") {
  const Cores cores;
  const std::string whole = elf(ET_CORE, usual_segments(cores.exe()));
  for (std::size_t size = 0; size < 1200; size += 7) {
    auto core = make_core_subject(cores.write("core", whole.substr(0, size)), "");
    if (core) CHECK((*core)->cut_short());
  }
}

TEST_CASE("headers and notes with any damaged byte lead to an error or to memory, never out of the file") {
  const Cores cores;
  const std::string whole = elf(ET_CORE, usual_segments(cores.exe()));
  for (std::size_t at = 0; at < 1000; ++at) {
    std::string bytes = whole;
    bytes[at] = '\xff';
    auto core = make_core_subject(cores.write("core", bytes), "");
    if (!core) continue;
    for (const std::uint64_t address : {kExeAt, kExeAt + kPage, std::uint64_t{0x10000ffc}, UINT64_MAX - kPage}) {
      (void)reads(**core, address, 64);
    }
    for (const Mapping& m : (*core)->mappings()) {
      (void)(*core)->elf_files()->open(m);
      (void)reads(**core, m.end - 1, 1);
    }
  }
}
