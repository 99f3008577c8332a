// What can be said of a command without books. The fields' names say what they hold (the API keeps
// to that), so one walk over the message checks all commands: *_id and *_reference are identifiers,
// *_cents amounts, *_date days, *_year years. What may be left empty stands in one table.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "projections/calendar.h"
#include "projections/row_keys.h"
#include "services/rules/decide.h"

namespace denier::rules {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// 100 bn EUR: no State start-up comes near, and sums of millions of them fit 64 bits.
constexpr std::int64_t kMaxCents = 10'000'000'000'000;
constexpr int kMaxIdentifierBytes = 64;
constexpr int kMaxTextBytes = 2000;
constexpr int kMaxElements = 1000;

// Fields that may be empty or zero, as "message.field".
constexpr std::array<std::string_view, 40> kOptional = {
    "CommandHeader.fiscal_year",
    "CommandHeader.etag",
    "CreateAgreementRequest.published_date",
    "CreateAgreementRequest.operational_budget",
    "CreateAgreementRequest.after_term",
    "AmendAgreementRequest.published_date",
    "AmendAgreementRequest.term",
    "AmendAgreementRequest.after_term",
    "Body.label",
    "Product.ambition",
    "CreateEnvelopeRequest.label",
    "EngageRequest.visa_reference",
    "EngageRequest.references",
    "ImportOpeningRequest.references",
    "CommitmentReferences.chorus_commitment",
    "CommitmentReferences.contract",
    "CommitmentReferences.framework_contract",
    "CommitmentReferences.payee",
    "PaymentReferences.chorus_payment_request",
    "PaymentReferences.invoice",
    "PaymentReferences.payee",
    "OpeningPayment.chorus_payment_request",
    "OpeningLine.product_id",
    "CommitmentLine.product_id",
    "GrantCarryoverRequest.derogation_reference",
    "CertifyServiceRequest.certificate_reference",
    "RequestPaymentRequest.commitment_id",
    "RequestPaymentRequest.line_id",
    "RequestPaymentRequest.references",
    "RequestPaymentRequest.nature",
    "RequestPaymentRequest.product_id",
    "PayRequest.payment_reference",
    "PayWithoutCommitmentRequest.payment_reference",
    "ReimputeRequest.commitment_id",
    "ReimputeRequest.line_id",
    "ReimputeRequest.payment_request_id",
    "ReimputeRequest.to_envelope_id",
    "ReimputeRequest.to_product_id",
    "CommandHeader.late_entry",
    "ImportPlanRequest.source_reference",
};

// Text that people wrote: any UTF-8, bounded.
constexpr std::array<std::string_view, 4> kText = {"label", "ambition", "objectives", "sites"};

// Amounts that are more than nothing, and those that may be less.
constexpr std::array<std::string_view, 5> kPositive = {"amount_cents", "gross_cents", "net_cents",
                                                       "initial_cp_cents", "engaged_cents"};
constexpr std::array<std::string_view, 2> kSigned = {"change_cents", "outstanding_cents"};

// Lists that may not be empty.
constexpr std::array<std::string_view, 3> kFilled = {
    "EngageRequest.lines", "ImportOpeningRequest.lines", "ImportPlanRequest.lines"};

bool Contains(const auto& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

bool IsIdentifier(std::string_view text) {
  return !text.empty() && text.size() <= kMaxIdentifierBytes &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == ':' || c == '-';
         });
}

// What a field holds, as its type and its name say.
enum class Holds {
  kMessage,
  kText,
  kIdentifier,
  kPosition,
  kCents,
  kYear,
  kDay,
  kEnum,
  kBool,
  kWhatCommandsDoNot,
};

// All that the tables above say of one type of message. They are read once a process: commands come
// by the thousand, and names need not be compared for each.
struct Form {
  struct Field {
    const FieldDescriptor* field;
    Holds holds;
    bool repeated;
    bool optional;
    bool filled;           // a list that may not be empty
    bool may_be_negative;  // cents
    bool may_be_zero;      // cents
    const Form* message;   // of kMessage
  };
  const Reflection* reflection;  // asking a message for it takes longer than a field's check
  std::vector<Field> fields;
};

Holds WhatHolds(const FieldDescriptor& field) {
  const std::string& name = field.name();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return Contains(kText, name) ? Holds::kText : Holds::kIdentifier;
    case FieldDescriptor::CPPTYPE_INT64:
      return name == "reversed_position" ? Holds::kPosition : Holds::kCents;
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::EndsWith(name, "_year") || absl::EndsWith(name, "_years") ? Holds::kYear
                                                                             : Holds::kDay;
    case FieldDescriptor::CPPTYPE_ENUM:
      return Holds::kEnum;
    case FieldDescriptor::CPPTYPE_BOOL:
      return Holds::kBool;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Holds::kMessage;
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      break;
  }
  return Holds::kWhatCommandsDoNot;
}

