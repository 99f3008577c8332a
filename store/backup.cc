#include "store/backup.h"

#include <rocksdb/env.h>
#include <rocksdb/utilities/backup_engine.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "store/anchor.h"
#include "store/data_directory.h"
#include "store/merkle.h"

namespace denier::store {
namespace {

// How often a running backup looks whether there is room left, and whether it is to stop.
constexpr std::uint64_t kBytesBetweenLooks = std::uint64_t{1} << 20;

absl::Status FromRocksDb(const rocksdb::Status& status, absl::string_view doing) {
  if (status.ok()) return absl::OkStatus();
  const std::string what = absl::StrCat("backup: ", doing, ": ", status.ToString());
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(what);
  if (status.IsNotFound()) return absl::NotFoundError(what);
  // A file that is gone is damage like another; any other I/O error is the disk speaking.
  if (status.IsIOError() && !status.IsPathNotFound()) return absl::UnavailableError(what);
  return absl::DataLossError(what);
}

bool IsMissing(const rocksdb::Status& status) {
  return status.IsNotFound() || status.IsPathNotFound();
}

// A backup folder: where its parts lie, and the disk that they lie on.
struct Folder {
  Folder(const std::string& folder_path, const BackupOptions& options)
      : path(std::filesystem::absolute(folder_path)),  // RocksDB wants it so
        file_system(options.file_system != nullptr ? options.file_system
                                                   : rocksdb::FileSystem::Default()),
        env(rocksdb::NewCompositeEnv(file_system)) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  }

  std::string log() const { return path + "/log"; }
  std::string data() const { return path + "/data"; }
  std::string data(BackupId id) const { return absl::StrCat(path, "/data/", id); }
  std::string meta(BackupId id) const { return absl::StrCat(path, "/log/meta/", id); }
  std::string anchor(BackupId id) const { return data(id) + "/anchor"; }

  std::string path;
  std::shared_ptr<rocksdb::FileSystem> file_system;
  std::unique_ptr<rocksdb::Env> env;
};

// ------------------------------------------------------------------------------- Small files

absl::Status SyncFolder(const Folder& folder, const std::string& path) {
  std::unique_ptr<rocksdb::FSDirectory> directory;
  rocksdb::IOStatus status =
      folder.file_system->NewDirectory(path, rocksdb::IOOptions(), &directory, nullptr);
  if (status.ok()) status = directory->Fsync(rocksdb::IOOptions(), nullptr);
  return FromRocksDb(status, absl::StrCat("syncing ", path));
}

absl::Status MakeFolder(const Folder& folder, const std::string& path) {
  return FromRocksDb(folder.file_system->CreateDirIfMissing(path, rocksdb::IOOptions(), nullptr),
                     absl::StrCat("making ", path));
}

absl::StatusOr<std::vector<std::string>> NamesIn(const Folder& folder, const std::string& path) {
  std::vector<std::string> names;
  const rocksdb::IOStatus status =
      folder.file_system->GetChildren(path, rocksdb::IOOptions(), &names, nullptr);
  if (IsMissing(status)) return std::vector<std::string>();
  if (!status.ok()) return FromRocksDb(status, absl::StrCat("reading ", path));
  std::erase_if(names, [](const std::string& name) { return name == "." || name == ".."; });
  return names;
}

absl::StatusOr<std::string> ReadSmallFile(const Folder& folder, const std::string& path) {
  std::string bytes;
  const rocksdb::Status status = rocksdb::ReadFileToString(folder.file_system.get(), path, &bytes);
  if (IsMissing(status)) return absl::NotFoundError(absl::StrCat("there is no ", path));
  if (!status.ok()) return FromRocksDb(status, absl::StrCat("reading ", path));
  return bytes;
}

// Whole and durable, or not there.
absl::Status WriteSmallFile(const Folder& folder, const std::string& directory,
                            const std::string& name, const std::string& bytes) {
  const std::string path = directory + "/" + name;
  const std::string fresh = path + ".new";
  rocksdb::Status status = rocksdb::WriteStringToFile(folder.file_system.get(), bytes, fresh,
                                                      /*should_sync=*/true);
  if (status.ok()) {
    status = folder.file_system->RenameFile(fresh, path, rocksdb::IOOptions(), nullptr);
  }
  if (!status.ok()) return FromRocksDb(status, absl::StrCat("writing ", path));
  return SyncFolder(folder, directory);
}

// As far as it can be: what is left is in nobody's way.
void RemoveFolder(const Folder& folder, const std::string& path) {
  const absl::StatusOr<std::vector<std::string>> names = NamesIn(folder, path);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::string child = path + "/" + name;
    bool is_folder = false;
    folder.file_system->IsDirectory(child, rocksdb::IOOptions(), &is_folder, nullptr)
        .PermitUncheckedError();
    if (is_folder) {
      RemoveFolder(folder, child);
    } else {
      folder.file_system->DeleteFile(child, rocksdb::IOOptions(), nullptr).PermitUncheckedError();
    }
  }
  folder.file_system->DeleteDir(path, rocksdb::IOOptions(), nullptr).PermitUncheckedError();
}

