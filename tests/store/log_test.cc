#include "store/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/perf_context.h>
#include <rocksdb/perf_level.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "store/encoding.h"
#include "tests/faults/held_disk.h"
#include "tests/store/raw_log.h"
#include "tests/store/temporary_folder.h"
#include "tests/store/wal_file.h"

namespace denier::store {
namespace {

using faults::Effect;
using faults::Fault;
using faults::HeldDisk;
using faults::Operation;
using faults::Unsynced;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Events = std::vector<std::string>;

// An event of a few hundred bytes, each different.
std::string EventAt(Position position) {
  return "event " + std::to_string(position) + std::string(position % 300, '.');
}

// As many random bytes.
std::string NoiseAt(Position position) {
  std::mt19937 random(static_cast<std::uint32_t>(position));
  std::string noise(position % 300 + 10, '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  return noise;
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

// The files below `path` and what they hold.
std::map<std::string, std::string> ContentsOf(const std::string& path) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    std::ifstream file(entry.path(), std::ios::binary);
    contents[entry.path().string()] =
        entry.is_directory() ? "" : std::string(std::istreambuf_iterator<char>(file), {});
  }
  return contents;
}

void CopyFolder(const std::string& from, const std::string& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

void FlipBit(const std::string& path, std::uint64_t offset) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(offset));
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(byte);
}

class LogTest : public ::testing::Test {
 protected:
  LogTest() { options_.initialize = true; }

  std::string anchor_path() const { return folder_.path() + "/data/anchor"; }
  std::string log_path() const { return folder_.path() + "/data/log"; }

  // Opens the log through a disk of its own, as a process does that starts.
  absl::Status TryOpen() {
    Close();
    std::filesystem::create_directory(folder_.path() + "/data");
    disk_ = std::make_shared<HeldDisk>();
    options_.file_system = disk_;
    absl::StatusOr<std::unique_ptr<Log>> log = Log::Open(folder_.path() + "/data", options_);
    if (!log.ok()) return log.status();
    log_ = *std::move(log);
    return absl::OkStatus();
  }

  void Open() {
    const absl::Status status = TryOpen();
    ASSERT_TRUE(status.ok()) << status;
  }

  // As every start but the first.
  void Reopen() {
    options_.initialize = false;
    Open();
  }

