#include "tests/bench/raw_store.h"

#include <rocksdb/convenience.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/utilities/options_util.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "denier/events/v1/event.pb.h"
#include "projections/books.h"
#include "projections/event_version.h"
#include "store/batch.h"
#include "store/chunks.h"
#include "store/encoding.h"

namespace denier::bench {
namespace {

absl::Status ToStatus(const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("raw RocksDB: ", status.ToString()));
}

struct Settings {
  rocksdb::DBOptions database;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
};

// Those that the database at `path` was opened with last.
absl::StatusOr<Settings> SettingsOf(const std::string& path) {
  Settings settings;
  const rocksdb::ConfigOptions config;
  if (absl::Status loaded = ToStatus(
          rocksdb::LoadLatestOptions(config, path, &settings.database, &settings.families));
      !loaded.ok()) {
    return loaded;
  }
  // RocksDB does not write this one down.
  settings.database.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  return settings;
}

// A database and its families, closed in the end.
class Opened {
 public:
  static absl::StatusOr<Opened> Open(const std::string& path) {
    const absl::StatusOr<Settings> settings = SettingsOf(path);
    if (!settings.ok()) return settings.status();
    return Open(path, *settings);
  }
  // A new one at `path`, set as the one at `like`.
  static absl::StatusOr<Opened> CreateLike(const std::string& like, const std::string& path,
                                           rocksdb::Env* env = rocksdb::Env::Default()) {
    absl::StatusOr<Settings> settings = SettingsOf(like);
    if (!settings.ok()) return settings.status();
    settings->database.create_if_missing = true;
    settings->database.env = env;
    return Open(path, *settings);
  }
  Opened(Opened&&) = default;
  Opened& operator=(Opened&&) = delete;

  rocksdb::DB& db() const { return *db_; }
  using Families = std::vector<std::unique_ptr<rocksdb::ColumnFamilyHandle>>;
  const Families& families() const { return families_; }
  rocksdb::ColumnFamilyHandle* Family(std::string_view name) const {
    for (const auto& family : families_) {
      if (family->GetName() == name) return family.get();
    }
    return nullptr;
  }

  // For whoever needs no more than these. The family must go before the database.
  std::unique_ptr<rocksdb::ColumnFamilyHandle> TakeFamily(std::string_view name) {
    const auto found = std::ranges::find_if(
        families_, [name](const auto& family) { return family->GetName() == name; });
    if (found == families_.end()) return nullptr;
    auto taken = std::move(*found);
    families_.erase(found);
    return taken;
  }
  std::unique_ptr<rocksdb::DB> TakeDatabase() {
    families_.clear();
    return std::move(db_);
  }

 private:
  Opened() = default;
  static absl::StatusOr<Opened> Open(const std::string& path, const Settings& settings) {
    Opened opened;
    std::vector<rocksdb::ColumnFamilyHandle*> families;
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status =
        rocksdb::DB::Open(settings.database, path, settings.families, &families, &db);
    opened.db_.reset(db);
    if (!status.ok()) return ToStatus(status);
    for (rocksdb::ColumnFamilyHandle* family : families) opened.families_.emplace_back(family);
    return opened;
  }

  std::unique_ptr<rocksdb::DB> db_;
  Families families_;  // go before db_
};

std::string LogOf(const std::string& data) { return data + "/log"; }

// The generation of rows that is served.
std::string RowsOf(const std::string& data) {
  std::string name;
  std::ifstream(data + "/views/CURRENT") >> name;
  return data + "/views/" + name;
}

std::string BatchKey(std::uint64_t first) {
  std::string key = "b";
  store::AppendBigEndian64(first, &key);
  return key;
}

// Folds the events of the log from `next` on into books whose rows lie in `rows`.
absl::Status FoldTail(const Opened& log, const Opened& rows, std::uint64_t next) {
  projections::Books books(
      [&](const std::string& key) -> absl::StatusOr<std::optional<std::string>> {
        std::string row;
        rocksdb::ColumnFamilyHandle* kind = rows.Family(key.substr(0, key.find('/')));
        if (kind == nullptr) kind = rows.db().DefaultColumnFamily();
        const rocksdb::Status status = rows.db().Get(rocksdb::ReadOptions(), kind, key, &row);
        if (status.IsNotFound()) return std::nullopt;
        if (!status.ok()) return ToStatus(status);
        return row;
      });
  events::v1::Event event;
  std::string room;
  const std::unique_ptr<rocksdb::Iterator> it(log.db().NewIterator(rocksdb::ReadOptions()));
  for (it->SeekForPrev(BatchKey(next)); it->Valid() && it->key()[0] == 'b'; it->Next()) {
    std::uint64_t position = store::ReadBigEndian64({it->key().data() + 1, 8});
    const auto packed = PackedEvents(it->value().ToStringView(), &room);
    if (!packed) return absl::DataLossError("a batch is damaged");
    std::string_view events = *packed;
    while (!events.empty()) {
      const std::size_t size = store::ReadLittleEndian32(events);
      if (position >= next) {
        absl::Status status = projections::DecodeEvent(events.substr(4, size), position, event);
        if (status.ok()) status = books.Fold(event, position);
        if (!status.ok()) return status;
      }
      events.remove_prefix(4 + size);
      ++position;
    }
  }
  return ToStatus(it->status());
}

}  // namespace

