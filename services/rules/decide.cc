#include "services/rules/decide.h"

#include "projections/calendar.h"
#include "projections/event_version.h"
#include "services/rules/case.h"

namespace denier::rules {
namespace {

using v1::Command;

Verdict DecideFact(Case& c, const Command& command) {
  switch (command.command_case()) {
    case Command::kCreateAgreement:
      return CreateAgreement(c, command.create_agreement());
    case Command::kAmendAgreement:
      return AmendAgreement(c, command.amend_agreement());
    case Command::kRecordPublication:
      return RecordPublication(c, command.record_publication());
    case Command::kTakeOver:
      return TakeOver(c, command.take_over());
    case Command::kCreateEnvelope:
      return CreateEnvelope(c, command.create_envelope());
    case Command::kUpdateEnvelope:
      return UpdateEnvelope(c, command.update_envelope());
    case Command::kRecordProgrammeCredits:
      return RecordProgrammeCredits(c, command.record_programme_credits());
    case Command::kRecordRecyclingBasis:
      return RecordRecyclingBasis(c, command.record_recycling_basis());
    case Command::kAllocate:
      return Allocate(c, command.allocate());
    case Command::kDeallocate:
      return Deallocate(c, command.deallocate());
    case Command::kFreeze:
      return Freeze(c, command.freeze());
    case Command::kRelease:
      return Release(c, command.release());
    case Command::kCancel:
      return Cancel(c, command.cancel());
    case Command::kTransfer:
      return Transfer(c, command.transfer());
    case Command::kImportOpening:
      return ImportOpening(c, command.import_opening());
    case Command::kCorrectOpening:
      return CorrectOpening(c, command.correct_opening());
    case Command::kImportPlan:
      return ImportPlan(c, command.import_plan());
    case Command::kRequestCarryover:
      return RequestCarryover(c, command.request_carryover());
    case Command::kGrantCarryover:
      return GrantCarryover(c, command.grant_carryover());
    case Command::kRefuseCarryover:
      return RefuseCarryover(c, command.refuse_carryover());
    case Command::kMakeCarryoverAvailable:
      return MakeCarryoverAvailable(c, command.make_carryover_available());
    case Command::kCloseYear:
      return CloseYear(c, command.close_year());
    case Command::kReopenYear:
      return ReopenYear(c, command.reopen_year());
    case Command::kEngage:
      return Engage(c, command.engage());
    case Command::kWithdraw:
      return Withdraw(c, command.withdraw());
    case Command::kCertifyService:
      return CertifyService(c, command.certify_service());
    case Command::kRequestPayment:
      return RequestPayment(c, command.request_payment());
    case Command::kPay:
      return Pay(c, command.pay());
    case Command::kPayWithoutCommitment:
      return PayWithoutCommitment(c, command.pay_without_commitment());
    case Command::kSuspendPayment:
      return SuspendPayment(c, command.suspend_payment());
    case Command::kResumePayment:
      return ResumePayment(c, command.resume_payment());
    case Command::kRejectPayment:
      return RejectPayment(c, command.reject_payment());
    case Command::kRequisitionPayment:
      return RequisitionPayment(c, command.requisition_payment());
    case Command::kReinstate:
      return Reinstate(c, command.reinstate());
    case Command::kReimpute:
      return Reimpute(c, command.reimpute());
    case Command::kReverse:
      return Reverse(c, command.reverse());
    case Command::COMMAND_NOT_SET:
      break;
  }
  return InvalidField("command", "is required");
}

// A pot of credits would be overdrawn: which refusal that is.
Refusal Exceeded(const projections::Shortfall& shortfall) {
  v1::ErrorReason reason =
      shortfall.ledger == Ledger::kAe ? v1::ERROR_REASON_AE_EXCEEDED : v1::ERROR_REASON_CP_EXCEEDED;
  if (shortfall.account == Account::kFrozen) reason = v1::ERROR_REASON_FROZEN_EXCEEDED;
  return Refuse(reason, "more than there is")
      .With("envelope_id", shortfall.envelope_id)
      .With("fiscal_year", shortfall.fiscal_year)
      .With("account", projections::Name(shortfall.account))
      .With("asked_cents", shortfall.asked_cents)
      .With("available_cents", shortfall.have_cents);
}

// What money does, is in the postings alone; so no command can forget to look at the credits.
Verdict CheckCredits(const Case& c) {
  const projections::PostingList postings = projections::Postings(c.event);
  if (auto shortfall = c.books.WouldOverdraw(c.agreement_id(), postings)) {
    return Exceeded(*shortfall);
  }
  if (c.books.WouldOverflow(c.agreement_id(), postings)) {
    return Refuse(v1::ERROR_REASON_AMOUNT_OVERFLOW, "a balance would pass 64 bits of cents");
  }
  return std::nullopt;
}

}  // namespace

Decision Decide(const projections::Books& books, const events::v1::Principal& actor,
                const Command& command, const Event* original) {
  const v1::CommandHeader& header = *HeaderOf(command);
  const int year = header.fiscal_year() != 0 ? header.fiscal_year()
                                             : projections::YearOf(header.effective_date());
  Case c{.books = books,
         .actor = actor,
         .header = header,
         .original = original,
         .agreement = books.FindAgreement(header.agreement_id()),
         .year = year,
         .day = header.effective_date(),
         .event = {}};
  c.event.set_version(projections::kEventVersion);
  c.event.set_agreement_id(header.agreement_id());
  c.event.set_fiscal_year(year);
  c.event.set_effective_date(header.effective_date());
  *c.event.mutable_actor() = actor;
  c.event.set_request_id(header.request_id());
  if (header.has_late_entry()) *c.event.mutable_late_entry() = header.late_entry();

  if (auto refusal = DecideFact(c, command)) return *std::move(refusal);
  if (auto refusal = CheckCredits(c)) return *std::move(refusal);
  return std::move(c.event);
}

}  // namespace denier::rules
