// How an event changes the registers: agreements, envelopes, commitments, payment requests. What it
// moves is posting.cc's business; a row that repeats a balance (a line's outstanding) is checked
// here.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "projections/books.h"
#include "projections/calendar.h"
#include "projections/row_keys.h"

namespace denier::projections {
namespace {

using events::v1::Event;
using events::v1::PaymentType;

// The element of `rows` for which `is_it` holds, or a new one that is put before the first element
// that `comes_after` it (nullptr: at the end).
template <class Rows, class IsIt, class ComesAfter>
auto& FindOrInsert(Rows& rows, IsIt is_it, ComesAfter comes_after) {
  for (auto& row : rows) {
    if (is_it(row)) return row;
  }
  rows.Add();
  int at = rows.size() - 1;
  for (; at > 0 && comes_after(rows.Get(at - 1)); --at) rows.SwapElements(at, at - 1);
  return *rows.Mutable(at);
}

// The element of a list sorted by budget year; made when it is missing.
template <class Rows>
auto& OfYear(Rows& rows, int fiscal_year) {
  auto& row = FindOrInsert(
      rows, [&](const auto& row) { return row.fiscal_year() == fiscal_year; },
      [&](const auto& row) { return row.fiscal_year() > fiscal_year; });
  row.set_fiscal_year(fiscal_year);
  return row;
}

void ReplaceCeilings(v1::Agreement& agreement, const auto& ceilings) {
  for (const auto& ceiling : ceilings) {
    OfYear(*agreement.mutable_ceilings(), ceiling.fiscal_year()) = ceiling;
  }
}

void ReplaceProducts(v1::Agreement& agreement, const auto& products) {
  for (const auto& product : products) {
    FindOrInsert(
        *agreement.mutable_products(),
        [&](const auto& row) {
          return row.product_id() == product.product_id() &&
                 row.fiscal_year() == product.fiscal_year();
        },
        [](const auto&) { return false; }) = product;
  }
}

void AddTerm(v1::Agreement& agreement, const events::v1::Term& term) {
  auto& terms = *agreement.mutable_terms();
  *terms.Add() = term;
  std::ranges::stable_sort(terms, {}, &events::v1::Term::valid_from);
  agreement.clear_gaps();
  int covered_until = terms.Get(0).valid_until();
  for (const auto& next : terms) {
    if (next.valid_from() > DayAfter(covered_until)) {
      auto* gap = agreement.add_gaps();
      gap->set_act_id(next.act_id());
      gap->set_valid_from(DayAfter(covered_until));
      gap->set_valid_until(DayBefore(next.valid_from()));
    }
    covered_until = std::max(covered_until, next.valid_until());
  }
}

// What was asked of a line when payment was requested of it: `sign` 1 enters it, -1 takes it back.
void Bill(v1::CommitmentLineState& line, PaymentType type, int sign, std::int64_t gross_cents,
          std::int64_t recovered_cents, std::int64_t retained_cents) {
  switch (type) {
    case events::v1::PAYMENT_TYPE_SERVICE:
    case events::v1::PAYMENT_TYPE_INSTALMENT:
      line.set_billed_cents(line.billed_cents() + sign * gross_cents);
      line.set_advance_open_cents(line.advance_open_cents() - sign * recovered_cents);
      line.set_retained_open_cents(line.retained_open_cents() + sign * retained_cents);
      break;
    case events::v1::PAYMENT_TYPE_ADVANCE:
      line.set_advance_open_cents(line.advance_open_cents() + sign * gross_cents);
      break;
    case events::v1::PAYMENT_TYPE_RETENTION_RELEASE:
      line.set_retained_open_cents(line.retained_open_cents() - sign * gross_cents);
      break;
    case events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT:
    case events::v1::PAYMENT_TYPE_UNSPECIFIED:
    case events::v1::PaymentType_INT_MIN_SENTINEL_DO_NOT_USE_:
    case events::v1::PaymentType_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
}

// Reste à payer, and whether it can be.
absl::Status Settle(v1::CommitmentLineState& line, Books::History history) {
  const std::int64_t owed = line.engaged_cents() + line.corrected_cents() - line.withdrawn_cents();
  line.set_outstanding_cents(owed - line.paid_cents());
  if (history == Books::History::kPartial) return absl::OkStatus();
  if (line.requested_cents() < 0 || line.outstanding_cents() < line.requested_cents() ||
      line.billed_cents() < 0 || line.certified_cents() < line.billed_cents() ||
      owed < line.certified_cents() || line.advance_open_cents() < 0 ||
      line.retained_open_cents() < 0 || line.withdrawn_cents() < 0 || line.paid_cents() < 0) {
    return absl::InternalError(
        absl::StrCat("line ", line.line_id(), " cannot be: ", line.ShortDebugString()));
  }
  return absl::OkStatus();
}

}  // namespace

// The registers, for one event.
class Books::Registers {
 public:
  Registers(Books& books, const Event& event, store::Position position)
      : books_(books), event_(event), position_(position), etag_(std::to_string(position)) {}

