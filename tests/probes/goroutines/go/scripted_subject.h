// Memory and a Subject that say what a test wrote down.
#pragma once

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "probes/process/elf/elf_files.h"
#include "probes/process/subject.h"

namespace netpoll::test {

// Memory that holds the stretches it was given, and nothing else.
class ScriptedMemory : public probes::Memory {
 public:
  void put(std::uint64_t address, std::vector<std::byte> bytes) { stretches_[address] = std::move(bytes); }
  void put_words(std::uint64_t address, const std::vector<std::uint64_t>& words) {
    std::vector<std::byte> bytes(words.size() * 8);
    std::memcpy(bytes.data(), words.data(), bytes.size());
    put(address, std::move(bytes));
  }
  void put_text(std::uint64_t address, const std::string& text) {
    const auto* begin = reinterpret_cast<const std::byte*>(text.data());
    put(address, {begin, begin + text.size()});
  }

  Result<void> read_batch(std::span<probes::ReadPiece> pieces) override {
    for (probes::ReadPiece& piece : pieces) piece.done = read_one(piece);
    return {};
  }

 private:
  bool read_one(const probes::ReadPiece& piece) const {
    auto after = stretches_.upper_bound(piece.address);
    if (after == stretches_.begin()) return false;
    const auto& [address, bytes] = *std::prev(after);
    const std::uint64_t offset = piece.address - address;
    if (offset > bytes.size() || bytes.size() - offset < piece.size) return false;
    std::memcpy(piece.into, bytes.data() + offset, piece.size);
    return true;
  }

  std::map<std::uint64_t, std::vector<std::byte>> stretches_;
};

// A program that was loaded, without relocation, and has not run yet.
class LoadedFile : public probes::Subject, private probes::ElfFiles {
 public:
  // headers: a file with the same program headers, which may differ from path where path is damaged.
  LoadedFile(std::string path, const std::string& headers) : path_(std::move(path)) {
    std::ifstream file(path_, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto elf = probes::ElfFile::open(headers);
    if (!elf) return;
    for (const Elf64_Phdr& h : elf->program_headers()) {
      if (h.p_type != PT_LOAD || h.p_offset >= text.size()) continue;
      const std::string held = text.substr(h.p_offset, h.p_filesz);
      std::vector<std::byte> bytes(std::max<std::uint64_t>(h.p_memsz, held.size()));
      std::memcpy(bytes.data(), held.data(), held.size());
      mappings_.push_back(
          {.start = h.p_vaddr, .end = h.p_vaddr + bytes.size(), .file_offset = h.p_offset, .inode = 1, .path = path_});
      memory_.put(h.p_vaddr, std::move(bytes));
    }
  }

  std::string name() const override { return "loaded file"; }
  std::optional<pid_t> pid() const override { return std::nullopt; }
  probes::Memory& memory() override { return memory_; }
  const std::vector<probes::Mapping>& mappings() const override { return mappings_; }
  probes::ElfFiles* elf_files() override { return this; }
  Result<probes::ElfFile> open(const probes::Mapping& mapping) override { return probes::ElfFile::open(mapping.path); }
  Result<probes::ElfFile> open_executable() override { return probes::ElfFile::open(path_); }
  std::string executable_path() const override { return path_; }
  std::optional<std::vector<int>> epoll_descriptors() override { return std::nullopt; }
  std::optional<std::vector<probes::Registration>> registrations(int /*epfd*/) override { return std::nullopt; }
  probes::Descriptors describe(const std::vector<int>& /*fds*/, probes::Ends /*ends*/) override { return {}; }
  std::optional<std::int64_t> monotonic_now() override { return std::nullopt; }
  std::optional<probes::ThreadCall> thread_call(pid_t /*tid*/) override { return std::nullopt; }

 private:
  std::string path_;
  ScriptedMemory memory_;
  std::vector<probes::Mapping> mappings_;
};

}  // namespace netpoll::test
