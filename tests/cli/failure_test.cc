#include "services/cli/failure.h"

#include <gmock/gmock.h>
#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"

namespace denier::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

google::rpc::Status Refusal() {
  google::rpc::Status status;
  status.set_code(grpc::StatusCode::FAILED_PRECONDITION);
  status.set_message("more AE asked than available");
  google::rpc::ErrorInfo info;
  info.set_reason("AE_EXCEEDED");
  info.set_domain("denier");
  (*info.mutable_metadata())["asked_cents"] = "18307201";
  (*info.mutable_metadata())["available_cents"] = "18307200";
  status.add_details()->PackFrom(info);
  google::rpc::LocalizedMessage french;
  french.set_locale("fr");
  french.set_message("Les autorisations d'engagement ne suffisent pas. Réduisez le montant.");
  status.add_details()->PackFrom(french);
  return status;
}

TEST(FailureTest, SaysWhatWhyAndWhatNext) {
  const Failure failure = FailureOf(Refusal());
  EXPECT_EQ(Explain(failure, "s", Lang::kFrench),
            "Refusé\u00a0: Les autorisations d'engagement ne suffisent pas. Réduisez le montant.\n"
            "  AE_EXCEEDED · demandé 183\u00a0072,01\u00a0€ · disponible 183\u00a0072,00\u00a0€\n");
  EXPECT_EQ(Explain(failure, "s", Lang::kEnglish),
            "Refused: more AE asked than available\n"
            "  AE_EXCEEDED · asked €183,072.01 · available €183,072.00\n"
            "  Lower the amount, or have AE opened in the envelope.\n");
  EXPECT_EQ(ExitCodeOf(failure), kRefused);
  EXPECT_FALSE(IsOutcomeUnknown(failure));
}

TEST(FailureTest, NamesTheFieldAtFault) {
  google::rpc::Status status = Refusal();
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field("lines[0].amount_cents");
  violation->set_description("want > 0");
  status.add_details()->PackFrom(bad);
  EXPECT_THAT(Explain(FailureOf(status), "s", Lang::kFrench),
              HasSubstr("lines[0].amount_cents: want > 0"));
}

TEST(FailureTest, KnowsWhenTheOutcomeIsUnknown) {
  google::rpc::Status lost;
  lost.set_code(grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(IsOutcomeUnknown(FailureOf(lost)));
  EXPECT_EQ(ExitCodeOf(FailureOf(lost)), kTrouble);

  google::rpc::ErrorInfo info;
  info.set_reason("OVERLOADED");
  google::rpc::Status overloaded;
  overloaded.set_code(grpc::StatusCode::RESOURCE_EXHAUSTED);
  overloaded.add_details()->PackFrom(info);
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_nanos(200'000'000);
  overloaded.add_details()->PackFrom(retry);
  EXPECT_FALSE(IsOutcomeUnknown(FailureOf(overloaded)));
  EXPECT_EQ(FailureOf(overloaded).retry_after, std::chrono::milliseconds(200));
  EXPECT_EQ(ExitCodeOf(FailureOf(overloaded)), kTrouble);
}

TEST(FailureTest, WithoutAServerItSaysHowToStartOne) {
  google::rpc::Status lost;
  lost.set_code(grpc::StatusCode::UNAVAILABLE);
  lost.set_message("connection refused");
  const std::string text = Explain(FailureOf(lost), "127.0.0.1:7163", Lang::kFrench);
  EXPECT_THAT(text, HasSubstr("127.0.0.1:7163"));
  EXPECT_THAT(text, HasSubstr("deploy/quickstart"));
  EXPECT_THAT(text, Not(HasSubstr("Refusé")));
}

}  // namespace
}  // namespace denier::cli
