// The event log: the only truth. Events are opaque bytes, numbered gapless from 0, appended in
// batches, never changed and never deleted.
//
//   Batch batch;
//   batch.Add("first");
//   batch.Add("second");
//   absl::StatusOr<Position> first = log->Append(batch, /*expected=*/log->head().next);
//
//   Log::Reader reader = log->ReadFrom(0);
//   while (true) {
//     absl::StatusOr<const StoredBatch*> stored = reader.Next();
//     if (!stored.ok()) return stored.status();
//     if (*stored == nullptr) break;  // the end, for now
//     Position position = (*stored)->first;
//     for (std::string_view event : (*stored)->events) Fold(position++, event);
//   }
//
// A commit is one synced write to RocksDB's WAL, then an unsynced overwrite of the anchor, then the
// new head is published. What reaches disk, and what follows for a restart, is in FORMAT.md.
#ifndef DENIER_STORE_LOG_H_
#define DENIER_STORE_LOG_H_

#include <rocksdb/db.h>
#include <rocksdb/file_system.h>
#include <rocksdb/options.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/anchor.h"
#include "store/batch.h"
#include "store/head.h"
#include "store/merkle.h"
#include "store/position.h"
#include "store/proof.h"

namespace rocksdb {
class BackupEngine;
struct CreateBackupOptions;
}  // namespace rocksdb

namespace denier::store {

struct LogOptions {
  // Where the files lie; nullptr is the operating system's own. Fault tests put their own here.
  std::shared_ptr<rocksdb::FileSystem> file_system = nullptr;

  // Allows what an operator must have asked for: an empty folder becomes a new log, and a log whose
  // anchor is gone is verified from its first event and anchored again. Anything else is opened as
  // without it.
  bool initialize = false;

  // Appends are refused while the disk has less room than this, before anything is written: a disk
  // that is really full would be a failed write, and stop the log.
  std::uint64_t min_free_bytes = std::uint64_t{256} << 20;

  // Off only in tests that show what these two are for.
  bool sync = true;
  bool use_anchor = true;
};

// A batch as read. The views are valid until the reader's next call, its move or its end.
struct StoredBatch {
  Position first = 0;  // of events.front()
  std::vector<std::string_view> events;
  Head head;  // after the batch: a boundary that a projection may stand at

  // The first `most` of the events, or all where there are no more.
  std::span<const std::string_view> FirstOf(std::uint64_t most) const;
};

class Log {
 public:
  class Reader;

  // Opens the log of the data folder `directory`: the files `anchor` and `log/`. The folder itself
  // must exist, and be locked by the caller (DataDirectory).
  //
  // The log must hold the anchor's head: its position, with its root. Batches beyond it, whose
  // acknowledgement may or may not have gone out, are verified against the tree, kept and anchored.
  // The check runs before anything is written, so a log that is refused is left as it was found.
  //
  // NOT_FOUND: there is no log, and `initialize` is off.
  // DATA_LOSS: the log is damaged, or ends before the anchor, or is another history, or one of the
  //   two is missing; the message names the position and what to do.
  // UNAVAILABLE: the disk reports an error.
  static absl::StatusOr<std::unique_ptr<Log>> Open(const std::string& directory,
                                                   const LogOptions& options = {});

  // Opens the log of a stopped server's folder, or of a backup, as Open does, and changes no file:
  // every append is refused. Errors as Open's.
  static absl::StatusOr<std::unique_ptr<Log>> OpenReadOnly(const std::string& directory,
                                                           const LogOptions& options = {});

  // What a log that is opened for an inspection turned out to be.
  struct Unverified;

  // Opens the log of such a folder as far as it can be opened, for whoever compares everything by
  // himself: nothing is held against the anchor or the tree, head() is what the last batch says of
  // itself, and damage shows where it is read; but what a start would take for a write that a power
  // loss has cut is none. Changes no file.
  // NOT_FOUND: there is no log. DATA_LOSS: it cannot be opened at all. UNAVAILABLE: the disk.
  static absl::StatusOr<Unverified> OpenUnverified(const std::string& directory,
                                                   const LogOptions& options = {});

  // Opens the log whose RocksDB folder is `path`, wherever that lies, as OpenReadOnly does;
  // `trusted` stands for the anchor, and that of no events has everything verified. For backups
  // (backup.h). DATA_LOSS also where there is no log.
  static absl::StatusOr<std::unique_ptr<Log>> OpenReadOnlyAt(const std::string& path,
                                                             const Head& trusted,
                                                             const LogOptions& options = {});

