#include "projections/totals_fold.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "denier/events/v1/event.pb.h"
#include "projections/books.h"
#include "projections/movement.h"
#include "projections/movement_sums.h"
#include "projections/row_keys.h"

namespace denier::projections {
namespace {

using store::Position;

constexpr unsigned kMostThreads = 4;
// What a thread hands over at once, and what is summed up before it enters the books: bound memory.
constexpr std::size_t kMostSums = 50'000;
constexpr std::size_t kMostWholeBytes = std::size_t{16} << 20;
// Among so many events somebody looks whether the query is still wanted.
constexpr std::size_t kWholeEventsATurn = 4'096;

struct Scope {
  const std::string& agreement_id;
  const Moment& moment;

  bool Has(const Movement& movement) const {
    return (agreement_id.empty() || movement.agreement_id == agreement_id) &&
           (moment.effective_until == 0 || movement.effective_date <= moment.effective_until);
  }
};

// An event that does more than move credits.
struct WholeEvent {
  Position position;
  std::string bytes;
};

// What the events [.., next) of a part of the log come to.
struct Stretch {
  Position next = 0;
  MovementSums sums;
  std::vector<WholeEvent> whole;  // in the order of the log
  absl::Status status;            // not OK: why the event at `next` cannot be had
};

// Reads the events [from, until), or the first of them as far as memory goes, and goes on with
// `sums`. Any thread.
Stretch ReadStretch(const store::Log& log, Position from, Position until, const Scope& scope,
                    MovementSums sums) {
  Stretch stretch;
  stretch.next = from;
  stretch.sums = std::move(sums);
  Movement movement;
  std::size_t whole_bytes = 0;
  store::Log::Reader reader = log.ReadFrom(from);
  while (stretch.next < until) {
    const absl::StatusOr<const store::StoredBatch*> batch = reader.Next();
    if (!batch.ok()) {
      stretch.status = batch.status();
      return stretch;
    }
    if (*batch == nullptr) {
      stretch.status = absl::OutOfRangeError(absl::StrCat("the log ends before position ", until));
      return stretch;
    }
    for (const std::string_view event : (*batch)->events) {
      if (stretch.next == until) break;
      if (whole_bytes >= kMostWholeBytes || stretch.sums.size() >= kMostSums) return stretch;
      if (!ReadMovement(event, movement)) {
        stretch.whole.push_back({stretch.next, std::string(event)});
        whole_bytes += event.size() + sizeof(WholeEvent);
      } else if (scope.Has(movement)) {
        if (absl::Status added = stretch.sums.Add(movement); !added.ok()) {
          stretch.status = absl::DataLossError(absl::StrCat("the event at position ", stretch.next,
                                                            " does not fold: ", added.message()));
          return stretch;
        }
      }
      ++stretch.next;
    }
  }
  return stretch;
}

// The books, from stretches that are added in the order of the log, and from sums in any.
class TotalsFold {
 public:
  // A part of the events, or of their rows, cannot be asserted again to be whole: it was when the
  // events were decided, and when the live rows were folded.
  TotalsFold(const Scope& scope, Books::RowReader reader, absl::FunctionRef<bool()> cancelled)
      : scope_(scope), cancelled_(cancelled), books_(std::move(reader), Books::History::kPartial) {}

  // But for its sums.
  absl::Status Add(const Stretch& stretch) {
    for (std::size_t i = 0; i < stretch.whole.size(); ++i) {
      if (i % kWholeEventsATurn == 0 && cancelled_()) return Cancelled();
      const WholeEvent& whole = stretch.whole[i];
      if (absl::Status folded = FoldIfCounts(whole.bytes, whole.position, scope_.agreement_id,
                                             scope_.moment, event_, books_);
          !folded.ok()) {
        return folded;
      }
    }
    if (!stretch.status.ok()) return stretch.status;
    next_ = stretch.next;
    return cancelled_() ? Cancelled() : absl::OkStatus();
  }

  absl::Status Add(MovementSums sums) {
    if (sums_.empty()) {
      sums_ = std::move(sums);
    } else if (absl::Status added = sums_.Add(sums); !added.ok()) {
      return DoesNotFold(added);
    }
    return sums_.size() < kMostSums ? absl::OkStatus() : PostSums();
  }

