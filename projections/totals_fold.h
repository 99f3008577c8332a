// The books without their registers (agreements, envelopes, balances: what the yearly reports are
// made from), folded from stored events at the speed at which those can be read.
//
// A long part of the log is read in stretches, by a few threads. What moves credits and nothing
// else is summed up there (movement_sums.h), for sums commute; the other events are handed over and
// folded one after the other, in the order of the log. So the books are those that one thread
// makes.
#ifndef DENIER_PROJECTIONS_TOTALS_FOLD_H_
#define DENIER_PROJECTIONS_TOTALS_FOLD_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "projections/moment.h"
#include "projections/query_rows.h"
#include "store/log.h"
#include "store/position.h"

namespace denier::projections {

// How a fold goes about it; the rows do not depend on it.
struct FoldPace {
  // A stretch, in events; what is no longer is folded without another thread. Each thread keeps one
  // in memory, of at most some 50 MB.
  store::Position stretch = 32'768;
  // At least 1, which is the calling one. 0: as many as there are processors, at most four.
  unsigned threads = 0;
};

// Folds the events [from, moment.next) of `agreement_id` (empty: of all) that count by `moment`'s
// effective day into `rows`, which hold what those before `from` made: rows of agreements,
// envelopes and balances. `cancelled` is asked now and then, by the calling thread.
// DATA_LOSS: an event cannot be read, does not decode or does not fold; the first such position is
// named, and `rows` are undefined, as after each error. FAILED_PRECONDITION: a newer program wrote
// one. OUT_OF_RANGE: the log ends before. CANCELLED: so `cancelled` said. Any thread.
absl::Status FoldTotals(const store::Log& log, store::Position from,
                        const std::string& agreement_id, const Moment& moment,
                        QueryRows::Computed& rows, absl::FunctionRef<bool()> cancelled,
                        const FoldPace& pace = {});

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_TOTALS_FOLD_H_
