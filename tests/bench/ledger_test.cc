#include "tests/bench/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/store/temporary_folder.h"

namespace denier::bench {
namespace {

using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

// As services/cli/export_journal.cc writes it.
constexpr char kJournal[] = R"(; Denier: the log of delegated State credits (AE and CP)
; events: 4

commodity EUR
    format 1000.00 EUR
tag principal
tag request_id

; 2022-01-01 (0) agreement_created r-0: moves no money
account AE:ec:coaching:2022:source
account AE:ec:coaching:2022:available
2022-01-02 (1) credits_allocated
    ; principal: manager-1@DJEPVA
    ; request_id: r-1
    AE:ec:coaching:2022:source  -183072.00 EUR
    AE:ec:coaching:2022:available  183072.00 EUR

account AE:ec:coaching:2022:engaged
2022-02-01 (2) engaged
    ; principal: officer-1@DINUM
    AE:ec:coaching:2022:available  -0.07 EUR
      ; product: snu
    AE:ec:coaching:2022:engaged  0.07 EUR
      ; product: snu

2022-03-01 (3) engaged
    AE:ec:coaching:2022:available  -183071.93 EUR
    AE:ec:coaching:2022:engaged  183071.93 EUR

)";

std::string Written(const store::TemporaryFolder& folder, const std::string& text) {
  std::string path = folder.path() + "/journal";
  std::ofstream(path) << text;
  return path;
}

TEST(LedgerTest, AddsUpAnExportToTheCent) {
  const store::TemporaryFolder folder;
  const auto report = RunLedger(Written(folder, kJournal));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->cents, UnorderedElementsAre(Pair("AE:ec:coaching:2022:source", -183'072'00),
                                                  Pair("AE:ec:coaching:2022:engaged", 183'072'00)));
  EXPECT_GT(report->seconds, 0);
}

TEST(LedgerTest, TheFiguresAloneAreTheSame) {
  const store::TemporaryFolder folder;
  const std::string journal = Written(folder, kJournal);
  const std::string figures = folder.path() + "/figures";
  const absl::Status status = WriteFiguresOnly(journal, figures);
  ASSERT_TRUE(status.ok()) << status;
  std::ifstream file(figures);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_THAT(text,
              HasSubstr("2022-02-01 (2) engaged\n    AE:ec:coaching:2022:available  -0.07 EUR"));
  EXPECT_THAT(text, testing::Not(HasSubstr(";")));
  const auto all = RunLedger(journal);
  const auto alone = RunLedger(figures);
  ASSERT_TRUE(all.ok() && alone.ok()) << all.status() << alone.status();
  EXPECT_EQ(all->cents, alone->cents);
}

TEST(LedgerTest, AJournalThatDoesNotBalanceIsRefused) {
  const store::TemporaryFolder folder;
  std::string journal = kJournal;
  journal.replace(journal.find("engaged  0.07"), 13, "engaged  0.08");
  const auto report = RunLedger(Written(folder, journal));
  ASSERT_EQ(report.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("does not balance"));
}

TEST(LedgerTest, LessThanACentIsRefused) {
  const store::TemporaryFolder folder;
  std::string journal = kJournal;
  for (const std::string leg : {"-0.07 EUR", " 0.07 EUR"}) {
    journal.replace(journal.find(leg) + 5, 0, "5");
  }
  EXPECT_EQ(RunLedger(Written(folder, journal)).status().code(), absl::StatusCode::kInternal);
}

TEST(LedgerTest, AMissingJournalIsSaid) {
  const store::TemporaryFolder folder;
  EXPECT_FALSE(RunLedger(folder.path() + "/none").ok());
  EXPECT_FALSE(WriteFiguresOnly(folder.path() + "/none", folder.path() + "/out").ok());
}

}  // namespace
}  // namespace denier::bench
