#include "services/rules/redecide.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>

#include <functional>
#include <initializer_list>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "projections/calendar.h"
#include "services/rules/decide.h"

namespace denier::rules {
namespace {

using events::v1::Event;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;
using v1::Command;

// What the parts of an amount come to. A forged event may pass 64 bits: then the sum is some other
// amount, which the rules refuse or part otherwise.
std::int64_t Sum(std::initializer_list<std::int64_t> parts) {
  std::uint64_t sum = 0;
  for (const std::int64_t part : parts) sum += static_cast<std::uint64_t>(part);
  return static_cast<std::int64_t>(sum);
}

// `request` with the header that the event's command had.
template <class Request>
Request& Begin(const Event& event, Request* request) {
  v1::CommandHeader& header = *request->mutable_header();
  header.set_request_id(event.request_id());
  header.set_agreement_id(event.agreement_id());
  header.set_effective_date(event.effective_date());
  if (event.fiscal_year() != projections::YearOf(event.effective_date())) {
    header.set_fiscal_year(event.fiscal_year());
  }
  if (event.has_late_entry()) *header.mutable_late_entry() = event.late_entry();
  return *request;
}

// Deallocate, Freeze, Release.
template <class Request, class Fact>
void FromCredits(Request& request, const Fact& fact) {
  request.set_envelope_id(fact.envelope_id());
  request.set_ae_cents(fact.ae_cents());
  request.set_cp_cents(fact.cp_cents());
  request.set_act_reference(fact.act_reference());
}

void FromAgreement(v1::CreateAgreementRequest& request, const events::v1::AgreementCreated& fact) {
  if (fact.has_delegating_body()) *request.mutable_delegating_body() = fact.delegating_body();
  if (fact.has_managing_body()) *request.mutable_managing_body() = fact.managing_body();
  request.set_programme(fact.programme());
  request.set_operational_budget(fact.operational_budget());
  request.set_operating_unit(fact.operating_unit());
  request.set_signed_date(fact.signed_date());
  request.set_published_date(fact.published_date());
  if (fact.has_term()) *request.mutable_term() = fact.term();
  *request.mutable_ceilings() = fact.ceilings();
  *request.mutable_products() = fact.products();
  request.set_after_term(fact.after_term());
  *request.mutable_visa_thresholds() = fact.visa_thresholds();
}

void FromAmendment(v1::AmendAgreementRequest& request, const events::v1::AgreementAmended& fact) {
  request.set_amendment_id(fact.amendment_id());
  request.set_signed_date(fact.signed_date());
  request.set_published_date(fact.published_date());
  if (fact.has_term()) *request.mutable_term() = fact.term();
  *request.mutable_ceilings() = fact.ceilings();
  *request.mutable_products() = fact.products();
  request.set_after_term(fact.after_term());
  *request.mutable_visa_thresholds() = fact.visa_thresholds();
}

void FromEngaged(v1::EngageRequest& request, const events::v1::Engaged& fact) {
  request.set_commitment_id(fact.commitment_id());
  request.set_envelope_id(fact.envelope_id());
  *request.mutable_lines() = fact.lines();
  if (fact.references().ByteSizeLong() != 0) *request.mutable_references() = fact.references();
  request.set_visa_reference(fact.visa_reference());
}

void FromPaymentRequested(v1::RequestPaymentRequest& request,
                          const events::v1::PaymentRequested& fact) {
  request.set_payment_request_id(fact.payment_request_id());
  request.set_type(fact.type());
  request.set_commitment_id(fact.commitment_id());
  request.set_line_id(fact.line_id());
  request.set_paying_envelope_id(fact.paying_envelope_id());
  request.set_gross_cents(fact.gross_cents());
  request.set_recovered_cents(fact.recovered_cents());
  request.set_retained_cents(fact.retained_cents());
  request.set_net_cents(fact.net_cents());
  if (fact.references().ByteSizeLong() != 0) *request.mutable_references() = fact.references();
  request.set_nature(fact.nature());
  request.set_product_id(fact.product_id());
}

void FromReimputed(v1::ReimputeRequest& request, const events::v1::Reimputed& fact) {
  request.set_commitment_id(fact.commitment_id());
  request.set_line_id(fact.line_id());
  request.set_payment_request_id(fact.payment_request_id());
  if (fact.to_envelope_id() != fact.from_envelope_id()) {
    request.set_to_envelope_id(fact.to_envelope_id());
  }
  if (fact.to_product_id() != fact.from_product_id()) {
    request.set_to_product_id(fact.to_product_id());
  }
}

v1::CommandHeader& MutableHeader(Command& command) {
  const auto& reflection = *command.GetReflection();
  Message& request = *reflection.MutableMessage(
      &command, reflection.GetOneofFieldDescriptor(command, Command::descriptor()->oneof_decl(0)));
  return static_cast<v1::CommandHeader&>(*request.GetReflection()->MutableMessage(
      &request, request.GetDescriptor()->FindFieldByNumber(1)));
}

// The other ways to say `command` that come to the same event.
std::vector<std::function<void(Command&)>> OtherWays(const projections::Books& books,
                                                     const Event& event, const Command& command) {
  std::vector<std::function<void(Command&)>> ways;
  const auto way = [&](auto change) { ways.emplace_back(change); };
  if (HeaderOf(command)->fiscal_year() == 0) {
    way([year = event.fiscal_year()](Command& c) { MutableHeader(c).set_fiscal_year(year); });
  }
  if (std::string etag = EtagOf(books, command); !etag.empty()) {
    way([etag = std::move(etag)](Command& c) { MutableHeader(c).set_etag(etag); });
  }
  if (command.has_create_agreement() &&
      command.create_agreement().after_term() == events::v1::AFTER_TERM_DELEGATE_SETTLES) {
    way([](Command& c) { c.mutable_create_agreement()->clear_after_term(); });
  }
  if (command.has_engage() && !command.engage().has_references()) {
    way([](Command& c) { c.mutable_engage()->mutable_references(); });
  }
  if (command.has_import_opening() && !command.import_opening().has_references()) {
    way([](Command& c) { c.mutable_import_opening()->mutable_references(); });
  }
  if (command.has_request_payment() && !command.request_payment().has_references()) {
    way([](Command& c) { c.mutable_request_payment()->mutable_references(); });
  }
  if (event.has_reimputed()) {
    const auto& fact = event.reimputed();
    if (command.reimpute().to_envelope_id().empty() && !fact.to_envelope_id().empty()) {
      way([id = fact.to_envelope_id()](Command& c) {
        c.mutable_reimpute()->set_to_envelope_id(id);
      });
    }
    if (command.reimpute().to_product_id().empty() && !fact.to_product_id().empty()) {
      way([id = fact.to_product_id()](Command& c) { c.mutable_reimpute()->set_to_product_id(id); });
    }
  }
  return ways;
}

// Whether one of the ways to say `command` has the event's hash.
bool HasHash(const projections::Books& books, const Event& event, const Command& command,
             ContentHash content_hash) {
  if (content_hash(command) == event.request_sha256()) return true;  // nearly always
  const auto ways = OtherWays(books, event, command);
  for (unsigned chosen = 1; chosen < (1U << ways.size()); ++chosen) {
    Command other = command;
    for (std::size_t i = 0; i < ways.size(); ++i) {
      if ((chosen >> i & 1U) != 0) ways[i](other);
    }
    if (content_hash(other) == event.request_sha256()) return true;
  }
  return false;
}

// One value as text; empty when the message does not have it.
std::string ValueOf(const Message& message, const MessageDifferencer::SpecificField& at,
                    int index) {
  if (at.field == nullptr) return "(unknown)";
  const auto& reflection = *message.GetReflection();
  if (at.field->is_repeated()
          ? index < 0 || index >= reflection.FieldSize(message, at.field)
          : at.field->has_presence() && !reflection.HasField(message, at.field)) {
    return "";
  }
  std::string text;
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  printer.PrintFieldValueToString(message, at.field, at.field->is_repeated() ? index : -1, &text);
  return text;
}

// Keeps the first difference.
class FirstDifference : public MessageDifferencer::Reporter {
 public:
  explicit FirstDifference(Disagreement& found) : found_(found) {}

