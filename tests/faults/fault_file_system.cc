#include "tests/faults/fault_file_system.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

namespace denier::faults {
namespace {

using rocksdb::DataVerificationInfo;
using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr std::size_t kSectorBytes = 512;
constexpr std::size_t kPageBytes = 4096;

std::optional<std::string> ContentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Into a new file of that name, so that whoever has the old one open cannot change it any more.
void Replace(const std::string& path, const std::string& content) {
  const std::string fresh = path + ".survivor";
  std::ofstream(fresh, std::ios::binary | std::ios::trunc) << content;
  std::filesystem::remove(path);  // some file systems flush a file that is renamed over another
  std::filesystem::rename(fresh, path);
}

// A linear congruential generator: the same everywhere for the same seed.
std::uint32_t NextRandom(std::uint32_t& state) {
  state = state * 1664525u + 1013904223u;
  return state >> 8;
}

}  // namespace

// ------------------------------------------------------------------------------------- Files

class FaultFileSystem::AppendedFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  AppendedFile(std::unique_ptr<rocksdb::FSWritableFile> target, std::string path,
               std::uint64_t size, FaultFileSystem* disk)
      : FSWritableFileOwnerWrapper(std::move(target)),
        path_(std::move(path)),
        size_(size),
        disk_(disk) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const std::shared_lock<std::shared_mutex> power(disk_->power_);
    IOStatus status = disk_->Begin(Operation::kWrite, path_);
    if (status.ok()) status = target()->Append(data, options, debug);
    if (status.ok()) size_ += data.size();
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus PositionedAppend(const Slice&, std::uint64_t, const IOOptions&,
                            IODebugContext*) override {
    return IOStatus::NotSupported("PositionedAppend");  // direct I/O only
  }
  IOStatus PositionedAppend(const Slice&, std::uint64_t, const IOOptions&,
                            const DataVerificationInfo&, IODebugContext*) override {
    return IOStatus::NotSupported("PositionedAppend");
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    const std::shared_lock<std::shared_mutex> power(disk_->power_);
    IOStatus status = disk_->BeginOther();
    if (status.ok()) status = target()->Truncate(size, options, debug);
    if (status.ok()) size_ = size;
    return status;
  }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    const std::shared_lock<std::shared_mutex> power(disk_->power_);
    const IOStatus status = disk_->Begin(Operation::kSync, path_);
    if (!status.ok()) return status;
    {
      const std::lock_guard<std::mutex> lock(disk_->mutex_);
      disk_->durable_[path_] = Durable{.size = size_, .overwritten = {}};
    }
    disk_->CountSync(path_);
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Sync(options, debug);
  }
  IOStatus RangeSync(std::uint64_t, std::uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();  // promises nothing
  }

 private:
  const std::string path_;
  std::uint64_t size_;
  FaultFileSystem* const disk_;
};

class FaultFileSystem::OverwrittenFile : public rocksdb::FSRandomRWFileOwnerWrapper {
 public:
  OverwrittenFile(std::unique_ptr<rocksdb::FSRandomRWFile> target, std::string path,
                  std::uint64_t size, FaultFileSystem* disk)
      : FSRandomRWFileOwnerWrapper(std::move(target)),
        path_(std::move(path)),
        size_(size),
        disk_(disk) {}

