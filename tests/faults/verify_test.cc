// Attacks on a data folder, each with the check of `denier verify` that has to catch it, and the
// same folder untouched, which passes. The commands run as a user runs them, in processes of their
// own; none may change a file of the folder, which every call here looks after.
//
// DENIER_VERIFY_EVENTS: also verifies and replays a long log of so many events at least, and says
// how fast (20 000). DENIER_VERIFY_FLIPS: how many flipped bits are tried, in any file (10), and
// DENIER_VERIFY_SEED which.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/options.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "denier/events/v1/event.pb.h"
#include "denier/views/v1/rows.pb.h"
#include "projections/books.h"
#include "projections/row_keys.h"
#include "projections/rows.h"
#include "services/rules/redecide.h"
#include "services/sequencer.h"
#include "store/anchor.h"
#include "store/checkpoint.h"
#include "store/data_directory.h"
#include "store/encoding.h"
#include "store/log.h"
#include "store/merkle.h"
#include "store/views.h"
#include "tests/simulation/simulated.h"
#include "tests/store/raw_database.h"
#include "tests/store/raw_log.h"
#include "tests/store/temporary_folder.h"
#include "tests/store/wal_file.h"

namespace denier::faults {
namespace {

namespace fs = std::filesystem;

using events::v1::Event;
using nlohmann::json;
using store::Head;
using store::Position;

// Of `denier verify` and `denier replay`; scripts rely on them, so they stand here once more.
enum : int {
  kSound = 0,
  kUsage = 2,
  kTrouble = 3,
  kFormat = 10,
  kAnchor = 11,
  kFiles = 12,
  kTree = 13,
  kEvents = 14,
  kRules = 15,
  kProjections = 16,
  kCheckpoint = 17,
  kOlder = 18,
};

constexpr std::size_t kBatchEvents = 6;
constexpr std::size_t kEventsInWal = 12;

// ------------------------------------------------------------------------ Folders, whole

std::string BinaryOf(const std::string& name) {
  return fs::read_symlink("/proc/self/exe").parent_path().parent_path() / name;
}

std::vector<std::string> BytesOf(const std::vector<Event>& events) {
  std::vector<std::string> bytes;
  for (const Event& event : events) bytes.push_back(event.SerializeAsString());
  return bytes;
}

// What a server that takes these events leaves, without rows: the last events in the WAL, the
// others in RocksDB's files.
Head WriteLog(const std::string& path, const std::vector<std::string>& events) {
  const auto folder = store::DataDirectory::Open(path, /*initialize=*/true);
  if (!folder.ok()) ADD_FAILURE() << folder.status();
  for (const std::size_t end : {events.size() - kEventsInWal, events.size()}) {
    auto log = store::Log::Open(path, {.initialize = true});
    if (!log.ok()) {
      ADD_FAILURE() << log.status();
      return {};
    }
    while ((*log)->head().next < end) {
      const Position first = (*log)->head().next;
      store::Batch batch;
      for (Position at = first; at < std::min<Position>(end, first + kBatchEvents); ++at) {
        batch.Add(events[at]);
      }
      EXPECT_TRUE((*log)->Append(batch, first).ok());
    }
    if (end == events.size()) return (*log)->head();
  }
  return {};
}

// The rows of its log; false: it does not fold.
bool WriteRows(const std::string& path) {
  const auto log = store::Log::OpenReadOnly(path);
  if (!log.ok()) return false;
  store::Generations generations(path + "/views");
  auto views = generations.Start();
  projections::Rows rows(**log, *views);
  while (true) {
    const absl::StatusOr<bool> folded = rows.FoldSome();
    if (!folded.ok()) return false;
    if (!*folded) break;
  }
  return generations.Promote(**views).ok();
}

// The hash of the command that an event answers, as whoever forges it would compute it anew.
void Seal(Event& event) {
  event.set_request_sha256(
      std::string(store::AsBytes(services::ContentHash(rules::CommandFrom(event)))));
}

// Whether the rules come to each of the events.
bool AreLawful(const std::vector<Event>& events) {
  projections::Books books;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Event* original = nullptr;
    if (events[i].has_reversed()) {
      original = &events.at(static_cast<std::size_t>(events[i].reversed().reversed_position()));
    }
    const auto wrong = rules::Redecide(
        books, static_cast<std::int64_t>(i), events[i], original, [](const v1::Command& command) {
          return std::string(store::AsBytes(services::ContentHash(command)));
        });
    if (wrong.has_value() || !books.Fold(events[i], i).ok()) return false;
  }
  return true;
}

store::SigningKey KeyOf(char filling) {
  const std::string pem =
      "-----BEGIN PRIVATE KEY-----\n" +
      absl::Base64Escape(absl::HexStringToBytes("302e020100300506032b657004220420") +
                         std::string(32, filling)) +
      "\n-----END PRIVATE KEY-----\n";
  return *store::SigningKey::FromPem(pem, "denier/log");
}

// --------------------------------------------------------------------- Folders, attacked

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

void FlipByte(const fs::path& path, std::size_t at) {
  std::string bytes = ReadFile(path);
  ASSERT_LT(at, bytes.size()) << path;
  bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
  WriteFile(path, bytes);
}

// The largest file with this ending: the one with the data.
fs::path LargestFile(const fs::path& folder, std::string_view ending) {
  fs::path largest;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || entry.path().extension() != ending) continue;
    if (largest.empty() || entry.file_size() > fs::file_size(largest)) largest = entry.path();
  }
  EXPECT_FALSE(largest.empty()) << folder << " has no " << ending;
  return largest;
}

