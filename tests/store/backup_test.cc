#include "store/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "store/anchor.h"
#include "store/data_directory.h"
#include "store/merkle.h"
#include "tests/faults/fault_file_system.h"
#include "tests/store/temporary_folder.h"

namespace denier::store {
namespace {

namespace fs = std::filesystem;

using faults::Effect;
using faults::FaultFileSystem;
using faults::Operation;
using faults::Unsynced;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// An event that no compression makes small.
std::string EventAt(Position position) {
  std::uint64_t state = position + 1;
  std::string event = "event " + std::to_string(position) + " ";
  for (int i = 0; i < 200; ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    event.push_back(static_cast<char>(state >> 56));
  }
  return event;
}

std::string ContentOf(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// The files below `path` and their sizes.
std::map<std::string, std::uint64_t> FilesIn(const fs::path& path) {
  std::map<std::string, std::uint64_t> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files[entry.path().string()] = entry.file_size();
  }
  return files;
}

std::string NewKeyPem() {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

// A data folder with its log, and a backup folder beside it, on a disk that can fail.
class BackupTest : public ::testing::Test {
 protected:
  BackupTest() { Start(); }

  std::string data() const { return folder_.path() + "/data"; }
  std::string backups() const { return folder_.path() + "/backups"; }
  std::string restored() const { return folder_.path() + "/restored"; }

  // As a process does that starts on a disk that is well.
  void Start() {
    log_.reset();
    directory_.reset();
    disk_ = std::make_shared<FaultFileSystem>();
    options_.file_system = real_syncs_ ? nullptr : disk_;
    log_options_.file_system = options_.file_system;
    log_options_.initialize = true;
    auto directory = DataDirectory::Open(data(), /*initialize=*/true);
    ASSERT_TRUE(directory.ok()) << directory.status();
    directory_ = *std::move(directory);
    auto log = Log::Open(data(), log_options_);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  // One batch.
  absl::Status TryAppend(int count) {
    const Position next = log_->head().next;
    Batch batch;
    for (Position at = next; at < next + count; ++at) batch.Add(EventAt(at));
    return log_->Append(batch, next).status();
  }
  void Append(int count) {
    const absl::Status status = TryAppend(count);
    ASSERT_TRUE(status.ok()) << status;
  }

  absl::StatusOr<Backup> TryBackup() { return CreateBackup(*log_, data(), backups(), options_); }
  Backup MakeBackup() {
    const absl::StatusOr<Backup> backup = TryBackup();
    EXPECT_TRUE(backup.ok()) << backup.status();
    return backup.ok() ? *backup : Backup();
  }

  std::vector<BackupId> Listed() {
    const auto listed = ListBackups(backups(), options_);
    EXPECT_TRUE(listed.ok()) << listed.status();
    std::vector<BackupId> ids;
    if (!listed.ok()) return ids;
    for (const Backup& backup : *listed) ids.push_back(backup.id);
    return ids;
  }

  absl::Status Verify(std::optional<BackupId> id = std::nullopt,
                      const std::optional<Checkpoint>& known = std::nullopt) {
    return VerifyBackup(backups(), id, known, options_).status();
  }

  // The data folder made of `backup` holds what the live log has up to its head.
  void ExpectRestores(const Backup& backup) {
    fs::remove_all(restored());
    const absl::StatusOr<Backup> back = RestoreBackup(backups(), backup.id, restored(), options_);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, backup);
    const auto directory = DataDirectory::Open(restored(), /*initialize=*/false);
    ASSERT_TRUE(directory.ok()) << directory.status();
    const auto log = Log::Open(restored(), LogOptions());
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_EQ((*log)->head(), backup.head);
    EXPECT_EQ(*log_->HeadAt(backup.head.next), backup.head);
    Log::Reader reader = (*log)->ReadFrom(0);
    Position position = 0;
    while (true) {
      const auto batch = reader.Next();
      ASSERT_TRUE(batch.ok()) << batch.status();
      if (*batch == nullptr) break;
      for (const std::string_view event : (*batch)->events) {
        ASSERT_EQ(event, EventAt(position++));
      }
    }
    EXPECT_EQ(position, backup.head.next);
  }

  TemporaryFolder folder_;
  bool real_syncs_ = false;
  std::shared_ptr<FaultFileSystem> disk_;
  BackupOptions options_;
  LogOptions log_options_;
  std::optional<DataDirectory> directory_;
  std::unique_ptr<Log> log_;
};

TEST_F(BackupTest, RestoresTheSameHeadAndEveryByte) {
  for (int i = 0; i < 20; ++i) Append(1 + i * 7);
  const Backup backup = MakeBackup();
  EXPECT_EQ(backup.id, 1U);
  EXPECT_EQ(backup.head, log_->head());
  EXPECT_GT(backup.size_bytes, backup.head.next * 200);
  EXPECT_GT(backup.created_us, 1'600'000'000'000'000);
  EXPECT_EQ(*ListBackups(backups(), options_), std::vector<Backup>{backup});
  EXPECT_TRUE(Verify().ok()) << Verify();
  ExpectRestores(backup);
  EXPECT_EQ(ContentOf(restored() + "/FORMAT"), ContentOf(data() + "/FORMAT"));
  EXPECT_FALSE(fs::exists(restored() + "/views"));
}

TEST_F(BackupTest, TakesARelativePath) {
  Append(20);
  const std::string folder = fs::relative(backups());
  ASSERT_TRUE(CreateBackup(*log_, data(), folder, options_).ok());
  ASSERT_TRUE(CreateBackup(*log_, data(), folder + "/", options_).ok());
  EXPECT_TRUE(VerifyBackup(folder, std::nullopt, std::nullopt, options_).ok());
  EXPECT_TRUE(RestoreBackup(folder, std::nullopt, fs::relative(restored()), options_).ok());
  EXPECT_TRUE(PruneBackups(folder, 1, options_).ok());
  EXPECT_EQ(ListBackups(folder, options_)->size(), 1U);
}

TEST_F(BackupTest, BacksUpAnEmptyLog) {
  const Backup backup = MakeBackup();
  EXPECT_EQ(backup.head, (Head{0, EmptyRoot()}));
  EXPECT_TRUE(Verify().ok()) << Verify();
  ExpectRestores(backup);
}

// The anchor is of the backup's own head; the live one is ahead by then.
TEST_F(BackupTest, HasTheAnchorOfItsOwnHead) {
  Append(300);
  const Backup backup = MakeBackup();
  Append(5);
  EXPECT_EQ(*Anchor::Read(*disk_, backups() + "/data/1/anchor"), backup.head);
  EXPECT_NE(*Anchor::Read(*disk_, data() + "/anchor"), backup.head);
}

TEST_F(BackupTest, CopiesOnlyWhatIsNew) {
  for (int i = 0; i < 20; ++i) Append(1000);
  MakeBackup();
  const auto first = FilesIn(backups());
  Append(10);
  const Backup second = MakeBackup();
  std::uint64_t copied = 0;
  for (const auto& [path, size] : FilesIn(backups())) {
    if (!first.contains(path)) copied += size;
  }
  RecordProperty("first_bytes", std::to_string(second.size_bytes));
  RecordProperty("copied_bytes", std::to_string(copied));
  EXPECT_GT(second.size_bytes, 4'000'000U);
  EXPECT_LT(copied, 50'000U);
  ExpectRestores(second);
}

TEST_F(BackupTest, WritesNothingElseIntoItsFolder) {
  Append(10);
  MakeBackup();
  const auto before = FilesIn(backups());
  EXPECT_TRUE(Verify().ok());
  EXPECT_TRUE(RestoreBackup(backups(), {}, restored(), options_).ok());
  EXPECT_THAT(Listed(), ElementsAre(1));
  EXPECT_EQ(FilesIn(backups()), before);
}

// ------------------------------------------------------------------------------- While it grows

class BackupUnderLoadTest : public BackupTest {
 protected:
  BackupUnderLoadTest() {
    real_syncs_ = true;  // and the pace that comes of them
    Start();
  }

  void StartLoad() {
    writer_ = std::thread([this] {
      for (int i = 0; !stop_; ++i) {
        if (!TryAppend(1 + i % 8).ok()) return;
      }
    });
    while (log_->head().next < 1000) std::this_thread::yield();
  }
  void StopLoad() {
    stop_ = true;
    writer_.join();
  }
  ~BackupUnderLoadTest() override {
    if (writer_.joinable()) StopLoad();
  }

  std::atomic<bool> stop_ = false;
  std::thread writer_;
};

TEST_F(BackupUnderLoadTest, HoldsWhatWasAcknowledgedBeforeItBegan) {
  StartLoad();
  std::vector<Backup> made;
  for (int round = 0; round < 40; ++round) {
    const Head acknowledged = log_->head();
    const Backup backup = MakeBackup();
    ASSERT_GE(backup.head.next, acknowledged.next) << "round " << round;
    ASSERT_EQ(*log_->HeadAt(backup.head.next), backup.head) << "round " << round;
    made.push_back(backup);
  }
  StopLoad();
  EXPECT_GT(log_->head().next, made.back().head.next) << "commands went on";
  EXPECT_GT(made.back().head.next, made.front().head.next);
  EXPECT_EQ(*ListBackups(backups(), options_), made);
  for (const Backup& backup : {made.front(), made[20], made.back()}) {
    EXPECT_TRUE(Verify(backup.id).ok()) << Verify(backup.id);
    ExpectRestores(backup);
  }
  // The live log is none the worse for it.
  const Head head = log_->head();
  EXPECT_TRUE(log_->Verify().ok());
  Start();
  EXPECT_EQ(log_->head(), head);
}

// The control: with the tables alone, and neither what is in memory nor the WAL, events would be
// lost, and the backup itself finds that out.
TEST_F(BackupUnderLoadTest, FindsThatEventsAreMissing) {
  StartLoad();
  options_.with_newest_events = false;
  for (int round = 0; round < 5; ++round) {
    const absl::StatusOr<Backup> backup = TryBackup();
    ASSERT_TRUE(absl::IsDataLoss(backup.status())) << backup.status();
    EXPECT_THAT(std::string(backup.status().message()), HasSubstr("missing"));
  }
  EXPECT_THAT(Listed(), IsEmpty());
  options_.with_newest_events = true;
  MakeBackup();
  EXPECT_THAT(Listed(), SizeIs(1));
}

// ------------------------------------------------------------------------------------- Damage

class BackupDamageTest : public BackupTest {
 protected:
  BackupDamageTest() {
    for (int i = 0; i < 10; ++i) Append(100);
    MakeBackup();
    for (int i = 0; i < 10; ++i) Append(100);
    MakeBackup();
  }

  // The file is named, and no folder is made of it.
  void ExpectRefused(const std::string& file) {
    const absl::Status verified = Verify();
    EXPECT_TRUE(absl::IsDataLoss(verified)) << file << ": " << verified;
    EXPECT_THAT(std::string(verified.message()), HasSubstr(fs::path(file).filename().string()));
    const absl::Status back = RestoreBackup(backups(), {}, restored(), options_).status();
    EXPECT_FALSE(back.ok()) << file;
    EXPECT_FALSE(fs::exists(restored() + "/FORMAT"));
    EXPECT_FALSE(fs::exists(restored() + "/log")) << file;
  }

  std::set<std::string> FilesOfTheNewest() {
    std::set<std::string> files;
    for (const auto& [path, size] : FilesIn(backups() + "/log")) {
      if (path.find("/private/1/") == std::string::npos && !path.ends_with("/meta/1") && size > 0) {
        files.insert(path);
      }
    }
    return files;
  }
};

TEST_F(BackupDamageTest, NamesTheFileWithAFlippedBit) {
  ASSERT_TRUE(Verify().ok()) << "the control: untouched";
  for (const std::string& file : FilesOfTheNewest()) {
    if (file.ends_with("/meta/2")) continue;  // that one is the list of the others
    const std::string good = ContentOf(file);
    std::string bad = good;
    bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 1);
    Write(file, bad);
    ExpectRefused(file);
    Write(file, good);
  }
  EXPECT_TRUE(Verify().ok()) << "the control: as it was";
  EXPECT_TRUE(Verify(1).ok());
}

TEST_F(BackupDamageTest, NamesTheFileThatIsCutOff) {
  for (const std::string& file : FilesOfTheNewest()) {
    if (file.ends_with("/meta/2")) continue;
    const std::string good = ContentOf(file);
    Write(file, good.substr(0, good.size() - 1));
    ExpectRefused(file);
    Write(file, good);
  }
  EXPECT_TRUE(Verify().ok());
}

TEST_F(BackupDamageTest, NamesTheFileThatIsMissing) {
  for (const std::string& file : FilesOfTheNewest()) {
    if (file.ends_with("/meta/2")) continue;
    const std::string good = ContentOf(file);
    fs::remove(file);
    ExpectRefused(file);
    Write(file, good);
  }
  EXPECT_TRUE(Verify().ok());
}

// The list of a backup's files. RocksDB believes it, so that a flip there could pass for nothing,
// or end the process.
TEST_F(BackupDamageTest, FindsAFlippedBitInAListOfFiles) {
  const std::string file = backups() + "/log/meta/1";
  const std::string good = ContentOf(file);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    Write(file, bad);
    for (const absl::Status& status :
         {Verify(1), Verify(2), TryBackup().status(), ListBackups(backups(), options_).status()}) {
      ASSERT_TRUE(absl::IsDataLoss(status)) << at << ": " << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("/log/meta/1"));
    }
  }
  fs::rename(file, folder_.path() + "/away");  // as the message says
  EXPECT_TRUE(Verify(2).ok());
  EXPECT_EQ(MakeBackup().id, 3U);
  EXPECT_THAT(Listed(), ElementsAre(2, 3));
}

TEST_F(BackupDamageTest, ItsListIsCheckedByHand) {
  const std::string command = "cd '" + backups() + "' && sha256sum --quiet -c data/2/meta.sha256";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST_F(BackupDamageTest, FindsTheAnchorDamaged) {
  const std::string file = backups() + "/data/2/anchor";
  const std::string good = ContentOf(file);
  std::string bad = good;
  for (const std::size_t at : {20, 4096 + 20}) bad[at] = static_cast<char>(bad[at] ^ 1);
  Write(file, bad);
  ExpectRefused(file);
  // The anchor of the older backup: a log that goes on beyond it is not what the backup was.
  Write(file, ContentOf(backups() + "/data/1/anchor"));
  EXPECT_TRUE(absl::IsDataLoss(Verify()));
  EXPECT_THAT(std::string(Verify().message()), HasSubstr("ends at position 2000"));
}

// Files with right checksums that say something else: the tree finds those, and names the position.
TEST_F(BackupDamageTest, FindsAnotherHistory) {
  TemporaryFolder other;
  auto log = Log::Open(other.path(), LogOptions{.initialize = true});
  ASSERT_TRUE(log.ok());
  for (int i = 0; i < 20; ++i) {
    Batch batch;
    for (int j = 0; j < 100; ++j) batch.Add(EventAt(i * 100 + j + (i == 7 && j == 3 ? 1 : 0)));
    ASSERT_TRUE((*log)->Append(batch, (*log)->head().next).ok());
  }
  Write(other.path() + "/FORMAT", ContentOf(data() + "/FORMAT"));
  const std::string folder = folder_.path() + "/others";
  ASSERT_TRUE(CreateBackup(**log, other.path(), folder).ok());
  ASSERT_TRUE(VerifyBackup(folder, 1).ok()) << "by itself it is a history like another";
  fs::copy_file(backups() + "/data/2/anchor", folder + "/data/1/anchor",
                fs::copy_options::overwrite_existing);
  const absl::Status status = VerifyBackup(folder, 1).status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("at position 2000"));
  EXPECT_TRUE(
      absl::IsDataLoss(VerifyBackup(folder, 1, Checkpoint{"denier/log", log_->head()}).status()));
}

TEST_F(BackupDamageTest, TakesNoOlderBackupInTheNewestsPlace) {
  const std::string manifest = [this] {
    for (const auto& [path, size] : FilesIn(backups() + "/log/private/2")) {
      if (path.find("MANIFEST") != std::string::npos) return path;
    }
    return std::string();
  }();
  fs::resize_file(manifest, 3);
  EXPECT_TRUE(absl::IsDataLoss(RestoreBackup(backups(), {}, restored(), options_).status()));
  EXPECT_TRUE(RestoreBackup(backups(), 1, restored(), options_).ok());
}

// --------------------------------------------------------------------------------- Half a backup

TEST_F(BackupTest, SurvivesErrorsOfItsDisk) {
  for (int i = 0; i < 5; ++i) Append(100);
  const Backup first = MakeBackup();
  int failures = 0;
  for (const Operation operation : {Operation::kWrite, Operation::kSync}) {
    for (int skip = 0;; ++skip) {
      Append(3);
      disk_->Plan({operation, "/backups/", Effect::kError, skip});
      const absl::StatusOr<Backup> backup = TryBackup();
      if (backup.ok()) {  // there were fewer operations; the plan is still to come
        const absl::StatusOr<Backup> next = TryBackup();
        if (!next.ok()) {
          EXPECT_TRUE(Verify(backup->id).ok());
          break;
        }
        continue;
      }
      ++failures;
      EXPECT_TRUE(absl::IsUnavailable(backup.status())) << backup.status();
      EXPECT_TRUE(Verify(first.id).ok());
      Append(1);  // the log has nothing of it
      const Backup next = MakeBackup();
      EXPECT_EQ(next.head, log_->head());
      EXPECT_TRUE(Verify(next.id).ok()) << "after " << skip << ": " << Verify(next.id);
    }
  }
  EXPECT_GT(failures, 10);
}

TEST_F(BackupTest, SurvivesPowerLosses) {
  Append(500);
  const Backup first = MakeBackup();
  int losses = 0;
  for (const Unsynced unsynced : {Unsynced::kDrop, Unsynced::kTear}) {
    for (const Operation operation : {Operation::kWrite, Operation::kSync}) {
      for (int skip = 0; skip < 40; ++skip) {
        Append(2);
        disk_->Plan({operation, "/backups/", Effect::kPowerOff, skip});
        const absl::StatusOr<Backup> backup = TryBackup();
        disk_->LosePower(unsynced, static_cast<std::uint32_t>(skip));
        Start();
        ASSERT_FALSE(HasFatalFailure());
        EXPECT_TRUE(Verify(first.id).ok());
        if (backup.ok()) {
          EXPECT_TRUE(Verify(backup->id).ok()) << Verify(backup->id);
          break;
        }
        ++losses;
        const Backup next = MakeBackup();
        EXPECT_EQ(next.head, log_->head());
        EXPECT_TRUE(Verify(next.id).ok()) << Verify(next.id);
      }
    }
  }
  EXPECT_GT(losses, 20);
}

TEST_F(BackupTest, ARestoredFolderSurvivesAPowerLoss) {
  Append(500);
  const Backup backup = MakeBackup();
  ASSERT_TRUE(RestoreBackup(backups(), {}, restored(), options_).ok());
  disk_->LosePower(Unsynced::kDrop);
  EXPECT_TRUE(DataDirectory::ReadFormat(restored()).ok());
  const auto log = Log::Open(restored(), LogOptions());
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ((*log)->head(), backup.head);
}

// Killed between the files and the anchor: the files are whole, and the next backup completes them.
TEST_F(BackupTest, CompletesWhatLacksOnlyItsAnchor) {
  Append(10);
  MakeBackup();
  Append(10);
  const Backup second = MakeBackup();
  fs::remove_all(backups() + "/data/2");
  EXPECT_THAT(Listed(), ElementsAre(1));
  EXPECT_EQ(VerifyBackup(backups(), {}, {}, options_)->id, 1U);
  EXPECT_TRUE(absl::IsNotFound(Verify(2)));
  Append(10);
  MakeBackup();
  EXPECT_THAT(Listed(), ElementsAre(1, 2, 3));
  EXPECT_TRUE(Verify(2).ok()) << Verify(2);
  ExpectRestores(second);
}

// A number may come again; what its last bearer has left does not vouch for the new one.
TEST_F(BackupTest, RemovesTheAnchorsOfBackupsThatAreNoMore) {
  Append(10);
  MakeBackup();
  fs::copy(backups() + "/data/1", backups() + "/data/2");
  fs::copy(backups() + "/data/1", backups() + "/data/7");
  Append(10);
  const Backup second = MakeBackup();
  EXPECT_EQ(second.id, 2U);
  EXPECT_EQ(*Anchor::Read(*disk_, backups() + "/data/2/anchor"), log_->head());
  EXPECT_FALSE(fs::exists(backups() + "/data/7"));
}

// ------------------------------------------------------------------------------ Space, turns, ends

TEST_F(BackupTest, IsNotBegunOnADiskThatIsAlmostFull) {
  Append(10);
  MakeBackup();
  options_.min_free_bytes = 1000;
  log_options_.min_free_bytes = 1000;
  disk_->SetFreeSpace(999);
  EXPECT_TRUE(absl::IsResourceExhausted(TryBackup().status()));
  disk_->SetFreeSpace(std::nullopt);
  EXPECT_THAT(Listed(), ElementsAre(1));
  MakeBackup();
}

// A disk of which something else takes the room away, after `looks` looks at it.
class FillingDisk : public FaultFileSystem {
 public:
  explicit FillingDisk(int looks) : looks_(looks) {}
  rocksdb::IOStatus GetFreeSpace(const std::string& /*path*/, const rocksdb::IOOptions& /*io*/,
                                 std::uint64_t* free_bytes,
                                 rocksdb::IODebugContext* /*debug*/) override {
    *free_bytes = looks_-- > 0 ? std::uint64_t{1} << 40 : 0;
    return rocksdb::IOStatus::OK();
  }

