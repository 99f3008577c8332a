#include "store/log.h"

#include <rocksdb/file_checksum.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/backup_engine.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "store/batch_order.h"
#include "store/chunks.h"
#include "store/data_directory.h"
#include "store/encoding.h"
#include "store/zeroed_wal.h"

namespace denier::store {
namespace {

// On disk: see FORMAT.md.
constexpr char kBatchPrefix = 'b';
constexpr char kNodePrefix = 'n';
constexpr const char* kNodesFamily = "nodes";
constexpr std::size_t kBatchKeyBytes = 1 + sizeof(Position);
constexpr std::size_t kNodeKeyBytes = 1 + 1 + sizeof(std::uint64_t);
constexpr std::size_t kBatchHeaderBytes = sizeof(std::uint32_t) + sizeof(Hash);
constexpr std::uint32_t kInChunks = std::uint32_t{1} << 31;  // in the count of a batch's events

// What a reader that waits for more keeps for its next batch.
constexpr std::size_t kMostKeptBytes = std::size_t{1} << 20;

constexpr std::uint64_t kEventsOfStoredNode = std::uint64_t{1} << kStoredLevel;

// From a commit to the start of the anchor's sync. With the sync itself it stays within 50 ms.
constexpr std::chrono::milliseconds kAnchorSyncDelay{30};

std::string BatchKey(Position first) {
  std::string key(1, kBatchPrefix);
  AppendBigEndian64(first, &key);
  return key;
}

std::string NodeKey(const MerkleNode& node) {
  std::string key(1, kNodePrefix);
  key.push_back(static_cast<char>(node.level));
  AppendBigEndian64(node.index, &key);
  return key;
}

rocksdb::Slice AsSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

std::string_view AsView(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

Hash ReadHash(std::string_view bytes) {
  Hash hash;
  bytes.copy(reinterpret_cast<char*>(hash.data()), hash.size());
  return hash;
}

// Bounds an iterator to the keys of one prefix.
rocksdb::ReadOptions WithinPrefix(char prefix) {
  static const std::array<rocksdb::Slice, 2> kBatches = {rocksdb::Slice("b"), rocksdb::Slice("c")};
  static const std::array<rocksdb::Slice, 2> kNodes = {rocksdb::Slice("n"), rocksdb::Slice("o")};
  const std::array<rocksdb::Slice, 2>& bounds = prefix == kBatchPrefix ? kBatches : kNodes;
  rocksdb::ReadOptions options;
  options.iterate_lower_bound = &bounds[0];
  options.iterate_upper_bound = &bounds[1];
  // What is read once and in order has no business in the cache.
  options.fill_cache = false;
  return options;
}

absl::Status DataLoss(absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat("log: ", what, "; restore the data folder from a backup"));
}

absl::Status FromRocksDb(const rocksdb::Status& status, absl::string_view doing) {
  if (status.ok()) return absl::OkStatus();
  const std::string what = absl::StrCat(doing, ": ", status.ToString());
  // A file that is gone is damage like another; any other I/O error is the disk speaking.
  if (status.IsIOError() && !status.IsPathNotFound()) {
    return absl::UnavailableError("log: " + what);
  }
  return DataLoss(what);
}

absl::Status OutcomeUnknown(const absl::Status& cause) {
  return absl::UnavailableError(
      absl::StrCat("the log takes no more events, and the outcome of the write that failed is "
                   "unknown, until it is opened again: ",
                   cause.message()));
}

struct BatchHeader {
  std::uint32_t count;
  bool in_chunks;
  Hash root;
};

std::unique_ptr<rocksdb::FileChecksumGenerator> ChecksumGenerator(const std::string& file_name) {
  rocksdb::FileChecksumGenContext context;
  context.file_name = file_name;
  return rocksdb::GetFileChecksumGenCrc32cFactory()->CreateFileChecksumGenerator(context);
}

std::optional<BatchHeader> ParseHeader(std::string_view value) {
  if (value.size() < kBatchHeaderBytes) return std::nullopt;
  const std::uint32_t count = ReadLittleEndian32(value);
  return BatchHeader{.count = count & ~kInChunks,
                     .in_chunks = (count & kInChunks) != 0,
                     .root = ReadHash(value.substr(sizeof(count)))};
}

}  // namespace

// ------------------------------------------------------------------------------------ Opening

absl::StatusOr<std::unique_ptr<Log>> Log::Open(const std::string& directory,
                                               const LogOptions& options) {
  std::unique_ptr<Log> log(new Log(options, directory + "/log", directory + "/anchor"));
  const absl::StatusOr<bool> exists = log->HoldsALog();
  if (!exists.ok()) return exists.status();
  const absl::StatusOr<std::optional<Head>> anchored = log->AnchoredHead(*exists);
  if (!anchored.ok()) return anchored.status();
  if (*exists) {
    const absl::Status status = log->LookBeforeWriting(*anchored);
    if (!status.ok()) return status;
  }

  // RocksDB moves what its WAL holds to files of its own and syncs them: from here on even the
  // batches that no sync had reached are durable, and may be anchored.
  absl::Status status = DataDirectory::RaiseFormat(directory);
  if (status.ok()) status = log->OpenForWriting();
  const Head found = log->head_;
  if (status.ok()) status = log->Recover(found);
  if (!status.ok()) return status;
  if (log->head_ != found) return DataLoss("changed while it was opened");

  if (options.use_anchor) {
    absl::StatusOr<std::unique_ptr<Anchor>> anchor =
        Anchor::Create(*log->file_system_, log->anchor_path_, log->head_);
    if (!anchor.ok()) return anchor.status();
    log->anchor_ = *std::move(anchor);
    log->anchor_syncer_ = std::thread([log = log.get()] { log->SyncAnchorInBackground(); });
  }
  return log;
}

absl::StatusOr<std::unique_ptr<Log>> Log::OpenReadOnly(const std::string& directory,
                                                       const LogOptions& options) {
  LogOptions reading = options;
  reading.initialize = false;
  std::unique_ptr<Log> log(new Log(reading, directory + "/log", directory + "/anchor"));
  const absl::StatusOr<bool> exists = log->HoldsALog();
  if (!exists.ok()) return exists.status();
  const absl::StatusOr<std::optional<Head>> anchored = log->AnchoredHead(*exists);
  if (!anchored.ok()) return anchored.status();
  const absl::Status status = log->OpenVerified(*anchored);
  if (!status.ok()) return status;
  return log;
}

absl::StatusOr<Log::Unverified> Log::OpenUnverified(const std::string& directory,
                                                    const LogOptions& options) {
  LogOptions reading = options;
  reading.initialize = false;
  Unverified opened{
      .log = std::unique_ptr<Log>(new Log(reading, directory + "/log", directory + "/anchor")),
      .damage = {}};
  Log& log = *opened.log;
  const absl::StatusOr<bool> exists = log.HoldsALog();
  if (!exists.ok()) return exists.status();
  if (!*exists) return absl::NotFoundError(absl::StrCat("there is no log in ", log.path_));

  absl::Status status = log.OpenForReading();
  if (absl::IsDataLoss(status)) {
    // What a start takes for a write that a power loss has cut is no damage.
    const absl::StatusOr<std::optional<Head>> anchored = log.AnchoredHead(*exists);
    const absl::Status looked =
        anchored.ok() ? log.LookBeforeWriting(*anchored) : anchored.status();
    if (absl::IsUnavailable(looked)) return looked;
    if (!looked.ok()) opened.damage = status;
    // As far as the WAL is whole; then without the files that cannot be opened.
    log.recovery_mode_ = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    status = log.OpenForReading();
    if (absl::IsDataLoss(status)) {
      log.tolerates_damaged_files_ = true;
      status = log.OpenForReading();
    }
  }
  if (!status.ok()) return status;
  const absl::StatusOr<Head> claimed = log.ClaimedHead();
  if (absl::IsUnavailable(claimed.status())) return claimed.status();
  opened.knows_head = claimed.ok();
  log.head_ = claimed.ok() ? *claimed : Head{std::numeric_limits<Position>::max(), EmptyRoot()};
  log.failure_ = absl::FailedPreconditionError("the log was opened for reading only");
  return opened;
}

absl::StatusOr<std::unique_ptr<Log>> Log::OpenReadOnlyAt(const std::string& path,
                                                         const Head& trusted,
                                                         const LogOptions& options) {
  LogOptions reading = options;
  reading.initialize = false;
  reading.use_anchor = false;
  std::unique_ptr<Log> log(new Log(reading, path, /*anchor_path=*/""));
  const absl::StatusOr<bool> exists = log->HoldsALog();
  if (!exists.ok()) return exists.status();
  if (!*exists) return DataLoss(absl::StrCat("there is none in ", path));
  const absl::Status status = log->OpenVerified(trusted);
  if (!status.ok()) return status;
  return log;
}

Log::Log(const LogOptions& options, std::string path, std::string anchor_path)
    : options_(options),
      file_system_(options.file_system != nullptr ? options.file_system
                                                  : rocksdb::FileSystem::Default()),
      path_(std::move(path)),
      anchor_path_(std::move(anchor_path)),
      env_(rocksdb::NewCompositeEnv(WithZeroedWal(file_system_))),
      head_{0, EmptyRoot()} {}

Log::~Log() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  if (anchor_syncer_.joinable()) anchor_syncer_.join();
}

