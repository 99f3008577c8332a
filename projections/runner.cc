#include "projections/runner.h"

#include <time.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "projections/comparison.h"

namespace denier::projections {
namespace {

using Clock = std::chrono::steady_clock;
using store::Cursor;
using store::Position;
using store::Views;

// How far behind rows may be to be called near.
constexpr Position kNearEvents = 10'000;

// While nobody waits for it, and the log goes on growing, a fold begins so long after the last one
// at the earliest, unless there are so many events to fold: each fold has a price, and many small
// ones cost several times what the events do. Once the log has not grown for kQuiet whoever comes
// without saying what he waits for is to find all of it.
constexpr auto kGathering = std::chrono::milliseconds(50);
constexpr auto kQuiet = std::chrono::milliseconds(10);
constexpr Position kMostGathered = 2'500;

// Events whose rows are written together, about; and that may wait for it, before memory is saved
// and the log read instead.
constexpr Position kMostDelivered = 10'000;
constexpr Position kMostWaiting = 50'000;

constexpr auto kSayEvery = std::chrono::seconds(5);

// While the log grows the thread that folds for a rebuild has so much of all processors' time at
// most, and those who append the rest. What writes the rows beside it is not counted.
constexpr int kPercentOfRebuild = 22;

// The processor's time that this thread has had.
std::chrono::nanoseconds ThreadTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// How long a rebuild may take for what its thread has worked so long for.
std::chrono::nanoseconds WholeTimeOf(std::chrono::nanoseconds worked) {
  static const auto processors =
      static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  return worked * 100 / (kPercentOfRebuild * processors);
}

}  // namespace

Runner::Runner(const store::Log& log, const std::string& views_folder,
               const store::ViewsOptions& options, std::function<void(const std::string&)> say)
    : log_(log),
      say_(say ? std::move(say) : [](const std::string&) {}),
      generations_(views_folder, options) {}

absl::StatusOr<std::unique_ptr<Runner>> Runner::Start(const store::Log& log,
                                                      const std::string& views_folder,
                                                      const store::ViewsOptions& options,
                                                      std::function<void(const std::string&)> say) {
  std::unique_ptr<Runner> runner(new Runner(log, views_folder, options, std::move(say)));
  absl::StatusOr<std::unique_ptr<Rows>> stored = runner->OpenStored();
  if (!stored.ok()) return stored.status();
  runner->live_ = *std::move(stored);
  if (runner->live_ != nullptr) {
    absl::Status caught_up = runner->CatchUp(*runner->live_, "after a restart");
    if (!caught_up.ok() && !runner->live_->rows_at_fault()) return caught_up;
    if (!caught_up.ok()) {
      runner->say_(absl::StrCat(
          "Computing the rows again from the first event: ", caught_up.message(), "."));
      runner->live_.reset();
    }
  }
  if (runner->live_ == nullptr) {
    absl::StatusOr<std::unique_ptr<Rows>> computed = runner->Compute();
    if (!computed.ok()) return computed.status();
    runner->live_ = *std::move(computed);
  }
  if (absl::Status dropped = runner->generations_.DropOthers(); !dropped.ok()) return dropped;
  runner->views_ = runner->live_->views();
  runner->folded_ = runner->live_->committed();
  runner->thread_ = std::thread(&Runner::Run, runner.get());
  return runner;
}

// The stored rows, if they are whole and of this log; nullptr when they must be computed again.
absl::StatusOr<std::unique_ptr<Rows>> Runner::OpenStored() {
  const auto again = [this](const std::string& why) {
    say_(absl::StrCat("Computing the rows again from the first event: ", why, "."));
    return nullptr;
  };
  absl::StatusOr<std::shared_ptr<Views>> views = generations_.OpenCurrent();
  // What the disk reports is not damage, and new rows would meet it too.
  if (absl::IsUnavailable(views.status())) return views.status();
  if (absl::IsNotFound(views.status()) && log_.head().next == 0) return nullptr;
  if (!views.ok()) return again(std::string(views.status().message()));

  const Cursor cursor = (*views)->cursor();
  const absl::StatusOr<store::Head> head = log_.HeadAt(cursor.next);
  if (!head.ok() && !absl::IsNotFound(head.status()) && !absl::IsOutOfRange(head.status())) {
    return head.status();
  }
  if (!head.ok() || *head != cursor) {
    return again(
        absl::StrCat("they stand after ", cursor.next, " events of another log than this one"));
  }
  if (const absl::Status format = CheckRowFormat(**views); !format.ok()) {
    return again(std::string(format.message()));
  }
  return std::make_unique<Rows>(log_, *std::move(views));
}

// All rows from the first event, in a new generation that counts from the start: should the process
// end meanwhile, the next one goes on from there.
absl::StatusOr<std::unique_ptr<Rows>> Runner::Compute() {
  absl::StatusOr<std::shared_ptr<Views>> views = generations_.Start();
  if (!views.ok()) return views.status();
  if (absl::Status promoted = generations_.Promote(**views); !promoted.ok()) return promoted;
  auto rows = std::make_unique<Rows>(log_, *std::move(views));
  if (absl::Status caught_up = CatchUp(*rows, "from the first event"); !caught_up.ok()) {
    return caught_up;
  }
  return rows;
}

absl::Status Runner::CatchUp(Rows& rows, const char* what) {
  Clock::time_point said = Clock::now();
  while (true) {
    const absl::StatusOr<bool> folded = rows.FoldSome();
    if (!folded.ok()) return folded.status();
    if (!*folded) return absl::OkStatus();
    if (Clock::now() - said < kSayEvery) continue;
    said = Clock::now();
    say_(absl::StrCat("Folding ", what, ": ", rows.next(), " of ", log_.head().next, " events."));
  }
}

Runner::~Runner() {
  if (thread_.joinable()) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      stopping_ = true;
      wake_.notify_all();
      progress_.notify_all();
    }
    thread_.join();
    std::unique_lock<std::mutex> lock(mutex_);
    progress_.wait(lock, [this] { return !rebuilding_; });
  }
  if (live_ != nullptr && status_.ok()) {
    if (absl::Status flushed = live_->Flush(); !flushed.ok()) {
      say_(absl::StrCat("The rows could not be made durable (", flushed.message(),
                        "): the next start folds from further back."));
    }
  }
}

