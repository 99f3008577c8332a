#include "projections/runner.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "denier/events/v1/event.pb.h"
#include "projections/event_version.h"

namespace denier::projections {
namespace {

using Clock = std::chrono::steady_clock;
using store::Cursor;
using store::Position;
using store::Views;

constexpr Position kHead = std::numeric_limits<Position>::max();

// One commit folds at most about this much: bounds memory, and how long anybody waits for the
// thread.
constexpr Position kMostEventsPerCommit = 10'000;
constexpr std::size_t kMostBytesPerCommit = std::size_t{16} << 20;
// What a restart has to fold again at most.
constexpr Position kMostUnflushedEvents = 200'000;
constexpr std::size_t kMostCachedRows = 50'000;
constexpr std::size_t kRowsPerScan = 1'000;
constexpr auto kSayEvery = std::chrono::seconds(5);

// The meta row: of which format the others are.
constexpr const char* kFormatKey = "format";
std::string FormatRow() { return std::to_string(kRowFormat); }

struct Comparison {
  std::int64_t rows = 0;
  std::string first_difference;
};

// One side of a comparison: rows in the order of their keys, read piece by piece.
class RowStream {
 public:
  explicit RowStream(Views::Snapshot snapshot) : snapshot_(std::move(snapshot)) {}

  // nullptr: no more. DATA_LOSS: the next one cannot be read.
  absl::StatusOr<const Views::Snapshot::Row*> Peek() {
    if (next_ == rows_.size() && !ended_) {
      absl::StatusOr<std::vector<Views::Snapshot::Row>> more =
          snapshot_.Scan("", rows_.empty() ? "" : rows_.back().key, kRowsPerScan);
      if (!more.ok()) return more.status();
      ended_ = more->size() < kRowsPerScan;
      rows_ = *std::move(more);
      next_ = 0;
    }
    return next_ == rows_.size() ? nullptr : &rows_[next_];
  }
  void Skip() { ++next_; }

 private:
  Views::Snapshot snapshot_;
  std::vector<Views::Snapshot::Row> rows_;
  std::size_t next_ = 0;
  bool ended_ = false;
};

// Compares two states of the same events. A live row that cannot be read differs; a fresh one that
// cannot be read is an error.
absl::StatusOr<Comparison> Compare(Views::Snapshot live_rows, Views::Snapshot fresh_rows) {
  RowStream live(std::move(live_rows));
  RowStream fresh(std::move(fresh_rows));
  Comparison comparison;
  bool live_readable = true;
  while (true) {
    absl::StatusOr<const Views::Snapshot::Row*> b = fresh.Peek();
    if (!b.ok()) return b.status();
    const Views::Snapshot::Row* a = nullptr;
    if (live_readable) {
      absl::StatusOr<const Views::Snapshot::Row*> peeked = live.Peek();
      live_readable = peeked.ok();
      if (peeked.ok()) a = *peeked;
    }
    if (a == nullptr && *b == nullptr) {
      if (!live_readable && comparison.first_difference.empty()) {
        comparison.first_difference = "(beyond the last row)";
      }
      return comparison;
    }
    const bool only_live = *b == nullptr || (a != nullptr && a->key < (*b)->key);
    const bool only_fresh = !only_live && (a == nullptr || (*b)->key < a->key);
    if (comparison.first_difference.empty() && (only_live || only_fresh || *a != **b)) {
      comparison.first_difference = only_live ? a->key : (*b)->key;
    }
    if (!only_live) ++comparison.rows;
    if (!only_live) fresh.Skip();
    if (!only_fresh) live.Skip();
  }
}

}  // namespace

Books::RowReader RowsOf(std::shared_ptr<const Views> views) {
  return [views = std::move(views)](const std::string& key) { return views->Get(key); };
}

// Not thread-safe.
class Runner::Rows {
 public:
  Rows(const store::Log& log, std::shared_ptr<Views> views)
      : views_(std::move(views)),
        books_(RowsOf(views_)),
        reader_(log.ReadFrom(views_->cursor().next)),
        next_(views_->cursor().next),
        flushed_(next_) {}

