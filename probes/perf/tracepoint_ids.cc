// Reads ids from tracefs and from the file that keeps them.
#include "probes/perf/tracepoint_ids.h"

#include <dirent.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>

#include "probes/process/elf/elf_notes.h"

namespace netpoll::probes {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kLearn = "sudo netpoll-trace doctor --learn, once per kernel";
constexpr std::size_t kFileLimit = 1 << 20;  // the ids of one kernel take some 30 KiB

// nullopt: it cannot be read, with errno.
std::optional<std::string> read_some(const std::string& path, std::size_t limit) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (file == nullptr) return std::nullopt;
  std::string text(limit, '\0');
  errno = 0;
  text.resize(std::fread(text.data(), 1, limit, file.get()));
  if (std::ferror(file.get()) != 0) return std::nullopt;
  return text;
}

std::string text_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

// Printable, for a message.
std::string release_in(const Json& kernel) {
  std::string text = text_in(kernel, "release").substr(0, 64);
  std::erase_if(text, [](char c) { return c < ' ' || c > '~'; });
  return text.empty() ? "an unknown kernel" : "kernel " + text;
}

}  // namespace

KernelBuild running_kernel() {
  utsname host{};
  ::uname(&host);
  const std::string notes = read_some("/sys/kernel/notes", 1 << 16).value_or("");
  return {host.release, host.version, host.machine, build_id_in(std::as_bytes(std::span(notes)))};
}

std::string learned_ids_path() {
  const char* path = std::getenv("NETPOLL_TRACEPOINTS");
  return path != nullptr && *path != '\0' ? path : "/var/lib/netpoll-trace/tracepoints.json";
}

Result<TracepointIds> read_tracefs_ids() {
  std::string folder;
  std::unique_ptr<DIR, int (*)(DIR*)> dir(nullptr, &::closedir);
  int error = ENOENT;
  for (const char* root : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    folder = std::string(root) + "/events/syscalls";
    dir.reset(::opendir(folder.c_str()));
    if (dir != nullptr) break;
    if (errno != ENOENT) error = errno;
  }
  if (dir == nullptr) {
    return posix_error("tracefs: /sys/kernel/tracing/events/syscalls", error)
        .with_hint(error == ENOENT ? "mount -t tracefs nodev /sys/kernel/tracing, in a kernel with "
                                     "CONFIG_FTRACE_SYSCALLS"
                                   : kLearn);
  }
  TracepointIds ids;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (!name.starts_with("sys_enter_") && !name.starts_with("sys_exit_")) continue;
    const auto text = read_some(folder + "/" + name + "/id", 32);
    if (!text) return posix_error(folder + "/" + name + "/id", errno).with_hint(kLearn);
    ids[name] = std::strtoull(text->c_str(), nullptr, 10);
  }
  if (ids.empty()) return Error(ErrorKind::kNotSupported, folder + " names no system call");
  return ids;
}

std::string learned_ids_document(const TracepointIds& ids, const KernelBuild& kernel) {
  Json json;
  json["schema"] = "netpoll-trace/tracepoints/v1";
  json["kernel"] = {{"release", kernel.release},
                    {"version", kernel.version},
                    {"machine", kernel.machine},
                    {"build_id", kernel.build_id.empty() ? Json(nullptr) : Json(kernel.build_id)}};
  json["tracepoints"] = ids;
  return json.dump(1) + "\n";
}

Result<TracepointIds> parse_learned_ids(const std::string& text, const std::string& path, const KernelBuild& running) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto malformed = [&] {
    return Error(ErrorKind::kProtocol, path + " does not hold tracepoint ids").with_hint(kLearn);
  };
  if (!json.is_object() || text_in(json, "schema") != "netpoll-trace/tracepoints/v1") return malformed();
  const Json kernel = json.value("kernel", Json());
  const Json tracepoints = json.value("tracepoints", Json());
  if (!kernel.is_object() || !tracepoints.is_object()) return malformed();
  if (text_in(kernel, "release") != running.release || text_in(kernel, "version") != running.version ||
      text_in(kernel, "machine") != running.machine || text_in(kernel, "build_id") != running.build_id) {
    return Error(ErrorKind::kNotFound,
                 path + " is of another build, " + release_in(kernel) + "; this is kernel " + running.release)
        .with_hint(kLearn);
  }
  TracepointIds ids;
  for (const auto& [name, id] : tracepoints.items()) {
    if (!id.is_number_unsigned()) return malformed();
    ids[name] = id.get<std::uint64_t>();
  }
  return ids;
}

Result<TracepointIds> find_tracepoint_ids() {
  if (auto ids = read_tracefs_ids()) return ids;
  const std::string path = learned_ids_path();
  const auto text = read_some(path, kFileLimit);
  if (!text && errno == ENOENT) {
    return Error(ErrorKind::kNotFound,
                 "the ids of this kernel's tracepoints are root's to read, and nobody has kept "
                 "them in " +
                     path)
        .with_hint(kLearn);
  }
  if (!text) return posix_error(path, errno).with_hint(kLearn);
  return parse_learned_ids(*text, path, running_kernel());
}

}  // namespace netpoll::probes