// Everything that can be seen of a folder from outside: bytes and times of its files.
std::map<std::string, std::pair<std::string, fs::file_time_type>> StateOf(const fs::path& folder) {
  std::map<std::string, std::pair<std::string, fs::file_time_type>> state;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    state[entry.path()] = {entry.is_regular_file() ? ReadFile(entry.path()) : "",
                           entry.last_write_time()};
  }
  return state;
}

// A batch of the log as FORMAT.md has it, taken apart and put together by hand.
struct RawBatch {
  Position first = 0;
  std::string root;  // 32 bytes
  std::vector<std::string> events = {};
};

std::string KeyOf(Position first) {
  std::string key = "b";
  store::AppendBigEndian64(first, &key);
  return key;
}
RawBatch Take(std::string_view key, std::string_view value) {
  EXPECT_FALSE(store::IsInChunks(std::string(value))) << "large batches are compressed";
  RawBatch batch{.first = store::ReadBigEndian64(key.substr(1)),
                 .root = std::string(value.substr(4, 32))};
  for (value.remove_prefix(36); !value.empty();) {
    const std::size_t size = store::ReadLittleEndian32(value);
    batch.events.emplace_back(value.substr(4, size));
    value.remove_prefix(4 + size);
  }
  return batch;
}
std::string Put(const RawBatch& batch) {
  std::string value;
  store::AppendLittleEndian32(static_cast<std::uint32_t>(batch.events.size()), &value);
  value.append(batch.root);
  for (const std::string& event : batch.events) {
    store::AppendLittleEndian32(static_cast<std::uint32_t>(event.size()), &value);
    value.append(event);
  }
  return value;
}

// Changes the log's database with RocksDB itself, which writes its checksums anew. Anchor and tree
// stay. `change` gets the batch with the event at `position`; an empty one is deleted.
void RewriteBatch(const std::string& folder, Position position,
                  const std::function<void(RawBatch&)>& change) {
  rocksdb::Options options;
  options.compression = rocksdb::kLZ4Compression;
  options.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  options.track_and_verify_wals_in_manifest = true;
  store::RawLog log(folder, options);
  rocksdb::DB& db = log.db();
  RawBatch batch;
  {
    const std::unique_ptr<rocksdb::Iterator> it(db.NewIterator({}));
    it->SeekForPrev(KeyOf(position));
    ASSERT_TRUE(it->Valid());
    batch = Take(it->key().ToStringView(), it->value().ToStringView());
  }
  ASSERT_LT(position, batch.first + batch.events.size());
  const std::string key = KeyOf(batch.first);
  change(batch);
  if (batch.events.empty()) {
    ASSERT_TRUE(db.Delete({}, key).ok());
  } else {
    ASSERT_TRUE(db.Put({}, key, Put(batch)).ok());
  }
  ASSERT_TRUE(db.Flush({}).ok());
}

// Adds a cent to one balance among the stored rows, checksums right. The row's key.
std::string PlantACent(const std::string& folder) {
  store::RawDatabase rows(LargestFile(folder + "/views", ".sst").parent_path());
  std::string planted;
  {
    const std::unique_ptr<rocksdb::Iterator> it(rows.db().NewIterator({}));
    const std::string agreements = projections::AgreementPrefix();
    it->Seek(agreements);
    EXPECT_TRUE(it->Valid());
    const std::string agreement = it->key().ToString().substr(agreements.size());
    for (it->Seek(projections::BalancesPrefix(agreement)); it->Valid(); it->Next()) {
      views::v1::EnvelopeYear row;
      if (!row.ParseFromString(it->value().ToString()) || row.cells().empty()) continue;
      row.mutable_cells(0)->set_cents(row.cells(0).cents() + 1);
      planted = it->key().ToString();
      EXPECT_TRUE(rows.db().Put({}, planted, row.SerializeAsString()).ok());
      break;
    }
  }
  EXPECT_NE(planted, "");
  EXPECT_TRUE(rows.db().Flush({}).ok());
  return planted;
}

// ----------------------------------------------------------------------------- Commands

struct Said {
  int code = -1;
  std::string out;
  std::string err;

  json Json() const { return json::parse(out); }
};

Said RunDenier(std::vector<std::string> arguments) {
  store::TemporaryFolder files;
  const std::string denier = BinaryOf("denier");
  arguments.insert(arguments.begin(), denier);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::string out = files.path() + "/out";
  const std::string err = files.path() + "/err";
  const pid_t child = fork();
  if (child == 0) {
    constexpr mode_t kMode = 0600;
    dup2(open(out.c_str(), O_WRONLY | O_CREAT, kMode), STDOUT_FILENO);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT, kMode), STDERR_FILENO);
    execv(denier.c_str(), argv.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, ReadFile(out), ReadFile(err)};
}

// Runs `command` on a folder of which it may not change anything.
Said RunOn(const std::string& folder, const std::string& command,
           std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"--lang", "en", command, "--data", folder};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const auto before = StateOf(folder);
  Said said = RunDenier(std::move(arguments));
  EXPECT_TRUE(StateOf(folder) == before) << command << " has changed a file";
  return said;
}

