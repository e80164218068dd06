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

// The inverse, for those that are spelled as words: fills in the value of an argument whose form is known. False: text
// is not of that form.
bool parse_arg_value(trace::Arg& arg, std::string_view text);
// The bits of "IN", "0x1000"; 0 for another word.
std::uint32_t poll_event_of(std::string_view name);
// Of "0x40" or "64"; 0 for what is no number.
std::uint64_t number_of(std::string_view text);

// The value of an event's argument; otherwise where it has none of the name.
std::int64_t arg_of(const trace::Record& record, std::string_view name, std::int64_t otherwise);
// Whether a call with this name waits for room to write; every other waits for something to read.
bool waits_to_write(std::string_view call);

// How an argument is to be read, as the first line of a stream says it: "fd", "hex", "epoll events".
std::string_view arg_form_name(trace::ArgForm form);
trace::ArgForm arg_form_of(std::string_view name);  // kNumber for a name that is not known

void append_number(std::string& out, std::int64_t value);
void append_unsigned(std::string& out, std::uint64_t value);
void append_hex(std::string& out, std::uint64_t value);

}  // namespace netpoll::exporters
