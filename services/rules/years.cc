// Closing a year over the whole agreement, and opening it again.
#include <algorithm>

#include "projections/calendar.h"
#include "services/rules/case.h"

namespace denier::rules {

Verdict CloseYear(Case& c, const v1::CloseYearRequest& request) {
  if (auto wrong = CheckYear(c, Period::kAnyUntilDay)) return wrong;
  if (projections::IsClosed(*c.agreement, c.year)) {
    return Refuse(v1::ERROR_REASON_YEAR_CLOSED, "the year is closed").With("fiscal_year", c.year);
  }
  if (c.day < projections::DayOf(c.year, 1231)) {
    return Refuse(v1::ERROR_REASON_CLOSING_ORDER, "the year has not ended")
        .With("fiscal_year", c.year)
        .With("effective_date", c.day);
  }
  for (const auto& year : c.agreement->years()) {
    if (year.fiscal_year() < c.year && !year.closed()) {
      return Refuse(v1::ERROR_REASON_CLOSING_ORDER, "an earlier year is open")
          .With("fiscal_year", c.year)
          .With("open_year", year.fiscal_year());
    }
  }
  auto& fact = *c.event.mutable_year_closed();
  fact.set_approved_by(request.approved_by());
  for (const std::string& envelope_id : c.agreement->envelope_ids()) {
    const projections::Balances& year = c.balances(envelope_id, c.year);
    if (year.total(Ledger::kAe, Account::kEarly) != 0) {
      return Refuse(v1::ERROR_REASON_CLOSING_ORDER, "early commitments wait for credits")
          .With("envelope_id", envelope_id)
          .With("early_cents", -year.total(Ledger::kAe, Account::kEarly));
    }
    events::v1::ClosingLine line;
    line.set_ae_available_cents(year.total(Ledger::kAe, Account::kAvailable));
    line.set_ae_frozen_cents(year.total(Ledger::kAe, Account::kFrozen));
    line.set_cp_available_cents(year.total(Ledger::kCp, Account::kAvailable));
    line.set_cp_frozen_cents(year.total(Ledger::kCp, Account::kFrozen));
    line.set_cp_held_cents(year.total(Ledger::kCp, Account::kHeld));
    if (line.ByteSizeLong() == 0) continue;  // nothing lapses here
    line.set_envelope_id(envelope_id);
    *fact.add_lines() = line;
  }
  return std::nullopt;
}

Verdict ReopenYear(Case& c, const v1::ReopenYearRequest& request) {
  if (c.year > projections::YearOf(c.day)) return CheckYear(c, Period::kAnyUntilDay);
  const bool later_closed = std::ranges::any_of(c.agreement->years(), [&](const auto& year) {
    return year.fiscal_year() > c.year && year.closed();
  });
  if (!projections::IsClosed(*c.agreement, c.year) || later_closed) {
    return Refuse(v1::ERROR_REASON_CLOSING_ORDER, "only the last closed year is opened again")
        .With("fiscal_year", c.year);
  }
  auto& fact = *c.event.mutable_year_reopened();
  fact.set_approved_by(request.approved_by());
  fact.set_reason_reference(request.reason_reference());
  for (const std::string& envelope_id : c.agreement->envelope_ids()) {
    const v1::Envelope* envelope = c.books.FindEnvelope(c.agreement_id(), envelope_id);
    const auto closed =
        std::ranges::find(envelope->closed(), c.year, &v1::ClosedBalance::fiscal_year);
    if (closed == envelope->closed().end()) continue;
    // Late entries may have drawn on what had lapsed.
    const projections::Balances& year = c.balances(envelope_id, c.year);
    auto& line = *fact.add_lines();
    line.set_envelope_id(envelope_id);
    line.set_ae_available_cents(
        std::min(closed->ae_lapsed_cents(), year.total(Ledger::kAe, Account::kLapsed)));
    line.set_cp_available_cents(
        std::min(closed->cp_lapsed_cents(), year.total(Ledger::kCp, Account::kLapsed)));
  }
  return std::nullopt;
}

}  // namespace denier::rules