 private:
  std::atomic<int> looks_;
};

TEST_F(BackupTest, GivesUpBeforeItsDiskIsFull) {
  for (int i = 0; i < 20; ++i) Append(1000);
  options_.file_system = std::make_shared<FillingDisk>(2);
  const absl::Status status = TryBackup().status();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("has 0 bytes left"));
  std::uint64_t left = 0;
  for (const auto& [path, size] : FilesIn(backups())) left += size;
  EXPECT_LT(left, 1'000'000U) << "the room is given back";
  Append(1);
  options_.file_system = disk_;
  MakeBackup();
  EXPECT_TRUE(Verify().ok());
}

TEST_F(BackupTest, StopsWhenItIsTold) {
  for (int i = 0; i < 20; ++i) Append(1000);
  const std::atomic<bool> stop = true;
  options_.stop = &stop;
  EXPECT_TRUE(absl::IsAborted(TryBackup().status()));
  EXPECT_THAT(Listed(), IsEmpty());
  options_.stop = nullptr;
  MakeBackup();
  EXPECT_TRUE(Verify().ok());
}

TEST_F(BackupTest, OneAtATime) {
  Append(10);
  MakeBackup();
  rocksdb::FileLock* lock = nullptr;
  ASSERT_TRUE(disk_->LockFile(backups() + "/LOCK", rocksdb::IOOptions(), &lock, nullptr).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(TryBackup().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(PruneBackups(backups(), 1, options_).status()));
  EXPECT_TRUE(Verify().ok()) << "reading goes on";
  ASSERT_TRUE(disk_->UnlockFile(lock, rocksdb::IOOptions(), nullptr).ok());
  MakeBackup();
}

TEST_F(BackupTest, KeepsOutOfOtherFolders) {
  Append(1);
  fs::create_directory(backups());
  Write(backups() + "/thesis.txt", "my only copy");
  EXPECT_TRUE(absl::IsFailedPrecondition(TryBackup().status()));
  EXPECT_THAT(FilesIn(backups()), SizeIs(1));
  EXPECT_TRUE(absl::IsNotFound(ListBackups(backups(), options_).status()));
  EXPECT_TRUE(absl::IsNotFound(PruneBackups(backups(), 1, options_).status()));
  EXPECT_TRUE(absl::IsNotFound(Verify()));
}

TEST_F(BackupTest, RestoresIntoAnEmptyFolderOnly) {
  Append(10);
  MakeBackup();
  const auto before = FilesIn(data());
  for (const std::string& taken : {data(), backups()}) {
    const absl::Status status = RestoreBackup(backups(), {}, taken, options_).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  }
  EXPECT_EQ(FilesIn(data()), before);
  EXPECT_TRUE(absl::IsNotFound(RestoreBackup(backups(), 9, restored(), options_).status()));
  fs::create_directories(restored() + "/lost+found");  // a disk of its own
  EXPECT_TRUE(RestoreBackup(backups(), {}, restored(), options_).ok());
}

TEST_F(BackupTest, RefusesANewerFormat) {
  Append(10);
  MakeBackup();
  Write(backups() + "/data/1/FORMAT", "denier data folder, format 4\n");
  EXPECT_TRUE(absl::IsFailedPrecondition(Verify()));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(RestoreBackup(backups(), {}, restored(), options_).status()));
}

TEST_F(BackupTest, KeepsTheNewest) {
  std::vector<Backup> made;
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 5; ++j) Append(100);
    made.push_back(MakeBackup());
  }
  EXPECT_TRUE(absl::IsInvalidArgument(PruneBackups(backups(), 0, options_).status()));
  EXPECT_THAT(*PruneBackups(backups(), 5, options_), IsEmpty());
  fs::remove(backups() + "/data/3/anchor");          // unfinished, and older than those kept
  fs::remove(backups() + "/log/private/1/CURRENT");  // damaged, and older too
  EXPECT_THAT(*PruneBackups(backups(), 2, options_), ElementsAre(1, 2, 3));
  EXPECT_THAT(Listed(), ElementsAre(4, 5));
  EXPECT_FALSE(fs::exists(backups() + "/data/2"));
  for (const Backup& backup : {made[3], made[4]}) {
    EXPECT_TRUE(Verify(backup.id).ok());
    ExpectRestores(backup);
  }
  EXPECT_EQ(MakeBackup().id, 6U);
}

