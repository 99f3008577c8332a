// Carry-overs (reports): asked for, granted or refused by an order, made available (LOLF art. 15).
#include "projections/calendar.h"
#include "services/rules/case.h"
#include "services/rules/dated_rules.h"

namespace denier::rules {
namespace {

using events::v1::CREDIT_KIND_CP;

// UNKNOWN_CARRYOVER; CARRYOVER_STATE unless it stands at `state`; WRONG_YEAR unless the command
// counts in the year after the credits' own.
Verdict FindCarryover(const Case& c, const std::string& carryover_id, v1::CarryoverState state,
                      const v1::Carryover*& found) {
  found = projections::FindCarryover(*c.agreement, carryover_id);
  if (found == nullptr) {
    return Refuse(v1::ERROR_REASON_UNKNOWN_CARRYOVER, "no such carry-over")
        .With("carryover_id", carryover_id);
  }
  if (found->state() != state) {
    return Refuse(v1::ERROR_REASON_CARRYOVER_STATE, "the carry-over is in another state")
        .With("carryover_id", carryover_id)
        .With("state", v1::CarryoverState_Name(found->state()));
  }
  if (c.year != found->from_year() + 1) {
    return Refuse(v1::ERROR_REASON_WRONG_YEAR, "a carry-over is decided in the following year")
        .With("fiscal_year", c.year)
        .With("from_year", found->from_year());
  }
  return std::nullopt;
}

Refusal Exceeded(const v1::Carryover& carryover, std::int64_t asked_cents,
                 std::int64_t available_cents) {
  return Refuse(v1::ERROR_REASON_CARRYOVER_EXCEEDED, "more than is left of the carry-over")
      .With("carryover_id", carryover.carryover_id())
      .With("asked_cents", asked_cents)
      .With("available_cents", available_cents);
}

// The order's day and the programme's cap, unless a finance act derogates. Assigned receipts follow
// their own rule (LOLF art. 15, III): no cap, no day.
Verdict CheckLimits(const Case& c, const v1::Carryover& carryover,
                    const v1::GrantCarryoverRequest& request) {
  if (carryover.assigned_receipts() || !request.derogation_reference().empty()) {
    return std::nullopt;
  }
  const DatedRules& dated = RulesOf(carryover.from_year());
  const int until = projections::DayOf(carryover.from_year() + 1, dated.carryover_until);
  if (c.day > until) {
    return Refuse(v1::ERROR_REASON_CARRYOVER_TOO_LATE, "the order comes too late")
        .With("effective_date", c.day)
        .With("until", until);
  }
  if (carryover.kind() != CREDIT_KIND_CP || dated.carryover_cap_per_mille == 0) return std::nullopt;
  const v1::YearStatus* year = projections::FindYear(*c.agreement, carryover.from_year());
  if (year == nullptr || year->programme_initial_cp_cents() == 0) {
    return Refuse(v1::ERROR_REASON_PROGRAMME_CREDITS_MISSING,
                  "the cap needs the programme's initial credits")
        .With("fiscal_year", carryover.from_year());
  }
  const std::int64_t cap_cents =
      static_cast<std::int64_t>(static_cast<__int128>(year->programme_initial_cp_cents()) *
                                dated.carryover_cap_per_mille / 1000);
  const std::int64_t left_cents = cap_cents - year->capped_carryover_cents();
  if (request.amount_cents() > left_cents) {
    return Refuse(v1::ERROR_REASON_CARRYOVER_CAP_EXCEEDED, "more than the programme's cap leaves")
        .With("asked_cents", request.amount_cents())
        .With("cap_cents", cap_cents)
        .With("available_cents", left_cents);
  }
  return std::nullopt;
}

}  // namespace

Verdict RequestCarryover(Case& c, const v1::RequestCarryoverRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDayOrBefore)) return wrong;
  if (auto wrong = CheckMandate(c, Mandate::kSettles)) return wrong;
  if (projections::FindCarryover(*c.agreement, request.carryover_id()) != nullptr) {
    return Taken("carryover_id", request.carryover_id());
  }
  auto& fact = *c.event.mutable_carryover_requested();
  fact.set_carryover_id(request.carryover_id());
  fact.set_envelope_id(request.envelope_id());
  fact.set_kind(request.kind());
  fact.set_from_year(c.year);
  fact.set_amount_cents(request.amount_cents());
  fact.set_assigned_receipts(request.assigned_receipts());
  return std::nullopt;
}

Verdict GrantCarryover(Case& c, const v1::GrantCarryoverRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  const v1::Carryover* carryover = nullptr;
  if (auto wrong =
          FindCarryover(c, request.carryover_id(), v1::CARRYOVER_STATE_REQUESTED, carryover)) {
    return wrong;
  }
  if (request.amount_cents() > carryover->requested_cents()) {
    return Exceeded(*carryover, request.amount_cents(), carryover->requested_cents());
  }
  if (auto wrong = CheckLimits(c, *carryover, request)) return wrong;
  auto& fact = *c.event.mutable_carryover_granted();
  fact.set_carryover_id(request.carryover_id());
  fact.set_envelope_id(carryover->envelope_id());
  fact.set_kind(carryover->kind());
  fact.set_from_year(carryover->from_year());
  fact.set_granted_cents(request.amount_cents());
  fact.set_lapsed_cents(carryover->requested_cents() - request.amount_cents());
  fact.set_order_reference(request.order_reference());
  fact.set_derogation_reference(request.derogation_reference());
  return std::nullopt;
}

Verdict RefuseCarryover(Case& c, const v1::RefuseCarryoverRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  const v1::Carryover* carryover = nullptr;
  if (auto wrong =
          FindCarryover(c, request.carryover_id(), v1::CARRYOVER_STATE_REQUESTED, carryover)) {
    return wrong;
  }
  auto& fact = *c.event.mutable_carryover_refused();
  fact.set_carryover_id(request.carryover_id());
  fact.set_envelope_id(carryover->envelope_id());
  fact.set_kind(carryover->kind());
  fact.set_from_year(carryover->from_year());
  fact.set_lapsed_cents(carryover->requested_cents());
  fact.set_act_reference(request.act_reference());
  return std::nullopt;
}

Verdict MakeCarryoverAvailable(Case& c, const v1::MakeCarryoverAvailableRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  const v1::Carryover* carryover = nullptr;
  if (auto wrong =
          FindCarryover(c, request.carryover_id(), v1::CARRYOVER_STATE_GRANTED, carryover)) {
    return wrong;
  }
  const std::int64_t left_cents = carryover->granted_cents() - carryover->available_cents();
  if (request.amount_cents() > left_cents) {
    return Exceeded(*carryover, request.amount_cents(), left_cents);
  }
  auto& fact = *c.event.mutable_carryover_made_available();
  fact.set_carryover_id(request.carryover_id());
  fact.set_envelope_id(carryover->envelope_id());
  fact.set_kind(carryover->kind());
  fact.set_from_year(carryover->from_year());
  fact.set_amount_cents(request.amount_cents());
  fact.set_act_reference(request.act_reference());
  return std::nullopt;
}

}  // namespace denier::rules
