// Files that are read or written as a whole.
#ifndef DENIER_SERVICES_CLI_WHOLE_FILE_H_
#define DENIER_SERVICES_CLI_WHOLE_FILE_H_

#include <optional>
#include <ostream>
#include <string>

#include "absl/status/status.h"

namespace denier::cli {

// A file that is there whole or not at all: written aside, synced, then renamed. Not thread-safe.
class WholeFile {
 public:
  // `path` is where it is to be; "-": standard output, and until then it lies in the folder of
  // temporary files. Nothing is made yet.
  explicit WholeFile(std::string path);
  ~WholeFile();  // what was not committed is removed
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  // Where to write it.
  const std::string& aside() const { return aside_; }

  // The folder of aside().
  const std::string& folder() const { return folder_; }

  // Puts what was written aside in its place, over what was there before, or copies it to `out`
  // where it is standard output. UNAVAILABLE: the disk, or a closed pipe; nothing is in its place.
  absl::Status Commit(std::ostream& out);

 private:
  std::string path_, folder_, aside_;
};

// The bytes of a regular file; nothing where there is none, or none that can be read.
std::optional<std::string> ReadWholeFile(const std::string& path);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_WHOLE_FILE_H_
