// What puts right: reinstatement (rétablissement de crédits), reimputation, reversal
// (contre-passation). Nothing is edited: each is an entry of its own, booked in the year of the
// command.
#include <algorithm>

#include "projections/calendar.h"
#include "services/rules/case.h"
#include "services/rules/permissions.h"

namespace denier::rules {
namespace {

Refusal NotReversible(std::string_view why) { return Refuse(v1::ERROR_REASON_NOT_REVERSIBLE, why); }

Refusal NotReimputable(std::string_view why) {
  return Refuse(v1::ERROR_REASON_NOT_REIMPUTABLE, why);
}

// AE that an envelope used early are not its own to give back before its credits are open.
bool GivesBackWhatWaits(const Case& c, const events::v1::Reimputed& fact,
                        const std::string& giving_envelope_id) {
  return fact.moves_available() && fact.payment_request_id().empty() &&
         fact.from_envelope_id() != fact.to_envelope_id() &&
         c.balances(giving_envelope_id, c.year).total(Ledger::kAe, Account::kEarly) != 0;
}

Verdict ReimputeLine(Case& c, const v1::ReimputeRequest& request, events::v1::Reimputed& fact) {
  const v1::CommitmentLineState* line = nullptr;
  if (auto wrong = FindLine(c, request.commitment_id(), request.line_id(), line)) return wrong;
  fact.set_commitment_id(request.commitment_id());
  fact.set_line_id(request.line_id());
  fact.set_from_envelope_id(line->envelope_id());
  fact.set_from_product_id(line->product_id());
  fact.set_origin_year(line->origin_year());
  fact.set_consumed_cents(line->engaged_cents() - line->withdrawn_cents());
  fact.set_outstanding_cents(line->outstanding_cents());
  fact.set_moves_available(line->origin_year() == c.year && !line->imported());
  if (line->origin_year() > c.year) return NotReimputable("the line is of a later year");
  return std::nullopt;
}

Verdict ReimputePayment(Case& c, const v1::ReimputeRequest& request, events::v1::Reimputed& fact) {
  const v1::PaymentRequest* payment = nullptr;
  if (auto wrong = FindPayment(c, request.payment_request_id(), payment)) return wrong;
  if (payment->state() != v1::PAYMENT_STATE_PAID ||
      payment->type() == events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT) {
    return NotReimputable("only what was paid on a commitment line moves")
        .With("payment_request_id", payment->payment_request_id())
        .With("state", v1::PaymentState_Name(payment->state()));
  }
  fact.set_payment_request_id(request.payment_request_id());
  fact.set_from_envelope_id(payment->paying_envelope_id());
  fact.set_from_product_id(payment->product_id());
  fact.set_origin_year(payment->origin_year());
  fact.set_consumed_cents(payment->net_cents() - payment->reinstated_cents());
  fact.set_moves_available(payment->paid_year() == c.year);
  return std::nullopt;
}

// What an envelope or a line had on the original's account is still there to be undone.
Verdict CheckEngaged(Case& c, const Event& original, events::v1::Reversed& fact) {
  const auto& engaged = original.engaged();
  std::int64_t sum_cents = 0;
  for (const auto& made : engaged.lines()) {
    const v1::CommitmentLineState* line = nullptr;
    if (auto wrong = FindLine(c, engaged.commitment_id(), made.line_id(), line)) return wrong;
    const bool untouched =
        line->engaged_cents() == made.amount_cents() && line->certified_cents() == 0 &&
        line->paid_cents() == 0 && line->requested_cents() == 0 && line->withdrawn_cents() == 0 &&
        line->corrected_cents() == 0 && line->advance_open_cents() == 0 &&
        line->envelope_id() == engaged.envelope_id() && line->product_id() == made.product_id();
    if (!untouched) {
      return NotReversible("other entries rest on the line: withdraw what is left")
          .With("line_id", made.line_id());
    }
    sum_cents += made.amount_cents();
  }
  const std::int64_t waiting_cents =
      -c.balances(engaged.envelope_id(), c.year).total(Ledger::kAe, Account::kEarly);
  fact.set_early_cents(std::min(waiting_cents, sum_cents));
  return std::nullopt;
}

Verdict CheckPaid(const Case& c, const Event& original) {
  const auto& paid = original.paid();
  const v1::PaymentRequest* payment = nullptr;
  const v1::CommitmentLineState* line = nullptr;
  if (auto wrong = FindPayment(c, paid.payment_request_id(), payment)) return wrong;
  if (auto wrong = FindLine(c, paid.commitment_id(), paid.line_id(), line)) return wrong;
  if (payment->state() != v1::PAYMENT_STATE_PAID || payment->reinstated_cents() != 0 ||
      payment->paying_envelope_id() != paid.paying_envelope_id() ||
      payment->product_id() != paid.product_id() ||
      line->envelope_id() != paid.line_envelope_id() || line->product_id() != paid.product_id() ||
      !CanTakeBack(*line, paid.type(), paid.gross_cents(), paid.retained_cents())) {
    return NotReversible("other entries rest on the payment")
        .With("payment_request_id", paid.payment_request_id());
  }
  return std::nullopt;
}

// A refund is undone where it was entered: its AE and CP are in the envelopes of that day.
Verdict CheckReinstated(const Case& c, const Event& original) {
  const auto& reinstated = original.reinstated();
  const v1::PaymentRequest* payment = nullptr;
  if (auto wrong = FindPayment(c, reinstated.payment_request_id(), payment)) return wrong;
  bool stands = payment->paying_envelope_id() == reinstated.cp_envelope_id();
  if (!reinstated.commitment_id().empty()) {
    const v1::CommitmentLineState* line = nullptr;
    if (auto wrong = FindLine(c, reinstated.commitment_id(), reinstated.line_id(), line)) {
      return wrong;
    }
    stands = stands && line->envelope_id() == reinstated.ae_envelope_id() &&
             line->product_id() == reinstated.product_id();
  }
  if (stands) return std::nullopt;
  return NotReversible("the line or the payment was reimputed since")
      .With("payment_request_id", reinstated.payment_request_id());
}

// Whether what stands on the original still lets it be undone; fills what the opposite needs to
// know.
Verdict CheckOriginal(Case& c, const Event& original, events::v1::Reversed& fact) {
  switch (original.fact_case()) {
    case Event::kCreditsDeallocated:
      return CheckCeiling(c, original.credits_deallocated().ae_cents(),
                          original.credits_deallocated().cp_cents());
    case Event::kCreditsFrozen:
    case Event::kCreditsReleased:
      if (!c.header.has_late_entry()) return std::nullopt;
      return NotReversible("a closed year has nothing frozen: its credits have lapsed");
    case Event::kCreditsAllocated:
    case Event::kCreditsCancelled:
    case Event::kCreditsTransferred:
      return std::nullopt;  // the credits themselves decide (decide.cc)
    case Event::kReinstated:
      return CheckReinstated(c, original);
    case Event::kPaidWithoutCommitment: {
      const v1::PaymentRequest* payment = nullptr;
      const auto& paid = original.paid_without_commitment();
      if (auto wrong = FindPayment(c, paid.payment_request_id(), payment)) return wrong;
      if (payment->reinstated_cents() != 0) {
        return NotReversible("a refund rests on the payment")
            .With("payment_request_id", paid.payment_request_id());
      }
      return std::nullopt;
    }
    case Event::kCarryoverRequested: {
      const v1::Carryover* carryover =
          projections::FindCarryover(*c.agreement, original.carryover_requested().carryover_id());
      if (carryover == nullptr || carryover->state() != v1::CARRYOVER_STATE_REQUESTED) {
        return NotReversible("the carry-over has been decided");
      }
      return std::nullopt;
    }
    case Event::kEngaged:
      return CheckEngaged(c, original, fact);
    case Event::kWithdrawn: {
      const auto& withdrawn = original.withdrawn();
      const v1::CommitmentLineState* line = nullptr;
      if (auto wrong = FindLine(c, withdrawn.commitment_id(), withdrawn.line_id(), line)) {
        return wrong;
      }
      if (line->envelope_id() != withdrawn.envelope_id() ||
          line->product_id() != withdrawn.product_id()) {
        return NotReversible("the line was reimputed since");
      }
      return std::nullopt;
    }
    case Event::kServiceCertified: {
      const auto& certified = original.service_certified();
      const v1::CommitmentLineState* line = nullptr;
      if (auto wrong = FindLine(c, certified.commitment_id(), certified.line_id(), line)) {
        return wrong;
      }
      if (line->certified_cents() - line->billed_cents() < certified.amount_cents()) {
        return NotReversible("payments rest on the service fait");
      }
      return std::nullopt;
    }
    case Event::kPaymentRequested: {
      const auto& requested = original.payment_requested();
      const v1::PaymentRequest* payment = nullptr;
      if (auto wrong = FindPayment(c, requested.payment_request_id(), payment)) return wrong;
      if (payment->state() != v1::PAYMENT_STATE_REQUESTED &&
          payment->state() != v1::PAYMENT_STATE_SUSPENDED &&
          payment->state() != v1::PAYMENT_STATE_REQUISITIONED) {
        return NotReversible("the payment request has been decided")
            .With("state", v1::PaymentState_Name(payment->state()));
      }
      if (!requested.commitment_id().empty()) {
        const v1::CommitmentLineState* line = nullptr;
        if (auto wrong = FindLine(c, requested.commitment_id(), requested.line_id(), line)) {
          return wrong;
        }
        if (!CanTakeBack(*line, requested.type(), requested.gross_cents(),
                         requested.retained_cents())) {
          return NotReversible("another request rests on this one");
        }
      }
      fact.set_hold_year(projections::HoldYear(*c.agreement, *payment));
      return std::nullopt;
    }
    case Event::kPaid:
      return CheckPaid(c, original);
    case Event::kReimputed: {
      const auto& moved = original.reimputed();
      if (GivesBackWhatWaits(c, moved, moved.to_envelope_id())) {
        return NotReversible("early commitments of the envelope wait for its credits");
      }
      if (!moved.payment_request_id().empty()) {
        const v1::PaymentRequest* payment = nullptr;
        if (auto wrong = FindPayment(c, moved.payment_request_id(), payment)) return wrong;
        if (payment->state() == v1::PAYMENT_STATE_PAID &&
            payment->paying_envelope_id() == moved.to_envelope_id() &&
            payment->product_id() == moved.to_product_id() &&
            payment->net_cents() - payment->reinstated_cents() == moved.consumed_cents()) {
          return std::nullopt;
        }
      } else {
        const v1::CommitmentLineState* line = nullptr;
        if (auto wrong = FindLine(c, moved.commitment_id(), moved.line_id(), line)) return wrong;
        if (line->envelope_id() == moved.to_envelope_id() &&
            line->product_id() == moved.to_product_id() &&
            line->outstanding_cents() == moved.outstanding_cents() &&
            line->engaged_cents() - line->withdrawn_cents() == moved.consumed_cents()) {
          return std::nullopt;
        }
      }
      return NotReversible("the entry has moved on since: reimpute it back");
    }
    case Event::kAgreementCreated:
    case Event::kAgreementAmended:
    case Event::kPublicationRecorded:
    case Event::kManagementTakenOver:
    case Event::kEnvelopeCreated:
    case Event::kEnvelopeUpdated:
    case Event::kProgrammeCreditsRecorded:
    case Event::kRecyclingBasisRecorded:
    case Event::kOpeningImported:
    case Event::kOpeningCorrected:
    case Event::kPlanImported:
    case Event::kCarryoverGranted:
    case Event::kCarryoverRefused:
    case Event::kCarryoverMadeAvailable:
    case Event::kYearClosed:
    case Event::kYearReopened:
    case Event::kPaymentSuspended:
    case Event::kPaymentResumed:
    case Event::kPaymentRejected:
    case Event::kPaymentRequisitioned:
    case Event::kReversed:
    case Event::FACT_NOT_SET:
      break;
  }
  return NotReversible("an entry of this kind has an opposite of its own");
}

// AE and CP of a year come back in that year alone. A payment's CP, and a request, may be undone
// later: a reversal never gives AE of an earlier year back (GBCP art. 160).
bool AnyYear(const Event& original) {
  return original.has_paid() || original.has_payment_requested() ||
         original.has_service_certified();
}

}  // namespace

Verdict Reinstate(Case& c, const v1::ReinstateRequest& request) {
  if (auto wrong = CheckYear(c, Period::kPayment)) return wrong;
  const v1::PaymentRequest* payment = nullptr;
  if (auto wrong = FindPayment(c, request.payment_request_id(), payment)) return wrong;
  const auto refuse = [&](std::string_view why) {
    return Refuse(v1::ERROR_REASON_NOT_REINSTATABLE, why)
        .With("payment_request_id", payment->payment_request_id());
  };
  if (payment->state() != v1::PAYMENT_STATE_PAID) {
    return refuse("nothing was paid").With("state", v1::PaymentState_Name(payment->state()));
  }
  if (c.year > payment->paid_year() + 1 || c.year < payment->paid_year()) {
    return refuse("a refund after the following year is State revenue")
        .With("paid_year", payment->paid_year());
  }
  const std::int64_t left_cents = payment->net_cents() - payment->reinstated_cents();
  if (request.amount_cents() > left_cents) {
    return refuse("more than was paid")
        .With("asked_cents", request.amount_cents())
        .With("available_cents", left_cents);
  }

  auto& fact = *c.event.mutable_reinstated();
  fact.set_payment_request_id(payment->payment_request_id());
  fact.set_ae_envelope_id(payment->paying_envelope_id());
  fact.set_cp_envelope_id(payment->paying_envelope_id());
  fact.set_origin_year(payment->paid_year());
  fact.set_product_id(payment->product_id());
  fact.set_amount_cents(request.amount_cents());
  fact.set_receipt_reference(request.receipt_reference());
  if (payment->commitment_id().empty()) return std::nullopt;

  const v1::CommitmentLineState* line = nullptr;
  if (auto wrong = FindLine(c, payment->commitment_id(), payment->line_id(), line)) return wrong;
  if (payment->type() == events::v1::PAYMENT_TYPE_ADVANCE) {
    if (request.amount_cents() > line->advance_open_cents()) {
      return refuse("the advance has been recovered")
          .With("asked_cents", request.amount_cents())
          .With("available_cents", line->advance_open_cents());
    }
    // The engagement falls with the refund, but not below what was delivered: that is still due.
    if (request.amount_cents() > UncertifiedOf(*line)) {
      return refuse("the work is delivered and the debt still due: reverse the payment")
          .With("asked_cents", request.amount_cents())
          .With("available_cents", UncertifiedOf(*line));
    }
  }
  fact.set_commitment_id(payment->commitment_id());
  fact.set_line_id(payment->line_id());
  fact.set_ae_envelope_id(line->envelope_id());
  fact.set_origin_year(line->origin_year());
  fact.set_product_id(line->product_id());
  return std::nullopt;
}

Verdict Reimpute(Case& c, const v1::ReimputeRequest& request) {
  if (auto wrong = CheckYear(c, Period::kRegularisation)) return wrong;
  if (auto wrong = CheckMandate(c, Mandate::kSettles)) return wrong;
  const bool moves_payment = !request.payment_request_id().empty();
  if (moves_payment != (request.commitment_id().empty() && request.line_id().empty())) {
    return InvalidField("payment_request_id", "name a line or a payment, not both");
  }
  auto& fact = *c.event.mutable_reimputed();
  if (auto wrong =
          moves_payment ? ReimputePayment(c, request, fact) : ReimputeLine(c, request, fact)) {
    return wrong;
  }
  fact.set_to_envelope_id(request.to_envelope_id().empty() ? fact.from_envelope_id()
                                                           : request.to_envelope_id());
  fact.set_to_product_id(request.to_product_id().empty() ? fact.from_product_id()
                                                         : request.to_product_id());
  if (fact.to_envelope_id() == fact.from_envelope_id() &&
      fact.to_product_id() == fact.from_product_id()) {
    return NotReimputable("it is there already");
  }
  if (GivesBackWhatWaits(c, fact, fact.from_envelope_id())) {
    return NotReimputable("early commitments of the envelope wait for its credits");
  }
  const v1::Envelope* to = nullptr;
  if (auto wrong = FindEnvelope(c, fact.to_envelope_id(), to)) return wrong;
  if (auto wrong = CheckProduct(c, fact.to_product_id())) return wrong;
  const auto& payable = to->payable_origin_years();
  if (moves_payment && std::ranges::find(payable, fact.origin_year()) == payable.end()) {
    return Refuse(v1::ERROR_REASON_ORIGIN_NOT_PAYABLE,
                  "the envelope does not pay this year's lines")
        .With("envelope_id", fact.to_envelope_id())
        .With("origin_year", fact.origin_year());
  }
  return std::nullopt;
}

Verdict Reverse(Case& c, const v1::ReverseRequest& request) {
  if (auto wrong = CheckYear(c, Period::kRegularisation)) return wrong;
  const Event& original = *c.original;
  if (const auto reversed_by = c.books.ReversalOf(request.reversed_position())) {
    return NotReversible("the entry has been reversed").With("reversed_by", *reversed_by);
  }
  if (c.year < original.fiscal_year() || (c.year != original.fiscal_year() && !AnyYear(original))) {
    return NotReversible("credits come back in the entry's own year alone")
        .With("fiscal_year", original.fiscal_year());
  }
  // The mandate binds what an officer does, and so what undoes it.
  if (PermissionFor(v1::Command::kReverse, &original)->whose == Whose::kManagingBody) {
    if (auto wrong = CheckMandate(c, Mandate::kSettles)) return wrong;
  }
  auto& fact = *c.event.mutable_reversed();
  fact.set_reversed_position(request.reversed_position());
  *fact.mutable_original() = original;
  return CheckOriginal(c, original, fact);
}

}  // namespace denier::rules
