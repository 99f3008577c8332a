// What can be said of a command without books. The fields' names say what they hold (the API keeps
// to that), so one walk over the message checks all commands: *_id and *_reference are identifiers,
// *_cents amounts, *_date days, *_year years. What may be left empty stands in one table.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "projections/calendar.h"
#include "services/rules/decide.h"

namespace denier::rules {
namespace {

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

// A field of one value (or one element of a list), which is not a message.
std::optional<std::string> WhatIsWrong(const Message& message, const FieldDescriptor& field,
                                       int index, bool optional) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = field.is_repeated();
  const std::string& name = field.name();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = repeated ? reflection.GetRepeatedString(message, &field, index)
                                        : reflection.GetString(message, &field);
      if (text.empty()) {
        return optional ? std::nullopt : std::optional<std::string>("is required");
      }
      if (Contains(kText, name)) {
        if (text.size() > kMaxTextBytes) return absl::StrCat("is over ", kMaxTextBytes, " bytes");
      } else if (!IsIdentifier(text)) {
        return absl::StrCat("is not 1 to ", kMaxIdentifierBytes, " characters of [A-Za-z0-9._:-]");
      }
      return std::nullopt;
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      const std::int64_t value = reflection.GetInt64(message, &field);
      if (name == "reversed_position") {
        return value < 0 ? std::optional<std::string>("is not a position") : std::nullopt;
      }
      if (value > kMaxCents || value < -kMaxCents) {
        return absl::StrCat("is beyond ", kMaxCents, " cents");
      }
      if (Contains(kSigned, name)) {
        return value == 0 && name == "change_cents" ? std::optional<std::string>("must not be 0")
                                                    : std::nullopt;
      }
      if (value < 0) return "must not be negative";
      if (value == 0 && Contains(kPositive, name)) return "must be more than 0";
      return std::nullopt;
    }
    case FieldDescriptor::CPPTYPE_INT32: {
      const int value = repeated ? reflection.GetRepeatedInt32(message, &field, index)
                                 : reflection.GetInt32(message, &field);
      if (value == 0 && optional) return std::nullopt;
      if (absl::EndsWith(name, "_year") || absl::EndsWith(name, "_years")) {
        return projections::IsFiscalYear(value)
                   ? std::nullopt
                   : std::optional<std::string>("is not a budget year from 2000 to 2199");
      }
      return projections::IsDay(value)
                 ? std::nullopt
                 : std::optional<std::string>("is not a day written YYYYMMDD");
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int value = reflection.GetEnumValue(message, &field);
      if (value == 0) return optional ? std::nullopt : std::optional<std::string>("is required");
      if (field.enum_type()->FindValueByNumber(value) == nullptr) return "is not a known value";
      return std::nullopt;
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return std::nullopt;
    case FieldDescriptor::CPPTYPE_MESSAGE:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      break;
  }
  return "is of a type that commands do not have";
}

std::optional<Refusal> CheckMessage(const Message& message, const std::string& path) {
  const Reflection& reflection = *message.GetReflection();
  const auto& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    const std::string full_name = absl::StrCat(descriptor.name(), ".", field.name());
    const std::string here = absl::StrCat(path, field.name());
    const bool optional = Contains(kOptional, full_name);
    if (!field.is_repeated()) {
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        if (!reflection.HasField(message, &field)) {
          if (!optional) return InvalidField(here, "is required");
          continue;
        }
        if (auto wrong = CheckMessage(reflection.GetMessage(message, &field), here + ".")) {
          return wrong;
        }
      } else if (auto wrong = WhatIsWrong(message, field, -1, optional)) {
        return InvalidField(here, *wrong);
      }
      continue;
    }
    const int size = reflection.FieldSize(message, &field);
    if (size > kMaxElements) {
      return InvalidField(here, absl::StrCat("has more than ", kMaxElements, " elements"));
    }
    if (size == 0 && Contains(kFilled, full_name)) return InvalidField(here, "is required");
    for (int element = 0; element < size; ++element) {
      const std::string at = absl::StrCat(here, "[", element, "]");
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        if (auto wrong =
                CheckMessage(reflection.GetRepeatedMessage(message, &field, element), at + ".")) {
          return wrong;
        }
      } else if (auto wrong = WhatIsWrong(message, field, element, false)) {
        return InvalidField(at, *wrong);
      }
    }
  }
  return std::nullopt;
}

// The request that is set in the oneof; nullptr: none.
const Message* RequestOf(const v1::Command& command) {
  const FieldDescriptor* field = command.GetReflection()->GetOneofFieldDescriptor(
      command, v1::Command::descriptor()->oneof_decl(0));
  return field == nullptr ? nullptr : &command.GetReflection()->GetMessage(command, field);
}

// Commands that move AE and CP move at least one of the two.
std::optional<Refusal> CheckMovesSomething(const Message& request) {
  const FieldDescriptor* ae = request.GetDescriptor()->FindFieldByName("ae_cents");
  const FieldDescriptor* cp = request.GetDescriptor()->FindFieldByName("cp_cents");
  if (ae == nullptr || cp == nullptr) return std::nullopt;
  const Reflection& reflection = *request.GetReflection();
  if (reflection.GetInt64(request, ae) != 0 || reflection.GetInt64(request, cp) != 0) {
    return std::nullopt;
  }
  return InvalidField("ae_cents", "ae_cents or cp_cents must be more than 0");
}

}  // namespace

const v1::CommandHeader* HeaderOf(const v1::Command& command) {
  const Message* request = RequestOf(command);
  if (request == nullptr) return nullptr;
  // Field 1 of every request.
  return static_cast<const v1::CommandHeader*>(&request->GetReflection()->GetMessage(
      *request, request->GetDescriptor()->FindFieldByNumber(1)));
}

std::optional<Refusal> CheckForm(const v1::Command& command) {
  const Message* request = RequestOf(command);
  if (request == nullptr) return InvalidField("command", "is required");
  if (auto wrong = CheckMessage(*request, "")) return wrong;
  return CheckMovesSomething(*request);
}

}  // namespace denier::rules
