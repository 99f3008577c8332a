#include "projections/execution_report_registers.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "projections/calendar.h"

namespace denier::projections {
namespace {

using events::v1::Event;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

absl::Status Unknown(std::string_view what, std::string_view id) {
  return absl::DataLossError(
      absl::StrCat("the ", View(what), " ", View(id), " is named before it was made"));
}

}  // namespace

ReportRegisters::ReportRegisters(const ExecutionReportScope& scope, int until)
    : scope_(scope), until_(until) {
  commitments.emplace_back();  // the expenses without commitment
}

std::optional<std::size_t> ReportRegisters::FindEnvelope(std::string_view id) const {
  const auto found = envelope_index_.find(View(id));
  if (found == envelope_index_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::size_t> ReportRegisters::FindCommitment(std::string_view id) const {
  if (id.empty()) return 0;
  const auto found = commitment_index_.find(View(id));
  if (found == commitment_index_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::size_t> ReportRegisters::FindLine(const Commitment& commitment,
                                                     std::string_view id) {
  for (std::size_t i = 0; i < commitment.lines.size(); ++i) {
    if (commitment.lines[i].id == id) return i;
  }
  return std::nullopt;
}

const ReportRegisters::Request* ReportRegisters::FindRequest(std::string_view id) const {
  const auto found = requests_.find(View(id));
  return found == requests_.end() ? nullptr : &found->second;
}

std::string_view ReportRegisters::CommitmentOf(const Event& event) const {
  switch (event.fact_case()) {
    case Event::kOpeningImported:
      return event.opening_imported().commitment_id();
    case Event::kOpeningCorrected:
      return event.opening_corrected().commitment_id();
    case Event::kEngaged:
      return event.engaged().commitment_id();
    case Event::kWithdrawn:
      return event.withdrawn().commitment_id();
    case Event::kServiceCertified:
      return event.service_certified().commitment_id();
    case Event::kPaymentRequested:
      return event.payment_requested().commitment_id();
    case Event::kPaid:
      return event.paid().commitment_id();
    case Event::kReinstated:
      return event.reinstated().commitment_id();
    case Event::kPaymentSuspended:
    case Event::kPaymentResumed:
    case Event::kPaymentRejected:
    case Event::kPaymentRequisitioned:
    case Event::kReimputed: {
      if (event.has_reimputed() && event.reimputed().payment_request_id().empty()) {
        return event.reimputed().commitment_id();
      }
      const std::string& id =
          event.has_reimputed()           ? event.reimputed().payment_request_id()
          : event.has_payment_suspended() ? event.payment_suspended().payment_request_id()
          : event.has_payment_resumed()   ? event.payment_resumed().payment_request_id()
          : event.has_payment_rejected()  ? event.payment_rejected().payment_request_id()
                                          : event.payment_requisitioned().payment_request_id();
      const Request* request = FindRequest(id);
      return request == nullptr ? std::string_view() : request->commitment_id;
    }
    case Event::kReversed:
      return CommitmentOf(event.reversed().original());
    case Event::kAgreementCreated:
    case Event::kAgreementAmended:
    case Event::kPublicationRecorded:
    case Event::kManagementTakenOver:
    case Event::kEnvelopeCreated:
    case Event::kEnvelopeUpdated:
    case Event::kProgrammeCreditsRecorded:
    case Event::kRecyclingBasisRecorded:
    case Event::kCreditsAllocated:
    case Event::kCreditsDeallocated:
    case Event::kCreditsFrozen:
    case Event::kCreditsReleased:
    case Event::kCreditsCancelled:
    case Event::kCreditsTransferred:
    case Event::kPlanImported:
    case Event::kCarryoverRequested:
    case Event::kCarryoverGranted:
    case Event::kCarryoverRefused:
    case Event::kCarryoverMadeAvailable:
    case Event::kYearClosed:
    case Event::kYearReopened:
    case Event::kPaidWithoutCommitment:
    case Event::FACT_NOT_SET:
      break;
  }
  return {};
}

ReportRegisters::Commitment& ReportRegisters::Make(
    const std::string& commitment_id, const events::v1::CommitmentReferences& references) {
  const auto [entry, made] = commitment_index_.try_emplace(commitment_id, commitments.size());
  if (made) {
    Commitment& commitment = commitments.emplace_back();
    commitment.id = commitment_id;
    commitment.references = references;
  }
  return commitments[entry->second];
}

absl::Status ReportRegisters::MoveLine(const events::v1::Reimputed& fact,
                                       const std::string& envelope_id) {
  if (!fact.payment_request_id().empty()) return absl::OkStatus();
  const auto commitment = FindCommitment(fact.commitment_id());
  const auto envelope = FindEnvelope(envelope_id);
  if (!commitment) return Unknown("commitment", fact.commitment_id());
  if (!envelope) return Unknown("envelope", envelope_id);
  const auto line = FindLine(commitments[*commitment], fact.line_id());
  if (!line) return Unknown("line", fact.line_id());
  commitments[*commitment].lines[*line].envelope = *envelope;
  return absl::OkStatus();
}

absl::Status ReportRegisters::Undo(const Event& original) {
  if (original.has_reimputed()) {
    return MoveLine(original.reimputed(), original.reimputed().from_envelope_id());
  }
  if (original.has_carryover_requested()) {
    carryovers[original.carryover_requested().carryover_id()].carryover.set_state(
        v1::CARRYOVER_STATE_REVERSED);
  }
  return absl::OkStatus();
}

absl::Status ReportRegisters::Learn(const Event& event, store::Position position) {
  switch (event.fact_case()) {
    case Event::kAgreementCreated:
    case Event::kAgreementAmended:
    case Event::kPublicationRecorded:
    case Event::kManagementTakenOver:
    case Event::kEnvelopeUpdated:
    case Event::kProgrammeCreditsRecorded:
    case Event::kRecyclingBasisRecorded:
      return books_.Fold(event, position);
    case Event::kEnvelopeCreated: {
      const auto& fact = event.envelope_created();
      envelope_index_.emplace(fact.envelope_id(), envelopes.size());
      envelopes.push_back({fact.envelope_id(), fact.managing_body_id(), fact.label(),
                           scope_.sees == nullptr || scope_.sees(fact.envelope_id())});
      return books_.Fold(event, position);
    }
    case Event::kOpeningImported: {
      const auto& fact = event.opening_imported();
      const auto envelope = FindEnvelope(fact.envelope_id());
      if (!envelope) return Unknown("envelope", fact.envelope_id());
      Commitment& commitment = Make(fact.commitment_id(), fact.references());
      commitment.imported = true;
      for (const auto& line : fact.lines()) {
        commitment.lines.push_back({line.line_id(), *envelope, line.origin_year(), {}});
        for (const auto& payment : line.payments()) {
          Request& request = requests_[payment.payment_id()];
          request.references.set_chorus_payment_request(payment.chorus_payment_request());
          request.type = events::v1::PAYMENT_TYPE_SERVICE;
          request.commitment_id = fact.commitment_id();
        }
      }
      return absl::OkStatus();
    }
    case Event::kEngaged: {
      const auto& fact = event.engaged();
      const auto envelope = FindEnvelope(fact.envelope_id());
      if (!envelope) return Unknown("envelope", fact.envelope_id());
      Commitment& commitment = Make(fact.commitment_id(), fact.references());
      for (const auto& engaged : fact.lines()) {
        Line line{engaged.line_id(), *envelope, event.fiscal_year(), {}};
        for (const auto& payment : engaged.schedule()) {
          line.schedule[payment.fiscal_year()] += payment.amount_cents();
        }
        commitment.lines.push_back(std::move(line));
      }
      return absl::OkStatus();
    }
    case Event::kPaymentRequested: {
      const auto& fact = event.payment_requested();
      requests_[fact.payment_request_id()] = {fact.references(), fact.type(), fact.nature(),
                                              fact.commitment_id()};
      return absl::OkStatus();
    }
    case Event::kPlanImported:
      for (const auto& line : event.plan_imported().lines()) {
        const auto envelope = FindEnvelope(line.envelope_id());
        if (!envelope) return Unknown("envelope", line.envelope_id());
        plans[{*envelope, line.fiscal_year()}] = line;
      }
      return absl::OkStatus();
    case Event::kCarryoverRequested: {
      const auto& fact = event.carryover_requested();
      Carryover& row = carryovers[fact.carryover_id()];
      row.requested_date = event.effective_date();
      row.carryover.set_carryover_id(fact.carryover_id());
      row.carryover.set_envelope_id(fact.envelope_id());
      row.carryover.set_kind(fact.kind());
      row.carryover.set_from_year(fact.from_year());
      row.carryover.set_state(v1::CARRYOVER_STATE_REQUESTED);
      row.carryover.set_requested_cents(fact.amount_cents());
      row.carryover.set_assigned_receipts(fact.assigned_receipts());
      return absl::OkStatus();
    }
    case Event::kCarryoverGranted: {
      const auto& fact = event.carryover_granted();
      Carryover& row = carryovers[fact.carryover_id()];
      row.decided_date = event.effective_date();
      row.lapsed_cents = fact.lapsed_cents();
      row.derogation_reference = fact.derogation_reference();
      row.carryover.set_state(v1::CARRYOVER_STATE_GRANTED);
      row.carryover.set_granted_cents(fact.granted_cents());
      row.carryover.set_order_reference(fact.order_reference());
      return absl::OkStatus();
    }
    case Event::kCarryoverRefused: {
      const auto& fact = event.carryover_refused();
      Carryover& row = carryovers[fact.carryover_id()];
      row.decided_date = event.effective_date();
      row.lapsed_cents = fact.lapsed_cents();
      row.carryover.set_state(v1::CARRYOVER_STATE_REFUSED);
      row.carryover.set_order_reference(fact.act_reference());
      return absl::OkStatus();
    }
    case Event::kCarryoverMadeAvailable: {
      const auto& fact = event.carryover_made_available();
      Carryover& row = carryovers[fact.carryover_id()];
      row.available_date = event.effective_date();
      row.carryover.set_available_cents(row.carryover.available_cents() + fact.amount_cents());
      row.carryover.set_act_reference(fact.act_reference());
      if (row.carryover.available_cents() == row.carryover.granted_cents()) {
        row.carryover.set_state(v1::CARRYOVER_STATE_AVAILABLE);
      }
      return absl::OkStatus();
    }
    case Event::kYearClosed:
      closed_years.insert(event.fiscal_year());
      return absl::OkStatus();
    case Event::kYearReopened:
      closed_years.erase(event.fiscal_year());
      return absl::OkStatus();
    case Event::kReimputed:
      // The line stands where it stood at the end of the period.
      if (DayWithin(event.fiscal_year(), event.effective_date()) > until_) {
        return absl::OkStatus();
      }
      return MoveLine(event.reimputed(), event.reimputed().to_envelope_id());
    case Event::kReversed:
      if (event.reversed().original().has_reimputed() &&
          DayWithin(event.fiscal_year(), event.effective_date()) > until_) {
        return absl::OkStatus();
      }
      return Undo(event.reversed().original());
    case Event::kCreditsAllocated:
    case Event::kCreditsDeallocated:
    case Event::kCreditsFrozen:
    case Event::kCreditsReleased:
    case Event::kCreditsCancelled:
    case Event::kCreditsTransferred:
    case Event::kOpeningCorrected:
    case Event::kWithdrawn:
    case Event::kServiceCertified:
    case Event::kPaid:
    case Event::kPaidWithoutCommitment:
    case Event::kPaymentSuspended:
    case Event::kPaymentResumed:
    case Event::kPaymentRejected:
    case Event::kPaymentRequisitioned:
    case Event::kReinstated:
    case Event::FACT_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

}  // namespace denier::projections
