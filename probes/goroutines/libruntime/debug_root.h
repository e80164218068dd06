// Finds what says where the debug ABI begins (netpoll/debug/abi.h), a note in an ELF image and a section in an image of
// PE or Mach-O, in a live process. Everything is read from the target's memory, not from files: so it works for deleted
// and stripped binaries, for shared libraries, in containers and with any load address.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "netpoll/result.h"
#include "probes/process/mappings.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

// The addresses of the DebugRoot variables that the images among mappings announce, at most one an image. Empty when
// none does. Images whose headers make no sense are passed over.
Result<std::vector<std::uint64_t>> find_debug_roots(Memory& memory, const std::vector<Mapping>& mappings);

// The one of the image that may begin where the mapping does, of PE or Mach-O, whose sections say so
// (debug_root_pe.cc, debug_root_macho.cc). 0: it has none, or its headers make no sense. Errors: of the memory as a
// whole.
Result<std::uint64_t> debug_root_of_image(Memory& memory, const Mapping& image);

// Looks through the notes of one PT_NOTE segment, which the target has at address: the DebugRoot address of the first
// netpoll note, or 0. `align` is the segment's p_align (4 or 8, elf(5)).
std::uint64_t debug_root_in_notes(std::span<const std::byte> notes, std::uint64_t address, std::uint64_t align);

}  // namespace netpoll::probes
