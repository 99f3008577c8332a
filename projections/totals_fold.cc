#include "projections/totals_fold.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "projections/event_version.h"
#include "projections/row_keys.h"

namespace denier::projections {
namespace {

using store::Position;

// So many places are summed up before they enter the books: bounds memory.
constexpr std::size_t kMostPlaces = 50'000;

std::size_t Index(const Posting& posting) {
  return static_cast<std::size_t>(posting.ledger) * kAccounts +
         static_cast<std::size_t>(posting.account);
}

// The views of one event point to the same bytes.
bool SameWords(std::string_view a, std::string_view b) {
  return a.data() == b.data() && a.size() == b.size();
}

}  // namespace

// A part of the events, or of their rows, cannot be asserted again to be whole: it was when the
// events were decided, and when the live rows were folded.
TotalsFold::TotalsFold(std::string agreement_id, const Moment& moment, Books::RowReader reader)
    : agreement_id_(std::move(agreement_id)),
      moment_(moment),
      books_(std::move(reader), Books::History::kPartial) {}

absl::Status TotalsFold::Add(std::string_view bytes, Position position) {
  if (!ReadMovement(bytes, movement_)) return FoldWhole(bytes, position);
  if (!agreement_id_.empty() && movement_.agreement_id != agreement_id_) return absl::OkStatus();
  if (moment_.effective_until != 0 && movement_.effective_date > moment_.effective_until) {
    return absl::OkStatus();
  }
  return Sum(movement_, position);
}

absl::Status TotalsFold::Sum(const Movement& movement, Position position) {
  last_ = position;
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
      auto found = last_agreement_->places.find(posting);
      if (found == last_agreement_->places.end()) {
        Place place{.envelope_id = std::string(posting.envelope_id),
                    .product_id = std::string(posting.product_id),
                    .fiscal_year = posting.fiscal_year,
                    .origin_year = posting.origin_year};
        found = last_agreement_->places.try_emplace(std::move(place)).first;
        ++places_;
      }
      sums = &found->second;
    }
    before = &posting;
    std::int64_t& sum = (*sums)[Index(posting)];
    if (__builtin_add_overflow(sum, posting.cents, &sum)) {
      return absl::DataLossError(absl::StrCat("the event at position ", position,
                                              " does not fold: a balance would pass 64 bits"));
    }
  }
  return places_ < kMostPlaces ? absl::OkStatus() : PostSums();
}

absl::Status TotalsFold::PostSums() {
  for (const auto& [agreement_id, sums_of] : agreements_) {
    for (const int year : sums_of.fiscal_years) books_.MarkYear(agreement_id, year, last_);
    for (const auto& [place, sums] : sums_of.places) {
      Posting posting;
      posting.envelope_id = place.envelope_id;
      posting.product_id = place.product_id;
      posting.fiscal_year = place.fiscal_year;
      posting.origin_year = place.origin_year;
      // What has come back to nothing has been there all the same: its row exists.
      absl::Status posted = books_.PostSum(agreement_id, posting, last_);
      for (std::size_t i = 0; i < sums.size() && posted.ok(); ++i) {
        if (sums[i] == 0) continue;
        posting.ledger = static_cast<Ledger>(i / kAccounts);
        posting.account = static_cast<Account>(i % kAccounts);
        posting.cents = sums[i];
        posted = books_.PostSum(agreement_id, posting, last_);
      }
      if (!posted.ok()) {
        return absl::DataLossError(absl::StrCat("the events before position ", last_ + 1,
                                                " do not fold: ", posted.message()));
      }
    }
  }
  agreements_.clear();
  places_ = 0;
  last_agreement_ = nullptr;
  return books_.status();
}

absl::Status TotalsFold::FoldWhole(std::string_view bytes, Position position) {
  if (absl::Status decoded = DecodeEvent(bytes, position, event_); !decoded.ok()) return decoded;
  if (!agreement_id_.empty() && event_.agreement_id() != agreement_id_) return absl::OkStatus();
  if (!Counts(event_, moment_)) return absl::OkStatus();
  if (absl::Status folded = books_.Fold(event_, position); !folded.ok()) {
    return absl::DataLossError(
        absl::StrCat("the event at position ", position, " does not fold: ", folded.message()));
  }
  last_ = position;
  return absl::OkStatus();
}

absl::Status TotalsFold::TakeRows(
    absl::FunctionRef<void(const std::string& key, const std::string& row)> put) {
  if (absl::Status posted = PostSums(); !posted.ok()) return posted;
  books_.TakeChanges([&](const std::string& key, const std::string& row) {
    if (!IsCommitmentKey(key) && !IsPaymentKey(key) && !IsReversalKey(key)) put(key, row);
  });
  books_.EvictRows(0, last_ + 1);
  return absl::OkStatus();
}

}  // namespace denier::projections