void Runner::NotifyHead() {
  const Position head = log_.head().next;
  const std::lock_guard<std::mutex> lock(mutex_);
  log_grew_ = true;
  grew_ = Clock::now();
  if (!gathering_ || head >= folded_ + kMostGathered) wake_.notify_one();
}

void Runner::Deliver(Folded batch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stopping_ || !status_.ok()) return;  // nobody will take it
  const Position head = batch.head.next;
  grew_ = Clock::now();
  if (doubted_ || head > folded_ + kMostWaiting) {
    delivered_.clear();
    log_grew_ = true;
  } else {
    delivered_.push_back(std::move(batch));
  }
  if (!gathering_ || head >= folded_ + kMostGathered) wake_.notify_one();
}

absl::Status Runner::WaitFor(Position next, Clock::time_point deadline) const {
  std::unique_lock<std::mutex> lock(mutex_);
  if (folded_ >= next) return absl::OkStatus();
  ++waiting_;
  if (gathering_) wake_.notify_one();
  const bool ended = progress_.wait_until(
      lock, deadline, [&] { return folded_ >= next || stopping_ || !status_.ok(); });
  --waiting_;
  if (folded_ >= next) return absl::OkStatus();
  if (!ended) {
    return absl::DeadlineExceededError(absl::StrCat("position ", next, " was not folded in time"));
  }
  return status_.ok() ? absl::CancelledError("the runner is stopping") : status_;
}

void Runner::CallWhenFolded(Position next, Clock::time_point deadline,
                            std::function<void(bool folded)> done) {
  std::unique_lock<std::mutex> lock(mutex_);
  const bool folded = folded_ >= next;
  if (folded || stopping_ || !status_.ok() || deadline <= Clock::now()) {
    lock.unlock();
    done(folded);
    return;
  }
  const WaiterKey key{next, waiters_seen_++};
  waiters_.emplace(key, Waiter{deadline, std::move(done)});
  deadlines_.emplace(deadline, key);
  // The thread sleeps until the first deadline: it has to know of an earlier one.
  if (gathering_ || deadlines_.begin()->second == key) wake_.notify_one();
}

