#include "projections/body_year.h"

#include "absl/numeric/int128.h"
#include "denier/views/v1/rows.pb.h"

namespace denier::projections {
namespace {

absl::Status TooMuch() {
  return absl::OutOfRangeError("the sum of a body's year would pass 64 bits of cents");
}

// sum + added - removed, if it fits.
bool Move(std::int64_t& sum, std::int64_t removed, std::int64_t added) {
  const absl::int128 moved = absl::int128(sum) + added - removed;
  sum = static_cast<std::int64_t>(moved);
  return moved == sum;
}

}  // namespace

absl::Status BodyYear::Add(const Posting& posting) {
  std::int64_t& total = totals_[Index(posting.ledger, posting.basis, posting.account)];
  return __builtin_add_overflow(total, posting.cents, &total) ? TooMuch() : absl::OkStatus();
}

absl::Status BodyYear::ReplacePlan(const events::v1::PlanLine& before,
                                   const events::v1::PlanLine& line) {
  has_plan_ = true;
  const bool fits = Move(stated_ae_, before.ae_cents(), line.ae_cents()) &&
                    Move(stated_cp_, before.cp_cents(), line.cp_cents()) &&
                    Move(stated_outstanding_, before.outstanding_cents(), line.outstanding_cents());
  return fits ? absl::OkStatus() : TooMuch();
}

std::string BodyYear::Serialize() const {
  views::v1::BodyYear row;
  for (std::size_t i = 0; i < totals_.size(); ++i) {
    if (totals_[i] == 0) continue;
    auto* cell = row.add_cells();
    cell->set_ledger(static_cast<int>(i / (kBases * kAccounts)));
    cell->set_basis(static_cast<int>(i / kAccounts % kBases));
    cell->set_account(static_cast<int>(i % kAccounts));
    cell->set_cents(totals_[i]);
  }
  row.set_has_plan(has_plan_);
  row.set_stated_ae_cents(stated_ae_);
  row.set_stated_cp_cents(stated_cp_);
  row.set_stated_outstanding_cents(stated_outstanding_);
  return row.SerializeAsString();
}

bool BodyYear::Parse(const std::string& bytes) {
  views::v1::BodyYear row;
  if (!row.ParseFromString(bytes)) return false;
  *this = BodyYear();
  const auto below = [](int value, std::size_t count) {
    return value >= 0 && static_cast<std::size_t>(value) < count;
  };
  for (const auto& cell : row.cells()) {
    if (!below(cell.ledger(), kLedgers) || !below(cell.basis(), kBases) ||
        !below(cell.account(), kAccounts)) {
      return false;
    }
    totals_[Index(static_cast<Ledger>(cell.ledger()), static_cast<Basis>(cell.basis()),
                  static_cast<Account>(cell.account()))] = cell.cents();
  }
  has_plan_ = row.has_plan();
  stated_ae_ = row.stated_ae_cents();
  stated_cp_ = row.stated_cp_cents();
  stated_outstanding_ = row.stated_outstanding_cents();
  return true;
}

}  // namespace denier::projections