// What the anchor vouches for; nothing where it is rightly missing.
absl::StatusOr<std::optional<Head>> Log::AnchoredHead(bool log_exists) const {
  if (options_.use_anchor) {
    const absl::StatusOr<Head> head = Anchor::Read(*file_system_, anchor_path_);
    if (head.ok() && !log_exists) {
      return DataLoss(absl::StrCat("the anchor vouches for events [0, ", head->next, "), but ",
                                   path_, " holds no log"));
    }
    if (head.ok()) return *head;
    if (!absl::IsNotFound(head.status())) return head.status();
    if (log_exists && !options_.initialize) {
      return absl::DataLossError(
          absl::StrCat("the anchor ", anchor_path_,
                       " is missing, so nothing says how far the log must reach; restore it, or "
                       "have the log as it stands verified and anchored by initializing again"));
    }
  }
  if (!log_exists && !options_.initialize) {
    return absl::NotFoundError(absl::StrCat("there is no log in ", path_));
  }
  return std::nullopt;
}

absl::StatusOr<bool> Log::HoldsALog() const {
  const rocksdb::IOOptions io;
  const rocksdb::IOStatus current = file_system_->FileExists(path_ + "/CURRENT", io, nullptr);
  if (current.ok()) return true;
  if (!current.IsNotFound() && !current.IsPathNotFound()) {
    return FromRocksDb(current, "looking for the log");
  }
  // RocksDB writes no data before CURRENT: with data there, CURRENT was lost, and creating a new
  // log would finish the damage.
  std::vector<std::string> names;
  const rocksdb::IOStatus listed = file_system_->GetChildren(path_, io, &names, nullptr);
  if (listed.IsNotFound() || listed.IsPathNotFound()) return false;
  if (!listed.ok()) return FromRocksDb(listed, "looking for the log");
  for (const std::string_view name : names) {
    if (name.ends_with(".log") || name.ends_with(".sst")) {
      return DataLoss(absl::StrCat(path_, " has events but no file CURRENT"));
    }
  }
  return false;
}

