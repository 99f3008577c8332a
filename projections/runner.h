// Keeps the rows of the projections: folds what is durable in the log into `views/`, rows and
// cursor in one write, and builds them anew beside the live ones.
//
//   auto runner = Runner::Start(log, views_folder);   // at the head of the log on return
//   log.Append(...); runner->NotifyHead();           // folds what was appended
//   log.Append(...); runner->Deliver({...});         // or: here is what it comes to
//   runner->WaitFor(position, deadline);              // read your own writes
//   Views::Snapshot rows = runner->views()->TakeSnapshot();
#ifndef DENIER_PROJECTIONS_RUNNER_H_
#define DENIER_PROJECTIONS_RUNNER_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "projections/rows.h"
#include "store/log.h"
#include "store/views.h"

namespace denier::projections {

// Any thread, unless a call says otherwise.
class Runner {
 public:
  struct Rebuilt {
    store::Position next = 0;        // events folded into the rows that were swapped in
    std::int64_t rows_compared = 0;  // with the live ones, at one position
    std::string first_difference;    // key of the first row that differed; empty: none did
  };

  // Opens the rows in `views_folder`. Rows that are missing, damaged, of another format, or of
  // another log than `log` (cursor and root are compared) are dropped and computed from the first
  // event; what is missing at the end is folded. On return the rows stand at the head of the log.
  // `say` hears, in a sentence, what was found and how it goes on, now and later, from whichever
  // thread. `log` must outlive the runner.
  // DATA_LOSS: an event does not decode or does not fold; the message names its position.
  static absl::StatusOr<std::unique_ptr<Runner>> Start(
      const store::Log& log, const std::string& views_folder,
      const store::ViewsOptions& options = {},
      std::function<void(const std::string&)> say = nullptr);

  // Stops folding; makes the rows durable.
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // The log has grown; returns at once. Commits that follow each other are folded together,
  // up to 50 ms of them and until 10 ms after the last one, unless somebody waits for them.
  void NotifyHead();

  // The rows that a batch of the log comes to, folded by whoever appended it.
  struct Folded {
    store::Position first = 0;  // of its events
    store::Head head;           // after it
    store::Views::Write write;
  };

  // As NotifyHead for a batch that is durable in the log: its events need not be folded a second
  // time. Batches in the order of the log. Where the rows are not at `first` the log is folded up
  // to there; where they are beyond, the batch's rows are there already. Where too much is waiting,
  // and once a rebuild has found a difference, the log is folded after all.
  void Deliver(Folded batch);

  // Returns once the events [0, next) are in the rows. DEADLINE_EXCEEDED: not in time. Otherwise
  // what stopped the runner.
  absl::Status WaitFor(store::Position next, std::chrono::steady_clock::time_point deadline) const;

  // Calls `done` once, from the runner's thread or at once: when the events [0, next) are in the
  // rows (true), or when `deadline` has passed or the runner has stopped (false). For callers that
  // may not block.
  void CallWhenFolded(store::Position next, std::chrono::steady_clock::time_point deadline,
                      std::function<void(bool folded)> done);

  // The live rows. After a rebuild another object: take it once a query.
  std::shared_ptr<store::Views> views() const;

  // For whoever ends the process since the rows cannot be read or do not fit the events: the next
  // start computes them again.
  void DoubtRows();

  // Events in the rows: [0, folded()).
  store::Position folded() const;

  // OK, or why the runner has stopped for good.
  absl::Status status() const;

  // Builds all rows from the first event beside the live ones, compares the two at one position,
  // swaps the new ones in and deletes the old. Folding and queries go on meanwhile. One at a time.
  // FAILED_PRECONDITION: another one is running.
  absl::StatusOr<Rebuilt> Rebuild();

 private:
  struct Waiter {
    std::chrono::steady_clock::time_point deadline;
    std::function<void(bool folded)> done;
  };
  // By position, then in the order in which they came.
  using WaiterKey = std::pair<store::Position, std::uint64_t>;

  Runner(const store::Log& log, const std::string& views_folder, const store::ViewsOptions& options,
         std::function<void(const std::string&)> say);

  absl::StatusOr<std::unique_ptr<Rows>> OpenStored();
  absl::StatusOr<std::unique_ptr<Rows>> Compute();
  absl::Status CatchUp(Rows& rows, const char* what);

  void Run();
  absl::StatusOr<bool> FollowSome(std::unique_lock<std::mutex>& lock);
  absl::Status ReplaceDamaged(std::unique_lock<std::mutex>& lock);
  absl::Status FoldBesideTheLiveOnes(std::unique_lock<std::mutex>& lock);
  void Publish();
  void StopWith(std::unique_lock<std::mutex>& lock, absl::Status status);
  void AnswerWaiters(std::unique_lock<std::mutex>& lock);
  void Gather(std::unique_lock<std::mutex>& lock, std::chrono::steady_clock::time_point until);
  void WaitUntil(std::unique_lock<std::mutex>& lock, absl::FunctionRef<bool()> awake);

  void RestUntil(std::chrono::steady_clock::time_point until);
  absl::StatusOr<Rebuilt> RebuildBesideTheLiveOnes();

  const store::Log& log_;
  const std::function<void(const std::string&)> say_;
  // Used by Start, and then by whoever has set rebuilding_.
  store::Generations generations_;
  // The runner's thread's; Rebuild exchanges it while parked_.
  std::unique_ptr<Rows> live_;

  mutable std::mutex mutex_;
  mutable std::condition_variable progress_;  // folded_, status_, parked_, rebuilding_
  // log_grew_, delivered_, stopping_, swap_wanted_, a new waiter
  mutable std::condition_variable wake_;
  // All of these are guarded by mutex_.
  std::shared_ptr<store::Views> views_;
  store::Position folded_ = 0;
  absl::Status status_;
  std::chrono::steady_clock::time_point grew_;  // when the log did last
  bool log_grew_ = true;                        // by batches that nobody has delivered
  std::deque<Folded> delivered_;                // not in the rows yet
  // A rebuild has found a difference: who delivers may hold what was wrong, and put it there again.
  bool doubted_ = false;
  bool gathering_ = false;   // the thread lets the log grow
  mutable int waiting_ = 0;  // threads in WaitFor
  bool stopping_ = false;
  bool rebuilding_ = false;
  bool swap_wanted_ = false;
  bool parked_ = false;  // the thread does not touch live_
  std::map<WaiterKey, Waiter> waiters_;
  std::set<std::pair<std::chrono::steady_clock::time_point, WaiterKey>> deadlines_;
  std::uint64_t waiters_seen_ = 0;

  std::thread thread_;
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_RUNNER_H_
