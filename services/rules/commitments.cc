// Commitments (engagements juridiques): opened, increased, withdrawn, certified, corrected.
#include <algorithm>
#include <set>

#include "projections/calendar.h"
#include "services/rules/case.h"
#include "services/rules/dated_rules.h"

namespace denier::rules {
namespace {

using projections::DayOf;
using projections::YearOf;

// An early commitment uses the next year's credits before they are open.
Verdict CheckEarly(const Case& c, const v1::Envelope& envelope, std::int64_t sum_cents) {
  const int current_year = YearOf(c.day);
  const DatedRules& dated = RulesOf(current_year);
  const auto refuse = [&](std::string_view why) {
    return Refuse(v1::ERROR_REASON_EARLY_COMMITMENT, why)
        .With("fiscal_year", c.year)
        .With("effective_date", c.day);
  };
  if (c.day < DayOf(current_year, dated.early_from)) {
    return refuse("early commitments begin on 1 November");
  }
  if (c.balances(envelope.envelope_id(), c.year).total(Ledger::kAe, Account::kSource) != 0) {
    return refuse("the year's credits are open: commit in the year itself");
  }
  const std::int64_t opened_cents =
      -c.balances(envelope.envelope_id(), current_year).total(Ledger::kAe, Account::kSource);
  const std::int64_t cap_cents = static_cast<std::int64_t>(static_cast<__int128>(opened_cents) *
                                                           dated.early_cap_per_mille / 1000);
  std::int64_t used_cents = 0;
  for (const auto& early : envelope.early()) {
    if (early.fiscal_year() == c.year) used_cents = early.amount_cents();
  }
  if (sum_cents > cap_cents - used_cents) {
    return refuse("more than a quarter of the year's credits")
        .With("asked_cents", sum_cents)
        .With("available_cents", cap_cents - used_cents);
  }
  return std::nullopt;
}

// The controller's visa (GBCP art. 103), from the threshold in force on the day.
Verdict CheckVisa(const Case& c, const v1::EngageRequest& request, std::int64_t sum_cents) {
  const events::v1::VisaThreshold* in_force = nullptr;
  for (const auto& threshold : c.agreement->visa_thresholds()) {
    if (threshold.applies_from() <= c.day &&
        (in_force == nullptr || threshold.applies_from() >= in_force->applies_from())) {
      in_force = &threshold;
    }
  }
  if (in_force == nullptr || sum_cents < in_force->amount_cents() ||
      !request.visa_reference().empty()) {
    return std::nullopt;
  }
  return Refuse(v1::ERROR_REASON_VISA_MISSING, "the commitment needs the controller's visa")
      .With("asked_cents", sum_cents)
      .With("threshold_cents", in_force->amount_cents())
      .With("act_reference", in_force->act_reference());
}

Verdict CheckLine(const Case& c, const events::v1::CommitmentLine& line,
                  const v1::Commitment* commitment, std::set<std::string>& seen) {
  if (!seen.insert(line.line_id()).second ||
      (commitment != nullptr && projections::FindLine(*commitment, line.line_id()) != nullptr)) {
    return Taken("line_id", line.line_id());
  }
  if (auto wrong = CheckProduct(c, line.product_id())) return wrong;
  __int128 scheduled = 0;
  for (const auto& payment : line.schedule()) {
    if (payment.fiscal_year() < c.year) {
      return InvalidField("lines.schedule", "begins before the commitment");
    }
    scheduled += payment.amount_cents();
  }
  if (scheduled > line.amount_cents()) {
    return InvalidField("lines.schedule", "is more than the line");
  }
  return std::nullopt;
}

// Engaging never reserves CP: a schedule that CP open by then cannot bear is a remark.
bool ScheduleExceedsCp(const Case& c, const v1::EngageRequest& request) {
  std::map<int, __int128> asked;
  for (const auto& line : request.lines()) {
    for (const auto& payment : line.schedule())
      asked[payment.fiscal_year()] += payment.amount_cents();
  }
  return std::ranges::any_of(asked, [&](const auto& year) {
    const projections::Balances& balances = c.balances(request.envelope_id(), year.first);
    // Nothing is known yet of later years whose credits are not open.
    const bool open = year.first == c.year || balances.total(Ledger::kCp, Account::kSource) != 0;
    return open && year.second > balances.total(Ledger::kCp, Account::kAvailable);
  });
}

}  // namespace

Verdict ImportOpening(Case& c, const v1::ImportOpeningRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  const v1::Envelope* envelope = nullptr;
  if (auto wrong = FindEnvelope(c, request.envelope_id(), envelope)) return wrong;
  if (c.books.FindCommitment(c.agreement_id(), request.commitment_id()) != nullptr) {
    return Taken("commitment_id", request.commitment_id());
  }
  const auto closed = [&](int year) -> Verdict {
    if (!projections::IsClosed(*c.agreement, year)) return std::nullopt;
    return Refuse(v1::ERROR_REASON_YEAR_CLOSED, "the year is closed").With("fiscal_year", year);
  };
  std::set<std::string> lines;
  std::set<std::string> payments;
  for (const auto& line : request.lines()) {
    if (!lines.insert(line.line_id()).second) return Taken("line_id", line.line_id());
    if (auto wrong = CheckProduct(c, line.product_id())) return wrong;
    if (line.origin_year() >= c.year) {
      return InvalidField("lines.origin_year", "is not before the year of the import");
    }
    if (auto wrong = closed(line.origin_year())) return wrong;
    std::int64_t paid_cents = 0;
    for (const auto& payment : line.payments()) {
      if (!payments.insert(payment.payment_id()).second ||
          c.books.FindPayment(c.agreement_id(), payment.payment_id()) != nullptr) {
        return Taken("payment_id", payment.payment_id());
      }
      const int paid_year = YearOf(payment.paid_date());
      if (payment.paid_date() > c.day || paid_year < line.origin_year()) {
        return InvalidField("lines.payments.paid_date", "is before the line, or after the import");
      }
      if (auto wrong = closed(paid_year)) return wrong;
      paid_cents += payment.amount_cents();
    }
    const std::int64_t owed_cents = line.engaged_cents() - line.withdrawn_cents();
    if (line.certified_cents() > owed_cents) {
      return InvalidField("lines.certified_cents", "is more than engaged less withdrawn");
    }
    if (paid_cents > line.certified_cents()) {
      return InvalidField("lines.payments", "are more than the service fait");
    }
  }
  auto& fact = *c.event.mutable_opening_imported();
  fact.set_envelope_id(request.envelope_id());
  fact.set_commitment_id(request.commitment_id());
  *fact.mutable_references() = request.references();
  *fact.mutable_lines() = request.lines();
  return std::nullopt;
}

Verdict CorrectOpening(Case& c, const v1::CorrectOpeningRequest& request) {
  if (auto wrong = CheckYear(c, Period::kRegularisation)) return wrong;
  const v1::CommitmentLineState* line = nullptr;
  if (auto wrong = FindLine(c, request.commitment_id(), request.line_id(), line)) return wrong;
  if (line->origin_year() >= c.year) {
    return Refuse(v1::ERROR_REASON_NOT_CORRECTABLE, "the line is of the year: withdraw or engage")
        .With("line_id", line->line_id())
        .With("origin_year", line->origin_year());
  }
  const std::int64_t uncertified_cents = UncertifiedOf(*line);
  const std::int64_t rest_cents = std::min(RestOf(*line), uncertified_cents);
  if (-request.change_cents() > rest_cents) {
    return RestExceeded(*line, -request.change_cents(), rest_cents);
  }
  auto& fact = *c.event.mutable_opening_corrected();
  fact.set_commitment_id(request.commitment_id());
  fact.set_line_id(request.line_id());
  fact.set_envelope_id(line->envelope_id());
  fact.set_origin_year(line->origin_year());
  fact.set_product_id(line->product_id());
  fact.set_change_cents(request.change_cents());
  fact.set_reason_reference(request.reason_reference());
  return std::nullopt;
}

Verdict Engage(Case& c, const v1::EngageRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDayOrNext)) return wrong;
  if (auto wrong = CheckMandate(c, Mandate::kCommits)) return wrong;
  const v1::Envelope* envelope = nullptr;
  if (auto wrong = FindEnvelope(c, request.envelope_id(), envelope)) return wrong;
  const v1::Commitment* commitment =
      c.books.FindCommitment(c.agreement_id(), request.commitment_id());
  if (commitment != nullptr && request.references().ByteSizeLong() != 0) {
    return InvalidField("references", "go with a new commitment only");
  }
  std::int64_t sum_cents = 0;
  std::set<std::string> seen;
  for (const auto& line : request.lines()) {
    if (auto wrong = CheckLine(c, line, commitment, seen)) return wrong;
    sum_cents += line.amount_cents();  // at most 1,000 lines of a bounded amount
  }
  const bool early = c.year > YearOf(c.day);
  if (early) {
    if (c.header.has_late_entry()) {
      return InvalidField("header.late_entry", "a year that has not begun takes no late entry");
    }
    if (auto wrong = CheckEarly(c, *envelope, sum_cents)) return wrong;
  }
  if (auto wrong = CheckVisa(c, request, sum_cents)) return wrong;
  if (ScheduleExceedsCp(c, request)) {
    c.event.add_warnings(events::v1::WARNING_SCHEDULE_EXCEEDS_CP);
  }

  auto& fact = *c.event.mutable_engaged();
  fact.set_commitment_id(request.commitment_id());
  fact.set_envelope_id(request.envelope_id());
  *fact.mutable_lines() = request.lines();
  fact.set_opens_commitment(commitment == nullptr);
  if (commitment == nullptr) *fact.mutable_references() = request.references();
  fact.set_visa_reference(request.visa_reference());
  fact.set_early(early);
  return std::nullopt;
}

