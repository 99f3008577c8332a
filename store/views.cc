#include "store/views.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/io_status.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>
#include <rocksdb/perf_level.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/snapshot.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "store/encoding.h"
#include "store/merkle.h"

namespace denier::store {
namespace {

// On disk: renaming one, or changing what its keys or values look like, makes every server rebuild.
constexpr char kRequestsFamily[] = "requests";
constexpr char kCursorsFamily[] = "cursors";
constexpr std::string_view kCursorKey = "rows";

constexpr char kCurrentFile[] = "/CURRENT";
constexpr char kDoubtedFile[] = "/DOUBTED";
constexpr std::size_t kNameDigits = 6;

// What bounds the memory of one generation, whatever its size on disk.
constexpr std::size_t kBlockCacheBytes = std::size_t{128} << 20;
// Four parts of the cache, each with a lock. RocksDB would cut it in 64, and whole filters, of a
// MiB or two each, would drive each other out of so small a part: a look-up then reads them again.
constexpr int kBlockCacheShardBits = 2;
// Two of them a family at the most. All families are flushed together, every 200,000 events at the
// latest: most of them are far from full by then.
// Smaller ones are compacted more often than they fit a cache better.
constexpr std::size_t kWriteBufferBytes = std::size_t{64} << 20;
// Of a file below level 0, and so of its filter: some 300 KiB at the most.
constexpr std::uint64_t kFileBytes = std::uint64_t{16} << 20;
constexpr int kMaxOpenFiles = 512;

absl::Status ToStatus(const rocksdb::Status& status, const std::string& where) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = "views in " + where + ": " + status.ToString();
  // A file that is gone is damage like another; any other I/O error is the disk speaking.
  if (status.IsIOError() && !status.IsPathNotFound()) return absl::UnavailableError(message);
  if (status.IsBusy() || status.IsTimedOut() || status.IsTryAgain()) {
    return absl::UnavailableError(message);
  }
  return absl::DataLossError(message + "; they are to be computed again from the log");
}

bool IsMissing(const rocksdb::Status& status) {
  return status.IsNotFound() || status.IsPathNotFound();
}

std::shared_ptr<rocksdb::FileSystem> FileSystemOf(const ViewsOptions& options) {
  return options.file_system != nullptr ? options.file_system : rocksdb::FileSystem::Default();
}

std::string EncodePosition(Position position) {
  std::string bytes;
  AppendLittleEndian64(position, &bytes);
  return bytes;
}

std::string EncodeCursor(const Cursor& cursor) {
  std::string bytes = EncodePosition(cursor.next);
  bytes.append(AsBytes(cursor.root));
  return bytes;
}

// The length of the scope comes first, so no two pairs of scope and id share a key.
std::string RequestKey(std::string_view scope, std::string_view request_id) {
  std::string key;
  AppendLittleEndian64(scope.size(), &key);
  key.append(scope).append(request_id);
  return key;
}

// For point reads behind Bloom filters, in memory and in files: most ask for what is not there yet,
// a new commitment or request. The index is cut in blocks, and shares the cache with the filters
// and the rows: as they grow with the history they cost reads, not memory. The filters are whole,
// one a file: cut in blocks, too, they took three times as long to say no. They have ten bits a
// key: with a hundred million of them the cache holds no longer all, and a look-up may read one.
rocksdb::ColumnFamilyOptions FamilyOptions(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.checksum = rocksdb::kXXH3;
  table.block_cache = cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;

  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kLZ4Compression;
  options.write_buffer_size = kWriteBufferBytes;
  options.max_write_buffer_number = 2;
  // A commit's rows come in the order of their keys: the search for a row's place goes on from the
  // one before it, for each first byte of theirs.
  options.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(1));
  options.memtable_prefix_bloom_size_ratio = 0.02;
  options.memtable_whole_key_filtering = true;
  options.level_compaction_dynamic_level_bytes = true;
  options.target_file_size_base = kFileBytes;
  return options;
}

