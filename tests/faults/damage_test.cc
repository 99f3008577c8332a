// Every single-bit flip in the files of a small log (log/ and anchor) is caught, or harmless: the
// log is refused or its verification fails or the process aborts, or else every event reads back as
// it was written. Each flip has a process of its own, since RocksDB may abort on damage, or loop.
//
// DENIER_DAMAGE_SAMPLE says how many flips to try (0: all of them, which takes hours), spread
// evenly over the files; DENIER_DAMAGE_SEED which; DENIER_DAMAGE_FILE in which files, by a part of
// the name.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "store/log.h"
#include "tests/faults/fault_file_system.h"
#include "tests/store/temporary_folder.h"
#include "tests/store/wal_file.h"

namespace denier::store {
namespace {

constexpr int kDefaultSample = 240;

// Enough for stored nodes, and for files beside the WAL; few enough to try every bit.
constexpr Position kEventsInFiles = 270;
constexpr Position kEvents = kEventsInFiles + 12;
constexpr Position kBatchEvents = 6;
constexpr std::uint64_t kSomeZeros = 40;

// Two long ones, in the files and in the WAL, so that their batches are compressed: to little.
std::string EventAt(Position position) {
  const bool is_long = position == 61 || position == kEventsInFiles + 8;
  return "event " + std::to_string(position) + std::string(is_long ? 33'000 : 0, '.');
}

struct Flip {
  std::string file;  // relative to the data folder
  std::uint64_t bit;
};

std::ostream& operator<<(std::ostream& out, const Flip& flip) {
  return out << flip.file << ", bit " << flip.bit % 8 << " of byte " << flip.bit / 8;
}

enum class Outcome { kHarmless, kCaught, kAborted, kSilent, kHung };

constexpr int kAborted = -1;
constexpr int kHung = -2;

// Runs in a process of its own what it gives the exit code of; or kAborted, or kHung.
template <typename Work>
int InChild(const Work& work) {
  constexpr unsigned kMostSeconds = 60;
  const pid_t child = fork();
  if (child == 0) {
    alarm(kMostSeconds);
    // RocksDB says on stderr why it aborts.
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    _exit(work());
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  return WTERMSIG(status) == SIGALRM ? kHung : kAborted;
}

void Append(Log& log, Position to) {
  while (log.head().next < to) {
    Batch batch;
    const Position first = log.head().next;
    for (Position at = first; at < std::min(to, first + kBatchEvents); ++at) batch.Add(EventAt(at));
    if (!log.Append(batch, first).ok()) _exit(10);
  }
}

// Most of its events in RocksDB's files, the last ones in the WAL, zeros behind them: the log is
// not closed, for the process ends.
int WriteLog(const std::string& folder) {
  for (const Position to : {kEventsInFiles, kEvents}) {
    LogOptions options;
    options.initialize = to == kEventsInFiles;
    absl::StatusOr<std::unique_ptr<Log>> log = Log::Open(folder, options);
    if (!log.ok()) return 11;
    Append(**log, to);
    if (to == kEvents) static_cast<void>(log->release());
  }
  return 0;
}

enum : int { kIdentical = 0, kReported = 1, kDifferent = 2 };

// What a user of the log in `folder` meets.
int UseLog(const std::string& folder, bool use_anchor) {
  LogOptions options;
  options.file_system = std::make_shared<faults::FaultFileSystem>();  // no time lost with syncs
  options.use_anchor = use_anchor;
  const absl::StatusOr<std::unique_ptr<Log>> log = Log::Open(folder, options);
  if (!log.ok() || !(*log)->Verify().ok()) return kReported;
  if ((*log)->head().next != kEvents) return kDifferent;
  for (Position position = 0; position < kEvents; ++position) {
    const absl::StatusOr<std::string> event = (*log)->Read(position);
    if (!event.ok()) return kReported;
    if (*event != EventAt(position)) return kDifferent;
  }
  return kIdentical;
}

class DamageTest : public ::testing::Test {
 protected:
  DamageTest() : whole_(folder_.path() + "/whole"), damaged_(folder_.path() + "/damaged") {
    std::filesystem::create_directory(whole_);
    // This process never runs RocksDB: its children could not, without its threads.
    EXPECT_EQ(InChild([this] { return WriteLog(whole_); }), 0);
  }

  // Every bit of every file, file by file.
  std::map<std::string, std::vector<Flip>> AllFlips() const {
    std::map<std::string, std::vector<Flip>> flips;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(whole_)) {
      if (!entry.is_regular_file()) continue;
      const std::string file = std::filesystem::relative(entry.path(), whole_).string();
      // Of the zeros a few, for all are alike.
      const std::uint64_t size =
          file.ends_with(".log") ? WrittenBytes(entry.path()) + kSomeZeros : entry.file_size();
      for (std::uint64_t bit = 0; bit < 8 * size; ++bit) {
        flips[file].push_back({file, bit});
      }
    }
    return flips;
  }

  Outcome Try(const Flip& flip, bool use_anchor = true) const {
    std::filesystem::remove_all(damaged_);
    std::filesystem::copy(whole_, damaged_, std::filesystem::copy_options::recursive);
    {
      std::fstream file(damaged_ + "/" + flip.file,
                        std::ios::binary | std::ios::in | std::ios::out);
      file.seekg(static_cast<std::streamoff>(flip.bit / 8));
      const char byte = static_cast<char>(file.get() ^ 1 << flip.bit % 8);
      file.seekp(static_cast<std::streamoff>(flip.bit / 8));
      file.put(byte);
    }
    switch (InChild([&] { return UseLog(damaged_, use_anchor); })) {
      case kIdentical:
        return Outcome::kHarmless;
      case kReported:
        return Outcome::kCaught;
      case kAborted:
        return Outcome::kAborted;
      case kHung:
        return Outcome::kHung;
      default:
        return Outcome::kSilent;
    }
  }

  // The WAL that holds the last events.
  std::string Wal() const {
    std::string wal;
    for (const auto& [file, flips] : AllFlips()) {
      if (file.ends_with(".log")) wal = file;
    }
    return wal;
  }

  TemporaryFolder folder_;
  const std::string whole_;
  const std::string damaged_;
};

unsigned NumberFrom(const char* variable, unsigned otherwise) {
  const char* const value = std::getenv(variable);
  return value != nullptr ? static_cast<unsigned>(std::strtoul(value, nullptr, 10)) : otherwise;
}

TEST_F(DamageTest, NoDamageIsHarmless) {
  EXPECT_EQ(InChild([this] { return UseLog(whole_, true); }), kIdentical);
}

TEST_F(DamageTest, EveryFlippedBitIsCaughtOrHarmless) {
  const std::size_t sample = NumberFrom("DENIER_DAMAGE_SAMPLE", kDefaultSample);
  const unsigned seed = NumberFrom("DENIER_DAMAGE_SEED", std::random_device()());
  const char* const only = std::getenv("DENIER_DAMAGE_FILE");
  std::map<std::string, std::vector<Flip>> all = AllFlips();
  if (only != nullptr) {
    std::erase_if(all, [only](const auto& of) { return of.first.find(only) == std::string::npos; });
  }
  std::mt19937 random(seed);
  std::vector<Flip> flips;
  for (auto& [file, of_file] : all) {
    if (sample > 0) {
      std::shuffle(of_file.begin(), of_file.end(), random);
      of_file.resize(std::min(of_file.size(), 1 + sample / all.size()));
    }
    flips.insert(flips.end(), of_file.begin(), of_file.end());
  }
  std::cout << flips.size() << " flips, DENIER_DAMAGE_SEED=" << seed << std::endl;

  std::map<std::string, std::map<Outcome, int>> counts;
  for (const Flip& flip : flips) {
    const Outcome outcome = Try(flip);
    ++counts[flip.file][outcome];
    EXPECT_NE(outcome, Outcome::kSilent) << flip;
    EXPECT_NE(outcome, Outcome::kHung) << flip;
  }
  for (auto& [file, count] : counts) {
    std::cout << file << ": caught " << count[Outcome::kCaught] << ", aborted "
              << count[Outcome::kAborted] << ", harmless " << count[Outcome::kHarmless]
              << ", silent " << count[Outcome::kSilent] << ", hung " << count[Outcome::kHung]
              << std::endl;
  }
}

TEST_F(DamageTest, EveryFlippedBitOfASlotIsHarmlessWhileTheOtherHolds) {
  for (const std::uint64_t byte : {0, 16, 24, 55, 56, 87}) {
    for (const std::uint64_t slot : {0, 4096}) {
      EXPECT_EQ(Try({"anchor", 8 * (slot + byte)}), Outcome::kHarmless) << slot << " + " << byte;
    }
  }
}

// The head of the WAL's first record: 4 bytes of checksum, 2 of length, 1 of type. With one bit of
// the type it looks like what a file that is used again has from before, and like the log's end.
TEST_F(DamageTest, ControlWithoutTheAnchorTheLossShows) {
  const std::string wal = Wal();
  int silent = 0;
  for (std::uint64_t bit = 0; bit < std::uint64_t{8} * 7; ++bit) {
    if (Try({wal, bit}, /*use_anchor=*/false) == Outcome::kSilent) ++silent;
    const Outcome with_anchor = Try({wal, bit});
    EXPECT_TRUE(with_anchor == Outcome::kCaught || with_anchor == Outcome::kAborted) << bit;
  }
  EXPECT_GT(silent, 0) << "acknowledged events, gone without a word";
  std::cout << silent << " of 56 flips shorten the log in silence without the anchor" << std::endl;
}

}  // namespace
}  // namespace denier::store
