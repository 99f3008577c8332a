#include "projections/totals_fold.h"

#include <cstddef>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "projections/event_version.h"
#include "projections/row_keys.h"

namespace denier::projections {
namespace {

using store::Position;

// So much is summed up before it enters the books: bounds memory.
constexpr std::size_t kMostSums = 200'000;

std::uint32_t AccountNumber(const Posting& posting) {
  return static_cast<std::uint32_t>((static_cast<std::size_t>(posting.ledger) * kBases +
                                     static_cast<std::size_t>(posting.basis)) *
                                        kAccounts +
                                    static_cast<std::size_t>(posting.account));
}

// The place that AccountNumber numbers.
Posting OfAccount(std::uint32_t number) {
  Posting posting;
  posting.account = static_cast<Account>(number % kAccounts);
  posting.basis = static_cast<Basis>(number / kAccounts % kBases);
  posting.ledger = static_cast<Ledger>(number / kAccounts / kBases);
  return posting;
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
  const std::uint32_t agreement = NumberOf(movement.agreement_id);
  years_.emplace(agreement, movement.fiscal_year);
  const Posting* before = nullptr;
  Place place{};
  for (const Posting& posting : movement.postings) {
    // The views of one event mostly point to the same bytes.
    if (before == nullptr || posting.envelope_id.data() != before->envelope_id.data()) {
      place.envelope = NumberOf(posting.envelope_id);
    }
    if (before == nullptr || posting.product_id.data() != before->product_id.data()) {
      place.product = NumberOf(posting.product_id);
    }
    before = &posting;
    place.agreement = agreement;
    place.fiscal_year = posting.fiscal_year;
    place.origin_year = posting.origin_year;
    place.account = AccountNumber(posting);
    std::int64_t& sum = sums_[place];
    if (__builtin_add_overflow(sum, posting.cents, &sum)) {
      return absl::DataLossError(absl::StrCat("the event at position ", position,
                                              " does not fold: a balance would pass 64 bits"));
    }
  }
  return sums_.size() < kMostSums ? absl::OkStatus() : PostSums();
}

absl::Status TotalsFold::PostSums() {
  for (const auto& [agreement, year] : years_) books_.MarkYear(names_[agreement], year, last_);
  for (const auto& [place, cents] : sums_) {
    Posting posting = OfAccount(place.account);
    posting.envelope_id = names_[place.envelope];
    posting.product_id = names_[place.product];
    posting.fiscal_year = place.fiscal_year;
    posting.origin_year = place.origin_year;
    posting.cents = cents;
    if (absl::Status posted = books_.PostSum(names_[place.agreement], posting, last_);
        !posted.ok()) {
      return absl::DataLossError(absl::StrCat("the events before position ", last_ + 1,
                                              " do not fold: ", posted.message()));
    }
  }
  years_.clear();
  sums_.clear();
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

std::uint32_t TotalsFold::NumberOf(std::string_view name) {
  const absl::string_view key(name.data(), name.size());
  const auto found = numbers_.find(key);
  if (found != numbers_.end()) return found->second;
  const auto number = static_cast<std::uint32_t>(names_.size());
  names_.emplace_back(name);
  numbers_.emplace(name, number);
  return number;
}

}  // namespace denier::projections
