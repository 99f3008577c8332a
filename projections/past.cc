#include "projections/past.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "denier/events/v1/event.pb.h"
#include "projections/books.h"
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
// Rows of envelopes that are kept.
constexpr std::size_t kMostEnvelopes = 20'000;
// So often somebody looks whether the query is still wanted.
constexpr Position kEventsATurn = 4'096;

template <class Row>
bool HasIdentifier(const std::string& bytes, const std::string& (Row::*identifier)() const) {
  Row row;
  return row.ParseFromString(bytes) && !(row.*identifier)().empty();
}

// False for what an event counted in said of a line or a request that was counted out.
bool WasCountedIn(const std::string& key, const std::string& row) {
  if (IsCommitmentKey(key)) return HasIdentifier(row, &v1::Commitment::commitment_id);
  if (IsPaymentKey(key)) return HasIdentifier(row, &v1::PaymentRequest::payment_request_id);
  return true;
}

// Gives `add` the events [from, until).
absl::Status ForEachEvent(const store::Log& log, Position from, Position until,
                          absl::FunctionRef<bool()> cancelled,
                          absl::FunctionRef<absl::Status(std::string_view, Position)> add) {
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
      if (absl::Status added = add(event, position); !added.ok()) return added;
      ++position;
    }
    if (position - turn < kEventsATurn) continue;
    turn = position;
    if (cancelled()) return absl::CancelledError("nobody waits for the answer any more");
  }
  return absl::OkStatus();
}

using ComputedRows = absl::StatusOr<QueryRows::Computed>;

// The rows that the events [0, moment.next) make.
ComputedRows ComputeRegisters(const store::Log& log, const std::string& agreement_id,
                              const Moment& moment, absl::FunctionRef<bool()> cancelled) {
  // Without some of the events, not everything can be asserted again. It was when the events were
  // decided, and when the live rows were folded.
  const bool partial = moment.effective_until != 0;
  Books books(nullptr, partial ? Books::History::kPartial : Books::History::kWhole);
  Event event;  // one, reused
  const absl::Status folded =
      ForEachEvent(log, 0, moment.next, cancelled, [&](std::string_view bytes, Position position) {
        return FoldIfCounts(bytes, position, agreement_id, moment, event, books);
      });
  if (!folded.ok()) return folded;
  QueryRows::Computed rows;
  books.TakeChanges([&](const std::string& key, const std::string& row) {
    if (!IsReversalKey(key) && (!partial || WasCountedIn(key, row))) rows[key] = row;
  });
  return rows;
}

// The same of the totals alone, on from `start`.
ComputedRows ComputeTotals(const store::Log& log, TotalsStart start,
                           const std::string& agreement_id, const Moment& moment,
                           absl::FunctionRef<bool()> cancelled) {
  const absl::Status folded =
      FoldTotals(log, start.next, agreement_id, moment, start.rows, cancelled);
  if (!folded.ok()) return folded;
  return std::move(start.rows);
}

// The same of the sums by body alone.
ComputedRows ComputeYears(const store::Log& log, TotalsStart start, const std::string& agreement_id,
                          const Moment& moment, Books::RowReader envelopes,
                          absl::FunctionRef<bool()> cancelled) {
  YearsFold fold(agreement_id, start.rows, std::move(envelopes));
  absl::Status folded = ForEachEvent(
      log, start.next, moment.next, cancelled,
      [&](std::string_view bytes, Position position) { return fold.Add(bytes, position); });
  if (folded.ok()) {
    folded = fold.TakeRows(
        [&](const std::string& key, const std::string& row) { start.rows[key] = row; });
  }
  if (!folded.ok()) return folded;
  return std::move(start.rows);
}

ComputedRows Compute(const store::Log& log, const std::string& agreement_id, const Moment& moment,
                     Depth depth, const store::Views::Snapshot* stored, Books::RowReader envelopes,
                     absl::FunctionRef<bool()> cancelled) {
  if (depth == Depth::kRegisters) return ComputeRegisters(log, agreement_id, moment, cancelled);
  if (stored == nullptr || agreement_id.empty() || moment.effective_until != 0) {
    return ComputeTotals(log, {}, agreement_id, moment, cancelled);
  }
  absl::StatusOr<TotalsStart> start = depth == Depth::kYears
                                          ? LastYearsSnapshot(*stored, agreement_id, moment.next)
                                          : LastSnapshot(*stored, agreement_id, moment.next);
  if (!start.ok()) return start.status();
  if (depth == Depth::kTotals) {
    return ComputeTotals(log, *std::move(start), agreement_id, moment, cancelled);
  }
  return ComputeYears(log, *std::move(start), agreement_id, moment, std::move(envelopes),
                      cancelled);
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

  const auto envelopes = [this, stored](const std::string& key) { return Envelope(key, *stored); };
  ComputedRows computed = Compute(log_, agreement_id, moment, depth, stored, envelopes, cancelled);
  if (!computed.ok()) return computed.status();

  auto rows = std::make_shared<const QueryRows::Computed>(*std::move(computed));
  QueryRows answer(rows);
  if (rows->size() <= kMostKeptRows) {
    const std::lock_guard<std::mutex> lock(mutex_);
    kept_.push_front({key, answer});
    if (kept_.size() > kMostKept) kept_.pop_back();
  }
  return answer;
}

absl::StatusOr<std::optional<std::string>> Past::Envelope(const std::string& key,
                                                          const store::Views::Snapshot& stored) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = envelopes_.find(key);
    if (found != envelopes_.end()) return found->second;
  }
  absl::StatusOr<std::optional<std::string>> row = stored.Get(key);
  if (row.ok() && row->has_value()) {
    // A fold meets hundreds of envelopes, and parses each row to know who manages it.
    v1::Envelope whole, kept;
    if (!whole.ParseFromString(**row)) return row;
    kept.set_managing_body_id(whole.managing_body_id());
    *row = kept.SerializeAsString();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (envelopes_.size() >= kMostEnvelopes) envelopes_.clear();
    envelopes_.emplace(key, **row);
  }
  return row;
}

}  // namespace denier::projections
