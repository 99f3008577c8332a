#include "services/cli/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace denier::cli {
namespace {

std::string FolderOf(const std::string& path) {
  if (path == "-") {
    const char* temporary = std::getenv("TMPDIR");
    return temporary == nullptr || *temporary == '\0' ? "/tmp" : temporary;
  }
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string NameOf(const std::string& path) {
  return path == "-" ? "denier-export" : path.substr(path.rfind('/') + 1);
}

absl::Status Failed(const std::string& path) {
  return absl::UnavailableError(absl::StrCat(path, ": ", std::strerror(errno)));
}

}  // namespace

WholeFile::WholeFile(std::string path)
    : path_(std::move(path)),
      folder_(FolderOf(path_)),
      aside_(absl::StrCat(folder_, "/.", NameOf(path_), ".", getpid(), ".part")) {}

WholeFile::~WholeFile() { unlink(aside_.c_str()); }

absl::Status WholeFile::Commit(std::ostream& out) {
  if (path_ == "-") {
    std::ifstream written(aside_, std::ios::binary);
    if (!written) return Failed(aside_);
    // An empty file would set the failbit.
    if (written.peek() != std::ifstream::traits_type::eof()) out << written.rdbuf();
    return out.flush() ? absl::OkStatus() : Failed(path_);
  }
  const int descriptor = open(aside_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return Failed(aside_);
  const bool synced = fsync(descriptor) == 0;
  close(descriptor);
  if (!synced) return Failed(aside_);
  if (std::rename(aside_.c_str(), path_.c_str()) != 0) return Failed(path_);
  return absl::OkStatus();
}

std::optional<std::string> ReadWholeFile(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file) return std::nullopt;
  return bytes;
}

}  // namespace denier::cli
