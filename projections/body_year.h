// The sums of all envelopes that one body manages in one agreement and budget year: what the yearly
// execution is made from. Books keep them beside the envelopes' balances, posting by posting, so
// that a report costs the same for three envelopes and for three thousand.
#ifndef DENIER_PROJECTIONS_BODY_YEAR_H_
#define DENIER_PROJECTIONS_BODY_YEAR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "denier/events/v1/types.pb.h"
#include "projections/posting.h"

namespace denier::projections {

// A plain value, all zero at first. Amounts in cents.
class BodyYear {
 public:
  std::int64_t total(Ledger ledger, Account account, Basis basis = Basis::kActual) const {
    return totals_[Index(ledger, basis, account)];
  }
  // What the plans' lines state; 0 without a plan.
  bool has_plan() const { return has_plan_; }
  std::int64_t stated_ae() const { return stated_ae_; }
  std::int64_t stated_cp() const { return stated_cp_; }
  std::int64_t stated_outstanding() const { return stated_outstanding_; }

  // Both: OUT_OF_RANGE when a sum would pass 64 bits; it is undefined then.
  absl::Status Add(const Posting& posting);
  // Puts `line` into the plan instead of `before`, an empty line where there was none.
  absl::Status ReplacePlan(const events::v1::PlanLine& before, const events::v1::PlanLine& line);

  // views::v1::BodyYear.
  std::string Serialize() const;
  bool Parse(const std::string& row);

 private:
  static std::size_t Index(Ledger ledger, Basis basis, Account account) {
    return (static_cast<std::size_t>(ledger) * kBases + static_cast<std::size_t>(basis)) *
               kAccounts +
           static_cast<std::size_t>(account);
  }

  std::array<std::int64_t, kLedgers * kBases * kAccounts> totals_{};
  bool has_plan_ = false;
  std::int64_t stated_ae_ = 0, stated_cp_ = 0, stated_outstanding_ = 0;
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_BODY_YEAR_H_
