// Walks the load commands of the target's Mach-O images: the first word of the section "__netpoll" is the address of
// its DebugRoot (libruntime/debug/root_macho.cc). The structures are those of <mach-o/loader.h>, which only macOS has,
// while this is tested everywhere.
#include <cstring>
#include <optional>
#include <string_view>

#include "probes/goroutines/libruntime/debug_root.h"
#include "probes/process/bytes.h"

namespace netpoll::probes {
namespace {

constexpr std::string_view kSection = "__netpoll";
constexpr std::string_view kText = "__TEXT";
constexpr std::uint32_t kMagic64 = 0xfeedfacf;  // MH_MAGIC_64
constexpr std::uint32_t kSegment64 = 0x19;      // LC_SEGMENT_64
// Real images stay far below.
constexpr std::uint32_t kMaxCommandBytes = 1 << 20;

struct Header {  // mach_header_64
  std::uint32_t magic, cputype, cpusubtype, filetype, ncmds, sizeofcmds, flags, reserved;
};
struct Command {  // load_command
  std::uint32_t cmd, cmdsize;
};
struct Segment {  // segment_command_64; its sections follow
  Command command;
  char segname[16];
  std::uint64_t vmaddr, vmsize, fileoff, filesize;
  std::uint32_t maxprot, initprot, nsects, flags;
};
struct Section {  // section_64
  char sectname[16], segname[16];
  std::uint64_t addr, size;
  std::uint32_t offset, align, reloff, nreloc, flags, reserved1, reserved2, reserved3;
};
static_assert(sizeof(Header) == 32 && sizeof(Segment) == 72 && sizeof(Section) == 80);

// Without a NUL where the name takes all of it.
bool is_named(const char (&field)[16], std::string_view name) {
  return std::string_view(field, strnlen(field, sizeof field)) == name;
}

// Addresses of an image before it was moved to where it is.
struct Places {
  std::optional<std::uint64_t> header;  // of __TEXT, which begins with it
  std::optional<std::uint64_t> pointer;
};

void look_into_segment(Bytes command, Places& places) {
  const auto segment = command.at<Segment>(0);
  if (!segment) return;
  if (is_named(segment->segname, kText)) places.header = segment->vmaddr;
  for (std::uint32_t i = 0; i < segment->nsects; ++i) {
    const auto section = command.at<Section>(sizeof(Segment) + std::uint64_t{i} * sizeof(Section));
    if (!section) return;
    if (is_named(section->sectname, kSection) && section->size >= sizeof(std::uint64_t)) places.pointer = section->addr;
  }
}

Places places_in(Bytes commands, std::uint32_t count) {
  Places places;
  for (std::uint64_t at = 0; count > 0; --count) {
    const auto command = commands.at<Command>(at);
    if (!command || command->cmdsize < sizeof(Command)) break;
    if (command->cmd == kSegment64) look_into_segment(commands.from(at).first(command->cmdsize), places);
    at += command->cmdsize;
  }
  return places;
}

}  // namespace

Result<std::uint64_t> debug_root_of_image(Memory& memory, const Mapping& image) {
  Header header{};
  auto read = memory.try_read(image.start, &header, sizeof header);
  if (!read) return std::move(read).error();
  if (!*read || header.magic != kMagic64 || header.sizeofcmds > kMaxCommandBytes) return std::uint64_t{0};
  std::vector<std::byte> commands(header.sizeofcmds);
  read = memory.try_read(image.start + sizeof header, commands.data(), commands.size());
  if (!read) return std::move(read).error();
  if (!*read) return std::uint64_t{0};
  const Places places = places_in(Bytes(commands), header.ncmds);
  if (!places.header || !places.pointer) return std::uint64_t{0};
  std::uint64_t root = 0;
  read = memory.try_read(image.start + (*places.pointer - *places.header), &root, sizeof root);
  if (!read) return std::move(read).error();
  return *read ? root : 0;
}

}  // namespace netpoll::probes