  // The log is refused with DATA_LOSS, a message that has `what` in it, and no file touched.
  void ExpectDataLoss(const std::string& what) {
    Close();
    const auto before = ContentsOf(folder_.path());
    const absl::Status status = TryOpen();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
    EXPECT_EQ(ContentsOf(folder_.path()), before) << "a refused log is left as it was found";
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

  // Appends the events up to position `to`, `size` a batch.
  void AppendUpTo(Position to, Position size) {
    for (Position at = log_->head().next; at < to; at += size) {
      Append(EventsIn(at, std::min(to, at + size)));
    }
  }

  // The same, of events that nothing makes shorter.
  void AppendNoiseUpTo(Position to, Position size) {
    for (Position at = log_->head().next; at < to;) {
      Events events;
      for (const Position end = std::min(to, at + size); at < end; ++at) {
        events.push_back(NoiseAt(at));
      }
      Append(events);
    }
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

  // The file that the last commits stand in.
  std::string Wal() const {
    std::string last;
    for (const auto& entry : std::filesystem::directory_iterator(log_path())) {
      const std::string path = entry.path().string();
      if (path.ends_with(".log") && std::filesystem::file_size(path) > 0)
        last = std::max(last, path);
    }
    EXPECT_NE(last, "");
    return last;
  }

  std::string format_path() const { return folder_.path() + "/data/FORMAT"; }

  // Makes it a folder as a program of format 1 has left it.
  void LeaveAsFormat1() {
    Plant([](RawLog& log) {
      log.PutNodesAmongBatches();
      return rocksdb::Status::OK();
    });
    std::ofstream(format_path()) << "denier data folder, format 1\n";
  }

  // What somebody who knows RocksDB can do to a log that nobody has open.
  void Plant(const std::function<rocksdb::Status(RawLog&)>& damage) {
    Close();
    RawLog log(folder_.path() + "/data");
    const rocksdb::Status status = damage(log);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }

  // Each of these, under the key of the batch that begins at `first`, is found by who reads it.
  void ExpectEachIsDataLoss(const std::string& key, Position first,
                            const std::vector<std::string>& values) {
    for (const std::string& damaged : values) {
      Plant([&](RawLog& log) { return log.db().Put({}, key, damaged); });
      Reopen();
      EXPECT_TRUE(absl::IsDataLoss(log_->Read(first).status())) << damaged.size();
      EXPECT_TRUE(absl::IsDataLoss(log_->Verify())) << damaged.size();
    }
  }

  TemporaryFolder folder_;
  LogOptions options_;
  std::shared_ptr<HeldDisk> disk_;
  std::unique_ptr<Log> log_;
};

// ---------------------------------------------------------------------- Appending and reading

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

TEST_F(LogTest, AppendElsewhereThanAtTheHeadIsAborted) {
  Open();
  Append({"a", "b"});
  EXPECT_TRUE(absl::IsAborted(log_->Append(BatchOf({"c"}), 1).status()));
  EXPECT_TRUE(absl::IsAborted(log_->Append(BatchOf({"c"}), 3).status()));
  EXPECT_THAT(ReadAll(), ElementsAre("a", "b"));
  Append({"c"});
}

TEST_F(LogTest, AnEmptyBatchIsInvalid) {
  Open();
  EXPECT_TRUE(absl::IsInvalidArgument(TryAppend({})));
  EXPECT_EQ(log_->head().next, 0u);
}

TEST_F(LogTest, ABatchAboveTheLimitIsInvalid) {
  Open();
  const std::size_t most = kMaxBatchBytes - sizeof(std::uint32_t);
  EXPECT_TRUE(absl::IsInvalidArgument(TryAppend({std::string(most + 1, 'x')})));
  EXPECT_EQ(log_->head().next, 0u);
  Append({std::string(most, 'x')});
  EXPECT_EQ(log_->Read(0)->size(), most);
}

TEST_F(LogTest, ReadsFromInsideABatch) {
  Open();
  Append(EventsIn(0, 10));
  Append(EventsIn(10, 1000));
  EXPECT_EQ(ReadAll(4), EventsIn(4, 1000));
  EXPECT_EQ(ReadAll(10), EventsIn(10, 1000));
  EXPECT_EQ(ReadAll(999), EventsIn(999, 1000));
  EXPECT_EQ(ReadAll(1000), Events());

  Log::Reader reader = log_->ReadFrom(4);
  const absl::StatusOr<const StoredBatch*> batch = reader.Next();
  EXPECT_EQ((*batch)->first, 4u);
  EXPECT_EQ((*batch)->head, *log_->HeadAt(10));
  EXPECT_EQ(reader.position(), 10u);
}

// The value of a batch as it stands in RocksDB.
std::string ValueOf(RawLog& log, Position first) {
  std::string key = "b", value;
  AppendBigEndian64(first, &key);
  EXPECT_TRUE(log.db().Get({}, key, &value).ok());
  return value;
}

TEST_F(LogTest, ALargeBatchIsCompressedAndASmallOneIsLeftToRocksDb) {
  Open();
  Append(EventsIn(0, 1000));
  Append(EventsIn(1000, 1010));
  const Head head = log_->head();
  Plant([](RawLog& log) {
    EXPECT_TRUE(IsInChunks(ValueOf(log, 0)));
    EXPECT_LT(ValueOf(log, 0).size(), BatchOf(EventsIn(0, 1000)).bytes().size() / 3);
    EXPECT_EQ(ValueOf(log, 1000).substr(36), BatchOf(EventsIn(1000, 1010)).bytes());
    return rocksdb::Status::OK();
  });
  Reopen();
  EXPECT_EQ(log_->head(), head);
  EXPECT_EQ(ReadAll(), EventsIn(0, 1010));
  EXPECT_EQ(ReadAll(707), EventsIn(707, 1010));
  EXPECT_TRUE(log_->Verify().ok());
}

TEST_F(LogTest, ReadsLargeBatchesThatAreNotCompressed) {
  Open();
  AppendUpTo(3'000, 1'000);
  const Head head = log_->head();
  Plant([](RawLog& log) {
    const Batch batch = BatchOf(EventsIn(1'000, 2'000));
    std::string value;
    AppendLittleEndian32(1'000, &value);
    value += ValueOf(log, 1'000).substr(4, sizeof(Hash)) + batch.bytes();
    return log.db().Put({}, std::string("b\0\0\0\0\0\0\x03\xe8", 9), value);
  });
  std::ofstream(format_path()) << "denier data folder, format 2\n";
  Reopen();
  EXPECT_EQ(log_->head(), head);
  EXPECT_EQ(ReadAll(), EventsIn(0, 3'000));
  EXPECT_TRUE(log_->Verify().ok());
  EXPECT_EQ(ContentsOf(folder_.path())[format_path()], "denier data folder, format 3\n");
}

// Those of files alone, from the cache or from the disk.
std::uint64_t BlocksReadBy(absl::FunctionRef<void()> read) {
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
  rocksdb::get_perf_context()->Reset();
  read();
  const rocksdb::PerfContext& counters = *rocksdb::get_perf_context();
  const std::uint64_t blocks = counters.block_read_count + counters.block_cache_hit_count;
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  return blocks;
}

// Large batches have a block each: the one after it is not to be read for nothing.
TEST_F(LogTest, AnEventInsideABatchIsFoundWithTheBlocksOfItsFirstOne) {
  Open();
  AppendNoiseUpTo(5'000, 1'000);
  Reopen();
  const auto blocks_of = [&](Position position) {
    return BlocksReadBy([&] { EXPECT_EQ(log_->Read(position).value(), NoiseAt(position)); });
  };
  const std::uint64_t blocks = blocks_of(1'000);
  EXPECT_GT(blocks, 0u);
  for (const Position position : {1'001, 1'700, 1'999, 2'999, 4'500}) {
    EXPECT_EQ(blocks_of(position), blocks) << position;
  }
}

// Nor is the one before the second batch to be read again on the way there.
TEST_F(LogTest, AReaderThatBeganInsideABatchReadsOneBlockForEachThatFollows) {
  Open();
  AppendNoiseUpTo(5'000, 1'000);
  Reopen();
  Log::Reader reader = log_->ReadFrom(1'700);
  EXPECT_EQ((*reader.Next())->first, 1'700u);
  for (const Position first : {2'000u, 3'000u, 4'000u}) {
    EXPECT_EQ(BlocksReadBy([&] { EXPECT_EQ((*reader.Next())->first, first); }), 1u) << first;
  }
}

// Whatever lies between them: what comes after the trusted head is verified, not looked up.
TEST_F(LogTest, ABatchAcrossTwoOthersIsDamageWhereTheLogIsVerified) {
  Open();
  AppendUpTo(40, 10);
  const Head trusted = *log_->HeadAt(10);
  const std::string path = folder_.path() + "/data/log";
  Plant([](RawLog& log) {
    std::string value;
    const rocksdb::Status found = log.db().Get({}, std::string("b\0\0\0\0\0\0\0\x0a", 9), &value);
    return found.ok() ? log.db().Put({}, std::string("b\0\0\0\0\0\0\0\x0b", 9), value) : found;
  });
  EXPECT_TRUE(absl::IsDataLoss(Log::OpenReadOnlyAt(path, trusted).status()));
}

TEST_F(LogTest, AReaderFollowsTheLogAsItGrows) {
  Open();
  Log::Reader reader = log_->ReadFrom(1);
  EXPECT_EQ(*reader.Next(), nullptr);
  Append({"a"});
  EXPECT_EQ(*reader.Next(), nullptr) << "it is to begin at 1";
  Append({"b", "c"});
  Append({"d"});
  EXPECT_THAT((*reader.Next())->events, ElementsAre("b", "c"));
  Append({"e"});
  EXPECT_THAT((*reader.Next())->events, ElementsAre("d"));
  EXPECT_THAT((*reader.Next())->events, ElementsAre("e"));
  EXPECT_EQ(*reader.Next(), nullptr);
  EXPECT_EQ(*reader.Next(), nullptr);
  Append({"f"});
  EXPECT_THAT((*reader.Next())->events, ElementsAre("f"));
}

TEST_F(LogTest, ReadersAndTheAppenderDoNotDisturbEachOther) {
  Open();
  constexpr Position kEnd = 2000;
  std::vector<std::thread> readers;
  std::atomic<int> complete{0};
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([this, &complete] {
      Log::Reader reader = log_->ReadFrom(0);
      while (reader.position() < kEnd) {
        const absl::StatusOr<const StoredBatch*> batch = reader.Next();
        ASSERT_TRUE(batch.ok()) << batch.status();
        if (*batch == nullptr) {
          std::this_thread::yield();
          continue;
        }
        Position position = (*batch)->first;
        for (const std::string_view event : (*batch)->events) {
          ASSERT_EQ(event, EventAt(position++));
        }
        ASSERT_EQ(position, (*batch)->head.next);
        ASSERT_EQ(*log_->HeadAt(position), (*batch)->head);
        ASSERT_EQ(*log_->Read((*batch)->first), EventAt((*batch)->first));
      }
      ++complete;
    });
  }
  AppendUpTo(kEnd, 7);
  const absl::Status verified = log_->Verify();
  EXPECT_TRUE(verified.ok()) << verified;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(complete, 2);
}

TEST_F(LogTest, VerifiesWhileItGrows) {
  Open();
  std::atomic<bool> stop{false};
  std::thread verifier([this, &stop] {
    while (!stop) {
      const absl::Status verified = log_->Verify();
      ASSERT_TRUE(verified.ok()) << verified;
    }
  });
  AppendUpTo(3000, 11);
  stop = true;
  verifier.join();
}

TEST_F(LogTest, HeadAtGivesTheHeadOfEachBatchAndOfNothingElse) {
  Open();
  std::vector<Head> heads = {log_->head()};
  for (const Position end : {3, 4, 300, 1000}) {
    Append(EventsIn(log_->head().next, end));
    heads.push_back(log_->head());
  }
  for (const Head& head : heads) EXPECT_EQ(*log_->HeadAt(head.next), head);
  for (const Position inside : {1, 2, 5, 299, 301, 999}) {
    EXPECT_TRUE(absl::IsNotFound(log_->HeadAt(inside).status())) << inside;
  }
  EXPECT_TRUE(absl::IsOutOfRange(log_->HeadAt(1001).status()));
}

TEST_F(LogTest, ReadsOneEvent) {
  Open();
  AppendUpTo(50, 20);
  for (const Position position : {0, 19, 20, 49}) {
    EXPECT_EQ(*log_->Read(position), EventAt(position));
  }
  EXPECT_TRUE(absl::IsOutOfRange(log_->Read(50).status()));
}

// ------------------------------------------------------------------------------------ Opening

TEST_F(LogTest, ReopenedItHoldsWhatWasAppended) {
  Open();
  Append({"a", "b"});
  Append({""});
  const Head head = log_->head();
  Reopen();
  EXPECT_EQ(log_->head(), head);
  EXPECT_THAT(ReadAll(), ElementsAre("a", "b", ""));
  Append({"c"});
  Reopen();
  EXPECT_THAT(ReadAll(), ElementsAre("a", "b", "", "c"));
  EXPECT_TRUE(log_->Verify().ok());
}

TEST_F(LogTest, ReopenedItContinuesTheSameTree) {
  Open();
  MerkleFrontier expected;
  Position size = 0;
  for (const Position next : {1, 255, 256, 257, 511, 513, 1024, 2048, 2100}) {
    Append(EventsIn(size, next));
    for (; size < next; ++size) expected.Append(LeafHash(EventAt(size)));
    EXPECT_EQ(log_->head(), (Head{size, expected.Root()}));
    Reopen();
    EXPECT_EQ(log_->head(), (Head{size, expected.Root()}));
  }
  EXPECT_TRUE(log_->Verify().ok());
  EXPECT_EQ(ReadAll(), EventsIn(0, 2100));
}

TEST_F(LogTest, NoLogIsNotFound) {
  options_.initialize = false;
  const absl::Status status = TryOpen();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/data"));
}

TEST_F(LogTest, AnInterruptedInitializationIsBegunAgain) {
  Open();
  Close();
  std::filesystem::remove(anchor_path());
  for (const auto& entry : std::filesystem::directory_iterator(log_path())) {
    const std::string name = entry.path().filename();
    if (name == "CURRENT" || name.ends_with(".log")) std::filesystem::remove(entry.path());
  }
  Open();
  Append({"a"});
  Reopen();
  EXPECT_THAT(ReadAll(), ElementsAre("a"));
}

TEST_F(LogTest, AMissingAnchorIsDataLossUnlessInitializationWasAskedFor) {
  Open();
  AppendUpTo(600, 100);
  const Head head = log_->head();
  Close();
  std::filesystem::remove(anchor_path());
  options_.initialize = false;
  ExpectDataLoss("is missing");

  options_.initialize = true;
  Open();
  EXPECT_EQ(log_->head(), head);
  Reopen();
  EXPECT_EQ(log_->head(), head);
}

TEST_F(LogTest, WithoutItsAnchorADamagedLogIsNotInitialized) {
  Open();
  AppendUpTo(600, 100);
  Reopen();  // from the WAL to files of its own
  Plant([](RawLog& log) { return log.db().Delete({}, std::string("b\0\0\0\0\0\0\0\0", 9)); });
  std::filesystem::remove(anchor_path());
  options_.initialize = true;
  ExpectDataLoss("position 0");
}

TEST_F(LogTest, AnAnchorWithoutItsLogIsDataLossEvenWhenInitializing) {
  Open();
  Append({"a", "b"});
  Close();
  std::filesystem::remove_all(log_path());
  ExpectDataLoss("[0, 2)");
  std::filesystem::create_directory(log_path());
  ExpectDataLoss("[0, 2)");
  options_.initialize = false;
  ExpectDataLoss("[0, 2)");
}

TEST_F(LogTest, EventsWithoutCurrentAreNotTakenForAnEmptyLog) {
  Open();
  Append({"a", "b"});
  Close();
  std::filesystem::remove(log_path() + "/CURRENT");
  std::filesystem::remove(anchor_path());
  ExpectDataLoss("CURRENT");
}

TEST_F(LogTest, ALogThatEndsBeforeTheAnchorIsDataLossAndNamesWhatIsMissing) {
  Open();
  AppendUpTo(40, 10);
  Close();
  CopyFolder(log_path(), folder_.path() + "/older");
  Reopen();
  AppendUpTo(70, 10);
  Close();
  CopyFolder(folder_.path() + "/older", log_path());
  ExpectDataLoss("[40, 70)");
}

TEST_F(LogTest, AnotherHistoryOfTheSameLengthIsDataLoss) {
  Open();
  Append({"a", "b"});
  Close();
  CopyFolder(log_path(), folder_.path() + "/other");
  std::filesystem::remove_all(folder_.path() + "/data");
  Open();
  Append({"a", "B"});
  const Hash anchored = log_->head().root;
  Close();
  CopyFolder(folder_.path() + "/other", log_path());
  ExpectDataLoss(ToHex(anchored));
}

TEST_F(LogTest, AnotherHistoryWithOtherBatchesIsDataLoss) {
  Open();
  Append({"a", "b", "c"});
  Close();
  CopyFolder(log_path(), folder_.path() + "/other");
  std::filesystem::remove_all(folder_.path() + "/data");
  Open();
  Append({"a", "b"});
  Close();
  CopyFolder(folder_.path() + "/other", log_path());
  ExpectDataLoss("no end of a batch");
}

TEST_F(LogTest, BatchesBeyondTheAnchorAreKeptAndAnchored) {
  Open();
  AppendUpTo(300, 100);
  Close();
  std::filesystem::copy_file(anchor_path(), folder_.path() + "/older");
  Reopen();
  AppendUpTo(700, 100);
  const Head head = log_->head();
  Close();
  std::filesystem::rename(folder_.path() + "/older", anchor_path());
  Reopen();
  EXPECT_EQ(log_->head(), head);
  EXPECT_EQ(ReadAll(), EventsIn(0, 700));
  Close();
  EXPECT_EQ(*Anchor::Read(*rocksdb::FileSystem::Default(), anchor_path()), head);
}

TEST_F(LogTest, ABatchBeyondTheAnchorThatContinuesAnotherHistoryIsDataLoss) {
  Open();
  Append({"a"});
  Plant([](RawLog& log) {
    return log.db().Put(
        {}, std::string("b\0\0\0\0\0\0\0\1", 9),
        std::string("\1\0\0\0", 4) + std::string(32, 'r') + std::string("\0\0\0\0", 4));
  });
  ExpectDataLoss("position 1");
}

TEST_F(LogTest, ATornTailIsCutOff) {
  Open();
  AppendUpTo(40, 20);
  Close();
  std::filesystem::copy_file(anchor_path(), folder_.path() + "/older");
  Reopen();
  const std::uint64_t before = 0;
  Append(EventsIn(40, 70));
  const std::string wal = Wal();
  const std::uint64_t after = WrittenBytes(wal);
  const std::uint64_t with_zeros = std::filesystem::file_size(wal);
  ASSERT_GT(with_zeros, after);
  Close();
  std::filesystem::rename(folder_.path() + "/older", anchor_path());
  CopyFolder(folder_.path() + "/data", folder_.path() + "/whole");
  for (std::uint64_t size = before; size < after; size += 501) {
    // The file ends there, or zeros follow.
    for (const std::uint64_t file_size : {size, with_zeros}) {
      CopyFolder(folder_.path() + "/whole", folder_.path() + "/data");
      std::filesystem::resize_file(wal, size);
      std::filesystem::resize_file(wal, file_size);
      Reopen();
      EXPECT_EQ(ReadAll(), EventsIn(0, 40)) << size << " of " << file_size;
      Append({"again"});
      Reopen();
      EXPECT_EQ(log_->Read(40).value(), "again");
    }
  }
}

// -------------------------------------------------------------------------------- Verification

TEST_F(LogTest, VerifyFindsAChangedEvent) {
  Open();
  AppendUpTo(3000, 100);
  Plant([](RawLog& log) {
    std::string value;
    const std::string key = std::string("b\0\0\0\0\0\0\3\xe8", 9);  // 1000
    rocksdb::Status status = log.db().Get({}, key, &value);
    value.back() ^= 1;
    return status.ok() ? log.db().Put({}, key, value) : status;
  });
  Reopen();  // which does not read that far back
  const absl::Status verified = log_->Verify();
  EXPECT_TRUE(absl::IsDataLoss(verified)) << verified;
  EXPECT_THAT(std::string(verified.message()), HasSubstr("position 1100"));
}

TEST_F(LogTest, VerifyFindsAMissingBatch) {
  Open();
  AppendUpTo(3000, 100);
  Plant([](RawLog& log) { return log.db().Delete({}, std::string("b\0\0\0\0\0\0\3\xe8", 9)); });
  Reopen();
  EXPECT_TRUE(absl::IsDataLoss(log_->Verify()));
  EXPECT_TRUE(absl::IsDataLoss(log_->Read(1050).status()));
  EXPECT_TRUE(absl::IsDataLoss(log_->HeadAt(1100).status()));

  Log::Reader reader = log_->ReadFrom(900);
  ASSERT_TRUE(reader.Next().ok());
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(absl::IsDataLoss(reader.Next().status()));
    EXPECT_EQ(reader.position(), 1000u) << "the reader stays where it is";
  }
}

TEST_F(LogTest, MalformedBatchesAreDataLossWhereverTheyAreRead) {
  Open();
  AppendUpTo(300, 10);  // so that opening does not read that far back
  const std::string key("b\0\0\0\0\0\0\0\x0a", 9);
  std::string whole;
  Plant([&](RawLog& log) { return log.db().Get({}, key, &whole); });
  std::string more = whole, fewer = whole;
  ++more[0];
  --fewer[0];
  ExpectEachIsDataLoss(key, 10,
                       {std::string(), whole.substr(0, 35), whole.substr(0, 40),
                        whole.substr(0, whole.size() - 1), whole + "x", more, fewer});
}

TEST_F(LogTest, MalformedChunksAreDataLossWhereverTheyAreRead) {
  Open();
  AppendUpTo(3'000, 500);  // so that opening does not read that far back
  const std::string key("b\0\0\0\0\0\0\x01\xf4", 9);
  std::string whole;
  Plant([&](RawLog& log) { return log.db().Get({}, key, &whole); });
  ASSERT_TRUE(IsInChunks(whole));
  std::string more = whole, fewer = whole, unmarked = whole, longer = whole;
  ++more[0];
  --fewer[0];
  unmarked[3] = 0;
  ++longer[36];
  ExpectEachIsDataLoss(key, 500,
                       {whole.substr(0, 36), whole.substr(0, 40), whole.substr(0, whole.size() - 1),
                        whole + "x", more, fewer, unmarked, longer});
}

TEST_F(LogTest, VerifyFindsNodesThatAreNotTheEvents) {
  const std::string node = std::string("n\x08\0\0\0\0\0\0\0\3", 10);
  const std::vector<std::function<rocksdb::Status(RawLog&)>> damages = {
      [&](RawLog& log) { return log.db().Put({}, log.nodes(), node, std::string(32, 'x')); },
      [&](RawLog& log) { return log.db().Put({}, log.nodes(), node, "x"); },
      [&](RawLog& log) { return log.db().Delete({}, log.nodes(), node); },
      [&](RawLog& log) {
        return log.db().Put({}, log.nodes(), std::string("n\x07\0\0\0\0\0\0\0\3", 10),
                            std::string(32, 'x'));
      },
      // A key that is of neither kind, and one of the other kind.
      [&](RawLog& log) { return log.db().Put({}, "onsense", ""); },
      [&](RawLog& log) { return log.db().Put({}, "anonsense", ""); },
      [&](RawLog& log) { return log.db().Put({}, log.nodes(), "onsense", ""); },
      [&](RawLog& log) { return log.db().Put({}, log.nodes(), "b12345678", ""); },
  };
  for (const auto& damage : damages) {
    std::filesystem::remove_all(folder_.path() + "/data");
    options_.initialize = true;
    Open();
    AppendUpTo(2048, 100);
    Plant(damage);
    Reopen();
    EXPECT_TRUE(absl::IsDataLoss(log_->Verify()));
    Close();
  }
}

TEST_F(LogTest, OpeningFindsADamagedPeak) {
  Open();
  AppendUpTo(600, 100);
  Plant([](RawLog& log) {
    return log.db().Put({}, log.nodes(), std::string("n\x09\0\0\0\0\0\0\0\0", 10),
                        std::string(32, 'x'));
  });
  ExpectDataLoss("position 600");
}

// Format 1 had them there.
TEST_F(LogTest, ReadsNodesThatLieAmongTheBatches) {
  Open();
  AppendUpTo(3'000, 100);
  const Head head = log_->head();
  LeaveAsFormat1();
  const auto before = ContentsOf(folder_.path());
  options_.initialize = false;
  {
    const auto reading = Log::OpenReadOnly(folder_.path() + "/data", options_);
    ASSERT_TRUE(reading.ok()) << reading.status();
    EXPECT_EQ((*reading)->head(), head);
    EXPECT_TRUE((*reading)->Verify().ok());
    EXPECT_TRUE((*reading)->ProveInclusion(5, 3'000).ok());
  }
  EXPECT_EQ(ContentsOf(folder_.path()), before);
}

TEST_F(LogTest, ARefusedLogKeepsItsOldFormat) {
  Open();
  AppendUpTo(600, 100);
  LeaveAsFormat1();
  std::filesystem::remove(anchor_path());
  options_.initialize = false;
  ExpectDataLoss("anchor");  // no file touched, FORMAT among them
}

TEST_F(LogTest, MovesNodesFromAmongTheBatchesOnce) {
  Open();
  AppendUpTo(3'000, 100);
  std::vector<std::pair<std::string, std::string>> rows;
  Plant([&](RawLog& log) {
    rows = log.Rows();
    return rocksdb::Status::OK();
  });
  LeaveAsFormat1();
  Reopen();
  EXPECT_EQ(ContentsOf(folder_.path())[format_path()], "denier data folder, format 3\n");
  EXPECT_TRUE(log_->Verify().ok());
  Plant([&](RawLog& log) {
    EXPECT_NE(log.nodes(), nullptr);
    EXPECT_EQ(log.Rows(), rows);
    return rocksdb::Status::OK();
  });
  Reopen();
  AppendUpTo(4'000, 100);
  EXPECT_TRUE(log_->Verify().ok());
}

// The first start that was to move them made their family and was cut off.
TEST_F(LogTest, AnEmptyFamilyDoesNotHideTheNodesAmongTheBatches) {
  Open();
  AppendUpTo(3'000, 100);
  Plant([](RawLog& log) {
    log.PutNodesAmongBatches();
    rocksdb::ColumnFamilyHandle* made = nullptr;
    const rocksdb::Status status = log.db().CreateColumnFamily({}, "nodes", &made);
    delete made;
    return status;
  });
  options_.initialize = false;
  {
    const auto reading = Log::OpenReadOnly(folder_.path() + "/data", options_);
    ASSERT_TRUE(reading.ok()) << reading.status();
    EXPECT_TRUE((*reading)->Verify().ok());
  }
  Reopen();
  EXPECT_TRUE(log_->Verify().ok());
}

TEST_F(LogTest, VerifyFindsAFlippedBitInAFile) {
  Open();
  AppendUpTo(3000, 100);
  Reopen();  // moves them to a file
  for (const auto& entry : std::filesystem::directory_iterator(log_path())) {
    if (entry.path().extension() == ".sst") FlipBit(entry.path(), entry.file_size() / 2);
  }
  EXPECT_TRUE(absl::IsDataLoss(log_->Verify()));
}

// ------------------------------------------------------------------------------------- Faults

TEST_F(LogTest, AfterAFailedSyncEveryAppendIsRefusedUntilTheLogIsOpenedAgain) {
  Open();
  Append({"a"});
  const Head head = log_->head();
  disk_->Plan({Operation::kSync, ".log", Effect::kError});
  EXPECT_TRUE(absl::IsUnavailable(TryAppend({"b"})));
  EXPECT_TRUE(absl::IsUnavailable(TryAppend({"b"})));
  EXPECT_EQ(log_->head(), head);
  EXPECT_THAT(ReadAll(), ElementsAre("a")) << "what is not acknowledged is not shown";

  // The outcome was unknown: here the bytes had got there.
  Reopen();
  EXPECT_THAT(ReadAll(), ElementsAre("a", "b"));
  Append({"c"});
  EXPECT_TRUE(log_->Verify().ok());
}

TEST_F(LogTest, AFailedWriteStopsTheLog) {
  Open();
  Append({"a"});
  disk_->Plan({Operation::kWrite, ".log", Effect::kError});
  EXPECT_TRUE(absl::IsUnavailable(TryAppend({"b"})));
  EXPECT_TRUE(absl::IsUnavailable(TryAppend({"b"})));
  Reopen();
  EXPECT_THAT(ReadAll(), ElementsAre("a"));
}

TEST_F(LogTest, AFailedWriteOfTheAnchorStopsTheLog) {
  Open();
  Append({"a"});
  disk_->Plan({Operation::kWrite, "anchor", Effect::kError});
  // It may be the background's, which brings the second slot up to date.
  absl::Status status = TryAppend({"b"});
  while (status.ok()) status = TryAppend({"b"});
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_TRUE(absl::IsUnavailable(TryAppend({"c"})));
  const Position acknowledged = log_->head().next;
  Reopen();
  EXPECT_GE(log_->head().next, acknowledged);
}

TEST_F(LogTest, AFailedSyncOfTheAnchorStopsTheLog) {
  Open();
  disk_->Plan({Operation::kSync, "anchor", Effect::kError});
  absl::Status status = TryAppend({"a"});
  while (status.ok()) status = TryAppend({"a"});
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  const Position acknowledged = log_->head().next;
  Reopen();
  EXPECT_EQ(log_->head().next, acknowledged);
  Append({"b"});
}

TEST_F(LogTest, ADiskBelowTheMarkIsRefusedBeforeAnythingIsWritten) {
  Open();
  Append({"a"});
  const auto before = ContentsOf(log_path());
  disk_->SetFreeSpace(options_.min_free_bytes - 1);
  EXPECT_TRUE(absl::IsResourceExhausted(TryAppend({"b"})));
  EXPECT_EQ(ContentsOf(log_path()), before);
  disk_->SetFreeSpace(options_.min_free_bytes);
  Append({"b"});
  EXPECT_THAT(ReadAll(), ElementsAre("a", "b"));
}

TEST_F(LogTest, TellsItsHeadWhileTheDiskIsAskedForRoom) {
  Open();
  Append({"a"});
  disk_->Hold(HeldDisk::At::kFreeSpace);
  std::thread appending([this] { Append({"b"}); });
  disk_->AwaitHeld();
  EXPECT_EQ(log_->head().next, 1u);
  disk_->Hold(HeldDisk::At::kNothing);
  appending.join();
  EXPECT_EQ(log_->head().next, 2u);
}

TEST_F(LogTest, ACommitIsOneSync) {
  Open();
  Append({"a"});  // the first one also syncs the folder
  const int before = disk_->SyncsOf(".log");
  for (int i = 0; i < 10; ++i) Append({"b"});
  EXPECT_EQ(disk_->SyncsOf(".log"), before + 10);
}

TEST_F(LogTest, TheAnchorIsSyncedWithoutAnotherAppend) {
  Open();
  const int before = disk_->SyncsOf("anchor");
  Append({"a"});
  ASSERT_TRUE(disk_->WaitForSyncsOf("anchor", before + 2)) << "both slots";
  disk_->LosePower(Unsynced::kDrop);
  EXPECT_EQ(*Anchor::Read(*rocksdb::FileSystem::Default(), anchor_path()), log_->head());
}

TEST_F(LogTest, ClosingSyncsTheAnchor) {
  Open();
  Append({"a"});
  const Head head = log_->head();
  Close();
  disk_->LosePower(Unsynced::kDrop);
  EXPECT_EQ(*Anchor::Read(*rocksdb::FileSystem::Default(), anchor_path()), head);
}

// -------------------------------------------------------------------------------- Power losses

struct Moment {
  const char* name;
  Fault fault;
};

std::ostream& operator<<(std::ostream& out, const Moment& moment) { return out << moment.name; }

class PowerLossTest : public LogTest, public ::testing::WithParamInterface<Moment> {};

// Appends until the power goes at the moment, starts again, and looks.
TEST_P(PowerLossTest, LosesNothingAcknowledgedAndRepeatsNothing) {
  for (const Unsynced unsynced : {Unsynced::kDrop, Unsynced::kTear, Unsynced::kScramble}) {
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
      SCOPED_TRACE(testing::Message()
                   << "unsynced " << static_cast<int>(unsynced) << ", seed " << seed);
      Close();
      std::filesystem::remove_all(folder_.path() + "/data");
      options_.initialize = true;
      Open();
      AppendUpTo(30, 10);
      disk_->Plan(GetParam().fault);
      constexpr Position kBatch = 60;  // some 10 kB: several pages
      while (TryAppend(EventsIn(log_->head().next, log_->head().next + kBatch)).ok()) {
      }
      const Position acknowledged = log_->head().next;
      disk_->LosePower(unsynced, seed);

      Reopen();
      const Position held = log_->head().next;
      EXPECT_TRUE(held == acknowledged || held == acknowledged + kBatch)
          << held << " of " << acknowledged;
      EXPECT_EQ(ReadAll(), EventsIn(0, held));
      Append(EventsIn(held, held + 300));
      EXPECT_TRUE(log_->Verify().ok());
      Reopen();
      EXPECT_EQ(ReadAll(), EventsIn(0, held + 300));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Moments, PowerLossTest,
    ::testing::Values(
        Moment{"BeforeTheWalIsWritten", {Operation::kWrite, ".log", Effect::kPowerOff}},
        Moment{"BeforeTheWalIsSynced", {Operation::kSync, ".log", Effect::kPowerOff, 1}},
        // About here the first zeros are used up, and more are written before the batch.
        Moment{"BeforeTheSixthSyncOfTheWal", {Operation::kSync, ".log", Effect::kPowerOff, 5}},
        Moment{"BeforeTheSeventhSyncOfTheWal", {Operation::kSync, ".log", Effect::kPowerOff, 6}},
        Moment{"BeforeTheSixthWriteOfTheWal", {Operation::kWrite, ".log", Effect::kPowerOff, 5}},
        Moment{"BeforeTheSeventhWriteOfTheWal", {Operation::kWrite, ".log", Effect::kPowerOff, 6}},
        Moment{"BeforeTheEighthWriteOfTheWal", {Operation::kWrite, ".log", Effect::kPowerOff, 7}},
        Moment{"BetweenTheWalSyncAndTheAnchor", {Operation::kWrite, "anchor", Effect::kPowerOff}},
        Moment{"LaterBeforeTheAnchor", {Operation::kWrite, "anchor", Effect::kPowerOff, 7}},
        Moment{"BeforeTheAnchorIsSynced", {Operation::kSync, "anchor", Effect::kPowerOff}},
        Moment{"BetweenTheSlots", {Operation::kSync, "anchor", Effect::kPowerOff, 1}}),
    [](const auto& info) { return info.param.name; });

// At every sync and every write of a start, the next start finds everything.
TEST_F(LogTest, APowerLossWhileOpeningLosesNothing) {
  Open();
  AppendUpTo(600, 100);
  Reopen();
  AppendUpTo(900, 100);
  const Head head = log_->head();
  Close();
  CopyFolder(folder_.path() + "/data", folder_.path() + "/whole");
  for (const Operation operation : {Operation::kWrite, Operation::kSync}) {
    for (const Unsynced unsynced : {Unsynced::kDrop, Unsynced::kTear}) {
      for (int skip = 0;; ++skip) {
        CopyFolder(folder_.path() + "/whole", folder_.path() + "/data");
        disk_ = std::make_shared<HeldDisk>();
        disk_->Plan({operation, "data/", Effect::kPowerOff, skip});
        LogOptions options;
        options.file_system = disk_;
        const bool opened = Log::Open(folder_.path() + "/data", options).ok();
        const bool power_went_off = disk_->power_is_off();
        disk_->LosePower(unsynced, static_cast<std::uint32_t>(skip));
        Reopen();
        ASSERT_EQ(log_->head(), head) << "operation " << skip << " of the start";
        ASSERT_EQ(ReadAll(), EventsIn(0, 900));
        Close();
        if (opened && !power_went_off) break;
        ASSERT_LT(skip, 100);
      }
    }
  }
}

// ----------------------------------------------------------------------------------- Controls

// Without the sync of the WAL a power loss takes what was acknowledged, and with the anchor synced
// after it the loss is noticed: so the tests above do find a log that forgets to sync.
TEST_F(LogTest, ControlWithoutSyncAnAcknowledgedEventIsLost) {
  options_.sync = false;
  options_.use_anchor = false;
  Open();
  Append({"a"});
  disk_->LosePower(Unsynced::kDrop);
  Reopen();
  EXPECT_EQ(log_->head().next, 0u);
}

TEST_F(LogTest, ControlWithoutSyncTheAnchorSeesTheLoss) {
  options_.sync = false;
  Open();
  const int before = disk_->SyncsOf("anchor");
  Append({"a"});
  ASSERT_TRUE(disk_->WaitForSyncsOf("anchor", before + 1));
  disk_->LosePower(Unsynced::kDrop);
  options_.initialize = false;
  ExpectDataLoss("[0, 1)");
}

// RocksDB takes zeros for the end of the log.
TEST_F(LogTest, AnAcknowledgedBatchThatHasBecomeZerosIsMissed) {
  Open();
  Append({"a"});
  const std::uint64_t second_record = WrittenBytes(Wal());
  Append({"b"});
  const std::string name = std::filesystem::path(Wal()).filename();
  // As the end of the process leaves it.
  const std::string data = folder_.path() + "/data";
  CopyFolder(data, data + ".killed");
  Close();
  CopyFolder(data + ".killed", data);
  const std::string wal = log_path() + "/" + name;
  ASSERT_GT(std::filesystem::file_size(wal), WrittenBytes(wal)) << "no zeros behind the records";

  std::filesystem::resize_file(wal, second_record);
  std::filesystem::resize_file(wal, 65'536);
  options_.initialize = false;
  ExpectDataLoss("[1, 2)");

  CopyFolder(data + ".killed", data);
  Open();
  EXPECT_THAT(ReadAll(), ElementsAre("a", "b"));
}

// A bit of the length in the head of a record makes it reach beyond the end of the WAL: to RocksDB
// a torn tail, in the mode that it has for telling one.
TEST_F(LogTest, ControlWithoutTheAnchorAFlippedBitShortensTheLogInSilence) {
  for (const bool use_anchor : {false, true}) {
    std::filesystem::remove_all(folder_.path() + "/data");
    options_.use_anchor = use_anchor;
    options_.initialize = true;
    Open();
    Append({"a"});
    const std::uint64_t second_record = WrittenBytes(Wal());
    Append({"b"});
    const std::string wal = Wal();
    Close();
    FlipBit(wal, second_record + 5);  // the length's high byte
    options_.initialize = false;
    if (use_anchor) {
      ExpectDataLoss("[1, 2)");
    } else {
      Open();
      EXPECT_THAT(ReadAll(), ElementsAre("a")) << "acknowledged, and gone without a word";
    }
    Close();
  }
}

}  // namespace
}  // namespace denier::store
