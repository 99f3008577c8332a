// A fault disk that can be held: a sync of the log, or its look at the free space, waits until the
// test lets it go on. So a test knows what happens while a batch is on its way to the disk.
#ifndef DENIER_TESTS_FAULTS_HELD_DISK_H_
#define DENIER_TESTS_FAULTS_HELD_DISK_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "tests/faults/fault_file_system.h"

namespace denier::faults {

// Thread-safe.
class HeldDisk : public FaultFileSystem {
 public:
  enum class At { kNothing, kLogSync, kFreeSpace };

  // From now on operations of this kind wait. kNothing lets go those that do.
  void Hold(At at) {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_ = at;
    waiting_ = 0;
    changed_.notify_all();
  }

  // Returns once an operation waits.
  void AwaitHeld() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ > 0; });
  }

  bool holds() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return held_ != At::kNothing;
  }

  // The log's WAL is written over zeros.
  rocksdb::IOStatus NewRandomRWFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSRandomRWFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = FaultFileSystem::NewRandomRWFile(path, options, file, debug);
    if (status.ok() && path.ends_with(".log")) {
      *file = std::make_unique<HeldFile>(std::move(*file), this);
    }
    return status;
  }

  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 std::uint64_t* free_bytes,
                                 rocksdb::IODebugContext* debug) override {
    Pass(At::kFreeSpace);
    return FaultFileSystem::GetFreeSpace(path, options, free_bytes, debug);
  }

 private:
  class HeldFile : public rocksdb::FSRandomRWFileOwnerWrapper {
   public:
    HeldFile(std::unique_ptr<rocksdb::FSRandomRWFile> target, HeldDisk* disk)
        : FSRandomRWFileOwnerWrapper(std::move(target)), disk_(disk) {}

    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
      disk_->Pass(At::kLogSync);
      return target()->Sync(options, debug);
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* debug) override {
      return Sync(options, debug);
    }

   private:
    HeldDisk* const disk_;
  };

  void Pass(At at) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (held_ != at) return;
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return held_ != at; });
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  At held_ = At::kNothing;
  int waiting_ = 0;
};

}  // namespace denier::faults

#endif  // DENIER_TESTS_FAULTS_HELD_DISK_H_
