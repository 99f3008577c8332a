// Credits opened, taken back, frozen, cancelled, moved. What an envelope has of them is checked for
// all commands alike, from the postings of the event (decide.cc).
#include <algorithm>

#include "services/rules/case.h"

namespace denier::rules {
namespace {

// What Deallocate, Freeze and Release have in common.
template <class Fact, class Request>
Verdict MoveCredits(Case& c, const Request& request, Fact& fact) {
  const v1::Envelope* envelope = nullptr;
  if (auto wrong = FindEnvelope(c, request.envelope_id(), envelope)) return wrong;
  fact.set_envelope_id(request.envelope_id());
  fact.set_ae_cents(request.ae_cents());
  fact.set_cp_cents(request.cp_cents());
  fact.set_act_reference(request.act_reference());
  return std::nullopt;
}

const events::v1::Ceiling* OfYear(const auto& ceilings, int year) {
  const auto it = std::ranges::find(ceilings, year, &events::v1::Ceiling::fiscal_year);
  return it == ceilings.end() ? nullptr : &*it;
}

}  // namespace

// The year's new credits, over all envelopes, stay below the ceiling (agreement, art. 5).
Verdict CheckCeiling(const Case& c, std::int64_t ae_cents, std::int64_t cp_cents) {
  const events::v1::Ceiling* ceiling = OfYear(c.agreement->ceilings(), c.year);
  const events::v1::Ceiling* opened = OfYear(c.agreement->opened(), c.year);
  if (ceiling == nullptr) {
    // Where carried-over credits were taken back, giving them back opens nothing new.
    if (opened != nullptr && opened->ae_cents() + ae_cents <= 0 &&
        opened->cp_cents() + cp_cents <= 0) {
      return std::nullopt;
    }
    return Refuse(v1::ERROR_REASON_CEILING_MISSING, "the year has no ceiling")
        .With("fiscal_year", c.year);
  }
  const std::int64_t ae_left = ceiling->ae_cents() - (opened == nullptr ? 0 : opened->ae_cents());
  const std::int64_t cp_left = ceiling->cp_cents() - (opened == nullptr ? 0 : opened->cp_cents());
  if (ae_cents > ae_left) {
    return Refuse(v1::ERROR_REASON_CEILING_EXCEEDED, "more AE than the ceiling leaves")
        .With("fiscal_year", c.year)
        .With("kind", "AE")
        .With("asked_cents", ae_cents)
        .With("available_cents", ae_left);
  }
  if (cp_cents > cp_left) {
    return Refuse(v1::ERROR_REASON_CEILING_EXCEEDED, "more CP than the ceiling leaves")
        .With("fiscal_year", c.year)
        .With("kind", "CP")
        .With("asked_cents", cp_cents)
        .With("available_cents", cp_left);
  }
  return std::nullopt;
}

Verdict Allocate(Case& c, const v1::AllocateRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  const v1::Envelope* envelope = nullptr;
  if (auto wrong = FindEnvelope(c, request.envelope_id(), envelope)) return wrong;
  if (auto wrong = CheckCeiling(c, request.ae_cents(), request.cp_cents())) return wrong;

  auto& fact = *c.event.mutable_credits_allocated();
  fact.set_envelope_id(request.envelope_id());
  fact.set_ae_cents(request.ae_cents());
  fact.set_cp_cents(request.cp_cents());
  fact.set_source(request.source());
  fact.set_act_reference(request.act_reference());
  // Early commitments of the year wait for its credits, and take them first.
  const std::int64_t waiting_cents =
      -c.balances(request.envelope_id(), c.year).total(Ledger::kAe, Account::kEarly);
  fact.set_ae_covering_early_cents(std::min(waiting_cents, request.ae_cents()));
  return std::nullopt;
}

Verdict Deallocate(Case& c, const v1::DeallocateRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  return MoveCredits(c, request, *c.event.mutable_credits_deallocated());
}

Verdict Freeze(Case& c, const v1::FreezeRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOpen)) return wrong;
  return MoveCredits(c, request, *c.event.mutable_credits_frozen());
}

Verdict Release(Case& c, const v1::ReleaseRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOpen)) return wrong;
  return MoveCredits(c, request, *c.event.mutable_credits_released());
}

Verdict Cancel(Case& c, const v1::CancelRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOfDay)) return wrong;
  const v1::Envelope* envelope = nullptr;
  if (auto wrong = FindEnvelope(c, request.envelope_id(), envelope)) return wrong;
  const projections::Balances& year = c.balances(request.envelope_id(), c.year);
  const std::int64_t ae_frozen =
      std::min(request.ae_cents(), year.total(Ledger::kAe, Account::kFrozen));
  const std::int64_t cp_frozen =
      std::min(request.cp_cents(), year.total(Ledger::kCp, Account::kFrozen));
  auto& fact = *c.event.mutable_credits_cancelled();
  fact.set_envelope_id(request.envelope_id());
  fact.set_ae_from_frozen_cents(ae_frozen);
  fact.set_ae_from_available_cents(request.ae_cents() - ae_frozen);
  fact.set_cp_from_frozen_cents(cp_frozen);
  fact.set_cp_from_available_cents(request.cp_cents() - cp_frozen);
  fact.set_decree_reference(request.decree_reference());
  return std::nullopt;
}

Verdict Transfer(Case& c, const v1::TransferRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOpen)) return wrong;
  const v1::Envelope* from = nullptr;
  const v1::Envelope* to = nullptr;
  if (auto wrong = FindEnvelope(c, request.from_envelope_id(), from)) return wrong;
  if (auto wrong = FindEnvelope(c, request.to_envelope_id(), to)) return wrong;
  if (from == to) return InvalidField("to_envelope_id", "is the giving envelope");
  auto& fact = *c.event.mutable_credits_transferred();
  fact.set_from_envelope_id(request.from_envelope_id());
  fact.set_to_envelope_id(request.to_envelope_id());
  fact.set_ae_cents(request.ae_cents());
  fact.set_cp_cents(request.cp_cents());
  fact.set_act_reference(request.act_reference());
  return std::nullopt;
}

}  // namespace denier::rules
