#include "projections/touched.h"

namespace denier::projections {
namespace {

using events::v1::Event;

void Credits(const auto& fact, Touched& touched) {
  touched.envelopes.push_back(fact.envelope_id());
}

void Line(const auto& fact, Touched& touched) {
  touched.commitment_id = fact.commitment_id();
  touched.line_id = fact.line_id();
}

void Payment(const auto& fact, Touched& touched) {
  touched.payment_request_id = fact.payment_request_id();
}

}  // namespace

Touched TouchedBy(const Event& event) {
  Touched touched;
  switch (event.fact_case()) {
    case Event::kAgreementCreated:
    case Event::kAgreementAmended:
    case Event::kPublicationRecorded:
    case Event::kManagementTakenOver:
    case Event::kProgrammeCreditsRecorded:
    case Event::kRecyclingBasisRecorded:
      touched.agreement = true;
      break;
    case Event::kYearClosed:
      touched.agreement = true;
      for (const auto& line : event.year_closed().lines()) Credits(line, touched);
      break;
    case Event::kYearReopened:
      touched.agreement = true;
      for (const auto& line : event.year_reopened().lines()) Credits(line, touched);
      break;
    case Event::kEnvelopeCreated:
      Credits(event.envelope_created(), touched);
      break;
    case Event::kEnvelopeUpdated:
      Credits(event.envelope_updated(), touched);
      break;
    case Event::kCreditsAllocated:
      Credits(event.credits_allocated(), touched);
      break;
    case Event::kCreditsDeallocated:
      Credits(event.credits_deallocated(), touched);
      break;
    case Event::kCreditsFrozen:
      Credits(event.credits_frozen(), touched);
      break;
    case Event::kCreditsReleased:
      Credits(event.credits_released(), touched);
      break;
    case Event::kCreditsCancelled:
      Credits(event.credits_cancelled(), touched);
      break;
    case Event::kCreditsTransferred:
      touched.envelopes.push_back(event.credits_transferred().from_envelope_id());
      touched.envelopes.push_back(event.credits_transferred().to_envelope_id());
      break;
    case Event::kOpeningImported:
      Credits(event.opening_imported(), touched);
      touched.commitment_id = event.opening_imported().commitment_id();
      break;
    case Event::kOpeningCorrected:
      Credits(event.opening_corrected(), touched);
      Line(event.opening_corrected(), touched);
      break;
    case Event::kPlanImported:
      for (const auto& line : event.plan_imported().lines()) Credits(line, touched);
      break;
    case Event::kCarryoverRequested:
      Credits(event.carryover_requested(), touched);
      break;
    case Event::kCarryoverGranted:
      Credits(event.carryover_granted(), touched);
      break;
    case Event::kCarryoverRefused:
      Credits(event.carryover_refused(), touched);
      break;
    case Event::kCarryoverMadeAvailable:
      Credits(event.carryover_made_available(), touched);
      break;
    case Event::kEngaged:
      Credits(event.engaged(), touched);
      touched.commitment_id = event.engaged().commitment_id();
      break;
    case Event::kWithdrawn:
      Credits(event.withdrawn(), touched);
      Line(event.withdrawn(), touched);
      break;
    case Event::kServiceCertified:
      Line(event.service_certified(), touched);
      break;
    case Event::kPaymentRequested:
      touched.envelopes.push_back(event.payment_requested().paying_envelope_id());
      Line(event.payment_requested(), touched);
      Payment(event.payment_requested(), touched);
      break;
    case Event::kPaid:
      touched.envelopes.push_back(event.paid().paying_envelope_id());
      touched.envelopes.push_back(event.paid().line_envelope_id());
      Line(event.paid(), touched);
      Payment(event.paid(), touched);
      break;
    case Event::kPaidWithoutCommitment:
      Credits(event.paid_without_commitment(), touched);
      Payment(event.paid_without_commitment(), touched);
      break;
    case Event::kPaymentSuspended:
      Payment(event.payment_suspended(), touched);
      break;
    case Event::kPaymentResumed:
      Payment(event.payment_resumed(), touched);
      break;
    case Event::kPaymentRejected:
      touched.envelopes.push_back(event.payment_rejected().paying_envelope_id());
      Payment(event.payment_rejected(), touched);
      break;
    case Event::kPaymentRequisitioned:
      Payment(event.payment_requisitioned(), touched);
      break;
    case Event::kReinstated:
      touched.envelopes.push_back(event.reinstated().ae_envelope_id());
      touched.envelopes.push_back(event.reinstated().cp_envelope_id());
      Line(event.reinstated(), touched);
      Payment(event.reinstated(), touched);
      break;
    case Event::kReimputed:
      touched.envelopes.push_back(event.reimputed().from_envelope_id());
      touched.envelopes.push_back(event.reimputed().to_envelope_id());
      Line(event.reimputed(), touched);
      Payment(event.reimputed(), touched);
      break;
    case Event::kReversed:
      return TouchedBy(event.reversed().original());
    case Event::FACT_NOT_SET:
      break;
  }
  return touched;
}

}  // namespace denier::projections
