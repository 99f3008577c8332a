// The one writer. gRPC threads hand it commands. Three threads take turns at them: one at a time
// decides them in order against the books in memory, one at a time makes what was decided durable,
// one sync for all that waits, and answers. While the disk works on one batch another thread
// decides the next, and while the answers of one leave the next is synced; but a round never
// changes hands, so that a lone command wakes one thread at most. One without work looks out for
// some for 200 us before it sleeps.
//
//   auto sequencer = Sequencer::Start(log, runner, {.now_us = Clock, .observer = {...}});
//   sequencer->Submit({.commands = {command}, .content = {ContentHash(command)}, .actor = actor,
//                      .deadline = deadline, .done = [](std::vector<Outcome> outcomes) { ... }});
//
// No answer of any kind (accepted, refused, dry run, repeated) leaves before every event that it
// was decided on is durable.
#ifndef DENIER_SERVICES_SEQUENCER_H_
#define DENIER_SERVICES_SEQUENCER_H_

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "denier/events/v1/types.pb.h"
#include "denier/v1/command_service.pb.h"
#include "projections/runner.h"
#include "services/rules/refusal.h"
#include "store/batch.h"
#include "store/log.h"
#include "store/sha256.h"
#include "store/views.h"

namespace denier::services {

using Outcome = std::variant<v1::CommandResult, rules::Refusal>;

// Commands that are decided next to each other.
struct Submission {
  std::vector<v1::Command> commands;
  std::vector<store::Hash> content;  // ContentHash of each command
  events::v1::Principal actor;
  // All are accepted in one batch, or none is: then the refused one has its own refusal, the others
  // GROUP_REFUSED. All or none of them are dry runs.
  bool atomic = false;
  // Passed before its turn: DEADLINE_PASSED, and nothing was decided.
  std::chrono::steady_clock::time_point deadline;
  // Called once with one outcome a command, in order; from a thread of the sequencer, or from
  // Submit when nothing had to be decided. Must not block, nor throw. Of two submissions the later
  // one may hear first.
  std::function<void(std::vector<Outcome>)> done;
};

// SHA-256 of the command's fields in the order of their numbers, without validate_only. Any thread.
store::Hash ContentHash(const v1::Command& command);

// What the sequencer tells whoever measures it. Called from its threads, `queued` from the caller's
// of Submit too; must not block, nor call the sequencer.
struct SequencerObserver {
  // A batch is durable. `sync_time` is what Log::Append took.
  std::function<void(std::size_t events, std::chrono::microseconds sync_time)> committed;
  std::function<void(std::size_t queued_commands)> queued;
  // The log or the rows have failed, and no more commands are taken: the process should end, its
  // clients repeat their requests. Called once at most.
  std::function<void(const absl::Status&)> failed;
};

struct SequencerOptions {
  // What waits at most, in commands and in bytes; beyond it Submit answers OVERLOADED.
  std::size_t most_queued_commands = 20'000;
  std::size_t most_queued_bytes = std::size_t{256} << 20;
  // Commands in one batch at most; a larger submission is a batch of its own.
  std::size_t most_batch_commands = 5'000;
  // Commitments kept in memory, and as many payments and reversals: few enough for the processor's
  // caches. Those that the stored rows do not have yet stay beyond that.
  std::size_t most_cached_rows = 3'000;
  // Microseconds since 1970 UTC. The clock of the events' recorded time. Required.
  std::function<std::int64_t()> now_us;
  SequencerObserver observer;
};

class Sequencer {
 public:
  // `log` and `runner` must outlive it; the runner stands at the log's head, and nobody else
  // appends. FAILED_PRECONDITION: the runner stands elsewhere, or a newer program wrote the last
  // event. DATA_LOSS: the last event is damaged.
  static absl::StatusOr<std::unique_ptr<Sequencer>> Start(store::Log& log,
                                                          projections::Runner& runner,
                                                          SequencerOptions options);

  // Answers what is queued (STOPPING), commits what has been decided.
  ~Sequencer();
  Sequencer(const Sequencer&) = delete;
  Sequencer& operator=(const Sequencer&) = delete;

  // Any thread; returns at once. Refusals that need no books may call `done` before it returns.
  void Submit(Submission submission);

 private:
  class Decider;

  // A submission in the queue. The outcomes that needed no books are there already.
  struct Waiting {
    Submission submission;
    std::vector<std::optional<Outcome>> outcomes;
    std::size_t bytes;  // of its commands
  };

  struct Reply {
    std::function<void(std::vector<Outcome>)> done;
    std::vector<Outcome> outcomes;
  };

  // One batch, possibly empty, and the answers that leave once it is durable.
  struct Round {
    store::Position first = 0;  // of the batch's events
    store::Batch batch;
    store::Views::Write rows;  // that its events come to
    std::size_t commands = 0;  // decided in it,
    std::size_t bytes = 0;     // and their size
    std::vector<Reply> answers;
  };

  Sequencer(store::Log& log, projections::Runner& runner, SequencerOptions options,
            std::int64_t last_recorded_us);

  // One of the three.
  struct Worker {
    std::condition_variable woken;
    bool idle = false;  // guarded by mutex_; stands in idle_
    std::thread thread;
  };

  void WorkInTurn(Worker& self);

  // All below with mutex_ held; those with a lock let go of it meanwhile.
  bool HasWork() const;
  bool Linger(std::unique_lock<std::mutex>& lock);
  void Wake();
  void Work(std::unique_lock<std::mutex>& lock);
  void DecideQueue(std::unique_lock<std::mutex>& lock);
  void BeginAgain(std::unique_lock<std::mutex>& lock);
  void CommitAndAnswer(std::unique_lock<std::mutex>& lock);
  void RejectQueue(const rules::Refusal& refusal, std::unique_lock<std::mutex>& lock);
  void End();
  bool HasRoom() const;
  std::vector<Waiting> TakeQueue();
  void Fail(const absl::Status& status, std::unique_lock<std::mutex>& lock);

  absl::Status Commit(Round& round);
  void Void(Round& round, const rules::Refusal& refusal);
  void Answer(Round& round);

  store::Log& log_;
  projections::Runner& runner_;
  const SequencerOptions options_;
  // Of whichever thread has set deciding_. open_ is the round that is being decided; who has not
  // set deciding_ may look at it while nobody has.
  const std::unique_ptr<Decider> decider_;
  Round open_;

  std::mutex mutex_;
  // Guarded by mutex_:
  std::vector<Worker*> idle_;  // the last one is the one whose caches are warm
  bool woken_ = false;         // a thread was woken, and has not looked for work yet
  bool lingering_ = false;     // a thread is in Linger
  std::deque<Waiting> queue_;
  std::size_t queued_commands_ = 0;
  std::size_t queued_bytes_ = 0;
  bool deciding_ = false;    // a thread decides
  bool committing_ = false;  // a thread makes a round durable
  bool disk_full_ = false;   // the last round was not written: what was decided on it is void
  bool stopping_ = false;
  bool ended_ = false;    // nothing more is decided, the threads end
  absl::Status failure_;  // once it is not OK nothing more is decided

  // There is work for the one that lingers. Set with mutex_ held, read without it.
  std::atomic<bool> called_ = false;

  std::array<Worker, 3> workers_;
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_SEQUENCER_H_