std::shared_ptr<Views> Runner::views() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return views_;
}

void Runner::DoubtRows() {
  const absl::Status noted = views()->Doubt();
  say_(noted.ok() ? "The next start computes the rows again from the first event."
                  : absl::StrCat("The next start meets the same rows: ", noted.message()));
}

Position Runner::folded() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return folded_;
}

absl::Status Runner::status() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return status_;
}

// The thread.
void Runner::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    if (swap_wanted_) {
      parked_ = true;
      progress_.notify_all();
      WaitUntil(lock, [this] { return !swap_wanted_ || stopping_; });
      parked_ = false;
      continue;
    }
    const Clock::time_point begun = Clock::now();
    const absl::StatusOr<bool> followed = FollowSome(lock);
    absl::Status status = followed.status();
    if (!followed.ok() && live_->rows_at_fault()) {
      lock.unlock();
      say_(absl::StrCat("Computing the rows again from the first event, beside the damaged ones: ",
                        followed.status().message(), "."));
      lock.lock();
      status = ReplaceDamaged(lock);
      log_grew_ = true;  // what could not be written is to be folded
    }
    if (!status.ok()) return StopWith(lock, status);
    Publish();
    AnswerWaiters(lock);
    if (followed.ok() && !*followed) {
      WaitUntil(lock,
                [this] { return log_grew_ || !delivered_.empty() || swap_wanted_ || stopping_; });
      Gather(lock, begun + kGathering);
    }
  }
  StopWith(lock, absl::OkStatus());
}

// Puts some of what is new into the live rows: what was delivered, or else what is in the log.
// False: there was nothing. Lets go of the lock meanwhile.
absl::StatusOr<bool> Runner::FollowSome(std::unique_lock<std::mutex>& lock) {
  const Position next = live_->next();
  while (!delivered_.empty() && delivered_.front().first < next) delivered_.pop_front();
  if (delivered_.empty() || delivered_.front().first > next) {
    // Nothing, or there is a gap before it.
    if (delivered_.empty() && !log_grew_) return false;
    const Position until = delivered_.empty() ? Rows::kHead : delivered_.front().first;
    log_grew_ = false;
    lock.unlock();
    absl::StatusOr<bool> folded = live_->FoldSome(until);
    lock.lock();
    if (folded.ok() && *folded) log_grew_ = true;  // and may have grown further
    if (folded.ok() && !*folded && until != Rows::kHead) {
      return absl::InternalError("the log ends before the rows that it made");
    }
    return folded;
  }

  Folded batches = std::move(delivered_.front());
  delivered_.pop_front();
  while (!delivered_.empty() && delivered_.front().first == batches.head.next &&
         batches.head.next - batches.first < kMostDelivered) {
    batches.head = delivered_.front().head;
    batches.write.Append(std::move(delivered_.front().write));
    delivered_.pop_front();
  }
  const bool more = !delivered_.empty();
  lock.unlock();
  absl::Status committed =
      live_->CommitFolded(batches.first, std::move(batches.write), batches.head);
  lock.lock();
  if (!committed.ok()) return committed;
  return more;
}

// The live rows are damaged: they go on answering as far as they can, at the position where they
// stand, until new ones have reached the head of the log.
absl::Status Runner::ReplaceDamaged(std::unique_lock<std::mutex>& lock) {
  const Rows* const damaged = live_.get();
  parked_ = true;
  progress_.notify_all();
  WaitUntil(lock, [this] { return !rebuilding_ || stopping_; });
  parked_ = false;
  if (stopping_ || live_.get() != damaged) return absl::OkStatus();  // a Rebuild has done it

  rebuilding_ = true;
  lock.unlock();
  absl::Status status = FoldBesideTheLiveOnes(lock);
  lock.lock();
  rebuilding_ = false;
  progress_.notify_all();
  return stopping_ ? absl::OkStatus() : status;
}

