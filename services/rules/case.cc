#include "services/rules/case.h"

#include <algorithm>

#include "projections/calendar.h"
#include "services/rules/dated_rules.h"

namespace denier::rules {
namespace {

using projections::DayOf;
using projections::YearOf;

bool Fits(const Case& c, Period period) {
  const int year_of_day = YearOf(c.day);
  if (c.year == year_of_day) return true;
  const bool late = c.header.has_late_entry() && c.year < year_of_day;
  switch (period) {
    case Period::kOpen:
    case Period::kPayment:
      return false;
    case Period::kOfDay:
      return late;
    case Period::kOfDayOrNext:
      return late || c.year == year_of_day + 1;
    case Period::kOfDayOrBefore:
      return late || c.year == year_of_day - 1;
    case Period::kRegularisation:
      return late || (c.year == year_of_day - 1 &&
                      c.day <= DayOf(year_of_day, RulesOf(c.year).regularisation_until));
    case Period::kAnyUntilDay:
      return c.year < year_of_day;
  }
  return false;
}

}  // namespace

Verdict CheckYear(const Case& c, Period period) {
  if (!Fits(c, period)) {
    return Refuse(v1::ERROR_REASON_WRONG_YEAR, "the effective day is not in the budget year")
        .With("fiscal_year", c.year)
        .With("effective_date", c.day);
  }
  const bool closed = c.agreement != nullptr && projections::IsClosed(*c.agreement, c.year);
  if (closed && (!c.header.has_late_entry() || period == Period::kOpen)) {
    return Refuse(v1::ERROR_REASON_YEAR_CLOSED, "the year is closed").With("fiscal_year", c.year);
  }
  if (!closed && c.header.has_late_entry()) {
    return InvalidField("header.late_entry", "is for a closed year; this one is open");
  }
  return std::nullopt;
}

Verdict CheckMandate(const Case& c, Mandate mandate) {
  if (c.actor.body_id() != c.agreement->managing_body().body_id()) return std::nullopt;
  const auto& terms = c.agreement->terms();
  const bool in_force = std::ranges::any_of(terms, [&](const auto& term) {
    return term.valid_from() <= c.day && c.day <= term.valid_until();
  });
  if (in_force) return std::nullopt;
  const bool begun =
      std::ranges::any_of(terms, [&](const auto& term) { return term.valid_from() <= c.day; });
  if (begun && mandate == Mandate::kSettles &&
      c.agreement->after_term() != events::v1::AFTER_TERM_DELEGATING_BODY_TAKES_OVER) {
    return std::nullopt;
  }
  int until = 0;
  for (const auto& term : terms) until = std::max(until, term.valid_until());
  return Refuse(v1::ERROR_REASON_MANDATE_EXPIRED, "the mandate is not in force on the day")
      .With("effective_date", c.day)
      .With("valid_until", until);
}

Verdict FindEnvelope(const Case& c, const std::string& envelope_id, const v1::Envelope*& found) {
  found = c.books.FindEnvelope(c.agreement_id(), envelope_id);
  if (found != nullptr) return std::nullopt;
  return Refuse(v1::ERROR_REASON_UNKNOWN_ENVELOPE, "no such envelope")
      .With("envelope_id", envelope_id);
}

Verdict FindLine(const Case& c, const std::string& commitment_id, const std::string& line_id,
                 const v1::CommitmentLineState*& found) {
  const v1::Commitment* commitment = c.books.FindCommitment(c.agreement_id(), commitment_id);
  if (commitment == nullptr) {
    return Refuse(v1::ERROR_REASON_UNKNOWN_COMMITMENT, "no such commitment")
        .With("commitment_id", commitment_id);
  }
  found = projections::FindLine(*commitment, line_id);
  if (found != nullptr && !found->reversed()) return std::nullopt;
  return Refuse(v1::ERROR_REASON_UNKNOWN_LINE, "no such commitment line")
      .With("commitment_id", commitment_id)
      .With("line_id", line_id);
}

Verdict FindPayment(const Case& c, const std::string& payment_request_id,
                    const v1::PaymentRequest*& found) {
  found = c.books.FindPayment(c.agreement_id(), payment_request_id);
  if (found != nullptr) return std::nullopt;
  return Refuse(v1::ERROR_REASON_UNKNOWN_PAYMENT_REQUEST, "no such payment request")
      .With("payment_request_id", payment_request_id);
}

Verdict CheckProduct(const Case& c, const std::string& product_id) {
  if (product_id.empty() || std::ranges::any_of(c.agreement->products(), [&](const auto& product) {
        return product.product_id() == product_id;
      })) {
    return std::nullopt;
  }
  return Refuse(v1::ERROR_REASON_UNKNOWN_PRODUCT, "no such product").With("product_id", product_id);
}

std::int64_t RestOf(const v1::CommitmentLineState& line) {
  return line.outstanding_cents() - line.requested_cents();
}

std::int64_t UncertifiedOf(const v1::CommitmentLineState& line) {
  return line.engaged_cents() + line.corrected_cents() - line.withdrawn_cents() -
         line.certified_cents();
}

Refusal RestExceeded(const v1::CommitmentLineState& line, std::int64_t asked_cents,
                     std::int64_t rest_cents) {
  return Refuse(v1::ERROR_REASON_REST_EXCEEDED, "more than the line's rest")
      .With("line_id", line.line_id())
      .With("asked_cents", asked_cents)
      .With("rest_cents", rest_cents);
}

bool CanTakeBack(const v1::CommitmentLineState& line, events::v1::PaymentType type,
                 std::int64_t gross_cents, std::int64_t retained_cents) {
  if (type == events::v1::PAYMENT_TYPE_ADVANCE) return line.advance_open_cents() >= gross_cents;
  return line.retained_open_cents() >= retained_cents;
}

Refusal Taken(std::string_view what, std::string_view identifier) {
  return Refuse(v1::ERROR_REASON_IDENTIFIER_TAKEN, "the identifier is taken")
      .With(what, identifier);
}

}  // namespace denier::rules
