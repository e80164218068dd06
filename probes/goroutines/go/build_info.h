// Which Go a program was built with. For people: nothing is decided by it that the program's tables say themselves.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "probes/goroutines/go/image.h"
#include "probes/goroutines/go/moduledata.h"
#include "probes/process/elf/elf_file.h"
#include "probes/process/memory.h"

namespace netpoll::probes {

// The Go version that an executable names in its build information, from the file alone. nullopt: not a Go program;
// an empty string: a Go program that does not say (layout: Go's debug/buildinfo/buildinfo.go, 1.18 and later).
std::optional<std::string> go_version_of(const ElfFile& file);

// A mapping of the first library that Go built with its runtime (-buildmode=c-shared), for a program that is none of
// Go's; null: it has none.
const Mapping* find_go_library(Subject& subject);

// runtime.buildVersion, which programs without build information have as well. Empty: not found.
std::string find_build_version(const Image& image, Memory& memory, const ModuleData& module);

// 22 of "go1.22.5" and "go1.22-custom X:nodwarf5"; nothing of what is written otherwise.
std::optional<int> go_minor(std::string_view version);

}  // namespace netpoll::probes