// What verify finds: its exit code, and the checks that found damage.
struct Verdict {
  int code = -1;
  json all;
  std::map<std::string, std::string> damaged = {};  // the check's detail, by its name
  std::string first = {};                           // the check that the exit code is of
  std::optional<Position> position = std::nullopt;  // the first damaged one
  std::optional<Position> before = std::nullopt;    // it lies before this one
  std::optional<Position> event = std::nullopt;     // that another check names there
};
Verdict Verify(const std::string& folder, std::vector<std::string> more = {}) {
  more.insert(more.end(), {"--format", "json"});
  const Said said = RunOn(folder, "verify", std::move(more));
  Verdict verdict{.code = said.code, .all = json::parse(said.out, nullptr, false)};
  if (verdict.all.is_discarded()) {
    ADD_FAILURE() << said.code << " " << said.out << said.err;
    return verdict;
  }
  for (const json& check : verdict.all["checks"]) {
    if (check["result"] != "damaged") continue;
    EXPECT_EQ(check["detail"].get<std::string>().find("that read"), std::string::npos) << check;
    const std::string name = check["check"];
    if (verdict.first.empty()) verdict.first = name;
    verdict.damaged[name] = check["detail"];
  }
  if (verdict.all.contains("first_damage")) {
    const json& damage = verdict.all["first_damage"];
    verdict.position = damage["position"].get<Position>();
    if (damage.contains("before")) verdict.before = damage["before"].get<Position>();
    if (damage.contains("event")) verdict.event = damage["event"].get<Position>();
  }
  return verdict;
}

class VerifyTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new Shared;
    constexpr std::uint64_t kSeed = 20220601;
    constexpr int kCommands = 900;
    shared_->events = simulation::SimulatedEvents(kSeed, kCommands);
    shared_->head = WriteLog(whole(), BytesOf(shared_->events));
    ASSERT_TRUE(WriteRows(whole()));
    ASSERT_GT(shared_->events.size(), 300U) << "too few for stored nodes";
  }
  static void TearDownTestSuite() { delete shared_; }

  static const std::vector<Event>& events() { return shared_->events; }
  static const Head& head() { return shared_->head; }
  static std::string whole() { return shared_->folder.path() + "/whole"; }

  // A copy of the whole folder, which passes before it is attacked.
  std::string Attacked() {
    const std::string path = folder_.path() + "/attacked";
    fs::copy(whole(), path, fs::copy_options::recursive);
    EXPECT_EQ(Verify(path).code, kSound) << "the control";
    return path;
  }
  // A folder that a forger made of these events: tree, anchor, checksums and, if they fold, rows
  // are all as they should be.
  std::string Forged(const std::vector<std::string>& bytes) {
    std::string path = folder_.path() + "/forged";
    WriteLog(path, bytes);
    WriteRows(path);
    return path;
  }
  std::string Forged(const std::vector<Event>& forged) { return Forged(BytesOf(forged)); }

  // The first event from `from` on for which this holds.
  static Position Find(const std::function<bool(const Event&)>& of, Position from = 0) {
    for (Position at = from; at < events().size(); ++at) {
      if (of(events()[at])) return at;
    }
    ADD_FAILURE() << "no such event";
    return 0;
  }
  static Position FindEngaged(Position from = 0) {
    return Find([](const Event& event) { return event.has_engaged(); }, from);
  }

  // The same history, but for a cent in one engagement, and every rule obeyed.
  static std::vector<Event> AnotherHistory() {
    for (Position at = events().size(); at-- > 0;) {
      if (!events()[at].has_engaged()) continue;
      std::vector<Event> other = events();
      auto& line = *other[at].mutable_engaged()->mutable_lines(0);
      line.set_amount_cents(line.amount_cents() - 1);
      Seal(other[at]);
      if (AreLawful(other)) return other;
    }
    ADD_FAILURE() << "no engagement can be changed";
    return events();
  }

  // A checkpoint of `head`, in a file, and the options that hold it against a folder.
  std::vector<std::string> Against(const Head& head, char signer = 'k', char verifier = 'k') {
    const std::string file = folder_.path() + "/note";
    WriteFile(file, store::SignCheckpoint(head, KeyOf(signer)));
    return {"--checkpoint", file, "--key", KeyOf(verifier).verifier().ToString()};
  }

  store::TemporaryFolder folder_;

 private:
  struct Shared {
    store::TemporaryFolder folder;
    std::vector<Event> events;
    Head head;
  };
  static Shared* shared_;
};
VerifyTest::Shared* VerifyTest::shared_ = nullptr;

// ------------------------------------------------------------------------------- verify

TEST_F(VerifyTest, AnUntouchedFolderPasses) {
  const Verdict verdict = Verify(whole());
  EXPECT_EQ(verdict.code, kSound) << verdict.all.dump(1);
  EXPECT_TRUE(verdict.damaged.empty());
  EXPECT_EQ(verdict.all["checks"].size(), 7U);
  EXPECT_EQ(verdict.all["end"], events().size());
  EXPECT_EQ(verdict.all["verified"]["next"], events().size());
  EXPECT_EQ(verdict.all["verified"]["root"], store::ToHex(head().root));

  const Verdict against = Verify(whole(), Against(head()));
  EXPECT_EQ(against.code, kSound) << against.all.dump(1);
  EXPECT_EQ(against.all["checks"].size(), 8U);
}

