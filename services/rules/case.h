// One command before the rules, and the checks that several rules share. For the files of this
// folder.
#ifndef DENIER_SERVICES_RULES_CASE_H_
#define DENIER_SERVICES_RULES_CASE_H_

#include <optional>
#include <string>
#include <string_view>

#include "denier/events/v1/event.pb.h"
#include "denier/v1/command_service.pb.h"
#include "projections/books.h"
#include "services/rules/refusal.h"

namespace denier::rules {

using events::v1::Event;
using projections::Account;
using projections::Ledger;

// Nothing: go on. A rule fills Case::event and answers the first refusal of its ladder.
using Verdict = std::optional<Refusal>;

struct Case {
  const projections::Books& books;
  const events::v1::Principal& actor;
  const v1::CommandHeader& header;
  const Event* original;           // what a Reverse names
  const v1::Agreement* agreement;  // nullptr before CreateAgreement alone
  int year;                        // budget year in which it counts
  int day;                         // effective day
  Event event;                     // who, when and why are set; the rule adds the fact

  const std::string& agreement_id() const { return header.agreement_id(); }
  const projections::Balances& balances(std::string_view envelope_id, int of_year) const {
    return books.BalancesOf(agreement_id(), envelope_id, of_year);
  }
};

// How the effective day and the budget year may differ.
enum class Period {
  kOpen,            // the year of the day, which is open
  kPayment,         // the year of the day: payments have no complementary period
  kOfDay,           // the year of the day; a late entry may be found out in a later one
  kOfDayOrNext,     // or the next one (early commitments)
  kOfDayOrBefore,   // or the one before (asking for a carry-over)
  kRegularisation,  // or the one before, until the dated rule's day
  kAnyUntilDay,     // any year that has begun on the day (closing, reopening)
};

// WRONG_YEAR, YEAR_CLOSED; INVALID_FIELD for a late entry into an open year.
Verdict CheckYear(const Case& c, Period period);

// MANDATE_EXPIRED, for the managing body outside the terms of the agreement: always for what
// commits anew, and for what settles old commitments where the agreement leaves that to the
// delegating body.
enum class Mandate { kCommits, kSettles };
Verdict CheckMandate(const Case& c, Mandate mandate);

// UNKNOWN_ENVELOPE; sets `found`.
Verdict FindEnvelope(const Case& c, const std::string& envelope_id, const v1::Envelope*& found);
// UNKNOWN_COMMITMENT, UNKNOWN_LINE; sets `found`. A line that was reversed counts as unknown.
Verdict FindLine(const Case& c, const std::string& commitment_id, const std::string& line_id,
                 const v1::CommitmentLineState*& found);
// UNKNOWN_PAYMENT_REQUEST; sets `found`.
Verdict FindPayment(const Case& c, const std::string& payment_request_id,
                    const v1::PaymentRequest*& found);
// UNKNOWN_PRODUCT; an empty identifier is none.
Verdict CheckProduct(const Case& c, const std::string& product_id);

// CEILING_MISSING, CEILING_EXCEEDED: the year's new credits, these included.
Verdict CheckCeiling(const Case& c, std::int64_t ae_cents, std::int64_t cp_cents);

// What can still be asked of a line, or given up: its outstanding without what is already
// requested.
std::int64_t RestOf(const v1::CommitmentLineState& line);
// What is engaged and not yet delivered.
std::int64_t UncertifiedOf(const v1::CommitmentLineState& line);
// REST_EXCEEDED, naming the rest.
Refusal RestExceeded(const v1::CommitmentLineState& line, std::int64_t asked_cents,
                     std::int64_t rest_cents);
// True when the line would still be sound without a request of these amounts: nothing was built on
// it.
bool CanTakeBack(const v1::CommitmentLineState& line, events::v1::PaymentType type,
                 std::int64_t gross_cents, std::int64_t retained_cents);

Refusal Taken(std::string_view what, std::string_view identifier);

// The rules, a function a command: agreements.cc, credits.cc, carryovers.cc, years.cc,
// commitments.cc, payments.cc, corrections.cc.
Verdict CreateAgreement(Case& c, const v1::CreateAgreementRequest& request);
Verdict AmendAgreement(Case& c, const v1::AmendAgreementRequest& request);
Verdict RecordPublication(Case& c, const v1::RecordPublicationRequest& request);
Verdict TakeOver(Case& c, const v1::TakeOverRequest& request);
Verdict CreateEnvelope(Case& c, const v1::CreateEnvelopeRequest& request);
Verdict UpdateEnvelope(Case& c, const v1::UpdateEnvelopeRequest& request);
Verdict RecordProgrammeCredits(Case& c, const v1::RecordProgrammeCreditsRequest& request);
Verdict RecordRecyclingBasis(Case& c, const v1::RecordRecyclingBasisRequest& request);
Verdict ImportPlan(Case& c, const v1::ImportPlanRequest& request);

Verdict Allocate(Case& c, const v1::AllocateRequest& request);
Verdict Deallocate(Case& c, const v1::DeallocateRequest& request);
Verdict Freeze(Case& c, const v1::FreezeRequest& request);
Verdict Release(Case& c, const v1::ReleaseRequest& request);
Verdict Cancel(Case& c, const v1::CancelRequest& request);
Verdict Transfer(Case& c, const v1::TransferRequest& request);

Verdict RequestCarryover(Case& c, const v1::RequestCarryoverRequest& request);
Verdict GrantCarryover(Case& c, const v1::GrantCarryoverRequest& request);
Verdict RefuseCarryover(Case& c, const v1::RefuseCarryoverRequest& request);
Verdict MakeCarryoverAvailable(Case& c, const v1::MakeCarryoverAvailableRequest& request);

Verdict CloseYear(Case& c, const v1::CloseYearRequest& request);
Verdict ReopenYear(Case& c, const v1::ReopenYearRequest& request);

Verdict ImportOpening(Case& c, const v1::ImportOpeningRequest& request);
Verdict CorrectOpening(Case& c, const v1::CorrectOpeningRequest& request);
Verdict Engage(Case& c, const v1::EngageRequest& request);
Verdict Withdraw(Case& c, const v1::WithdrawRequest& request);
Verdict CertifyService(Case& c, const v1::CertifyServiceRequest& request);

Verdict RequestPayment(Case& c, const v1::RequestPaymentRequest& request);
Verdict Pay(Case& c, const v1::PayRequest& request);
Verdict PayWithoutCommitment(Case& c, const v1::PayWithoutCommitmentRequest& request);
Verdict SuspendPayment(Case& c, const v1::SuspendPaymentRequest& request);
Verdict ResumePayment(Case& c, const v1::ResumePaymentRequest& request);
Verdict RejectPayment(Case& c, const v1::RejectPaymentRequest& request);
Verdict RequisitionPayment(Case& c, const v1::RequisitionPaymentRequest& request);

Verdict Reinstate(Case& c, const v1::ReinstateRequest& request);
Verdict Reimpute(Case& c, const v1::ReimputeRequest& request);
Verdict Reverse(Case& c, const v1::ReverseRequest& request);

}  // namespace denier::rules

#endif  // DENIER_SERVICES_RULES_CASE_H_
