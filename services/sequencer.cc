#include "services/sequencer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "denier/events/v1/event.pb.h"
#include "projections/event_version.h"
#include "projections/row_fold.h"
#include "services/rules/decide.h"

namespace denier::services {
namespace {

using events::v1::Event;
using rules::Refusal;
using store::Position;

// A batch takes no further submission beyond this, so that a submission of ordinary size always
// fits below the store's own limit.
constexpr std::size_t kBatchBytesTarget = store::kMaxBatchBytes / 4;
// From so many commands on, what they are about is looked up together before they are decided.
constexpr std::size_t kReadAheadFrom = 4;
// More than the packing adds to an event.
constexpr std::size_t kPackedEventOverhead = 16;
// A round that has so many commands does not wait for those in the queue when the disk is free.
constexpr std::size_t kEnoughCommands = 16;
// How long a thread looks out for more work: a client that sends one command after the other sends
// its next one some 100 us after the answer.
constexpr std::chrono::microseconds kLinger{200};
// Events that the rows may be behind before the decisions wait for them.
constexpr std::size_t kMostTailEvents = 100'000;

std::vector<Outcome> AnswerAll(std::size_t commands, const Refusal& refusal) {
  return std::vector<Outcome>(commands, Outcome(refusal));
}

// The outcomes of an atomic group of which one command was refused.
std::vector<Outcome> AnswerGroup(std::size_t commands, std::size_t refused, Refusal refusal) {
  Refusal others = rules::Refuse(v1::ERROR_REASON_GROUP_REFUSED,
                                 "another command of the atomic group was refused");
  others = std::move(others).With("refused_index", static_cast<std::int64_t>(refused));
  std::vector<Outcome> outcomes = AnswerAll(commands, others);
  outcomes[refused] = std::move(refusal);
  return outcomes;
}

// Of the rows or the log, and not of the disk.
bool IsDamage(const absl::Status& failure) {
  return absl::IsDataLoss(failure) || absl::IsInternal(failure);
}

Refusal RefusalOf(const absl::Status& failure) {
  if (IsDamage(failure)) {
    return rules::Refuse(v1::ERROR_REASON_DAMAGED, failure.ToString());
  }
  return rules::Refuse(v1::ERROR_REASON_OUTCOME_UNKNOWN, failure.ToString());
}

Refusal FullDisk() {
  return rules::Refuse(v1::ERROR_REASON_DISK_FULL,
                       "the disk is at its low-water mark; nothing was written");
}

// The answer to an accepted command, from its event alone: a repetition gets the same one, for
// ever.
v1::CommandResult ResultOf(const v1::Command& command, const Event& event, Position position) {
  v1::CommandResult result;
  const bool dry_run = rules::HeaderOf(command)->validate_only();
  result.set_position(dry_run ? -1 : static_cast<std::int64_t>(position));
  result.set_fiscal_year(event.fiscal_year());
  *result.mutable_warnings() = event.warnings();
  if (dry_run) return result;
  result.set_recorded_time_us(event.recorded_time_us());
  if (rules::MovesEtag(command)) result.set_etag(absl::StrCat(position));
  return result;
}

std::string RequestKey(std::string_view body_id, std::string_view request_id) {
  std::string key;
  key.reserve(body_id.size() + 1 + request_id.size());
  key.append(body_id).append("/").append(request_id);
  return key;
}

}  // namespace

store::Hash ContentHash(const v1::Command& command) {
  const v1::CommandHeader* header = rules::HeaderOf(command);
  if (header == nullptr || !header->validate_only()) {
    return store::Sha256Of(command.SerializeAsString());
  }
  v1::Command recorded = command;
  const auto* reflection = recorded.GetReflection();
  const auto* field =
      reflection->GetOneofFieldDescriptor(recorded, recorded.GetDescriptor()->oneof_decl(0));
  auto* request = reflection->MutableMessage(&recorded, field);
  auto* its_header = static_cast<v1::CommandHeader*>(request->GetReflection()->MutableMessage(
      request, request->GetDescriptor()->FindFieldByName("header")));
  its_header->clear_validate_only();
  return store::Sha256Of(recorded.SerializeAsString());
}

// What whoever decides knows: the books up to the event that it accepted last, and the tail,
// the events that are not in the stored rows yet.
//
// The books may be ahead of the stored rows, and load rows from them on demand. That a loaded row
// is always the current one follows from this:
//   - The stored rows hold exactly the events [0, c) for some c that never decreases (a generation
//     that is swapped in is not behind the one before it), and c is never ahead of the books,
//     because only durable events come to them and each of those was folded here first.
//   - An event folded here leaves the rows that it touched in memory. EvictRows drops a row only
//     when its last touch is below `stored`, a folded() read before: that touch is among the [0, c)
//     of any later read.
//   - So when a row is not in memory, every event that touched it is below c, and the row at c is
//     the row at our position. Two rows that were loaded at different c fit together for that
//     reason.
//   - What ReadAhead has read is as good until the next FollowRows: no row that is stored leaves
//     memory before, and one that goes because its group was refused was read as missing.
// When events turn out not to have been written (a full disk), the books are ahead of the log: they
// are dropped, and begin again on the rows once these stand at the head.
class Sequencer::Decider {
 public:
  Decider(const store::Log& log, const projections::Runner& runner, const SequencerOptions& options,
          std::int64_t last_recorded_us)
      : log_(log),
        runner_(runner),
        options_(options),
        fold_(NewFold(log.head().next)),
        tail_first_(fold_.next()),
        last_recorded_us_(last_recorded_us) {}