  absl::Status Enter();

 private:
  template <class Row>
  Row& Touch(Table<Row>& table, const RowName& name) {
    return table.Mutable(name, position_,
                         [this](const std::string& key) { return books_.Load<Row>(key); });
  }

  v1::Agreement& Agreement() {
    return Touch(books_.agreements_, AgreementRow(event_.agreement_id()));
  }
  v1::Agreement& NamedAgreement() {
    v1::Agreement& agreement = Agreement();
    agreement.set_etag(etag_);
    return agreement;
  }
  v1::Envelope& NamedEnvelope(const std::string& envelope_id) {
    v1::Envelope& envelope =
        Touch(books_.envelopes_, EnvelopeRow(event_.agreement_id(), envelope_id));
    envelope.set_etag(etag_);
    return envelope;
  }
  v1::Envelope& EnvelopeOf(const std::string& envelope_id) {
    return Touch(books_.envelopes_, EnvelopeRow(event_.agreement_id(), envelope_id));
  }
  v1::Commitment& Commitment(const std::string& commitment_id) {
    v1::Commitment& commitment =
        Touch(books_.commitments_, CommitmentRow(event_.agreement_id(), commitment_id));
    commitment.set_etag(etag_);
    return commitment;
  }
  v1::PaymentRequest& Payment(const std::string& payment_request_id) {
    v1::PaymentRequest& payment =
        Touch(books_.payments_, PaymentRow(event_.agreement_id(), payment_request_id));
    payment.set_etag(etag_);
    return payment;
  }

  // Those that the fact itself makes.
  v1::Commitment& NewCommitment(const std::string& commitment_id) {
    v1::Commitment& commitment =
        books_.commitments_.Create(CommitmentRow(event_.agreement_id(), commitment_id), position_);
    commitment.set_etag(etag_);
    return commitment;
  }
  v1::PaymentRequest& NewPayment(const std::string& payment_request_id) {
    v1::PaymentRequest& payment =
        books_.payments_.Create(PaymentRow(event_.agreement_id(), payment_request_id), position_);
    payment.set_etag(etag_);
    return payment;
  }

  // Changes a line by `change`, then settles it.
  template <class Change>
  absl::Status ChangeLine(const std::string& commitment_id, const std::string& line_id,
                          Change change) {
    for (auto& line : *Commitment(commitment_id).mutable_lines()) {
      if (line.line_id() != line_id) continue;
      change(line);
      return Settle(line, books_.history_);
    }
    if (books_.history_ == History::kPartial) return absl::OkStatus();
    return absl::InternalError(absl::StrCat("no line ", line_id, " in ", commitment_id));
  }

  void MarkYear(int fiscal_year) { books_.MarkYear(event_.agreement_id(), fiscal_year, position_); }
  v1::YearStatus& Year(int fiscal_year) {
    return OfYear(*Agreement().mutable_years(), fiscal_year);
  }
  v1::Carryover& Carryover(const std::string& carryover_id) {
    v1::Carryover& carryover = FindOrInsert(
        *Agreement().mutable_carryovers(),
        [&](const auto& row) { return row.carryover_id() == carryover_id; },
        [](const auto&) { return false; });
    carryover.set_carryover_id(carryover_id);
    return carryover;
  }

  void AddOpened(int sign, std::int64_t ae_cents, std::int64_t cp_cents) {
    auto& opened = OfYear(*Agreement().mutable_opened(), event_.fiscal_year());
    opened.set_ae_cents(opened.ae_cents() + sign * ae_cents);
    opened.set_cp_cents(opened.cp_cents() + sign * cp_cents);
  }