  void ReportAdded(const Message& stored, const Message& decided,
                   const std::vector<MessageDifferencer::SpecificField>& path) override {
    Keep(stored, decided, path);
  }
  void ReportDeleted(const Message& stored, const Message& decided,
                     const std::vector<MessageDifferencer::SpecificField>& path) override {
    Keep(stored, decided, path);
  }
  void ReportModified(const Message& stored, const Message& decided,
                      const std::vector<MessageDifferencer::SpecificField>& path) override {
    Keep(stored, decided, path);
  }

 private:
  // The two messages are those that hold the last field of the path.
  void Keep(const Message& stored, const Message& decided,
            const std::vector<MessageDifferencer::SpecificField>& path) {
    if (!found_.field.empty()) return;
    for (const auto& step : path) {
      if (!found_.field.empty()) found_.field += ".";
      if (step.field == nullptr) {
        absl::StrAppend(&found_.field, "field ", step.unknown_field_number);
        continue;
      }
      found_.field += step.field->name();
      const int index = step.index >= 0 ? step.index : step.new_index;
      if (step.field->is_repeated()) absl::StrAppend(&found_.field, "[", index, "]");
    }
    found_.stored = ValueOf(stored, path.back(), path.back().index);
    found_.decided = ValueOf(decided, path.back(), path.back().new_index);
  }

