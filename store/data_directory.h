// The data folder of one server:
//
//   FORMAT      the version of everything below
//   LOCK        held while a process uses the folder; says which
//   anchor      how far the log has got       (anchor.h)
//   log/        the events, the only truth    (log.h)
//   checkpoint  what was signed of it last    (checkpoint.h)
//   views/      what is computed from them    (views.h); may be deleted at any time
#ifndef DENIER_STORE_DATA_DIRECTORY_H_
#define DENIER_STORE_DATA_DIRECTORY_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace denier::store {

// The version that this program writes and the newest that it reads (FORMAT.md, "Versions").
inline constexpr int kFormatVersion = 3;

// Holds the folder's lock for as long as it lives. Movable; not thread-safe.
class DataDirectory {
 public:
  // With `initialize` a missing or empty folder is made a data folder.
  // NOT_FOUND: no data folder there. FAILED_PRECONDITION: another process has it (the message names
  // its pid), or a newer program wrote it (the message has both versions), or the folder to
  // initialize holds foreign files. PERMISSION_DENIED: not ours to write. DATA_LOSS: FORMAT is
  // unreadable. UNAVAILABLE: the disk reports an error.
  static absl::StatusOr<DataDirectory> Open(const std::string& path, bool initialize);

  // Opens the folder of a stopped server, or a restored backup, for reading. Nothing is written,
  // and the folder need not be writable. No server starts on it meanwhile; others may read it too.
  // Errors as Open's; PERMISSION_DENIED: not ours to read. With `damaged_format` a FORMAT that is
  // unreadable is said there, and the rest read as of this program's format.
  static absl::StatusOr<DataDirectory> OpenForReading(const std::string& path,
                                                      absl::Status* damaged_format = nullptr);

  // Takes an empty or missing folder for whoever fills it, as restoring a backup does. It becomes a
  // data folder by the file FORMAT, which is to be written last. FAILED_PRECONDITION: it is not
  // empty. Other errors as Open's.
  static absl::StatusOr<DataDirectory> OpenEmpty(const std::string& path);

  // The version that the file FORMAT in `path` names, which this program can use. NOT_FOUND: there
  // is none. Other errors as Open's.
  static absl::StatusOr<int> ReadFormat(const std::string& path);

  // An older FORMAT in `path` says this program's version from now on: something is to be written
  // that older programs cannot read. A folder without FORMAT stays without. Errors as Open's.
  static absl::Status RaiseFormat(const std::string& path);

  DataDirectory(DataDirectory&& other) noexcept;
  DataDirectory& operator=(DataDirectory&& other) noexcept;
  ~DataDirectory();

  const std::string& path() const { return path_; }            // for Log::Open
  std::string views_path() const { return path_ + "/views"; }  // for Generations

  struct Files {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
  };
  // Takes all files of the folder out of the operating system's cache, so that whoever reads them
  // next reads what the disk has. Changes none. A file system in memory has no other copy.
  absl::StatusOr<Files> ForgetCached() const;

 private:
  DataDirectory(std::string path, int lock);

  std::string path_;
  int lock_;  // file descriptor; -1 when moved from, and where there is no LOCK to hold
};

}  // namespace denier::store

#endif  // DENIER_STORE_DATA_DIRECTORY_H_