rocksdb::Options Log::RocksDbOptions() const {
  rocksdb::Options options;
  options.env = env_.get();
  options.create_if_missing = options_.initialize;
  options.create_missing_column_families = true;
  // Nodes are few: without it their family would keep the WAL from ending, and a start reads it.
  options.atomic_flush = true;

  options.wal_recovery_mode = recovery_mode_;
  options.track_and_verify_wals_in_manifest = true;
  options.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  options.paranoid_file_checks = true;
  options.paranoid_checks = !tolerates_damaged_files_;
  // A failed write stops the log; it is not for RocksDB to go on after it by itself.
  options.max_bgerror_resume_count = 0;

  rocksdb::BlockBasedTableOptions table;
  table.checksum = rocksdb::kXXH3;
  table.verify_compression = true;
  // The index of every file is read when the log is opened: small batches share an entry.
  table.block_size = std::size_t{32} << 10;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kLZ4Compression;

  options.max_open_files = 256;
  options.max_file_opening_threads = 1;  // more of them take longer to start than to open files
  options.skip_stats_update_on_db_open = true;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

absl::Status Log::LookBeforeWriting(const std::optional<Head>& anchored) {
  const Head trusted = anchored.value_or(Head{0, EmptyRoot()});
  absl::Status looked = OpenForReading();
  if (looked.ok()) looked = Recover(trusted);
  CloseFamilies();
  if (!absl::IsDataLoss(looked) || !anchored) return looked;

  // A power loss may have left zeros in pages of the last write, which no sync had reached, and to
  // RocksDB that is damage. The anchor tells: what comes before it must hold what the anchor
  // vouches for. (kSkipAnyCorruptedRecords would also look behind it, but RocksDB 7.8 loops for
  // ever there.)
  recovery_mode_ = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  if (!OpenForReading().ok()) return looked;
  looked = Recover(trusted);
  CloseFamilies();
  return looked;
}

// For reading only.
absl::Status Log::OpenVerified(const std::optional<Head>& anchored) {
  absl::Status status = LookBeforeWriting(anchored);
  if (status.ok()) status = OpenForReading();
  if (status.ok()) failure_ = absl::FailedPreconditionError("the log was opened for reading only");
  return status;
}

absl::Status Log::OpenForReading() {
  absl::Status status = OpenFamilies(/*for_writing=*/false);
  // A program of format 1 has written them, or the first start since then was cut off.
  if (status.ok() && HasNodesAmongBatches()) nodes_.reset();
  return status;
}

absl::Status Log::OpenForWriting() {
  absl::Status status = OpenFamilies(/*for_writing=*/true);
  if (status.ok()) status = MoveNodes();
  return status;
}

// Batches lie in the default family and come in the order of their keys, so that no two files of
// them overlap, and RocksDB has nothing to merge. Nodes do not.
absl::Status Log::OpenFamilies(bool for_writing) {
  CloseFamilies();
  const rocksdb::Options options = RocksDbOptions();
  rocksdb::ColumnFamilyOptions of_batches = options;
  of_batches.comparator = BatchOrder();
  std::vector<std::string> names;
  rocksdb::DB::ListColumnFamilies(options, path_, &names).PermitUncheckedError();
  std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, of_batches}};
  if (for_writing || std::ranges::find(names, kNodesFamily) != names.end()) {
    families.emplace_back(kNodesFamily, options);
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      for_writing ? rocksdb::DB::Open(options, path_, families, &handles, &db)
                  : rocksdb::DB::OpenForReadOnly(options, path_, families, &handles, &db);
  db_.reset(db);
  if (!status.ok()) return FromRocksDb(status, absl::StrCat("opening ", path_));
  db_->DestroyColumnFamilyHandle(handles[0]);
  if (handles.size() > 1) nodes_.reset(handles[1]);
  return absl::OkStatus();
}

void Log::CloseFamilies() {
  nodes_.reset();
  db_.reset();
}

bool Log::HasNodesAmongBatches() const {
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(WithinPrefix(kNodePrefix)));
  it->SeekToFirst();
  return it->Valid();
}

rocksdb::ColumnFamilyHandle* Log::NodesFamily() const {
  return nodes_ != nullptr ? nodes_.get() : db_->DefaultColumnFamily();
}

