// Flags: the flags and arguments of one command, as declared by it. The only door to CLI11.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netpoll/result.h"

namespace netpoll::cli {

// Declare first, then parse() once. Fields are borrowed and must outlive parse(). What is not given leaves its field as
// it was. Not thread-safe.
class Flags {
 public:
  Flags();
  ~Flags();
  Flags(const Flags&) = delete;
  Flags& operator=(const Flags&) = delete;

  // What a flag looks like in help: under which heading, with which word for its value. And what the value may be,
  // where that can be listed: for completion alone, the command checks what it gets.
  struct Look {
    const char* group;
    const char* type = "";
    std::string help;
    std::vector<std::string> choices = {};
  };
  // names: "-d,--duration". The text arrives as typed; units.h makes numbers of it.
  void text(const char* names, std::string& field, const Look& look);
  void on_off(const char* names, bool& field, const Look& look);
  // A flag that may be repeated. With separate, one occurrence may carry several values: "-p 1,2", "-p 1 2".
  void list(const char* names, std::vector<std::string>& field, bool separate, const Look& look);
  // Without choices an argument names a file.
  void positional(const char* name, std::string& field, std::vector<std::string> choices = {});
  void positionals(const char* name, std::vector<std::string>& field, std::vector<std::string> choices = {});

  // What a flag is that the words do not name, by its long name; nothing: what its field is.
  using Defaults = std::function<std::optional<std::vector<std::string>>(const std::string& name)>;

  // Reads the words behind the command's name. Fails with kInvalid for an unknown flag (did you mean), a missing or
  // empty value or a word too many; usage is the hint for the latter, and help the one for everything else.
  Result<void> parse(const std::vector<std::string>& words, const std::string& usage, const std::string& help,
                     const Defaults& defaults = {});

  struct Row {
    std::vector<std::string> short_names;  // without dashes
    std::vector<std::string> long_names;
    std::string type;  // empty: takes no value
    std::string group;
    std::string help;
    std::vector<std::string> choices;
    bool list = false;  // takes several values, with commas between them
  };
  // In the order of declaration, without positional arguments.
  std::vector<Row> rows() const;
  // What positional arguments may be; nothing: there are none. Empty: files.
  const std::optional<std::vector<std::string>>& positional_choices() const;

 private:
  std::string flag_without_value(const std::vector<std::string>& words) const;
  Result<void> take_defaults(const Defaults& defaults);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace netpoll::cli