TEST_F(VerifyTest, AFlippedByteInAFileOfTheLogIsCaughtByItsChecksum) {
  const std::string folder = Attacked();
  const fs::path file = LargestFile(folder + "/log", ".sst");
  FlipByte(file, fs::file_size(file) / 2);
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kFiles) << verdict.all.dump(1);
  EXPECT_EQ(verdict.first, "files");
  EXPECT_NE(verdict.damaged.at("files").find(file.filename()), std::string::npos)
      << verdict.damaged.at("files");
  EXPECT_EQ(verdict.position, 0U);
  EXPECT_EQ(verdict.before, events().size()) << "the last file ends somewhere before the WAL";
}

TEST_F(VerifyTest, AFlippedByteInTheWalIsCaughtByItsRecord) {
  const std::string folder = Attacked();
  const fs::path file = LargestFile(folder + "/log", ".log");
  FlipByte(file, store::WrittenBytes(file) / 3);
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kFiles) << verdict.all.dump(1);
}

// Behind the last record: one that was being written over zeros when the power went.
TEST_F(VerifyTest, AWriteThatAPowerLossHasCutIsNoDamage) {
  const std::string folder = Attacked();
  const fs::path file = LargestFile(folder + "/log", ".log");
  std::string wal(store::WrittenBytes(file), '\0');
  std::ifstream(file, std::ios::binary).read(wal.data(), static_cast<std::streamsize>(wal.size()));
  const std::string record = wal.substr(0, 200);  // the beginning of one
  wal += record;
  wal.resize(wal.size() + 65'536, '\0');
  std::ofstream(file, std::ios::binary) << wal;
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kSound) << verdict.all.dump(1);
  EXPECT_EQ(verdict.all["end"], events().size());
}

TEST_F(VerifyTest, NamesTheFormatThatTheFolderHas) {
  const std::string folder = Attacked();
  WriteFile(folder + "/FORMAT", "denier data folder, format 2\n");
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kSound) << verdict.all.dump(1);
  EXPECT_EQ(verdict.all["checks"][0]["detail"].get<std::string>().substr(0, 9), "format 2;");
}

// What looks to RocksDB like a write that a power loss has cut.
TEST_F(VerifyTest, AWalThatWasCutIsCaughtByTheAnchor) {
  const std::string folder = Attacked();
  const fs::path file = LargestFile(folder + "/log", ".log");
  fs::resize_file(file, store::WrittenBytes(file) - 1);
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kTree) << verdict.all.dump(1);
  EXPECT_EQ(verdict.position, events().size() - kBatchEvents);
}

TEST_F(VerifyTest, AFlippedByteInTheAnchorIsCaughtByTheAnchorsChecksum) {
  constexpr std::size_t kNext = 16;
  constexpr std::size_t kSlot = 4096;
  constexpr std::size_t kNowhere = 2000;  // read by nobody else
  for (const std::size_t at : {kNext, kSlot + kNext, kNowhere}) {
    const std::string folder = Attacked();
    FlipByte(folder + "/anchor", at);
    const Verdict verdict = Verify(folder);
    EXPECT_EQ(verdict.code, kAnchor) << at;
    EXPECT_EQ(verdict.damaged.size(), 1U) << verdict.all.dump(1);
    fs::remove_all(folder);
  }
}

TEST_F(VerifyTest, AnAnchorOfAnotherHistoryIsCaughtByTheTree) {
  const std::string folder = Attacked();
  Head other = head();
  other.root[0] ^= 1;
  ASSERT_TRUE(
      store::Anchor::Create(*rocksdb::FileSystem::Default(), folder + "/anchor", other).ok());
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kTree) << verdict.all.dump(1);
}

TEST_F(VerifyTest, AFlippedByteInFormatIsCaught) {
  const std::string folder = Attacked();
  FlipByte(folder + "/FORMAT", 3);
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kFormat) << verdict.all.dump(1);
  EXPECT_EQ(verdict.damaged.size(), 1U) << "the rest is checked nevertheless";
}

TEST_F(VerifyTest, AFlippedByteInTheRowsIsCaughtAndTheLogStaysSound) {
  const std::string folder = Attacked();
  const fs::path file = LargestFile(folder + "/views", ".sst");
  FlipByte(file, fs::file_size(file) / 3);
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kProjections) << verdict.all.dump(1);
  EXPECT_EQ(verdict.damaged.size(), 1U) << verdict.all.dump(1);
  EXPECT_EQ(verdict.all["verified"]["next"], events().size());
  EXPECT_FALSE(verdict.position.has_value()) << "no event is damaged";
}

TEST_F(VerifyTest, TwoEventsExchangedAreCaughtByTheTree) {
  const std::string folder = Attacked();
  constexpr Position kAt = 200;
  Position first = 0;
  Position end = 0;
  RewriteBatch(folder, kAt, [&](RawBatch& batch) {
    std::swap(batch.events.at(0), batch.events.at(1));
    first = batch.first;
    end = first + batch.events.size();
  });
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kTree) << verdict.all.dump(1);
  EXPECT_FALSE(verdict.damaged.contains("files")) << "RocksDB sees nothing wrong";
  EXPECT_EQ(verdict.position, first);
  EXPECT_EQ(verdict.before, end);
  EXPECT_TRUE(verdict.damaged.contains("events")) << "the recorded times show it too";
}