// Those among the batches, all or none.
absl::Status Log::MoveNodes() {
  rocksdb::WriteBatch moved;
  rocksdb::Status status;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(WithinPrefix(kNodePrefix)));
  for (it->SeekToFirst(); it->Valid() && status.ok(); it->Next()) {
    status = moved.Put(nodes_.get(), it->key(), it->value());
    if (status.ok()) status = moved.Delete(it->key());
  }
  if (status.ok()) status = it->status();
  if (!status.ok() || moved.Count() == 0) return FromRocksDb(status, "reading the nodes");
  rocksdb::WriteOptions options;
  options.sync = options_.sync;
  return FromRocksDb(db_->Write(options, &moved), "moving the nodes");
}

// Brings head_ and frontier_ to the end of the log, having verified that it holds `trusted` and
// that every batch after it continues the same history.
absl::Status Log::Recover(const Head& trusted) {
  const absl::StatusOr<Head> claimed = ClaimedHead();
  if (!claimed.ok()) return claimed.status();
  head_ = *claimed;

  if (claimed->next < trusted.next) {
    return DataLoss(absl::StrCat("ends at position ", claimed->next,
                                 ", the anchor vouches for all before ", trusted.next, ": events [",
                                 claimed->next, ", ", trusted.next, ") are missing"));
  }
  const absl::StatusOr<Head> held = HeadAt(trusted.next);
  if (!held.ok() && !absl::IsNotFound(held.status())) return held.status();
  if (!held.ok() || *held != trusted) {
    return DataLoss(absl::StrCat(
        "is not the history that the anchor vouches for: at position ", trusted.next,
        " it must have the root ", ToHex(trusted.root),
        held.ok() ? " and has " + ToHex(held->root) : std::string(" and has no end of a batch")));
  }
  absl::StatusOr<MerkleFrontier> frontier = RestoreFrontier(trusted.next);
  if (!frontier.ok()) return frontier.status();
  if (frontier->Root() != trusted.root) {
    return DataLoss(absl::StrCat("the tree before position ", trusted.next,
                                 " does not give the root that its batch carries"));
  }

  Reader reader(*this, trusted.next, /*begins_batch=*/true);
  while (true) {
    const absl::StatusOr<const StoredBatch*> batch = reader.Next();
    if (!batch.ok()) return batch.status();
    if (*batch == nullptr) break;
    frontier->Append(LeafHashes((*batch)->events));
    if (frontier->Root() != (*batch)->head.root) {
      return DataLoss(absl::StrCat("the events of the batch at position ", (*batch)->first,
                                   " do not give its root"));
    }
  }
  frontier_ = *frontier;
  return absl::OkStatus();
}

// What the last batch says of itself.
absl::StatusOr<Head> Log::ClaimedHead() const {
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(WithinPrefix(kBatchPrefix)));
  it->SeekToLast();
  if (!it->status().ok()) return FromRocksDb(it->status(), "reading the last batch");
  if (!it->Valid()) return Head{0, EmptyRoot()};
  const std::optional<BatchHeader> header = ParseHeader(AsView(it->value()));
  if (!header || it->key().size() != kBatchKeyBytes) {
    return DataLoss(absl::StrCat("the last batch is malformed"));
  }
  return Head{ReadBigEndian64(AsView(it->key()).substr(1)) + header->count, header->root};
}

absl::StatusOr<MerkleFrontier> Log::RestoreFrontier(Position size) const {
  const Position stored = size - size % kEventsOfStoredNode;
  std::vector<Hash> peaks;
  for (const MerkleNode& name : MerkleFrontier::PeaksOf(stored)) {
    const absl::StatusOr<Hash> peak = ReadNode(name);
    if (!peak.ok()) return peak.status();
    peaks.push_back(*peak);
  }
  MerkleFrontier frontier(stored, peaks);

  Reader reader = ReadFrom(stored);
  while (frontier.size() < size) {
    const absl::StatusOr<const StoredBatch*> batch = reader.Next();
    if (!batch.ok()) return batch.status();
    assert(*batch != nullptr);
    frontier.Append(LeafHashes((*batch)->FirstOf(size - frontier.size())));
  }
  return frontier;
}

absl::StatusOr<Hash> Log::ReadNode(const MerkleNode& name) const {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), NodesFamily(), NodeKey(name), &value);
  const std::string node = absl::StrCat("node ", name.index, " of level ", name.level);
  if (!status.ok()) return FromRocksDb(status, absl::StrCat("reading ", node));
  if (value.size() != sizeof(Hash)) return DataLoss(absl::StrCat(node, " is malformed"));
  return ReadHash(value);
}

// ---------------------------------------------------------------------------------- Appending

absl::StatusOr<Position> Log::Append(const Batch& batch, Position expected) {
  const absl::Status started = StartCommit(batch, expected);
  if (!started.ok()) return started;
  const absl::Status room = CheckRoom();
  const absl::Status ended = EndCommit(room.ok() ? Commit(batch, expected) : room);
  if (!ended.ok()) return ended;
  return expected;
}

