// What many movements add up to, place by place: sums commute, so movements may be added in any
// order, and by several threads that each have sums of their own.
#ifndef DENIER_PROJECTIONS_MOVEMENT_SUMS_H_
#define DENIER_PROJECTIONS_MOVEMENT_SUMS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "absl/container/node_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "projections/books.h"
#include "projections/movement.h"
#include "projections/posting.h"
#include "store/position.h"

namespace denier::projections {

// Not thread-safe. One that was moved from can only be destroyed. Errors of all calls:
// OUT_OF_RANGE, a balance would pass 64 bits of cents; the sums are undefined then.
class MovementSums {
 public:
  MovementSums() = default;
  MovementSums(const MovementSums&) = delete;
  MovementSums& operator=(const MovementSums&) = delete;
  MovementSums(MovementSums&&) = default;
  MovementSums& operator=(MovementSums&&) = default;

  // Keeps nothing of what `movement` points to.
  absl::Status Add(const Movement& movement);
  absl::Status Add(const MovementSums& others);

  // Adds everything to the balances of `books`, which are of a partial history, as of the event at
  // `position`.
  absl::Status PostTo(Books& books, store::Position position) const;

  // True when nothing was added, be it a movement of nothing.
  bool empty() const { return agreements_.empty(); }

  // How many places there are, of some 600 bytes each.
  std::size_t places() const { return places_; }

 private:
  // The balances of one envelope, budget year, year of origin and product, in cents: what was moved
  // there. No movement is planned.
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
      const auto years = static_cast<std::int64_t>(place.fiscal_year) * 10'000 + place.origin_year;
      return absl::HashOf(std::string_view(place.envelope_id), std::string_view(place.product_id),
                          years);
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

  Sums& At(OfAgreement& agreement, const Posting& posting);

  std::map<std::string, OfAgreement, std::less<>> agreements_;
  std::size_t places_ = 0;  // in all of them
  // Those of the movement before; mostly the next one's too. They point into agreements_, whose
  // nodes stay where they are when it is moved.
  std::string_view last_agreement_id_;
  OfAgreement* last_agreement_ = nullptr;
  int last_fiscal_year_ = 0;
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_MOVEMENT_SUMS_H_
