// The words for what events say by number: operations, masks of events, arguments.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/trace/record.h"

namespace netpoll::exporters {

// "ADD", "MOD", "DEL" (EPOLL_CTL_*); empty for another number.
std::string_view ctl_op_name(std::int64_t op);

// Appends "IN|OUT|ET"; "0" for an empty mask.
void append_poll_events(std::string& out, std::uint32_t mask);
std::vector<std::string> poll_event_names(std::uint32_t mask);

// Appends the value of an argument as people write it: "ADD", "IN|OUT", "-1", "0x40".
void append_arg_value(std::string& out, const trace::Arg& arg);

void append_number(std::string& out, std::int64_t value);
void append_unsigned(std::string& out, std::uint64_t value);
void append_hex(std::string& out, std::uint64_t value);

}  // namespace netpoll::exporters