using Forms = std::unordered_map<const Descriptor*, Form>;

// The form of `type`, and of what it holds. The map does not move what it has.
const Form& AddForm(const Descriptor& type, Forms& forms) {
  const auto [it, added] = forms.try_emplace(&type);
  Form& form = it->second;
  if (!added) return form;
  form.reflection =
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->GetReflection();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string full_name = absl::StrCat(type.name(), ".", field.name());
    const Holds holds = WhatHolds(field);
    const bool is_signed = Contains(kSigned, field.name());
    form.fields.push_back(
        {.field = &field,
         .holds = holds,
         .repeated = field.is_repeated(),
         .optional = Contains(kOptional, full_name),
         .filled = Contains(kFilled, full_name),
         .may_be_negative = is_signed,
         .may_be_zero =
             is_signed ? field.name() != "change_cents" : !Contains(kPositive, field.name()),
         .message = holds == Holds::kMessage ? &AddForm(*field.message_type(), forms) : nullptr});
  }
  return form;
}

// One kind of command: the oneof's field, and what stands in its request.
struct Kind {
  const FieldDescriptor* request = nullptr;
  const Form* form = nullptr;
  // Both, of commands that move AE and CP.
  const FieldDescriptor* ae_cents = nullptr;
  const FieldDescriptor* cp_cents = nullptr;
  // Of commands that name one.
  const FieldDescriptor* commitment_id = nullptr;
  const FieldDescriptor* payment_request_id = nullptr;
};

// The kinds by the number of the oneof's field, and the forms that they point to.
struct Tables {
  Forms forms;
  std::vector<Kind> kinds;
  const Reflection* command = v1::Command::GetReflection();
};

const Tables& AllTables() {
  static const auto& tables = *[] {
    auto* const made = new Tables();
    const Descriptor& command = *v1::Command::descriptor();
    for (int i = 0; i < command.field_count(); ++i) {
      const FieldDescriptor& field = *command.field(i);
      const Descriptor& request = *field.message_type();
      const auto number = static_cast<std::size_t>(field.number());
      if (made->kinds.size() <= number) made->kinds.resize(number + 1);
      Kind& kind = made->kinds[number];
      kind.request = &field;
      kind.form = &AddForm(request, made->forms);
      kind.ae_cents = request.FindFieldByName("ae_cents");
      kind.cp_cents = request.FindFieldByName("cp_cents");
      kind.commitment_id = request.FindFieldByName("commitment_id");
      kind.payment_request_id = request.FindFieldByName("payment_request_id");
      if (kind.ae_cents == nullptr || kind.cp_cents == nullptr) {
        kind.ae_cents = kind.cp_cents = nullptr;
      }
    }
    return made;
  }();
  return tables;
}

// nullptr: no command is set.
const Kind* KindOf(const v1::Command& command) {
  if (command.command_case() == v1::Command::COMMAND_NOT_SET) return nullptr;
  return &AllTables().kinds[static_cast<std::size_t>(command.command_case())];
}
const Message& RequestOf(const v1::Command& command, const Kind& kind) {
  return AllTables().command->GetMessage(command, kind.request);
}

// A field of one value (or one element of a list), which is not a message.
std::optional<std::string> WhatIsWrong(const Message& message, const Reflection& reflection,
                                       const Form::Field& form, int index) {
  const FieldDescriptor* const field = form.field;
  const bool optional = form.optional && !form.repeated;
  switch (form.holds) {
    case Holds::kText:
    case Holds::kIdentifier: {
      std::string scratch;
      const std::string& text =
          form.repeated ? reflection.GetRepeatedStringReference(message, field, index, &scratch)
                        : reflection.GetStringReference(message, field, &scratch);
      if (text.empty()) {
        return optional ? std::nullopt : std::optional<std::string>("is required");
      }
      if (form.holds == Holds::kText) {
        if (text.size() > kMaxTextBytes) return absl::StrCat("is over ", kMaxTextBytes, " bytes");
      } else if (!IsIdentifier(text)) {
        return absl::StrCat("is not 1 to ", kMaxIdentifierBytes, " characters of [A-Za-z0-9._:-]");
      }
      return std::nullopt;
    }
    case Holds::kPosition:
      return reflection.GetInt64(message, field) < 0
                 ? std::optional<std::string>("is not a position")
                 : std::nullopt;
    case Holds::kCents: {
      const std::int64_t value = reflection.GetInt64(message, field);
      if (value > kMaxCents || value < -kMaxCents) {
        return absl::StrCat("is beyond ", kMaxCents, " cents");
      }
      if (value < 0 && !form.may_be_negative) return "must not be negative";
      if (value == 0 && !form.may_be_zero) {
        return form.may_be_negative ? "must not be 0" : "must be more than 0";
      }
      return std::nullopt;
    }
    case Holds::kYear:
    case Holds::kDay: {
      const int value = form.repeated ? reflection.GetRepeatedInt32(message, field, index)
                                      : reflection.GetInt32(message, field);
      if (value == 0 && optional) return std::nullopt;
      if (form.holds == Holds::kYear) {
        return projections::IsFiscalYear(value)
                   ? std::nullopt
                   : std::optional<std::string>("is not a budget year from 2000 to 2199");
      }
      return projections::IsDay(value)
                 ? std::nullopt
                 : std::optional<std::string>("is not a day written YYYYMMDD");
    }
    case Holds::kEnum: {
      const int value = reflection.GetEnumValue(message, field);
      if (value == 0) return optional ? std::nullopt : std::optional<std::string>("is required");
      if (field->enum_type()->FindValueByNumber(value) == nullptr) return "is not a known value";
      return std::nullopt;
    }
    case Holds::kBool:
      return std::nullopt;
    case Holds::kMessage:
    case Holds::kWhatCommandsDoNot:
      break;
  }
  return "is of a type that commands do not have";
}