  void CreateAgreement(const events::v1::AgreementCreated& fact);
  void AmendAgreement(const events::v1::AgreementAmended& fact);
  void CreateEnvelope(const events::v1::EnvelopeCreated& fact);
  absl::Status ImportOpening(const events::v1::OpeningImported& fact);
  void RequestCarryover(const events::v1::CarryoverRequested& fact);
  void GrantCarryover(const events::v1::CarryoverGranted& fact);
  void CloseYear(const events::v1::YearClosed& fact);
  void ReopenYear(const events::v1::YearReopened& fact);
  absl::Status Engage(const events::v1::Engaged& fact);
  absl::Status Withdraw(const events::v1::Withdrawn& fact, int sign);
  absl::Status RequestPayment(const events::v1::PaymentRequested& fact);
  absl::Status UndoRequest(const v1::PaymentRequest& request, v1::PaymentState state);
  absl::Status Pay(const events::v1::Paid& fact);
  absl::Status Reinstate(const events::v1::Reinstated& fact, int sign);
  absl::Status Reimpute(const events::v1::Reimputed& fact, const std::string& envelope_id,
                        const std::string& product_id);
  absl::Status Reverse(const events::v1::Reversed& fact);

  Books& books_;
  const Event& event_;
  const store::Position position_;
  const std::string etag_;
};

void Books::Registers::CreateAgreement(const events::v1::AgreementCreated& fact) {
  v1::Agreement& agreement = NamedAgreement();
  agreement.set_agreement_id(event_.agreement_id());
  *agreement.mutable_delegating_body() = fact.delegating_body();
  *agreement.mutable_managing_body() = fact.managing_body();
  agreement.set_programme(fact.programme());
  agreement.set_operational_budget(fact.operational_budget());
  agreement.set_operating_unit(fact.operating_unit());
  v1::Act* act = agreement.add_acts();
  act->set_act_id(event_.agreement_id());
  act->set_signed_date(fact.signed_date());
  act->set_published_date(fact.published_date());
  AddTerm(agreement, fact.term());
  ReplaceCeilings(agreement, fact.ceilings());
  ReplaceProducts(agreement, fact.products());
  agreement.set_after_term(fact.after_term());
  *agreement.mutable_visa_thresholds() = fact.visa_thresholds();
}

void Books::Registers::AmendAgreement(const events::v1::AgreementAmended& fact) {
  v1::Agreement& agreement = NamedAgreement();
  v1::Act* act = agreement.add_acts();
  act->set_act_id(fact.amendment_id());
  act->set_signed_date(fact.signed_date());
  act->set_published_date(fact.published_date());
  if (fact.has_term()) AddTerm(agreement, fact.term());
  ReplaceCeilings(agreement, fact.ceilings());
  ReplaceProducts(agreement, fact.products());
  if (fact.after_term() != events::v1::AFTER_TERM_UNSPECIFIED) {
    agreement.set_after_term(fact.after_term());
  }
  agreement.mutable_visa_thresholds()->MergeFrom(fact.visa_thresholds());
}

void Books::Registers::CreateEnvelope(const events::v1::EnvelopeCreated& fact) {
  v1::Envelope& envelope = NamedEnvelope(fact.envelope_id());
  envelope.set_agreement_id(event_.agreement_id());
  envelope.set_envelope_id(fact.envelope_id());
  envelope.set_label(fact.label());
  envelope.set_managing_body_id(fact.managing_body_id());
  *envelope.mutable_accountant_ids() = fact.accountant_ids();
  *envelope.mutable_payable_origin_years() = fact.payable_origin_years();
  auto& ids = *Agreement().mutable_envelope_ids();
  *ids.Add() = fact.envelope_id();
  std::ranges::sort(ids);
}

absl::Status Books::Registers::ImportOpening(const events::v1::OpeningImported& fact) {
  v1::Commitment& commitment = Commitment(fact.commitment_id());
  commitment.set_agreement_id(event_.agreement_id());
  commitment.set_commitment_id(fact.commitment_id());
  *commitment.mutable_references() = fact.references();
  for (const auto& opening : fact.lines()) {
    MarkYear(opening.origin_year());
    v1::CommitmentLineState& line = *commitment.add_lines();
    line.set_line_id(opening.line_id());
    line.set_envelope_id(fact.envelope_id());
    line.set_product_id(opening.product_id());
    line.set_origin_year(opening.origin_year());
    line.set_engaged_cents(opening.engaged_cents());
    line.set_withdrawn_cents(opening.withdrawn_cents());
    line.set_certified_cents(opening.certified_cents());
    line.set_imported(true);
    for (const auto& paid : opening.payments()) {
      MarkYear(YearOf(paid.paid_date()));
      line.set_paid_cents(line.paid_cents() + paid.amount_cents());
      v1::PaymentRequest& payment = Payment(paid.payment_id());
      payment.set_agreement_id(event_.agreement_id());
      payment.set_payment_request_id(paid.payment_id());
      payment.set_state(v1::PAYMENT_STATE_IMPORTED);
      payment.set_type(events::v1::PAYMENT_TYPE_SERVICE);
      payment.set_commitment_id(fact.commitment_id());
      payment.set_line_id(opening.line_id());
      payment.set_origin_year(opening.origin_year());
      payment.set_product_id(opening.product_id());
      payment.set_paying_envelope_id(fact.envelope_id());
      payment.set_gross_cents(paid.amount_cents());
      payment.set_net_cents(paid.amount_cents());
      payment.set_paid_date(paid.paid_date());
      payment.set_paid_year(YearOf(paid.paid_date()));
      payment.mutable_references()->set_chorus_payment_request(paid.chorus_payment_request());
    }
    line.set_billed_cents(line.paid_cents());
    if (absl::Status settled = Settle(line, books_.history_); !settled.ok()) return settled;
  }
  return absl::OkStatus();
}

void Books::Registers::RequestCarryover(const events::v1::CarryoverRequested& fact) {
  v1::Carryover& carryover = Carryover(fact.carryover_id());
  carryover.set_envelope_id(fact.envelope_id());
  carryover.set_kind(fact.kind());
  carryover.set_from_year(fact.from_year());
  carryover.set_state(v1::CARRYOVER_STATE_REQUESTED);
  carryover.set_requested_cents(fact.amount_cents());
  carryover.set_assigned_receipts(fact.assigned_receipts());
  NamedEnvelope(fact.envelope_id());
}

void Books::Registers::GrantCarryover(const events::v1::CarryoverGranted& fact) {
  v1::Carryover& carryover = Carryover(fact.carryover_id());
  carryover.set_state(v1::CARRYOVER_STATE_GRANTED);
  carryover.set_granted_cents(fact.granted_cents());
  carryover.set_order_reference(fact.order_reference());
  NamedEnvelope(fact.envelope_id());
  // The cap (LOLF art. 15) leaves out assigned receipts and what a finance act derogates for.
  if (fact.kind() == events::v1::CREDIT_KIND_CP && !carryover.assigned_receipts() &&
      fact.derogation_reference().empty()) {
    v1::YearStatus& year = Year(fact.from_year());
    year.set_capped_carryover_cents(year.capped_carryover_cents() + fact.granted_cents());
  }
}

void Books::Registers::CloseYear(const events::v1::YearClosed& fact) {
  v1::YearStatus& year = OfYear(*NamedAgreement().mutable_years(), event_.fiscal_year());
  year.set_closed(true);
  year.set_closings(year.closings() + 1);
  for (const auto& line : fact.lines()) {
    auto& closed = OfYear(*EnvelopeOf(line.envelope_id()).mutable_closed(), event_.fiscal_year());
    closed.set_ae_lapsed_cents(line.ae_available_cents() + line.ae_frozen_cents());
    closed.set_cp_lapsed_cents(line.cp_available_cents() + line.cp_frozen_cents() +
                               line.cp_held_cents());
  }
}

void Books::Registers::ReopenYear(const events::v1::YearReopened& fact) {
  OfYear(*NamedAgreement().mutable_years(), event_.fiscal_year()).set_closed(false);
  for (const auto& line : fact.lines()) {
    auto& closed = *EnvelopeOf(line.envelope_id()).mutable_closed();
    for (int i = 0; i < closed.size(); ++i) {
      if (closed.Get(i).fiscal_year() == event_.fiscal_year()) closed.DeleteSubrange(i--, 1);
    }
  }
}

absl::Status Books::Registers::Engage(const events::v1::Engaged& fact) {
  v1::Commitment& commitment = fact.opens_commitment() ? NewCommitment(fact.commitment_id())
                                                       : Commitment(fact.commitment_id());
  if (fact.opens_commitment()) {
    commitment.set_agreement_id(event_.agreement_id());
    commitment.set_commitment_id(fact.commitment_id());
    *commitment.mutable_references() = fact.references();
  }
  std::int64_t sum_cents = 0;
  for (const auto& engaged : fact.lines()) {
    v1::CommitmentLineState& line = *commitment.add_lines();
    line.set_line_id(engaged.line_id());
    line.set_envelope_id(fact.envelope_id());
    line.set_product_id(engaged.product_id());
    line.set_origin_year(event_.fiscal_year());
    line.set_engaged_cents(engaged.amount_cents());
    *line.mutable_schedule() = engaged.schedule();
    line.set_early(fact.early());
    if (absl::Status settled = Settle(line, books_.history_); !settled.ok()) return settled;
    sum_cents += engaged.amount_cents();
  }
  if (fact.early()) {
    auto& early = OfYear(*EnvelopeOf(fact.envelope_id()).mutable_early(), event_.fiscal_year());
    early.set_amount_cents(early.amount_cents() + sum_cents);
  }
  return absl::OkStatus();
}

// `sign` 1 withdraws, -1 undoes it.
absl::Status Books::Registers::Withdraw(const events::v1::Withdrawn& fact, int sign) {
  if (fact.recycled_cents() != 0) {
    v1::YearStatus& year = Year(event_.fiscal_year());
    year.set_recycling_used_cents(year.recycling_used_cents() + sign * fact.recycled_cents());
  }
  const std::int64_t withdrawn_cents =
      fact.freed_cents() + fact.early_cents() + fact.recycled_cents() + fact.unavailable_cents();
  return ChangeLine(fact.commitment_id(), fact.line_id(), [&](auto& line) {
    line.set_withdrawn_cents(line.withdrawn_cents() + sign * withdrawn_cents);
  });
}

absl::Status Books::Registers::RequestPayment(const events::v1::PaymentRequested& fact) {
  v1::PaymentRequest& payment = NewPayment(fact.payment_request_id());
  payment.set_agreement_id(event_.agreement_id());
  payment.set_payment_request_id(fact.payment_request_id());
  payment.set_state(v1::PAYMENT_STATE_REQUESTED);
  payment.set_type(fact.type());
  payment.set_commitment_id(fact.commitment_id());
  payment.set_line_id(fact.line_id());
  payment.set_product_id(fact.product_id());
  payment.set_paying_envelope_id(fact.paying_envelope_id());
  payment.set_gross_cents(fact.gross_cents());
  payment.set_recovered_cents(fact.recovered_cents());
  payment.set_retained_cents(fact.retained_cents());
  payment.set_net_cents(fact.net_cents());
  *payment.mutable_references() = fact.references();
  payment.set_nature(fact.nature());
  payment.set_requested_by(event_.actor().principal_id());
  payment.set_requested_date(event_.effective_date());
  payment.set_hold_year(event_.fiscal_year());
  const v1::Agreement* agreement = books_.FindAgreement(event_.agreement_id());
  const v1::YearStatus* year =
      agreement == nullptr ? nullptr : FindYear(*agreement, event_.fiscal_year());
  payment.set_hold_closings(year == nullptr ? 0 : year->closings());
  if (fact.commitment_id().empty()) return absl::OkStatus();
  return ChangeLine(fact.commitment_id(), fact.line_id(), [&](auto& line) {
    payment.set_origin_year(line.origin_year());
    payment.set_product_id(line.product_id());
    line.set_requested_cents(line.requested_cents() + fact.net_cents());
    Bill(line, fact.type(), 1, fact.gross_cents(), fact.recovered_cents(), fact.retained_cents());
  });
}

// The request ends unpaid: the line is as if it had never been made.
absl::Status Books::Registers::UndoRequest(const v1::PaymentRequest& request,
                                           v1::PaymentState state) {
  Payment(request.payment_request_id()).set_state(state);
  if (request.commitment_id().empty()) return absl::OkStatus();
  return ChangeLine(request.commitment_id(), request.line_id(), [&](auto& line) {
    line.set_requested_cents(line.requested_cents() - request.net_cents());
    Bill(line, request.type(), -1, request.gross_cents(), request.recovered_cents(),
         request.retained_cents());
  });
}

absl::Status Books::Registers::Pay(const events::v1::Paid& fact) {
  return ChangeLine(fact.commitment_id(), fact.line_id(), [&](auto& line) {
    line.set_requested_cents(line.requested_cents() - fact.net_cents());
    line.set_paid_cents(line.paid_cents() + fact.net_cents());
  });
}

// `sign` 1 reinstates, -1 undoes it. Engaged and paid fall alike; what was refunded is no longer a
// delivered service, nor an advance.
absl::Status Books::Registers::Reinstate(const events::v1::Reinstated& fact, int sign) {
  v1::PaymentRequest& payment = Payment(fact.payment_request_id());
  const std::int64_t change_cents = sign * fact.amount_cents();
  payment.set_reinstated_cents(payment.reinstated_cents() + change_cents);
  if (fact.commitment_id().empty()) return absl::OkStatus();
  const bool advance = payment.type() == events::v1::PAYMENT_TYPE_ADVANCE;
  return ChangeLine(fact.commitment_id(), fact.line_id(), [&](auto& line) {
    line.set_engaged_cents(line.engaged_cents() - change_cents);
    line.set_paid_cents(line.paid_cents() - change_cents);
    if (advance) {
      line.set_advance_open_cents(line.advance_open_cents() - change_cents);
    } else {
      line.set_certified_cents(line.certified_cents() - change_cents);
      line.set_billed_cents(line.billed_cents() - change_cents);
    }
  });
}

// The line or the payment is now at `envelope_id` and `product_id`.
absl::Status Books::Registers::Reimpute(const events::v1::Reimputed& fact,
                                        const std::string& envelope_id,
                                        const std::string& product_id) {
  if (!fact.payment_request_id().empty()) {
    v1::PaymentRequest& payment = Payment(fact.payment_request_id());
    payment.set_paying_envelope_id(envelope_id);
    payment.set_product_id(product_id);
    return absl::OkStatus();
  }
  return ChangeLine(fact.commitment_id(), fact.line_id(), [&](auto& line) {
    line.set_envelope_id(envelope_id);
    line.set_product_id(product_id);
  });
}

absl::Status Books::Registers::Reverse(const events::v1::Reversed& fact) {
  Touch(books_.reversals_, RowName(ReversalKey(fact.reversed_position()))) =
      static_cast<std::int64_t>(position_);
  const Event& original = fact.original();
  switch (original.fact_case()) {
    case Event::kCreditsAllocated: {
      const auto& undone = original.credits_allocated();
      AddOpened(-1, undone.ae_cents(), undone.cp_cents());
      NamedEnvelope(undone.envelope_id());
      return absl::OkStatus();
    }
    case Event::kCreditsDeallocated: {
      const auto& undone = original.credits_deallocated();
      AddOpened(1, undone.ae_cents(), undone.cp_cents());
      NamedEnvelope(undone.envelope_id());
      return absl::OkStatus();
    }
    case Event::kCreditsFrozen:
      NamedEnvelope(original.credits_frozen().envelope_id());
      return absl::OkStatus();
    case Event::kCreditsReleased:
      NamedEnvelope(original.credits_released().envelope_id());
      return absl::OkStatus();
    case Event::kCreditsCancelled:
      NamedEnvelope(original.credits_cancelled().envelope_id());
      return absl::OkStatus();
    case Event::kCreditsTransferred:
      NamedEnvelope(original.credits_transferred().from_envelope_id());
      NamedEnvelope(original.credits_transferred().to_envelope_id());
      return absl::OkStatus();
    case Event::kCarryoverRequested:
      Carryover(original.carryover_requested().carryover_id())
          .set_state(v1::CARRYOVER_STATE_REVERSED);
      NamedEnvelope(original.carryover_requested().envelope_id());
      return absl::OkStatus();
    case Event::kEngaged: {
      const auto& undone = original.engaged();
      std::int64_t sum_cents = 0;
      for (const auto& engaged : undone.lines()) {
        sum_cents += engaged.amount_cents();
        absl::Status changed =
            ChangeLine(undone.commitment_id(), engaged.line_id(), [&](auto& line) {
              line.set_engaged_cents(line.engaged_cents() - engaged.amount_cents());
              line.set_reversed(true);
            });
        if (!changed.ok()) return changed;
      }
      if (undone.early()) {
        auto& early =
            OfYear(*EnvelopeOf(undone.envelope_id()).mutable_early(), original.fiscal_year());
        early.set_amount_cents(early.amount_cents() - sum_cents);
      }
      return absl::OkStatus();
    }
    case Event::kWithdrawn:
      return Withdraw(original.withdrawn(), -1);
    case Event::kServiceCertified: {
      const auto& undone = original.service_certified();
      return ChangeLine(undone.commitment_id(), undone.line_id(), [&](auto& line) {
        line.set_certified_cents(line.certified_cents() - undone.amount_cents());
      });
    }
    case Event::kPaymentRequested: {
      const v1::PaymentRequest* request = books_.FindPayment(
          event_.agreement_id(), original.payment_requested().payment_request_id());
      if (request == nullptr && books_.history_ == History::kPartial) return absl::OkStatus();
      if (request == nullptr) return absl::InternalError("the reversed request is unknown");
      return UndoRequest(*request, v1::PAYMENT_STATE_REVERSED);
    }
    case Event::kPaid: {
      const auto& undone = original.paid();
      Payment(undone.payment_request_id()).set_state(v1::PAYMENT_STATE_REVERSED);
      return ChangeLine(undone.commitment_id(), undone.line_id(), [&](auto& line) {
        line.set_paid_cents(line.paid_cents() - undone.net_cents());
        Bill(line, undone.type(), -1, undone.gross_cents(), undone.recovered_cents(),
             undone.retained_cents());
      });
    }
    case Event::kPaidWithoutCommitment:
      Payment(original.paid_without_commitment().payment_request_id())
          .set_state(v1::PAYMENT_STATE_REVERSED);
      return absl::OkStatus();
    case Event::kReinstated:
      return Reinstate(original.reinstated(), -1);
    case Event::kReimputed:
      return Reimpute(original.reimputed(), original.reimputed().from_envelope_id(),
                      original.reimputed().from_product_id());
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
  return absl::InternalError("an entry of a kind that cannot be reversed was reversed");
}

absl::Status Books::Registers::Enter() {
  if (event_.fact_case() != Event::kAgreementCreated) MarkYear(event_.fiscal_year());
  switch (event_.fact_case()) {
    case Event::kAgreementCreated:
      CreateAgreement(event_.agreement_created());
      break;
    case Event::kAgreementAmended:
      AmendAgreement(event_.agreement_amended());
      break;
    case Event::kPublicationRecorded:
      for (auto& act : *NamedAgreement().mutable_acts()) {
        if (act.act_id() == event_.publication_recorded().act_id()) {
          act.set_published_date(event_.publication_recorded().published_date());
        }
      }
      break;
    case Event::kManagementTakenOver:
      NamedAgreement().set_taken_over_date(event_.effective_date());
      break;
    case Event::kEnvelopeCreated:
      CreateEnvelope(event_.envelope_created());
      break;
    case Event::kEnvelopeUpdated: {
      const auto& fact = event_.envelope_updated();
      v1::Envelope& envelope = NamedEnvelope(fact.envelope_id());
      *envelope.mutable_accountant_ids() = fact.accountant_ids();
      *envelope.mutable_payable_origin_years() = fact.payable_origin_years();
      break;
    }
    case Event::kProgrammeCreditsRecorded:
      OfYear(*NamedAgreement().mutable_years(), event_.fiscal_year())
          .set_programme_initial_cp_cents(event_.programme_credits_recorded().initial_cp_cents());
      break;
    case Event::kRecyclingBasisRecorded: {
      v1::YearStatus& year = OfYear(*NamedAgreement().mutable_years(), event_.fiscal_year());
      year.set_recycling_basis_cents(year.recycling_basis_cents() +
                                     event_.recycling_basis_recorded().amount_cents());
      break;
    }
    case Event::kCreditsAllocated: {
      const auto& fact = event_.credits_allocated();
      AddOpened(1, fact.ae_cents(), fact.cp_cents());
      NamedEnvelope(fact.envelope_id());
      break;
    }
    case Event::kCreditsDeallocated: {
      const auto& fact = event_.credits_deallocated();
      AddOpened(-1, fact.ae_cents(), fact.cp_cents());
      NamedEnvelope(fact.envelope_id());
      break;
    }
    case Event::kCreditsFrozen:
      NamedEnvelope(event_.credits_frozen().envelope_id());
      break;
    case Event::kCreditsReleased:
      NamedEnvelope(event_.credits_released().envelope_id());
      break;
    case Event::kCreditsCancelled:
      NamedEnvelope(event_.credits_cancelled().envelope_id());
      break;
    case Event::kCreditsTransferred:
      NamedEnvelope(event_.credits_transferred().from_envelope_id());
      NamedEnvelope(event_.credits_transferred().to_envelope_id());
      break;
    case Event::kOpeningImported:
      return ImportOpening(event_.opening_imported());
    case Event::kOpeningCorrected: {
      const auto& fact = event_.opening_corrected();
      return ChangeLine(fact.commitment_id(), fact.line_id(), [&](auto& line) {
        line.set_corrected_cents(line.corrected_cents() + fact.change_cents());
      });
    }
    case Event::kPlanImported:
      for (const auto& planned : event_.plan_imported().lines()) {
        MarkYear(planned.fiscal_year());
        events::v1::PlanLine& line =
            OfYear(*NamedEnvelope(planned.envelope_id()).mutable_plan(), planned.fiscal_year());
        BodyYear* sums = books_.MutableBodyYear(event_.agreement_id(), planned.envelope_id(),
                                                planned.fiscal_year(), position_);
        if (sums == nullptr && books_.history_ == History::kWhole) {
          return absl::InternalError("a plan for an envelope that there is not");
        }
        if (sums != nullptr) {
          if (absl::Status put = sums->ReplacePlan(line, planned); !put.ok()) return put;
        }
        line = planned;
      }
      break;
    case Event::kCarryoverRequested:
      RequestCarryover(event_.carryover_requested());
      break;
    case Event::kCarryoverGranted:
      GrantCarryover(event_.carryover_granted());
      break;
    case Event::kCarryoverRefused: {
      const auto& fact = event_.carryover_refused();
      v1::Carryover& carryover = Carryover(fact.carryover_id());
      carryover.set_state(v1::CARRYOVER_STATE_REFUSED);
      carryover.set_order_reference(fact.act_reference());
      NamedEnvelope(fact.envelope_id());
      break;
    }
    case Event::kCarryoverMadeAvailable: {
      const auto& fact = event_.carryover_made_available();
      v1::Carryover& carryover = Carryover(fact.carryover_id());
      carryover.set_available_cents(carryover.available_cents() + fact.amount_cents());
      carryover.set_act_reference(fact.act_reference());
      if (carryover.available_cents() == carryover.granted_cents()) {
        carryover.set_state(v1::CARRYOVER_STATE_AVAILABLE);
      }
      MarkYear(fact.from_year() + 1);
      NamedEnvelope(fact.envelope_id());
      break;
    }
    case Event::kYearClosed:
      CloseYear(event_.year_closed());
      break;
    case Event::kYearReopened:
      ReopenYear(event_.year_reopened());
      break;
    case Event::kEngaged:
      return Engage(event_.engaged());
    case Event::kWithdrawn:
      return Withdraw(event_.withdrawn(), 1);
    case Event::kServiceCertified: {
      const auto& fact = event_.service_certified();
      return ChangeLine(fact.commitment_id(), fact.line_id(), [&](auto& line) {
        line.set_certified_cents(line.certified_cents() + fact.amount_cents());
      });
    }
    case Event::kPaymentRequested:
      return RequestPayment(event_.payment_requested());
    case Event::kPaid:
    case Event::kPaidWithoutCommitment: {
      const bool on_line = event_.has_paid();
      v1::PaymentRequest& payment =
          Payment(on_line ? event_.paid().payment_request_id()
                          : event_.paid_without_commitment().payment_request_id());
      payment.set_state(v1::PAYMENT_STATE_PAID);
      payment.set_paid_by(event_.actor().principal_id());
      payment.set_paid_date(event_.effective_date());
      payment.set_paid_year(event_.fiscal_year());
      payment.set_payment_reference(on_line ? event_.paid().payment_reference()
                                            : event_.paid_without_commitment().payment_reference());
      if (!on_line) break;
      payment.set_product_id(event_.paid().product_id());
      return Pay(event_.paid());
    }
    case Event::kPaymentSuspended: {
      v1::PaymentRequest& payment = Payment(event_.payment_suspended().payment_request_id());
      payment.set_state(v1::PAYMENT_STATE_SUSPENDED);
      payment.set_reason_reference(event_.payment_suspended().reason_reference());
      break;
    }
    case Event::kPaymentResumed:
      Payment(event_.payment_resumed().payment_request_id()).set_state(v1::PAYMENT_STATE_REQUESTED);
      break;
    case Event::kPaymentRejected: {
      const auto& fact = event_.payment_rejected();
      v1::PaymentRequest& payment = Payment(fact.payment_request_id());
      payment.set_reason_reference(fact.reason_reference());
      return UndoRequest(payment, v1::PAYMENT_STATE_REJECTED);
    }
    case Event::kPaymentRequisitioned: {
      v1::PaymentRequest& payment = Payment(event_.payment_requisitioned().payment_request_id());
      payment.set_state(v1::PAYMENT_STATE_REQUISITIONED);
      payment.set_reason_reference(event_.payment_requisitioned().order_reference());
      break;
    }
    case Event::kReinstated:
      return Reinstate(event_.reinstated(), 1);
    case Event::kReimputed:
      return Reimpute(event_.reimputed(), event_.reimputed().to_envelope_id(),
                      event_.reimputed().to_product_id());
    case Event::kReversed:
      return Reverse(event_.reversed());
    case Event::FACT_NOT_SET:
      return absl::InternalError("an event without a fact");
  }
  return absl::OkStatus();
}

// So that reports and closings know the year; the agreement's row changes the first time only.
void Books::MarkYear(std::string_view agreement_id, int fiscal_year, store::Position position) {
  const v1::Agreement* agreement = FindAgreement(agreement_id);
  if (agreement != nullptr && FindYear(*agreement, fiscal_year) != nullptr) return;
  v1::Agreement& marked =
      agreements_.Mutable(AgreementRow(agreement_id), position,
                          [this](const std::string& key) { return Load<v1::Agreement>(key); });
  OfYear(*marked.mutable_years(), fiscal_year);
}

absl::Status Books::Register(const Event& event, store::Position position) {
  return Registers(*this, event, position).Enter();
}

}  // namespace denier::projections
