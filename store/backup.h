// Backups of a log, in a folder of their own:
//
//   log/       RocksDB's: each file once, however many backups have it
//   data/N/    what backup N has beside it: FORMAT, anchor, ...  (FORMAT.md, "Backups")
//   LOCK       held while a backup is made or deleted
//
//   absl::StatusOr<Backup> made = CreateBackup(*log, "/var/lib/denier", "/backup");
//   absl::StatusOr<Backup> good = VerifyBackup("/backup", made->id);
//   absl::StatusOr<Backup> back = RestoreBackup("/backup", made->id, "/new/data/folder");
//
// A backup is there once its anchor is: the head that was found in its own files, not the one that
// the live log had. views/ is not in it: a server computes its rows again.
#ifndef DENIER_STORE_BACKUP_H_
#define DENIER_STORE_BACKUP_H_

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "store/checkpoint.h"
#include "store/head.h"
#include "store/log.h"

namespace denier::store {

using BackupId = std::uint32_t;  // from 1, each higher than all before

struct Backup {
  BackupId id = 0;
  std::int64_t created_us = 0;   // microseconds since 1970 UTC, to the second
  Head head;                     // of the log in it
  std::uint64_t size_bytes = 0;  // of all its files, those that it shares included

  bool operator==(const Backup&) const = default;
};

struct BackupOptions {
  // As in LogOptions.
  std::shared_ptr<rocksdb::FileSystem> file_system = nullptr;

  // A backup is not begun, and one that runs is given up, while its disk has less room than this.
  // If that is the log's disk too, commands go on.
  std::uint64_t min_free_bytes = std::uint64_t{256} << 20;

  // Set by any thread to have a running backup given up; may be nullptr, else outlives the call.
  const std::atomic<bool>* stop = nullptr;

  // Off only in the test that shows what it is for: without it a backup has RocksDB's files of
  // tables alone, not what is in memory and the WAL.
  bool with_newest_events = true;
};

// Adds a backup of `log`, which goes on meanwhile, to `folder`, which is made if it is missing. It
// has every event that was acknowledged before the call; the files that an earlier backup has too
// are not copied. `data_directory` is the log's data folder. Blocks for as long as copying takes.
//
// After a failure, or the end of the process, the earlier backups are as they were. What the failed
// one has left is not listed; the next call deletes it or, where only the anchor was missing,
// completes it.
//
// FAILED_PRECONDITION: another backup or deletion runs, or `folder` holds foreign files.
// RESOURCE_EXHAUSTED: a disk has no room. ABORTED: stopped. DATA_LOSS: the backup does not hold
// what the log had. UNAVAILABLE: a disk reports an error, or the log has failed.
absl::StatusOr<Backup> CreateBackup(const Log& log, const std::string& data_directory,
                                    const std::string& folder, const BackupOptions& options = {});

// The backups in `folder`, the oldest first, as far as their names, sizes and anchors are right.
// Reads no event and changes nothing; also while a backup is made. NOT_FOUND: it is no backup
// folder. UNAVAILABLE: the disk reports an error.
absl::StatusOr<std::vector<Backup>> ListBackups(const std::string& folder,
                                                const BackupOptions& options = {});

// Reads every byte of a backup, the newest by default, and compares: the files with their
// checksums, the log in it with its tree and its anchor, its checkpoint with the log, and the log
// with `known`, a checkpoint that somebody has kept. Changes nothing. NOT_FOUND: there is no such
// backup. DATA_LOSS: damage; the message names the file or the first position. OUT_OF_RANGE: all is
// well, but `known` is of a longer log: the backup is an older state. Other errors as ListBackups'.
absl::StatusOr<Backup> VerifyBackup(const std::string& folder, std::optional<BackupId> id,
                                    const std::optional<Checkpoint>& known = std::nullopt,
                                    const BackupOptions& options = {});

// Makes a data folder of a backup, the newest by default, and verifies it. `data_directory` must be
// empty or missing. What is there after a failure is not a data folder, and is deleted as far as it
// can be. Durable on return. Errors as VerifyBackup's, or FAILED_PRECONDITION: the folder is not
// empty, or in use, or the backup has a newer format; RESOURCE_EXHAUSTED: its disk is full.
absl::StatusOr<Backup> RestoreBackup(const std::string& folder, std::optional<BackupId> id,
                                     const std::string& data_directory,
                                     const BackupOptions& options = {});

// Deletes all backups but the `keep` newest good ones, of which there must be at least one, and
// what failed ones older than those have left. Returns those deleted. INVALID_ARGUMENT: `keep` is
// 0. FAILED_PRECONDITION: as CreateBackup's. Other errors as ListBackups'.
absl::StatusOr<std::vector<BackupId>> PruneBackups(const std::string& folder, std::size_t keep,
                                                   const BackupOptions& options = {});

}  // namespace denier::store

#endif  // DENIER_STORE_BACKUP_H_