rocksdb::DBOptions DatabaseOptions(rocksdb::Env* env) {
  rocksdb::DBOptions options;
  options.env = env;
  options.paranoid_checks = true;
  // Without a WAL this is what keeps rows, requests and cursor at one moment on disk.
  options.atomic_flush = true;
  // Closing is no better than a crash: what is durable is what was flushed on purpose.
  options.avoid_flush_during_shutdown = true;
  options.max_open_files = kMaxOpenFiles;
  options.max_file_opening_threads = 1;  // more of them take longer to start than to open files
  // Or each start reads the properties of some forty files, to weigh deletions that there are none
  // of.
  options.skip_stats_update_on_db_open = true;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::WriteOptions WithoutWal() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  return options;
}

bool IsGenerationName(std::string_view name) {
  return name.size() == kNameDigits &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

absl::Status SyncDirectory(rocksdb::FileSystem& file_system, const std::string& path) {
  std::unique_ptr<rocksdb::FSDirectory> directory;
  rocksdb::IOStatus status =
      file_system.NewDirectory(path, rocksdb::IOOptions(), &directory, nullptr);
  if (status.ok()) status = directory->Fsync(rocksdb::IOOptions(), nullptr);
  return ToStatus(status, path);
}

}  // namespace

Views::Views(std::string directory, const ViewsOptions& options)
    : directory_(std::move(directory)),
      options_(options),
      env_(rocksdb::NewCompositeEnv(FileSystemOf(options))),
      cursor_{0, EmptyRoot()} {}

absl::StatusOr<std::shared_ptr<Views>> Views::Open(const std::string& directory,
                                                   const ViewsOptions& options) {
  return Open(directory, options, Mode::kWrite);
}

absl::StatusOr<std::shared_ptr<Views>> Views::OpenReadOnly(const std::string& directory,
                                                           const ViewsOptions& options) {
  return Open(directory, options, Mode::kRead);
}

absl::StatusOr<std::shared_ptr<Views>> Views::Open(const std::string& directory,
                                                   const ViewsOptions& options, Mode mode) {
  std::shared_ptr<Views> views(new Views(directory, options));
  if (absl::Status status = views->OpenDatabase(mode); !status.ok()) return status;
  absl::StatusOr<Cursor> cursor = views->ReadCursor(rocksdb::ReadOptions());
  if (!cursor.ok()) return cursor.status();
  views->cursor_ = *cursor;
  return views;
}

absl::Status Views::OpenDatabase(Mode mode) {
  rocksdb::DBOptions options = DatabaseOptions(env_.get());
  std::vector<std::string> names = {rocksdb::kDefaultColumnFamilyName, kRequestsFamily,
                                    kCursorsFamily};
  names.insert(names.end(), kGrowingKinds.begin(), kGrowingKinds.end());
  const bool is_new = mode == Mode::kWrite &&
                      IsMissing(env_->GetFileSystem()->FileExists(directory_, {}, /*dbg=*/nullptr));
  options.create_if_missing = options.create_missing_column_families = is_new;
  if (!is_new) {
    // What is there. A family that is not, in a generation of another version or a damaged one, is
    // not to be replaced by an empty one.
    names.clear();
    const rocksdb::Status listed = rocksdb::DB::ListColumnFamilies(options, directory_, &names);
    if (!listed.ok()) return ToStatus(listed, directory_);
  }

  const rocksdb::ColumnFamilyOptions family =
      FamilyOptions(rocksdb::NewLRUCache(kBlockCacheBytes, kBlockCacheShardBits));
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, family);
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      mode == Mode::kRead
          ? rocksdb::DB::OpenForReadOnly(options, directory_, families, &families_, &db)
          : rocksdb::DB::Open(options, directory_, families, &families_, &db);
  if (!status.ok()) return ToStatus(status, directory_);
  db_.reset(db);
  const auto find = [this](std::string_view name) -> rocksdb::ColumnFamilyHandle* {
    const auto found = std::ranges::find(families_, name, &rocksdb::ColumnFamilyHandle::GetName);
    return found == families_.end() ? nullptr : *found;
  };
  rows_ = find(rocksdb::kDefaultColumnFamilyName);
  requests_ = find(kRequestsFamily);
  cursors_ = find(kCursorsFamily);
  std::ranges::transform(kGrowingKinds, growing_.begin(), find);
  return CheckIsThere(requests_);
}