  absl::Status TakeRows(
      absl::FunctionRef<void(const std::string& key, const std::string& row)> put) {
    if (absl::Status posted = PostSums(); !posted.ok()) return posted;
    books_.TakeChanges([&](const std::string& key, const std::string& row) {
      if (!IsCommitmentKey(key) && !IsPaymentKey(key) && !IsReversalKey(key)) put(key, row);
    });
    return absl::OkStatus();
  }

 private:
  static absl::Status Cancelled() {
    return absl::CancelledError("nobody waits for the answer any more");
  }
  absl::Status DoesNotFold(const absl::Status& status) const {
    return absl::DataLossError(
        absl::StrCat("the events before position ", next_, " do not fold: ", status.message()));
  }
  absl::Status PostSums() {
    if (absl::Status posted = sums_.PostTo(books_, next_); !posted.ok()) return DoesNotFold(posted);
    sums_ = MovementSums();
    return books_.status();
  }

  const Scope scope_;
  const absl::FunctionRef<bool()> cancelled_;
  Books books_;
  events::v1::Event event_;  // one, reused
  MovementSums sums_;        // not yet in the books
  Position next_ = 0;
};

}  // namespace

absl::Status FoldTotals(const store::Log& log, Position from, const std::string& agreement_id,
                        const Moment& moment, QueryRows::Computed& rows,
                        absl::FunctionRef<bool()> cancelled, const FoldPace& pace) {
  const Scope scope{agreement_id, moment};
  const auto stored =
      [&rows](const std::string& key) -> absl::StatusOr<std::optional<std::string>> {
    const auto found = rows.find(key);
    if (found == rows.end()) return std::nullopt;
    return found->second;
  };
  TotalsFold fold(scope, stored, cancelled);
  // What has been summed up goes on in a later stretch: as many sums as threads are enough.
  std::vector<MovementSums> idle;
  const auto take_idle = [&idle] {
    if (idle.empty()) return MovementSums();
    MovementSums sums = std::move(idle.back());
    idle.pop_back();
    return sums;
  };
  // A stretch that had to end early is gone on with at once, for the next ones wait for it.
  const auto add = [&](Stretch stretch, Position until) -> absl::Status {
    while (true) {
      absl::Status added = fold.Add(stretch);
      if (added.ok() && stretch.sums.size() >= kMostSums) {
        added = fold.Add(std::exchange(stretch.sums, MovementSums()));
      }
      if (!added.ok()) return added;
      if (stretch.next == until) break;
      stretch = ReadStretch(log, stretch.next, until, scope, std::move(stretch.sums));
    }
    idle.push_back(std::move(stretch.sums));
    return absl::OkStatus();
  };

  const unsigned processors = std::clamp(std::thread::hardware_concurrency(), 1U, kMostThreads);
  const unsigned threads = pace.threads == 0 ? processors : pace.threads;
  const bool alone = threads == 1 || moment.next - from <= pace.stretch;
  // Where the system has no thread left, the calling one reads too.
  const std::launch by = alone ? std::launch::deferred : std::launch::async | std::launch::deferred;

  struct Reading {
    Position until;
    std::future<Stretch> stretch;  // waits for its thread when it goes
  };
  std::deque<Reading> ahead;
  while (true) {
    while (from < moment.next && ahead.size() < threads) {
      const Position until = std::min(from + pace.stretch, moment.next);
      ahead.push_back(
          {until, std::async(by, ReadStretch, std::cref(log), from, until, scope, take_idle())});
      from = until;
    }
    if (ahead.empty()) break;
    Reading first = std::move(ahead.front());
    ahead.pop_front();
    if (absl::Status added = add(first.stretch.get(), first.until); !added.ok()) return added;
  }
  for (MovementSums& sums : idle) {
    if (absl::Status added = fold.Add(std::move(sums)); !added.ok()) return added;
  }
  return fold.TakeRows([&](const std::string& key, const std::string& row) { rows[key] = row; });
}

}  // namespace denier::projections
