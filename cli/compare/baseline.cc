// Names and writes baselines.
#include "cli/compare/baseline.h"

#include <cctype>
#include <cstdint>
#include <filesystem>
#include <system_error>

#include "cli/compare/input.h"
#include "cli/system/file_path.h"
#include "exporters/destination.h"

namespace netpoll::cli {
namespace {

using exporters::Json;

Json copy_of_member(const Json& document, const char* name) {
  const auto it = document.find(name);
  return it != document.end() && it->is_object() ? *it : Json::object();
}

std::string text_of(const Json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end() || it->is_null()) return "unknown";
  return it->is_string() ? it->get<std::string>() : it->dump();
}

// For a file name: letters, digits, dots; everything else becomes a dash, so that no name leaves the folder.
std::string plain(const std::string& text) {
  std::string out;
  for (const char c : text.substr(0, 60)) out += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' ? c : '-';
  return out;
}

// FNV-1a.
std::uint32_t hash_of(const std::string& text) {
  std::uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

}  // namespace

std::string baseline_path(const std::string& folder, const ResultSet& results) {
  const Json& frame = results.frame;
  const Json workload = copy_of_member(frame, "workload");
  const Json host = copy_of_member(frame, "host");
  const Json target = copy_of_member(frame, "target");
  const auto command = frame.find("command");
  const bool whole = command != frame.end() && command->is_array();
  const std::string what = results.kind == "run" ? text_of(workload, "name") : text_of(target, "comm");
  const std::string machine = text_of(host, "arch") + "-" + text_of(host, "cpus") + "cpu-" + text_of(host, "kernel");
  const std::string backend = text_of(copy_of_member(frame, "probe"), "backend");
  const std::string all = results.kind + exporters::compact(workload) + text_of(target, "kind") + what + machine +
                          backend + (whole ? "command" : "window");
  return folder + "/" + plain(what + "-" + machine + "-" + backend) + "-" + exporters::hex(hash_of(all)).substr(2) +
         ".json";
}

Result<void> write_baseline(const std::string& path, const std::vector<std::string>& files) {
  std::error_code failed;
  const std::string folder = path.substr(0, path.rfind('/'));
  std::filesystem::create_directories(file_path(folder), failed);
  if (failed) {
    return Error(ErrorKind::kInvalid, "cannot make the folder " + folder + ": " + failed.message())
        .with_hint("--baseline names a folder");
  }
  Json all = Json::array();
  for (const std::string& file : files) {
    auto documents = read_documents(file);
    if (!documents) return documents.error();
    for (Json& document : *documents) all.push_back(std::move(document));
  }
  auto out = exporters::Destination::open(path);
  if (!out) return out.error();
  if (auto written = out->write(exporters::to_document(all)); !written) return written;
  return out->commit();
}

bool baseline_exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(file_path(path), ignored);
}

}  // namespace netpoll::cli
