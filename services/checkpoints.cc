#include "services/checkpoints.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace denier::services {
namespace {

using store::Checkpoint;
using store::Head;
using store::Position;
using store::VerifierKey;

}  // namespace

absl::Status CheckPublished(const store::Log& log, rocksdb::FileSystem& file_system,
                            const std::string& directory, const VerifierKey* key) {
  const absl::StatusOr<std::string> note = store::ReadCheckpointFile(file_system, directory);
  if (absl::IsNotFound(note.status())) return absl::OkStatus();
  if (!note.ok()) return note.status();

  const std::string file = directory + "/checkpoint";
  const absl::StatusOr<Checkpoint> published =
      key != nullptr ? store::OpenCheckpoint(*note, *key) : store::ReadUnverifiedCheckpoint(*note);
  if (absl::IsNotFound(published.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(file, " is ", published.status().message(),
                     "; start with that key and that log's name. If the key was changed on "
                     "purpose, tell whoever "
                     "verifies, keep the file elsewhere and take it out of the folder"));
  }
  if (!published.ok()) {
    return absl::DataLossError(absl::StrCat(
        file, " is damaged: ", published.status().message(),
        "; compare the log with a checkpoint that somebody else has kept (denier proof "
        "consistency), then take the file out of the folder"));
  }
  const absl::Status begins = store::CheckBeginsWith(log, *published);
  if (!absl::IsDataLoss(begins)) return begins;
  return absl::DataLossError(
      absl::StrCat(file, ": ", begins.message(),
                   "; put the newest state of the folder back. If what is missing is lost for "
                   "good, keep the file "
                   "elsewhere, as the evidence of it, and take it out of the folder"));
}

absl::StatusOr<std::unique_ptr<Checkpoints>> Checkpoints::Start(const store::Log& log,
                                                                store::SigningKey key,
                                                                CheckpointsOptions options) {
  if (options.file_system == nullptr) options.file_system = rocksdb::FileSystem::Default();
  std::unique_ptr<Checkpoints> checkpoints(
      new Checkpoints(log, std::move(key), std::move(options)));
  const absl::Status published = checkpoints->Publish();
  if (!published.ok()) return published;
  checkpoints->thread_ = std::thread(&Checkpoints::Run, checkpoints.get());
  return checkpoints;
}

Checkpoints::Checkpoints(const store::Log& log, store::SigningKey key, CheckpointsOptions options)
    : log_(log), key_(std::move(key)), options_(std::move(options)) {}

Checkpoints::~Checkpoints() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (!thread_.joinable()) return;
  thread_.join();
  PublishOrSay();
}

void Checkpoints::NotifyHead() {
  // A commit comes by here: it takes the mutex once between two publications.
  if (grew_.load() || grew_.exchange(true)) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  changed_.notify_all();
}

Checkpoints::Signed Checkpoints::Newest() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return newest_;
}

Checkpoints::Signed Checkpoints::Fresh() const { return Sign(log_.head()); }

absl::StatusOr<Checkpoints::Signed> Checkpoints::At(Position size) const {
  const absl::StatusOr<store::Hash> root = log_.RootAt(size);
  if (!root.ok()) return root.status();
  return Sign(Head{size, *root});
}

// The first event after a while is signed at once; under load one checkpoint is for all events of a
// while.
void Checkpoints::Run() {
  const auto pause = options_.most_delay - options_.most_delay / 5;
  auto next = std::chrono::steady_clock::now() + pause;
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return grew_ || stopping_; });
    if (changed_.wait_until(lock, next, [this] { return stopping_; })) return;
    next = std::chrono::steady_clock::now() + pause;
    grew_ = false;  // what comes from here on may be missed, and is for the next one
    lock.unlock();
    if (!PublishOrSay()) grew_ = true;
    lock.lock();
  }
}

bool Checkpoints::PublishOrSay() {
  const absl::Status published = Publish();
  if (!published.ok() && options_.failed) options_.failed(published);
  return published.ok();
}

absl::Status Checkpoints::Publish() {
  Signed fresh = Fresh();
  if (fresh.note == Newest().note) return absl::OkStatus();
  const absl::Status written =
      store::WriteCheckpointFile(*options_.file_system, options_.directory, fresh.note);
  if (!written.ok()) return written;
  const std::lock_guard<std::mutex> lock(mutex_);
  newest_ = std::move(fresh);
  return absl::OkStatus();
}

Checkpoints::Signed Checkpoints::Sign(const Head& head) const {
  return {head, store::SignCheckpoint(head, key_)};
}

}  // namespace denier::services
