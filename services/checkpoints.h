// Signs how far the log has got, soon after it has grown and when somebody asks, and keeps the
// newest of it as a file in the data folder.
//
//   auto checkpoints = Checkpoints::Start(log, std::move(key), {.directory = folder});
//   log.Append(...); (*checkpoints)->NotifyHead();
//   (*checkpoints)->Newest().note
#ifndef DENIER_SERVICES_CHECKPOINTS_H_
#define DENIER_SERVICES_CHECKPOINTS_H_

#include <rocksdb/file_system.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/checkpoint.h"
#include "store/head.h"
#include "store/log.h"
#include "store/position.h"

namespace denier::services {

// The log that is open must begin with that of the folder's file `checkpoint`, if there is one.
// Without a key (nullptr) nobody has verified who signed it, but it must fit all the same.
// DATA_LOSS: it does not, or the file is damaged. FAILED_PRECONDITION: another key has signed it.
// UNAVAILABLE: the disk reports an error. The message says what to do.
absl::Status CheckPublished(const store::Log& log, rocksdb::FileSystem& file_system,
                            const std::string& directory, const store::VerifierKey* key);

struct CheckpointsOptions {
  std::string directory;                                       // the data folder
  std::shared_ptr<rocksdb::FileSystem> file_system = nullptr;  // nullptr: the system's own
  // From an event's commit to the publication of a checkpoint over it, at most, on a disk that
  // needs no more than a fifth of it.
  std::chrono::milliseconds most_delay = std::chrono::seconds(10);
  // Hears why one could not be published. It is tried again; the log does not mind.
  std::function<void(const absl::Status&)> failed;
};

class Checkpoints {
 public:
  struct Signed {
    store::Head head;
    std::string note;
  };

  // Publishes one over all of `log`, which must outlive it, and begin with the folder's checkpoint
  // (CheckPublished). UNAVAILABLE: the disk reports an error.
  static absl::StatusOr<std::unique_ptr<Checkpoints>> Start(const store::Log& log,
                                                            store::SigningKey key,
                                                            CheckpointsOptions options);

  // Publishes one over all of the log.
  ~Checkpoints();
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

  // All of these: any thread.

  // The log has grown. Returns at once.
  void NotifyHead();

  // The one that was published last.
  Signed Newest() const;

  // One over every event that is durable now. It is not published.
  Signed Fresh() const;

  // One over the first `size` events. OUT_OF_RANGE: the log has fewer. DATA_LOSS: damage.
  absl::StatusOr<Signed> At(store::Position size) const;

  const store::VerifierKey& verifier() const { return key_.verifier(); }

 private:
  Checkpoints(const store::Log& log, store::SigningKey key, CheckpointsOptions options);

  void Run();
  absl::Status Publish();
  bool PublishOrSay();
  Signed Sign(const store::Head& head) const;

  const store::Log& log_;
  const store::SigningKey key_;
  const CheckpointsOptions options_;

  std::atomic<bool> grew_ = false;  // since the last publication began
  mutable std::mutex mutex_;
  std::condition_variable changed_;  // grew_, stopping_
  bool stopping_ = false;            // guarded by mutex_
  Signed newest_;                    // guarded by mutex_
  std::thread thread_;
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_CHECKPOINTS_H_
