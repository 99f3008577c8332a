#include "projections/movement_sums.h"

#include <utility>

namespace denier::projections {
namespace {

std::size_t Index(const Posting& posting) {
  return static_cast<std::size_t>(posting.ledger) * kAccounts +
         static_cast<std::size_t>(posting.account);
}

// The views of one event mostly point to the same bytes.
bool SameWords(std::string_view a, std::string_view b) {
  return a.size() == b.size() && (a.data() == b.data() || a == b);
}

absl::Status Overflow() { return absl::OutOfRangeError("a balance would pass 64 bits"); }

}  // namespace

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
  const Posting* before = nullptr;
  Sums* sums = nullptr;
  for (const Posting& posting : movement.postings) {
    if (before == nullptr || posting.fiscal_year != before->fiscal_year ||
        posting.origin_year != before->origin_year ||
        !SameWords(posting.envelope_id, before->envelope_id) ||
        !SameWords(posting.product_id, before->product_id)) {
      sums = &At(*last_agreement_, posting);
    }
    before = &posting;
    std::int64_t& sum = (*sums)[Index(posting)];
    if (__builtin_add_overflow(sum, posting.cents, &sum)) return Overflow();
  }
  return absl::OkStatus();
}

MovementSums::Sums& MovementSums::At(OfAgreement& agreement, const Posting& posting) {
  auto found = agreement.places.find(posting);
  if (found == agreement.places.end()) {
    Place place{.envelope_id = std::string(posting.envelope_id),
                .product_id = std::string(posting.product_id),
                .fiscal_year = posting.fiscal_year,
                .origin_year = posting.origin_year};
    found = agreement.places.try_emplace(std::move(place)).first;
    ++places_;
  }
  return found->second;
}

absl::Status MovementSums::Add(const MovementSums& others) {
  for (const auto& [agreement_id, other] : others.agreements_) {
    OfAgreement& agreement = agreements_[agreement_id];
    agreement.fiscal_years.insert(other.fiscal_years.begin(), other.fiscal_years.end());
    for (const auto& [place, added] : other.places) {
      const auto [found, is_new] = agreement.places.try_emplace(place);
      if (is_new) ++places_;
      for (std::size_t i = 0; i < added.size(); ++i) {
        std::int64_t& sum = found->second[i];
        if (__builtin_add_overflow(sum, added[i], &sum)) return Overflow();
      }
    }
  }
  return absl::OkStatus();
}

absl::Status MovementSums::PostTo(Books& books, store::Position position) const {
  for (const auto& [agreement_id, agreement] : agreements_) {
    for (const int year : agreement.fiscal_years) books.MarkYear(agreement_id, year, position);
    for (const auto& [place, sums] : agreement.places) {
      PostingList postings;
      for (std::size_t i = 0; i < sums.size(); ++i) {
        // What has come back to nothing has been there all the same: its row exists.
        const bool last = i + 1 == sums.size() && postings.empty();
        if (sums[i] == 0 && !last) continue;
        postings.push_back({.envelope_id = place.envelope_id,
                            .fiscal_year = place.fiscal_year,
                            .ledger = static_cast<Ledger>(i / kAccounts),
                            .account = static_cast<Account>(i % kAccounts),
                            .origin_year = place.origin_year,
                            .product_id = place.product_id,
                            .cents = sums[i]});
      }
      absl::Status posted = books.PostSums(agreement_id, postings, position);
      if (!posted.ok()) return posted;
    }
  }
  return absl::OkStatus();
}

}  // namespace denier::projections