// A restored older state that goes on differently is backed up beside what was there before.
TEST_F(BackupTest, TwoHistoriesShareAFolder) {
  for (int i = 0; i < 5; ++i) Append(100);
  const Backup old = MakeBackup();
  Append(100);
  const Backup first = MakeBackup();
  ASSERT_TRUE(RestoreBackup(backups(), old.id, restored(), options_).ok());
  const auto log = Log::Open(restored(), log_options_);
  ASSERT_TRUE(log.ok());
  Batch batch;
  for (int i = 0; i < 100; ++i) batch.Add(EventAt(i));
  ASSERT_TRUE((*log)->Append(batch, 500).ok());
  const auto other = CreateBackup(**log, restored(), backups(), options_);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->head.next, first.head.next);
  EXPECT_NE(other->head.root, first.head.root);
  for (const BackupId id : {1, 2, 3}) EXPECT_TRUE(Verify(id).ok()) << Verify(id);
}

// -------------------------------------------------------------------------------- Checkpoints

class BackupCheckpointTest : public BackupTest {
 protected:
  BackupCheckpointTest() : key_(*SigningKey::FromPem(NewKeyPem(), "denier/log")) {}

  std::string NoteOf(const Head& head) { return SignCheckpoint(head, key_); }
  std::string CheckpointOf(BackupId id) {
    return ContentOf(backups() + "/data/" + std::to_string(id) + "/checkpoint");
  }

