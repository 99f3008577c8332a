#include "projections/movement_sums.h"

#include <span>
#include <utility>

namespace denier::projections {
namespace {

absl::Status Overflow() { return absl::OutOfRangeError("a balance would pass 64 bits"); }

bool SameYear(const Posting& a, const Posting& b) {
  return a.fiscal_year == b.fiscal_year && a.envelope_id == b.envelope_id;
}

}  // namespace

MovementSums::Place::Place(const MovedAmount& amount)
    : kind(amount.kind),
      late(amount.late),
      fiscal_year(amount.fiscal_year),
      origin_year(amount.origin_year),
      hold_year(amount.hold_year),
      envelope_id(amount.envelope_id),
      paying_envelope_id(amount.paying_envelope_id),
      product_id(amount.product_id) {}

absl::Status MovementSums::Add(const Movement& movement) {
  if (last_agreement_ == nullptr || movement.agreement_id != last_agreement_id_) {
    auto found = agreements_.find(movement.agreement_id);
    if (found == agreements_.end()) {
      found = agreements_.try_emplace(std::string(movement.agreement_id)).first;
    }
    last_agreement_id_ = found->first;
    last_agreement_ = &found->second;
    last_fiscal_year_ = 0;
  }
  if (movement.fiscal_year != last_fiscal_year_) {
    last_agreement_->fiscal_years.insert(movement.fiscal_year);
    last_fiscal_year_ = movement.fiscal_year;
  }
  for (const MovedAmount& amount : movement.amounts) {
    if (amount.cents == 0) continue;  // posts nothing
    auto found = last_agreement_->places.find(amount);
    if (found == last_agreement_->places.end()) {
      found = last_agreement_->places.try_emplace(Place(amount), 0).first;
      ++places_;
    }
    if (__builtin_add_overflow(found->second, amount.cents, &found->second)) return Overflow();
  }
  return absl::OkStatus();
}

absl::Status MovementSums::Add(const MovementSums& others) {
  for (const auto& [agreement_id, other] : others.agreements_) {
    OfAgreement& agreement = agreements_[agreement_id];
    agreement.fiscal_years.insert(other.fiscal_years.begin(), other.fiscal_years.end());
    for (const auto& [place, cents] : other.places) {
      const auto [found, is_new] = agreement.places.try_emplace(place, 0);
      if (is_new) ++places_;
      if (__builtin_add_overflow(found->second, cents, &found->second)) return Overflow();
    }
  }
  return absl::OkStatus();
}

absl::Status MovementSums::PostTo(Books& books, store::Position position) const {
  for (const auto& [agreement_id, agreement] : agreements_) {
    for (const int year : agreement.fiscal_years) books.MarkYear(agreement_id, year, position);
    for (const auto& [place, cents] : agreement.places) {
      PostingList postings;
      // What has come back to nothing has been there all the same: its rows exist.
      Post({.kind = place.kind,
            .late = place.late,
            .fiscal_year = place.fiscal_year,
            .origin_year = place.origin_year,
            .hold_year = place.hold_year,
            .envelope_id = place.envelope_id,
            .paying_envelope_id = place.paying_envelope_id,
            .product_id = place.product_id,
            .cents = cents == 0 ? 1 : cents},
           postings);
      if (cents == 0) {
        for (Posting& posting : postings) posting.cents = 0;
      }
      // PostSums takes those of one envelope and year.
      for (std::span<const Posting> left = postings; !left.empty();) {
        std::size_t together = 1;
        while (together < left.size() && SameYear(left[0], left[together])) ++together;
        absl::Status posted = books.PostSums(agreement_id, left.first(together), position);
        if (!posted.ok()) return posted;
        left = left.subspan(together);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace denier::projections