// A field that is refused. Its path is put together on the way up, once there is something to say.
struct Wrong {
  std::string path;
  std::string what;
};

std::optional<Wrong> CheckMessage(const Message& message, const Form& form) {
  const Reflection& reflection = *form.reflection;
  for (const Form::Field& of : form.fields) {
    const std::string& name = of.field->name();
    if (!of.repeated) {
      if (of.holds == Holds::kMessage) {
        if (!reflection.HasField(message, of.field)) {
          if (!of.optional) return Wrong{name, "is required"};
          continue;
        }
        if (auto wrong = CheckMessage(reflection.GetMessage(message, of.field), *of.message)) {
          return Wrong{absl::StrCat(name, ".", wrong->path), std::move(wrong->what)};
        }
      } else if (auto wrong = WhatIsWrong(message, reflection, of, -1)) {
        return Wrong{name, *std::move(wrong)};
      }
      continue;
    }
    const int size = reflection.FieldSize(message, of.field);
    if (size > kMaxElements) {
      return Wrong{name, absl::StrCat("has more than ", kMaxElements, " elements")};
    }
    if (size == 0 && of.filled) return Wrong{name, "is required"};
    for (int element = 0; element < size; ++element) {
      if (of.holds == Holds::kMessage) {
        if (auto wrong = CheckMessage(reflection.GetRepeatedMessage(message, of.field, element),
                                      *of.message)) {
          return Wrong{absl::StrCat(name, "[", element, "].", wrong->path), std::move(wrong->what)};
        }
      } else if (auto wrong = WhatIsWrong(message, reflection, of, element)) {
        return Wrong{absl::StrCat(name, "[", element, "]"), *std::move(wrong)};
      }
    }
  }
  return std::nullopt;
}

// The first field that no form has, and the path of the message that has it.
struct Unknown {
  std::string path;
  int number;
};

std::optional<Unknown> FindUnknown(const Message& message, const Form& form) {
  const Reflection& reflection = *form.reflection;
  const google::protobuf::UnknownFieldSet& unknown = reflection.GetUnknownFields(message);
  if (!unknown.empty()) return Unknown{"", unknown.field(0).number()};
  const auto below = [](absl::string_view name, const Unknown& found) {
    return Unknown{found.path.empty() ? std::string(name) : absl::StrCat(name, ".", found.path),
                   found.number};
  };
  for (const Form::Field& of : form.fields) {
    if (of.holds != Holds::kMessage) continue;
    if (!of.repeated) {
      if (!reflection.HasField(message, of.field)) continue;
      if (auto found = FindUnknown(reflection.GetMessage(message, of.field), *of.message)) {
        return below(of.field->name(), *found);
      }
      continue;
    }
    const int size = reflection.FieldSize(message, of.field);
    for (int element = 0; element < size; ++element) {
      if (auto found =
              FindUnknown(reflection.GetRepeatedMessage(message, of.field, element), *of.message)) {
        return below(absl::StrCat(of.field->name(), "[", element, "]"), *found);
      }
    }
  }
  return std::nullopt;
}

}  // namespace

