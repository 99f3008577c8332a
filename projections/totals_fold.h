// The books without their registers (agreements, envelopes, balances: what the yearly reports are
// made from), folded from stored events at the speed at which those can be read. What moves credits
// and nothing else is summed up as it comes and enters the books in one go.
#ifndef DENIER_PROJECTIONS_TOTALS_FOLD_H_
#define DENIER_PROJECTIONS_TOTALS_FOLD_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "denier/events/v1/event.pb.h"
#include "projections/books.h"
#include "projections/moment.h"
#include "projections/movement.h"
#include "projections/posting.h"
#include "store/position.h"

namespace denier::projections {

// Not thread-safe.
class TotalsFold {
 public:
  // Folds the events of `agreement_id` (empty: of all) that count by `moment`'s effective day; all
  // before its position are to be given. The books begin with the rows that `reader` reads, or
  // empty.
  TotalsFold(std::string agreement_id, const Moment& moment, Books::RowReader reader = nullptr);

  // Folds the event at `position`. DATA_LOSS: it does not decode or does not fold.
  // FAILED_PRECONDITION: a newer program wrote it. After an error the fold is undefined.
  absl::Status Add(std::string_view bytes, store::Position position);

  // Calls `put` for each row of an agreement, an envelope or a balance that changed since the last
  // call, with its bytes. Errors as Add's.
  absl::Status TakeRows(
      absl::FunctionRef<void(const std::string& key, const std::string& row)> put);

 private:
  // Where a sum belongs; the identifiers by their numbers in names_.
  struct Place {
    std::uint32_t agreement;
    std::uint32_t envelope;
    std::uint32_t product;
    std::int32_t fiscal_year;
    std::int32_t origin_year;
    std::uint32_t account;  // with its ledger and its basis

    bool operator==(const Place&) const = default;
    template <typename H>
    friend H AbslHashValue(H hash, const Place& place) {
      return H::combine(std::move(hash), place.agreement, place.envelope, place.product,
                        place.fiscal_year, place.origin_year, place.account);
    }
  };

  absl::Status Sum(const Movement& movement, store::Position position);
  absl::Status PostSums();
  absl::Status FoldWhole(std::string_view bytes, store::Position position);
  std::uint32_t NumberOf(std::string_view name);

  const std::string agreement_id_;
  const Moment moment_;
  Books books_;
  Movement movement_;  // these two are one each, reused
  events::v1::Event event_;

  absl::flat_hash_map<std::string, std::uint32_t> numbers_;
  std::vector<std::string> names_;
  absl::flat_hash_map<Place, std::int64_t> sums_;  // in cents; since the last call of PostSums
  absl::flat_hash_set<std::pair<std::uint32_t, int>> years_;  // agreement and year, likewise
  store::Position last_ = 0;                                  // folded
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_TOTALS_FOLD_H_
