#include "projections/past.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "denier/events/v1/event.pb.h"
#include "projections/books.h"
#include "projections/event_version.h"
#include "projections/row_keys.h"
#include "projections/totals_fold.h"
#include "projections/totals_snapshot.h"
#include "projections/years_fold.h"

namespace denier::projections {
namespace {

using events::v1::Event;
using store::Position;

constexpr std::size_t kMostKept = 8;
// Larger answers are not kept: they would only fill the memory.
constexpr std::size_t kMostKeptRows = 20'000;
// So often somebody looks whether the query is still wanted.
constexpr Position kEventsATurn = 4'096;

// What an event counted in said of a line or a request that was counted out.
template <class Row>
bool HasIdentifier(const std::string& bytes, const std::string& (Row::*identifier)() const) {
  Row row;
  return row.ParseFromString(bytes) && !(row.*identifier)().empty();
}

// A fold of the whole books, from the first event on.
class RegistersFold {
 public:
  RegistersFold(const std::string& agreement_id, const Moment& moment)
      : agreement_id_(agreement_id),
        moment_(moment),
        // Without some of the events, not everything can be asserted again. It was when the events
        // were decided, and when the live rows were folded.
        books_(nullptr,
               moment.effective_until != 0 ? Books::History::kPartial : Books::History::kWhole) {}

  absl::Status Add(std::string_view bytes, Position position) {
    if (absl::Status decoded = DecodeEvent(bytes, position, event_); !decoded.ok()) return decoded;
    if (!agreement_id_.empty() && event_.agreement_id() != agreement_id_) return absl::OkStatus();
    if (!Counts(event_, moment_)) return absl::OkStatus();
    if (absl::Status folded = books_.Fold(event_, position); !folded.ok()) {
      return absl::DataLossError(
          absl::StrCat("the event at position ", position, " does not fold: ", folded.message()));
    }
    return absl::OkStatus();
  }

  absl::Status TakeRows(
      absl::FunctionRef<void(const std::string& key, const std::string& row)> put) {
    books_.TakeChanges([&](const std::string& key, const std::string& row) {
      if (Wanted(key, row)) put(key, row);
    });
    return absl::OkStatus();
  }

 private:
  bool Wanted(const std::string& key, const std::string& row) const {
    if (IsReversalKey(key)) return false;
    if (moment_.effective_until == 0) return true;
    if (IsCommitmentKey(key)) return HasIdentifier(row, &v1::Commitment::commitment_id);
    if (IsPaymentKey(key)) return HasIdentifier(row, &v1::PaymentRequest::payment_request_id);
    return true;
  }

  const std::string& agreement_id_;
  const Moment& moment_;
  Books books_;
  Event event_;  // one, reused
};

// Reads from `rows`, which must outlive it.
Books::RowReader ReaderOf(const QueryRows::Computed& rows) {
  return [&rows](const std::string& key) -> absl::StatusOr<std::optional<std::string>> {
    const auto found = rows.find(key);
    if (found == rows.end()) return std::nullopt;
    return found->second;
  };
}

// Gives `fold` the events [from, until) and puts the rows that they make into `rows`.
template <class Fold>
absl::Status FoldInto(const store::Log& log, Position from, Position until, Fold& fold,
                      QueryRows::Computed& rows, absl::FunctionRef<bool()> cancelled) {
  const auto put = [&](const std::string& key, const std::string& row) { rows[key] = row; };
  store::Log::Reader reader = log.ReadFrom(from);
  Position position = from, turn = from;
  while (position < until) {
    const absl::StatusOr<const store::StoredBatch*> batch = reader.Next();
    if (!batch.ok()) return batch.status();
    if (*batch == nullptr) {
      return absl::OutOfRangeError(absl::StrCat("the log ends before position ", until));
    }
    for (const std::string_view event : (*batch)->events) {
      if (position == until) break;
      if (absl::Status added = fold.Add(event, position); !added.ok()) return added;
      ++position;
    }
    if (position - turn < kEventsATurn) continue;
    turn = position;
    if (cancelled()) return absl::CancelledError("nobody waits for the answer any more");
  }
  return fold.TakeRows(put);
}

}  // namespace

absl::StatusOr<QueryRows> Past::At(const std::string& agreement_id, const Moment& moment,
                                   Depth depth, const store::Views::Snapshot* stored,
                                   absl::FunctionRef<bool()> cancelled) {
  const Key key{agreement_id, moment, depth};
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = std::ranges::find(kept_, key, &Kept::key);
    if (found != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, found);
      return kept_.front().rows;
    }
  }

  const bool from_snapshot =
      stored != nullptr && !agreement_id.empty() && moment.effective_until == 0;
  QueryRows::Computed computed;
  absl::Status folded;
  if (depth == Depth::kYears && from_snapshot) {
    absl::StatusOr<TotalsStart> start = LastYearsSnapshot(*stored, agreement_id, moment.next);
    if (!start.ok()) return start.status();
    computed = std::move(start->rows);
    YearsFold fold(agreement_id, computed, *stored);
    folded = FoldInto(log_, start->next, moment.next, fold, computed, cancelled);
  } else if (depth != Depth::kRegisters) {
    Position from = 0;
    if (from_snapshot) {
      absl::StatusOr<TotalsStart> start = LastSnapshot(*stored, agreement_id, moment.next);
      if (!start.ok()) return start.status();
      from = start->next;
      computed = std::move(start->rows);
    }
    TotalsFold fold(agreement_id, moment, ReaderOf(computed));
    folded = FoldInto(log_, from, moment.next, fold, computed, cancelled);
  } else {
    RegistersFold fold(agreement_id, moment);
    folded = FoldInto(log_, 0, moment.next, fold, computed, cancelled);
  }
  if (!folded.ok()) return folded;

  auto rows = std::make_shared<const QueryRows::Computed>(std::move(computed));
  QueryRows answer(rows);
  if (rows->size() <= kMostKeptRows) {
    const std::lock_guard<std::mutex> lock(mutex_);
    kept_.push_front({key, answer});
    if (kept_.size() > kMostKept) kept_.pop_back();
  }
  return answer;
}

}  // namespace denier::projections