absl::Status Runner::FoldBesideTheLiveOnes(std::unique_lock<std::mutex>& lock) {
  absl::StatusOr<std::shared_ptr<Views>> views = generations_.Start();
  if (!views.ok()) return views.status();
  auto fresh = std::make_unique<Rows>(log_, *std::move(views));
  while (true) {
    const absl::StatusOr<bool> folded = fresh->FoldSome();
    if (!folded.ok()) return folded.status();
    if (!*folded) break;
    lock.lock();
    AnswerWaiters(lock);
    const bool stopping = stopping_;
    lock.unlock();
    if (stopping) return absl::OkStatus();
  }
  if (absl::Status promoted = generations_.Promote(*fresh->views()); !promoted.ok()) {
    return promoted;
  }
  lock.lock();
  live_.swap(fresh);
  Publish();
  lock.unlock();
  fresh.reset();
  return generations_.DropOthers();
}

void Runner::Publish() {
  views_ = live_->views();
  folded_ = live_->committed();
  progress_.notify_all();
}

void Runner::StopWith(std::unique_lock<std::mutex>& lock, absl::Status status) {
  status_ = std::move(status);
  parked_ = true;
  progress_.notify_all();
  std::map<WaiterKey, Waiter> left = std::move(waiters_);
  waiters_.clear();
  deadlines_.clear();
  delivered_.clear();
  const bool failed = !status_.ok();
  const std::string why(status_.message());
  stopping_ = stopping_ || failed;
  lock.unlock();
  if (failed) say_(absl::StrCat("The rows are not folded any further: ", why));
  for (auto& [key, waiter] : left) waiter.done(false);
}

// Answers who waits for what has been folded, and whose time is over. Lets go of the lock
// meanwhile.
void Runner::AnswerWaiters(std::unique_lock<std::mutex>& lock) {
  std::vector<std::pair<Waiter, bool>> answers;
  const auto answer = [&](std::map<WaiterKey, Waiter>::iterator it, bool folded) {
    deadlines_.erase({it->second.deadline, it->first});
    answers.emplace_back(std::move(it->second), folded);
    waiters_.erase(it);
  };
  while (!waiters_.empty() && waiters_.begin()->first.first <= folded_) {
    answer(waiters_.begin(), true);
  }
  if (!deadlines_.empty()) {
    const Clock::time_point now = Clock::now();
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      answer(waiters_.find(deadlines_.begin()->second), false);
    }
  }
  if (answers.empty()) return;
  lock.unlock();
  for (auto& [waiter, folded] : answers) waiter.done(folded);
  lock.lock();
}

// Sleeps until `awake`, and answers waiters whose deadline passes meanwhile.
void Runner::WaitUntil(std::unique_lock<std::mutex>& lock, absl::FunctionRef<bool()> awake) {
  while (!awake()) {
    if (deadlines_.empty()) {
      wake_.wait(lock);
    } else {
      wake_.wait_until(lock, deadlines_.begin()->first);
    }
    AnswerWaiters(lock);
  }
}

// Lets the log grow until then, as long as it does, unless there is a reason to fold what is there.
void Runner::Gather(std::unique_lock<std::mutex>& lock, Clock::time_point until) {
  gathering_ = true;
  while (!stopping_ && !swap_wanted_ && waiters_.empty() && waiting_ == 0 &&
         log_.head().next < folded_ + kMostGathered) {
    const Clock::time_point end = std::min(until, grew_ + kQuiet);
    if (Clock::now() >= end) break;
    wake_.wait_until(lock, deadlines_.empty() ? end : std::min(end, deadlines_.begin()->first));
    AnswerWaiters(lock);
  }
  gathering_ = false;
}

absl::StatusOr<Runner::Rebuilt> Runner::Rebuild() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!status_.ok()) return status_;
    if (stopping_) return absl::CancelledError("the runner is stopping");
    if (rebuilding_) return absl::FailedPreconditionError("another rebuild is running");
    rebuilding_ = true;
  }
  absl::StatusOr<Rebuilt> rebuilt = RebuildBesideTheLiveOnes();
  const std::lock_guard<std::mutex> lock(mutex_);
  swap_wanted_ = false;
  rebuilding_ = false;
  wake_.notify_all();
  progress_.notify_all();
  return rebuilt;
}