// Without reflection: it is asked eight times of each command.
const v1::CommandHeader* HeaderOf(const v1::Command& command) {
  switch (command.command_case()) {
    case v1::Command::kCreateAgreement:
      return &command.create_agreement().header();
    case v1::Command::kAmendAgreement:
      return &command.amend_agreement().header();
    case v1::Command::kRecordPublication:
      return &command.record_publication().header();
    case v1::Command::kTakeOver:
      return &command.take_over().header();
    case v1::Command::kCreateEnvelope:
      return &command.create_envelope().header();
    case v1::Command::kUpdateEnvelope:
      return &command.update_envelope().header();
    case v1::Command::kRecordProgrammeCredits:
      return &command.record_programme_credits().header();
    case v1::Command::kRecordRecyclingBasis:
      return &command.record_recycling_basis().header();
    case v1::Command::kAllocate:
      return &command.allocate().header();
    case v1::Command::kDeallocate:
      return &command.deallocate().header();
    case v1::Command::kFreeze:
      return &command.freeze().header();
    case v1::Command::kRelease:
      return &command.release().header();
    case v1::Command::kCancel:
      return &command.cancel().header();
    case v1::Command::kTransfer:
      return &command.transfer().header();
    case v1::Command::kImportOpening:
      return &command.import_opening().header();
    case v1::Command::kCorrectOpening:
      return &command.correct_opening().header();
    case v1::Command::kImportPlan:
      return &command.import_plan().header();
    case v1::Command::kRequestCarryover:
      return &command.request_carryover().header();
    case v1::Command::kGrantCarryover:
      return &command.grant_carryover().header();
    case v1::Command::kRefuseCarryover:
      return &command.refuse_carryover().header();
    case v1::Command::kMakeCarryoverAvailable:
      return &command.make_carryover_available().header();
    case v1::Command::kCloseYear:
      return &command.close_year().header();
    case v1::Command::kReopenYear:
      return &command.reopen_year().header();
    case v1::Command::kEngage:
      return &command.engage().header();
    case v1::Command::kWithdraw:
      return &command.withdraw().header();
    case v1::Command::kCertifyService:
      return &command.certify_service().header();
    case v1::Command::kRequestPayment:
      return &command.request_payment().header();
    case v1::Command::kPay:
      return &command.pay().header();
    case v1::Command::kPayWithoutCommitment:
      return &command.pay_without_commitment().header();
    case v1::Command::kSuspendPayment:
      return &command.suspend_payment().header();
    case v1::Command::kResumePayment:
      return &command.resume_payment().header();
    case v1::Command::kRejectPayment:
      return &command.reject_payment().header();
    case v1::Command::kRequisitionPayment:
      return &command.requisition_payment().header();
    case v1::Command::kReinstate:
      return &command.reinstate().header();
    case v1::Command::kReimpute:
      return &command.reimpute().header();
    case v1::Command::kReverse:
      return &command.reverse().header();
    case v1::Command::COMMAND_NOT_SET:
      break;
  }
  return nullptr;
}

std::vector<std::string> RowsNamedBy(const v1::Command& command) {
  const Kind* const kind = KindOf(command);
  if (kind == nullptr) return {};
  const Message& request = RequestOf(command, *kind);
  const std::string& agreement_id = HeaderOf(command)->agreement_id();
  std::vector<std::string> keys;
  const auto add = [&](const FieldDescriptor* field, auto key_of) {
    if (field == nullptr) return;
    std::string scratch;
    const std::string& id = kind->form->reflection->GetStringReference(request, field, &scratch);
    if (!id.empty()) keys.push_back(key_of(agreement_id, id));
  };
  add(kind->commitment_id, projections::CommitmentKey);
  add(kind->payment_request_id, projections::PaymentKey);
  return keys;
}

std::optional<Refusal> RefuseUnknownFields(const v1::Command& command) {
  const auto refuse = [](std::string path, int number) {
    Refusal refusal =
        Refuse(v1::ERROR_REASON_UNKNOWN_FIELDS, "a field that this server does not know");
    refusal.field = std::move(path);
    return std::move(refusal).With("field_number", number);
  };
  const auto& unknown = AllTables().command->GetUnknownFields(command);
  if (!unknown.empty()) return refuse("", unknown.field(0).number());
  const Kind* const kind = KindOf(command);
  if (kind == nullptr) return std::nullopt;
  auto found = FindUnknown(RequestOf(command, *kind), *kind->form);
  if (!found.has_value()) return std::nullopt;
  return refuse(std::move(found->path), found->number);
}

std::optional<Refusal> CheckForm(const v1::Command& command) {
  const Kind* const kind = KindOf(command);
  if (kind == nullptr) return InvalidField("command", "is required");
  const Message& request = RequestOf(command, *kind);
  if (const auto wrong = CheckMessage(request, *kind->form)) {
    return InvalidField(wrong->path, wrong->what);
  }
  // Commands that move AE and CP move at least one of the two.
  if (kind->ae_cents == nullptr) return std::nullopt;
  const Reflection& reflection = *kind->form->reflection;
  if (reflection.GetInt64(request, kind->ae_cents) != 0 ||
      reflection.GetInt64(request, kind->cp_cents) != 0) {
    return std::nullopt;
  }
  return InvalidField("ae_cents", "ae_cents or cp_cents must be more than 0");
}

}  // namespace denier::rules
