#include "store/zeroed_wal.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace denier::store {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// Zeros are written in ever larger pieces: a start, which begins a new file, is to wait for few.
constexpr std::uint64_t kFirstZeros = std::uint64_t{64} << 10;
constexpr std::uint64_t kMostZeros = std::uint64_t{1} << 20;
// The zeros for a larger write would take longer than the sync that they make cheaper.
constexpr std::uint64_t kLargeWrite = std::uint64_t{64} << 10;
constexpr std::uint64_t kPageBytes = 4096;

class ZeroedFile final : public rocksdb::FSWritableFile {
 public:
  // `file` is empty.
  ZeroedFile(std::shared_ptr<rocksdb::FileSystem> file_system, std::string path,
             std::unique_ptr<rocksdb::FSRandomRWFile> file)
      : file_system_(std::move(file_system)), path_(std::move(path)), file_(std::move(file)) {}

  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    IOStatus status;
    if (data.size() > kLargeWrite) {
      next_zeros_ = kFirstZeros;  // those that follow soon would go over a MiB of them
    } else if (size_ + data.size() > end_) {
      status = WriteZeros(data.size(), options, debug);
    }
    if (status.ok()) status = file_->Write(size_, data, options, debug);
    if (!status.ok()) return status;
    size_ += data.size();
    end_ = std::max(end_, size_);
    return status;
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return file_->Sync(options, debug);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return file_->Fsync(options, debug);
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = file_->Close(options, debug);
    if (!status.ok() || end_ == size_) return status;
    end_ = size_;
    // A file that can be written over cannot be cut.
    std::unique_ptr<rocksdb::FSWritableFile> appended;
    status = file_system_->ReopenWritableFile(path_, FileOptions(), &appended, debug);
    if (status.ok()) status = appended->Truncate(size_, options, debug);
    if (status.ok()) status = appended->Close(options, debug);
    return status;
  }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }
  // Beside a write, as that of any file.
  bool IsSyncThreadSafe() const override { return true; }

 private:
  // So that `bytes` and what follows them find zeros.
  IOStatus WriteZeros(std::uint64_t bytes, const IOOptions& options, IODebugContext* debug) {
    static const std::string kZeros(kMostZeros + kLargeWrite, '\0');
    std::uint64_t end = size_ + bytes + next_zeros_;
    end -= end % kPageBytes;
    next_zeros_ = std::min(2 * next_zeros_, kMostZeros);
    const IOStatus status = file_->Write(end_, {kZeros.data(), end - end_}, options, debug);
    if (status.ok()) end_ = end;
    return status;
  }

  const std::shared_ptr<rocksdb::FileSystem> file_system_;
  const std::string path_;
  const std::unique_ptr<rocksdb::FSRandomRWFile> file_;
  std::uint64_t size_ = 0;  // what was written
  std::uint64_t end_ = 0;   // of the file: zeros lie from size_ on
  std::uint64_t next_zeros_ = kFirstZeros;
};

class ZeroedWal final : public rocksdb::FileSystemWrapper {
 public:
  explicit ZeroedWal(const std::shared_ptr<rocksdb::FileSystem>& target)
      : FileSystemWrapper(target) {}

  const char* Name() const override { return "ZeroedWal"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* debug) override {
    IOStatus status = target_->NewWritableFile(path, options, file, debug);
    if (!status.ok() || !std::string_view(path).ends_with(".log")) return status;
    // A file that is appended to cannot be written over.
    status = (*file)->Close(IOOptions(), debug);
    std::unique_ptr<rocksdb::FSRandomRWFile> opened;
    if (status.ok()) status = target_->NewRandomRWFile(path, options, &opened, debug);
    if (status.ok()) *file = std::make_unique<ZeroedFile>(target_, path, std::move(opened));
    return status;
  }
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> WithZeroedWal(
    const std::shared_ptr<rocksdb::FileSystem>& file_system) {
  return std::make_shared<ZeroedWal>(file_system);
}

}  // namespace denier::store