std::optional<std::string_view> PackedEvents(std::string_view value, std::string* room) {
  constexpr std::size_t kHeaderBytes = 36;
  if (value.size() < kHeaderBytes) return std::nullopt;
  const bool in_chunks = store::ReadLittleEndian32(value) >> 31 != 0;
  value.remove_prefix(kHeaderBytes);
  if (!in_chunks) return value;
  return store::ReadChunks(value, store::kMaxBatchBytes, room);
}

absl::StatusOr<RawStore> RawStore::Create(const std::string& data, const std::string& path,
                                          const std::shared_ptr<rocksdb::FileSystem>& file_system) {
  RawStore store;
  store.env_ = rocksdb::NewCompositeEnv(file_system);
  absl::StatusOr<Opened> created = Opened::CreateLike(LogOf(data), path, store.env_.get());
  if (!created.ok()) return created.status();
  store.db_ = created->TakeDatabase();
  return store;
}

absl::Status RawStore::Put(std::uint64_t key, std::string_view value) {
  rocksdb::WriteOptions options;
  options.sync = true;
  return ToStatus(db_->Put(options, BatchKey(key), {value.data(), value.size()}));
}

absl::StatusOr<RawRows> RawRows::Create(const std::string& data, const std::string& path) {
  absl::StatusOr<Opened> created = Opened::CreateLike(RowsOf(data), path);
  if (!created.ok()) return created.status();
  RawRows rows;
  rows.commitments_ = created->TakeFamily("commitment");
  rows.requests_ = created->TakeFamily("requests");
  if (rows.commitments_ == nullptr || rows.requests_ == nullptr) {
    return absl::InternalError("raw RocksDB: no rows of commitments or requests");
  }
  rows.db_ = created->TakeDatabase();
  return rows;
}

absl::Status RawRows::Put(std::uint64_t first, std::uint64_t count) {
  static const std::string kCommitment(79, 'c');
  static const std::string kPosition(8, 'p');
  rocksdb::WriteBatch rows;
  rocksdb::Status status;
  std::array<char, 32> key{};
  for (std::uint64_t number = first; number < first + count && status.ok(); ++number) {
    std::snprintf(key.data(), key.size(), "commitment/bench/%010llu",
                  static_cast<unsigned long long>(number));
    status = rows.Put(commitments_.get(), {key.data(), 27}, kCommitment);
    if (status.ok()) status = rows.Put(requests_.get(), {key.data() + 4, 23}, kPosition);
  }
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  if (status.ok()) status = db_->Write(options, &rows);
  return ToStatus(status);
}

absl::Status Compact(const std::string& data) {
  for (const std::string& path : {LogOf(data), RowsOf(data)}) {
    const absl::StatusOr<Opened> opened = Opened::Open(path);
    if (!opened.ok()) return opened.status();
    rocksdb::CompactRangeOptions all;
    all.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    for (const auto& family : opened->families()) {
      rocksdb::Status status = opened->db().Flush(rocksdb::FlushOptions(), family.get());
      if (status.ok()) status = opened->db().CompactRange(all, family.get(), nullptr, nullptr);
      if (!status.ok()) return ToStatus(status);
    }
  }
  return absl::OkStatus();
}

absl::Status Settle(const std::string& data) {
  for (const std::string& path : {LogOf(data), RowsOf(data)}) {
    const absl::StatusOr<Opened> opened = Opened::Open(path);
    if (!opened.ok()) return opened.status();
    rocksdb::DB& db = opened->db();
    for (std::uint64_t pending = 1; pending > 0;) {
      // Waits for the merges that run.
      rocksdb::Status status = db.PauseBackgroundWork();
      if (!db.GetAggregatedIntProperty(rocksdb::DB::Properties::kCompactionPending, &pending)) {
        return absl::InternalError("raw RocksDB: it does not say what it has to merge");
      }
      if (status.ok()) status = db.ContinueBackgroundWork();
      if (!status.ok()) return ToStatus(status);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<double> OpenBare(const std::string& data) {
  const auto begun = std::chrono::steady_clock::now();
  const absl::StatusOr<Opened> log = Opened::Open(LogOf(data));
  if (!log.ok()) return log.status();
  const absl::StatusOr<Opened> rows = Opened::Open(RowsOf(data));
  if (!rows.ok()) return rows.status();
  std::string cursor;
  const rocksdb::Status read =
      rows->db().Get(rocksdb::ReadOptions(), rows->Family("cursors"), "rows", &cursor);
  if (!read.ok()) return ToStatus(read);
  if (absl::Status folded = FoldTail(*log, *rows, store::ReadLittleEndian64(cursor));
      !folded.ok()) {
    return folded;
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

absl::StatusOr<std::unique_ptr<rocksdb::DB>> OpenToRead(const std::string& path) {
  const absl::StatusOr<Settings> settings = SettingsOf(path);
  if (!settings.ok()) return settings.status();
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::OpenForReadOnly(settings->database, path, settings->families, &handles, &db);
  if (!status.ok()) return ToStatus(status);
  for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  return std::unique_ptr<rocksdb::DB>(db);
}

}  // namespace denier::bench
