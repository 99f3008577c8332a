#ifndef DENIER_TESTS_PROJECTIONS_BOOKKEEPING_H_
#define DENIER_TESTS_PROJECTIONS_BOOKKEEPING_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "projections/runner.h"
#include "tests/projections/history.h"
#include "tests/store/temporary_folder.h"

namespace denier::projections {

using std::chrono::steady_clock;
using store::Views;

// What a test waits for at most: for ever, but for a test that has gone wrong.
inline constexpr auto kLong = std::chrono::seconds(60);

// A log and its rows, in folders of their own.
class Bookkeeping {
 public:
  explicit Bookkeeping(store::ViewsOptions options = {}) : options_(std::move(options)) {
    store::LogOptions log_options;
    log_options.initialize = true;
    auto log = store::Log::Open(folder_.path(), log_options);
    EXPECT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  store::Log& log() { return *log_; }
  Runner& runner() { return *runner_; }
  std::string views_folder() const { return folder_.path() + "/views"; }
  // Since the last start.
  std::vector<std::string> said() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return said_;
  }

  void Append(std::vector<History::Event>::const_iterator begin,
              std::vector<History::Event>::const_iterator end) {
    store::Batch batch;
    for (; begin != end; ++begin) batch.Add(begin->SerializeAsString());
    AppendBatch(batch);
  }
  // The events of `history` beyond what the log has already, in batches of `batch_size`.
  void Append(const History& history, std::size_t batch_size = 1'000) {
    const auto& events = history.events();
    while (log_->head().next < events.size()) {
      const auto begin = events.begin() + static_cast<std::ptrdiff_t>(log_->head().next);
      const auto left = static_cast<std::size_t>(events.end() - begin);
      Append(begin, begin + static_cast<std::ptrdiff_t>(std::min(left, batch_size)));
    }
  }
  void AppendBatch(const store::Batch& batch) {
    const auto appended = log_->Append(batch, log_->head().next);
    ASSERT_TRUE(appended.ok()) << appended.status();
    if (runner_ != nullptr) runner_->NotifyHead();
  }

  absl::Status TryStart() {
    said_.clear();
    auto runner = Runner::Start(*log_, views_folder(), options_, [this](const std::string& words) {
      const std::lock_guard<std::mutex> lock(mutex_);
      said_.push_back(words);
    });
    if (!runner.ok()) return runner.status();
    runner_ = *std::move(runner);
    return absl::OkStatus();
  }
  void Start() {
    const absl::Status started = TryStart();
    ASSERT_TRUE(started.ok()) << started;
  }
  void Stop() { runner_.reset(); }

  void AwaitHead() {
    const absl::Status folded = runner_->WaitFor(log_->head().next, steady_clock::now() + kLong);
    ASSERT_TRUE(folded.ok()) << folded;
  }

  std::map<std::string, std::string> Rows() { return RowsIn(runner_->views()->TakeSnapshot()); }

  static std::map<std::string, std::string> RowsIn(const Views::Snapshot& snapshot) {
    std::map<std::string, std::string> rows;
    auto scanned = snapshot.Scan("", "", 1'000'000);
    EXPECT_TRUE(scanned.ok()) << scanned.status();
    if (!scanned.ok()) return rows;
    for (auto& row : *scanned) rows[row.key] = std::move(row.value);
    return rows;
  }

  // Replaces the stored rows by others at the cursor that `at` gives. The runner is stopped.
  void Replace(const std::function<void(std::map<std::string, std::string>&)>& change,
               const std::function<void(store::Cursor&)>& at = nullptr) {
    store::Generations generations(views_folder());
    auto stored = generations.OpenCurrent();
    ASSERT_TRUE(stored.ok()) << stored.status();
    auto rows = RowsIn((*stored)->TakeSnapshot());
    store::Cursor cursor = (*stored)->cursor();
    change(rows);
    if (at) at(cursor);
    auto fresh = generations.Start();
    ASSERT_TRUE(fresh.ok()) << fresh.status();
    Views::Write write;
    for (const auto& [key, row] : rows) write.Put(key, row);
    ASSERT_TRUE((*fresh)->Commit(std::move(write), cursor).ok());
    ASSERT_TRUE(generations.Promote(**fresh).ok());
    stored->reset();
    ASSERT_TRUE(generations.DropOthers().ok());
  }

  // The file that begins with the agreements' rows.
  std::filesystem::path AgreementsTable() const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(views_folder())) {
      if (entry.path().extension() != ".sst") continue;
      std::ifstream file(entry.path(), std::ios::binary);
      std::string begin(40, '\0');
      file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
      if (begin.find("agreement/") != std::string::npos) return entry.path();
    }
    ADD_FAILURE() << "no file begins with the agreements' rows";
    return {};
  }

 private:
  const store::ViewsOptions options_;
  const store::TemporaryFolder folder_;
  std::unique_ptr<store::Log> log_;
  mutable std::mutex mutex_;
  std::vector<std::string> said_;  // guarded by mutex_
  std::unique_ptr<Runner> runner_;
};

}  // namespace denier::projections

#endif  // DENIER_TESTS_PROJECTIONS_BOOKKEEPING_H_
