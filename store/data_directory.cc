#include "store/data_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace denier::store {
namespace {

constexpr std::string_view kFormatPrefix = "denier data folder, format ";

absl::Status ErrnoStatus(int error, const std::string& doing) {
  const std::string message = absl::StrCat(doing, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
      return absl::FailedPreconditionError(message);
    default:
      return absl::UnavailableError(message);
  }
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

absl::StatusOr<std::string> ReadSmallFile(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return ErrnoStatus(errno, absl::StrCat("opening ", path));
  char bytes[256];
  const ssize_t count = read(file.get(), bytes, sizeof(bytes));
  if (count < 0) return ErrnoStatus(errno, absl::StrCat("reading ", path));
  return std::string(bytes, static_cast<std::size_t>(count));
}

absl::Status SyncFolder(const std::string& path) {
  const Descriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return ErrnoStatus(errno, absl::StrCat("opening ", path));
  if (fsync(folder.get()) != 0) return ErrnoStatus(errno, absl::StrCat("syncing ", path));
  return absl::OkStatus();
}

std::string FormatPath(const std::string& path) { return path + "/FORMAT"; }

// Written last: a folder whose initialization was cut off is one to initialize again.
absl::Status WriteFormat(const std::string& path) {
  const std::string fresh = FormatPath(path) + ".new";
  const std::string line = absl::StrCat(
      absl::string_view(kFormatPrefix.data(), kFormatPrefix.size()), kFormatVersion, "\n");
  const Descriptor file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.get() < 0) return ErrnoStatus(errno, absl::StrCat("creating ", fresh));
  if (write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
      fsync(file.get()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("writing ", fresh));
  }
  if (rename(fresh.c_str(), FormatPath(path).c_str()) != 0) {
    return ErrnoStatus(errno, absl::StrCat("renaming ", fresh));
  }
  return SyncFolder(path);
}

// OK: the folder holds nothing but what a file system or an earlier attempt has put there.
absl::Status CheckEmpty(const std::string& path) {
  DIR* const folder = opendir(path.c_str());
  if (folder == nullptr) return ErrnoStatus(errno, absl::StrCat("reading ", path));
  std::string foreign;
  while (const dirent* const entry = readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && name != "LOCK" && name != "FORMAT.new" &&
        name != "lost+found") {
      foreign = name;
    }
  }
  closedir(folder);
  if (foreign.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(path, " holds other files (", foreign, "); a new data folder must be empty"));
}

// Makes the folder and those above it, durably.
absl::Status MakeFolder(std::filesystem::path path) {
  if (!path.has_filename()) path = path.parent_path();  // "folder/"
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
  int failed = mkdir(path.c_str(), 0750);
  if (failed != 0 && errno == ENOENT && parent != path) {
    const absl::Status made = MakeFolder(parent);
    if (!made.ok()) return made;
    failed = mkdir(path.c_str(), 0750);
  }
  if (failed != 0 && errno == EEXIST) return absl::OkStatus();
  if (failed != 0) return ErrnoStatus(errno, absl::StrCat("making ", path.string()));
  return SyncFolder(parent);
}

// The file descriptor that holds the lock.
absl::StatusOr<int> Lock(const std::string& path) {
  const std::string name = path + "/LOCK";
  Descriptor file(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (file.get() < 0) return ErrnoStatus(errno, absl::StrCat("opening ", name));
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return ErrnoStatus(errno, absl::StrCat("locking ", name));
    if (flock(file.get(), LOCK_SH | LOCK_NB) == 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          path,
          " is being read by another process (denier verify, replay, ...); wait for its end"));
    }
    const absl::StatusOr<std::string> holder = ReadSmallFile(name);
    return absl::FailedPreconditionError(absl::StrCat(
        path, " is in use by another process, pid ",
        holder.ok() && !holder->empty() ? holder->substr(0, holder->find('\n')) : "unknown"));
  }
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(file.get(), 0) != 0 ||
      pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return ErrnoStatus(errno, absl::StrCat("writing ", name));
  }
  return file.Release();
}