Verdict Withdraw(Case& c, const v1::WithdrawRequest& request) {
  if (auto wrong = CheckYear(c, Period::kRegularisation)) return wrong;
  if (auto wrong = CheckMandate(c, Mandate::kSettles)) return wrong;
  const v1::CommitmentLineState* line = nullptr;
  if (auto wrong = FindLine(c, request.commitment_id(), request.line_id(), line)) return wrong;
  if (line->origin_year() > c.year) {
    return Refuse(v1::ERROR_REASON_WRONG_YEAR, "the line is of a later year")
        .With("origin_year", line->origin_year());
  }
  // What was delivered is owed, and what was requested is being paid: neither can be given up.
  const std::int64_t uncertified_cents = UncertifiedOf(*line);
  const std::int64_t rest_cents = std::min(RestOf(*line), uncertified_cents);
  if (request.amount_cents() > rest_cents) {
    return RestExceeded(*line, request.amount_cents(), rest_cents);
  }

  auto& fact = *c.event.mutable_withdrawn();
  fact.set_commitment_id(request.commitment_id());
  fact.set_line_id(request.line_id());
  fact.set_envelope_id(line->envelope_id());
  fact.set_origin_year(line->origin_year());
  fact.set_product_id(line->product_id());
  fact.set_reason_reference(request.reason_reference());
  // An imported line consumed no AE of ours: none come back, not even in its own year.
  if (line->origin_year() == c.year && !line->imported()) {
    const std::int64_t waiting_cents =
        -c.balances(line->envelope_id(), c.year).total(Ledger::kAe, Account::kEarly);
    fact.set_early_cents(std::min(waiting_cents, request.amount_cents()));
    fact.set_freed_cents(request.amount_cents() - fact.early_cents());
    return std::nullopt;
  }
  const v1::YearStatus* year = projections::FindYear(*c.agreement, c.year);
  const std::int64_t basis_cents =
      year == nullptr ? 0 : year->recycling_basis_cents() - year->recycling_used_cents();
  fact.set_recycled_cents(std::min(basis_cents, request.amount_cents()));
  fact.set_unavailable_cents(request.amount_cents() - fact.recycled_cents());
  return std::nullopt;
}

Verdict CertifyService(Case& c, const v1::CertifyServiceRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  if (auto wrong = CheckMandate(c, Mandate::kSettles)) return wrong;
  const v1::CommitmentLineState* line = nullptr;
  if (auto wrong = FindLine(c, request.commitment_id(), request.line_id(), line)) return wrong;
  const std::int64_t uncertified_cents = UncertifiedOf(*line);
  if (request.amount_cents() > uncertified_cents) {
    return Refuse(v1::ERROR_REASON_CERTIFICATION_EXCEEDED, "more than the line holds")
        .With("line_id", line->line_id())
        .With("asked_cents", request.amount_cents())
        .With("available_cents", uncertified_cents);
  }
  auto& fact = *c.event.mutable_service_certified();
  fact.set_commitment_id(request.commitment_id());
  fact.set_line_id(request.line_id());
  fact.set_amount_cents(request.amount_cents());
  fact.set_certificate_reference(request.certificate_reference());
  return std::nullopt;
}

}  // namespace denier::rules