  Disagreement& found_;
};

Disagreement Difference(std::int64_t position, const Event& stored, const Event& decided) {
  Disagreement found{.position = position};
  FirstDifference reporter(found);
  MessageDifferencer differencer;
  differencer.ReportDifferencesTo(&reporter);
  differencer.Compare(stored, decided);
  if (found.field.empty()) found.field = "event";  // the same fields in other bytes
  return found;
}

}  // namespace

Command CommandFrom(const Event& event) {
  Command command;
  switch (event.fact_case()) {
    case Event::kAgreementCreated:
      FromAgreement(Begin(event, command.mutable_create_agreement()), event.agreement_created());
      break;
    case Event::kAgreementAmended:
      FromAmendment(Begin(event, command.mutable_amend_agreement()), event.agreement_amended());
      break;
    case Event::kPublicationRecorded: {
      auto& request = Begin(event, command.mutable_record_publication());
      request.set_act_id(event.publication_recorded().act_id());
      request.set_published_date(event.publication_recorded().published_date());
      break;
    }
    case Event::kManagementTakenOver:
      Begin(event, command.mutable_take_over())
          .set_act_reference(event.management_taken_over().act_reference());
      break;
    case Event::kEnvelopeCreated: {
      const auto& fact = event.envelope_created();
      auto& request = Begin(event, command.mutable_create_envelope());
      request.set_envelope_id(fact.envelope_id());
      request.set_label(fact.label());
      request.set_managing_body_id(fact.managing_body_id());
      *request.mutable_accountant_ids() = fact.accountant_ids();
      *request.mutable_payable_origin_years() = fact.payable_origin_years();
      break;
    }
    case Event::kEnvelopeUpdated: {
      const auto& fact = event.envelope_updated();
      auto& request = Begin(event, command.mutable_update_envelope());
      request.set_envelope_id(fact.envelope_id());
      *request.mutable_accountant_ids() = fact.accountant_ids();
      *request.mutable_payable_origin_years() = fact.payable_origin_years();
      break;
    }
    case Event::kProgrammeCreditsRecorded: {
      auto& request = Begin(event, command.mutable_record_programme_credits());
      request.set_initial_cp_cents(event.programme_credits_recorded().initial_cp_cents());
      request.set_act_reference(event.programme_credits_recorded().act_reference());
      break;
    }
    case Event::kRecyclingBasisRecorded: {
      auto& request = Begin(event, command.mutable_record_recycling_basis());
      request.set_amount_cents(event.recycling_basis_recorded().amount_cents());
      request.set_act_reference(event.recycling_basis_recorded().act_reference());
      break;
    }
    case Event::kCreditsAllocated: {
      const auto& fact = event.credits_allocated();
      auto& request = Begin(event, command.mutable_allocate());
      FromCredits(request, fact);
      request.set_source(fact.source());
      break;
    }
    case Event::kCreditsDeallocated:
      FromCredits(Begin(event, command.mutable_deallocate()), event.credits_deallocated());
      break;
    case Event::kCreditsFrozen:
      FromCredits(Begin(event, command.mutable_freeze()), event.credits_frozen());
      break;
    case Event::kCreditsReleased:
      FromCredits(Begin(event, command.mutable_release()), event.credits_released());
      break;
    case Event::kCreditsCancelled: {
      const auto& fact = event.credits_cancelled();
      auto& request = Begin(event, command.mutable_cancel());
      request.set_envelope_id(fact.envelope_id());
      request.set_ae_cents(Sum({fact.ae_from_frozen_cents(), fact.ae_from_available_cents()}));
      request.set_cp_cents(Sum({fact.cp_from_frozen_cents(), fact.cp_from_available_cents()}));
      request.set_decree_reference(fact.decree_reference());
      break;
    }
    case Event::kCreditsTransferred: {
      const auto& fact = event.credits_transferred();
      auto& request = Begin(event, command.mutable_transfer());
      request.set_from_envelope_id(fact.from_envelope_id());
      request.set_to_envelope_id(fact.to_envelope_id());
      request.set_ae_cents(fact.ae_cents());
      request.set_cp_cents(fact.cp_cents());
      request.set_act_reference(fact.act_reference());
      break;
    }
    case Event::kOpeningImported: {
      const auto& fact = event.opening_imported();
      auto& request = Begin(event, command.mutable_import_opening());
      request.set_envelope_id(fact.envelope_id());
      request.set_commitment_id(fact.commitment_id());
      if (fact.references().ByteSizeLong() != 0) *request.mutable_references() = fact.references();
      *request.mutable_lines() = fact.lines();
      break;
    }
    case Event::kOpeningCorrected: {
      const auto& fact = event.opening_corrected();
      auto& request = Begin(event, command.mutable_correct_opening());
      request.set_commitment_id(fact.commitment_id());
      request.set_line_id(fact.line_id());
      request.set_change_cents(fact.change_cents());
      request.set_reason_reference(fact.reason_reference());
      break;
    }
    case Event::kPlanImported: {
      auto& request = Begin(event, command.mutable_import_plan());
      *request.mutable_lines() = event.plan_imported().lines();
      request.set_source_reference(event.plan_imported().source_reference());
      break;
    }
    case Event::kCarryoverRequested: {
      const auto& fact = event.carryover_requested();
      auto& request = Begin(event, command.mutable_request_carryover());
      request.set_carryover_id(fact.carryover_id());
      request.set_envelope_id(fact.envelope_id());
      request.set_kind(fact.kind());
      request.set_amount_cents(fact.amount_cents());
      request.set_assigned_receipts(fact.assigned_receipts());
      break;
    }
    case Event::kCarryoverGranted: {
      const auto& fact = event.carryover_granted();
      auto& request = Begin(event, command.mutable_grant_carryover());
      request.set_carryover_id(fact.carryover_id());
      request.set_amount_cents(fact.granted_cents());
      request.set_order_reference(fact.order_reference());
      request.set_derogation_reference(fact.derogation_reference());
      break;
    }
    case Event::kCarryoverRefused: {
      auto& request = Begin(event, command.mutable_refuse_carryover());
      request.set_carryover_id(event.carryover_refused().carryover_id());
      request.set_act_reference(event.carryover_refused().act_reference());
      break;
    }
    case Event::kCarryoverMadeAvailable: {
      const auto& fact = event.carryover_made_available();
      auto& request = Begin(event, command.mutable_make_carryover_available());
      request.set_carryover_id(fact.carryover_id());
      request.set_amount_cents(fact.amount_cents());
      request.set_act_reference(fact.act_reference());
      break;
    }
    case Event::kYearClosed:
      Begin(event, command.mutable_close_year()).set_approved_by(event.year_closed().approved_by());
      break;
    case Event::kYearReopened: {
      auto& request = Begin(event, command.mutable_reopen_year());
      request.set_approved_by(event.year_reopened().approved_by());
      request.set_reason_reference(event.year_reopened().reason_reference());
      break;
    }
    case Event::kEngaged:
      FromEngaged(Begin(event, command.mutable_engage()), event.engaged());
      break;
    case Event::kWithdrawn: {
      const auto& fact = event.withdrawn();
      auto& request = Begin(event, command.mutable_withdraw());
      request.set_commitment_id(fact.commitment_id());
      request.set_line_id(fact.line_id());
      request.set_amount_cents(Sum({fact.freed_cents(), fact.recycled_cents(),
                                    fact.unavailable_cents(), fact.early_cents()}));
      request.set_reason_reference(fact.reason_reference());
      break;
    }
    case Event::kServiceCertified: {
      const auto& fact = event.service_certified();
      auto& request = Begin(event, command.mutable_certify_service());
      request.set_commitment_id(fact.commitment_id());
      request.set_line_id(fact.line_id());
      request.set_amount_cents(fact.amount_cents());
      request.set_certificate_reference(fact.certificate_reference());
      break;
    }
    case Event::kPaymentRequested:
      FromPaymentRequested(Begin(event, command.mutable_request_payment()),
                           event.payment_requested());
      break;
    case Event::kPaid: {
      auto& request = Begin(event, command.mutable_pay());
      request.set_payment_request_id(event.paid().payment_request_id());
      request.set_payment_reference(event.paid().payment_reference());
      break;
    }
    case Event::kPaidWithoutCommitment: {
      const auto& fact = event.paid_without_commitment();
      auto& request = Begin(event, command.mutable_pay_without_commitment());
      request.set_payment_request_id(fact.payment_request_id());
      request.set_payment_reference(fact.payment_reference());
      break;
    }
    case Event::kPaymentSuspended: {
      auto& request = Begin(event, command.mutable_suspend_payment());
      request.set_payment_request_id(event.payment_suspended().payment_request_id());
      request.set_reason_reference(event.payment_suspended().reason_reference());
      break;
    }
    case Event::kPaymentResumed:
      Begin(event, command.mutable_resume_payment())
          .set_payment_request_id(event.payment_resumed().payment_request_id());
      break;
    case Event::kPaymentRejected: {
      auto& request = Begin(event, command.mutable_reject_payment());
      request.set_payment_request_id(event.payment_rejected().payment_request_id());
      request.set_reason_reference(event.payment_rejected().reason_reference());
      break;
    }
    case Event::kPaymentRequisitioned: {
      auto& request = Begin(event, command.mutable_requisition_payment());
      request.set_payment_request_id(event.payment_requisitioned().payment_request_id());
      request.set_order_reference(event.payment_requisitioned().order_reference());
      break;
    }
    case Event::kReinstated: {
      const auto& fact = event.reinstated();
      auto& request = Begin(event, command.mutable_reinstate());
      request.set_payment_request_id(fact.payment_request_id());
      request.set_amount_cents(fact.amount_cents());
      request.set_receipt_reference(fact.receipt_reference());
      break;
    }
    case Event::kReimputed:
      FromReimputed(Begin(event, command.mutable_reimpute()), event.reimputed());
      break;
    case Event::kReversed:
      Begin(event, command.mutable_reverse())
          .set_reversed_position(event.reversed().reversed_position());
      break;
    case Event::FACT_NOT_SET:
      break;
  }
  return command;
}

std::optional<Disagreement> Redecide(const projections::Books& books_before, std::int64_t position,
                                     const Event& event, const Event* original,
                                     ContentHash content_hash) {
  const Command command = CommandFrom(event);
  const auto refused = [&](Refusal refusal) {
    return Disagreement{.position = position, .refusal = std::move(refusal)};
  };
  if (auto refusal = CheckForm(command)) return refused(*std::move(refusal));
  // Nobody reverses what is yet to come.
  if (event.has_reversed() && event.reversed().reversed_position() >= position) original = nullptr;
  if (auto refusal = Authorise(books_before, event.actor(), command, original)) {
    return refused(*std::move(refusal));
  }
  Decision decision = Decide(books_before, event.actor(), command, original);
  if (auto* refusal = std::get_if<Refusal>(&decision)) return refused(std::move(*refusal));

  // What the sequencer adds, and what an older version did not say.
  Event& decided = std::get<Event>(decision);
  decided.set_recorded_time_us(event.recorded_time_us());
  decided.set_request_sha256(event.request_sha256());
  if (event.opening_corrected().product_unstated()) {
    decided.mutable_opening_corrected()->clear_product_id();
    decided.mutable_opening_corrected()->set_product_unstated(true);
  }
  if (decided.SerializeAsString() != event.SerializeAsString()) {
    return Difference(position, event, decided);
  }
  if (!HasHash(books_before, event, command, content_hash)) {
    return Disagreement{.position = position,
                        .field = "request_sha256",
                        .stored = "the hash of another command",
                        .decided = "the hash of the command that comes to this event"};
  }
  return std::nullopt;
}

std::string Describe(const Disagreement& disagreement) {
  std::string text = absl::StrCat("event ", disagreement.position, ": ");
  if (!disagreement.refusal.has_value()) {
    absl::StrAppend(&text, disagreement.field, " is ",
                    disagreement.stored.empty() ? "not set" : disagreement.stored,
                    "; the rules come to ",
                    disagreement.decided.empty() ? "none" : disagreement.decided);
    return text;
  }
  const Refusal& refusal = *disagreement.refusal;
  absl::StrAppend(&text, "the rules refuse it: ", v1::ErrorReason_Name(refusal.reason), ", ");
  if (!refusal.field.empty()) absl::StrAppend(&text, refusal.field, " ");
  text += refusal.message;
  for (const auto& [name, value] : refusal.facts) absl::StrAppend(&text, " ", name, "=", value);
  return text;
}

}  // namespace denier::rules
