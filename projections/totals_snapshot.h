// Stored states of an agreement's totals, one every so many of its events, so that a report as of
// any past moment is folded from the last one before it and not from the first event.
#ifndef DENIER_PROJECTIONS_TOTALS_SNAPSHOT_H_
#define DENIER_PROJECTIONS_TOTALS_SNAPSHOT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "projections/books.h"
#include "projections/query_rows.h"
#include "store/position.h"
#include "store/views.h"

namespace denier::projections {

// An agreement's event with a number that this divides makes a snapshot, wherever commits and
// restarts fall, so that the same log gives the same rows. A snapshot of 300 envelopes over three
// years grows to some 700 KB, compressed to a quarter: hence some eleven bytes an event.
inline constexpr std::int64_t kEventsASnapshot = 16'384;

// Likewise for the sums by body alone, of some KB; a plan makes one too, because its lines
// replace those of rows that are not among them (years_fold.h).
inline constexpr std::int64_t kEventsAYearsSnapshot = 128;

// The row (views::v1::TotalsSnapshot) of the agreement as `books` have it: all its totals, or the
// sums by body and itself without the list of its envelopes.
std::string TotalsSnapshot(const Books& books, std::string_view agreement_id);
std::string YearsSnapshot(const Books& books, std::string_view agreement_id);

// Where a fold of the agreement's totals can begin: the rows after the events [0, next).
struct TotalsStart {
  store::Position next = 0;
  QueryRows::Computed rows;
};

// The last snapshot of the agreement among `stored` that holds no event from `until` on; the
// beginning of the log when there is none. Any thread. DATA_LOSS: it is damaged.
absl::StatusOr<TotalsStart> LastSnapshot(const store::Views::Snapshot& stored,
                                         std::string_view agreement_id, store::Position until);
absl::StatusOr<TotalsStart> LastYearsSnapshot(const store::Views::Snapshot& stored,
                                              std::string_view agreement_id, store::Position until);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_TOTALS_SNAPSHOT_H_