// Whether rows can be read from and written to a family: it may not have been there.
absl::Status Views::CheckIsThere(const rocksdb::ColumnFamilyHandle* family) const {
  if (family != nullptr) return absl::OkStatus();
  return ToStatus(rocksdb::Status::Corruption("rows of a kind are missing"), directory_);
}

// Where the row of `key` lies.
rocksdb::ColumnFamilyHandle* Views::FamilyOf(std::string_view key) const {
  const std::size_t end = key.find('/');
  if (end == std::string_view::npos) return rows_;
  const auto kind = std::ranges::find(kGrowingKinds, key.substr(0, end));
  return kind == kGrowingKinds.end() ? rows_ : growing_[kind - kGrowingKinds.begin()];
}

// Where rows may lie whose keys begin with `prefix`.
Views::Families Views::FamiliesOf(std::string_view prefix) const {
  Families families = {FamilyOf(prefix)};
  for (std::size_t i = 0; i < kGrowingKinds.size(); ++i) {
    if (kGrowingKinds[i].starts_with(prefix)) families.push_back(growing_[i]);
  }
  return families;
}

absl::Status Views::Destroy(const std::string& directory, const ViewsOptions& options) {
  const std::shared_ptr<rocksdb::FileSystem> file_system = FileSystemOf(options);
  const rocksdb::IOOptions io;
  std::vector<std::string> names;
  rocksdb::IOStatus status = file_system->GetChildren(directory, io, &names, nullptr);
  if (IsMissing(status)) return absl::OkStatus();
  for (const std::string& name : names) {
    if (!status.ok()) break;
    if (name != "." && name != "..") {
      status = file_system->DeleteFile(directory + "/" + name, io, nullptr);
    }
  }
  // The folder goes last: once it is gone its name may be given to a new generation.
  if (status.ok()) status = file_system->DeleteDir(directory, io, nullptr);
  return ToStatus(status, directory);
}

Views::~Views() {
  if (db_ != nullptr) {
    for (rocksdb::ColumnFamilyHandle* family : families_) db_->DestroyColumnFamilyHandle(family);
    db_.reset();
  }
  // Should it fail, the folder stays behind for the next Generations::DropOthers.
  if (destroy_on_close_) Destroy(directory_, options_).IgnoreError();
  closed_.set_value();
}

Cursor Views::cursor() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return cursor_;
}

absl::Status Views::Commit(Write write, const Cursor& cursor) {
  if (const Position at = this->cursor().next; cursor.next <= at) {
    return absl::InternalError("views in " + directory_ + ": commit of cursor " +
                               std::to_string(cursor.next) + " onto cursor " + std::to_string(at));
  }
  // The later one of a key's rows stays the later one, and is put alone.
  std::ranges::stable_sort(write.rows_, {}, &std::pair<std::string, std::string>::first);
  std::ranges::stable_sort(write.requests_, {}, &std::pair<std::string, Position>::first);
  rocksdb::WriteBatch batch;
  for (auto it = write.rows_.begin(); it != write.rows_.end(); ++it) {
    const auto next = std::next(it);
    if (next != write.rows_.end() && next->first == it->first) continue;
    rocksdb::ColumnFamilyHandle* family = FamilyOf(it->first);
    if (absl::Status there = CheckIsThere(family); !there.ok()) return there;
    batch.Put(family, it->first, it->second);
  }
  for (const auto& [key, position] : write.requests_) {
    batch.Put(requests_, key, EncodePosition(position));
  }
  batch.Put(cursors_, kCursorKey, EncodeCursor(cursor));
  // Or RocksDB counts each comparison of two keys, for nobody.
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  const rocksdb::Status status = db_->Write(WithoutWal(), &batch);
  if (!status.ok()) return ToStatus(status, directory_);

  const std::lock_guard<std::mutex> lock(mutex_);
  cursor_ = cursor;
  return absl::OkStatus();
}

