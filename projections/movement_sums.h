// What many movements add up to, by where they are posted: sums commute, so movements may be added
// in any order, and by several threads that each have sums of their own.
#ifndef DENIER_PROJECTIONS_MOVEMENT_SUMS_H_
#define DENIER_PROJECTIONS_MOVEMENT_SUMS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

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

  // How many sums there are, of some 200 bytes each.
  std::size_t size() const { return size_; }

 private:
  // A MovedAmount without its amount, and with the text of its own.
  struct Imputation {
    explicit Imputation(const MovedAmount& amount);
    MovedAmount Of(std::int64_t cents) const;

    MovedAmount::Kind kind;
    bool late;
    int fiscal_year;
    int origin_year;
    int hold_year;
    std::string envelope_id;
    std::string paying_envelope_id;
    std::string product_id;
  };
  // Abseil leaves std::string_view to std::hash.
  static absl::string_view Text(std::string_view text) { return {text.data(), text.size()}; }
  // What an Imputation and a MovedAmount are compared by.
  template <class Any>
  static auto KeyOf(const Any& any) {
    return std::tuple(any.kind, any.late, any.fiscal_year, any.origin_year, any.hold_year,
                      Text(any.envelope_id), Text(any.paying_envelope_id), Text(any.product_id));
  }
  struct Hash {
    using is_transparent = void;
    template <class Any>
    std::size_t operator()(const Any& any) const {
      return absl::HashOf(KeyOf(any));
    }
  };
  struct Same {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return KeyOf(a) == KeyOf(b);
    }
  };
  struct OfAgreement {
    absl::flat_hash_map<Imputation, std::int64_t, Hash, Same> sums;  // in cents
    std::set<int> fiscal_years;
  };

  std::map<std::string, OfAgreement, std::less<>> agreements_;
  std::size_t size_ = 0;  // of all of them
  // Those of the movement before; mostly the next one's too. They point into agreements_, whose
  // nodes stay where they are when it is moved.
  std::string_view last_agreement_id_;
  OfAgreement* last_agreement_ = nullptr;
  std::optional<int> last_fiscal_year_;
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_MOVEMENT_SUMS_H_
