// The compte rendu's presentation: what needs no server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "denier/v1/query_service.pb.h"
#include "services/cli/execution_report_chart.h"
#include "services/cli/execution_report_document.h"
#include "services/cli/execution_report_page.h"
#include "services/cli/execution_report_workbook.h"
#include "tests/store/temporary_folder.h"

namespace denier::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

v1::GetExecutionReportResponse Response() {
  v1::GetExecutionReportResponse response;
  response.set_position(189);
  v1::ExecutionReport& report = *response.mutable_report();
  report.set_from_date(20211101);
  report.set_until_date(20220228);
  report.set_recorded_time_us(1'641'376'800'000'001);
  report.set_agreement_id("engagement-civique");
  report.mutable_delegating_body()->set_body_id("DJEPVA");
  report.mutable_managing_body()->set_body_id("DINUM");
  v1::ExecutionReportRow& row = *report.add_envelopes();
  row.set_managing_body("DINUM");
  row.set_envelope_id("e1");
  row.set_ae_engaged(149577900);
  row.set_outstanding(24410940);
  *report.add_bodies() = row;
  *report.mutable_total() = row;
  for (const auto& [year, month, consumed, to_date] :
       {std::tuple(2021, 11, 100, 500), std::tuple(2021, 12, 300, 800), std::tuple(2022, 1, 0, 0),
        std::tuple(2022, 2, 200, 200)}) {
    v1::ExecutionReportMonth& added = *report.add_months();
    added.set_fiscal_year(year);
    added.set_month(month);
    added.set_ae_consumed(consumed * 100);
    added.set_ae_consumed_to_date(to_date * 100);
    added.set_ae_opened_to_date(100000);
  }
  return response;
}

std::string Page(const v1::GetExecutionReportResponse& response, const ReportSource& source = {},
                 Lang lang = Lang::kFrench) {
  return MakePage(MakeDocument(response, source, lang), response.report(), lang);
}

std::string Table(const v1::GetExecutionReportResponse& response, Lang lang = Lang::kFrench) {
  return ToText(MakeDocument(response, {}, lang), {.lang = lang});
}

std::size_t CountOf(std::string_view what, std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string_view::npos; ++at) ++count;
  return count;
}

TEST(ExecutionReportChartTest, TicksAreRoundAndHoldEverything) {
  EXPECT_THAT(Ticks(0, 0), ElementsAre(0, 100));
  EXPECT_THAT(Ticks(0, 40000), ElementsAre(0, 10000, 20000, 30000, 40000));
  EXPECT_THAT(Ticks(0, 40001), ElementsAre(0, 10000, 20000, 30000, 40000, 50000));
  EXPECT_THAT(Ticks(-1, 100), ElementsAre(-100, 0, 100));
  EXPECT_THAT(Ticks(-700, 0), ElementsAre(-800, -600, -400, -200, 0));
  for (std::int64_t high = 1; high < 2'000'000'000'000'000; high = high * 3 + 1) {
    const std::vector<std::int64_t> ticks = Ticks(-high / 7, high);
    EXPECT_GE(ticks.size(), 2U) << high;
    EXPECT_LE(ticks.size(), 7U) << high;
    EXPECT_LE(ticks.front(), -high / 7) << high;
    EXPECT_GE(ticks.back(), high) << high;
    EXPECT_THAT(ticks, testing::Contains(0)) << high;
  }
}

TEST(ExecutionReportChartTest, TheYearsAreDrawnApartAndBarsOnlyWhereSomethingHappened) {
  const std::string chart = MonthsChart(Response().report(), Lang::kFrench);
  EXPECT_EQ(CountOf("<svg ", chart), 2U);
  // Two years, in two drawings: what was open, and what was consumed.
  EXPECT_EQ(CountOf("<polyline ", chart), 2U * 2U * 2U);
  // Three months with something in them, and a sample in each legend.
  EXPECT_EQ(CountOf("<rect ", chart), 3U + 2U);
  EXPECT_THAT(chart, HasSubstr("nov.\u00a021"));
  EXPECT_THAT(chart, HasSubstr(">1\u00a0k€<"));
  EXPECT_THAT(MonthsChart({}, Lang::kFrench), IsEmpty());
}

