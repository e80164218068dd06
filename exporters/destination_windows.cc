// Temporary files beside the target, the move that makes them visible, and the standard streams, by their handles.
#include "exporters/destination.h"

#include <windows.h>

#include <cerrno>
#include <cstdint>

#include "libruntime/base/wide.h"
#include "libruntime/base/winsock_error.h"

namespace netpoll::exporters {
namespace {

constexpr int kStandardOutput = 1;
constexpr int kStandardError = 2;

// Of out_: a standard stream goes by its number in C, a file by its handle.
HANDLE handle_of(int out, bool standard) {
  if (standard) return GetStdHandle(out == kStandardError ? STD_ERROR_HANDLE : STD_OUTPUT_HANDLE);
  return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(out));
}

int last_error() { return base::errno_of(GetLastError()); }

}  // namespace

Result<Destination> Destination::open(const std::string& path, Standard unnamed) {
  Destination destination;
  if (path.empty() || path == "-") {
    destination.out_ = path.empty() && unnamed == Standard::kError ? kStandardError : kStandardOutput;
    const HANDLE stream = handle_of(destination.out_, true);
    if (stream == nullptr || stream == INVALID_HANDLE_VALUE) return destination.failed("write to ", EBADF);
    return destination;
  }
  destination.path_ = destination.real_path_ = path;
  if (auto opened = destination.open_temporary(); !opened) return opened.error();
  destination.out_ = destination.fd_.get();
  return destination;
}

Result<void> Destination::open_temporary() {
  const DWORD attributes = GetFileAttributesW(base::widen(path_).c_str());
  const bool exists = attributes != INVALID_FILE_ATTRIBUTES;
  if (exists && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) return failed("write to ", EISDIR);
  if (exists && (attributes & FILE_ATTRIBUTE_READONLY) != 0) return failed("write to ", EACCES);
  const auto make = [](const std::string& name, DWORD how) {
    return CreateFileW(base::widen(name).c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr, how, FILE_ATTRIBUTE_NORMAL,
                       nullptr);
  };
  HANDLE file = INVALID_HANDLE_VALUE;
  // NUL, CON and their kind are no files, and are written as they are.
  if (const HANDLE device = make(path_, OPEN_EXISTING); device != INVALID_HANDLE_VALUE) {
    in_place_ = GetFileType(device) != FILE_TYPE_DISK;
    if (in_place_) {
      file = device;
    } else {
      CloseHandle(device);
    }
  }
  for (int attempt = 0; file == INVALID_HANDLE_VALUE; ++attempt) {
    const std::string name =
        path_ + "." + std::to_string(GetCurrentProcessId()) + "." + std::to_string(attempt) + ".tmp";
    file = make(name, CREATE_NEW);
    if (file != INVALID_HANDLE_VALUE) {
      temporary_ = name;
    } else if (GetLastError() != ERROR_FILE_EXISTS) {
      return failed("create a file beside ", last_error());
    }
  }
  fd_.reset(static_cast<int>(reinterpret_cast<std::intptr_t>(file)));
  return {};
}

Destination::~Destination() {
  fd_.reset();  // an open file keeps its name
  if (!temporary_.empty()) DeleteFileW(base::widen(temporary_).c_str());
}

Result<void> Destination::push() { return {}; }  // nothing waits: write_behind() is for who traces

Result<void> Destination::write_now(std::string_view bytes) {
  const HANDLE handle = handle_of(out_, path_.empty());
  while (!bytes.empty()) {
    DWORD count = 0;
    const DWORD most = bytes.size() < (1U << 20U) ? static_cast<DWORD>(bytes.size()) : 1U << 20U;
    if (WriteFile(handle, bytes.data(), most, &count, nullptr) == 0) return failed("write to ", last_error());
    bytes.remove_prefix(count);
  }
  return {};
}

Result<void> Destination::commit() {
  if (path_.empty()) return {};
  fd_.reset();
  if (in_place_) return {};
  if (MoveFileExW(base::widen(temporary_).c_str(), base::widen(real_path_).c_str(), MOVEFILE_REPLACE_EXISTING) == 0) {
    return failed("write to ", last_error());
  }
  temporary_.clear();
  return {};
}

std::string Destination::advice(int err) const {
  switch (err) {
    case EISDIR:
      return "name a file inside it: -o " + path_ + "\\result.json";
    case ENOENT:
      return "the directory does not exist";
    default:
      return {};
  }
}

}  // namespace netpoll::exporters