// OK: it is this thread's turn, until EndCommit.
absl::Status Log::StartCommit(const Batch& batch, Position expected) {
  if (batch.empty()) return absl::InvalidArgumentError("the batch is empty");
  if (batch.bytes().size() > kMaxBatchBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the batch has ", batch.bytes().size(),
                                                   " bytes, the limit is ", kMaxBatchBytes));
  }
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return !anchor_sync_due_; });
  if (!failure_.ok()) return failure_;
  if (head_.next != expected) {
    return absl::AbortedError(
        absl::StrCat("the log is at position ", head_.next, ", not at ", expected));
  }
  committing_ = true;
  return absl::OkStatus();
}

// The order of these steps is what FORMAT.md's guarantees rest on.
absl::StatusOr<Head> Log::Commit(const Batch& batch, Position first) {
  assert(frontier_.size() == first);
  std::vector<MerkleNode> completed;
  frontier_.Append(batch.TreeFrom(first), &completed);
  const Head head{frontier_.size(), frontier_.Root()};

  // What cannot be read back would be lost: compressed is only what has been.
  std::string room;
  const std::string& chunks = batch.Chunks();
  const bool in_chunks =
      !chunks.empty() && ReadChunks(chunks, kMaxBatchBytes, &room) == batch.bytes();
  const std::string& events = in_chunks ? chunks : batch.bytes();
  std::string header;
  AppendLittleEndian32(static_cast<std::uint32_t>(batch.size()) | (in_chunks ? kInChunks : 0),
                       &header);
  header.append(AsBytes(head.root));
  const std::string key = BatchKey(first);

  const rocksdb::Slice key_parts[] = {AsSlice(key)};
  const rocksdb::Slice value_parts[] = {AsSlice(header), AsSlice(events)};
  constexpr std::size_t kProtectionBytes = 8;
  rocksdb::WriteBatch write(events.size() + 1024, 0, kProtectionBytes, 0);
  rocksdb::Status status =
      write.Put(rocksdb::SliceParts(key_parts, 1), rocksdb::SliceParts(value_parts, 2));
  for (const MerkleNode& node : completed) {
    if (status.ok()) {
      status = write.Put(NodesFamily(), NodeKey(node), AsSlice(AsBytes(node.hash)));
    }
  }

  rocksdb::WriteOptions options;
  options.sync = options_.sync;
  options.protection_bytes_per_key = kProtectionBytes;
  if (status.ok()) status = db_->Write(options, &write);
  if (!status.ok()) return OutcomeUnknown(FromRocksDb(status, "writing"));

  if (anchor_ != nullptr) {
    const absl::Status anchored = anchor_->Write(head);
    if (!anchored.ok()) return OutcomeUnknown(anchored);
  }
  return head;
}

// For want of room nothing was written, and the log goes on.
absl::Status Log::EndCommit(const absl::StatusOr<Head>& committed) {
  const std::lock_guard<std::mutex> lock(mutex_);
  committing_ = false;
  const bool syncer_waits = anchor_sync_due_ || !anchor_is_behind_;
  if (committed.ok()) {
    head_ = *committed;
    anchor_is_behind_ = anchor_ != nullptr;
  } else if (!absl::IsResourceExhausted(committed.status())) {
    failure_ = committed.status();
  }
  if (syncer_waits) changed_.notify_all();
  return committed.status();
}

// Not under the mutex: nobody who asks for the head is to wait for the disk.
absl::Status Log::CheckRoom() const {
  std::uint64_t free_bytes = 0;
  const rocksdb::IOStatus status =
      file_system_->GetFreeSpace(path_, rocksdb::IOOptions(), &free_bytes, nullptr);
  if (!status.ok()) return OutcomeUnknown(FromRocksDb(status, "asking for the free space"));
  if (free_bytes >= options_.min_free_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the disk of ", path_, " has ", free_bytes, " bytes left, below the mark of ",
      options_.min_free_bytes, "; nothing was written, free some space and try again"));
}

void Log::SyncAnchorInBackground() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return anchor_is_behind_ || closing_; });
    if (!anchor_is_behind_) return;
    changed_.wait_for(lock, kAnchorSyncDelay, [this] { return closing_; });

    anchor_sync_due_ = true;
    changed_.wait(lock, [this] { return !committing_; });
    lock.unlock();
    const absl::Status synced = anchor_->Sync();
    lock.lock();
    anchor_is_behind_ = false;
    if (!synced.ok() && failure_.ok()) failure_ = OutcomeUnknown(synced);
    anchor_sync_due_ = false;
    changed_.notify_all();
  }
}

// ------------------------------------------------------------------------------------ Reading

Head Log::head() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return head_;
}

absl::StatusOr<Head> Log::HeadAt(Position next) const {
  if (next == 0) return Head{0, EmptyRoot()};
  const Head last = head();
  if (next > last.next) {
    return absl::OutOfRangeError(
        absl::StrCat("the log is at position ", last.next, ", before ", next));
  }
  Reader reader = ReadFrom(next - 1);
  const absl::StatusOr<const StoredBatch*> batch = reader.Next();
  if (!batch.ok()) return batch.status();
  if ((*batch)->head.next != next) {
    return absl::NotFoundError(absl::StrCat("no batch ends at position ", next));
  }
  return (*batch)->head;
}

