#include "services/cli/apply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace denier::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kAllocate[] =
    R"({"as":"pm-1@DJEPVA:programme_manager","command":{"allocate":{"header":{"request_id":"r1",)"
    R"("agreement_id":"A","effective_date":20220105},"envelope_id":"E","ae_cents":18307200,)"
    R"("source":"CREDIT_SOURCE_INITIAL"}},"basis":"document","note":"art. 5"})";

absl::StatusOr<std::vector<Step>> Parse(const std::string& text) {
  std::istringstream file(text);
  return ParseSteps(file, "f.jsonl", Lang::kEnglish);
}

std::string ErrorOf(const std::string& text) {
  const auto steps = Parse(text);
  return steps.ok() ? "no error" : std::string(steps.status().message());
}

TEST(ApplyFileTest, HasAStepForEachLineThatIsNeitherEmptyNorAComment) {
  const auto steps = Parse("# history\n\n" + std::string(kAllocate) + "\n  # more\r\n\t\n" +
                           R"({"as":"x@DINUM:accountant","expect":"CP_EXCEEDED",)" +
                           R"("command":{"pay":{"header":{"request_id":"r2"}}}})");
  ASSERT_TRUE(steps.ok()) << steps.status().message();
  ASSERT_EQ(steps->size(), 2u);
  EXPECT_EQ((*steps)[0].line, 3);
  EXPECT_EQ((*steps)[0].as, (Principal{"pm-1", "DJEPVA", {"programme_manager"}}));
  EXPECT_EQ((*steps)[0].command.allocate().ae_cents(), 18307200);
  EXPECT_EQ((*steps)[0].command.allocate().source(), events::v1::CREDIT_SOURCE_INITIAL);
  EXPECT_EQ((*steps)[0].expect, "");
  EXPECT_EQ((*steps)[1].line, 6);
  EXPECT_EQ((*steps)[1].expect, "CP_EXCEEDED");
}

TEST(ApplyFileTest, NamesTheLineAndWhatIsWrong) {
  const std::string good = std::string(kAllocate) + "\n";
  const auto line = [](const std::string& as, const std::string& command,
                       const std::string& more = "") {
    return R"({"as":")" + as + R"(","command":)" + command + more + "}";
  };
  const std::string pay = R"({"pay":{"header":{"request_id":"r"}}})";
  EXPECT_EQ(ErrorOf(good + "{"), "f.jsonl:2: no JSON object on one line");
  EXPECT_EQ(ErrorOf("[1]"), "f.jsonl:1: no JSON object on one line");
  EXPECT_THAT(ErrorOf("#\n" + line("pm-1", pay)), StartsWith("f.jsonl:2: \"as\" must be"));
  EXPECT_THAT(ErrorOf(R"({"command":)" + pay + "}"), StartsWith("f.jsonl:1: \"as\" must be"));
  EXPECT_EQ(ErrorOf(R"({"as":"a@B:auditor"})"), "f.jsonl:1: \"command\" is missing");
  EXPECT_EQ(ErrorOf(line("a@B:auditor", "{}")), "f.jsonl:1: \"command\" is empty");
  EXPECT_THAT(ErrorOf(line("a@B:auditor", R"({"pray":{}})")), HasSubstr("pray"));
  EXPECT_THAT(ErrorOf(line("a@B:auditor", R"({"pay":{"header":{"request_id":"r"},"euros":1}})")),
              HasSubstr("euros"));
  EXPECT_THAT(ErrorOf(line("a@B:auditor", R"({"pay":{}})")),
              HasSubstr("f.jsonl:1: request_id is missing"));
  EXPECT_THAT(ErrorOf(line("a@B:auditor", pay, R"(,"expect":"NO_SUCH_REASON")")),
              HasSubstr("NO_SUCH_REASON"));
  EXPECT_THAT(ErrorOf(line("a@B:auditor", pay, R"(,"expects":"CP_EXCEEDED")")),
              HasSubstr("unknown key \"expects\""));
  EXPECT_THAT(ErrorOf(line("a@B:auditor", pay, R"(,"note":7)")), HasSubstr("\"note\""));
}

}  // namespace
}  // namespace denier::cli
