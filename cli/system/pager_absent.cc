// No pager: Windows has none that everybody has, and elsewhere it is started as commands are, with the probes'
// launcher.
#include "cli/system/pager.h"

namespace netpoll::cli {

std::string pager_command() { return {}; }

bool is_longer_than_screen(std::string_view, int) { return false; }

Result<bool> show_in_pager(const std::string&, std::string_view, Interrupt&) { return false; }

}  // namespace netpoll::cli
