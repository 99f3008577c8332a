// The processes that the bench measures, and the folders that they work on.
#ifndef DENIER_TESTS_BENCH_PROCESS_H_
#define DENIER_TESTS_BENCH_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace denier::bench {

// A server in a process of its own, killed at the latest when this object ends, and when the bench
// itself is killed. Not thread-safe; started from the main thread.
class ServerProcess {
 public:
  // Runs `arguments` (the program first) and returns once it has printed "... ready on HOST:PORT".
  // Its standard error goes to the file `complaints`. UNAVAILABLE: it ended before.
  static absl::StatusOr<std::unique_ptr<ServerProcess>> Start(
      const std::vector<std::string>& arguments, const std::string& complaints);
  ~ServerProcess() { Kill(); }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& address() const { return address_; }
  // Resident memory now, in MiB.
  double ResidentMib() const;

  // SIGKILL, at once.
  void Kill();
  // SIGTERM, and waits. INTERNAL: it did not end in order.
  absl::Status Stop();

 private:
  ServerProcess(pid_t pid, std::string address) : pid_(pid), address_(std::move(address)) {}

  pid_t pid_;
  std::string address_;
};

// The program `name` beside this one, or this one itself.
std::string ProgramBeside(const std::string& name);
std::string ThisProgram();

// denierd as anybody would run it, on the data folder `data`, made where it is missing.
absl::StatusOr<std::unique_ptr<ServerProcess>> StartDenierd(const std::string& data);

// A folder that is deleted in the end.
class ScratchFolder {
 public:
  // Below `parent`, with `name` in its name.
  ScratchFolder(const std::string& parent, const std::string& name);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Makes `to` a data folder that is the same as that of a stopped (or killed) server in `from`, and
// that can be written to without changing it. RocksDB's tables, which nobody writes to again, are
// shared by hard links.
absl::Status CopyDataFolder(const std::string& from, const std::string& to);

// The size of all files below `folder`, in bytes.
std::uint64_t BytesIn(const std::string& folder);

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_PROCESS_H_
