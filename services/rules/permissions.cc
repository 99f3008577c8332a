#include "services/rules/permissions.h"

#include <algorithm>
#include <array>

#include "absl/container/inlined_vector.h"
#include "services/rules/decide.h"

namespace denier::rules {
namespace {

using events::v1::Event;
using v1::Command;

constexpr auto kManager = events::v1::ROLE_PROGRAMME_MANAGER;
constexpr auto kOfficer = events::v1::ROLE_AUTHORISING_OFFICER;
constexpr auto kAccountant = events::v1::ROLE_ACCOUNTANT;

constexpr std::array kTable = {
    Permission{Command::kCreateAgreement, kManager, Whose::kDelegatingBody},
    Permission{Command::kAmendAgreement, kManager, Whose::kDelegatingBody},
    Permission{Command::kRecordPublication, kManager, Whose::kDelegatingBody},
    Permission{Command::kTakeOver, kManager, Whose::kDelegatingBody},
    Permission{Command::kCreateEnvelope, kManager, Whose::kDelegatingBody},
    Permission{Command::kUpdateEnvelope, kManager, Whose::kDelegatingBody},
    Permission{Command::kRecordProgrammeCredits, kManager, Whose::kDelegatingBody},
    Permission{Command::kRecordRecyclingBasis, kManager, Whose::kDelegatingBody},
    Permission{Command::kAllocate, kManager, Whose::kDelegatingBody},
    Permission{Command::kDeallocate, kManager, Whose::kDelegatingBody},
    Permission{Command::kFreeze, kManager, Whose::kDelegatingBody},
    Permission{Command::kRelease, kManager, Whose::kDelegatingBody},
    Permission{Command::kCancel, kManager, Whose::kDelegatingBody},
    Permission{Command::kTransfer, kManager, Whose::kDelegatingBody},
    Permission{Command::kImportOpening, kManager, Whose::kDelegatingBody},
    Permission{Command::kCorrectOpening, kManager, Whose::kDelegatingBody},
    Permission{Command::kImportPlan, kManager, Whose::kDelegatingBody},
    Permission{Command::kGrantCarryover, kManager, Whose::kDelegatingBody},
    Permission{Command::kRefuseCarryover, kManager, Whose::kDelegatingBody},
    Permission{Command::kMakeCarryoverAvailable, kManager, Whose::kDelegatingBody},
    Permission{Command::kCloseYear, kManager, Whose::kDelegatingBody, true},
    Permission{Command::kReopenYear, kManager, Whose::kDelegatingBody, true},
    Permission{Command::kRequestCarryover, kOfficer, Whose::kManagingBody},
    Permission{Command::kEngage, kOfficer, Whose::kManagingBody},
    Permission{Command::kWithdraw, kOfficer, Whose::kManagingBody},
    Permission{Command::kCertifyService, kOfficer, Whose::kManagingBody},
    Permission{Command::kRequestPayment, kOfficer, Whose::kManagingBody},
    Permission{Command::kRequisitionPayment, kOfficer, Whose::kManagingBody},
    Permission{Command::kReimpute, kOfficer, Whose::kManagingBody},
    Permission{Command::kPay, kAccountant, Whose::kAnyAssigned},
    Permission{Command::kPayWithoutCommitment, kAccountant, Whose::kAnyAssigned},
    Permission{Command::kSuspendPayment, kAccountant, Whose::kAnyAssigned},
    Permission{Command::kResumePayment, kAccountant, Whose::kAnyAssigned},
    Permission{Command::kRejectPayment, kAccountant, Whose::kAnyAssigned},
    Permission{Command::kReinstate, kAccountant, Whose::kAnyAssigned},
};

// The envelopes that a command acts on, found through what it names.
using Envelopes = absl::InlinedVector<std::string, 2>;

class EnvelopesOf {
 public:
  EnvelopesOf(const projections::Books& books, const std::string& agreement_id)
      : books_(books), agreement_id_(agreement_id) {}

  std::optional<Refusal> Collect(const Command& command, const Event* original);
  const Envelopes& found() const { return found_; }
  // The payment request that the command acts on; nullptr: on none.
  const v1::PaymentRequest* payment() const { return payment_; }