Log::Reader Log::ReadFrom(Position from) const {
  return Reader(*this, from, /*begins_batch=*/from == 0);
}

std::span<const std::string_view> StoredBatch::FirstOf(std::uint64_t most) const {
  return std::span(events).first(std::min<std::uint64_t>(most, events.size()));
}

absl::StatusOr<std::string> Log::Read(Position position) const {
  Reader reader = ReadFrom(position);
  const absl::StatusOr<const StoredBatch*> batch = reader.Next();
  if (!batch.ok()) return batch.status();
  if (*batch == nullptr) {
    return absl::OutOfRangeError(absl::StrCat("position ", position, " is not in the log"));
  }
  return std::string((*batch)->events.front());
}

Log::Reader::Reader(const Log& log, Position from, bool begins_batch)
    : log_(&log), next_(from), begins_batch_(begins_batch) {}

absl::StatusOr<const StoredBatch*> Log::Reader::Next() {
  const Position end = log_->head().next;
  if (next_ >= end) {
    it_.reset();  // a reader that waits holds no files
    if (unpacked_.capacity() > kMostKeptBytes) unpacked_ = std::string();
    return nullptr;
  }
  if (it_ != nullptr && forward_) {
    it_->Next();
  } else if (it_ != nullptr) {
    // To turn around, RocksDB would read the block again that it comes from.
    Seek();
  }
  // An iterator sees the log as it was when it was made.
  if (it_ == nullptr || (!it_->Valid() && it_->status().ok())) {
    it_.reset(log_->db_->NewIterator(WithinPrefix(kBatchPrefix)));
    Seek();
  }
  const absl::Status parsed = Parse(end);
  if (!parsed.ok()) {
    it_.reset();
    return parsed;
  }
  return &batch_;
}

// To the batch that has the position next_.
void Log::Reader::Seek() {
  forward_ = begins_batch_;
  if (begins_batch_) {
    it_->Seek(BatchKey(next_));
  } else {
    it_->SeekForPrev(BatchKey(next_));
  }
}