// The control of the three that follow.
TEST_F(VerifyTest, ABatchWrittenAnewAsItWasPasses) {
  const std::string folder = Attacked();
  constexpr Position kAt = 200;
  RewriteBatch(folder, kAt, [](RawBatch&) {});
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kSound) << verdict.all.dump(1);
}

TEST_F(VerifyTest, AnAmountThatWasChangedIsCaughtByTheTree) {
  const std::string folder = Attacked();
  const Position at = FindEngaged(100);
  RewriteBatch(folder, at, [&](RawBatch& batch) {
    Event event = events()[at];
    auto& line = *event.mutable_engaged()->mutable_lines(0);
    line.set_amount_cents(line.amount_cents() - 1);
    batch.events.at(at - batch.first) = event.SerializeAsString();
  });
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kTree) << verdict.all.dump(1);
  EXPECT_EQ(verdict.event, at) << "the rules name it: not what was asked";
}

TEST_F(VerifyTest, AnEventThatWasTakenOutIsCaughtByTheTree) {
  const std::string folder = Attacked();
  constexpr Position kAt = 200;
  RewriteBatch(folder, kAt, [](RawBatch& batch) { batch.events.erase(batch.events.begin() + 1); });
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kTree) << verdict.all.dump(1);
  EXPECT_LE(verdict.position.value_or(kAt + 1), kAt);
  EXPECT_GE(verdict.position.value_or(0), kAt - kBatchEvents);
}

TEST_F(VerifyTest, ABatchThatWasTakenOutIsCaughtByTheTree) {
  for (const Position at : {Position{0}, Position{200}, Position{events().size() - 1}}) {
    const std::string folder = Attacked();
    Position first = 0;
    RewriteBatch(folder, at, [&](RawBatch& batch) {
      first = batch.first;
      batch.events.clear();
    });
    const Verdict verdict = Verify(folder);
    EXPECT_EQ(verdict.code, kTree) << verdict.all.dump(1);
    EXPECT_EQ(verdict.position, first);
    fs::remove_all(folder);
  }
}

TEST_F(VerifyTest, ALogWrittenAnewPassesWithoutACheckpointAndIsCaughtWithOne) {
  const std::string folder = Forged(AnotherHistory());
  const Verdict alone = Verify(folder);
  EXPECT_EQ(alone.code, kSound) << alone.all.dump(1);
  EXPECT_NE(alone.all["verified"]["root"], store::ToHex(head().root));

  const Verdict against = Verify(folder, Against(head()));
  EXPECT_EQ(against.code, kCheckpoint) << against.all.dump(1);
  EXPECT_EQ(against.damaged.size(), 1U);
}

TEST_F(VerifyTest, AFolderThatWasRolledBackIsOlderThanALaterCheckpoint) {
  constexpr std::size_t kKept = 300;
  const std::vector<Event> kept(events().begin(), events().begin() + kKept);
  const std::string folder = Forged(kept);
  EXPECT_EQ(Verify(folder).code, kSound) << "by itself nothing tells";
  const Verdict verdict = Verify(folder, Against(head()));
  EXPECT_EQ(verdict.code, kOlder) << verdict.all.dump(1);
  EXPECT_EQ(verdict.damaged.size(), 1U);
  // One of its own time does not object, nor does an old one object to the whole folder.
  const Head of_then = *(*store::Log::OpenReadOnly(whole()))->HeadAt(kKept);
  EXPECT_EQ(Verify(folder, Against(of_then)).code, kSound);
  EXPECT_EQ(Verify(whole(), Against(of_then)).code, kSound);
}

// Anybody may ask for a checkpoint of any size, and a batch does not end at each.
TEST_F(VerifyTest, ACheckpointWithinABatchIsHeldAgainstTheEventsBeforeIt) {
  store::MerkleFrontier frontier;
  for (Position at = 0; at < 300; ++at) {
    frontier.Append(store::LeafHash(events()[at].SerializeAsString()));
  }
  for (Position size = 300; size <= 300 + kBatchEvents; ++size) {
    Head of_then{size, frontier.Root()};
    EXPECT_EQ(Verify(whole(), Against(of_then)).code, kSound) << size;
    of_then.root[0] ^= 1;
    EXPECT_EQ(Verify(whole(), Against(of_then)).code, kCheckpoint) << size;
    frontier.Append(store::LeafHash(events()[size].SerializeAsString()));
  }
}

TEST_F(VerifyTest, AnotherKeyIsCaughtByTheCheckpoint) {
  const Verdict verdict = Verify(whole(), Against(head(), 'k', 'z'));
  EXPECT_EQ(verdict.code, kCheckpoint) << verdict.all.dump(1);
  EXPECT_EQ(verdict.damaged.size(), 1U);

  std::vector<std::string> changed = Against(head());
  std::string note = ReadFile(changed[1]);
  note.insert(note.find('\n') + 1, "1");  // another size
  WriteFile(changed[1], note);
  EXPECT_EQ(Verify(whole(), changed).code, kCheckpoint);

  EXPECT_EQ(RunOn(whole(), "verify", {"--checkpoint", changed[1], "--key", "no key"}).code, kUsage);
}