 private:
  std::optional<Refusal> Line(const std::string& commitment_id, const std::string& line_id) {
    const v1::Commitment* commitment = books_.FindCommitment(agreement_id_, commitment_id);
    if (commitment == nullptr) {
      return Refuse(v1::ERROR_REASON_UNKNOWN_COMMITMENT, "no such commitment")
          .With("commitment_id", commitment_id);
    }
    const v1::CommitmentLineState* line = projections::FindLine(*commitment, line_id);
    if (line == nullptr) {
      return Refuse(v1::ERROR_REASON_UNKNOWN_LINE, "no such commitment line")
          .With("commitment_id", commitment_id)
          .With("line_id", line_id);
    }
    found_.push_back(line->envelope_id());
    return std::nullopt;
  }

  std::optional<Refusal> Payment(const std::string& payment_request_id) {
    const v1::PaymentRequest* payment = books_.FindPayment(agreement_id_, payment_request_id);
    if (payment == nullptr) {
      return Refuse(v1::ERROR_REASON_UNKNOWN_PAYMENT_REQUEST, "no such payment request")
          .With("payment_request_id", payment_request_id);
    }
    found_.push_back(payment->paying_envelope_id());
    payment_ = payment;
    return std::nullopt;
  }

  std::optional<Refusal> Original(const Event& original);

