// Which goroutines of a snapshot are shown, and what must not be.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "netpoll/result.h"
#include "netpoll/trace/goroutine.h"

namespace netpoll::cli {

// Each wish narrows the choice. Without any: those in IO wait.
struct GoroutineFilter {
  bool all = false;  // in whatever state
  std::optional<std::chrono::nanoseconds> min_wait;
  std::optional<int> fd;
  std::string peer;      // part of the peer's address
  std::string local;     // part of the local address
  std::string state;     // a TCP state, or a wait reason or status; upper and lower case are the same
  std::string function;  // part of the name of a function on its stack, of the one that it runs, or its creator
  std::vector<std::pair<std::string, std::optional<std::string>>> labels;  // key, and value if it matters; all of them
  bool no_deadline = false;

  bool shows(const trace::GoroutineSnapshot& snapshot, const trace::Goroutine& goroutine) const;
};

// "k=v", or "k" for any value. kInvalid without a key.
Result<std::pair<std::string, std::optional<std::string>>> parse_label(const std::string& text);

// What a document that leaves the house must not tell.
struct Redaction {
  bool labels = false;  // values of labels
  bool peers = false;   // addresses of both ends, and names of the processes there
  bool args = false;    // arguments of functions, in which names of types stand for values
};
// kInvalid for a word that is none of labels, peers and args.
Result<Redaction> parse_redaction(const std::vector<std::string>& words);
void redact(trace::GoroutineSnapshot& snapshot, const Redaction& redaction);

}  // namespace netpoll::cli