absl::Status Views::Flush() {
  return ToStatus(db_->Flush(rocksdb::FlushOptions(), families_), directory_);
}

absl::StatusOr<std::optional<std::string>> Views::Read(const rocksdb::ReadOptions& options,
                                                       rocksdb::ColumnFamilyHandle* family,
                                                       std::string_view key) const {
  if (absl::Status there = CheckIsThere(family); !there.ok()) return there;
  std::string value;
  const rocksdb::Status status = db_->Get(options, family, key, &value);
  if (status.ok()) return value;
  if (status.IsNotFound()) return std::nullopt;
  return ToStatus(status, directory_);
}

absl::StatusOr<Cursor> Views::ReadCursor(const rocksdb::ReadOptions& options) const {
  absl::StatusOr<std::optional<std::string>> bytes = Read(options, cursors_, kCursorKey);
  if (!bytes.ok()) return bytes.status();
  Cursor cursor{0, EmptyRoot()};
  if (!bytes->has_value()) return cursor;
  if ((*bytes)->size() != sizeof(Position) + cursor.root.size()) {
    return absl::DataLossError("views in " + directory_ + ": the cursor has " +
                               std::to_string((*bytes)->size()) + " bytes");
  }
  cursor.next = ReadLittleEndian64(**bytes);
  std::memcpy(cursor.root.data(), (*bytes)->data() + sizeof(Position), cursor.root.size());
  return cursor;
}

absl::StatusOr<std::optional<std::string>> Views::Get(std::string_view key) const {
  return Read(rocksdb::ReadOptions(), FamilyOf(key), key);
}

absl::StatusOr<std::optional<Position>> Views::FindRequest(std::string_view scope,
                                                           std::string_view request_id) const {
  absl::StatusOr<std::optional<std::string>> bytes =
      Read(rocksdb::ReadOptions(), requests_, RequestKey(scope, request_id));
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return std::nullopt;
  return ParseRequest(**bytes);
}

absl::StatusOr<Position> Views::ParseRequest(std::string_view row) const {
  if (row.size() != sizeof(Position)) {
    return absl::DataLossError("views in " + directory_ + ": a request's position has " +
                               std::to_string(row.size()) + " bytes");
  }
  return ReadLittleEndian64(row);
}

absl::StatusOr<std::vector<std::optional<std::string>>> Views::ReadAll(
    rocksdb::ColumnFamilyHandle* family, std::span<const std::string_view> keys) const {
  if (absl::Status there = CheckIsThere(family); !there.ok()) return there;
  const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  // Keys that come in order, as those of a caller that counts do, need not be sorted.
  db_->MultiGet(rocksdb::ReadOptions(), family, keys.size(), slices.data(), values.data(),
                statuses.data(), /*sorted_input=*/std::ranges::is_sorted(keys));
  std::vector<std::optional<std::string>> rows(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].IsNotFound()) continue;
    if (!statuses[i].ok()) return ToStatus(statuses[i], directory_);
    rows[i] = values[i].ToString();
  }
  return rows;
}

