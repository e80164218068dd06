// Pager: shows a page that is longer than the terminal in the user's pager, as git and man do.
#pragma once

#include <string>
#include <string_view>

#include "cli/system/interrupt.h"
#include "netpoll/result.h"

namespace netpoll::cli {

// The user's: $NETPOLL_TRACE_PAGER, else $PAGER, else "less -FRSX". Empty where there is to be none: the first that is
// set is empty, or "cat".
std::string pager_command();

// Whether text has more lines than the terminal fd has rows; false where fd is none.
bool is_longer_than_screen(std::string_view text, int fd);

// Runs command with the shell and text as its standard input, and returns when it ends. Meanwhile the keyboard is the
// pager's. A less without options of its own ($LESS) gets -FRSX. False: it could not be run, and nothing was shown.
Result<bool> show_in_pager(const std::string& command, std::string_view text, Interrupt& interrupt);

}  // namespace netpoll::cli