  // Syncs the anchor. No reader may be left.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Appends `batch` as one unit after `expected`, or nothing.
  // OK: synced, survives a power loss; the position of its first event.
  // INVALID_ARGUMENT: the batch is empty or above kMaxBatchBytes.
  // ABORTED: the log is not at `expected`; decide again.
  // RESOURCE_EXHAUSTED: the disk is below min_free_bytes; nothing was written, try again later.
  // UNAVAILABLE: this write or an earlier one failed. The outcome is unknown until the log is
  //   opened again; until then every append is refused.
  // Called by one thread, the sequencer. `batch` is not retained.
  absl::StatusOr<Position> Append(const Batch& batch, Position expected);

  // The durable events. Any thread.
  Head head() const;

  // The head after the batch that ends at `next`, as the log has it, so that a projection's cursor
  // can be compared with it. Any thread.
  // NOT_FOUND: no batch ends there. OUT_OF_RANGE: beyond head(). DATA_LOSS: damage.
  absl::StatusOr<Head> HeadAt(Position next) const;

  // Reads the durable batches from `from` on, which may lie inside a batch, and follows the log as
  // it grows. Any thread, one a reader. The log must outlive the reader.
  Reader ReadFrom(Position from) const;

  // One event. Any thread. OUT_OF_RANGE: not (yet) in the log. DATA_LOSS: damage.
  absl::StatusOr<std::string> Read(Position position) const;

  // The Merkle root over the events [0, size), wherever batches end. Any thread, as the two that
  // follow: each reads a few stored nodes and at most three times 256 events.
  // OUT_OF_RANGE: size is beyond head(). DATA_LOSS: damage.
  absl::StatusOr<Hash> RootAt(Position size) const;

  // That the event at `position` is in the log of the first `size` events. What is returned has
  // been verified. OUT_OF_RANGE: not position < size <= head().next. DATA_LOSS: damage.
  absl::StatusOr<InclusionProof> ProveInclusion(Position position, Position size) const;

  // That the log of the first `size` events begins with that of the first `old_size`. What is
  // returned has been verified. OUT_OF_RANGE: not old_size <= size <= head().next. DATA_LOSS:
  // damage.
  absl::StatusOr<ConsistencyProof> ProveConsistency(Position old_size, Position size) const;

  // Derives everything again from the events and compares: RocksDB's file checksums, every batch's
  // root, every stored node. Reads the whole log. Any thread. DATA_LOSS: the first difference.
  absl::Status Verify() const;

  // One of the files that RocksDB made of the WAL.
  struct File {
    std::string name;
    std::uint64_t bytes = 0;
    // The events of its batches lie in [first, before); no `first` when it holds nodes alone, no
    // `before` when no other file has later ones.
    std::optional<Position> first;
    std::optional<Position> before;
    std::string damage;  // why it is not the file that was written; empty: it is
  };
  // Reads every such file from its first byte to its last and computes its checksum again. (What
  // the WAL holds was checked, record by record, when the log was opened.) UNAVAILABLE: the disk.
  absl::StatusOr<std::vector<File>> CheckFiles() const;

  // The node of this level and index, of kStoredLevel or above, as it is stored. DATA_LOSS: it is
  // missing or damaged.
  absl::StatusOr<Hash> ReadNode(const MerkleNode& name) const;

  // Nothing is stored but batches and nodes, and no node that the events [0, head.next) do not
  // complete: there are `expected` of them. DATA_LOSS: there is.
  absl::Status VerifyNodes(const Head& head, std::uint64_t expected) const;
  absl::Status CheckPrefixes(rocksdb::ColumnFamilyHandle* family, std::string_view prefixes) const;

  // Adds a backup to `engine`, while appends go on: it has every event before head() as it is when
  // this is called, and perhaps some after. Its id. store/backup.h does the rest. Any thread.
  // RESOURCE_EXHAUSTED: this disk, or the backup's, is full. DATA_LOSS: damage. UNAVAILABLE: a disk
  // reports an error, or the log has failed. ABORTED: the engine was told to stop.
  absl::StatusOr<std::uint32_t> BackUp(rocksdb::BackupEngine& engine,
                                       const rocksdb::CreateBackupOptions& options) const;

 private:
  class Nodes;  // of the tree, for one proof