  // Reads what the submissions that are decided next are about: together it takes half the time.
  absl::Status ReadAhead(std::span<const Waiting> waiting);

  // Decides a submission. Its events and its answer go into `round`.
  void Decide(Waiting waiting, Round& round);

  // Not OK: the books cannot be trusted, and nothing of the round may be written or answered.
  const absl::Status& status() const { return status_; }

  Position next() const { return fold_.next(); }

  // The rows that the events since the last call come to, groups that were refused left out.
  // Between two rounds.
  store::Views::Write TakeRows() { return fold_.TakeWrite(); }

  // Between two rounds: lets go of what the stored rows have by now. Waits when they are far
  // behind.
  absl::Status FollowRows();

  // What was decided since the log's head is void. Waits until the rows stand there.
  absl::Status BeginAgain();

 private:
  struct TailEvent {
    std::string bytes;
    std::string request;  // the RequestKey that it binds
  };

  std::vector<Outcome> DecideGroup(const Submission& submission, Round& round);
  // Accepted, and in a group or no dry run: the event is folded and is the tail's last.
  Outcome DecideOne(const v1::Command& command, const store::Hash& content,
                    const events::v1::Principal& actor, bool in_group, std::size_t room);
  Outcome Accept(const v1::Command& command, const Event& event, std::string request, bool in_group,
                 std::size_t room);
  Outcome Repeat(const v1::Command& command, const store::Hash& content, Position position);
  Outcome Damaged(const absl::Status& status);
  void ForgetFrom(Position position);
  void ForgetAhead();

  absl::StatusOr<std::optional<Event>> FindEvent(Position position) const;
  absl::StatusOr<std::optional<Position>> FindRequest(const std::string& key,
                                                      std::string_view body_id,
                                                      std::string_view request_id) const;
  absl::StatusOr<std::optional<std::string>> ReadRow(const std::string& key) const;
  projections::RowFold NewFold(Position next) const {
    return {[this](const std::string& key) { return ReadRow(key); }, next};
  }
  std::size_t RoomIn(const Round& round) const {
    return store::kMaxBatchBytes - std::min(store::kMaxBatchBytes, round.batch.bytes().size());
  }

  const store::Log& log_;
  const projections::Runner& runner_;
  const SequencerOptions& options_;
  absl::Status status_;

  projections::RowFold fold_;

