// The kinds of events that sources have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "probes/stream.h"

namespace netpoll::probes {

void add_call_kinds(std::vector<EventKind>& kinds, const StreamOptions& options);
void add_tracepoint_kinds(std::vector<EventKind>& kinds);
void add_process_kinds(std::vector<EventKind>& kinds);
// All of io_uring that are known by name.
void add_uring_kinds(std::vector<EventKind>& kinds);

// A record of an operation. fd: of an operation that is about a descriptor, or the number of a registered file, if
// fixed. flags: IORING_CQE_F_* of its completion.
void fill_uring(trace::Record& record, std::size_t opcode, std::uint64_t user_data, int fd, bool fixed,
                std::uint32_t flags);

// How an argument of a tracepoint with this name is to be read (tracepoints.def).
trace::ArgForm tracepoint_arg_form(std::string_view name);
// A record of a tracepoint that was hit with these arguments; time, cpu and ids are the caller's. False: no such row.
bool fill_tracepoint(trace::Record& record, std::size_t row, std::span<const std::int64_t> args);

}  // namespace netpoll::probes