absl::StatusOr<std::vector<std::optional<std::string>>> Views::GetAll(
    std::span<const std::string> keys) const {
  std::map<rocksdb::ColumnFamilyHandle*, std::vector<std::size_t>> places;  // in keys, by family
  for (std::size_t i = 0; i < keys.size(); ++i) places[FamilyOf(keys[i])].push_back(i);
  std::vector<std::optional<std::string>> rows(keys.size());
  for (const auto& [family, its_places] : places) {
    std::vector<std::string_view> its_keys;
    its_keys.reserve(its_places.size());
    for (const std::size_t place : its_places) its_keys.push_back(keys[place]);
    absl::StatusOr<std::vector<std::optional<std::string>>> its_rows = ReadAll(family, its_keys);
    if (!its_rows.ok()) return its_rows.status();
    for (std::size_t i = 0; i < its_places.size(); ++i) {
      rows[its_places[i]] = std::move((*its_rows)[i]);
    }
  }
  return rows;
}

absl::StatusOr<std::vector<std::optional<Position>>> Views::FindRequests(
    std::span<const std::pair<std::string_view, std::string_view>> requests) const {
  std::vector<std::string> keys;
  keys.reserve(requests.size());
  for (const auto& [scope, request_id] : requests) keys.push_back(RequestKey(scope, request_id));
  const absl::StatusOr<std::vector<std::optional<std::string>>> rows =
      ReadAll(requests_, std::vector<std::string_view>(keys.begin(), keys.end()));
  if (!rows.ok()) return rows.status();
  std::vector<std::optional<Position>> positions(rows->size());
  for (std::size_t i = 0; i < rows->size(); ++i) {
    if (!(*rows)[i].has_value()) continue;
    const absl::StatusOr<Position> position = ParseRequest(*(*rows)[i]);
    if (!position.ok()) return position.status();
    positions[i] = *position;
  }
  return positions;
}

absl::Status Views::VerifyFiles() const { return ToStatus(db_->VerifyChecksum(), directory_); }

Views::Snapshot Views::TakeSnapshot() const { return Snapshot(shared_from_this()); }

absl::Status Views::Doubt() const {
  return ToStatus(
      rocksdb::WriteStringToFile(FileSystemOf(options_).get(), "", directory_ + kDoubtedFile),
      directory_);
}

void Views::DestroyOnClose() {
  const std::lock_guard<std::mutex> lock(mutex_);
  destroy_on_close_ = true;
}

void Views::Write::Put(std::string_view key, std::string_view row) { rows_.emplace_back(key, row); }

void Views::Write::PutRequest(std::string_view scope, std::string_view request_id,
                              Position position) {
  requests_.emplace_back(RequestKey(scope, request_id), position);
}

void Views::Write::Append(Write later) {
  if (size() == 0) {
    *this = std::move(later);
    return;
  }
  std::ranges::move(later.rows_, std::back_inserter(rows_));
  std::ranges::move(later.requests_, std::back_inserter(requests_));
}

// The deleter holds the views itself: whichever member is assigned or destroyed first, the database
// outlives its snapshot.
Views::Snapshot::Snapshot(std::shared_ptr<const Views> views)
    : views_(std::move(views)),
      snapshot_(views_->db_->GetSnapshot(), [views = views_](const rocksdb::Snapshot* snapshot) {
        views->db_->ReleaseSnapshot(snapshot);
      }) {}

rocksdb::ReadOptions Views::Snapshot::AtThisMoment() const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot_.get();
  return options;
}

absl::StatusOr<Cursor> Views::Snapshot::cursor() const {
  return views_->ReadCursor(AtThisMoment());
}

absl::StatusOr<std::optional<std::string>> Views::Snapshot::Get(std::string_view key) const {
  return views_->Read(AtThisMoment(), views_->FamilyOf(key), key);
}

absl::StatusOr<std::vector<Views::Snapshot::Row>> Views::Snapshot::Scan(
    std::string_view prefix, std::string_view start_after, std::size_t limit) const {
  return ScanFamilies(views_->FamiliesOf(prefix), prefix, start_after, limit);
}