  Position tail_first_;
  std::deque<TailEvent> tail_;  // the events [tail_first_, next())
  // Of each event in tail_ the request, whose text stays where it is.
  absl::flat_hash_map<absl::string_view, Position> tail_requests_;
  std::int64_t last_recorded_us_;

  // What ReadAhead has found of the submissions that are being decided. Rows by their keys, nothing
  // where there is none; of requests, of which it has asked for all, those that there are.
  absl::flat_hash_map<std::string, std::optional<std::string>> rows_ahead_;
  std::optional<absl::flat_hash_map<std::string, Position>> requests_ahead_;
};

void Sequencer::Decider::ForgetAhead() {
  rows_ahead_.clear();
  requests_ahead_.reset();
}

absl::Status Sequencer::Decider::ReadAhead(std::span<const Waiting> waiting) {
  ForgetAhead();
  std::size_t commands = 0;
  for (const Waiting& one : waiting) commands += one.submission.commands.size();
  if (commands < kReadAheadFrom) return absl::OkStatus();

  std::vector<std::string> keys;
  std::vector<std::pair<std::string_view, std::string_view>> requests;
  keys.reserve(commands);
  requests.reserve(commands);
  for (const auto& [submission, outcomes, bytes] : waiting) {
    for (std::size_t i = 0; i < submission.commands.size(); ++i) {
      if (outcomes[i].has_value()) continue;
      const v1::Command& command = submission.commands[i];
      requests.emplace_back(submission.actor.body_id(), rules::HeaderOf(command)->request_id());
      for (std::string& key : rules::RowsNamedBy(command)) {
        if (!fold_.books().Holds(key)) keys.push_back(std::move(key));
      }
    }
  }

  const std::shared_ptr<const store::Views> views = runner_.views();
  absl::StatusOr<std::vector<std::optional<std::string>>> rows = views->GetAll(keys);
  if (!rows.ok()) return rows.status();
  rows_ahead_.reserve(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    rows_ahead_.emplace(std::move(keys[i]), std::move((*rows)[i]));
  }
  const absl::StatusOr<std::vector<std::optional<Position>>> positions =
      views->FindRequests(requests);
  if (!positions.ok()) return positions.status();
  requests_ahead_.emplace();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (!(*positions)[i].has_value()) continue;
    requests_ahead_->emplace(RequestKey(requests[i].first, requests[i].second), *(*positions)[i]);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> Sequencer::Decider::ReadRow(
    const std::string& key) const {
  const auto ahead = rows_ahead_.find(key);
  if (ahead != rows_ahead_.end()) return ahead->second;
  return runner_.views()->Get(key);
}

void Sequencer::Decider::Decide(Waiting waiting, Round& round) {
  const Submission& submission = waiting.submission;
  const std::size_t size = submission.commands.size();
  std::vector<Outcome> outcomes;
  if (submission.deadline < std::chrono::steady_clock::now()) {
    outcomes = AnswerAll(size, rules::Refuse(v1::ERROR_REASON_DEADLINE_PASSED,
                                             "the deadline passed before the command's turn"));
  } else if (submission.atomic) {
    outcomes = DecideGroup(submission, round);
  } else {
    outcomes.reserve(size);
    for (std::size_t i = 0; i < size; ++i) {
      if (waiting.outcomes[i].has_value()) {
        outcomes.push_back(std::move(*waiting.outcomes[i]));
        continue;
      }
      const Position before = next();
      outcomes.push_back(DecideOne(submission.commands[i], submission.content[i], submission.actor,
                                   /*in_group=*/false, RoomIn(round)));
      if (next() != before) round.batch.Add(tail_.back().bytes);
    }
  }
  if (status_.ok()) status_ = fold_.status();
  round.answers.push_back({std::move(waiting.submission.done), std::move(outcomes)});
}

std::vector<Outcome> Sequencer::Decider::DecideGroup(const Submission& submission, Round& round) {
  const Position first = next();
  const std::int64_t recorded_before_us = last_recorded_us_;
  std::size_t room = RoomIn(round);
  const bool dry_run = rules::HeaderOf(submission.commands.front())->validate_only();

  std::vector<Outcome> outcomes;
  outcomes.reserve(submission.commands.size());
  const Refusal* refusal = nullptr;
  fold_.Begin();
  for (std::size_t i = 0; i < submission.commands.size() && refusal == nullptr; ++i) {
    const Position before = next();
    outcomes.push_back(DecideOne(submission.commands[i], submission.content[i], submission.actor,
                                 /*in_group=*/true, room));
    if (next() != before) room -= tail_.back().bytes.size() + kPackedEventOverhead;
    refusal = std::get_if<Refusal>(&outcomes.back());
  }

  if (refusal != nullptr || dry_run) {
    fold_.Rollback();
    ForgetFrom(first);
    last_recorded_us_ = recorded_before_us;
  } else {
    fold_.Keep();
    for (Position position = first; position < next(); ++position) {
      round.batch.Add(tail_[position - tail_first_].bytes);
    }
  }
  if (refusal == nullptr) return outcomes;
  const std::size_t refused = outcomes.size() - 1;
  return AnswerGroup(submission.commands.size(), refused, *refusal);
}

Outcome Sequencer::Decider::DecideOne(const v1::Command& command, const store::Hash& content,
                                      const events::v1::Principal& actor, bool in_group,
                                      std::size_t room) {
  const v1::CommandHeader& header = *rules::HeaderOf(command);
  std::optional<Event> original;
  if (command.has_reverse()) {
    absl::StatusOr<std::optional<Event>> found =
        FindEvent(static_cast<Position>(command.reverse().reversed_position()));
    if (!found.ok()) return RefusalOf(found.status());
    original = *std::move(found);
  }
  const Event* reversed = original.has_value() ? &*original : nullptr;

  std::optional<Refusal> refusal = rules::Authorise(fold_.books(), actor, command, reversed);
  if (refusal.has_value()) return *std::move(refusal);

  std::string request = RequestKey(actor.body_id(), header.request_id());
  absl::StatusOr<std::optional<Position>> earlier =
      FindRequest(request, actor.body_id(), header.request_id());
  if (!earlier.ok()) return Damaged(earlier.status());
  if (earlier->has_value()) return Repeat(command, content, **earlier);

  refusal = rules::CheckEtag(fold_.books(), command);
  if (refusal.has_value()) return *std::move(refusal);

  rules::Decision decision = rules::Decide(fold_.books(), actor, command, reversed);
  if (Refusal* no = std::get_if<Refusal>(&decision)) return std::move(*no);
  Event& event = std::get<Event>(decision);
  if (header.validate_only() && !in_group) return ResultOf(command, event, next());
  last_recorded_us_ = std::max(options_.now_us(), last_recorded_us_);
  event.set_recorded_time_us(last_recorded_us_);
  event.set_request_sha256(content.data(), content.size());
  return Accept(command, event, std::move(request), in_group, room);
}

Outcome Sequencer::Decider::Accept(const v1::Command& command, const Event& event,
                                   std::string request, bool in_group, std::size_t room) {
  std::string bytes = event.SerializeAsString();
  if (bytes.size() + kPackedEventOverhead > room) {
    // Sent again by itself, a command finds an empty batch; a group that is too large never will.
    if (in_group) return rules::InvalidField("commands", "the group is larger than one batch");
    return rules::Refuse(v1::ERROR_REASON_OVERLOADED, "the batch is full; send it again");
  }

  const Position position = next();
  const absl::Status folded = fold_.Fold(event);
  if (!folded.ok()) return Damaged(folded);

  tail_.push_back({std::move(bytes), std::move(request)});
  const auto [it, is_new] = tail_requests_.emplace(tail_.back().request, position);
  if (!is_new) return Damaged(absl::InternalError("a request id was accepted twice"));
  return ResultOf(command, event, position);
}

Outcome Sequencer::Decider::Repeat(const v1::Command& command, const store::Hash& content,
                                   Position position) {
  absl::StatusOr<std::optional<Event>> event = FindEvent(position);
  if (!event.ok()) return RefusalOf(event.status());
  if (!event->has_value()) {
    return Damaged(absl::DataLossError(
        absl::StrCat("a request id stands for event ", position, ", which is not in the log")));
  }
  if ((*event)->request_sha256() != store::AsBytes(content)) {
    return rules::Refuse(v1::ERROR_REASON_REQUEST_ID_REUSED,
                         "the request id is bound to another content")
        .With("request_id", rules::HeaderOf(command)->request_id());
  }
  return ResultOf(command, **event, position);
}

Outcome Sequencer::Decider::Damaged(const absl::Status& status) {
  status_ = status;
  return RefusalOf(status);
}

// The event at `position`, or nothing beyond the last.
absl::StatusOr<std::optional<Event>> Sequencer::Decider::FindEvent(Position position) const {
  if (position >= next()) return std::nullopt;
  absl::StatusOr<std::string> bytes;
  if (position >= tail_first_) {
    bytes = tail_[position - tail_first_].bytes;
  } else {
    bytes = log_.Read(position);
    if (!bytes.ok()) return bytes.status();
  }
  Event event;
  if (absl::Status decoded = projections::DecodeEvent(*bytes, position, event); !decoded.ok()) {
    return decoded;
  }
  return event;
}

// The event that a request id is bound to; `key` is its RequestKey. The tail begins where the
// stored rows may end.
absl::StatusOr<std::optional<Position>> Sequencer::Decider::FindRequest(
    const std::string& key, std::string_view body_id, std::string_view request_id) const {
  const auto it = tail_requests_.find(key);
  if (it != tail_requests_.end()) return it->second;
  if (requests_ahead_.has_value()) {
    const auto ahead = requests_ahead_->find(key);
    if (ahead == requests_ahead_->end()) return std::nullopt;
    return ahead->second;
  }
  absl::StatusOr<std::optional<Position>> stored =
      runner_.views()->FindRequest(body_id, request_id);
  if (!stored.ok()) return stored.status();
  return *stored;
}

// Takes the events from `position` on out of the tail.
void Sequencer::Decider::ForgetFrom(Position position) {
  while (tail_first_ + tail_.size() > position) {
    tail_requests_.erase(tail_.back().request);
    tail_.pop_back();
  }
}

absl::Status Sequencer::Decider::FollowRows() {
  ForgetAhead();
  if (absl::Status status = runner_.status(); !status.ok()) return status;
  // Half of a tail that is too long is durable: a round or two are not.
  while (tail_.size() > std::max(kMostTailEvents, 8 * options_.most_batch_commands)) {
    const absl::Status status = runner_.WaitFor(
        tail_first_ + tail_.size() / 2, std::chrono::steady_clock::now() + std::chrono::seconds(1));
    if (!status.ok() && !absl::IsDeadlineExceeded(status)) return status;
    if (status.ok()) break;
  }
  const Position folded = runner_.folded();
  for (; tail_first_ < folded && !tail_.empty(); ++tail_first_) {
    tail_requests_.erase(tail_.front().request);
    tail_.pop_front();
  }
  fold_.EvictRows(options_.most_cached_rows, folded);
  return absl::OkStatus();
}

absl::Status Sequencer::Decider::BeginAgain() {
  const Position head = log_.head().next;
  absl::Status status;
  do {
    status = runner_.WaitFor(head, std::chrono::steady_clock::now() + std::chrono::seconds(1));
  } while (absl::IsDeadlineExceeded(status));
  if (!status.ok()) return status;
  ForgetAhead();
  fold_ = NewFold(head);
  tail_requests_.clear();
  tail_.clear();
  tail_first_ = head;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Sequencer>> Sequencer::Start(store::Log& log,
                                                            projections::Runner& runner,
                                                            SequencerOptions options) {
  const Position head = log.head().next;
  if (runner.folded() != head) {
    return absl::FailedPreconditionError(
        absl::StrCat("the rows stand at ", runner.folded(), ", the log at ", head));
  }
  std::int64_t last_recorded_us = 0;
  if (head > 0) {
    absl::StatusOr<std::string> bytes = log.Read(head - 1);
    if (!bytes.ok()) return bytes.status();
    Event last;
    // Nobody writes an older version after a newer one: where the last event can be read, all can.
    if (absl::Status decoded = projections::DecodeEvent(*bytes, head - 1, last); !decoded.ok()) {
      return decoded;
    }
    last_recorded_us = last.recorded_time_us();
  }
  return std::unique_ptr<Sequencer>(
      new Sequencer(log, runner, std::move(options), last_recorded_us));
}

Sequencer::Sequencer(store::Log& log, projections::Runner& runner, SequencerOptions options,
                     std::int64_t last_recorded_us)
    : log_(log),
      runner_(runner),
      options_(std::move(options)),
      decider_(std::make_unique<Decider>(log, runner, options_, last_recorded_us)) {
  open_.first = decider_->next();
  for (Worker& worker : workers_) {
    worker.thread = std::thread([this, &worker] { WorkInTurn(worker); });
  }
}

Sequencer::~Sequencer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    Wake();
  }
  for (Worker& worker : workers_) worker.thread.join();
}

void Sequencer::Submit(Submission submission) {
  const std::size_t size = submission.commands.size();
  Waiting waiting{std::move(submission), std::vector<std::optional<Outcome>>(size), 0};
  const std::vector<v1::Command>& commands = waiting.submission.commands;
  std::size_t decided = 0;
  for (std::size_t i = 0; i < size; ++i) {
    waiting.bytes += commands[i].ByteSizeLong();
    std::optional<Refusal> refusal = rules::CheckForm(commands[i]);
    if (!refusal.has_value() && waiting.submission.atomic &&
        rules::HeaderOf(commands[i])->validate_only() !=
            rules::HeaderOf(commands[0])->validate_only()) {
      refusal = rules::InvalidField("header.validate_only", "want the same in the whole group");
    }
    if (!refusal.has_value()) continue;
    if (waiting.submission.atomic) {
      waiting.submission.done(AnswerGroup(size, i, *std::move(refusal)));
      return;
    }
    waiting.outcomes[i] = *std::move(refusal);
    ++decided;
  }
  if (decided == size) {
    std::vector<Outcome> outcomes;
    for (auto& outcome : waiting.outcomes) outcomes.push_back(*std::move(outcome));
    waiting.submission.done(std::move(outcomes));
    return;
  }

  Refusal refusal;
  {
    std::lock_guard lock(mutex_);
    if (!failure_.ok()) {
      refusal = RefusalOf(failure_);
    } else if (stopping_) {
      refusal = rules::Refuse(v1::ERROR_REASON_STOPPING, "the server is stopping");
    } else if (!queue_.empty() && (queued_commands_ + size > options_.most_queued_commands ||
                                   queued_bytes_ + waiting.bytes > options_.most_queued_bytes)) {
      refusal = rules::Refuse(v1::ERROR_REASON_OVERLOADED, "too many commands wait")
                    .With("queued_commands", static_cast<std::int64_t>(queued_commands_));
    } else {
      queued_commands_ += size;
      queued_bytes_ += waiting.bytes;
      queue_.push_back(std::move(waiting));
      if (options_.observer.queued) options_.observer.queued(queued_commands_);
      Wake();
      return;
    }
  }
  waiting.submission.done(AnswerAll(size, refusal));
}

void Sequencer::WorkInTurn(Worker& self) {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    if (!deciding_ && HasWork()) {
      deciding_ = true;
      Work(lock);
      continue;
    }
    if (Linger(lock) || ended_) continue;
    self.idle = true;
    idle_.push_back(&self);
    self.woken.wait(lock, [&] { return !self.idle; });
    woken_ = false;
  }
}