  SigningKey key_;
};

TEST_F(BackupCheckpointTest, TakesTheOneThatIsNotBeyondIt) {
  Append(10);
  const std::string note = NoteOf(log_->head());
  Append(10);
  Write(data() + "/checkpoint", note);
  MakeBackup();
  EXPECT_EQ(CheckpointOf(1), note);
  EXPECT_TRUE(Verify().ok()) << Verify();
  ASSERT_TRUE(RestoreBackup(backups(), {}, restored(), options_).ok());
  EXPECT_EQ(ContentOf(restored() + "/checkpoint"), note);

  Write(data() + "/checkpoint", NoteOf(Head{30, EmptyRoot()}));  // beyond
  MakeBackup();
  EXPECT_EQ(CheckpointOf(2), "");
  Write(data() + "/checkpoint", NoteOf(Head{10, EmptyRoot()}));  // another history
  MakeBackup();
  EXPECT_EQ(CheckpointOf(3), "");
  Write(data() + "/checkpoint", "half a");
  MakeBackup();
  EXPECT_EQ(CheckpointOf(4), "");
  EXPECT_THAT(Listed(), SizeIs(4));

  Write(backups() + "/data/1/checkpoint", NoteOf(Head{10, EmptyRoot()}));
  EXPECT_TRUE(absl::IsDataLoss(Verify(1)));
}

TEST_F(BackupCheckpointTest, WhoHoldsALaterOneRecognisesAnOlderState) {
  Append(300);
  const Checkpoint early{"denier/log", log_->head()};
  Append(300);
  MakeBackup();
  const Checkpoint same{"denier/log", log_->head()};
  Append(300);
  const Checkpoint later{"denier/log", log_->head()};
  EXPECT_TRUE(Verify({}, early).ok());
  EXPECT_TRUE(Verify({}, same).ok());
  const absl::Status older = Verify({}, later);
  EXPECT_TRUE(absl::IsOutOfRange(older)) << older;
  EXPECT_THAT(std::string(older.message()), HasSubstr("ends at position 599"));
  EXPECT_THAT(std::string(older.message()), HasSubstr("over 900 events"));
  EXPECT_TRUE(absl::IsDataLoss(Verify({}, Checkpoint{"denier/log", {300, later.head.root}})));
}

}  // namespace
}  // namespace denier::store
