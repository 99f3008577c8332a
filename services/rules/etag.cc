// The resource that a command names, and its etag.
#include "services/rules/decide.h"

namespace denier::rules {
namespace {

using v1::Command;

// Where the etag of a command's resource is kept; all empty: the command names none.
struct Named {
  bool agreement = false;
  std::string envelope_id = {};
  std::string commitment_id = {};
  std::string payment_request_id = {};

  bool any() const {
    return agreement || !envelope_id.empty() || !commitment_id.empty() ||
           !payment_request_id.empty();
  }
};

std::string EnvelopeOfCarryover(const projections::Books* books, const Command& command,
                                const std::string& carryover_id) {
  if (books == nullptr) return "-";  // only asked whether there is one
  const v1::Agreement* agreement = books->FindAgreement(HeaderOf(command)->agreement_id());
  const v1::Carryover* carryover =
      agreement == nullptr ? nullptr : projections::FindCarryover(*agreement, carryover_id);
  return carryover == nullptr ? "" : carryover->envelope_id();
}

Named NamedBy(const Command& command, const projections::Books* books) {
  switch (command.command_case()) {
    case Command::kCreateAgreement:
    case Command::kAmendAgreement:
    case Command::kRecordPublication:
    case Command::kTakeOver:
    case Command::kRecordProgrammeCredits:
    case Command::kRecordRecyclingBasis:
    case Command::kCloseYear:
    case Command::kReopenYear:
      return {.agreement = true};
    case Command::kCreateEnvelope:
      return {.envelope_id = command.create_envelope().envelope_id()};
    case Command::kUpdateEnvelope:
      return {.envelope_id = command.update_envelope().envelope_id()};
    case Command::kAllocate:
      return {.envelope_id = command.allocate().envelope_id()};
    case Command::kDeallocate:
      return {.envelope_id = command.deallocate().envelope_id()};
    case Command::kFreeze:
      return {.envelope_id = command.freeze().envelope_id()};
    case Command::kRelease:
      return {.envelope_id = command.release().envelope_id()};
    case Command::kCancel:
      return {.envelope_id = command.cancel().envelope_id()};
    case Command::kTransfer:
      return {.envelope_id = command.transfer().from_envelope_id()};
    case Command::kRequestCarryover:
      return {.envelope_id = command.request_carryover().envelope_id()};
    case Command::kGrantCarryover:
      return {.envelope_id =
                  EnvelopeOfCarryover(books, command, command.grant_carryover().carryover_id())};
    case Command::kRefuseCarryover:
      return {.envelope_id =
                  EnvelopeOfCarryover(books, command, command.refuse_carryover().carryover_id())};
    case Command::kMakeCarryoverAvailable:
      return {.envelope_id = EnvelopeOfCarryover(
                  books, command, command.make_carryover_available().carryover_id())};
    case Command::kImportOpening:
      return {.commitment_id = command.import_opening().commitment_id()};
    case Command::kCorrectOpening:
      return {.commitment_id = command.correct_opening().commitment_id()};
    case Command::kEngage:
      return {.commitment_id = command.engage().commitment_id()};
    case Command::kWithdraw:
      return {.commitment_id = command.withdraw().commitment_id()};
    case Command::kCertifyService:
      return {.commitment_id = command.certify_service().commitment_id()};
    case Command::kRequestPayment:
      return {.payment_request_id = command.request_payment().payment_request_id()};
    case Command::kPay:
      return {.payment_request_id = command.pay().payment_request_id()};
    case Command::kPayWithoutCommitment:
      return {.payment_request_id = command.pay_without_commitment().payment_request_id()};
    case Command::kSuspendPayment:
      return {.payment_request_id = command.suspend_payment().payment_request_id()};
    case Command::kResumePayment:
      return {.payment_request_id = command.resume_payment().payment_request_id()};
    case Command::kRejectPayment:
      return {.payment_request_id = command.reject_payment().payment_request_id()};
    case Command::kRequisitionPayment:
      return {.payment_request_id = command.requisition_payment().payment_request_id()};
    case Command::kReinstate:
      return {.payment_request_id = command.reinstate().payment_request_id()};
    case Command::kReimpute:
      return {.commitment_id = command.reimpute().commitment_id(),
              .payment_request_id = command.reimpute().payment_request_id()};
    case Command::kImportPlan:
    case Command::kReverse:
    case Command::COMMAND_NOT_SET:
      break;
  }
  return {};
}

}  // namespace

std::string EtagOf(const projections::Books& books, const Command& command) {
  const Named named = NamedBy(command, &books);
  const std::string& agreement_id = HeaderOf(command)->agreement_id();
  const auto etag = [](const auto* row) { return row == nullptr ? std::string() : row->etag(); };
  if (named.agreement) return etag(books.FindAgreement(agreement_id));
  if (!named.envelope_id.empty()) {
    return etag(books.FindEnvelope(agreement_id, named.envelope_id));
  }
  if (!named.commitment_id.empty()) {
    return etag(books.FindCommitment(agreement_id, named.commitment_id));
  }
  if (!named.payment_request_id.empty()) {
    return etag(books.FindPayment(agreement_id, named.payment_request_id));
  }
  return {};
}

std::optional<Refusal> CheckEtag(const projections::Books& books, const Command& command) {
  const std::string& wanted = HeaderOf(command)->etag();
  if (wanted.empty()) return std::nullopt;
  const std::string current = EtagOf(books, command);
  if (wanted == current) return std::nullopt;
  return Refuse(v1::ERROR_REASON_ETAG_MOVED, "the resource has moved since")
      .With("etag", wanted)
      .With("current_etag", current);
}

bool MovesEtag(const Command& command) { return NamedBy(command, nullptr).any(); }

}  // namespace denier::rules