TEST_F(VerifyTest, AnEventThatTheRulesWouldNotAcceptIsCaughtByThem) {
  std::vector<Event> forged = events();
  const Position at = FindEngaged(100);
  // An accountant who commits: the actor decides nothing in the books, so they fold.
  forged[at].mutable_actor()->clear_roles();
  forged[at].mutable_actor()->add_roles(events::v1::ROLE_ACCOUNTANT);
  Seal(forged[at]);
  const Verdict verdict = Verify(Forged(forged));
  EXPECT_EQ(verdict.code, kRules) << verdict.all.dump(1);
  EXPECT_EQ(verdict.damaged.size(), 1U);
  EXPECT_EQ(verdict.position, at);
}

TEST_F(VerifyTest, AnEventThatOverdrawsIsCaughtByTheRules) {
  std::vector<Event> forged = events();
  const Position at = FindEngaged(100);
  constexpr std::int64_t kMore = 1'000'000'000'000'00;
  forged[at].mutable_engaged()->mutable_lines(0)->set_amount_cents(kMore);
  Seal(forged[at]);
  const Verdict verdict = Verify(Forged(forged));
  EXPECT_EQ(verdict.code, kRules) << verdict.all.dump(1);
  EXPECT_EQ(verdict.position, at);
}

TEST_F(VerifyTest, AnEventThatNobodyAskedForIsCaughtByTheRules) {
  std::vector<Event> forged = events();
  const Position at = FindEngaged(100);
  forged[at].mutable_request_sha256()->front() ^= 1;
  const Verdict verdict = Verify(Forged(forged));
  EXPECT_EQ(verdict.code, kRules) << verdict.all.dump(1);
  EXPECT_EQ(verdict.position, at);
  EXPECT_NE(verdict.damaged.at("rules").find("request_sha256"), std::string::npos);
}

TEST_F(VerifyTest, EventsOfNoSoundFormAreCaughtByTheirForm) {
  constexpr Position kAt = 250;
  const std::vector<std::pair<std::string, std::function<void(Event&)>>> forgeries = {
      {"an earlier recorded time",
       [](Event& event) { event.set_recorded_time_us(event.recorded_time_us() - 3'600'000'000); }},
      {"a request id that stands already",
       [](Event& event) {
         event.set_request_id(events()[kAt - 200].request_id());
         *event.mutable_actor() = events()[kAt - 200].actor();
       }},
      {"a day that there is not", [](Event& event) { event.set_effective_date(20220231); }},
      {"no fact", [](Event& event) { event.clear_fact(); }},
      {"no actor", [](Event& event) { event.clear_actor(); }},
  };
  for (const auto& [what, forge] : forgeries) {
    std::vector<Event> forged = events();
    forge(forged[kAt]);
    const std::string folder = Forged(forged);
    const Verdict verdict = Verify(folder);
    EXPECT_EQ(verdict.code, kEvents) << what << verdict.all.dump(1);
    EXPECT_EQ(verdict.position, kAt) << what;
    fs::remove_all(folder);
  }
  std::vector<std::string> bytes = BytesOf(events());
  bytes[kAt] = "no event";
  const Verdict verdict = Verify(Forged(bytes));
  EXPECT_EQ(verdict.code, kEvents) << verdict.all.dump(1);
  EXPECT_EQ(verdict.position, kAt);
}

TEST_F(VerifyTest, ACentInAStoredRowIsCaughtByTheProjections) {
  const std::string folder = Attacked();
  const std::string planted = PlantACent(folder);
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kProjections) << verdict.all.dump(1);
  EXPECT_EQ(verdict.damaged.size(), 1U);
  EXPECT_NE(verdict.damaged.at("projections").find(planted), std::string::npos)
      << verdict.damaged.at("projections");
}

TEST_F(VerifyTest, TheRowsOfAnotherLogAreCaughtByTheProjections) {
  const std::string folder = Attacked();
  const std::string other = Forged(AnotherHistory());
  fs::remove_all(folder + "/views");
  fs::copy(other + "/views", folder + "/views", fs::copy_options::recursive);
  EXPECT_EQ(Verify(folder).code, kProjections);
  EXPECT_EQ(RunOn(folder, "replay").code, kProjections);
}

TEST_F(VerifyTest, AFolderWithoutRowsPasses) {
  const std::string folder = Attacked();
  fs::remove_all(folder + "/views");
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kSound) << verdict.all.dump(1);
  EXPECT_EQ(verdict.all["checks"][6]["result"], "skipped");
}

TEST_F(VerifyTest, AFolderWithoutALogIsNotSound) {
  const std::string folder = Attacked();
  fs::remove_all(folder + "/log");
  EXPECT_EQ(Verify(folder).code, kFiles);
  EXPECT_EQ(Verify(folder_.path()).code, kTrouble) << "no data folder at all";
}

// Wherever it is: it is found, or the log is the one that was written all the same. (What RocksDB
// writes for itself beside the data can be changed without harm.)
TEST_F(VerifyTest, AnyFlippedBitIsCaughtOrHarmless) {
  const char* const sample = std::getenv("DENIER_VERIFY_FLIPS");
  const char* const given = std::getenv("DENIER_VERIFY_SEED");
  const long flips = sample != nullptr ? std::strtol(sample, nullptr, 10) : 10;
  const auto seed = given != nullptr ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10))
                                     : std::random_device()();
  std::mt19937 random(seed);
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(whole())) {
    if (entry.is_regular_file() && entry.file_size() > 0 && entry.path().filename() != "LOCK") {
      files.push_back(fs::relative(entry.path(), whole()));
    }
  }
  std::sort(files.begin(), files.end());
  std::map<int, int> codes;
  for (long i = 0; i < flips; ++i) {
    const std::string folder = folder_.path() + "/flipped";
    fs::copy(whole(), folder, fs::copy_options::recursive);
    const fs::path file = files[random() % files.size()];
    std::string bytes = ReadFile(fs::path(folder) / file);
    const std::size_t at = random() % bytes.size();
    bytes[at] = static_cast<char>(bytes[at] ^ 1 << random() % 8);
    WriteFile(fs::path(folder) / file, bytes);
    const Said said = RunOn(folder, "verify", {"--format", "json"});
    ++codes[said.code];
    const json all = json::parse(said.out, nullptr, false);
    ASSERT_FALSE(all.is_discarded()) << file << " " << at << " " << said.out << said.err;
    if (said.code == kSound) {
      EXPECT_EQ(all["verified"]["root"], store::ToHex(head().root)) << file << " " << at;
      EXPECT_EQ(all["end"], events().size()) << file << " " << at;
      // In a footer of 53 bytes two places are padded with zeros to 40, and nobody reads these. The
      // log's tables have a checksum of the whole file, too.
      const std::string_view behind = std::string_view(bytes).substr(at + 1);
      const bool padding =
          file.string().starts_with("views/") &&
          std::popcount(static_cast<unsigned char>(bytes[at])) == 1 && behind.size() < 52 &&
          behind.size() >= 12 &&
          behind.substr(0, behind.size() - 12).find_first_not_of('\0') == std::string_view::npos;
      EXPECT_TRUE(file.extension() != ".sst" || padding) << file << " " << at;
      EXPECT_NE(file, "anchor") << at;
    } else {
      EXPECT_TRUE(said.code == kTrouble || (said.code >= kFormat && said.code <= kProjections))
          << said.code << " " << file << " " << at << said.err;
    }
    fs::remove_all(folder);
  }
  std::cout << "DENIER_VERIFY_SEED=" << seed << "; exit codes:";
  for (const auto& [code, count] : codes) std::cout << " " << code << " (" << count << ")";
  std::cout << std::endl;
}

