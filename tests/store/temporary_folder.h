#ifndef DENIER_TESTS_STORE_TEMPORARY_FOLDER_H_
#define DENIER_TESTS_STORE_TEMPORARY_FOLDER_H_

#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

namespace denier::store {

// A folder of its own, empty at first, deleted in the end. Under TMPDIR, or /tmp.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(std::filesystem::temp_directory_path() / "denier-test-XXXXXX") {
    if (mkdtemp(path_.data()) != nullptr) return;
    std::perror(path_.c_str());
    std::abort();
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace denier::store

#endif  // DENIER_TESTS_STORE_TEMPORARY_FOLDER_H_