// Makes batch_ of the value under it_, which must hold the position next_.
absl::Status Log::Reader::Parse(Position end) {
  const auto damage = [this](absl::string_view what) {
    return DataLoss(absl::StrCat("the batch with position ", next_, " ", what));
  };
  if (!it_->status().ok()) {
    return FromRocksDb(it_->status(), absl::StrCat("reading position ", next_));
  }
  if (!it_->Valid()) return damage("is missing");
  const std::string_view key = AsView(it_->key());
  const std::string_view value = AsView(it_->value());
  const std::optional<BatchHeader> header = ParseHeader(value);
  if (key.size() != kBatchKeyBytes || !header) return damage("is malformed");
  const Position first = ReadBigEndian64(key.substr(1));
  const Position after = first + header->count;
  if (first > next_ || after <= next_) return damage("is missing");
  if (after > end) return damage("reaches beyond the log");

  batch_.events.clear();
  std::string_view rest = value.substr(kBatchHeaderBytes);
  if (header->in_chunks) {
    const std::optional<std::string_view> read = ReadChunks(rest, kMaxBatchBytes, &unpacked_);
    if (!read) return damage("is malformed");
    rest = *read;
  }
  for (Position position = first; position < after; ++position) {
    if (rest.size() < sizeof(std::uint32_t)) return damage("is malformed");
    const std::uint32_t size = ReadLittleEndian32(rest);
    rest.remove_prefix(sizeof(size));
    if (rest.size() < size) return damage("is malformed");
    if (position >= next_) batch_.events.push_back(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  if (!rest.empty()) return damage("is malformed");

  batch_.first = next_;
  batch_.head = Head{after, header->root};
  next_ = after;
  begins_batch_ = true;
  return absl::OkStatus();
}

// ------------------------------------------------------------------------------------- Proofs

// Any complete node: the upper ones as stored, the lower ones from the events under them, of which
// each is read and hashed once.
class Log::Nodes {
 public:
  explicit Nodes(const Log& log) : log_(log) {}

  absl::StatusOr<Hash> operator()(const MerkleNode& name) const {
    if (name.level >= kStoredLevel) return log_.ReadNode(name);
    const std::uint64_t begin = name.index << name.level;
    const absl::StatusOr<const std::vector<Hash>*> leaves = LeavesAround(begin);
    if (!leaves.ok()) return leaves.status();
    MerkleFrontier subtree;
    subtree.Append(
        std::span(**leaves).subspan(begin % kEventsOfStoredNode, std::size_t{1} << name.level));
    return subtree.Root();
  }

 private:
  // Those of the lowest stored node that has or will have the event at `position`, as far as they
  // are durable.
  absl::StatusOr<const std::vector<Hash>*> LeavesAround(Position position) const {
    const Position begin = position - position % kEventsOfStoredNode;
    std::vector<Hash>& leaves = leaves_[begin];
    if (!leaves.empty()) return &leaves;
    Reader reader = log_.ReadFrom(begin);
    while (leaves.size() < kEventsOfStoredNode) {
      const absl::StatusOr<const StoredBatch*> batch = reader.Next();
      if (!batch.ok()) return batch.status();
      if (*batch == nullptr) break;
      const std::vector<Hash> more =
          LeafHashes((*batch)->FirstOf(kEventsOfStoredNode - leaves.size()));
      leaves.insert(leaves.end(), more.begin(), more.end());
    }
    return &leaves;
  }

  const Log& log_;
  mutable std::map<Position, std::vector<Hash>> leaves_;  // by the position of the first
};

absl::StatusOr<Head> Log::HeadOf(Position size, const Nodes& nodes) const {
  const Head last = head();
  if (size > last.next) {
    return absl::OutOfRangeError(
        absl::StrCat("the log has ", last.next, " events, fewer than ", size));
  }
  const absl::StatusOr<Hash> root = RootOf(size, nodes);
  if (!root.ok()) return root.status();
  if (size == last.next && *root != last.root) {
    return DataLoss(absl::StrCat("the tree does not give the root of position ", size));
  }
  return Head{size, *root};
}

absl::StatusOr<Hash> Log::RootAt(Position size) const {
  const Nodes nodes(*this);
  const absl::StatusOr<Head> head = HeadOf(size, nodes);
  if (!head.ok()) return head.status();
  return head->root;
}

absl::StatusOr<InclusionProof> Log::ProveInclusion(Position position, Position size) const {
  const Nodes nodes(*this);
  const absl::StatusOr<Head> head = HeadOf(size, nodes);
  if (!head.ok()) return head.status();
  if (position >= size) {
    return absl::OutOfRangeError(
        absl::StrCat("position ", position, " is not within the first ", size, " events"));
  }
  const absl::StatusOr<Hash> leaf = nodes({/*level=*/0, /*index=*/position, Hash{}});
  if (!leaf.ok()) return leaf.status();
  absl::StatusOr<std::vector<Hash>> path = InclusionPath(position, size, nodes);
  if (!path.ok()) return path.status();
  if (!VerifiesInclusion(*leaf, position, size, *path, head->root)) {
    return DataLoss(absl::StrCat("the nodes above position ", position, " contradict each other"));
  }
  return InclusionProof{position, *leaf, *std::move(path), *head};
}

absl::StatusOr<ConsistencyProof> Log::ProveConsistency(Position old_size, Position size) const {
  const Nodes nodes(*this);
  const absl::StatusOr<Head> later = HeadOf(size, nodes);
  if (!later.ok()) return later.status();
  if (old_size > size) {
    return absl::OutOfRangeError(
        absl::StrCat("a log of ", size, " events cannot begin with one of ", old_size));
  }
  const absl::StatusOr<Head> earlier = HeadOf(old_size, nodes);
  if (!earlier.ok()) return earlier.status();
  absl::StatusOr<std::vector<Hash>> path = ConsistencyPath(old_size, size, nodes);
  if (!path.ok()) return path.status();
  if (!VerifiesConsistency(*earlier, *later, *path)) {
    return DataLoss(absl::StrCat("the nodes before position ", size, " contradict each other"));
  }
  return ConsistencyProof{*earlier, *later, *std::move(path)};
}

// ---------------------------------------------------------------------------------- Verifying

absl::Status Log::Verify() const {
  const Head head = this->head();
  const rocksdb::Status files = db_->VerifyFileChecksums(rocksdb::ReadOptions());
  if (!files.ok()) return FromRocksDb(files, "verifying the checksums of the files");

  MerkleFrontier frontier;
  std::vector<MerkleNode> completed;
  std::uint64_t nodes = 0;
  Reader reader = ReadFrom(0);
  while (reader.position() < head.next) {
    const absl::StatusOr<const StoredBatch*> batch = reader.Next();
    if (!batch.ok()) return batch.status();
    completed.clear();
    frontier.Append(LeafHashes((*batch)->events), &completed);
    if (frontier.Root() != (*batch)->head.root) {
      return DataLoss(absl::StrCat("the events before position ", (*batch)->head.next,
                                   " do not give the root that is stored there"));
    }
    for (const MerkleNode& node : completed) {
      const absl::StatusOr<Hash> stored = ReadNode(node);
      if (!stored.ok()) return stored.status();
      if (*stored != node.hash) {
        return DataLoss(absl::StrCat("node ", node.index, " of level ", node.level,
                                     " is not what the events give"));
      }
    }
    nodes += completed.size();
  }
  if (frontier.Root() != head.root) {
    return DataLoss(absl::StrCat("the events do not give the root of position ", head.next));
  }
  return VerifyNodes(head, nodes);
}

// OK: each key of `family` begins with one of `prefixes`.
absl::Status Log::CheckPrefixes(rocksdb::ColumnFamilyHandle* family,
                                std::string_view prefixes) const {
  const std::unique_ptr<rocksdb::Iterator> all(db_->NewIterator(rocksdb::ReadOptions(), family));
  all->SeekToFirst();
  while (all->Valid()) {
    const char prefix = all->key().empty() ? '\0' : all->key()[0];
    if (prefixes.find(prefix) == std::string_view::npos) {
      return DataLoss(absl::StrCat("holds a key that is neither a batch nor a node: ",
                                   all->key().ToString(/*hex=*/true)));
    }
    all->Seek(std::string(1, static_cast<char>(prefix + 1)));
  }
  if (!all->status().ok()) return FromRocksDb(all->status(), "looking for foreign keys");
  return absl::OkStatus();
}

// No node is stored that the events [0, head.next) do not complete: there are `expected` of them;
// and nothing is stored but batches and nodes, each where they belong.
absl::Status Log::VerifyNodes(const Head& head, std::uint64_t expected) const {
  absl::Status prefixes = CheckPrefixes(db_->DefaultColumnFamily(), nodes_ == nullptr ? "bn" : "b");
  if (prefixes.ok() && nodes_ != nullptr) prefixes = CheckPrefixes(nodes_.get(), "n");
  if (!prefixes.ok()) return prefixes;
  std::uint64_t found = 0;
  const std::unique_ptr<rocksdb::Iterator> it(
      db_->NewIterator(WithinPrefix(kNodePrefix), NodesFamily()));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string_view key = AsView(it->key());
    if (key.size() != kNodeKeyBytes || key[1] < kStoredLevel || key[1] > 63) {
      return DataLoss(absl::StrCat("the key of a node is malformed"));
    }
    // An append that goes on meanwhile adds nodes beyond `head`.
    if (ReadBigEndian64(key.substr(2)) < head.next >> key[1]) ++found;
  }
  if (!it->status().ok()) return FromRocksDb(it->status(), "reading the nodes");
  if (found == expected) return absl::OkStatus();
  return DataLoss(absl::StrCat("has ", found, " nodes where the events give ", expected));
}

absl::StatusOr<std::vector<Log::File>> Log::CheckFiles() const {
  std::vector<rocksdb::LiveFileMetaData> metadata;
  db_->GetLiveFilesMetaData(&metadata);
  std::vector<File> files;
  for (const rocksdb::LiveFileMetaData& known : metadata) {
    File file;
    file.name = known.relative_filename;
    // In a file of format 1 a batch's key comes before every node's.
    if (const std::string& key = known.smallestkey;
        key.size() == kBatchKeyBytes && key[0] == kBatchPrefix) {
      file.first = ReadBigEndian64(std::string_view(key).substr(1));
    }
    absl::StatusOr<std::string> checksum = ChecksumOf(file);
    if (absl::IsUnavailable(checksum.status())) return checksum.status();
    if (!checksum.ok()) {
      file.damage = std::string(checksum.status().message());
    } else if (file.bytes != known.size) {
      file.damage = absl::StrCat("it has ", file.bytes, " bytes, ", known.size, " were written");
    } else if (known.file_checksum_func_name != ChecksumGenerator(file.name)->Name()) {
      file.damage = "no checksum of it was kept that this program knows";
    } else if (*checksum != known.file_checksum) {
      file.damage = "its bytes do not give the checksum that was kept of it";
    }
    files.push_back(std::move(file));
  }
  // Positions only ever grow, so no two files have batches of the same stretch.
  for (File& file : files) {
    if (!file.first) continue;
    for (const File& other : files) {
      if (!other.first || *other.first <= *file.first) continue;
      if (!file.before || *other.first < *file.before) file.before = other.first;
    }
  }
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.name < b.name; });
  return files;
}

