// The books without their registers (agreements, envelopes, balances: what the yearly reports are
// made from), folded from stored events at the speed at which those can be read. What moves credits
// and nothing else is summed up as it comes and enters the books in one go.
#ifndef DENIER_PROJECTIONS_TOTALS_FOLD_H_
#define DENIER_PROJECTIONS_TOTALS_FOLD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "absl/container/node_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/hash/hash.h"
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
  // The balances of one envelope, budget year, year of origin and product, in cents: what was moved
  // there since the sums last entered the books. No movement is planned.
  using Sums = std::array<std::int64_t, kLedgers * kAccounts>;
  struct Place {
    std::string envelope_id;
    std::string product_id;
    int fiscal_year = 0;
    int origin_year = 0;
  };
  // Looks a place up by what a posting says of it.
  struct PlaceHash {
    using is_transparent = void;
    template <class AnyPlace>
    std::size_t operator()(const AnyPlace& place) const {
      return absl::HashOf(std::string_view(place.envelope_id), std::string_view(place.product_id),
                          place.fiscal_year, place.origin_year);
    }
  };
  struct SamePlace {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return a.fiscal_year == b.fiscal_year && a.origin_year == b.origin_year &&
             a.envelope_id == b.envelope_id && a.product_id == b.product_id;
    }
  };
  struct OfAgreement {
    absl::node_hash_map<Place, Sums, PlaceHash, SamePlace> places;
    std::set<int> fiscal_years;
  };

  absl::Status Sum(const Movement& movement, store::Position position);
  absl::Status PostSums();
  absl::Status FoldWhole(std::string_view bytes, store::Position position);

  const std::string agreement_id_;
  const Moment moment_;
  Books books_;
  Movement movement_;  // these two are one each, reused
  events::v1::Event event_;

  std::map<std::string, OfAgreement, std::less<>> agreements_;
  std::size_t places_ = 0;  // in all of them
  // Those of the movement before; mostly the next one's too.
  std::string_view last_agreement_id_;
  OfAgreement* last_agreement_ = nullptr;
  int last_fiscal_year_ = 0;
  store::Position last_ = 0;  // folded
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_TOTALS_FOLD_H_
