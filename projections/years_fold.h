// The agreement, without the list of its envelopes, and the sums of its bodies by year
// (body_year.h), folded from the events since a snapshot of them, without the balances of any
// envelope: what a yearly execution as of a past moment is made from.
#ifndef DENIER_PROJECTIONS_YEARS_FOLD_H_
#define DENIER_PROJECTIONS_YEARS_FOLD_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "denier/events/v1/event.pb.h"
#include "projections/books.h"
#include "projections/movement.h"
#include "projections/query_rows.h"
#include "store/position.h"

namespace denier::projections {

// Not thread-safe.
class YearsFold {
 public:
  // Begins with the rows of a snapshot (YearsSnapshot), which must outlive it. `envelopes` reads
  // the row of an envelope as it is at any moment since: which body manages it never changes.
  YearsFold(std::string agreement_id, const QueryRows::Computed& snapshot,
            Books::RowReader envelopes);

  // Folds the event at `position`. DATA_LOSS: it does not decode or does not fold, or is a plan,
  // after which there is always a snapshot. FAILED_PRECONDITION: a newer program wrote it. After an
  // error the fold is undefined.
  absl::Status Add(std::string_view bytes, store::Position position);

  // Calls `put` for the rows of the agreement, without the list of its envelopes, and of the sums,
  // with their bytes.
  absl::Status TakeRows(
      absl::FunctionRef<void(const std::string& key, const std::string& row)> put);

 private:
  absl::Status FoldWhole(std::string_view bytes, store::Position position);

  const std::string agreement_id_;
  Books books_;
  Movement movement_;  // these three are one each, reused
  PostingList postings_;
  events::v1::Event event_;
  std::optional<int> last_fiscal_year_;  // of the movement before
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_YEARS_FOLD_H_
