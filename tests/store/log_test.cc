#include "store/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/faults/fault_file_system.h"
#include "tests/store/temporary_folder.h"

namespace denier::store {
namespace {

using faults::Effect;
using faults::FaultFileSystem;
using faults::Operation;
using faults::Unsynced;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Events = std::vector<std::string>;

// An event of a few hundred bytes, each different.
std::string EventAt(Position position) {
  return "event " + std::to_string(position) + std::string(position % 300, '.');
}

Events EventsIn(Position from, Position to) {
  Events events;
  for (Position position = from; position < to; ++position) events.push_back(EventAt(position));
  return events;
}

Batch BatchOf(const Events& events) {
  Batch batch;
  for (const std::string& event : events) batch.Add(event);
  return batch;
}


class LogTest : public ::testing::Test {
 protected:
  LogTest() { options_.initialize = true; }

  std::string anchor_path() const { return folder_.path() + "/anchor"; }
  std::string log_path() const { return folder_.path() + "/log"; }

  // Opens the log through a disk of its own, as a process does that starts.
  absl::Status TryOpen() {
    log_.reset();
    disk_ = std::make_shared<FaultFileSystem>();
    options_.file_system = disk_;
    absl::StatusOr<std::unique_ptr<Log>> log = Log::Open(folder_.path(), options_);
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }

  void Open() {
    const absl::Status status = TryOpen();
    ASSERT_TRUE(status.ok()) << status;
  }

  // The end of the process; whatever was written is there for the next one.
  void Close() { log_.reset(); }

  absl::Status TryAppend(const Events& events) {
    return log_->Append(BatchOf(events), log_->head().next).status();
  }

  void Append(const Events& events) {
    const absl::Status status = TryAppend(events);
    ASSERT_TRUE(status.ok()) << status;
  }

  Events ReadAll(Position from = 0) const {
    Events events;
    Log::Reader reader = log_->ReadFrom(from);
    while (true) {
      const absl::StatusOr<const StoredBatch*> batch = reader.Next();
      EXPECT_TRUE(batch.ok()) << batch.status();
      if (!batch.ok() || *batch == nullptr) return events;
      events.insert(events.end(), (*batch)->events.begin(), (*batch)->events.end());
    }
  }

  TemporaryFolder folder_;
  LogOptions options_;
  std::shared_ptr<FaultFileSystem> disk_;
  std::unique_ptr<Log> log_;
};

TEST_F(LogTest, BeginsEmpty) {
  Open();
  EXPECT_EQ(log_->head(), (Head{0, EmptyRoot()}));
  EXPECT_THAT(ReadAll(), ElementsAre());
  EXPECT_TRUE(log_->Verify().ok());
}

TEST_F(LogTest, AppendAnswersThePositionOfTheFirstEvent) {
  Open();
  EXPECT_EQ(*log_->Append(BatchOf({"a", "b"}), 0), 0u);
  EXPECT_EQ(*log_->Append(BatchOf({"c"}), 2), 2u);
  EXPECT_EQ(log_->head().next, 3u);
  EXPECT_THAT(ReadAll(), ElementsAre("a", "b", "c"));
}

TEST_F(LogTest, ReadsFromInsideABatch) {
  Open();
  Append(EventsIn(0, 10));
  Append(EventsIn(10, 1000));
  EXPECT_EQ(ReadAll(4), EventsIn(4, 1000));
  EXPECT_EQ(ReadAll(999), EventsIn(999, 1000));
  EXPECT_EQ(ReadAll(1000), Events());
}

TEST_F(LogTest, ReopenedItHoldsWhatWasAppended) {
  Open();
  Append({"a", "b"});
  Append({""});
  const Head head = log_->head();
  options_.initialize = false;
  Open();
  EXPECT_EQ(log_->head(), head);
  EXPECT_THAT(ReadAll(), ElementsAre("a", "b", ""));
  Append({"c"});
  Open();
  EXPECT_THAT(ReadAll(), ElementsAre("a", "b", "", "c"));
  EXPECT_TRUE(log_->Verify().ok());
}

}  // namespace
}  // namespace denier::store
