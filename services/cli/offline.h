// What the commands share that read a data folder without a server.
#ifndef DENIER_SERVICES_CLI_OFFLINE_H_
#define DENIER_SERVICES_CLI_OFFLINE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "projections/comparison.h"
#include "services/cli/values.h"
#include "store/data_directory.h"
#include "store/head.h"
#include "store/log.h"
#include "store/position.h"
#include "store/views.h"

namespace denier::cli {

// What `denier verify` and `denier replay` exit with beside ExitCode: the first check, in their
// order, that found damage. Scripts rely on them.
enum OfflineExitCode {
  kFormatDamaged = 10,
  kAnchorDamaged = 11,
  kFilesDamaged = 12,
  kTreeDamaged = 13,
  kEventsDamaged = 14,
  kRulesBroken = 15,
  kProjectionsDiffer = 16,
  kCheckpointContradicts = 17,
  kOlderThanCheckpoint = 18,
};

// A new folder below TMPDIR, or /tmp, deleted in the end.
class ScratchFolder {
 public:
  static absl::StatusOr<std::unique_ptr<ScratchFolder>> Make();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// A data folder that is read. Movable; errors of Open as DataDirectory::OpenForReading's and
// RestoreBackup's.
class ReadFolder {
 public:
  // `path`: a stopped server's folder, or a folder of backups, of which the newest is restored
  // below TMPDIR for as long as this lives.
  static absl::StatusOr<ReadFolder> Open(const std::string& path);

  const std::string& path() const { return directory_.path(); }
  std::string views_path() const { return directory_.views_path(); }

 private:
  ReadFolder(std::unique_ptr<ScratchFolder> restored, store::DataDirectory directory)
      : restored_(std::move(restored)), directory_(std::move(directory)) {}

  std::unique_ptr<ScratchFolder> restored_;  // nullptr: it was there
  store::DataDirectory directory_;
};

// Runs `read` in a process of its own; false: it died of it. RocksDB is built with assertions, and
// a damaged byte may end the process that meets it. To be called before this process uses RocksDB.
bool Survives(const std::function<void()>& read);

// Opens the rows that are served in the data folder and reads each of their blocks.
// NOT_FOUND: there are none. DATA_LOSS: damaged.
absl::StatusOr<std::shared_ptr<store::Views>> OpenStoredRows(const std::string& views_path);

struct RowsCompared {
  projections::Comparison rows, requests, reports;

  bool equal() const {
    return rows.first_difference.empty() && requests.first_difference.empty() &&
           reports.first_difference.empty();
  }
};
absl::StatusOr<RowsCompared> CompareAll(const store::Views::Snapshot& stored,
                                        const store::Views::Snapshot& fresh);
// "1 204 lignes sur 1 204 …", or what differs first.
std::string Describe(const RowsCompared& compared, Lang lang);

// How far a long walk over the log has got, and how fast, on one line of a terminal.
class Meter {
 public:
  // `err` null: nobody watches.
  Meter(std::ostream* err, Lang lang, store::Position total)
      : err_(err), lang_(lang), total_(total) {}

  void At(store::Position done);  // now and then
  void Clear();                   // before other lines

  double seconds() const;
  // Events a second so far.
  std::int64_t Rate(store::Position done) const;

 private:
  using Clock = std::chrono::steady_clock;

  std::ostream* const err_;
  const Lang lang_;
  const store::Position total_;
  const Clock::time_point begun_ = Clock::now();
  Clock::time_point said_ = begun_;
  bool shown_ = false;
};

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_OFFLINE_H_