// ------------------------------------------------------------------------------- replay

TEST_F(VerifyTest, ReplayComesToTheStoredRowsAndReports) {
  const Said said = RunOn(whole(), "replay", {"--format", "json"});
  ASSERT_EQ(said.code, kSound) << said.err;
  const json replayed = said.Json();
  EXPECT_EQ(replayed["next"], events().size());
  EXPECT_EQ(replayed["root"], store::ToHex(head().root));
  EXPECT_EQ(replayed["compared_at"], events().size());
  EXPECT_EQ(replayed["equal"], true);
  for (const char* of : {"rows", "request_ids", "reports"}) {
    EXPECT_GT(replayed[of]["compared"], 0) << of;
    EXPECT_EQ(replayed[of]["compared"], replayed[of]["equal"]) << of;
  }
  EXPECT_EQ(replayed["request_ids"]["compared"], events().size());
}

TEST_F(VerifyTest, ReplayNamesTheRowWithACentTooMuch) {
  const std::string folder = Attacked();
  const std::string planted = PlantACent(folder);
  const Said said = RunOn(folder, "replay", {"--format", "json"});
  EXPECT_EQ(said.code, kProjections) << said.err;
  const json replayed = said.Json();
  EXPECT_EQ(replayed["equal"], false);
  EXPECT_EQ(replayed["rows"]["compared"].get<int>() - replayed["rows"]["equal"].get<int>(), 1);
  EXPECT_NE(replayed["rows"]["first_difference"].get<std::string>().find(planted),
            std::string::npos);
  EXPECT_LT(replayed["reports"]["equal"], replayed["reports"]["compared"]);
  EXPECT_EQ(replayed["request_ids"]["equal"], replayed["request_ids"]["compared"]);
}

TEST_F(VerifyTest, ReplayComparesRowsThatAreBehindWhereTheyStand) {
  const std::string folder = folder_.path() + "/behind";
  std::vector<std::string> bytes = BytesOf(events());
  const std::vector<std::string> early(bytes.begin(), bytes.begin() + 300);
  WriteLog(folder, early);
  ASSERT_TRUE(WriteRows(folder));
  {
    const auto log = store::Log::Open(folder);
    ASSERT_TRUE(log.ok());
    store::Batch batch;
    for (std::size_t at = early.size(); at < bytes.size(); ++at) batch.Add(bytes[at]);
    ASSERT_TRUE((*log)->Append(batch, early.size()).ok());
  }
  const Said said = RunOn(folder, "replay", {"--format", "json"});
  ASSERT_EQ(said.code, kSound) << said.err;
  EXPECT_EQ(said.Json()["compared_at"], early.size());
  EXPECT_EQ(said.Json()["next"], bytes.size());
  EXPECT_EQ(Verify(folder).code, kSound);
}

