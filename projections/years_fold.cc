#include "projections/years_fold.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "projections/moment.h"
#include "projections/row_keys.h"

namespace denier::projections {
namespace {

using store::Position;

absl::Status DoesNotFold(Position position, absl::string_view why) {
  return absl::DataLossError(
      absl::StrCat("the event at position ", position, " does not fold: ", why));
}

Books::RowReader ReaderOf(const QueryRows::Computed& snapshot, Books::RowReader envelopes) {
  return [&snapshot, envelopes = std::move(envelopes)](
             const std::string& key) -> absl::StatusOr<std::optional<std::string>> {
    if (IsEnvelopeKey(key)) {
      absl::StatusOr<std::optional<std::string>> envelope = envelopes(key);
      if (!envelope.ok() || envelope->has_value()) return envelope;
      return absl::DataLossError(absl::StrCat("there is no row ", key));
    }
    const auto found = snapshot.find(key);
    if (found == snapshot.end()) return std::nullopt;
    return found->second;
  };
}

}  // namespace

YearsFold::YearsFold(std::string agreement_id, const QueryRows::Computed& snapshot,
                     Books::RowReader envelopes)
    : agreement_id_(std::move(agreement_id)),
      books_(ReaderOf(snapshot, std::move(envelopes)), Books::History::kPartial) {}

absl::Status YearsFold::Add(std::string_view bytes, Position position) {
  if (!ReadMovement(bytes, movement_)) return FoldWhole(bytes, position);
  if (movement_.agreement_id != agreement_id_) return absl::OkStatus();
  if (movement_.fiscal_year != last_fiscal_year_) {
    last_fiscal_year_ = movement_.fiscal_year;
    books_.MarkYear(agreement_id_, movement_.fiscal_year, position);
  }
  postings_.clear();
  for (const MovedAmount& amount : movement_.amounts) Post(amount, postings_);
  absl::Status posted = books_.PostToBodies(agreement_id_, postings_, position);
  if (!books_.status().ok()) return books_.status();
  return posted.ok() ? posted : DoesNotFold(position, posted.message());
}

absl::Status YearsFold::FoldWhole(std::string_view bytes, Position position) {
  absl::Status folded = FoldIfCounts(bytes, position, agreement_id_, Moment(), event_, books_);
  if (!books_.status().ok()) return books_.status();
  if (folded.ok() && event_.has_plan_imported() && event_.agreement_id() == agreement_id_) {
    return DoesNotFold(position, "no snapshot follows the plan");
  }
  return folded;
}

absl::Status YearsFold::TakeRows(
    absl::FunctionRef<void(const std::string& key, const std::string& row)> put) {
  books_.ForEachYear(agreement_id_, put);
  return books_.status();
}

}  // namespace denier::projections
