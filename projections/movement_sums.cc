#include "projections/movement_sums.h"

namespace denier::projections {
namespace {

absl::Status Overflow() { return absl::OutOfRangeError("a balance would pass 64 bits"); }

}  // namespace

MovementSums::Imputation::Imputation(const MovedAmount& amount)
    : kind(amount.kind),
      late(amount.late),
      fiscal_year(amount.fiscal_year),
      origin_year(amount.origin_year),
      hold_year(amount.hold_year),
      envelope_id(amount.envelope_id),
      paying_envelope_id(amount.paying_envelope_id),
      product_id(amount.product_id) {}

MovedAmount MovementSums::Imputation::Of(std::int64_t cents) const {
  return {.kind = kind,
          .late = late,
          .fiscal_year = fiscal_year,
          .origin_year = origin_year,
          .hold_year = hold_year,
          .envelope_id = envelope_id,
          .paying_envelope_id = paying_envelope_id,
          .product_id = product_id,
          .cents = cents};
}

absl::Status MovementSums::Add(const Movement& movement) {
  if (last_agreement_ == nullptr || movement.agreement_id != last_agreement_id_) {
    auto found = agreements_.find(movement.agreement_id);
    if (found == agreements_.end()) {
      found = agreements_.try_emplace(std::string(movement.agreement_id)).first;
    }
    last_agreement_id_ = found->first;
    last_agreement_ = &found->second;
    last_fiscal_year_.reset();
  }
  if (movement.fiscal_year != last_fiscal_year_) {
    last_agreement_->fiscal_years.insert(movement.fiscal_year);
    last_fiscal_year_ = movement.fiscal_year;
  }
  for (const MovedAmount& amount : movement.amounts) {
    if (amount.cents == 0) continue;  // posts nothing
    auto found = last_agreement_->sums.find(amount);
    if (found == last_agreement_->sums.end()) {
      found = last_agreement_->sums.try_emplace(Imputation(amount), 0).first;
      ++size_;
    }
    if (__builtin_add_overflow(found->second, amount.cents, &found->second)) return Overflow();
  }
  return absl::OkStatus();
}

absl::Status MovementSums::Add(const MovementSums& others) {
  for (const auto& [agreement_id, other] : others.agreements_) {
    OfAgreement& agreement = agreements_[agreement_id];
    agreement.fiscal_years.insert(other.fiscal_years.begin(), other.fiscal_years.end());
    for (const auto& [imputation, cents] : other.sums) {
      const auto [found, is_new] = agreement.sums.try_emplace(imputation, 0);
      if (is_new) ++size_;
      if (__builtin_add_overflow(found->second, cents, &found->second)) return Overflow();
    }
  }
  return absl::OkStatus();
}

absl::Status MovementSums::PostTo(Books& books, store::Position position) const {
  for (const auto& [agreement_id, agreement] : agreements_) {
    for (const int year : agreement.fiscal_years) books.MarkYear(agreement_id, year, position);
    for (const auto& [imputation, cents] : agreement.sums) {
      // One cent, so many times: what has come back to nothing has been there all the same, and its
      // rows exist.
      PostingList postings;
      Post(imputation.Of(1), postings);
      for (Posting& posting : postings) {
        if (__builtin_mul_overflow(posting.cents, cents, &posting.cents)) return Overflow();
      }
      absl::Status posted = books.PostAll(agreement_id, postings, position);
      if (!posted.ok()) return posted;
    }
  }
  return absl::OkStatus();
}

}  // namespace denier::projections
