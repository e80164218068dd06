// Reads links one by one, many of them by two threads.
#include "probes/process/descriptors/links.h"

#include <unistd.h>

#include <array>
#include <charconv>
#include <future>
#include <iterator>
#include <string_view>
#include <utility>

#include "probes/process/descriptors/descriptors.h"
#include "probes/process/proc_status.h"

namespace netpoll::probes {
namespace {

// Less is done before a thread has begun.
constexpr std::size_t kWorthAThread = 1000;

std::vector<DescriptorLink> read_here(int folder, std::span<const int> numbers) {
  std::vector<DescriptorLink> links;
  links.reserve(numbers.size());
  for (const int number : numbers) {
    if (auto link = read_link(folder, number)) links.push_back(std::move(*link));
  }
  return links;
}

}  // namespace

Dir open_links(pid_t pid) { return Dir(opendir(("/proc/" + std::to_string(living_thread(pid)) + "/fd").c_str())); }

std::vector<int> list_numbers(DIR* folder) {
  std::vector<int> numbers;
  while (const dirent* entry = readdir(folder)) {
    const std::string_view name(entry->d_name);
    int number = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc{} && end == name.data() + name.size()) numbers.push_back(number);
  }
  return numbers;
}

std::string DescriptorLink::text() const {
  if (!key) return path;
  const std::string inode = "[" + std::to_string(key->inode) + "]";
  switch (key->kind) {
    case FileKey::Kind::kSocket:
      return "socket:" + inode;
    case FileKey::Kind::kPipe:
      return "pipe:" + inode;
    case FileKey::Kind::kEpoll:
      return std::string(kEpollLink);
    case FileKey::Kind::kFifo:
      break;
  }
  return path;
}

std::optional<DescriptorLink> read_link(int folder, int number) {
  std::array<char, 16> name{};
  std::to_chars(name.data(), name.data() + name.size() - 1, number);
  std::array<char, 256> text;
  const ssize_t size = readlinkat(folder, name.data(), text.data(), text.size());
  if (size < 0) return std::nullopt;
  const std::string_view link(text.data(), static_cast<std::size_t>(size));
  DescriptorLink result{.number = number, .key = key_of_link(link), .path = {}};
  if (!result.key) result.path = link;
  return result;
}

std::vector<DescriptorLink> read_links(int folder, std::span<const int> numbers) {
  if (numbers.size() < kWorthAThread) return read_here(folder, numbers);
  const std::size_t half = numbers.size() / 2;
  // Where no thread is to be had, get() does it.
  auto rest = std::async(read_here, folder, numbers.subspan(half));
  std::vector<DescriptorLink> links = read_here(folder, numbers.first(half));
  std::vector<DescriptorLink> more = rest.get();
  links.insert(links.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  return links;
}

}  // namespace netpoll::probes
