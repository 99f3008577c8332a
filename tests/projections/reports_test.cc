// The reports against the source document: the identities of its figures, by number, and the
// columns that a French finance officer reads.
#include "projections/reports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>

#include "projections/row_keys.h"
#include "tests/projections/history.h"

namespace denier::projections {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The rows that a history leaves.
AgreementRows RowsOf(const History& history) {
  Books books;
  store::Position position = 0;
  for (const auto& event : history.events()) {
    const absl::Status folded = books.Fold(event, position++);
    EXPECT_TRUE(folded.ok()) << folded << "\n" << event.ShortDebugString();
  }
  std::map<std::string, std::string> stored;
  books.TakeChanges([&](const std::string& key, const std::string& row) { stored[key] = row; });

  AgreementRows rows;
  rows.agreement.ParseFromString(stored.at(AgreementKey(kAgreement)));
  for (const std::string& id : rows.agreement.envelope_ids()) {
    EnvelopeRows& envelope = rows.envelopes.emplace_back();
    envelope.envelope.ParseFromString(stored.at(EnvelopeKey(kAgreement, id)));
    const std::string prefix = BalancesPrefix(kAgreement, id);
    for (auto it = stored.lower_bound(prefix); it != stored.end() && it->first.starts_with(prefix);
         ++it) {
      EXPECT_TRUE(envelope.years[YearOfKey(it->first)].Parse(it->second));
    }
  }
  return rows;
}

v1::GetYearlyExecutionResponse ExecutionOf(const History& history) {
  auto report = YearlyExecution(RowsOf(history));
  EXPECT_TRUE(report.ok()) << report.status();
  return report.ok() ? *report : v1::GetYearlyExecutionResponse();
}

v1::ExecutionRow RowOf(const v1::GetYearlyExecutionResponse& report, int year,
                       const std::string& body) {
  for (const auto& row : report.rows()) {
    if (row.fiscal_year() == year && row.managing_body() == body) return row;
  }
  ADD_FAILURE() << "no row of " << body << " in " << year;
  return {};
}

v1::ExecutionRow RowOf(const History& history, int year, const std::string& body = "DINUM") {
  return RowOf(ExecutionOf(history), year, body);
}

v1::ExecutionRow EnvelopeRowOf(const History& history, const std::string& envelope_id, int year) {
  const AgreementRows rows = RowsOf(history);
  for (const EnvelopeRows& envelope : rows.envelopes) {
    if (envelope.envelope.envelope_id() != envelope_id) continue;
    auto made = EnvelopeExecution(rows.agreement, envelope);
    EXPECT_TRUE(made.ok()) << made.status();
    if (!made.ok()) return {};
    for (const auto& row : *made) {
      if (row.fiscal_year() == year) return row;
    }
  }
  ADD_FAILURE() << "no row of " << envelope_id << " in " << year;
  return {};
}

// One agreement, one envelope of DINUM's in 2022 with 1,000.00 of each kind.
History OneEnvelope() {
  History history;
  history.On(20220110)
      .Agreement()
      .Envelope("coaching", "DINUM")
      .Allocate("coaching", 1'000'00, 1'000'00);
  return history;
}

// ------------------------------------------------------------------- the source document's figures

TEST(SourceDocumentTest, TableOfExecutionByDinumComesOutToTheCent) {
  const auto report = ExecutionOf(SourceDocument());
  struct {
    int year;
    std::int64_t ae_engaged, cp_paid, outstanding;
  } const kTable[] = {
      {2020, 1'495'779'00, 1'251'669'60, 244'109'40},
      {2021, 2'009'474'32, 1'866'592'14, 386'991'58},
      {2022, 183'072'00, 570'063'58, 0},
  };
  for (const auto& expected : kTable) {
    const auto row = RowOf(report, expected.year, "DINUM");
    EXPECT_EQ(row.ae_engaged(), expected.ae_engaged) << expected.year;
    EXPECT_EQ(row.cp_paid(), expected.cp_paid) << expected.year;
    EXPECT_EQ(row.outstanding(), expected.outstanding) << expected.year;
  }
}

TEST(SourceDocumentTest, Identity1AeAndCpOfTheThreeYearsAreTheSameTotal) {
  const auto report = ExecutionOf(SourceDocument());
  ASSERT_EQ(report.totals_size(), 2);
  EXPECT_EQ(report.totals(0).managing_body(), "DINUM");
  EXPECT_EQ(report.totals(0).ae_engaged(), 3'688'325'32);
  EXPECT_EQ(report.totals(0).cp_paid(), 3'688'325'32);
  EXPECT_EQ(report.totals(0).outstanding(), 0);
  EXPECT_EQ(report.totals(0).fiscal_year(), 0);
}

TEST(SourceDocumentTest, Identity2WhatStaysWithDjepvaIsTheYearLessTheCoaching) {
  const auto report = ExecutionOf(SourceDocument());
  const auto row = RowOf(report, 2022, "DJEPVA");
  EXPECT_EQ(row.ae_opened(), 3'099'419'20 - 183'072'00);
  EXPECT_EQ(row.cp_opened(), 2'916'347'20);
}

TEST(SourceDocumentTest, Identity3CpOf2022AreTheCoachingAndTheCarryover) {
  const History history = SourceDocument();
  const auto row = RowOf(history, 2022);
  EXPECT_EQ(row.cp_opened(), 570'063'58);
  EXPECT_EQ(row.cp_carried_in(), 386'991'58);
  EXPECT_EQ(EnvelopeRowOf(history, "coaching-2022", 2022).cp_paid(), 183'072'00);
  EXPECT_EQ(EnvelopeRowOf(history, "engagements-2020-2021", 2022).cp_paid(), 386'991'58);
}

TEST(SourceDocumentTest, Identity4OutstandingAtTheEndOf2021IsTheCarryoverAskedFor) {
  const auto report = ExecutionOf(SourceDocument());
  EXPECT_EQ(RowOf(report, 2020, "DINUM").outstanding(), 244'109'40);
  EXPECT_EQ(RowOf(report, 2021, "DINUM").outstanding(),
            RowOf(report, 2021, "DINUM").cp_carryover_granted());
  EXPECT_EQ(RowOf(report, 2022, "DINUM").outstanding(), 0);
}

TEST(SourceDocumentTest, Identity5CumulativeCpNeverPassCumulativeAe) {
  const auto report = ExecutionOf(SourceDocument());
  std::int64_t engaged = 0, paid = 0;
  for (const int year : {2020, 2021, 2022}) {
    const auto row = RowOf(report, year, "DINUM");
    engaged += row.ae_consumed();
    paid += row.cp_paid();
    EXPECT_LE(paid, engaged) << year;
    EXPECT_EQ(engaged - paid, row.outstanding()) << year;
  }
}

TEST(SourceDocumentTest, Identity6CpOf2022OfBothBodiesAreTheCeilingAndTheCarryover) {
  const auto report = ExecutionOf(SourceDocument());
  EXPECT_EQ(RowOf(report, 2022, "DINUM").cp_paid() + RowOf(report, 2022, "DJEPVA").cp_paid(),
            3'486'410'78);
  EXPECT_EQ(3'099'419'20 + 386'991'58, 3'486'410'78);
}

TEST(SourceDocumentTest, Identity7ProductsAndCommonCostsPassTheFinancingBy80Cents) {
  const auto report = ProductBudgets(RowsOf(SourceDocument()), 2022);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->reconciliations_size(), 1);
  EXPECT_EQ(report->reconciliations(0).budgets(), 3'099'420'00);
  EXPECT_EQ(report->reconciliations(0).financing(), 3'099'419'20);
  EXPECT_EQ(report->reconciliations(0).difference(), 80);
}

TEST(SourceDocumentTest, Identity8OpenedLessConsumedIsCarriedOverOrLapsedOrStillThere) {
  const auto report = ExecutionOf(SourceDocument());
  for (const auto& row : report.rows()) {
    EXPECT_EQ(row.ae_opened() + row.ae_imported() - row.ae_consumed(),
              row.ae_carried_out() + row.ae_lapsed() + row.ae_available() + row.ae_frozen());
    EXPECT_EQ(row.cp_opened() + row.cp_imported() - row.cp_paid(),
              row.cp_carryover_requested() + row.cp_carryover_granted() + row.cp_lapsed() +
                  row.cp_available() + row.cp_frozen() + row.cp_held());
  }
}

TEST(SourceDocumentTest, Identity9CommonCostsAreSplitByBudgetLargestRemainderFirst) {
  const auto report = ProductBudgets(RowsOf(SourceDocument()), 2022);
  ASSERT_TRUE(report.ok()) << report.status();
  std::map<std::string, std::int64_t> shares;
  for (const auto& row : report->rows()) shares[row.product_id()] = row.common_share();
  EXPECT_EQ(shares["snu"], 72'362'91);
  EXPECT_EQ(shares["jeveuxaider"], 69'926'89);
  EXPECT_EQ(shares["api-engagement"], 13'110'20);
  EXPECT_EQ(shares["communs"], 0);
}

TEST(SourceDocumentTest, ImportedHistoryOf2020IsExecutedAndConsumesNoAeOfTheEnvelope) {
  const auto row = RowOf(SourceDocument(), 2020);
  EXPECT_EQ(row.ae_opened(), 0);
  EXPECT_EQ(row.ae_imported(), 1'495'779'00);
  EXPECT_EQ(row.cp_imported(), 1'251'669'60);
  EXPECT_EQ(row.ae_available(), 0);
}

TEST(SourceDocumentTest, ForecastOf2022StandsBesideWhatWasExecuted) {
  History history = SourceDocument();
  const auto row = RowOf(history, 2022);
  EXPECT_TRUE(row.has_plan());
  EXPECT_EQ(row.planned_ae(), 183'072'00);
  EXPECT_EQ(row.planned_cp(), 570'063'58);
  EXPECT_EQ(row.planned_outstanding(), 0);
  EXPECT_EQ(row.planned_difference(), 0);
  EXPECT_FALSE(RowOf(history, 2021).has_plan());
}

TEST(SourceDocumentTest, RefusedCarryoverLeavesTheDebtDue) {
  History history;
  history.On(20211130)
      .Agreement()
      .Envelope("coaching-2022", "DINUM")
      .Envelope("djepva-2022", "DJEPVA")
      .Envelope("engagements-2020-2021", "DINUM")
      .Allocate("engagements-2020-2021", 386'991'58, 386'991'58)
      .Engage("ej-2021", "engagements-2020-2021", 386'991'58)
      .RequestCarryover("report-2021", "engagements-2020-2021", 386'991'58)
      .On(20220110)
      .RefuseCarryover("report-2021", 386'991'58)
      .Allocate("coaching-2022", 183'072'00, 183'072'00)
      .Allocate("djepva-2022", 2'916'347'20, 2'916'347'20)
      .Engage("ej-coach", "coaching-2022", 183'072'00)
      .Pay("dp-coach", "ej-coach", 183'072'00);
  EXPECT_EQ(RowOf(history, 2022).outstanding(), 386'991'58);
  EXPECT_EQ(RowOf(history, 2021).cp_lapsed(), 386'991'58);

  // By redeployment DJEPVA's CP fall, and the debt is paid.
  history.Transfer("djepva-2022", "engagements-2020-2021", 0, 386'991'58)
      .Pay("dp-2021", "ej-2021", 386'991'58);
  EXPECT_EQ(RowOf(history, 2022, "DJEPVA").cp_opened(), 2'529'355'62);
  EXPECT_EQ(RowOf(history, 2022).cp_opened(), 570'063'58);
  EXPECT_EQ(RowOf(history, 2022).outstanding(), 0);
}

// ------------------------------------------------------------------------------------- columns

TEST(YearlyExecutionTest, RowsStandByYearThenBody) {
  std::vector<std::string> order;
  const auto report = ExecutionOf(SourceDocument());
  for (const auto& row : report.rows()) {
    order.push_back(std::to_string(row.fiscal_year()) + " " + row.managing_body());
  }
  EXPECT_THAT(order, ElementsAre("2020 DINUM", "2021 DINUM", "2022 DINUM", "2022 DJEPVA"));
}

TEST(YearlyExecutionTest, OneBodyAlone) {
  const auto report = YearlyExecution(RowsOf(SourceDocument()), "DJEPVA");
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->rows_size(), 1);
  ASSERT_EQ(report->totals_size(), 1);
  EXPECT_EQ(report->rows(0).managing_body(), "DJEPVA");
}

TEST(YearlyExecutionTest, ClosedYearsAreMarked) {
  EXPECT_TRUE(RowOf(SourceDocument(), 2021).closed());
  EXPECT_FALSE(RowOf(SourceDocument(), 2022).closed());
}

TEST(YearlyExecutionTest, AYearWithoutAMovementStillShowsWhatIsToBePaid) {
  History history;
  history.On(20200601)
      .Agreement()
      .Envelope("old", "DINUM")
      .Import("ej-2018", "old", 2018, 500'00, {{20180601, 100'00}})
      .On(20210601)
      .Allocate("old", 0, 400'00)
      .Pay("dp-1", "ej-2018", 400'00);
  const auto report = ExecutionOf(history);
  ASSERT_EQ(report.rows_size(), 4);
  for (const int gap : {2019, 2020}) {
    EXPECT_EQ(RowOf(report, gap, "DINUM").outstanding(), 400'00);
    EXPECT_EQ(RowOf(report, gap, "DINUM").ae_engaged(), 0);
  }
  EXPECT_EQ(RowOf(report, 2021, "DINUM").outstanding(), 0);
}

TEST(YearlyExecutionTest, WithdrawalOnALineOfTheYearFreesItsAe) {
  const auto row =
      RowOf(OneEnvelope().Engage("ej", "coaching", 600'00).Withdraw("ej", 200'00), 2022);
  EXPECT_EQ(row.ae_engaged(), 600'00);
  EXPECT_EQ(row.ae_withdrawn_current(), 200'00);
  EXPECT_EQ(row.ae_consumed(), 400'00);
  EXPECT_EQ(row.ae_available(), 600'00);
  EXPECT_EQ(row.outstanding(), 400'00);
  EXPECT_EQ(row.outstanding_before_withdrawals(), 400'00);
}

TEST(YearlyExecutionTest, WithdrawalOnAnOlderLineLowersTheRestAndLeavesAvailableAeUnchanged) {
  History history = OneEnvelope();
  history.Engage("ej", "coaching", 600'00).On(20230301).Allocate("coaching", 50'00, 0);
  history.Withdraw("ej", 200'00, /*recycled_cents=*/30'00);
  const auto row = RowOf(history, 2023);
  EXPECT_EQ(row.ae_withdrawn_prior(), 200'00);
  EXPECT_EQ(row.ae_unavailable(), 170'00);
  EXPECT_EQ(row.ae_available(), 80'00) << "the recycling basis frees its own amount alone";
  EXPECT_EQ(row.ae_consumed(), 0);
  EXPECT_EQ(row.outstanding_before_withdrawals(), 600'00);
  EXPECT_EQ(row.outstanding(), 400'00);
}

TEST(YearlyExecutionTest, FrozenAndCancelledCredits) {
  const auto row = RowOf(
      OneEnvelope().Freeze("coaching", 300'00, 200'00).CancelFrozen("coaching", 100'00, 50'00),
      2022);
  EXPECT_EQ(row.ae_opened(), 900'00);
  EXPECT_EQ(row.ae_frozen(), 200'00);
  EXPECT_EQ(row.ae_available(), 700'00);
  EXPECT_EQ(row.cp_opened(), 950'00);
  EXPECT_EQ(row.cp_frozen(), 150'00);
  EXPECT_EQ(row.cp_available(), 800'00);
}

TEST(YearlyExecutionTest, RequestedPaymentsHoldCpAndPayNothing) {
  const auto row =
      RowOf(OneEnvelope().Engage("ej", "coaching", 600'00).Request("dp", "ej", 250'00), 2022);
  EXPECT_EQ(row.cp_held(), 250'00);
  EXPECT_EQ(row.cp_available(), 750'00);
  EXPECT_EQ(row.cp_paid(), 0);
  EXPECT_EQ(row.outstanding(), 600'00);
}

TEST(YearlyExecutionTest, CarryoverPartlyGrantedLapsesForTheRest) {
  History history = OneEnvelope();
  history.RequestCarryover("report", "coaching", 400'00);
  EXPECT_EQ(RowOf(history, 2022).cp_carryover_requested(), 400'00);
  history.On(20230215).GrantCarryover("report", 250'00, 150'00);
  EXPECT_EQ(RowOf(history, 2022).cp_carryover_requested(), 0);
  EXPECT_EQ(RowOf(history, 2022).cp_carryover_granted(), 250'00);
  EXPECT_EQ(RowOf(history, 2022).cp_lapsed(), 150'00);
  history.MakeCarryoverAvailable("report", 250'00);
  EXPECT_EQ(RowOf(history, 2022).cp_carryover_granted(), 250'00);
  EXPECT_EQ(RowOf(history, 2023).cp_carried_in(), 250'00);
  EXPECT_EQ(RowOf(history, 2023).cp_available(), 250'00);
}

TEST(YearlyExecutionTest, UnspentCreditsLapseAtClosing) {
  const auto row = RowOf(OneEnvelope()
                             .Engage("ej", "coaching", 600'00)
                             .Pay("dp", "ej", 100'00)
                             .On(20221231)
                             .Close({{"coaching", 400'00, 900'00}}),
                         2022);
  EXPECT_EQ(row.ae_lapsed(), 400'00);
  EXPECT_EQ(row.cp_lapsed(), 900'00);
  EXPECT_EQ(row.ae_available(), 0);
  EXPECT_EQ(row.outstanding(), 500'00);
}

TEST(YearlyExecutionTest, ReinstatementLowersNetEngagedAndPaidAndLeavesTheRest) {
  const auto row = RowOf(OneEnvelope()
                             .Engage("ej", "coaching", 600'00)
                             .Pay("dp", "ej", 400'00)
                             .Reinstate("dp", "ej", 150'00),
                         2022);
  EXPECT_EQ(row.ae_engaged(), 450'00);
  EXPECT_EQ(row.cp_paid(), 250'00);
  EXPECT_EQ(row.outstanding(), 200'00);
  EXPECT_EQ(row.ae_available(), 550'00);
  EXPECT_EQ(row.cp_available(), 750'00);
}

TEST(YearlyExecutionTest, ReversedPaymentRestoresCpAndRestButNeverAe) {
  const auto row = RowOf(
      OneEnvelope().Engage("ej", "coaching", 600'00).Pay("dp", "ej", 400'00).ReverseLast(), 2022);
  EXPECT_EQ(row.cp_paid(), 0);
  EXPECT_EQ(row.cp_available(), 1'000'00);
  EXPECT_EQ(row.outstanding(), 600'00);
  EXPECT_EQ(row.ae_available(), 400'00);
}

TEST(YearlyExecutionTest, LateInterestConsumesAeAndCpAndNoRest) {
  const auto row =
      RowOf(OneEnvelope().Engage("ej", "coaching", 600'00).PayLateInterest("dp", "coaching", 40'00),
            2022);
  EXPECT_EQ(row.ae_engaged(), 640'00);
  EXPECT_EQ(row.cp_paid(), 40'00);
  EXPECT_EQ(row.outstanding(), 600'00);
}

TEST(YearlyExecutionTest, OpeningCorrectionsStandInAColumnOfTheirOwn) {
  History history = OneEnvelope();
  history.Engage("ej", "coaching", 600'00).On(20230110).Correct("ej", -25'00);
  const auto row = RowOf(history, 2023);
  EXPECT_EQ(row.opening_corrections(), -25'00);
  EXPECT_EQ(row.outstanding(), 575'00);
  EXPECT_EQ(row.ae_available(), 0);
}

TEST(YearlyExecutionTest, EarlyCommitmentsShowTheAeNotYetOpened) {
  History history = OneEnvelope();
  history.On(20221115, 2023).Engage("ej-2023", "coaching", 120'00, "", /*early=*/true);
  const auto row = RowOf(history, 2023);
  EXPECT_EQ(row.ae_early(), 120'00);
  EXPECT_EQ(row.ae_engaged(), 120'00);
  EXPECT_EQ(row.ae_available(), 0);
  EXPECT_EQ(RowOf(history, 2022).outstanding(), 0);
}

TEST(YearlyExecutionTest, AnotherBodysEnvelopeMayPayWhatThisOneOwes) {
  const History history = OneEnvelope()
                              .Envelope("siege", "DJEPVA")
                              .Allocate("siege", 0, 500'00)
                              .Engage("ej", "coaching", 300'00)
                              .Pay("dp", "ej", 300'00, "siege");
  EXPECT_EQ(RowOf(history, 2022).cp_paid(), 0);
  EXPECT_EQ(RowOf(history, 2022).outstanding(), 0);
  EXPECT_EQ(RowOf(history, 2022, "DJEPVA").cp_paid(), 300'00);
  EXPECT_EQ(RowOf(history, 2022, "DJEPVA").outstanding(), 0);
}

TEST(YearlyExecutionTest, TotalsSumTheYearsAndTakeBalancesFromTheLast) {
  History history = OneEnvelope();
  history.Freeze("coaching", 100'00, 0)
      .Engage("ej", "coaching", 600'00)
      .On(20230110)
      .Allocate("coaching", 200'00, 600'00)
      .Freeze("coaching", 40'00, 0)
      .Pay("dp", "ej", 350'00);
  const auto report = ExecutionOf(history);
  ASSERT_EQ(report.totals_size(), 1);
  const auto& total = report.totals(0);
  EXPECT_EQ(total.ae_opened(), 1'200'00);
  EXPECT_EQ(total.ae_engaged(), 600'00);
  EXPECT_EQ(total.cp_paid(), 350'00);
  EXPECT_EQ(total.ae_frozen(), 40'00);
  EXPECT_EQ(total.ae_available(), 160'00);
  EXPECT_EQ(total.outstanding(), 250'00);
}

TEST(PlanTest, PlannedOutstandingStartsFromTheExecutedYearBeforeThenFromThePlan) {
  History history = OneEnvelope();
  history.Engage("ej", "coaching", 600'00)
      .On(20230110)
      .Plan("coaching", 100'00, 300'00, 400'00)
      .On(20240110)
      .Plan("coaching", 0, 400'00, 5'00);
  EXPECT_EQ(RowOf(history, 2023).planned_outstanding(), 400'00);
  EXPECT_EQ(RowOf(history, 2023).planned_difference(), 0);
  EXPECT_EQ(RowOf(history, 2023).outstanding(), 600'00);
  EXPECT_EQ(RowOf(history, 2024).planned_outstanding(), 0);
  EXPECT_EQ(RowOf(history, 2024).planned_difference(), 5'00) << "nothing absorbs it";
}

TEST(PlanTest, APlanIsNotExecution) {
  const auto row = RowOf(OneEnvelope().Plan("coaching", 700'00, 800'00, 0), 2022);
  EXPECT_EQ(row.ae_engaged(), 0);
  EXPECT_EQ(row.cp_paid(), 0);
  EXPECT_EQ(row.outstanding(), 0);
  EXPECT_EQ(row.ae_available(), 1'000'00);
}

// ------------------------------------------------------------------------------ other reports

TEST(OutstandingTest, ByBodyYearOfOriginAndYear) {
  const auto report = Outstanding(RowsOf(SourceDocument()));
  ASSERT_TRUE(report.ok()) << report.status();
  std::vector<std::string> rows;
  for (const auto& row : report->rows()) {
    rows.push_back(row.managing_body() + " " + std::to_string(row.origin_year()) + " " +
                   std::to_string(row.fiscal_year()) + ": " + std::to_string(row.opening()) +
                   " + " + std::to_string(row.engaged()) + " - " + std::to_string(row.paid()) +
                   " = " + std::to_string(row.outstanding()));
  }
  EXPECT_THAT(rows, ElementsAre("DINUM 2020 2020: 0 + 149577900 - 125166960 = 24410940",
                                "DINUM 2020 2021: 24410940 + 0 - 24410940 = 0",
                                "DINUM 2021 2021: 0 + 200947432 - 162248274 = 38699158",
                                "DINUM 2021 2022: 38699158 + 0 - 38699158 = 0",
                                "DINUM 2022 2022: 0 + 18307200 - 18307200 = 0",
                                "DJEPVA 2022 2022: 0 + 291634720 - 291634720 = 0"));
}

TEST(OutstandingTest, WhatIsOwedStandsInEveryYearUntilItIsSettled) {
  History history = OneEnvelope();
  history.Engage("ej", "coaching", 600'00).On(20250110).Correct("ej", 10'00).Withdraw("ej", 200'00);
  const auto report = Outstanding(RowsOf(history));
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rows_size(), 4);
  EXPECT_EQ(report->rows(1).opening(), 600'00);
  EXPECT_EQ(report->rows(2).outstanding(), 600'00);
  EXPECT_EQ(report->rows(3).corrections(), 10'00);
  EXPECT_EQ(report->rows(3).withdrawn(), 200'00);
  EXPECT_EQ(report->rows(3).outstanding(), 410'00);
}

TEST(OutstandingTest, ReimputationMovesTheRestFromOneBodyToTheOther) {
  History history = OneEnvelope();
  history.Envelope("siege", "DJEPVA")
      .Allocate("siege", 600'00, 0)
      .Engage("ej", "coaching", 600'00)
      .Pay("dp", "ej", 100'00)
      .Reimpute("ej", "siege", 600'00, 500'00);
  const auto report = Outstanding(RowsOf(history));
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rows_size(), 2);
  EXPECT_EQ(report->rows(0).managing_body(), "DINUM");
  EXPECT_EQ(report->rows(0).reimputed(), -500'00);
  EXPECT_EQ(report->rows(0).outstanding(), 0);
  EXPECT_EQ(report->rows(1).managing_body(), "DJEPVA");
  EXPECT_EQ(report->rows(1).reimputed(), 500'00);
  EXPECT_EQ(report->rows(1).outstanding(), 500'00);
  EXPECT_EQ(RowOf(history, 2022).ae_available(), 1'000'00);
  EXPECT_EQ(RowOf(history, 2022, "DJEPVA").ae_available(), 0);
}

TEST(ProductBudgetsTest, EngagedAndPaidByProductAndNothingIsLeftOut) {
  History history = OneEnvelope();
  history.Product("snu", 500'00)
      .Engage("ej-1", "coaching", 300'00, "snu")
      .Engage("ej-2", "coaching", 200'00)
      .Pay("dp-1", "ej-1", 120'00)
      .On(20230110)
      .Allocate("coaching", 0, 180'00)
      .Pay("dp-2", "ej-1", 180'00);
  const auto report = ProductBudgets(RowsOf(history));
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rows_size(), 3);
  EXPECT_EQ(report->rows(0).product_id(), "snu");
  EXPECT_EQ(report->rows(0).engaged(), 300'00);
  EXPECT_EQ(report->rows(0).paid(), 120'00);
  EXPECT_EQ(report->rows(1).product_id(), "") << "what serves no product stands at the end";
  EXPECT_EQ(report->rows(1).engaged(), 200'00);
  EXPECT_EQ(report->rows(2).fiscal_year(), 2023);
  EXPECT_EQ(report->rows(2).budget(), 0);
  EXPECT_EQ(report->rows(2).paid(), 180'00);
  EXPECT_EQ(report->rows(2).label(), "Produit snu");
  EXPECT_EQ(report->reconciliations_size(), 1) << "only a year with budgets is reconciled";
}

TEST(LargestRemainderTest, PartsAddUpToTheWhole) {
  EXPECT_THAT(SplitByLargestRemainder(155'400'00, {1'370'900'00, 1'324'750'00, 248'370'00}),
              ElementsAre(72'362'91, 69'926'89, 13'110'20));
  EXPECT_THAT(SplitByLargestRemainder(100, {1, 1, 1}), ElementsAre(34, 33, 33));
  EXPECT_THAT(SplitByLargestRemainder(2, {1, 1, 1}), ElementsAre(1, 1, 0));
  EXPECT_THAT(SplitByLargestRemainder(7, {0, 0}), ElementsAre(0, 0));
  EXPECT_THAT(SplitByLargestRemainder(7, {}), ElementsAre());
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_THAT(SplitByLargestRemainder(kMost, {kMost, kMost}),
              ElementsAre(kMost / 2 + 1, kMost / 2));
}

TEST(PaymentFollowUpTest, CpOnCommitmentsUpToTheYearBeforeAndOfTheYear) {
  const auto report = PaymentFollowUp(RowsOf(SourceDocument()));
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rows_size(), 4);
  const auto& row = report->rows(1);
  EXPECT_EQ(row.fiscal_year(), 2021);
  EXPECT_EQ(row.cp_paid(), 1'866'592'14);
  EXPECT_EQ(row.cp_paid_on_prior(), 244'109'40);
  EXPECT_EQ(row.cp_paid_on_current(), 1'622'482'74);
  EXPECT_EQ(row.uncovered_before(), 244'109'40);
  EXPECT_EQ(row.uncovered_after(), 386'991'58);
  EXPECT_EQ(report->rows(2).cp_paid_on_prior(), 386'991'58);
  EXPECT_EQ(report->rows(2).cp_paid_on_current(), 183'072'00);
}

TEST(PaymentFollowUpTest, CorrectionsAndWithdrawalsOnOlderCommitments) {
  History history = OneEnvelope();
  history.Engage("ej", "coaching", 600'00).On(20230110).Correct("ej", 10'00).Withdraw("ej", 200'00);
  const auto report = PaymentFollowUp(RowsOf(history));
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(report->rows_size(), 2);
  const auto& row = report->rows(1);
  EXPECT_EQ(row.uncovered_before(), 600'00);
  EXPECT_EQ(row.corrections(), -190'00);
  EXPECT_EQ(row.uncovered_after(), 410'00);
}

TEST(TrialBalanceTest, EachLedgerSumsToZero) {
  const auto report = TrialBalance(RowsOf(SourceDocument()));
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->sum(), 0);
  std::map<std::string, std::int64_t> ledgers;
  for (const auto& row : report->rows()) {
    EXPECT_NE(row.balance(), 0);
    ledgers[row.envelope_id() + row.ledger() + (row.planned() ? "planned" : "")] += row.balance();
  }
  EXPECT_GT(ledgers.size(), 8u);
  for (const auto& [ledger, sum] : ledgers) EXPECT_EQ(sum, 0) << ledger;
}

// ----------------------------------------------------------------------------- damage, limits

// One cent more in one account of one envelope and year, against the rules of double entry.
AgreementRows WithOneCentMore(const History& history, Ledger ledger, Account account) {
  AgreementRows rows = RowsOf(history);
  Posting cent;
  cent.ledger = ledger;
  cent.account = account;
  cent.cents = 1;
  cent.origin_year = 2022;
  EXPECT_TRUE(rows.envelopes.front().years.rbegin()->second.Add(cent).ok());
  return rows;
}

TEST(DamageTest, ACentTooMuchContradictsTheRow) {
  const History history = SourceDocument();
  struct {
    Ledger ledger;
    Account account;
    const char* what;
  } const kCents[] = {
      {Ledger::kAe, Account::kAvailable, "the AE of DINUM in 2022"},
      {Ledger::kAe, Account::kHeld, "the accounts of DINUM in 2022"},  // no AE are ever held
      {Ledger::kAe, Account::kEngaged, "the AE of DINUM in 2022"},
      {Ledger::kCp, Account::kPaid, "the CP of DINUM in 2022"},
      {Ledger::kOutstanding, Account::kOutstanding, "the restes à payer of DINUM in 2022"},
      {Ledger::kOutstanding, Account::kPaid, "the restes à payer of DINUM in 2022"},
  };
  for (const auto& cent : kCents) {
    const auto report = YearlyExecution(WithOneCentMore(history, cent.ledger, cent.account));
    EXPECT_EQ(report.status().code(), absl::StatusCode::kDataLoss) << cent.what;
    EXPECT_THAT(std::string(report.status().message()), HasSubstr(cent.what));
  }
}

TEST(DamageTest, ACentTooMuchShowsInTheTrialBalance) {
  const auto report =
      TrialBalance(WithOneCentMore(SourceDocument(), Ledger::kCp, Account::kAvailable));
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->sum(), 1);
}

TEST(DamageTest, ACentTooMuchContradictsTheRestOfItsOrigin) {
  const auto report =
      Outstanding(WithOneCentMore(SourceDocument(), Ledger::kOutstanding, Account::kOutstanding));
  EXPECT_EQ(report.status().code(), absl::StatusCode::kDataLoss);
}

TEST(LimitsTest, ATotalBeyond64BitsIsRefusedAndNeverWrapsRound) {
  constexpr std::int64_t kMuch = std::numeric_limits<std::int64_t>::max() / 2 + 1;
  History history;
  history.On(20220110)
      .Agreement()
      .Envelope("a", "DINUM")
      .Envelope("b", "DINUM")
      .Allocate("a", 0, kMuch)
      .Transfer("a", "b", 0, kMuch)
      .Allocate("a", 0, kMuch - 2);
  EXPECT_EQ(RowOf(history, 2022).cp_opened(), std::numeric_limits<std::int64_t>::max() - 1);
  AgreementRows rows = RowsOf(history);
  Posting two;
  two.ledger = Ledger::kCp;
  two.account = Account::kAvailable;
  two.cents = 2;
  ASSERT_TRUE(rows.envelopes.front().years[2022].Add(two).ok());
  two.account = Account::kSource;
  two.cents = -2;
  ASSERT_TRUE(rows.envelopes.front().years[2022].Add(two).ok());
  EXPECT_EQ(YearlyExecution(rows).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(ReportsTest, SameRowsGiveTheSameBytes) {
  const AgreementRows rows = RowsOf(SourceDocument());
  EXPECT_EQ(YearlyExecution(rows)->SerializeAsString(), YearlyExecution(rows)->SerializeAsString());
  EXPECT_EQ(TrialBalance(rows)->SerializeAsString(), TrialBalance(rows)->SerializeAsString());
}

TEST(ReportsTest, AnAgreementWithoutEnvelopesHasEmptyReports) {
  History history;
  history.On(20220110).Agreement();
  const AgreementRows rows = RowsOf(history);
  EXPECT_EQ(YearlyExecution(rows)->rows_size(), 0);
  EXPECT_EQ(Outstanding(rows)->rows_size(), 0);
  EXPECT_EQ(ProductBudgets(rows)->rows_size(), 0);
  EXPECT_EQ(PaymentFollowUp(rows)->rows_size(), 0);
  EXPECT_EQ(TrialBalance(rows)->rows_size(), 0);
}

}  // namespace
}  // namespace denier::projections
