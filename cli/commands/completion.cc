// completion: scripts that make a shell ask us what may stand next (complete.h).
#include <array>
#include <memory>

#include "cli/command.h"
#include "cli/emit.h"
#include "cli/spell.h"

namespace netpoll::cli {
namespace {

struct Shell {
  std::string_view name;
  std::string_view script;
};

// bash cuts words at "=", and replaces the part behind it.
constexpr std::string_view kBash = R"(# Completion of netpoll-trace for bash: source <(netpoll-trace completion bash)
_netpoll_trace() {
  local how= line word tool=${COMP_WORDS[0]/#\~/$HOME} cur=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ -z $how ]]; then
      how=$line
    else
      word=${line%%$'\t'*}
      [[ $word == *[^-a-zA-Z0-9_.,:=/@%+]* ]] && printf -v word %q "$word"
      COMPREPLY+=("$word")
    fi
  done < <("$tool" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  [[ $cur == '=' ]] && cur=
  case $how in
    files | dirs)
      compopt -o filenames 2>/dev/null
      local kind=-f
      [[ $how == dirs ]] && kind=-d
      mapfile -t COMPREPLY < <(compgen "$kind" -- "$cur")
      ;;
    command)
      local at
      for ((at = 1; at < COMP_CWORD; ++at)); do
        [[ ${COMP_WORDS[at]} == -- ]] && break
      done
      if declare -F _command_offset >/dev/null; then
        _command_offset $((at + 1))
      elif ((COMP_CWORD == at + 1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
      else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      fi
      ;;
  esac
}
complete -F _netpoll_trace netpoll-trace
)";

constexpr std::string_view kZsh = R"(#compdef netpoll-trace
# Completion of netpoll-trace for zsh: netpoll-trace completion zsh > DIR_IN_FPATH/_netpoll-trace
_netpoll_trace() {
  local how line
  local -a answer values shown
  answer=("${(@f)$(${~words[1]} __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  how=$answer[1]
  shift answer
  case $how in
    files) _files ;;
    dirs) _files -/ ;;
    command)
      local at=$words[(i)--]
      shift at words
      ((CURRENT -= at))
      _normal
      ;;
    words)
      for line in $answer; do
        values+=("${line%%$'\t'*}")
        shown+=("${line%%$'\t'*}${${${line#*$'\t'}:+  -- ${line#*$'\t'}}}")
      done
      ((${#values})) && compadd -l -d shown -a values
      ;;
  esac
}
if [[ $funcstack[1] == _netpoll-trace ]]; then
  _netpoll_trace "$@"
else
  compdef _netpoll_trace netpoll-trace
fi
)";

constexpr std::string_view kFish = R"(# Completion of netpoll-trace for fish: netpoll-trace completion fish | source
function __netpoll_trace_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l answer ($words[1] __complete $words[2..] "$current" 2>/dev/null)
    switch "$answer[1]"
        case files
            __fish_complete_path "$current"
        case dirs
            __fish_complete_directories "$current"
        case command
            set -l at (contains -i -- -- $words)
            set -l command $words[(math $at + 1)..] "$current"
            complete -C "$command"
        case words
            printf '%s\n' $answer[2..]
    end
end
complete -c netpoll-trace -f -a '(__netpoll_trace_complete)'
)";

constexpr std::array<Shell, 3> kShells{{{"bash", kBash}, {"zsh", kZsh}, {"fish", kFish}}};

std::vector<std::string> shell_names() {
  std::vector<std::string> names;
  for (const Shell& shell : kShells) names.emplace_back(shell.name);
  return names;
}

Result<ExitStatus> run(const std::string& name) {
  for (const Shell& shell : kShells) {
    if (shell.name != name) continue;
    if (auto written = print(shell.script); !written) return std::move(written).error();
    return ExitStatus::kDone;
  }
  return Error(ErrorKind::kInvalid,
               name.empty() ? "completion needs the name of a shell" : "no completion for the shell \"" + name + "\"")
      .with_hint(did_you_mean(name, shell_names(), "one of: " + joined(shell_names())));
}

Action add(Flags& flags) {
  auto shell = std::make_shared<std::string>();
  flags.positional("shell", *shell, shell_names());
  return [shell](Invocation&) { return run(*shell); };
}

}  // namespace

const Command completion_command{
    .name = "completion",
    .summary = "prints a script that completes the command line in bash, zsh or fish",
    .usage = "bash | zsh | fish",
    .description =
        "The script asks netpoll-trace itself what may stand next: commands, flags, formats, back ends, events, "
        "workloads, processes. It need not be made anew when netpoll-trace is.",
    .examples =
        "source <(netpoll-trace completion bash)\n"
        "netpoll-trace completion zsh > ~/.zfunc/_netpoll-trace\n"
        "netpoll-trace completion fish > ~/.config/fish/completions/netpoll-trace.fish",
    .add = add,
};

}  // namespace netpoll::cli