  Log(const LogOptions& options, std::string path, std::string anchor_path);

  absl::StatusOr<bool> HoldsALog() const;
  absl::StatusOr<std::optional<Head>> AnchoredHead(bool log_exists) const;
  absl::Status LookBeforeWriting(const std::optional<Head>& anchored);
  rocksdb::Options RocksDbOptions() const;
  absl::Status OpenVerified(const std::optional<Head>& anchored);
  absl::Status OpenForReading();
  absl::Status OpenForWriting();
  absl::Status OpenFamilies(bool for_writing);
  void CloseFamilies();
  absl::Status MoveNodes();
  bool HasNodesAmongBatches() const;
  rocksdb::ColumnFamilyHandle* NodesFamily() const;
  absl::Status Recover(const Head& trusted);
  absl::StatusOr<Head> ClaimedHead() const;
  absl::StatusOr<MerkleFrontier> RestoreFrontier(Position size) const;
  absl::StatusOr<Head> HeadOf(Position size, const Nodes& nodes) const;

  absl::Status StartCommit(const Batch& batch, Position expected);
  absl::StatusOr<Head> Commit(const Batch& batch, Position first);
  absl::Status EndCommit(const absl::StatusOr<Head>& committed);
  absl::Status CheckRoom() const;
  void SyncAnchorInBackground();

  absl::StatusOr<std::string> ChecksumOf(File& file) const;

  const LogOptions options_;
  const std::shared_ptr<rocksdb::FileSystem> file_system_;
  const std::string path_;  // of RocksDB's folder
  const std::string anchor_path_;
  const std::unique_ptr<rocksdb::Env> env_;
  // RocksDB's default ends the log at a flipped bit and says nothing. This one tells such a bit
  // from a torn tail, but for a few bits, and for those there is the anchor.
  rocksdb::WALRecoveryMode recovery_mode_ = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  bool tolerates_damaged_files_ = false;  // OpenUnverified's last try
  std::unique_ptr<rocksdb::DB> db_;
  // That of the nodes; none while they lie among the batches, as in format 1. Goes before db_.
  std::unique_ptr<rocksdb::ColumnFamilyHandle> nodes_;
  std::unique_ptr<Anchor> anchor_;  // none where use_anchor is off
  MerkleFrontier frontier_;         // the appending thread's

  mutable std::mutex mutex_;
  Head head_;             // guarded by mutex_
  absl::Status failure_;  // guarded by mutex_; once it is not OK the log takes no more
  bool closing_ = false;  // guarded by mutex_

  // A commit and the anchor's sync take turns, since two syncs at once take longer than one after
  // the other. A sync that is due goes before the next commit, so that it does come.
  bool committing_ = false;        // guarded by mutex_
  bool anchor_is_behind_ = false;  // guarded by mutex_; written and not synced
  bool anchor_sync_due_ = false;   // guarded by mutex_
  std::condition_variable changed_;
  std::thread anchor_syncer_;
};

struct Log::Unverified {
  std::unique_ptr<Log> log;
  // OK, or what RocksDB complained of: the log is then what could be opened in spite of it.
  absl::Status damage;
  // False: the last batch cannot be read either, and head() is no head; readers go on to where
  // damage stops them.
  bool knows_head = true;
};

class Log::Reader {
 public:
  Reader(Reader&&) = default;
  Reader& operator=(Reader&&) = default;

  // The next batch (the first time, from the asked position on), or nullptr at the end of the
  // durable log: call again once it has grown. DATA_LOSS: the log does not continue with a whole,
  // well-formed batch; the message names the position. The reader then stays where it is.
  absl::StatusOr<const StoredBatch*> Next();

  // The position that Next() will read first.
  Position position() const { return next_; }

 private:
  friend class Log;
  // `begins_batch`: a batch is known to begin at `from`. It is read forwards then, and whatever
  // lies between two batches is met.
  Reader(const Log& log, Position from, bool begins_batch);

  void Seek();
  absl::Status Parse(Position end);

  const Log* log_;
  Position next_;
  bool begins_batch_;  // that of next_ begins there; the first one may begin before
  std::unique_ptr<rocksdb::Iterator> it_;  // on the batch last read; null at the end
  bool forward_ = false;                   // it came there forwards
  std::string unpacked_;                   // its events, where they stand in chunks
  StoredBatch batch_;
};

}  // namespace denier::store

#endif  // DENIER_STORE_LOG_H_
