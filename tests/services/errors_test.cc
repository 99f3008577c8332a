// Reasons, codes and words: what a caller sees of a refusal.
#include "services/errors.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "absl/strings/str_replace.h"
#include "google/rpc/error_details.pb.h"

namespace denier::services {
namespace {

using rules::InvalidField;
using rules::Refusal;
using rules::Refuse;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

std::vector<v1::ErrorReason> AllReasons() {
  std::vector<v1::ErrorReason> reasons;
  const google::protobuf::EnumDescriptor& type = *v1::ErrorReason_descriptor();
  for (int i = 0; i < type.value_count(); ++i) {
    const auto reason = static_cast<v1::ErrorReason>(type.value(i)->number());
    if (reason != v1::ERROR_REASON_UNSPECIFIED) reasons.push_back(reason);
  }
  return reasons;
}

// The code that stands before each reason in the API's own words.
std::map<std::string, std::string> CodesOfTheApi() {
  std::map<std::string, std::string> codes;
  std::ifstream file("proto/denier/v1/error_reason.proto");
  std::string code;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first;
    std::string second;
    words >> first >> second;
    if (first == "//" && second.ends_with(":")) code = second.substr(0, second.size() - 1);
    if (first.starts_with("ERROR_REASON_") && second == "=") codes[first] = std::exchange(code, "");
  }
  return codes;
}

std::string NameOfCode(grpc::StatusCode code) {
  static const std::map<grpc::StatusCode, std::string> names = {
      {grpc::StatusCode::INVALID_ARGUMENT, "INVALID_ARGUMENT"},
      {grpc::StatusCode::PERMISSION_DENIED, "PERMISSION_DENIED"},
      {grpc::StatusCode::NOT_FOUND, "NOT_FOUND"},
      {grpc::StatusCode::ALREADY_EXISTS, "ALREADY_EXISTS"},
      {grpc::StatusCode::ABORTED, "ABORTED"},
      {grpc::StatusCode::FAILED_PRECONDITION, "FAILED_PRECONDITION"},
      {grpc::StatusCode::RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED"},
      {grpc::StatusCode::UNAVAILABLE, "UNAVAILABLE"},
      {grpc::StatusCode::DATA_LOSS, "DATA_LOSS"},
      {grpc::StatusCode::DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"},
  };
  const auto name = names.find(code);
  return name == names.end() ? "a code that no reason has" : name->second;
}

template <typename Detail>
std::optional<Detail> DetailOf(const Refusal& refusal) {
  google::rpc::Status status;
  EXPECT_TRUE(status.ParseFromString(StatusOf(refusal).error_details()));
  std::optional<Detail> found;
  for (const auto& any : status.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) found = detail;
  }
  return found;
}

TEST(ErrorsTest, EveryReasonHasTheCodeThatTheApiPromises) {
  const std::map<std::string, std::string> promised = CodesOfTheApi();
  for (const v1::ErrorReason reason : AllReasons()) {
    const std::string name = v1::ErrorReason_Name(reason);
    ASSERT_TRUE(promised.contains(name)) << name;
    EXPECT_EQ(NameOfCode(CodeOf(reason)), promised.at(name)) << name;
  }
  EXPECT_EQ(CodeOf(v1::ERROR_REASON_UNSPECIFIED), grpc::StatusCode::UNKNOWN);
  EXPECT_EQ(CodeOf(static_cast<v1::ErrorReason>(9999)), grpc::StatusCode::UNKNOWN);
}

TEST(ErrorsTest, EveryReasonSaysInFrenchWhatWhyAndWhatNext) {
  std::set<std::string> texts;
  for (const v1::ErrorReason reason : AllReasons()) {
    const std::string text = FrenchOf(Refuse(reason, ""));
    const std::string name = v1::ErrorReason_Name(reason);
    EXPECT_THAT(text, testing::EndsWith(".")) << name;
    // What and why, then what next: two sentences at least.
    EXPECT_NE(text.find(". "), std::string::npos) << name << ": " << text;
    EXPECT_EQ(text.find_first_of("[]{}"), std::string::npos) << name << ": " << text;
    EXPECT_THAT(text, Not(HasSubstr("  "))) << name;
    for (const char* unbound : {" :", " ;", " %", " »", "« ", " ."}) {
      EXPECT_THAT(text, Not(HasSubstr(unbound))) << name;
    }
    EXPECT_TRUE(texts.insert(text).second) << name << " has the words of another reason";
  }
}

TEST(ErrorsTest, EveryPlaceInTheWordsCanBeFilled) {
  // A fact under every name that a sentence has: then nothing is left out.
  for (const v1::ErrorReason reason : AllReasons()) {
    Refusal bare = Refuse(reason, "");
    Refusal full = bare;
    full.field = "header.request_id";
    for (const char* name :
         {"asked_cents", "available_cents", "rest_cents", "certified_cents", "cap_cents",
          "threshold_cents", "opened_ae_cents", "opened_cp_cents", "early_cents"}) {
      full = std::move(full).With(name, std::int64_t{18307201});
    }
    for (const char* name : {"effective_date", "valid_until", "until"}) {
      full = std::move(full).With(name, 20220331);
    }
    for (const char* name :
         {"agreement_id",  "amendment_id", "envelope_id",        "commitment_id",
          "line_id",       "payment_id",   "payment_request_id", "carryover_id",
          "product_id",    "act_id",       "request_id",         "role",
          "managing_body", "position",     "reversed_by",        "fiscal_year",
          "open_year",     "origin_year",  "paid_year",          "kind",
          "state",         "current_etag", "reason_reference",   "first_difference"}) {
      full = std::move(full).With(name, "x");
    }
    const std::string text = FrenchOf(full);
    EXPECT_EQ(text.find_first_of("[]{}"), std::string::npos) << text;
    EXPECT_GE(text.size(), FrenchOf(bare).size());
  }
}

TEST(ErrorsTest, NamesWhatIsAvailable) {
  const Refusal refusal = Refuse(v1::ERROR_REASON_AE_EXCEEDED, "more than there is")
                              .With("envelope_id", "coaching-2022")
                              .With("fiscal_year", 2022)
                              .With("asked_cents", 183'072'01)
                              .With("available_cents", 183'072'00);
  EXPECT_EQ(
      FrenchOf(refusal),
      "Les autorisations d'engagement ne suffisent pas\u00a0: 183\u00a0072,01\u00a0€ demandés, "
      "183\u00a0072,00\u00a0€ disponibles sur l'enveloppe coaching-2022 en 2022. Réduisez le "
      "montant, ou faites mettre des AE à disposition.");
}

TEST(ErrorsTest, LeavesOutWhatTheRefusalDoesNotSay) {
  EXPECT_EQ(
      FrenchOf(Refuse(v1::ERROR_REASON_AE_EXCEEDED, "").With("asked_cents", 100)),
      "Les autorisations d'engagement ne suffisent pas. Réduisez le montant, ou faites mettre "
      "des AE à disposition.");
}

TEST(ErrorsTest, WritesDaysRolesAndStatesInFrench) {
  EXPECT_THAT(
      FrenchOf(Refuse(v1::ERROR_REASON_MANDATE_EXPIRED, "")
                   .With("effective_date", 20230101)
                   .With("valid_until", 20221231)),
      HasSubstr("à la date de cet acte (01/01/2023)\u00a0: elle a pris fin le 31/12/2022."));
  EXPECT_THAT(FrenchOf(Refuse(v1::ERROR_REASON_MANDATE_EXPIRED, "").With("valid_until", 0)),
              Not(HasSubstr("pris fin")));
  EXPECT_THAT(FrenchOf(Refuse(v1::ERROR_REASON_WRONG_ROLE, "").With("role", "ROLE_ACCOUNTANT")),
              HasSubstr("«\u00a0comptable\u00a0»"));
  EXPECT_THAT(FrenchOf(Refuse(v1::ERROR_REASON_PAYMENT_STATE, "")
                           .With("payment_request_id", "dp-1")
                           .With("state", "PAYMENT_STATE_PAID")),
              StartsWith("L'état de la demande de paiement dp-1 (payée)"));
}

TEST(ErrorsTest, AmountsAreFrench) {
  struct {
    std::int64_t cents;
    const char* text;
  } const rows[] = {
      {0, "0,00 €"},
      {5, "0,05 €"},
      {-5, "-0,05 €"},
      {100, "1,00 €"},
      {999'99, "999,99 €"},
      {1'000'00, "1 000,00 €"},
      {1'495'779'00, "1 495 779,00 €"},
      {-1'495'779'00, "-1 495 779,00 €"},
      {std::numeric_limits<std::int64_t>::max(), "92 233 720 368 547 758,07 €"},
      {std::numeric_limits<std::int64_t>::min(), "-92 233 720 368 547 758,08 €"},
  };
  for (const auto& row : rows) {
    const std::string text = absl::StrReplaceAll(row.text, {{" ", "\u00a0"}});
    EXPECT_EQ(FrenchEuros(row.cents), text);
  }
}

TEST(ErrorsTest, CarriesReasonNumbersAndField) {
  const Refusal refusal =
      InvalidField("lines[0].amount_cents", "must be more than 0").With("amount_cents", 0);
  const grpc::Status status = StatusOf(refusal);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "must be more than 0");
  EXPECT_EQ(RpcStatusOf(refusal).code(), grpc::StatusCode::INVALID_ARGUMENT);

  const auto info = DetailOf<google::rpc::ErrorInfo>(refusal);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason(), "INVALID_FIELD");
  EXPECT_EQ(info->domain(), "denier");
  EXPECT_EQ(info->metadata().at("amount_cents"), "0");

  const auto bad_request = DetailOf<google::rpc::BadRequest>(refusal);
  ASSERT_TRUE(bad_request.has_value());
  EXPECT_EQ(bad_request->field_violations(0).field(), "lines[0].amount_cents");
  EXPECT_EQ(bad_request->field_violations(0).description(), "must be more than 0");

  const auto words = DetailOf<google::rpc::LocalizedMessage>(refusal);
  ASSERT_TRUE(words.has_value());
  EXPECT_EQ(words->locale(), "fr");
  EXPECT_THAT(words->message(), HasSubstr("lines[0].amount_cents"));
}

TEST(ErrorsTest, SaysWhenToComeBackWhereThatHelps) {
  const std::set<v1::ErrorReason> worth_another_try = {
      v1::ERROR_REASON_OVERLOADED, v1::ERROR_REASON_DISK_FULL, v1::ERROR_REASON_OUTCOME_UNKNOWN};
  for (const v1::ErrorReason reason : AllReasons()) {
    const auto retry = DetailOf<google::rpc::RetryInfo>(Refuse(reason, "x"));
    EXPECT_EQ(retry.has_value(), worth_another_try.contains(reason)) << NameOf(reason);
    if (!retry.has_value()) continue;
    EXPECT_GT(retry->retry_delay().seconds() * 1'000'000'000 + retry->retry_delay().nanos(), 0);
  }
}

TEST(ErrorsTest, FieldlessRefusalsHaveNoBadRequest) {
  EXPECT_FALSE(
      DetailOf<google::rpc::BadRequest>(Refuse(v1::ERROR_REASON_YEAR_CLOSED, "x")).has_value());
}

TEST(ErrorsTest, WhatACallerSentDoesNotDrownTheTrailers) {
  std::string endless;
  for (int i = 0; i < 50'000; ++i) endless += "é";
  const Refusal refusal =
      Refuse(v1::ERROR_REASON_UNKNOWN_ENVELOPE, "no such envelope").With("envelope_id", endless);
  EXPECT_LT(StatusOf(refusal).error_details().size(), 4'000);
  const auto info = DetailOf<google::rpc::ErrorInfo>(refusal);
  ASSERT_TRUE(info.has_value());  // cut between characters: still UTF-8
  EXPECT_THAT(info->metadata().at("envelope_id"), testing::EndsWith("é…"));
}

TEST(ErrorsTest, AStatusGivesItsReasonBack) {
  for (const v1::ErrorReason reason : AllReasons()) {
    EXPECT_EQ(ReasonOf(StatusOf(Refuse(reason, "x"))), reason);
  }
  EXPECT_EQ(ReasonOf(grpc::Status::OK), v1::ERROR_REASON_UNSPECIFIED);
  EXPECT_EQ(ReasonOf(grpc::Status(grpc::StatusCode::UNKNOWN, "x", "not a google.rpc.Status")),
            v1::ERROR_REASON_UNSPECIFIED);
}

}  // namespace
}  // namespace denier::services
