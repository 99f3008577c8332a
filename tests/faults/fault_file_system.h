// A disk that fails, fills up and loses power when a test says so.
//
//   auto disk = std::make_shared<FaultFileSystem>();
//   LogOptions options{.file_system = disk};
//   disk->Plan({.operation = Operation::kSync, .path_part = ".log", .effect = Effect::kPowerOff});
//   ... use the log until it reports an error ...
//   disk->LosePower(Unsynced::kDrop);
//   options.file_system = std::make_shared<FaultFileSystem>();  // the machine starts again
//
// The bytes lie in real files. A sync syncs nothing: what a power loss leaves is decided here, and
// `kill -9` loses nothing with or without a sync. (A test of real syncs is not to use it.)
#ifndef DENIER_TESTS_FAULTS_FAULT_FILE_SYSTEM_H_
#define DENIER_TESTS_FAULTS_FAULT_FILE_SYSTEM_H_

#include <rocksdb/file_system.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace denier::faults {

enum class Operation { kWrite, kSync };

enum class Effect {
  kError,     // EIO, and the operation does not happen
  kPowerOff,  // neither this operation happens nor any after it
};

struct Fault {
  Operation operation;
  std::string path_part;  // a file whose path contains it, such as ".log" or "anchor"
  Effect effect;
  int skip = 0;  // of the operations that match, the first to go well
};

// What a power loss leaves of bytes that were written and not synced.
enum class Unsynced {
  kDrop,      // nothing
  kTear,      // a prefix of what was appended, some sectors of what was overwritten
  kScramble,  // as kTear, but in a WAL any page may have become zeros
};

// Thread-safe, as are the files.
class FaultFileSystem : public rocksdb::FileSystemWrapper {
 public:
  FaultFileSystem();
  ~FaultFileSystem() override;

  const char* Name() const override { return "FaultFileSystem"; }

  // Happens once. Several can be planned.
  void Plan(const Fault& fault);

  // Whether a kPowerOff, or LosePower, came.
  bool power_is_off() const;

  // Ends all operations and puts the files in the state in which the next start finds them. What a
  // folder's sync has not reached, a new file or a renamed one, is undone too (kDrop) or may be
  // (the others). To go on, make a new FaultFileSystem; files still open here change nothing more.
  // A deletion is never undone.
  void LosePower(Unsynced unsynced, std::uint32_t seed = 0);

  // The free space that the disk reports from now on; nothing for the real one.
  void SetFreeSpace(std::optional<std::uint64_t> bytes);

  // Syncs that went well, of files whose path contains `path_part`.
  int SyncsOf(std::string_view path_part) const;

  // Returns once SyncsOf(path_part) >= count; false when that takes 30 s.
  bool WaitForSyncsOf(std::string_view path_part, int count) const;

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path,
                                      const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomRWFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSRandomRWFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus Truncate(const std::string& path, std::size_t size,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDir(const std::string& path, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& path, const rocksdb::IOOptions& options,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 std::uint64_t* free_bytes,
                                 rocksdb::IODebugContext* debug) override;

 private:
  class AppendedFile;
  class OverwrittenFile;
  class Folder;

  // What a power loss would leave of a file.
  struct Durable {
    std::uint64_t size = 0;  // as last synced
    // What writes since then have gone over, by its place, in their order.
    std::vector<std::pair<std::uint64_t, std::string>> overwritten;
  };

  // OK: the operation may happen, and whoever asked holds power_ until it has.
  rocksdb::IOStatus Begin(Operation operation, const std::string& path);
  rocksdb::IOStatus BeginOther() const;
  void CountSync(const std::string& path);
  int CountSyncs(std::string_view path_part) const;  // with mutex_ held
  void NameIsNew(const std::string& path);
  std::string Survivor(const std::string& path, const Durable& durable, Unsynced unsynced,
                       std::uint32_t& random) const;

  // Shared by operations for as long as they last; exclusive in LosePower.
  std::shared_mutex power_;

  mutable std::mutex mutex_;  // of all that follows
  mutable std::condition_variable synced_;
  bool power_is_off_ = false;
  std::vector<Fault> faults_;
  std::optional<std::uint64_t> free_space_;
  std::map<std::string, int> syncs_;
  std::map<std::string, Durable> durable_;
  // Names that no sync of their folder has reached, and what stood there before.
  std::map<std::string, std::optional<std::string>> new_names_;
};

}  // namespace denier::faults

#endif  // DENIER_TESTS_FAULTS_FAULT_FILE_SYSTEM_H_