TEST(ExecutionReportChartTest, BarsAreAsLongAsTheirFigures) {
  v1::ExecutionReport report;
  for (const auto& [year, cents] : {std::pair(2020, 1000000), std::pair(2021, 4000000)}) {
    v1::ExecutionReportOrigin& origin = *report.add_origins();
    origin.set_origin_year(year);
    origin.set_outstanding_start(cents);
  }
  const std::string chart = OriginsChart(report, Lang::kFrench);
  // 0 to 40 000 euros over 520 units.
  EXPECT_THAT(chart, HasSubstr("width=\"130\" height=\"15\""));
  EXPECT_THAT(chart, HasSubstr("width=\"520\" height=\"15\""));
  EXPECT_THAT(chart, HasSubstr("40\u00a0000,00\u00a0€"));
  EXPECT_THAT(OriginsChart({}, Lang::kFrench), IsEmpty());
}

TEST(ExecutionReportPageTest, AmountsAndDaysAreFrench) {
  const std::string page = Page(Response());
  EXPECT_THAT(page, HasSubstr("1\u00a0495\u00a0779,00\u00a0€"));
  EXPECT_THAT(page, HasSubstr("période du 01/11/2021 au 28/02/2022"));
  EXPECT_THAT(page, HasSubstr("<html lang=\"fr\">"));
}

TEST(ExecutionReportPageTest, EnglishSaysTheSame) {
  const std::string page = Page(Response(), {}, Lang::kEnglish);
  EXPECT_THAT(page, HasSubstr("€1,495,779.00"));
  EXPECT_THAT(page, HasSubstr("period from 2021-11-01 to 2022-02-28"));
  EXPECT_THAT(page, Not(HasSubstr("Néant")));
}

TEST(ExecutionReportPageTest, SectionsWithoutRowsSayNone) {
  EXPECT_EQ(CountOf("<p class=\"none\">Néant</p>", Page(Response())), 14U);
  EXPECT_THAT(Table(Response()), HasSubstr("Paiements de la période\n\nNéant\n"));
}

TEST(ExecutionReportPageTest, PlannedFiguresSayThatTheyAre) {
  v1::GetExecutionReportResponse response = Response();
  v1::ExecutionReportPlan& plan = *response.mutable_report()->add_plans();
  plan.set_fiscal_year(2023);
  plan.set_envelope_id("e1");
  plan.set_planned_ae(100);
  v1::ExecutionReportInstalment& due = *response.mutable_report()->add_instalments();
  due.set_fiscal_year(2024);
  due.set_unpaid_cents(5);
  const std::string page = Page(response);
  EXPECT_THAT(page, HasSubstr(">AE (prévision)<"));
  EXPECT_THAT(page, HasSubstr(">2023 (prévision)<"));
  EXPECT_THAT(page, HasSubstr(">2024 (prévision)<"));
}

TEST(ExecutionReportPageTest, ACorrectionSaysWhatItReversesAndWhy) {
  v1::GetExecutionReportResponse response = Response();
  v1::ExecutionReportEntry& entry = *response.mutable_report()->add_entries();
  entry.set_position(77);
  entry.set_effective_date(20211231);
  entry.set_fiscal_year(2021);
  entry.set_fact("reversed");
  entry.set_reversed_position(0);
  entry.set_reversed_fact("engaged");
  entry.set_commitment_id("EJ-2021-03");
  entry.set_late(true);
  entry.set_reason_reference("PV-12");
  entry.set_principal_id("ao-1");
  entry.set_body_id("DINUM");
  entry.set_approved_by("ao-2");
  entry.set_ae_consumed(-1234);
  const std::string table = Table(response);
  EXPECT_THAT(table, HasSubstr("de l'écriture n°\u00a00 ("));
  EXPECT_THAT(table, HasSubstr("tardive sur 2021"));
  EXPECT_THAT(table, HasSubstr("PV-12"));
  EXPECT_THAT(table, HasSubstr("ao-1@DINUM, approuvé par ao-2"));
  EXPECT_THAT(table, HasSubstr("-12,34\u00a0€"));
}