// Reads the whole file; counts its bytes.
absl::StatusOr<std::string> Log::ChecksumOf(File& file) const {
  const std::string path = absl::StrCat(path_, "/", file.name);
  const std::unique_ptr<rocksdb::FileChecksumGenerator> generator = ChecksumGenerator(file.name);
  std::unique_ptr<rocksdb::FSSequentialFile> stream;
  rocksdb::IOStatus status =
      file_system_->NewSequentialFile(path, rocksdb::FileOptions(), &stream, nullptr);
  std::vector<char> buffer(std::size_t{1} << 20);
  while (status.ok()) {
    rocksdb::Slice read;
    status = stream->Read(buffer.size(), rocksdb::IOOptions(), &read, buffer.data(), nullptr);
    if (!status.ok() || read.empty()) break;
    generator->Update(read.data(), read.size());
    file.bytes += read.size();
  }
  if (!status.ok()) return FromRocksDb(status, absl::StrCat("reading ", path));
  generator->Finalize();
  return generator->GetChecksum();
}

// --------------------------------------------------------------------------------- Backing up

absl::StatusOr<std::uint32_t> Log::BackUp(rocksdb::BackupEngine& engine,
                                          const rocksdb::CreateBackupOptions& options) const {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!failure_.ok()) return failure_;
  }
  const absl::Status room = CheckRoom();  // what is only in memory and the WAL is written once more
  if (!room.ok()) return room;
  // RocksDB syncs the WAL itself here, which this log never does. Before RocksDB 7.10 that can
  // leave a MANIFEST that asks for a WAL already deleted, but only one begun meanwhile: this log
  // begins one when it is opened, and after 1 GiB of changes to the list of its files.
  rocksdb::BackupID id = 0;
  const rocksdb::IOStatus status = engine.CreateNewBackup(options, db_.get(), &id);
  if (status.ok()) return id;
  if (status.IsIncomplete()) return absl::AbortedError("the backup was stopped");
  if (status.IsNoSpace()) {
    return absl::ResourceExhaustedError(absl::StrCat("a disk is full: ", status.ToString()));
  }
  return FromRocksDb(status, "backing up");
}

}  // namespace denier::store
