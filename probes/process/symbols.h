// Names for code addresses of a process or core, from the symbol tables of the files it runs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "probes/process/subject.h"

namespace netpoll::probes {

// Address -> demangled function name. An address without a symbol (a stripped file) is missing.
using SymbolNames = std::unordered_map<std::uint64_t, std::string>;

// Looks up all addresses at once: each file's table is walked once and nothing of it is kept. Files are opened as the
// target sees them; one that was replaced on disk since it was started is not consulted.
SymbolNames resolve_symbols(Subject& subject, std::span<const std::uint64_t> addresses);

// The name that a reader wants to see of a demangled function: for the entry of a goroutine,
// "void netpoll::detail::spawn<serve(int)::{lambda()#1}>(...)::{lambda(void*)#1}::_FUN(void*)", that is what was handed
// to go(): "serve(int)::{lambda()#1}". Others are left as they are.
std::string goroutine_function(std::string_view demangled);

}  // namespace netpoll::probes