  const projections::Books& books_;
  const std::string& agreement_id_;
  Envelopes found_;
  const v1::PaymentRequest* payment_ = nullptr;
};

std::optional<Refusal> EnvelopesOf::Collect(const Command& command, const Event* original) {
  switch (command.command_case()) {
    case Command::kEngage:
      found_.push_back(command.engage().envelope_id());
      break;
    case Command::kRequestCarryover:
      found_.push_back(command.request_carryover().envelope_id());
      break;
    case Command::kWithdraw:
      return Line(command.withdraw().commitment_id(), command.withdraw().line_id());
    case Command::kCertifyService:
      return Line(command.certify_service().commitment_id(), command.certify_service().line_id());
    case Command::kRequestPayment: {
      // The officer spends the paying envelope's CP on the line's debt: both are its body's.
      const auto& request = command.request_payment();
      found_.push_back(request.paying_envelope_id());
      if (request.type() == events::v1::PAYMENT_TYPE_WITHOUT_COMMITMENT) break;
      return Line(request.commitment_id(), request.line_id());
    }
    case Command::kRequisitionPayment:
      return Payment(command.requisition_payment().payment_request_id());
    case Command::kReimpute: {
      const auto& request = command.reimpute();
      if (!request.to_envelope_id().empty()) found_.push_back(request.to_envelope_id());
      if (!request.payment_request_id().empty()) return Payment(request.payment_request_id());
      return Line(request.commitment_id(), request.line_id());
    }
    case Command::kPay:
      return Payment(command.pay().payment_request_id());
    case Command::kPayWithoutCommitment:
      return Payment(command.pay_without_commitment().payment_request_id());
    case Command::kSuspendPayment:
      return Payment(command.suspend_payment().payment_request_id());
    case Command::kResumePayment:
      return Payment(command.resume_payment().payment_request_id());
    case Command::kRejectPayment:
      return Payment(command.reject_payment().payment_request_id());
    case Command::kReinstate:
      return Payment(command.reinstate().payment_request_id());
    case Command::kReverse:
      if (original != nullptr) return Original(*original);
      break;
    case Command::kCreateAgreement:
    case Command::kAmendAgreement:
    case Command::kRecordPublication:
    case Command::kTakeOver:
    case Command::kCreateEnvelope:
    case Command::kUpdateEnvelope:
    case Command::kRecordProgrammeCredits:
    case Command::kRecordRecyclingBasis:
    case Command::kAllocate:
    case Command::kDeallocate:
    case Command::kFreeze:
    case Command::kRelease:
    case Command::kCancel:
    case Command::kTransfer:
    case Command::kImportOpening:
    case Command::kCorrectOpening:
    case Command::kImportPlan:
    case Command::kGrantCarryover:
    case Command::kRefuseCarryover:
    case Command::kMakeCarryoverAvailable:
    case Command::kCloseYear:
    case Command::kReopenYear:
    case Command::COMMAND_NOT_SET:
      break;  // the delegating body's, whatever the envelope
  }
  return std::nullopt;
}

std::optional<Refusal> EnvelopesOf::Original(const Event& original) {
  if (original.has_carryover_requested()) {
    found_.push_back(original.carryover_requested().envelope_id());
  } else if (original.has_engaged()) {
    found_.push_back(original.engaged().envelope_id());
  } else if (original.has_withdrawn()) {
    return Line(original.withdrawn().commitment_id(), original.withdrawn().line_id());
  } else if (original.has_service_certified()) {
    return Line(original.service_certified().commitment_id(),
                original.service_certified().line_id());
  } else if (original.has_payment_requested()) {
    return Payment(original.payment_requested().payment_request_id());
  } else if (original.has_paid()) {
    return Payment(original.paid().payment_request_id());
  } else if (original.has_paid_without_commitment()) {
    return Payment(original.paid_without_commitment().payment_request_id());
  } else if (original.has_reinstated()) {
    return Payment(original.reinstated().payment_request_id());
  } else if (original.has_reimputed()) {
    found_.push_back(original.reimputed().from_envelope_id());
    found_.push_back(original.reimputed().to_envelope_id());
  }
  return std::nullopt;
}

Refusal WrongBody(std::string_view managing_body, std::string_view envelope_id) {
  Refusal refusal = Refuse(v1::ERROR_REASON_WRONG_BODY, "another body decides here")
                        .With("managing_body", managing_body);
  if (!envelope_id.empty()) refusal = std::move(refusal).With("envelope_id", envelope_id);
  return refusal;
}

// The body that manages an envelope on a day: the delegating body once it has taken over.
const std::string& ManagerOf(const v1::Agreement& agreement, const v1::Envelope& envelope,
                             int day) {
  const bool taken_over = agreement.taken_over_date() != 0 && day >= agreement.taken_over_date();
  return taken_over ? agreement.delegating_body().body_id() : envelope.managing_body_id();
}

const std::string& ApproverOf(const Command& command) {
  return command.has_close_year() ? command.close_year().approved_by()
                                  : command.reopen_year().approved_by();
}

}  // namespace

std::span<const Permission> Permissions() { return kTable; }

Command::CommandCase CommandOf(Event::FactCase fact) {
  switch (fact) {
    case Event::kAgreementCreated:
      return Command::kCreateAgreement;
    case Event::kAgreementAmended:
      return Command::kAmendAgreement;
    case Event::kPublicationRecorded:
      return Command::kRecordPublication;
    case Event::kManagementTakenOver:
      return Command::kTakeOver;
    case Event::kEnvelopeCreated:
      return Command::kCreateEnvelope;
    case Event::kEnvelopeUpdated:
      return Command::kUpdateEnvelope;
    case Event::kProgrammeCreditsRecorded:
      return Command::kRecordProgrammeCredits;
    case Event::kRecyclingBasisRecorded:
      return Command::kRecordRecyclingBasis;
    case Event::kCreditsAllocated:
      return Command::kAllocate;
    case Event::kCreditsDeallocated:
      return Command::kDeallocate;
    case Event::kCreditsFrozen:
      return Command::kFreeze;
    case Event::kCreditsReleased:
      return Command::kRelease;
    case Event::kCreditsCancelled:
      return Command::kCancel;
    case Event::kCreditsTransferred:
      return Command::kTransfer;
    case Event::kOpeningImported:
      return Command::kImportOpening;
    case Event::kOpeningCorrected:
      return Command::kCorrectOpening;
    case Event::kPlanImported:
      return Command::kImportPlan;
    case Event::kCarryoverRequested:
      return Command::kRequestCarryover;
    case Event::kCarryoverGranted:
      return Command::kGrantCarryover;
    case Event::kCarryoverRefused:
      return Command::kRefuseCarryover;
    case Event::kCarryoverMadeAvailable:
      return Command::kMakeCarryoverAvailable;
    case Event::kYearClosed:
      return Command::kCloseYear;
    case Event::kYearReopened:
      return Command::kReopenYear;
    case Event::kEngaged:
      return Command::kEngage;
    case Event::kWithdrawn:
      return Command::kWithdraw;
    case Event::kServiceCertified:
      return Command::kCertifyService;
    case Event::kPaymentRequested:
      return Command::kRequestPayment;
    case Event::kPaid:
      return Command::kPay;
    case Event::kPaidWithoutCommitment:
      return Command::kPayWithoutCommitment;
    case Event::kPaymentSuspended:
      return Command::kSuspendPayment;
    case Event::kPaymentResumed:
      return Command::kResumePayment;
    case Event::kPaymentRejected:
      return Command::kRejectPayment;
    case Event::kPaymentRequisitioned:
      return Command::kRequisitionPayment;
    case Event::kReinstated:
      return Command::kReinstate;
    case Event::kReimputed:
      return Command::kReimpute;
    case Event::kReversed:
      return Command::kReverse;
    case Event::FACT_NOT_SET:
      break;
  }
  return Command::COMMAND_NOT_SET;
}

const Permission* PermissionFor(Command::CommandCase command, const Event* original) {
  if (command == Command::kReverse && original != nullptr) {
    command = CommandOf(original->fact_case());
  }
  const auto row = std::ranges::find(kTable, command, &Permission::command);
  return row == kTable.end() ? nullptr : &*row;
}

std::optional<Refusal> Authorise(const projections::Books& books,
                                 const events::v1::Principal& actor, const Command& command,
                                 const Event* original) {
  const v1::CommandHeader& header = *HeaderOf(command);
  const auto& roles = actor.roles();
  // A reversal of nothing, or of a reversal, is refused as such to those who may reverse, and to
  // nobody else.
  const bool may_reverse = std::ranges::any_of(
      roles, [](int role) { return role == kManager || role == kOfficer || role == kAccountant; });
  if (command.has_reverse() && original == nullptr && may_reverse) {
    return Refuse(v1::ERROR_REASON_UNKNOWN_POSITION, "no event at the position")
        .With("position", command.reverse().reversed_position());
  }
  const Permission* permission = PermissionFor(command.command_case(), original);
  if (permission == nullptr) {
    return may_reverse && command.has_reverse()
               ? Refuse(v1::ERROR_REASON_NOT_REVERSIBLE, "a reversal is not reversed")
               : Refuse(v1::ERROR_REASON_WRONG_ROLE, "no role may do this");
  }
  if (std::ranges::find(roles, permission->role) == roles.end()) {
    return Refuse(v1::ERROR_REASON_WRONG_ROLE, "the principal lacks the role")
        .With("role", events::v1::Role_Name(permission->role));
  }

  if (command.has_create_agreement()) {
    const std::string& delegating_body = command.create_agreement().delegating_body().body_id();
    if (actor.body_id() != delegating_body) return WrongBody(delegating_body, {});
    return std::nullopt;
  }
  const v1::Agreement* agreement = books.FindAgreement(header.agreement_id());
  if (agreement == nullptr ||
      (original != nullptr && original->agreement_id() != header.agreement_id())) {
    return Refuse(v1::ERROR_REASON_UNKNOWN_AGREEMENT, "no such agreement")
        .With("agreement_id", header.agreement_id());
  }
  if (permission->second_approver && ApproverOf(command) == actor.principal_id()) {
    return Refuse(v1::ERROR_REASON_APPROVER_MISSING, "the approver is the one who acts");
  }
  if (header.has_late_entry() && header.late_entry().approved_by() == actor.principal_id()) {
    return Refuse(v1::ERROR_REASON_APPROVER_MISSING, "the approver is the one who acts");
  }
  if (permission->whose == Whose::kDelegatingBody) {
    const std::string& delegating_body = agreement->delegating_body().body_id();
    if (actor.body_id() != delegating_body) return WrongBody(delegating_body, {});
    return std::nullopt;
  }

  EnvelopesOf envelopes(books, header.agreement_id());
  if (auto unknown = envelopes.Collect(command, original)) return unknown;
  for (const std::string& envelope_id : envelopes.found()) {
    const v1::Envelope* envelope = books.FindEnvelope(header.agreement_id(), envelope_id);
    if (envelope == nullptr) {
      return Refuse(v1::ERROR_REASON_UNKNOWN_ENVELOPE, "no such envelope")
          .With("envelope_id", envelope_id);
    }
    if (permission->whose == Whose::kAnyAssigned) {
      const auto& accountants = envelope->accountant_ids();
      if (std::ranges::find(accountants, actor.principal_id()) == accountants.end()) {
        return Refuse(v1::ERROR_REASON_NOT_ASSIGNED, "not an accountant of the envelope")
            .With("envelope_id", envelope_id);
      }
      continue;
    }
    const std::string& manager = ManagerOf(*agreement, *envelope, header.effective_date());
    if (actor.body_id() != manager) return WrongBody(manager, envelope_id);
  }

  // The officer who requested a payment is never its accountant (GBCP art. 9).
  if (permission->whose == Whose::kAnyAssigned && envelopes.payment() != nullptr &&
      envelopes.payment()->requested_by() == actor.principal_id()) {
    return Refuse(v1::ERROR_REASON_SAME_PERSON, "the officer who requested may not act on it")
        .With("payment_request_id", envelopes.payment()->payment_request_id());
  }
  return std::nullopt;
}

}  // namespace denier::rules