// ------------------------------------------------------------------------ Finding the backups

absl::Status CheckIsBackupFolder(const Folder& folder) {
  const rocksdb::IOStatus status =
      folder.file_system->FileExists(folder.log() + "/meta", rocksdb::IOOptions(), nullptr);
  if (IsMissing(status)) {
    return absl::NotFoundError(absl::StrCat(folder.path, " is not a backup folder"));
  }
  return FromRocksDb(status, absl::StrCat("looking at ", folder.path));
}

// The numbers of the folders in data/.
absl::StatusOr<std::vector<BackupId>> NumbersIn(const Folder& folder) {
  const absl::StatusOr<std::vector<std::string>> names = NamesIn(folder, folder.data());
  if (!names.ok()) return names.status();
  std::vector<BackupId> ids;
  for (const std::string& name : *names) {
    BackupId id = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
    if (error == std::errc() && end == name.data() + name.size()) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

// The line of a backup's meta.sha256, as `sha256sum` writes it in the backup folder.
std::string LineOfMeta(BackupId id, const std::string& meta) {
  return absl::StrCat(ToHex(Sha256Of(meta)), "  log/meta/", id, "\n");
}

// RocksDB takes its lists of files at their word, and ends the process at some that are damaged.
absl::Status CheckMetas(const Folder& folder) {
  const absl::StatusOr<std::vector<BackupId>> ids = NumbersIn(folder);
  if (!ids.ok()) return ids.status();
  for (const BackupId id : *ids) {
    const absl::StatusOr<std::string> meta = ReadSmallFile(folder, folder.meta(id));
    if (absl::IsNotFound(meta.status())) continue;  // deleted: there is no such backup
    if (!meta.ok()) return meta.status();
    const absl::StatusOr<std::string> line =
        ReadSmallFile(folder, folder.data(id) + "/meta.sha256");
    if (absl::IsNotFound(line.status())) continue;  // not finished
    if (!line.ok()) return line.status();
    if (*line == LineOfMeta(id, *meta)) continue;
    return absl::DataLossError(absl::StrCat(
        "backup: ", folder.meta(id), ", the list of the files of backup ", id, ", is damaged, or ",
        folder.data(id), "/meta.sha256 is; move the list away to go on ", "without that backup"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<rocksdb::BackupEngineReadOnly>> OpenEngineToRead(
    const Folder& folder) {
  absl::Status status_of_folder = CheckIsBackupFolder(folder);
  if (status_of_folder.ok()) status_of_folder = CheckMetas(folder);
  if (!status_of_folder.ok()) return status_of_folder;
  rocksdb::BackupEngineReadOnly* engine = nullptr;
  const rocksdb::BackupEngineOptions options(folder.log(), folder.env.get());
  const rocksdb::IOStatus status =
      rocksdb::BackupEngineReadOnly::Open(options, folder.env.get(), &engine);
  if (!status.ok()) return FromRocksDb(status, absl::StrCat("opening ", folder.path));
  return std::unique_ptr<rocksdb::BackupEngineReadOnly>(engine);
}

std::vector<rocksdb::BackupInfo> InfosOf(const rocksdb::BackupEngineReadOnlyBase& engine) {
  std::vector<rocksdb::BackupInfo> infos;
  engine.GetBackupInfo(&infos);
  std::sort(infos.begin(), infos.end(),
            [](const auto& a, const auto& b) { return a.backup_id < b.backup_id; });
  return infos;
}

// Those whose files are not all there, or have another size.
std::vector<BackupId> DamagedOnesOf(const rocksdb::BackupEngineReadOnlyBase& engine) {
  std::vector<BackupId> ids;
  engine.GetCorruptedBackups(&ids);
  return ids;
}

Backup BackupOf(const rocksdb::BackupInfo& info, const Head& head) {
  constexpr std::int64_t kMicrosecondsPerSecond = 1'000'000;
  return Backup{info.backup_id, info.timestamp * kMicrosecondsPerSecond, head, info.size};
}

// A backup of whose files the sizes are right, with the way to open them.
struct Found {
  rocksdb::BackupInfo info;
  Head head;
};

// The newest that anybody was told of, damaged or not: an older one in its place must be asked for.
absl::StatusOr<BackupId> NewestOf(const Folder& folder,
                                  const rocksdb::BackupEngineReadOnly& engine) {
  std::vector<BackupId> ids = DamagedOnesOf(engine);
  for (const rocksdb::BackupInfo& info : InfosOf(engine)) ids.push_back(info.backup_id);
  std::sort(ids.rbegin(), ids.rend());
  for (const BackupId id : ids) {
    const absl::StatusOr<Head> head = Anchor::Read(*folder.file_system, folder.anchor(id));
    if (!absl::IsNotFound(head.status())) return id;
  }
  return absl::NotFoundError(absl::StrCat(folder.path, " holds no backup"));
}

absl::StatusOr<Found> Find(const Folder& folder, const rocksdb::BackupEngineReadOnly& engine,
                           std::optional<BackupId> asked) {
  if (!asked.has_value()) {
    const absl::StatusOr<BackupId> newest = NewestOf(folder, engine);
    if (!newest.ok()) return newest.status();
    asked = *newest;
  }
  Found found;
  const rocksdb::Status status =
      engine.GetBackupInfo(*asked, &found.info, /*include_file_details=*/true);
  if (status.IsNotFound()) {
    return absl::NotFoundError(absl::StrCat(folder.path, " holds no backup ", *asked));
  }
  if (!status.ok()) return FromRocksDb(status, absl::StrCat("backup ", *asked, " is damaged"));
  const absl::StatusOr<Head> head = Anchor::Read(*folder.file_system, folder.anchor(*asked));
  if (absl::IsNotFound(head.status())) {
    return absl::NotFoundError(
        absl::StrCat("backup ", *asked, " has no anchor: it was not finished, or has lost ",
                     folder.anchor(*asked), "; the next backup completes it if it is whole"));
  }
  if (!head.ok()) return head.status();
  found.head = *head;
  const absl::Status format = DataDirectory::ReadFormat(folder.data(*asked)).status();
  if (absl::IsNotFound(format)) return absl::DataLossError(format.message());
  if (!format.ok()) return format;
  return found;
}

// The log in a backup's own files. `trusted` as in Log::OpenReadOnlyAt.
absl::StatusOr<std::unique_ptr<Log>> OpenLogIn(const rocksdb::BackupInfo& info,
                                               const Head& trusted) {
  LogOptions options;
  options.file_system = info.env_for_open->GetFileSystem();
  return Log::OpenReadOnlyAt(info.name_for_open, trusted, options);
}

// ------------------------------------------------------------------------------------- Making

// Only one process and thread at a time makes or deletes backups in a folder.
class Lock {
 public:
  static absl::StatusOr<Lock> Take(const Folder& folder) {
    rocksdb::FileLock* lock = nullptr;
    const rocksdb::IOStatus status =
        folder.file_system->LockFile(folder.path + "/LOCK", rocksdb::IOOptions(), &lock, nullptr);
    if (!status.ok()) {
      return absl::FailedPreconditionError(absl::StrCat("another backup or deletion runs in ",
                                                        folder.path, ": ", status.ToString()));
    }
    return Lock(folder.file_system, lock);
  }
  Lock(Lock&& other) noexcept
      : file_system_(std::move(other.file_system_)), lock_(std::exchange(other.lock_, nullptr)) {}
  Lock& operator=(Lock&&) = delete;
  ~Lock() {
    if (lock_ == nullptr) return;
    file_system_->UnlockFile(lock_, rocksdb::IOOptions(), nullptr).PermitUncheckedError();
  }

 private:
  Lock(std::shared_ptr<rocksdb::FileSystem> file_system, rocksdb::FileLock* lock)
      : file_system_(std::move(file_system)), lock_(lock) {}

  std::shared_ptr<rocksdb::FileSystem> file_system_;
  rocksdb::FileLock* lock_;
};

absl::StatusOr<std::unique_ptr<rocksdb::BackupEngine>> OpenEngine(const Folder& folder,
                                                                  const BackupOptions& options) {
  if (absl::Status metas = CheckMetas(folder); !metas.ok()) return metas;
  rocksdb::BackupEngineOptions engine_options(folder.log(), folder.env.get());
  engine_options.callback_trigger_interval_size = kBytesBetweenLooks;
  engine_options.backup_log_files = options.with_newest_events;
  rocksdb::BackupEngine* engine = nullptr;
  const rocksdb::IOStatus status =
      rocksdb::BackupEngine::Open(engine_options, folder.env.get(), &engine);
  if (!status.ok()) return FromRocksDb(status, absl::StrCat("opening ", folder.path));
  return std::unique_ptr<rocksdb::BackupEngine>(engine);
}

absl::Status MakeBackupFolder(const Folder& folder) {
  if (CheckIsBackupFolder(folder).ok()) return absl::OkStatus();
  const std::size_t slash = folder.path.find_last_of('/');
  absl::Status status = MakeFolder(folder, folder.path);
  if (status.ok()) {
    status =
        SyncFolder(folder, slash == std::string::npos ? "." : folder.path.substr(0, slash + 1));
  }
  if (!status.ok()) return status;
  const absl::StatusOr<std::vector<std::string>> names = NamesIn(folder, folder.path);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (name == "LOCK" || name == "log" || name == "data" || name == "lost+found") continue;
    return absl::FailedPreconditionError(absl::StrCat(folder.path, " holds other files (", name,
                                                      "); a new backup folder must be empty"));
  }
  return absl::OkStatus();
}

absl::Status CheckRoom(const Folder& folder, std::uint64_t min_free_bytes) {
  std::uint64_t free_bytes = 0;
  const rocksdb::IOStatus status =
      folder.file_system->GetFreeSpace(folder.path, rocksdb::IOOptions(), &free_bytes, nullptr);
  if (!status.ok()) return FromRocksDb(status, "asking for the free space");
  if (free_bytes >= min_free_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the disk of ", folder.path, " has ", free_bytes, " bytes left, below the mark of ",
      min_free_bytes, "; free some space, or keep ", "fewer backups, and try again"));
}

// Whether a backup of `log` may have this checkpoint: it is of a part of the log, or of all of it.
bool Holds(const Log& log, const std::string& note) {
  const absl::StatusOr<Checkpoint> checkpoint = ReadUnverifiedCheckpoint(note);
  if (!checkpoint.ok()) return false;
  const absl::StatusOr<Head> head = log.HeadAt(checkpoint->head.next);
  return head.ok() && *head == checkpoint->head;
}

// Finds out which head the files of a backup have, and gives it what it needs beside them; the
// anchor, which makes it one, comes last. `checkpoint` may be empty.
absl::StatusOr<Head> Seal(const Folder& folder, const rocksdb::BackupEngine& engine, BackupId id,
                          const Head& trusted, const std::string& format,
                          const std::string& checkpoint) {
  rocksdb::BackupInfo info;
  const rocksdb::Status found = engine.GetBackupInfo(id, &info, /*include_file_details=*/true);
  if (!found.ok()) return FromRocksDb(found, absl::StrCat("looking at backup ", id));
  const absl::StatusOr<std::unique_ptr<Log>> log = OpenLogIn(info, trusted);
  if (!log.ok()) return log.status();
  const absl::StatusOr<std::string> meta = ReadSmallFile(folder, folder.meta(id));
  if (!meta.ok()) return meta.status();

  absl::Status status = MakeFolder(folder, folder.data());
  if (status.ok()) status = MakeFolder(folder, folder.data(id));
  if (status.ok()) {
    status = WriteSmallFile(folder, folder.data(id), "meta.sha256", LineOfMeta(id, *meta));
  }
  if (status.ok()) status = WriteSmallFile(folder, folder.data(id), "FORMAT", format);
  if (status.ok() && !checkpoint.empty() && Holds(**log, checkpoint)) {
    status = WriteSmallFile(folder, folder.data(id), "checkpoint", checkpoint);
  }
  if (status.ok()) status = SyncFolder(folder, folder.data());
  if (status.ok()) status = SyncFolder(folder, folder.path);
  if (!status.ok()) return status;
  const absl::StatusOr<std::unique_ptr<Anchor>> anchor =
      Anchor::Create(*folder.file_system, folder.anchor(id), (*log)->head());
  if (!anchor.ok()) return anchor.status();
  return (*log)->head();
}

// What deletions, or a loss, have left beside backups that are no more. A later backup may get the
// same number.
absl::Status RemoveLeftovers(const Folder& folder, const rocksdb::BackupEngine& engine) {
  const std::vector<BackupId> damaged = DamagedOnesOf(engine);
  std::set<BackupId> known(damaged.begin(), damaged.end());
  for (const rocksdb::BackupInfo& info : InfosOf(engine)) known.insert(info.backup_id);

  const absl::StatusOr<std::vector<BackupId>> ids = NumbersIn(folder);
  if (!ids.ok()) return ids.status();
  for (const BackupId id : *ids) {
    if (known.contains(id)) continue;
    RemoveFolder(folder, folder.data(id));
    const rocksdb::IOStatus still =
        folder.file_system->FileExists(folder.anchor(id), rocksdb::IOOptions(), nullptr);
    if (!IsMissing(still)) {
      return absl::UnavailableError(
          absl::StrCat("backup: ", folder.data(id), ", of a backup that is no more, stays"));
    }
  }
  return absl::OkStatus();
}

// A process that ended between a backup's files and its anchor has left a whole one. Where that
// cannot be completed it stays as it is: the backup that is asked for now matters more.
void CompleteUnfinished(const Folder& folder, const rocksdb::BackupEngine& engine,
                        const std::string& format, const std::string& checkpoint) {
  Head before{0, EmptyRoot()};
  for (const rocksdb::BackupInfo& info : InfosOf(engine)) {
    absl::StatusOr<Head> head = Anchor::Read(*folder.file_system, folder.anchor(info.backup_id));
    if (absl::IsNotFound(head.status())) {
      head = Seal(folder, engine, info.backup_id, before, format, checkpoint);
    }
    if (head.ok()) before = *head;
  }
}

}  // namespace

absl::StatusOr<Backup> CreateBackup(const Log& log, const std::string& data_directory,
                                    const std::string& path, const BackupOptions& options) {
  const Folder folder(path, options);
  if (absl::Status made = MakeBackupFolder(folder); !made.ok()) return made;
  const absl::StatusOr<Lock> lock = Lock::Take(folder);
  if (!lock.ok()) return lock.status();
  if (absl::Status room = CheckRoom(folder, options.min_free_bytes); !room.ok()) return room;

  // Read before the log is: the checkpoint of an event that comes meanwhile is not for this backup.
  const absl::StatusOr<std::string> format = ReadSmallFile(folder, data_directory + "/FORMAT");
  if (!format.ok()) return format.status();
  const absl::StatusOr<std::string> checkpoint =
      ReadSmallFile(folder, data_directory + "/checkpoint");
  if (!checkpoint.ok() && !absl::IsNotFound(checkpoint.status())) return checkpoint.status();
  const std::string note = checkpoint.ok() ? *checkpoint : std::string();

  const absl::StatusOr<std::unique_ptr<rocksdb::BackupEngine>> engine = OpenEngine(folder, options);
  if (!engine.ok()) return engine.status();
  if (absl::Status removed = RemoveLeftovers(folder, **engine); !removed.ok()) return removed;
  CompleteUnfinished(folder, **engine, *format, note);

  absl::Status room = absl::OkStatus();  // the copying thread's, which has ended on return
  rocksdb::CreateBackupOptions create;
  // The tables carry checksums from when they were written, and later backups share them: better
  // than the WAL, whose bytes each backup would copy again.
  create.flush_before_backup = options.with_newest_events;
  create.progress_callback = [&] {
    if (room.ok()) room = CheckRoom(folder, options.min_free_bytes);
    if (!room.ok() || (options.stop != nullptr && *options.stop)) (*engine)->StopBackup();
  };
  const Head before = log.head();
  const absl::StatusOr<BackupId> id = log.BackUp(**engine, create);
  if (!id.ok()) {
    // Gives a full disk its room back. What cannot be deleted now is by the next backup.
    (*engine)->GarbageCollect().PermitUncheckedError();
    return room.ok() ? id.status() : room;
  }

  const absl::StatusOr<Head> head = Seal(folder, **engine, *id, before, *format, note);
  if (!head.ok()) {
    (*engine)->DeleteBackup(*id).PermitUncheckedError();
    RemoveFolder(folder, folder.data(*id));
    return head.status();
  }
  rocksdb::BackupInfo info;
  const rocksdb::Status found = (*engine)->GetBackupInfo(*id, &info);
  if (!found.ok()) return FromRocksDb(found, absl::StrCat("looking at backup ", *id));
  return BackupOf(info, *head);
}

absl::StatusOr<std::vector<Backup>> ListBackups(const std::string& path,
                                                const BackupOptions& options) {
  const Folder folder(path, options);
  const auto engine = OpenEngineToRead(folder);
  if (!engine.ok()) return engine.status();
  std::vector<Backup> backups;
  for (const rocksdb::BackupInfo& info : InfosOf(**engine)) {
    const absl::StatusOr<Head> head =
        Anchor::Read(*folder.file_system, folder.anchor(info.backup_id));
    if (absl::IsUnavailable(head.status())) return head.status();
    if (head.ok()) backups.push_back(BackupOf(info, *head));
  }
  return backups;
}

// ---------------------------------------------------------------------------------- Verifying

namespace {

// `log` begins with what `checkpoint` vouches for.
absl::Status CheckAgainst(const Log& log, const Checkpoint& checkpoint, absl::string_view whose) {
  const Head& known = checkpoint.head;
  MerkleFrontier frontier;
  Log::Reader reader = log.ReadFrom(0);
  while (frontier.size() < known.next) {
    const absl::StatusOr<const StoredBatch*> batch = reader.Next();
    if (!batch.ok()) return batch.status();
    if (*batch == nullptr) break;
    frontier.Append(LeafHashes((*batch)->FirstOf(known.next - frontier.size())));
  }
  if (frontier.size() < known.next) {
    return absl::OutOfRangeError(absl::StrCat(
        "the backup ends at position ", static_cast<std::int64_t>(log.head().next) - 1, ", ", whose,
        " is over ", known.next, " events: it is an older state, and the events [", log.head().next,
        ", ", known.next, ") are not in it"));
  }
  if (frontier.Root() == known.root) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("backup: it is another history than ", whose, "'s: over ",
                                          known.next, " events the root must be ",
                                          ToHex(known.root), " and is ", ToHex(frontier.Root())));
}

// Every file of RocksDB's has the bytes that were written.
absl::Status CheckFiles(const rocksdb::BackupEngineReadOnly& engine, BackupId id) {
  const rocksdb::IOStatus status = engine.VerifyBackup(id, /*verify_with_checksum=*/true);
  const absl::Status checked =
      FromRocksDb(status, absl::StrCat("verifying the files of backup ", id));
  // A file was there when the folder was opened, and is not now.
  if (absl::IsNotFound(checked)) return absl::DataLossError(checked.message());
  return checked;
}

// `log` is what the anchor says, and all that follows from its events is as it is stored.
absl::Status CheckLog(const Log& log, const Head& anchored) {
  if (log.head() != anchored) {
    return absl::DataLossError(absl::StrCat("backup: the log ends at position ", log.head().next,
                                            ", its anchor is at ", anchored.next));
  }
  return log.Verify();
}

}  // namespace

absl::StatusOr<Backup> VerifyBackup(const std::string& path, std::optional<BackupId> id,
                                    const std::optional<Checkpoint>& known,
                                    const BackupOptions& options) {
  const Folder folder(path, options);
  const auto engine = OpenEngineToRead(folder);
  if (!engine.ok()) return engine.status();
  const absl::StatusOr<Found> found = Find(folder, **engine, id);
  if (!found.ok()) return found.status();
  const BackupId chosen = found->info.backup_id;

  if (absl::Status files = CheckFiles(**engine, chosen); !files.ok()) return files;
  const absl::StatusOr<std::unique_ptr<Log>> log = OpenLogIn(found->info, found->head);
  if (!log.ok()) return log.status();
  if (absl::Status checked = CheckLog(**log, found->head); !checked.ok()) return checked;

  const absl::StatusOr<std::string> note =
      ReadSmallFile(folder, folder.data(chosen) + "/checkpoint");
  if (!note.ok() && !absl::IsNotFound(note.status())) return note.status();
  if (note.ok() && !Holds(**log, *note)) {
    return absl::DataLossError(absl::StrCat("backup: ", folder.data(chosen),
                                            "/checkpoint is not one of the log in the backup"));
  }
  if (known.has_value()) {
    const absl::Status agrees = CheckAgainst(**log, *known, "the checkpoint");
    if (!agrees.ok()) return agrees;
  }
  return BackupOf(found->info, found->head);
}

// ---------------------------------------------------------------------------------- Restoring

namespace {

absl::Status Restore(const Folder& folder, const rocksdb::BackupEngineReadOnly& engine,
                     const Found& found, const std::string& data_directory) {
  const BackupId id = found.info.backup_id;
  const std::string log_path = data_directory + "/log";
  const rocksdb::IOStatus restored =
      engine.RestoreDBFromBackup(rocksdb::RestoreOptions(), id, log_path, log_path);
  if (restored.IsCorruption()) {  // which does not say in which file
    if (absl::Status files = CheckFiles(engine, id); !files.ok()) return files;
  }
  if (!restored.ok()) return FromRocksDb(restored, absl::StrCat("restoring backup ", id));

  const absl::StatusOr<std::unique_ptr<Anchor>> anchor =
      Anchor::Create(*folder.file_system, data_directory + "/anchor", found.head);
  if (!anchor.ok()) return anchor.status();
  LogOptions options;
  options.file_system = folder.file_system;
  const absl::StatusOr<std::unique_ptr<Log>> log = Log::OpenReadOnly(data_directory, options);
  if (!log.ok()) return log.status();
  absl::Status status = CheckLog(**log, found.head);

  for (const char* name : {"checkpoint", "FORMAT"}) {  // FORMAT makes it a data folder
    if (!status.ok()) return status;
    const absl::StatusOr<std::string> bytes = ReadSmallFile(folder, folder.data(id) + "/" + name);
    if (absl::IsNotFound(bytes.status()) && std::string_view(name) == "checkpoint") continue;
    if (!bytes.ok()) return bytes.status();
    status = WriteSmallFile(folder, data_directory, name, *bytes);
  }
  return status;
}

}  // namespace

absl::StatusOr<Backup> RestoreBackup(const std::string& path, std::optional<BackupId> id,
                                     const std::string& data_directory,
                                     const BackupOptions& options) {
  const Folder folder(path, options);
  auto engine = OpenEngineToRead(folder);
  if (!engine.ok()) return engine.status();
  const absl::StatusOr<Found> found = Find(folder, **engine, id);
  if (!found.ok()) return found.status();
  const absl::StatusOr<DataDirectory> target = DataDirectory::OpenEmpty(data_directory);
  if (!target.ok()) return target.status();

  const absl::Status restored = Restore(folder, **engine, *found, data_directory);
  if (!restored.ok()) {
    engine->reset();  // whose threads may still be copying
    RemoveFolder(folder, data_directory + "/log");
    for (const char* name : {"anchor", "anchor.new", "checkpoint", "checkpoint.new"}) {
      folder.file_system
          ->DeleteFile(absl::StrCat(data_directory, "/", name), rocksdb::IOOptions(), nullptr)
          .PermitUncheckedError();
    }
    return restored;
  }
  return BackupOf(found->info, found->head);
}

// ----------------------------------------------------------------------------------- Deleting

absl::StatusOr<std::vector<BackupId>> PruneBackups(const std::string& path, std::size_t keep,
                                                   const BackupOptions& options) {
  if (keep == 0) return absl::InvalidArgumentError("at least one backup must be kept");
  const Folder folder(path, options);
  if (absl::Status is_one = CheckIsBackupFolder(folder); !is_one.ok()) return is_one;
  const absl::StatusOr<Lock> lock = Lock::Take(folder);
  if (!lock.ok()) return lock.status();
  const absl::StatusOr<std::vector<Backup>> backups = ListBackups(path, options);
  if (!backups.ok()) return backups.status();
  if (backups->size() <= keep) return std::vector<BackupId>();
  const BackupId oldest_kept = (*backups)[backups->size() - keep].id;

  const absl::StatusOr<std::unique_ptr<rocksdb::BackupEngine>> engine = OpenEngine(folder, options);
  if (!engine.ok()) return engine.status();
  std::vector<BackupId> ids = DamagedOnesOf(**engine);
  for (const rocksdb::BackupInfo& info : InfosOf(**engine)) ids.push_back(info.backup_id);
  std::erase_if(ids, [oldest_kept](BackupId id) { return id >= oldest_kept; });
  std::sort(ids.begin(), ids.end());
  for (const BackupId id : ids) {
    const rocksdb::IOStatus status = (*engine)->DeleteBackup(id);
    if (!status.ok()) return FromRocksDb(status, absl::StrCat("deleting backup ", id));
  }
  if (absl::Status removed = RemoveLeftovers(folder, **engine); !removed.ok()) return removed;
  return ids;
}

}  // namespace denier::store
