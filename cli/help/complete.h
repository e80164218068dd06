// What may stand next on the command line: the answer to the hidden command __complete, which the scripts of
// `completion` ask at each Tab, so that they never disagree with this binary.
#pragma once

#include <string>
#include <vector>

namespace netpoll::cli {

// words: what stands behind the program's name up to the cursor; the last is the one to complete, and may be empty.
// "--flag=value" may come as one word or, as bash cuts it, as three.
//
// The first line says what follows: "words": lines "WORD\tWHAT IT IS", each to replace the last word; "files", "dirs",
// "command" (a command line of its own): the shell knows better.
std::string completions(const std::vector<std::string>& words);

}  // namespace netpoll::cli