  const std::shared_ptr<Views>& views() const { return views_; }

  // The events [0, next()) are folded.
  Position next() const { return next_; }

  // True when the last error was about the stored rows, which can be computed again; otherwise it
  // was about the events, which cannot.
  bool rows_at_fault() const { return rows_at_fault_; }

  // Folds the next batches, `until` at most, and commits them. False: there was none.
  // DATA_LOSS: an event does not decode or fold, or the rows are damaged. FAILED_PRECONDITION: a
  // newer program wrote an event.
  absl::StatusOr<bool> FoldSome(Position until = kHead) {
    const Position begun = next_;
    Views::Write write;
    Cursor cursor;
    std::size_t bytes = 0;
    while (next_ < until && next_ - begun < kMostEventsPerCommit && bytes < kMostBytesPerCommit) {
      absl::StatusOr<const store::StoredBatch*> batch = reader_.Next();
      if (!batch.ok()) return batch.status();
      if (*batch == nullptr) break;
      for (const std::string_view event : (*batch)->events) {
        if (absl::Status folded = FoldOne(event, write); !folded.ok()) return folded;
        bytes += event.size();
      }
      cursor = (*batch)->head;
    }
    if (next_ == begun) return false;
    if (begun == 0) write.Put(kFormatKey, FormatRow());
    books_.TakeChanges(
        [&](const std::string& key, const std::string& row) { write.Put(key, row); });
    if (absl::Status committed = views_->Commit(std::move(write), cursor); !committed.ok()) {
      return OfRows(committed);
    }
    books_.EvictRows(kMostCachedRows, next_);
    if (next_ - flushed_ >= kMostUnflushedEvents) {
      if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;
    }
    return true;
  }

  absl::Status Flush() {
    if (flushed_ == next_) return absl::OkStatus();
    if (absl::Status flushed = views_->Flush(); !flushed.ok()) return OfRows(flushed);
    flushed_ = next_;
    return absl::OkStatus();
  }

 private:
  absl::Status FoldOne(std::string_view bytes, Views::Write& write) {
    if (absl::Status decoded = DecodeEvent(bytes, next_, event_); !decoded.ok()) return decoded;
    absl::Status folded = books_.Fold(event_, next_);
    if (!books_.status().ok()) return OfRows(books_.status());
    if (!folded.ok()) {
      return absl::DataLossError(
          absl::StrCat("the event at position ", next_, " does not fold: ", folded.message()));
    }
    if (!event_.request_id().empty()) {
      write.PutRequest(event_.actor().body_id(), event_.request_id(), next_);
    }
    ++next_;
    return absl::OkStatus();
  }

  // What the disk reports is no damage: other rows would meet it too.
  absl::Status OfRows(absl::Status status) {
    rows_at_fault_ = status.code() != absl::StatusCode::kUnavailable;
    return status;
  }

  const std::shared_ptr<Views> views_;
  Books books_;
  store::Log::Reader reader_;
  events::v1::Event event_;  // one, reused: a fresh one each time costs half the speed
  Position next_;
  Position flushed_;
  bool rows_at_fault_ = false;
};

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
  runner->folded_ = runner->live_->next();
  runner->thread_ = std::thread(&Runner::Run, runner.get());
  return runner;
}

// The stored rows, if they are whole and of this log; nullptr when they must be computed again.
absl::StatusOr<std::unique_ptr<Runner::Rows>> Runner::OpenStored() {
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
  const absl::StatusOr<std::optional<std::string>> format = (*views)->Get(kFormatKey);
  if (!format.ok()) return again(std::string(format.status().message()));
  if (cursor.next != 0 && *format != FormatRow()) {
    return again(
        absl::StrCat("they are of format ", format->value_or("(none)"), ", not ", FormatRow()));
  }
  return std::make_unique<Rows>(log_, *std::move(views));
}