absl::StatusOr<std::optional<Views::Snapshot::Row>> Views::Snapshot::FindLast(
    std::string_view prefix, std::string_view until) const {
  assert(until.starts_with(prefix));
  std::optional<Row> last;
  for (rocksdb::ColumnFamilyHandle* family : views_->FamiliesOf(prefix)) {
    if (absl::Status there = views_->CheckIsThere(family); !there.ok()) return there;
    const std::unique_ptr<rocksdb::Iterator> it(views_->db_->NewIterator(AtThisMoment(), family));
    it->SeekForPrev(until);
    if (!it->status().ok()) return ToStatus(it->status(), views_->directory_);
    if (!it->Valid() || !it->key().starts_with(prefix)) continue;
    if (last.has_value() && it->key().compare(last->key) < 0) continue;
    last = Row{it->key().ToString(), it->value().ToString()};
  }
  return last;
}

absl::StatusOr<std::vector<Views::Snapshot::Row>> Views::Snapshot::ScanRequests(
    std::string_view start_after, std::size_t limit) const {
  return ScanFamilies({views_->requests_}, "", start_after, limit);
}

// Their rows together, in one order.
absl::StatusOr<std::vector<Views::Snapshot::Row>> Views::Snapshot::ScanFamilies(
    const Families& families, std::string_view prefix, std::string_view start_after,
    std::size_t limit) const {
  std::vector<std::unique_ptr<rocksdb::Iterator>> its;
  for (rocksdb::ColumnFamilyHandle* family : families) {
    if (absl::Status there = views_->CheckIsThere(family); !there.ok()) return there;
    its.emplace_back(views_->db_->NewIterator(AtThisMoment(), family));
    its.back()->Seek(std::max(prefix, start_after));
    if (!start_after.empty() && its.back()->Valid() && its.back()->key() == start_after) {
      its.back()->Next();
    }
  }
  std::vector<Row> rows;
  while (rows.size() < limit) {
    rocksdb::Iterator* first = nullptr;
    for (const auto& it : its) {
      if (!it->Valid() && !it->status().ok()) return ToStatus(it->status(), views_->directory_);
      if (!it->Valid() || !it->key().starts_with(prefix)) continue;
      if (first == nullptr || it->key().compare(first->key()) < 0) first = it.get();
    }
    if (first == nullptr) break;
    rows.push_back({first->key().ToString(), first->value().ToString()});
    first->Next();
  }
  return rows;
}

Generations::Generations(std::string directory, ViewsOptions options)
    : directory_(std::move(directory)),
      options_(std::move(options)),
      file_system_(FileSystemOf(options_)) {}

absl::StatusOr<std::string> Generations::CurrentName() const {
  std::string name;
  const rocksdb::IOStatus status =
      rocksdb::ReadFileToString(file_system_.get(), directory_ + kCurrentFile, &name);
  if (IsMissing(status)) return absl::NotFoundError("no views in " + directory_);
  if (!status.ok()) return ToStatus(status, directory_);
  if (!name.empty() && name.back() == '\n') name.pop_back();

  absl::StatusOr<std::vector<std::string>> names = Names();
  if (!names.ok()) return names.status();
  if (std::find(names->begin(), names->end(), name) == names->end()) {
    return absl::NotFoundError("no views in " + directory_ + ": CURRENT names no generation");
  }
  return name;
}

absl::StatusOr<std::vector<std::string>> Generations::Names() const {
  std::vector<std::string> names;
  const rocksdb::IOStatus status =
      file_system_->GetChildren(directory_, rocksdb::IOOptions(), &names, nullptr);
  if (!status.ok()) return ToStatus(status, directory_);
  names.erase(std::remove_if(names.begin(), names.end(),
                             [](const std::string& name) { return !IsGenerationName(name); }),
              names.end());
  std::sort(names.begin(), names.end());
  return names;
}

std::shared_ptr<Views> Generations::FindOpen(const std::string& name) {
  const auto it = opened_.find(name);
  if (it == opened_.end()) return nullptr;
  std::shared_ptr<Views> views = it->second.views.lock();
  if (views == nullptr) {
    it->second.closed.wait();
    opened_.erase(it);
  }
  return views;
}

