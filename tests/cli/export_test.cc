// The parts of an export that need no server: what is kept of a log, names, escapes, whole files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "services/cli/export_csv.h"
#include "services/cli/export_journal.h"
#include "services/cli/export_jsonl.h"
#include "services/cli/export_xlsx.h"
#include "services/cli/exported_log.h"
#include "services/cli/whole_file.h"
#include "tests/store/temporary_folder.h"

namespace denier::cli {
namespace {

using events::v1::Event;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

Event Allocation(const std::string& agreement, const std::string& envelope,
                 std::int64_t cents = 18307200) {
  Event event;
  event.set_recorded_time_us(1'641'376'800'000'001);
  event.set_agreement_id(agreement);
  event.set_fiscal_year(2022);
  event.set_effective_date(20220105);
  event.mutable_actor()->set_principal_id("pm-1");
  event.mutable_actor()->set_body_id("DJEPVA");
  event.set_request_id("r-1");
  event.mutable_credits_allocated()->set_envelope_id(envelope);
  event.mutable_credits_allocated()->set_ae_cents(cents);
  return event;
}

class ExportTest : public testing::Test {
 protected:
  ExportedLog LogOf(const std::vector<Event>& events, std::string_view agreement_id = {}) {
    absl::StatusOr<ExportedLog> log = ExportedLog::In(folder_.path());
    EXPECT_TRUE(log.ok()) << log.status();
    for (std::size_t i = 0; i < events.size(); ++i) {
      const absl::Status added = log->Add(i, events[i].SerializeAsString(), agreement_id);
      EXPECT_TRUE(added.ok()) << added;
    }
    return *std::move(log);
  }

  std::string Journal(const std::vector<Event>& events, cli::Journal journal) {
    ExportedLog log = LogOf(events);
    std::ostringstream out;
    EXPECT_TRUE(WriteJournal(journal, {.size = events.size()}, log, out).ok());
    return out.str();
  }

  std::string Csv(const std::vector<Event>& events, CsvDialect dialect) {
    ExportedLog log = LogOf(events);
    std::ostringstream out;
    EXPECT_TRUE(WriteCsv(dialect, log, out).ok());
    return out.str();
  }

  store::TemporaryFolder folder_;
};

TEST_F(ExportTest, ALogGivesItsEventsAndItsRootAgain) {
  const std::vector<Event> events = {Allocation("a", "e1"), Allocation("b", "e2"),
                                     Allocation("a", "e3")};
  ExportedLog log = LogOf(events, "a");
  EXPECT_EQ(log.added(), 3U);
  EXPECT_EQ(log.kept(), 2U);
  EXPECT_TRUE(log.gapless());
  store::MerkleFrontier tree;
  for (const Event& event : events) tree.Append(store::LeafHash(event.SerializeAsString()));
  EXPECT_EQ(log.Root(), tree.Root());

  for (int pass = 0; pass < 2; ++pass) {
    ASSERT_TRUE(log.Rewind().ok());
    std::vector<std::uint64_t> positions;
    while (true) {
      const auto next = log.Next();
      ASSERT_TRUE(next.ok()) << next.status();
      if (*next == nullptr) break;
      positions.push_back((*next)->position);
      const std::string stored = events[(*next)->position].SerializeAsString();
      EXPECT_EQ((*next)->stored, stored);
      EXPECT_EQ((*next)->leaf_hash, store::LeafHash(stored));
    }
    EXPECT_EQ(positions, (std::vector<std::uint64_t>{0, 2}));
  }
}

TEST_F(ExportTest, ALogKnowsThatSomethingIsMissing) {
  const std::string stored = Allocation("a", "e").SerializeAsString();
  absl::StatusOr<ExportedLog> log = ExportedLog::In(folder_.path());
  ASSERT_TRUE(log.ok());
  ASSERT_TRUE(log->Add(0, stored).ok());
  EXPECT_TRUE(log->gapless());
  ASSERT_TRUE(log->Add(2, stored).ok());
  EXPECT_FALSE(log->gapless());
  EXPECT_EQ(log->Add(2, stored).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(log->Add(1, stored).code(), absl::StatusCode::kDataLoss);
}

TEST_F(ExportTest, ALogRefusesWhatItCannotRead) {
  absl::StatusOr<ExportedLog> log = ExportedLog::In(folder_.path());
  ASSERT_TRUE(log.ok());
  EXPECT_EQ(log->Add(0, "\xff\xff").code(), absl::StatusCode::kDataLoss);
  Event unknown = Allocation("a", "e");
  unknown.clear_fact();
  EXPECT_EQ(log->Add(0, unknown.SerializeAsString()).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ExportedLog::In(folder_.path() + "/none").status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(ExportTest, NothingOfALogIsLeftInItsFolder) {
  const ExportedLog log = LogOf({Allocation("a", "e")});
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

projections::Posting At(std::string_view envelope) {
  return {.envelope_id = envelope,
          .fiscal_year = 2022,
          .account = projections::Account::kCarryoverRequested};
}

TEST(AccountName, SaysLedgerAgreementEnvelopeYearAndAccount) {
  const projections::Posting posting = At("coaching-2022");
  EXPECT_EQ(AccountName(Journal::kHledger, "conv", posting),
            "AE:conv:coaching-2022:2022:carryover_requested");
  EXPECT_EQ(AccountName(Journal::kBeancount, "conv", posting),
            "AE:A-conv:E-coaching-2022:2022:Carryover-requested");
  projections::Posting planned = posting;
  planned.basis = projections::Basis::kPlanned;
  EXPECT_EQ(AccountName(Journal::kLedger, "conv", planned),
            "PLANNED-AE:conv:coaching-2022:2022:carryover_requested");
}

TEST(AccountName, IsAnotherForEveryIdentifier) {
  // All identifiers of up to three characters of those that could be taken for each other.
  const std::string alphabet = "aA0.-_:2DE3";
  std::vector<std::string> ids;
  for (const char a : alphabet) {
    ids.push_back({a});
    for (const char b : alphabet) {
      ids.push_back({a, b});
      for (const char c : alphabet) ids.push_back({a, b, c});
    }
  }
  for (const Journal journal : {Journal::kLedger, Journal::kBeancount}) {
    std::set<std::string> names;
    for (const std::string& id : ids) names.insert(AccountName(journal, "x", At(id)));
    EXPECT_EQ(names.size(), ids.size());
  }
  // Where one identifier ends and the other begins.
  EXPECT_NE(AccountName(Journal::kLedger, "x:y", At("z")),
            AccountName(Journal::kLedger, "x", At("y:z")));
}

TEST_F(ExportTest, AJournalDeclaresAnAccountOnceAndBeforeItsUse) {
  const std::string text =
      Journal({Allocation("a", "e"), Allocation("a", "e")}, cli::Journal::kLedger);
  const std::string declared = "account AE:a:e:2022:available\n";
  EXPECT_EQ(text.find(declared), text.rfind(declared));
  EXPECT_LT(text.find(declared), text.find("2022-01-05 (0) credits_allocated\n"));
  EXPECT_THAT(text, HasSubstr("    AE:a:e:2022:available  183072.00 EUR\n"));
  EXPECT_THAT(text, HasSubstr("    AE:a:e:2022:source  -183072.00 EUR\n"));
}

TEST_F(ExportTest, AJournalTakesNoLineFromAPrincipal) {
  Event event = Allocation("a", "e");
  event.mutable_actor()->set_principal_id("x\"\n2022-01-01 * \\");
  for (const auto journal : {cli::Journal::kLedger, cli::Journal::kBeancount}) {
    const std::string text = Journal({event}, journal);
    EXPECT_THAT(text, Not(HasSubstr("\n2022-01-01")));
    EXPECT_THAT(text, HasSubstr("x??2022-01-01 * ?@DJEPVA"));
  }
}

TEST_F(ExportTest, AnEventThatMovesNothingIsAComment) {
  Event event = Allocation("a", "e");
  event.mutable_publication_recorded();
  EXPECT_THAT(Journal({event}, cli::Journal::kHledger),
              HasSubstr("; 2022-01-05 (0) publication_recorded r-1: moves no money\n"));
}

TEST(Csv, DisarmsWhatASpreadsheetWouldRun) {
  for (const char* armed : {"=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"}) {
    EXPECT_EQ(Disarmed(armed), std::string("'") + armed);
  }
  for (const char* harmless : {"", "EJ-2022-01", "a=b", "'=1"}) {
    EXPECT_EQ(Disarmed(harmless), harmless);
  }
}

TEST_F(ExportTest, CsvOfTheFrenchDialectIsDisarmedAndItsAmountsAreNot) {
  Event event = Allocation("a", "-2+3");
  event.set_request_id("=cmd|'/c calc'!A0");
  event.mutable_actor()->set_principal_id("a;\"b\"\r\nc");
  const std::string text = Csv({event}, CsvDialect::kFrench);
  EXPECT_THAT(text, StartsWith("\xEF\xBB\xBFPosition;"));
  EXPECT_THAT(text, HasSubstr(";'-2+3;"));
  EXPECT_THAT(text, HasSubstr(";'=cmd|'/c calc'!A0;-183072,00\r\n"));
  EXPECT_THAT(text, HasSubstr(";\"a;\"\"b\"\"\r\nc\";"));
  EXPECT_THAT(text, HasSubstr(";05/01/2022;"));
}

TEST_F(ExportTest, CsvByRfc4180SaysWhatTheBooksSay) {
  Event event = Allocation("a", "-2+3");
  event.mutable_actor()->set_principal_id("a,\"b\"");
  const std::string text = Csv({event}, CsvDialect::kRfc4180);
  EXPECT_THAT(text, StartsWith("position,recorded_time,effective_date,"));
  EXPECT_THAT(text, HasSubstr("\r\n0,2022-01-05T10:00:00.000001Z,2022-01-05,credits_allocated,"
                              "\"a,\"\"b\"\"\",DJEPVA,a,-2+3,,2022,AE,actual,source,,,,,r-1,"
                              "-183072.00\r\n"));
}

TEST_F(ExportTest, JsonLinesOfAnOlderEventStayAsItWasWritten) {
  // Version 0 of a correction: decoding brings it to the current form.
  Event event = Allocation("a", "e");
  event.mutable_opening_corrected()->set_change_cents(-100);
  ExportedLog log = LogOf({event});
  std::ostringstream out;
  ASSERT_TRUE(WriteJsonl({.size = 1}, log, out).ok());
  EXPECT_THAT(out.str(), HasSubstr("\"opening_corrected\":{\"change_cents\":\"-100\"}}"));
}

TEST_F(ExportTest, AWorkbookRefusesWhatItsNumbersCannotHold) {
  const std::string path = folder_.path() + "/book.xlsx";
  ExportedLog most = LogOf({Allocation("a", "e", 999'999'999'999'999)});
  EXPECT_TRUE(WriteXlsx({.size = 1}, {}, most, path).ok());
  ExportedLog more = LogOf({Allocation("a", "e", 1'000'000'000'000'000)});
  EXPECT_EQ(WriteXlsx({.size = 1}, {}, more, path).code(), absl::StatusCode::kOutOfRange);
}

std::string ContentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(ExportTest, AFileIsThereWholeOrAsItWas) {
  const std::string path = folder_.path() + "/out";
  std::ofstream(path) << "before";
  std::ostringstream unused;
  {
    const WholeFile file(path);
    std::ofstream(file.aside()) << "half";
  }
  EXPECT_EQ(ContentOf(path), "before");
  {
    WholeFile file(path);
    std::ofstream(file.aside()) << "after";
    ASSERT_TRUE(file.Commit(unused).ok());
  }
  EXPECT_EQ(ContentOf(path), "after");
  WholeFile nowhere(folder_.path() + "/none/out");
  EXPECT_EQ(nowhere.Commit(unused).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
  EXPECT_THAT(unused.str(), IsEmpty());
}

TEST(WholeFile, GoesToStandardOutputWhereThatIsMeant) {
  std::ostringstream out;
  WholeFile file("-");
  std::ofstream(file.aside()) << "text";
  ASSERT_TRUE(file.Commit(out).ok());
  EXPECT_EQ(out.str(), "text");
}

}  // namespace
}  // namespace denier::cli