// All rows from the first event, in a new generation that counts from the start: should the process
// end meanwhile, the next one goes on from there.
absl::StatusOr<std::unique_ptr<Runner::Rows>> Runner::Compute() {
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
  const std::lock_guard<std::mutex> lock(mutex_);
  log_grew_ = true;
  wake_.notify_one();
}

absl::Status Runner::WaitFor(Position next, Clock::time_point deadline) const {
  std::unique_lock<std::mutex> lock(mutex_);
  const bool ended = progress_.wait_until(
      lock, deadline, [&] { return folded_ >= next || stopping_ || !status_.ok(); });
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
  if (deadlines_.begin()->second == key) wake_.notify_one();
}

std::shared_ptr<Views> Runner::views() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return views_;
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
    log_grew_ = false;
    lock.unlock();
    const absl::StatusOr<bool> folded = live_->FoldSome();
    const bool rows_at_fault = !folded.ok() && live_->rows_at_fault();
    if (rows_at_fault) {
      say_(absl::StrCat("Computing the rows again from the first event, beside the damaged ones: ",
                        folded.status().message(), "."));
    }
    lock.lock();
    absl::Status status = folded.status();
    if (rows_at_fault) status = ReplaceDamaged(lock);
    if (!status.ok()) return StopWith(lock, status);
    Publish();
    AnswerWaiters(lock);
    if (folded.ok() && !*folded) {
      WaitUntil(lock, [this] { return log_grew_ || swap_wanted_ || stopping_; });
    }
  }
  StopWith(lock, absl::OkStatus());
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
  folded_ = live_->next();
  progress_.notify_all();
}

void Runner::StopWith(std::unique_lock<std::mutex>& lock, absl::Status status) {
  status_ = std::move(status);
  parked_ = true;
  progress_.notify_all();
  std::map<WaiterKey, Waiter> left = std::move(waiters_);
  waiters_.clear();
  deadlines_.clear();
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

absl::StatusOr<Runner::Rebuilt> Runner::RebuildBesideTheLiveOnes() {
  absl::StatusOr<std::shared_ptr<Views>> started = generations_.Start();
  if (!started.ok()) return started.status();
  auto fresh = std::make_unique<Rows>(log_, *std::move(started));

  // Folds up to a position where the live rows have stood, a batch boundary therefore.
  const auto fold_to = [&](Position until) -> absl::Status {
    while (fresh->next() < until) {
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (stopping_) return absl::CancelledError("the runner is stopping");
      }
      const absl::StatusOr<bool> folded = fresh->FoldSome(until);
      if (!folded.ok()) return folded.status();
      if (!*folded) return absl::InternalError("the log ends before the rows that it made");
    }
    return absl::OkStatus();
  };
  // The live rows grow meanwhile: until they are only a little ahead.
  const auto fold_near = [&]() -> absl::Status {
    for (Position live = folded(); fresh->next() + kMostEventsPerCommit < live; live = folded()) {
      if (absl::Status status = fold_to(live); !status.ok()) return status;
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
    if (status.ok()) status = fold_to(cursor->next);
    if (status.ok()) {
      absl::StatusOr<Comparison> compared = Compare(live, fresh->views()->TakeSnapshot());
      status = compared.status();
      if (status.ok()) {
        rebuilt.rows_compared = compared->rows;
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
    if (status.ok()) status = fold_to(live_->next());
    if (status.ok()) status = generations_.Promote(*fresh->views());
    if (status.ok()) {
      lock.lock();
      live_.swap(fresh);
      Publish();
      lock.unlock();
      swapped = true;
    }
  }
  // Whichever is not current goes, once its last reader has gone.
  rebuilt.next = swapped ? live_->next() : 0;
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
