// workload_child: the two hidden subcommands of netpoll-trace without the rest of it: __serve and __load.
#include <cstdio>
#include <span>
#include <string_view>

#include "cli/workload/workload.h"

int main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  const std::span<char*> args(argv + 2, argc > 1 ? static_cast<std::size_t>(argc - 2) : 0);
  if (command == "__serve") return netpoll::workload::serve_main(args);
  if (command == "__load") return netpoll::workload::load_main(args);
  std::fputs("usage: workload_child __serve|__load --NAME=VALUE...\n", stderr);
  return 2;
}
