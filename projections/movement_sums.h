// What many movements add up to, place by place: sums commute, so movements may be added in any
// order, and by several threads that each have sums of their own.
#ifndef DENIER_PROJECTIONS_MOVEMENT_SUMS_H_
#define DENIER_PROJECTIONS_MOVEMENT_SUMS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "projections/books.h"
#include "projections/movement.h"
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

  // How many places there are, of some 200 bytes each.
  std::size_t places() const { return places_; }

 private:
  // A MovedAmount without its cents.
  struct Place {
    explicit Place(const MovedAmount& amount);

    MovedAmount::Kind kind;
    bool late;
    int fiscal_year;
    int origin_year;
    int hold_year;
    std::string envelope_id;
    std::string paying_envelope_id;
    std::string product_id;
  };
  // Looks a place up by an amount.
  struct PlaceHash {
    using is_transparent = void;
    // Abseil leaves std::string_view to std::hash.
    static absl::string_view Text(std::string_view text) { return {text.data(), text.size()}; }
    template <class AnyPlace>
    std::size_t operator()(const AnyPlace& place) const {
      return absl::HashOf(Text(place.envelope_id), Text(place.paying_envelope_id),
                          Text(place.product_id), place.kind, place.late, place.fiscal_year,
                          place.origin_year, place.hold_year);
    }
  };
  struct SamePlace {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return a.kind == b.kind && a.late == b.late && a.fiscal_year == b.fiscal_year &&
             a.origin_year == b.origin_year && a.hold_year == b.hold_year &&
             a.envelope_id == b.envelope_id && a.paying_envelope_id == b.paying_envelope_id &&
             a.product_id == b.product_id;
    }
  };
  struct OfAgreement {
    absl::flat_hash_map<Place, std::int64_t, PlaceHash, SamePlace> places;  // in cents
    std::set<int> fiscal_years;
  };

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