// The thread of a rebuild does nothing until then, unless the runner stops or waits for it.
void Runner::RestUntil(Clock::time_point until) {
  std::unique_lock<std::mutex> lock(mutex_);
  progress_.wait_until(lock, until, [this] { return stopping_ || parked_; });
}

absl::StatusOr<Runner::Rebuilt> Runner::RebuildBesideTheLiveOnes() {
  absl::StatusOr<std::shared_ptr<Views>> started = generations_.Start();
  if (!started.ok()) return started.status();
  auto fresh = std::make_unique<Rows>(log_, *std::move(started));

  // Folds up to a position where the live rows have stood, a batch boundary therefore.
  const auto fold_to = [&](Position until, bool rests) -> absl::Status {
    while (fresh->next() < until) {
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (stopping_) return absl::CancelledError("the runner is stopping");
      }
      const Position head = log_.head().next;
      const Clock::time_point begun = Clock::now();
      const std::chrono::nanoseconds worked = ThreadTime();
      const absl::StatusOr<bool> folded = fresh->FoldSome(until);
      if (!folded.ok()) return folded.status();
      if (!*folded) return absl::InternalError("the log ends before the rows that it made");
      if (rests && log_.head().next != head) RestUntil(begun + WholeTimeOf(ThreadTime() - worked));
    }
    return absl::OkStatus();
  };
  // The live rows grow meanwhile: until they are only a little ahead.
  const auto fold_near = [&]() -> absl::Status {
    Position before = std::numeric_limits<Position>::max();
    for (Position live = folded(); fresh->next() + kNearEvents < live; live = folded()) {
      // Where they grow about as fast as this can follow with rests, it would not come to an end.
      const Position missing = live - fresh->next();
      if (absl::Status status = fold_to(live, /*rests=*/missing < before / 2); !status.ok()) {
        return status;
      }
      before = missing;
    }
    return absl::OkStatus();
  };

  absl::Status status = fold_near();
  Rebuilt rebuilt;
  if (status.ok()) {
    // One position, and nobody has to stop for the comparison: the snapshot stands still.
    const Views::Snapshot live = views()->TakeSnapshot();
    const absl::StatusOr<Cursor> cursor = live.cursor();
    status = cursor.status();
    if (status.ok()) status = fold_to(cursor->next, /*rests=*/true);
    if (status.ok()) {
      absl::StatusOr<Comparison> compared = CompareRows(live, fresh->views()->TakeSnapshot());
      status = compared.status();
      if (status.ok()) {
        rebuilt.rows_compared = compared->compared;
        rebuilt.first_difference = compared->first_difference;
      }
    }
  }
  if (status.ok()) status = fold_near();

  bool swapped = false;
  if (status.ok()) {
    std::unique_lock<std::mutex> lock(mutex_);
    swap_wanted_ = true;
    wake_.notify_all();
    progress_.wait(lock, [this] { return parked_ || stopping_; });
    // Parked it stays until swap_wanted_ falls, so live_ is ours.
    if (!parked_ || stopping_) status = absl::CancelledError("the runner is stopping");
    lock.unlock();
    if (status.ok()) status = fold_to(live_->next(), /*rests=*/false);
    if (status.ok()) status = generations_.Promote(*fresh->views());
    if (status.ok()) {
      lock.lock();
      live_.swap(fresh);
      if (!rebuilt.first_difference.empty()) {
        doubted_ = true;
        delivered_.clear();
        log_grew_ = true;
      }
      Publish();
      lock.unlock();
      swapped = true;
    }
  }
  // Whichever is not current goes, once its last reader has gone.
  rebuilt.next = swapped ? live_->committed() : 0;
  fresh.reset();
  if (absl::Status dropped = generations_.DropOthers(); status.ok()) status = dropped;
  if (!status.ok()) return status;
  if (!rebuilt.first_difference.empty()) {
    say_(absl::StrCat("The rebuilt rows differ from the ones they replace, first in the row ",
                      rebuilt.first_difference, "."));
  }
  return rebuilt;
}

}  // namespace denier::projections