TEST(ExecutionReportPageTest, AnAccrualNamesCommitmentContractAndPayee) {
  v1::GetExecutionReportResponse response = Response();
  v1::ExecutionReportAccrual& accrual = *response.mutable_report()->add_accruals();
  accrual.set_commitment_id("EJ-1");
  accrual.set_line_id("1");
  accrual.mutable_references()->set_chorus_commitment("1300012345");
  accrual.mutable_references()->set_contract("M-7");
  accrual.mutable_references()->set_payee("COACH SARL");
  accrual.set_certified_cents(500);
  accrual.set_settled_cents(200);
  accrual.set_accrued_cents(300);
  const std::string page = Page(response);
  for (const std::string_view text : {"1300012345", ">M-7<", ">COACH SARL<"}) {
    EXPECT_THAT(page, HasSubstr(std::string(text)));
  }
  EXPECT_EQ(CountOf(">3,00\u00a0€<", page), 2U);  // the line, and the total
}

TEST(ExecutionReportPageTest, ItNamesWhatItWasMadeFrom) {
  const std::string page = Page(Response(), {.root = std::string(32, '\xab'),
                                             .note = "denier/log\n190\nq6ur\n\n— denier/log AA==\n",
                                             .verifier_key = "denier/log+0cf7cb72+AUDs",
                                             .effective_until = 20220131});
  EXPECT_THAT(page, HasSubstr("l'écriture n°\u00a0189"));
  EXPECT_THAT(page, HasSubstr("abababababababab"));
  EXPECT_THAT(page, HasSubstr("— denier/log AA==\n</pre>"));
  EXPECT_THAT(page, HasSubstr("denier/log+0cf7cb72+AUDs"));
  EXPECT_THAT(page, HasSubstr("ce qui prend effet au plus tard le 31/01/2022"));
  EXPECT_THAT(page, HasSubstr("--effective-until"));
  EXPECT_THAT(page, Not(HasSubstr("n'a pas de clé")));
  EXPECT_THAT(Page(Response()), HasSubstr("Aucun\u00a0: le serveur n'a pas de clé pour signer."));
}

TEST(ExecutionReportPageTest, WhatTheBooksSayIsNeverMarkup) {
  v1::GetExecutionReportResponse response = Response();
  response.mutable_report()->set_agreement_id("</style><script>\"a\"\\\x01&");
  const std::string page = Page(response);
  EXPECT_THAT(page, Not(HasSubstr("<script>")));
  EXPECT_EQ(CountOf("</style>", page), 1U);
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;&quot;a&quot;\\\uFFFD&amp;"));
  EXPECT_THAT(page, HasSubstr(R"(content: "\3c \2f style\3e \3c script)"));
}

TEST(ExecutionReportWorkbookTest, AnAmountThatASpreadsheetWouldRoundIsRefused) {
  const store::TemporaryFolder folder;
  v1::GetExecutionReportResponse response = Response();
  const std::string path = (std::filesystem::path(folder.path()) / "a.xlsx").string();
  EXPECT_TRUE(WriteWorkbook(MakeDocument(response, {}, Lang::kFrench), Lang::kFrench, path).ok());
  response.mutable_report()->mutable_bodies(0)->set_ae_engaged(1'000'000'000'000'000);
  EXPECT_EQ(WriteWorkbook(MakeDocument(response, {}, Lang::kFrench), Lang::kFrench, path).code(),
            absl::StatusCode::kOutOfRange);
}

TEST(ExecutionReportWorkbookTest, SheetNamesAreUniqueAndFit) {
  for (const Lang lang : {Lang::kFrench, Lang::kEnglish}) {
    std::set<std::string> names;
    const ReportDocument document = MakeDocument(Response(), {}, lang);
    for (const ReportSection& section : document.sections) {
      EXPECT_TRUE(names.insert(section.sheet).second) << section.sheet;
      EXPECT_FALSE(section.sheet.empty());
      EXPECT_LE(section.sheet.size(), 31U);
    }
  }
}

}  // namespace
}  // namespace denier::cli