  IOStatus Write(std::uint64_t offset, const Slice& data, const IOOptions& options,
                 IODebugContext* debug) override {
    const std::shared_lock<std::shared_mutex> power(disk_->power_);
    IOStatus status = disk_->Begin(Operation::kWrite, path_);
    if (status.ok() && offset < size_) status = KeepWhatIsAt(offset, data.size(), options, debug);
    if (status.ok()) status = target()->Write(offset, data, options, debug);
    if (status.ok()) size_ = std::max(size_, offset + data.size());
    return status;
  }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    const std::shared_lock<std::shared_mutex> power(disk_->power_);
    const IOStatus status = disk_->Begin(Operation::kSync, path_);
    if (!status.ok()) return status;
    {
      const std::lock_guard<std::mutex> lock(disk_->mutex_);
      disk_->durable_[path_] = Durable{.size = size_, .overwritten = {}};
    }
    disk_->CountSync(path_);
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Sync(options, debug);
  }

 private:
  IOStatus KeepWhatIsAt(std::uint64_t offset, std::size_t bytes, const IOOptions& options,
                        IODebugContext* debug) {
    std::string kept(std::min<std::uint64_t>(bytes, size_ - offset), '\0');
    Slice read;
    const IOStatus status = target()->Read(offset, kept.size(), options, &read, kept.data(), debug);
    const std::lock_guard<std::mutex> lock(disk_->mutex_);
    disk_->durable_[path_].overwritten.emplace_back(offset, std::move(kept));
    return status;
  }

  const std::string path_;
  std::uint64_t size_;
  FaultFileSystem* const disk_;
};

class FaultFileSystem::Folder : public rocksdb::FSDirectoryWrapper {
 public:
  Folder(std::unique_ptr<rocksdb::FSDirectory> target, std::string path, FaultFileSystem* disk)
      : FSDirectoryWrapper(std::move(target)), path_(std::move(path)), disk_(disk) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    const std::shared_lock<std::shared_mutex> power(disk_->power_);
    const IOStatus status = disk_->BeginOther();
    if (!status.ok()) return status;
    const std::lock_guard<std::mutex> lock(disk_->mutex_);
    // A backup's folders are named "folder/".
    const std::filesystem::path folder = (std::filesystem::path(path_) / "x").parent_path();
    std::erase_if(disk_->new_names_, [&folder](const auto& name) {
      return std::filesystem::path(name.first).parent_path() == folder;
    });
    return status;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions&) override {
    return Fsync(options, debug);
  }

 private:
  const std::string path_;
  FaultFileSystem* const disk_;
};

// ------------------------------------------------------------------------------------ Faults

FaultFileSystem::FaultFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

FaultFileSystem::~FaultFileSystem() = default;

void FaultFileSystem::Plan(const Fault& fault) {
  const std::lock_guard<std::mutex> lock(mutex_);
  faults_.push_back(fault);
}

bool FaultFileSystem::power_is_off() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return power_is_off_;
}

void FaultFileSystem::SetFreeSpace(std::optional<std::uint64_t> bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  free_space_ = bytes;
}

IOStatus FaultFileSystem::BeginOther() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return power_is_off_ ? IOStatus::IOError("the power is off") : IOStatus::OK();
}

IOStatus FaultFileSystem::Begin(Operation operation, const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (power_is_off_) return IOStatus::IOError("the power is off");
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (fault->operation != operation || path.find(fault->path_part) == std::string::npos) continue;
    if (fault->skip-- > 0) continue;
    const Effect effect = fault->effect;
    faults_.erase(fault);
    if (effect == Effect::kError) return IOStatus::IOError(path, "planned: Input/output error");
    power_is_off_ = true;
    return IOStatus::IOError("the power goes off");
  }
  return IOStatus::OK();
}

void FaultFileSystem::CountSync(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++syncs_[path];
  synced_.notify_all();
}

int FaultFileSystem::SyncsOf(std::string_view path_part) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return CountSyncs(path_part);
}

int FaultFileSystem::CountSyncs(std::string_view path_part) const {
  int count = 0;
  for (const auto& [path, syncs] : syncs_) {
    if (path.find(path_part) != std::string::npos) count += syncs;
  }
  return count;
}

bool FaultFileSystem::WaitForSyncsOf(std::string_view path_part, int count) const {
  std::unique_lock<std::mutex> lock(mutex_);
  return synced_.wait_until(lock, std::chrono::system_clock::now() + std::chrono::seconds(30),
                            [&] { return CountSyncs(path_part) >= count; });
}

void FaultFileSystem::NameIsNew(const std::string& path) {
  std::optional<std::string> before = ContentOf(path);
  const std::lock_guard<std::mutex> lock(mutex_);
  new_names_.try_emplace(path, std::move(before));
}

