// The compte rendu: against figures computed by hand, against the yearly execution, and against
// itself: cut in two, seen by one body, made of single events.
#include "projections/execution_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "projections/books.h"
#include "projections/reports.h"
#include "projections/row_keys.h"
#include "tests/projections/history.h"

namespace denier::projections {
namespace {

using testing::HasSubstr;

ExecutionReportScope Period(int from, int until) {
  return {.agreement_id = kAgreement, .from_date = from, .until_date = until};
}

absl::StatusOr<v1::ExecutionReport> Make(const History& history, ExecutionReportScope scope) {
  ExecutionReportMaker maker(std::move(scope));
  store::Position position = 0;
  for (const auto& event : history.events()) {
    if (absl::Status added = maker.Add(position++, event); !added.ok()) return added;
  }
  return maker.Finish();
}

v1::ExecutionReport ReportOf(const History& history, ExecutionReportScope scope) {
  auto report = Make(history, std::move(scope));
  EXPECT_TRUE(report.ok()) << report.status();
  return report.ok() ? *report : v1::ExecutionReport();
}

template <class Rows>
auto RowOf(const Rows& rows, const std::string& body) {
  for (const auto& row : rows) {
    if (row.managing_body() == body) return row;
  }
  ADD_FAILURE() << "no row of " << body;
  return typename Rows::value_type();
}

v1::GetYearlyExecutionResponse YearlyExecutionOf(const History& history) {
  Books books;
  store::Position position = 0;
  for (const auto& event : history.events()) {
    EXPECT_TRUE(books.Fold(event, position++).ok());
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
  auto report = YearlyExecution(rows);
  EXPECT_TRUE(report.ok()) << report.status();
  return *report;
}

TEST(ExecutionReportTest, SaysOfEachYearWhatTheDocumentSays) {
  const History history = SourceDocument();
  const struct {
    int year;
    std::int64_t ae, cp, outstanding;
  } document[] = {{2020, 1'495'779'00, 1'251'669'60, 244'109'40},
                  {2021, 2'009'474'32, 1'866'592'14, 386'991'58},
                  {2022, 183'072'00, 570'063'58, 0}};
  for (const auto& stated : document) {
    const auto report =
        ReportOf(history, Period(stated.year * 10000 + 101, stated.year * 10000 + 1231));
    const auto dinum = RowOf(report.bodies(), "DINUM");
    EXPECT_EQ(dinum.ae_engaged(), stated.ae) << stated.year;
    EXPECT_EQ(dinum.cp_paid(), stated.cp) << stated.year;
    EXPECT_EQ(dinum.outstanding(), stated.outstanding) << stated.year;
  }
  const auto report = ReportOf(history, Period(20220101, 20221231));
  EXPECT_EQ(RowOf(report.bodies(), "DINUM").cp_carried_in(), 386'991'58);
  ASSERT_EQ(report.reconciliations_size(), 1);
  EXPECT_EQ(report.reconciliations(0).difference_cents(), 80);
}

TEST(ExecutionReportTest, OfAWholeYearAgreesWithTheYearlyExecutionFieldByField) {
  const History history = SourceDocument();
  int compared = 0;
  const auto yearly = YearlyExecutionOf(history);
  for (const auto& year : yearly.rows()) {
    const auto report = ReportOf(
        history, Period(year.fiscal_year() * 10000 + 101, year.fiscal_year() * 10000 + 1231));
    const auto row = RowOf(report.bodies(), year.managing_body());
    const auto* fields = v1::ExecutionReportRow::descriptor();
    for (int i = 0; i < fields->field_count(); ++i) {
      const auto* mine = fields->field(i);
      const auto* theirs = v1::ExecutionRow::descriptor()->FindFieldByName(mine->name());
      if (theirs == nullptr || mine->cpp_type() != mine->CPPTYPE_INT64) continue;
      EXPECT_EQ(row.GetReflection()->GetInt64(row, mine),
                year.GetReflection()->GetInt64(year, theirs))
          << mine->name() << " of " << year.managing_body() << " in " << year.fiscal_year();
      ++compared;
    }
  }
  EXPECT_GE(compared, 100);
}

TEST(ExecutionReportTest, OfTwoPeriodsThatFollowEachOtherAddsUp) {
  const History history = SourceDocument();
  const auto first = ReportOf(history, Period(20210101, 20210315)).total();
  const auto second = ReportOf(history, Period(20210316, 20221231)).total();
  const auto both = ReportOf(history, Period(20210101, 20221231)).total();
  EXPECT_EQ(first.ae_engaged() + second.ae_engaged(), both.ae_engaged());
  EXPECT_EQ(first.cp_paid() + second.cp_paid(), both.cp_paid());
  EXPECT_EQ(first.cp_opened() + second.cp_opened(), both.cp_opened());
  EXPECT_EQ(first.outstanding(), second.outstanding_start());
  EXPECT_EQ(first.outstanding_start(), both.outstanding_start());
  EXPECT_EQ(second.outstanding(), both.outstanding());
}

TEST(ExecutionReportTest, LeavesOutWhatTheCallerMayNotSee) {
  ExecutionReportScope scope = Period(20220101, 20221231);
  scope.sees = [](std::string_view envelope_id) { return envelope_id != "djepva-2022"; };
  const auto report = ReportOf(SourceDocument(), scope);
  EXPECT_EQ(report.bodies_size(), 1);
  EXPECT_EQ(report.total().cp_paid(), 570'063'58);
  EXPECT_THAT(report.DebugString(), Not(HasSubstr("djepva-2022")));
  EXPECT_THAT(report.DebugString(), Not(HasSubstr("ej-snu")));
}

TEST(ExecutionReportTest, ShowsServiceDeliveredAndNotPaid) {
  History history;
  history.On(20220110)
      .Agreement()
      .Envelope("coaching", "DINUM")
      .Allocate("coaching", 1'000'00, 1'000'00)
      .Engage("ej", "coaching", 1'000'00)
      .Pay("dp-1", "ej", 300'00)
      .On(20220601)
      .Certify("ej", 250'00)
      .On(20220901)
      .Pay("dp-2", "ej", 100'00);
  const auto june = ReportOf(history, Period(20220101, 20220630));
  ASSERT_EQ(june.accruals_size(), 1);
  EXPECT_EQ(june.accruals(0).accrued_cents(), 250'00);
  EXPECT_EQ(june.accruals(0).settled_cents(), 300'00);
  EXPECT_EQ(june.total().outstanding(), 700'00);
  EXPECT_EQ(ReportOf(history, Period(20220101, 20220531)).accruals_size(), 0);
}

// The control of the report's own checks: paid by more than the restes à payer gave off.
TEST(ExecutionReportTest, IsRefusedWhenAnEventContradictsItself) {
  History history;
  history.On(20220110)
      .Agreement()
      .Envelope("coaching", "DINUM")
      .Allocate("coaching", 1'000'00, 1'000'00)
      .Engage("ej", "coaching", 1'000'00);
  auto& fact = *history.Add().mutable_opening_corrected();
  fact.set_commitment_id("ej");
  fact.set_line_id("2");
  fact.set_envelope_id("coaching");
  fact.set_change_cents(1);
  const auto report = Make(history, Period(20220101, 20221231));
  EXPECT_TRUE(absl::IsDataLoss(report.status())) << report.status();
  EXPECT_THAT(std::string(report.status().message()), HasSubstr("position 4"));
}

}  // namespace
}  // namespace denier::projections