absl::StatusOr<std::shared_ptr<Views>> Generations::OpenNamed(const std::string& name) {
  if (std::shared_ptr<Views> views = FindOpen(name); views != nullptr) return views;
  absl::StatusOr<std::shared_ptr<Views>> views = Views::Open(PathOf(name), options_);
  if (views.ok()) opened_[name] = {*views, (*views)->closed_.get_future().share()};
  return views;
}

absl::StatusOr<std::shared_ptr<Views>> Generations::OpenCurrent() {
  absl::StatusOr<std::string> name = CurrentName();
  if (!name.ok()) return name.status();
  if (std::shared_ptr<Views> views = FindOpen(*name); views != nullptr) return views;

  // RocksDB is built with assertions, and one of them reads a table's properties before their
  // checksum: damage there ends the process. A note left in time keeps it from ending every one.
  const std::string doubted = PathOf(*name) + kDoubtedFile;
  if (file_system_->FileExists(doubted, rocksdb::IOOptions(), nullptr).ok()) {
    return absl::DataLossError("views in " + PathOf(*name) +
                               ": the process that had them open last met damage, or died while it "
                               "opened them; they are to be computed again from the log");
  }
  rocksdb::IOStatus status = rocksdb::WriteStringToFile(file_system_.get(), "", doubted);
  if (!status.ok()) return ToStatus(status, directory_);
  absl::StatusOr<std::shared_ptr<Views>> views = OpenNamed(*name);
  status = file_system_->DeleteFile(doubted, rocksdb::IOOptions(), nullptr);
  if (!status.ok()) return ToStatus(status, directory_);
  return views;
}

absl::StatusOr<std::shared_ptr<Views>> Generations::OpenCurrentReadOnly() const {
  absl::StatusOr<std::string> name = CurrentName();
  if (!name.ok()) return name.status();
  return Views::OpenReadOnly(PathOf(*name), options_);
}

absl::StatusOr<std::shared_ptr<Views>> Generations::Start() {
  rocksdb::IOStatus status =
      file_system_->CreateDirIfMissing(directory_, rocksdb::IOOptions(), nullptr);
  if (!status.ok()) return ToStatus(status, directory_);
  if (absl::Status synced = SyncDirectory(*file_system_, directory_ + "/.."); !synced.ok()) {
    return synced;
  }
  absl::StatusOr<std::vector<std::string>> names = Names();
  if (!names.ok()) return names.status();
  const std::string number = std::to_string(names->empty() ? 1 : std::stoi(names->back()) + 1);
  return OpenNamed(std::string(kNameDigits - number.size(), '0') + number);
}

absl::Status Generations::Promote(Views& views) {
  const std::string name = views.directory().substr(views.directory().rfind('/') + 1);
  if (!IsGenerationName(name) || PathOf(name) != views.directory()) {
    return absl::InvalidArgumentError(views.directory() + " is not a generation of " + directory_);
  }
  if (absl::Status status = views.Flush(); !status.ok()) return status;

  const std::string current = directory_ + kCurrentFile;
  rocksdb::IOStatus status = rocksdb::WriteStringToFile(file_system_.get(), name + "\n",
                                                        current + ".new", /*should_sync=*/true);
  if (status.ok()) {
    status = file_system_->RenameFile(current + ".new", current, rocksdb::IOOptions(), nullptr);
  }
  if (!status.ok()) return ToStatus(status, directory_);
  return SyncDirectory(*file_system_, directory_);
}

absl::Status Generations::DropOthers() {
  absl::StatusOr<std::string> current = CurrentName();
  if (!current.ok()) return current.status();
  absl::StatusOr<std::vector<std::string>> names = Names();
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (name == *current) continue;
    if (std::shared_ptr<Views> views = FindOpen(name); views != nullptr) {
      views->DestroyOnClose();
    } else if (absl::Status status = Views::Destroy(PathOf(name), options_); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace denier::store
