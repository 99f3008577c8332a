// Payment requests (demandes de paiement) and what the accountant does with them (GBCP art. 38,
// 159).
#include <algorithm>

#include "services/rules/case.h"
#include "services/rules/dated_rules.h"

namespace denier::rules {
namespace {

using events::v1::PaymentType;

// Gross, recovered, retained and net belong together.
Verdict CheckAmounts(const v1::RequestPaymentRequest& request) {
  if (request.net_cents() !=
      request.gross_cents() - request.recovered_cents() - request.retained_cents()) {
    return InvalidField("net_cents", "is not gross - recovered - retained");
  }
  const bool plain = request.type() != events::v1::PAYMENT_TYPE_SERVICE &&
                     request.type() != events::v1::PAYMENT_TYPE_INSTALMENT;
  if (plain && request.net_cents() != request.gross_cents()) {
    return InvalidField("recovered_cents", "only delivered work is recovered from or retained");
  }
  return std::nullopt;
}

Verdict CheckWithoutCommitment(const Case& c, const v1::RequestPaymentRequest& request) {
  if (!request.commitment_id().empty() || !request.line_id().empty()) {
    return InvalidField("commitment_id", "must be empty without commitment");
  }
  if (request.nature() == events::v1::EXPENSE_NATURE_UNSPECIFIED) {
    return InvalidField("nature", "is required without commitment");
  }
  return CheckProduct(c, request.product_id());
}

// Service fait before payment; an advance comes before it.
Verdict CheckDelivered(const v1::CommitmentLineState& line,
                       const v1::RequestPaymentRequest& request, const DatedRules& dated) {
  switch (request.type()) {
    case events::v1::PAYMENT_TYPE_SERVICE:
    case events::v1::PAYMENT_TYPE_INSTALMENT:
      break;
    case events::v1::PAYMENT_TYPE_RETENTION_RELEASE:
      if (request.gross_cents() <= line.retained_open_cents()) return std::nullopt;
      return Refuse(v1::ERROR_REASON_RETENTION_EXCEEDED, "more than was retained")
          .With("asked_cents", request.gross_cents())
          .With("available_cents", line.retained_open_cents());
    case events::v1::PAYMENT_TYPE_ADVANCE:
    case events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT:
    case events::v1::PAYMENT_TYPE_UNSPECIFIED:
    case events::v1::PaymentType_INT_MIN_SENTINEL_DO_NOT_USE_:
    case events::v1::PaymentType_INT_MAX_SENTINEL_DO_NOT_USE_:
      return std::nullopt;
  }
  const std::int64_t most_retained = request.gross_cents() * dated.retention_cap_per_mille / 1000;
  if (request.retained_cents() > most_retained) {
    return Refuse(v1::ERROR_REASON_RETENTION_EXCEEDED, "more than 5 % retained")
        .With("asked_cents", request.retained_cents())
        .With("available_cents", most_retained);
  }
  if (request.recovered_cents() > line.advance_open_cents()) {
    return Refuse(v1::ERROR_REASON_ADVANCE_EXCEEDED, "more than the advances left to recover")
        .With("asked_cents", request.recovered_cents())
        .With("available_cents", line.advance_open_cents());
  }
  const std::int64_t payable = line.certified_cents() - line.billed_cents();
  if (request.gross_cents() > payable) {
    return Refuse(v1::ERROR_REASON_SERVICE_NOT_CERTIFIED, "no service fait for what is to be paid")
        .With("asked_cents", request.gross_cents())
        .With("certified_cents", payable);
  }
  return std::nullopt;
}

Verdict CheckLinePayment(const Case& c, const v1::RequestPaymentRequest& request,
                         const v1::Envelope& paying) {
  if (request.nature() != events::v1::EXPENSE_NATURE_UNSPECIFIED) {
    return InvalidField("nature", "is for payments without commitment");
  }
  if (!request.product_id().empty()) {
    return InvalidField("product_id", "is the line's own");
  }
  const v1::CommitmentLineState* line = nullptr;
  if (auto wrong = FindLine(c, request.commitment_id(), request.line_id(), line)) return wrong;
  const auto& payable = paying.payable_origin_years();
  if (std::ranges::find(payable, line->origin_year()) == payable.end()) {
    return Refuse(v1::ERROR_REASON_ORIGIN_NOT_PAYABLE,
                  "the envelope does not pay this year's lines")
        .With("envelope_id", paying.envelope_id())
        .With("origin_year", line->origin_year());
  }
  if (request.net_cents() > RestOf(*line)) {
    return RestExceeded(*line, request.net_cents(), RestOf(*line));
  }
  return CheckDelivered(*line, request, RulesOf(c.year));
}

Verdict CheckState(const v1::PaymentRequest& payment,
                   std::initializer_list<v1::PaymentState> wanted) {
  if (std::ranges::find(wanted, payment.state()) != wanted.end()) return std::nullopt;
  if (payment.state() == v1::PAYMENT_STATE_SUSPENDED) {
    return Refuse(v1::ERROR_REASON_PAYMENT_SUSPENDED, "the payment request is suspended")
        .With("payment_request_id", payment.payment_request_id())
        .With("reason_reference", payment.reason_reference());
  }
  return Refuse(v1::ERROR_REASON_PAYMENT_STATE, "the payment request is in another state")
      .With("payment_request_id", payment.payment_request_id())
      .With("state", v1::PaymentState_Name(payment.state()));
}

// The payment request `payment_request_id`, in one of the wanted states; the command counts in the
// year of its day.
Verdict FindInState(const Case& c, Period period, const std::string& payment_request_id,
                    std::initializer_list<v1::PaymentState> wanted,
                    const v1::PaymentRequest*& found) {
  if (auto wrong = CheckYear(c, period)) return wrong;
  if (auto wrong = FindPayment(c, payment_request_id, found)) return wrong;
  return CheckState(*found, wanted);
}

bool WithoutCommitment(const v1::PaymentRequest& payment) {
  return payment.type() == events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT;
}

}  // namespace

Verdict RequestPayment(Case& c, const v1::RequestPaymentRequest& request) {
  if (auto wrong = CheckYear(c, Period::kOpen)) return wrong;
  if (auto wrong = CheckMandate(c, Mandate::kSettles)) return wrong;
  if (c.books.FindPayment(c.agreement_id(), request.payment_request_id()) != nullptr) {
    return Taken("payment_request_id", request.payment_request_id());
  }
  const v1::Envelope* paying = nullptr;
  if (auto wrong = FindEnvelope(c, request.paying_envelope_id(), paying)) return wrong;
  if (auto wrong = CheckAmounts(request)) return wrong;
  if (auto wrong = request.type() == events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT
                       ? CheckWithoutCommitment(c, request)
                       : CheckLinePayment(c, request, *paying)) {
    return wrong;
  }

  auto& fact = *c.event.mutable_payment_requested();
  fact.set_payment_request_id(request.payment_request_id());
  fact.set_type(request.type());
  fact.set_commitment_id(request.commitment_id());
  fact.set_line_id(request.line_id());
  fact.set_paying_envelope_id(request.paying_envelope_id());
  fact.set_gross_cents(request.gross_cents());
  fact.set_recovered_cents(request.recovered_cents());
  fact.set_retained_cents(request.retained_cents());
  fact.set_net_cents(request.net_cents());
  *fact.mutable_references() = request.references();
  fact.set_nature(request.nature());
  fact.set_product_id(request.product_id());
  return std::nullopt;
}

Verdict Pay(Case& c, const v1::PayRequest& request) {
  const v1::PaymentRequest* payment = nullptr;
  if (auto wrong =
          FindInState(c, Period::kPayment, request.payment_request_id(),
                      {v1::PAYMENT_STATE_REQUESTED, v1::PAYMENT_STATE_REQUISITIONED}, payment)) {
    return wrong;
  }
  if (WithoutCommitment(*payment)) {
    return InvalidField("payment_request_id", "is without commitment: use PayWithoutCommitment");
  }
  const v1::CommitmentLineState* line = nullptr;
  if (auto wrong = FindLine(c, payment->commitment_id(), payment->line_id(), line)) return wrong;

  auto& fact = *c.event.mutable_paid();
  fact.set_payment_request_id(payment->payment_request_id());
  fact.set_commitment_id(payment->commitment_id());
  fact.set_line_id(payment->line_id());
  fact.set_line_envelope_id(line->envelope_id());
  fact.set_origin_year(line->origin_year());
  fact.set_product_id(line->product_id());
  fact.set_paying_envelope_id(payment->paying_envelope_id());
  fact.set_type(payment->type());
  fact.set_gross_cents(payment->gross_cents());
  fact.set_recovered_cents(payment->recovered_cents());
  fact.set_retained_cents(payment->retained_cents());
  fact.set_net_cents(payment->net_cents());
  fact.set_hold_year(projections::HoldYear(*c.agreement, *payment));
  fact.set_payment_reference(request.payment_reference());
  return std::nullopt;
}

Verdict PayWithoutCommitment(Case& c, const v1::PayWithoutCommitmentRequest& request) {
  const v1::PaymentRequest* payment = nullptr;
  if (auto wrong =
          FindInState(c, Period::kPayment, request.payment_request_id(),
                      {v1::PAYMENT_STATE_REQUESTED, v1::PAYMENT_STATE_REQUISITIONED}, payment)) {
    return wrong;
  }
  if (!WithoutCommitment(*payment)) {
    return InvalidField("payment_request_id", "is on a commitment: use Pay");
  }
  auto& fact = *c.event.mutable_paid_without_commitment();
  fact.set_payment_request_id(payment->payment_request_id());
  fact.set_envelope_id(payment->paying_envelope_id());
  fact.set_product_id(payment->product_id());
  fact.set_amount_cents(payment->net_cents());
  fact.set_nature(payment->nature());
  fact.set_hold_year(projections::HoldYear(*c.agreement, *payment));
  fact.set_payment_reference(request.payment_reference());
  return std::nullopt;
}

Verdict SuspendPayment(Case& c, const v1::SuspendPaymentRequest& request) {
  const v1::PaymentRequest* payment = nullptr;
  if (auto wrong = FindInState(c, Period::kOpen, request.payment_request_id(),
                               {v1::PAYMENT_STATE_REQUESTED}, payment)) {
    return wrong;
  }
  auto& fact = *c.event.mutable_payment_suspended();
  fact.set_payment_request_id(request.payment_request_id());
  fact.set_reason_reference(request.reason_reference());
  return std::nullopt;
}

Verdict ResumePayment(Case& c, const v1::ResumePaymentRequest& request) {
  const v1::PaymentRequest* payment = nullptr;
  if (auto wrong = FindInState(c, Period::kOpen, request.payment_request_id(),
                               {v1::PAYMENT_STATE_SUSPENDED}, payment)) {
    return wrong;
  }
  c.event.mutable_payment_resumed()->set_payment_request_id(request.payment_request_id());
  return std::nullopt;
}

Verdict RejectPayment(Case& c, const v1::RejectPaymentRequest& request) {
  const v1::PaymentRequest* payment = nullptr;
  if (auto wrong =
          FindInState(c, Period::kOpen, request.payment_request_id(),
                      {v1::PAYMENT_STATE_REQUESTED, v1::PAYMENT_STATE_SUSPENDED}, payment)) {
    return wrong;
  }
  if (!WithoutCommitment(*payment)) {
    const v1::CommitmentLineState* line = nullptr;
    if (auto wrong = FindLine(c, payment->commitment_id(), payment->line_id(), line)) return wrong;
    if (!CanTakeBack(*line, payment->type(), payment->gross_cents(), payment->retained_cents())) {
      return Refuse(v1::ERROR_REASON_PAYMENT_STATE, "another request rests on this one")
          .With("payment_request_id", payment->payment_request_id());
    }
  }
  auto& fact = *c.event.mutable_payment_rejected();
  fact.set_payment_request_id(request.payment_request_id());
  fact.set_reason_reference(request.reason_reference());
  fact.set_paying_envelope_id(payment->paying_envelope_id());
  fact.set_net_cents(payment->net_cents());
  fact.set_hold_year(projections::HoldYear(*c.agreement, *payment));
  return std::nullopt;
}

Verdict RequisitionPayment(Case& c, const v1::RequisitionPaymentRequest& request) {
  if (auto wrong = CheckMandate(c, Mandate::kSettles)) return wrong;
  const v1::PaymentRequest* payment = nullptr;
  if (auto wrong = FindInState(c, Period::kOpen, request.payment_request_id(),
                               {v1::PAYMENT_STATE_SUSPENDED}, payment)) {
    return wrong;
  }
  auto& fact = *c.event.mutable_payment_requisitioned();
  fact.set_payment_request_id(request.payment_request_id());
  fact.set_order_reference(request.order_reference());
  return std::nullopt;
}

}  // namespace denier::rules