TEST_F(VerifyTest, ReplayWithoutRowsSaysSo) {
  const std::string folder = Attacked();
  fs::remove_all(folder + "/views");
  const Said said = RunOn(folder, "replay", {"--format", "json"});
  EXPECT_EQ(said.code, kSound) << said.err;
  EXPECT_FALSE(said.Json().contains("rows"));
  EXPECT_FALSE(said.Json().contains("equal")) << "to what?";
  EXPECT_TRUE(said.Json().contains("no_rows"));
}

TEST_F(VerifyTest, ReplayRefusesADamagedLog) {
  const std::string folder = Attacked();
  const fs::path file = LargestFile(folder + "/log", ".sst");
  FlipByte(file, fs::file_size(file) / 2);
  const Said said = RunOn(folder, "replay");
  EXPECT_NE(said.code, kSound) << said.out;
  EXPECT_EQ(said.out, "");
}

// ------------------------------------------------------------------------------ Servers

// A denierd of its own, killed at the latest when this object ends.
class Server {
 public:
  explicit Server(const std::string& folder) {
    const std::string denierd = BinaryOf("denierd");
    const std::string log_file = folder + ".jsonl";
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      execl(denierd.c_str(), "denierd", "--data", folder.c_str(), "--init", "--listen",
            "127.0.0.1:0", "--metrics", "off", "--development", "--log-file", log_file.c_str(),
            nullptr);
      _exit(127);
    }
    close(ends[1]);
    // "denierd ready on 127.0.0.1:41234 (position 7)"
    std::FILE* const output = fdopen(ends[0], "r");
    std::array<char, 64> address{};
    if (std::fscanf(output, "denierd ready on %63s", address.data()) == 1) {
      address_ = address.data();
    }
    std::fclose(output);
  }
  ~Server() { End(SIGKILL); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const std::string& address() const { return address_; }

  void End(int signal) {
    if (pid_ <= 0) return;
    kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  std::string address_;
};

TEST_F(VerifyTest, AServerThatWasKilledOrStoppedLeavesASoundFolder) {
  const std::string folder = folder_.path() + "/served";
  for (const int signal : {SIGKILL, SIGTERM}) {
    {
      Server server(folder);
      ASSERT_NE(server.address(), "") << "denierd has not started";
      const Said applied =
          RunDenier({"--server", server.address(), "apply", "tests/acceptance/avenant-1.jsonl"});
      ASSERT_EQ(applied.code, 0) << applied.err << applied.out;
      // The server at work: both refuse, by a message.
      for (const char* command : {"verify", "replay"}) {
        const Said refused = RunDenier({"--lang", "en", command, "--data", folder});
        EXPECT_EQ(refused.code, kTrouble) << refused.out;
        EXPECT_NE((refused.out + refused.err).find("in use"), std::string::npos);
      }
      server.End(signal);
    }
    const Verdict verdict = Verify(folder);
    EXPECT_EQ(verdict.code, kSound) << signal << verdict.all.dump(1);
    EXPECT_GT(verdict.all["end"], 0);
    const Said said = RunOn(folder, "replay", {"--format", "json"});
    EXPECT_EQ(said.code, kSound) << signal << said.out << said.err;
    EXPECT_EQ(said.Json()["next"], verdict.all["end"]);
  }
}

// A long log, cheaply: the same random history again and again, in agreements of their own.
TEST_F(VerifyTest, ALongLogIsVerifiedAndReplayed) {
  const char* const asked = std::getenv("DENIER_VERIFY_EVENTS");
  const long wanted = asked != nullptr ? std::strtol(asked, nullptr, 10) : 20'000;
  constexpr std::size_t kSeed = 5;
  constexpr int kCommands = 900;
  const auto once = static_cast<long>(simulation::SimulatedEvents(kSeed, kCommands).size());
  const std::string folder = folder_.path() + "/long";
  const std::string make = BinaryOf("tests/simulated_log") + " '" + folder + "' " +
                           std::to_string(kSeed) + " " + std::to_string(kCommands) + " " +
                           std::to_string((wanted + once - 1) / once) + " >/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0);
  ASSERT_TRUE(WriteRows(folder));

  const auto begun = std::chrono::steady_clock::now();
  const Said verified = RunDenier({"verify", "--data", folder, "--format", "json"});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  ASSERT_EQ(verified.code, kSound) << verified.out << verified.err;
  const auto end = verified.Json()["end"].get<double>();
  EXPECT_GE(end, static_cast<double>(wanted));
  const Said replayed = RunDenier({"replay", "--data", folder, "--format", "json"});
  ASSERT_EQ(replayed.code, kSound) << replayed.out << replayed.err;
  EXPECT_EQ(replayed.Json()["equal"], true);
  std::cout << end << " events: verified, comparison included, " << end / took.count()
            << " a second; replayed " << replayed.Json()["events_per_second"] << " a second"
            << std::endl;
}

TEST_F(VerifyTest, AFolderInUseIsRefused) {
  const std::string folder = Attacked();
  const auto used = store::DataDirectory::Open(folder, /*initialize=*/false);
  ASSERT_TRUE(used.ok());
  const Verdict verdict = Verify(folder);
  EXPECT_EQ(verdict.code, kTrouble);
  EXPECT_NE(verdict.damaged.at("format").find("in use"), std::string::npos);
  const Said said = RunOn(folder, "replay");
  EXPECT_EQ(said.code, kTrouble);
  EXPECT_NE(said.err.find("in use"), std::string::npos) << said.err;
}

}  // namespace
}  // namespace denier::faults