// As Lock, but beside other readers and without a trace: -1 where nobody has ever made a LOCK.
absl::StatusOr<int> LockForReading(const std::string& path) {
  const std::string name = path + "/LOCK";
  Descriptor file(open(name.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 && errno == ENOENT) return -1;
  if (file.get() < 0) return ErrnoStatus(errno, absl::StrCat("opening ", name));
  if (flock(file.get(), LOCK_SH | LOCK_NB) == 0) return file.Release();
  if (errno != EWOULDBLOCK) return ErrnoStatus(errno, absl::StrCat("locking ", name));
  const absl::StatusOr<std::string> holder = ReadSmallFile(name);
  return absl::FailedPreconditionError(absl::StrCat(
      path, " is in use by another process, pid ",
      holder.ok() && !holder->empty() ? holder->substr(0, holder->find('\n')) : "unknown",
      "; stop it first, or read a backup"));
}

// Pages that are not on the disk yet cannot be let go of, so they go there first.
absl::Status ForgetCachedFile(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return ErrnoStatus(errno, absl::StrCat("opening ", path));
  if (fdatasync(file.get()) != 0 && errno != EROFS && errno != EINVAL) {
    return ErrnoStatus(errno, absl::StrCat("syncing ", path));
  }
  if (const int error = posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED); error != 0) {
    return ErrnoStatus(error, absl::StrCat("forgetting the cached pages of ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DataDirectory> DataDirectory::OpenForReading(const std::string& path,
                                                            absl::Status* damaged_format) {
  absl::Status format = ReadFormat(path).status();
  if (absl::IsDataLoss(format) && damaged_format != nullptr) {
    *damaged_format = std::exchange(format, absl::OkStatus());
  }
  if (!format.ok()) return format;
  absl::StatusOr<int> lock = LockForReading(path);
  if (!lock.ok()) return lock.status();
  return DataDirectory(path, *lock);
}

absl::StatusOr<DataDirectory::Files> DataDirectory::ForgetCached() const {
  Files files;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(path_, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator();
       entry.increment(error)) {
    if (!entry->is_regular_file(error) || error) continue;
    if (absl::Status forgotten = ForgetCachedFile(entry->path()); !forgotten.ok()) return forgotten;
    ++files.count;
    files.bytes += entry->file_size(error);
  }
  if (error) return ErrnoStatus(error.value(), absl::StrCat("reading ", path_));
  return files;
}

absl::StatusOr<int> DataDirectory::ReadFormat(const std::string& path) {
  const absl::StatusOr<std::string> format = ReadSmallFile(FormatPath(path));
  if (absl::IsNotFound(format.status())) {
    return absl::NotFoundError(absl::StrCat(path, " is not a data folder: it has no file FORMAT"));
  }
  if (!format.ok()) return format.status();

  std::string_view rest = *format;
  int version = 0;
  bool readable = rest.starts_with(kFormatPrefix);
  if (readable) {
    rest.remove_prefix(kFormatPrefix.size());
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), version);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    readable = error == std::errc() && rest == "\n" && version > 0;
  }
  if (!readable) {
    return absl::DataLossError(absl::StrCat(
        FormatPath(path), " is damaged; the line that this program writes there is: ",
        absl::string_view(kFormatPrefix.data(), kFormatPrefix.size()), kFormatVersion));
  }
  if (version > kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " has format ", version, ", this program knows formats up to ",
                     kFormatVersion, "; use the program that wrote it, or a newer one"));
  }
  return version;
}

absl::Status DataDirectory::RaiseFormat(const std::string& path) {
  const absl::StatusOr<int> version = ReadFormat(path);
  if (absl::IsNotFound(version.status())) return absl::OkStatus();
  if (!version.ok()) return version.status();
  return *version < kFormatVersion ? WriteFormat(path) : absl::OkStatus();
}

absl::StatusOr<DataDirectory> DataDirectory::OpenEmpty(const std::string& path) {
  absl::Status status = MakeFolder(path);
  if (status.ok()) status = CheckEmpty(path);
  if (!status.ok()) return status;
  absl::StatusOr<int> lock = Lock(path);
  if (!lock.ok()) return lock.status();
  DataDirectory directory(path, *lock);
  status = CheckEmpty(path);  // another process may have filled it meanwhile
  if (!status.ok()) return status;
  return directory;
}

absl::StatusOr<DataDirectory> DataDirectory::Open(const std::string& path, bool initialize) {
  // Looks before it writes anything: what is not ours to open is left as it was found.
  absl::Status format = ReadFormat(path).status();
  if (absl::IsNotFound(format) && initialize) {
    const absl::Status made = MakeFolder(path);
    if (!made.ok()) return made;
    const absl::Status empty = CheckEmpty(path);
    if (!empty.ok()) return empty;
  } else if (!format.ok()) {
    return format;
  }

  absl::StatusOr<int> lock = Lock(path);
  if (!lock.ok()) return lock.status();
  DataDirectory directory(path, *lock);

  format = ReadFormat(path).status();  // another process may have initialized it meanwhile
  if (absl::IsNotFound(format) && initialize) format = WriteFormat(path);
  if (!format.ok()) return format;
  return directory;
}

DataDirectory::DataDirectory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

DataDirectory& DataDirectory::operator=(DataDirectory&& other) noexcept {
  DataDirectory moved(std::move(other));
  std::swap(path_, moved.path_);
  std::swap(lock_, moved.lock_);
  return *this;
}

DataDirectory::~DataDirectory() {
  if (lock_ >= 0) close(lock_);
}

}  // namespace denier::store