void FaultFileSystem::LosePower(Unsynced unsynced, std::uint32_t seed) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    power_is_off_ = true;
  }
  const std::unique_lock<std::shared_mutex> power(power_);  // the last operations end
  const std::lock_guard<std::mutex> lock(mutex_);
  std::uint32_t random = seed;
  for (const auto& [path, durable] : durable_) {
    if (!std::filesystem::exists(path)) continue;
    Replace(path, Survivor(path, durable, unsynced, random));
  }
  for (const auto& [path, before] : new_names_) {
    if (unsynced != Unsynced::kDrop && NextRandom(random) % 2 == 0) continue;
    if (before) {
      Replace(path, *before);
    } else {
      std::filesystem::remove(path);
    }
  }
  durable_.clear();
  new_names_.clear();
}

// The content of `path` after a power loss.
std::string FaultFileSystem::Survivor(const std::string& path, const Durable& durable,
                                      Unsynced unsynced, std::uint32_t& random) const {
  std::string content = ContentOf(path).value_or("");
  std::string before = content;
  std::for_each(durable.overwritten.rbegin(), durable.overwritten.rend(),
                [&before](const auto& write) {
                  before.replace(write.first, write.second.size(), write.second);
                });
  const std::size_t synced = std::min<std::size_t>(durable.size, content.size());
  for (std::size_t at = 0; at < synced && !durable.overwritten.empty(); at += kSectorBytes) {
    const std::size_t bytes = std::min(kSectorBytes, synced - at);
    if (unsynced == Unsynced::kDrop || NextRandom(random) % 2 != 0) {
      content.replace(at, bytes, before, at, bytes);
    }
  }
  if (unsynced == Unsynced::kDrop || synced == content.size()) {
    content.resize(synced);
    return content;
  }
  content.resize(synced + NextRandom(random) % (content.size() - synced + 1));
  if (unsynced == Unsynced::kScramble && path.ends_with(".log")) {
    for (std::size_t at = synced; at < content.size();) {
      const std::size_t end = std::min(content.size(), at - at % kPageBytes + kPageBytes);
      if (NextRandom(random) % 2 == 0) std::fill(content.begin() + at, content.begin() + end, '\0');
      at = end;
    }
  }
  return content;
}

// -------------------------------------------------------------------------------- The wrapper

IOStatus FaultFileSystem::NewWritableFile(const std::string& path, const FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* file,
                                          IODebugContext* debug) {
  const std::shared_lock<std::shared_mutex> power(power_);
  IOStatus status = BeginOther();
  if (!status.ok()) return status;
  NameIsNew(path);
  std::unique_ptr<rocksdb::FSWritableFile> target;
  status = target_->NewWritableFile(path, options, &target, debug);
  if (!status.ok()) return status;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    durable_[path] = Durable{};
  }
  *file = std::make_unique<AppendedFile>(std::move(target), path, 0, this);
  return status;
}

IOStatus FaultFileSystem::ReopenWritableFile(const std::string& path, const FileOptions& options,
                                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                                             IODebugContext* debug) {
  const std::shared_lock<std::shared_mutex> power(power_);
  IOStatus status = BeginOther();
  if (!status.ok()) return status;
  if (!std::filesystem::exists(path)) NameIsNew(path);
  std::unique_ptr<rocksdb::FSWritableFile> target;
  status = target_->ReopenWritableFile(path, options, &target, debug);
  if (!status.ok()) return status;
  const std::uint64_t size = std::filesystem::file_size(path);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    durable_.try_emplace(path, Durable{.size = size, .overwritten = {}});
  }
  *file = std::make_unique<AppendedFile>(std::move(target), path, size, this);
  return status;
}

IOStatus FaultFileSystem::ReuseWritableFile(const std::string&, const std::string&,
                                            const FileOptions&,
                                            std::unique_ptr<rocksdb::FSWritableFile>*,
                                            IODebugContext*) {
  return IOStatus::NotSupported("ReuseWritableFile");  // recycled WALs, which Denier has not
}

