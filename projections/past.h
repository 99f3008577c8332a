// The rows of an agreement as the books knew them at an earlier moment: its events folded again, up
// to a position and up to an effective day.
//
//   Past past(log);
//   absl::StatusOr<QueryRows> rows =
//       past.At("engagement-civique", {.next = 4'000, .effective_until = 20211231},
//               Depth::kTotals, &stored, [] { return false; });
#ifndef DENIER_PROJECTIONS_PAST_H_
#define DENIER_PROJECTIONS_PAST_H_

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "projections/moment.h"
#include "projections/query_rows.h"
#include "store/log.h"
#include "store/views.h"

namespace denier::projections {

// Which rows a query needs.
enum class Depth : std::uint8_t {
  kYears,      // the agreement, without the list of its envelopes, and the sums of its bodies: what
               // the yearly execution is made from
  kTotals,     // the agreement, its envelopes and their balances: what the reports are made from
  kRegisters,  // commitments and payment requests too, all in memory while the query runs
};

// Any thread. Sums and totals are folded from the last snapshot of theirs before the moment
// (totals_snapshot.h); registers, and whatever an effective day bounds, from the first event.
// Totals of a long part of the log are folded by a few threads (totals_fold.h). The last few
// answers are kept, so that the pages of a list, or two reports of one moment, cost one fold.
class Past {
 public:
  // `log` must outlive it.
  explicit Past(const store::Log& log) : log_(log) {}

  // The rows of `agreement_id` (empty: of every agreement), those of `depth` at least, from the
  // events [0, moment.next), of which those count that projections::Counts lets through. The same
  // moment gives the same rows, for ever. `stored` are the rows of now, or nullptr: then every fold
  // begins with the first event. `cancelled` is asked now and then. DATA_LOSS: an event does not
  // decode or does not fold; the message names its position. CANCELLED: so `cancelled` said.
  absl::StatusOr<QueryRows> At(const std::string& agreement_id, const Moment& moment, Depth depth,
                               const store::Views::Snapshot* stored,
                               absl::FunctionRef<bool()> cancelled);

 private:
  using Key = std::tuple<std::string, Moment, Depth>;
  struct Kept {
    Key key;
    QueryRows rows;
  };

  absl::StatusOr<std::optional<std::string>> Envelope(const std::string& key,
                                                      const store::Views::Snapshot& stored);

  const store::Log& log_;
  std::mutex mutex_;
  std::list<Kept> kept_;  // guarded by mutex_; the last one asked for comes first
  // Guarded by mutex_. Rows by key, as they were when they were read: sums ask them alone for what
  // never changes (years_fold.h), and each for hundreds of them.
  absl::flat_hash_map<std::string, std::string> envelopes_;
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_PAST_H_