// Looks out for work a little longer, with the processor to whoever wants it. True: there may be
// some. A thread that has gone to sleep takes as long to come back as it takes to decide a command.
bool Sequencer::Linger(std::unique_lock<std::mutex>& lock) {
  if (deciding_ || woken_ || lingering_) return false;  // another one looks for work
  lingering_ = true;
  called_.store(false, std::memory_order_relaxed);
  lock.unlock();
  const auto end = std::chrono::steady_clock::now() + kLinger;
  while (!called_.load(std::memory_order_relaxed) && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  lock.lock();
  lingering_ = false;
  return called_.load(std::memory_order_relaxed);
}

// Wakes a thread if one has to: who decides, or is awake, looks for work by itself.
void Sequencer::Wake() {
  if (deciding_ || woken_ || !HasWork()) return;
  if (lingering_) {
    called_.store(true, std::memory_order_relaxed);
    return;
  }
  if (idle_.empty()) return;
  Worker& worker = *idle_.back();
  idle_.pop_back();
  worker.idle = false;
  woken_ = true;
  worker.woken.notify_one();
}

// Whether there is something to do for a thread that decides. Nobody does at the moment.
bool Sequencer::HasWork() const {
  return !failure_.ok() || disk_full_ || (!queue_.empty() && HasRoom()) ||
         (!committing_ && (!open_.answers.empty() || stopping_)) || (stopping_ && !queue_.empty());
}

// One step of the thread that decides. It has ceased to do so on return.
void Sequencer::Work(std::unique_lock<std::mutex>& lock) {
  if (!failure_.ok()) {
    const Refusal refusal = RefusalOf(failure_);
    Void(open_, refusal);
    lock.unlock();
    Answer(open_);
    lock.lock();
    RejectQueue(refusal, lock);
    return End();  // Submit answers from now on
  }
  if (disk_full_) {
    BeginAgain(lock);
  } else if (!committing_ && !open_.answers.empty() &&
             (queue_.empty() || !HasRoom() || open_.commands >= kEnoughCommands)) {
    return CommitAndAnswer(lock);
  } else if (stopping_) {
    if (!committing_ && !open_.answers.empty()) return CommitAndAnswer(lock);
    RejectQueue(rules::Refuse(v1::ERROR_REASON_STOPPING, "the server is stopping"), lock);
    if (open_.answers.empty() && !committing_ && !disk_full_ && failure_.ok()) return End();
  } else {
    DecideQueue(lock);
  }
  deciding_ = false;
}

void Sequencer::End() {
  ended_ = true;
  for (Worker* worker : idle_) {
    worker->idle = false;
    worker->woken.notify_one();
  }
  idle_.clear();
}

void Sequencer::DecideQueue(std::unique_lock<std::mutex>& lock) {
  const bool begins = open_.commands == 0;
  std::vector<Waiting> taken = TakeQueue();
  lock.unlock();
  absl::Status status;
  if (begins) status = decider_->FollowRows();
  if (status.ok()) status = decider_->ReadAhead(taken);
  for (Waiting& waiting : taken) decider_->Decide(std::move(waiting), open_);
  // Hashed and compressed here, and not while the next round waits for the disk.
  open_.batch.TreeFrom(open_.first);
  open_.batch.Chunks();
  taken.clear();
  if (status.ok()) status = decider_->status();
  if (IsDamage(status)) runner_.DoubtRows();
  lock.lock();
  if (!status.ok()) Fail(status, lock);
}

// What is open was decided on what has not been written.
void Sequencer::BeginAgain(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  Void(open_, FullDisk());
  Answer(open_);
  const absl::Status status = decider_->BeginAgain();
  open_ = Round();
  open_.first = decider_->next();
  lock.lock();
  disk_full_ = false;
  if (!status.ok()) Fail(status, lock);
}

// Leaves the deciding to the others, and the disk, too, before the answers leave: sending many of
// them takes longer than a sync.
void Sequencer::CommitAndAnswer(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  open_.rows = decider_->TakeRows();
  lock.lock();
  Round round = std::exchange(open_, Round());
  open_.first = decider_->next();
  committing_ = true;
  deciding_ = false;
  Wake();  // what came while this thread decided has woken nobody
  lock.unlock();

  const absl::Status status = Commit(round);
  if (absl::IsResourceExhausted(status)) {
    Void(round, FullDisk());
  } else if (!status.ok()) {
    Void(round, RefusalOf(status));
  }
  // What has gone wrong is known before its answers leave: a client that frees some space when it
  // hears of the full disk is not to find its next command among what was decided on it.
  lock.lock();
  if (absl::IsResourceExhausted(status)) {
    disk_full_ = true;
  } else if (!status.ok()) {
    Fail(status, lock);
  }
  committing_ = false;
  Wake();
  lock.unlock();
  Answer(round);
  round = Round();
  lock.lock();
}

// Whether the next submission in the queue fits the round that is being decided.
bool Sequencer::HasRoom() const {
  return open_.commands == 0 || (open_.bytes < kBatchBytesTarget &&
                                 open_.commands + queue_.front().submission.commands.size() <=
                                     options_.most_batch_commands);
}

// Takes what waits into the round, as much as fits it.
std::vector<Sequencer::Waiting> Sequencer::TakeQueue() {
  std::vector<Waiting> taken;
  while (!queue_.empty() && HasRoom()) {
    const std::size_t size = queue_.front().submission.commands.size();
    open_.commands += size;
    open_.bytes += queue_.front().bytes;
    queued_commands_ -= size;
    queued_bytes_ -= queue_.front().bytes;
    taken.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  if (options_.observer.queued) options_.observer.queued(queued_commands_);
  return taken;
}

// Nothing of the queue is decided.
void Sequencer::RejectQueue(const Refusal& refusal, std::unique_lock<std::mutex>& lock) {
  std::deque<Waiting> waiting = std::exchange(queue_, {});
  queued_commands_ = queued_bytes_ = 0;
  if (options_.observer.queued) options_.observer.queued(0);
  lock.unlock();
  for (const Waiting& one : waiting) {
    one.submission.done(AnswerAll(one.submission.commands.size(), refusal));
  }
  waiting.clear();  // not under the lock: their callbacks go with them
  lock.lock();
}

// Nothing more is decided. Lets go of the lock to tell the observer.
void Sequencer::Fail(const absl::Status& status, std::unique_lock<std::mutex>& lock) {
  if (!failure_.ok()) return;
  failure_ = status;
  Wake();
  if (!options_.observer.failed) return;
  lock.unlock();
  options_.observer.failed(status);
  lock.lock();
}

// Makes the round durable: its answers may leave.
absl::Status Sequencer::Commit(Round& round) {
  if (!round.batch.empty()) {
    const auto start = std::chrono::steady_clock::now();
    const absl::StatusOr<Position> first = log_.Append(round.batch, round.first);
    const auto end = std::chrono::steady_clock::now();
    if (!first.ok()) return first.status();
    runner_.Deliver({.first = *first,
                     .head = log_.head(),
                     .write = std::exchange(round.rows, store::Views::Write())});
    if (options_.observer.committed) {
      options_.observer.committed(
          round.batch.size(), std::chrono::duration_cast<std::chrono::microseconds>(end - start));
    }
  }
  return absl::OkStatus();
}

// Whatever had been decided in the round, its answers tell that it was not written.
void Sequencer::Void(Round& round, const Refusal& refusal) {
  for (Reply& reply : round.answers) {
    reply.outcomes = AnswerAll(reply.outcomes.size(), refusal);
  }
}

void Sequencer::Answer(Round& round) {
  for (Reply& reply : round.answers) reply.done(std::move(reply.outcomes));
  round.answers.clear();
}

}  // namespace denier::services