IOStatus FaultFileSystem::NewRandomRWFile(const std::string& path, const FileOptions& options,
                                          std::unique_ptr<rocksdb::FSRandomRWFile>* file,
                                          IODebugContext* debug) {
  const std::shared_lock<std::shared_mutex> power(power_);
  IOStatus status = BeginOther();
  if (!status.ok()) return status;
  std::unique_ptr<rocksdb::FSRandomRWFile> target;
  status = target_->NewRandomRWFile(path, options, &target, debug);
  if (!status.ok()) return status;
  const std::uint64_t size = std::filesystem::file_size(path);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    durable_[path] = Durable{.size = size, .overwritten = {}};  // whoever wrote it has synced it
  }
  *file = std::make_unique<OverwrittenFile>(std::move(target), path, size, this);
  return status;
}

IOStatus FaultFileSystem::NewDirectory(const std::string& path, const IOOptions& options,
                                       std::unique_ptr<rocksdb::FSDirectory>* directory,
                                       IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> target;
  const IOStatus status = target_->NewDirectory(path, options, &target, debug);
  if (status.ok()) *directory = std::make_unique<Folder>(std::move(target), path, this);
  return status;
}

IOStatus FaultFileSystem::DeleteFile(const std::string& path, const IOOptions& options,
                                     IODebugContext* debug) {
  const std::shared_lock<std::shared_mutex> power(power_);
  IOStatus status = BeginOther();
  if (status.ok()) status = target_->DeleteFile(path, options, debug);
  if (!status.ok()) return status;
  const std::lock_guard<std::mutex> lock(mutex_);
  durable_.erase(path);
  new_names_.erase(path);
  return status;
}

IOStatus FaultFileSystem::Truncate(const std::string& path, std::size_t size,
                                   const IOOptions& options, IODebugContext* debug) {
  const std::shared_lock<std::shared_mutex> power(power_);
  const IOStatus status = BeginOther();
  return status.ok() ? target_->Truncate(path, size, options, debug) : status;
}

IOStatus FaultFileSystem::CreateDir(const std::string& path, const IOOptions& options,
                                    IODebugContext* debug) {
  const std::shared_lock<std::shared_mutex> power(power_);
  const IOStatus status = BeginOther();
  return status.ok() ? target_->CreateDir(path, options, debug) : status;
}

IOStatus FaultFileSystem::CreateDirIfMissing(const std::string& path, const IOOptions& options,
                                             IODebugContext* debug) {
  const std::shared_lock<std::shared_mutex> power(power_);
  const IOStatus status = BeginOther();
  return status.ok() ? target_->CreateDirIfMissing(path, options, debug) : status;
}

IOStatus FaultFileSystem::RenameFile(const std::string& from, const std::string& to,
                                     const IOOptions& options, IODebugContext* debug) {
  const std::shared_lock<std::shared_mutex> power(power_);
  IOStatus status = BeginOther();
  if (!status.ok()) return status;
  NameIsNew(to);
  status = target_->RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  const std::lock_guard<std::mutex> lock(mutex_);
  durable_.erase(to);
  auto moved = durable_.extract(from);
  if (!moved.empty()) {
    moved.key() = to;
    durable_.insert(std::move(moved));
  }
  new_names_.erase(from);
  return status;
}

IOStatus FaultFileSystem::LinkFile(const std::string& from, const std::string& to,
                                   const IOOptions& options, IODebugContext* debug) {
  const std::shared_lock<std::shared_mutex> power(power_);
  const IOStatus status = BeginOther();
  return status.ok() ? target_->LinkFile(from, to, options, debug) : status;
}

IOStatus FaultFileSystem::GetFreeSpace(const std::string& path, const IOOptions& options,
                                       std::uint64_t* free_bytes, IODebugContext* debug) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_space_) {
      *free_bytes = *free_space_;
      return IOStatus::OK();
    }
  }
  return target_->GetFreeSpace(path, options, free_bytes, debug);
}

}  // namespace denier::faults
