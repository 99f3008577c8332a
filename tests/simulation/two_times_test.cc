// Random histories at earlier moments: rows against a fold of the events up to there, balances
// against sums of postings, every figure of every report against the events that explain it.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "projections/explain.h"
#include "projections/past.h"
#include "projections/posting.h"
#include "projections/reports.h"
#include "projections/row_keys.h"
#include "projections/totals_fold.h"
#include "tests/projections/bookkeeping.h"
#include "tests/sanitized.h"
#include "tests/simulation/simulated.h"

namespace denier::projections {
namespace {

using events::v1::Event;
using google::protobuf::Message;
using store::Position;

constexpr std::uint64_t kSeeds[] = {3, 8};
constexpr int kCommands = 900;
// How many of the figures that the release build explains: one of so many.
constexpr int kOneOf = kSanitized ? 3 : 1;

const auto kNever = [] { return false; };

// What the generator leaves out, since no rule looks at it: schedules of payments, what a plan
// states as outstanding, budgets that change.
void Elaborate(std::vector<Event>& events) {
  std::int64_t cents = 1'234'567;
  const auto budget = [&](auto& fact, int year) {
    for (auto& product : *fact.mutable_products()) product.set_budget_cents(cents += 98'765);
    auto& common = *fact.add_products();
    common.set_product_id("common");
    common.set_fiscal_year(year);
    common.set_budget_cents(cents += 4'321);
    common.set_common_costs(true);
  };
  for (Event& event : events) {
    const int year = event.fiscal_year();
    if (event.has_agreement_created()) budget(*event.mutable_agreement_created(), year);
    if (event.has_agreement_amended()) budget(*event.mutable_agreement_amended(), year);
    if (event.has_plan_imported()) {
      for (auto& line : *event.mutable_plan_imported()->mutable_lines()) {
        line.set_outstanding_cents(cents += 7'654);
      }
    }
    if (!event.has_engaged()) continue;
    for (auto& line : *event.mutable_engaged()->mutable_lines()) {
      for (const auto& [due, part] : {std::pair(year, 3), {year + 1, 2}, {year + 3, 7}}) {
        auto& payment = *line.add_schedule();
        payment.set_fiscal_year(due);
        payment.set_amount_cents(line.amount_cents() / part);
      }
    }
  }
}

class TwoTimesSimulation : public testing::TestWithParam<std::uint64_t> {
 protected:
  void SetUp() override {
    events_ = simulation::SimulatedEvents(GetParam(), kCommands);
    ASSERT_GT(events_.size(), 200U);
    Elaborate(events_);
    books_.Append(events_.begin(), events_.end());
    agreement_id_ = events_.front().agreement_id();
  }

  QueryRows At(const Moment& moment, Depth depth) {
    absl::StatusOr<QueryRows> rows = past_.At(agreement_id_, moment, depth, nullptr, kNever);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return *rows;
  }
  AgreementRows TotalsAt(const Moment& moment) {
    absl::StatusOr<AgreementRows> rows = ReadAgreement(At(moment, Depth::kTotals), agreement_id_);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return *std::move(rows);
  }
  // A day on which about half of the events have taken effect.
  int MiddleDay() const { return events_[events_.size() / 2].effective_date(); }

  std::vector<Event> events_;
  std::string agreement_id_;
  Bookkeeping books_;
  Past past_{books_.log()};
};

std::map<std::string, std::string> RowsIn(const QueryRows& rows) {
  std::map<std::string, std::string> all;
  const auto scanned = rows.Scan("", "", 1'000'000);
  EXPECT_TRUE(scanned.ok()) << scanned.status();
  for (const QueryRows::Row& row : *scanned) all[row.key] = row.value;
  return all;
}

TEST_P(TwoTimesSimulation, RowsOfAnEarlierMomentAreThoseThatWereThere) {
  Books books;
  std::map<std::string, std::string> then;
  for (Position next = 0; next <= events_.size(); ++next) {
    if (next % 61 == 0 || next == events_.size()) {
      books.TakeChanges([&](const std::string& key, const std::string& row) {
        if (!IsReversalKey(key)) then[key] = row;
      });
      ASSERT_EQ(RowsIn(At({.next = next}, Depth::kRegisters)), then) << "at " << next;
      std::map<std::string, std::string> totals = then;
      std::erase_if(totals, [](const auto& row) {
        return IsCommitmentKey(row.first) || IsPaymentKey(row.first);
      });
      ASSERT_EQ(RowsIn(At({.next = next}, Depth::kTotals)), totals) << "at " << next;
    }
    if (next == events_.size()) break;
    ASSERT_TRUE(books.Fold(events_[next], next).ok());
  }
}

// Several threads, each with a stretch of the log of its own, give what one reads in one go.
TEST_P(TwoTimesSimulation, StretchesAndThreadsLeaveNoTraceInTheTotals) {
  std::mt19937_64 random(GetParam());
  for (int i = 0; i < 24; ++i) {
    const Moment moment{.next = i == 0 ? events_.size() : random() % (events_.size() + 1),
                        .effective_until = i % 3 == 1 ? MiddleDay() : 0};
    const auto wanted = RowsIn(At(moment, Depth::kTotals));
    for (const FoldPace& pace : {FoldPace{.stretch = 1, .threads = 4},
                                 {1 + random() % 9, 2},
                                 {1 + random() % 99, 4},
                                 {1 + random() % 99, 1},
                                 {77, 0}}) {
      // From nothing, or on from an earlier moment.
      QueryRows::Computed rows;
      Position from = 0;
      if (moment.effective_until == 0 && i % 2 == 0) {
        from = random() % (moment.next + 1);
        ASSERT_TRUE(FoldTotals(books_.log(), 0, agreement_id_, {.next = from}, rows, kNever).ok());
      }
      const absl::Status folded =
          FoldTotals(books_.log(), from, agreement_id_, moment, rows, kNever, pace);
      ASSERT_TRUE(folded.ok()) << folded;
      ASSERT_EQ((std::map<std::string, std::string>(rows.begin(), rows.end())), wanted)
          << "[" << from << ", " << moment.next << ") until " << moment.effective_until
          << " in stretches of " << pace.stretch << " by " << pace.threads;
    }
  }
}

TEST_P(TwoTimesSimulation, BalancesUntilADayAreTheSumsOfTheEntriesThatCount) {
  using Account = std::tuple<std::string, int, std::string, bool, std::string>;
  for (const Moment moment :
       {Moment{events_.size(), MiddleDay()}, Moment{events_.size() * 3 / 4, MiddleDay()},
        Moment{events_.size(), 20211231}, Moment{events_.size(), 20200101}}) {
    std::map<Account, std::int64_t> wanted;
    for (Position position = 0; position < moment.next; ++position) {
      const Event& event = events_[position];
      if (event.effective_date() > moment.effective_until) continue;
      for (const Posting& posting : Postings(event)) {
        wanted[{std::string(posting.envelope_id), posting.fiscal_year,
                std::string(Name(posting.ledger)), posting.basis == Basis::kPlanned,
                std::string(Name(posting.account))}] += posting.cents;
      }
    }
    std::erase_if(wanted, [](const auto& account) { return account.second == 0; });
    const auto report = TrialBalance(TotalsAt(moment));
    ASSERT_TRUE(report.ok()) << report.status();
    std::map<Account, std::int64_t> found;
    for (const v1::TrialBalanceRow& row : report->rows()) {
      found[{row.envelope_id(), row.fiscal_year(), row.ledger(), row.planned(), row.account()}] =
          row.balance();
    }
    EXPECT_EQ(found, wanted) << moment.next << " until " << moment.effective_until;
  }
}

TEST_P(TwoTimesSimulation, RegistersUntilADayHoldNothingThatWasCountedOut) {
  const auto rows = RowsIn(At({events_.size(), MiddleDay()}, Depth::kRegisters));
  std::size_t commitments = 0;
  for (const auto& [key, bytes] : rows) {
    if (!IsCommitmentKey(key)) continue;
    v1::Commitment commitment;
    ASSERT_TRUE(commitment.ParseFromString(bytes));
    EXPECT_EQ(key, CommitmentKey(agreement_id_, commitment.commitment_id()));
    ++commitments;
  }
  EXPECT_GT(commitments, 0U);
  EXPECT_LT(commitments, RowsIn(At({events_.size(), 0}, Depth::kRegisters)).size());
}

TEST_P(TwoTimesSimulation, EveryFigureOfEveryReportIsTheSumOfWhatItsEventsAdd) {
  for (const Moment moment : {Moment{events_.size(), 0}, Moment{events_.size() / 2, MiddleDay()}}) {
    const AgreementRows rows = TotalsAt(moment);
    int figures = 0;
    const auto explain = [&](const Figure& shown) {
      const auto& [name, cents] = shown;
      ++figures;
      // Most are nothing, and take their time.
      if (figures % ((cents == 0 ? 7 : 1) * kOneOf) != 0) return;
      const absl::StatusOr<Figure> figure = FigureOf(rows, name);
      ASSERT_TRUE(figure.ok()) << figure.status() << name.ShortDebugString();
      ASSERT_EQ(figure->cents, cents) << name.ShortDebugString();
      absl::int128 sum = 0;
      const auto take = [&](const Share& share) {
        EXPECT_NE(share.cents, 0);
        sum += share.cents;
        return true;
      };
      const absl::Status explained = Explain(books_.log(), rows, moment, *figure, 0, take, kNever);
      ASSERT_TRUE(explained.ok()) << explained << "\n" << name.ShortDebugString();
      ASSERT_EQ(sum, cents) << name.ShortDebugString();
    };
    ForEachFigure(*YearlyExecution(rows), v1::REPORT_YEARLY_EXECUTION, explain);
    ForEachFigure(*Outstanding(rows), v1::REPORT_OUTSTANDING, explain);
    ForEachFigure(*ProductBudgets(rows), v1::REPORT_PRODUCT_BUDGETS, explain);
    ForEachFigure(*PaymentFollowUp(rows), v1::REPORT_PAYMENT_FOLLOW_UP, explain);
    ForEachFigure(*TrialBalance(rows), v1::REPORT_TRIAL_BALANCE, explain);
    for (const EnvelopeRows& envelope : rows.envelopes) {
      v1::GetManagedEnvelopeResponse report;
      const auto years = EnvelopeExecution(rows.agreement, envelope);
      ASSERT_TRUE(years.ok()) << years.status();
      report.mutable_years()->Add(years->begin(), years->end());
      ForEachFigure(report, v1::REPORT_MANAGED_ENVELOPE, explain);
    }
    EXPECT_GT(figures, 500);
  }
}

TEST_P(TwoTimesSimulation, EveryFigureOfACommitmentAndOfAPaymentIsTheSumOfWhatItsEventsAdd) {
  const Moment moment{events_.size(), 0};
  int figures = 0, at = 0;
  for (const auto& [key, bytes] : RowsIn(At(moment, Depth::kRegisters))) {
    if (!IsCommitmentKey(key) && !IsPaymentKey(key)) continue;
    if (++at % 5 != 0) continue;
    v1::Commitment commitment;
    v1::PaymentRequest payment;
    const bool of_commitment = IsCommitmentKey(key);
    ASSERT_TRUE(of_commitment ? commitment.ParseFromString(bytes) : payment.ParseFromString(bytes));
    const auto explain = [&](const Message& row, const v1::FigureName& name) {
      const absl::StatusOr<Figure> figure = FindFigure(row, name);
      ASSERT_TRUE(figure.ok()) << figure.status() << name.ShortDebugString();
      const absl::Status explained = ExplainRegister(
          books_.log(), agreement_id_, moment, *figure, 0, [](const Share&) { return true; },
          kNever);
      EXPECT_TRUE(explained.ok()) << explained << "\n" << name.ShortDebugString();
      ++figures;
    };
    v1::FigureName name;
    for (const char* column : {"engaged_cents", "withdrawn_cents", "paid_cents", "certified_cents",
                               "requested_cents", "outstanding_cents", "corrected_cents"}) {
      if (!of_commitment) break;
      name.set_report(v1::REPORT_COMMITMENT);
      name.set_commitment_id(commitment.commitment_id());
      name.set_figure(column);
      for (const auto& line : commitment.lines()) {
        name.set_line_id(line.line_id());
        explain(commitment, name);
      }
    }
    for (const char* column : {"gross_cents", "net_cents", "reinstated_cents"}) {
      if (of_commitment) break;
      name.set_report(v1::REPORT_PAYMENT);
      name.set_payment_request_id(payment.payment_request_id());
      name.set_figure(column);
      explain(payment, name);
    }
  }
  EXPECT_GT(figures, 20);
}

// Whole years and a part of one, all entries and those until a day, everything and what one body
// sees. Of the first every figure, of the others a third, of those that are nothing one of 31: an
// explanation reads the log twice.
TEST_P(TwoTimesSimulation, EveryFigureOfTheCompteRenduIsTheSumOfWhatItsEventsAdd) {
  const auto of_one_body = [](std::string_view envelope_id) { return envelope_id != "own"; };
  std::map<std::string, int> explained;  // figures that are not 0, by section
  for (const ExecutionReportScope& scope :
       {ExecutionReportScope{agreement_id_, 20210401, MiddleDay()},
        ExecutionReportScope{agreement_id_, 20210101, 20221231, MiddleDay()},
        ExecutionReportScope{agreement_id_, 20220101, 20231231, 0, of_one_body}}) {
    const Moment moment{.next = events_.size() - events_.size() % 100,
                        .effective_until = scope.effective_until};
    ExecutionReportMaker maker(scope);
    for (Position position = 0; position < moment.next; ++position) {
      ASSERT_TRUE(maker.Add(position, events_[position]).ok());
    }
    const auto report = maker.Finish();
    ASSERT_TRUE(report.ok()) << report.status();
    const bool first = scope.effective_until == 0 && scope.sees == nullptr;
    int figures = 0;
    ForEachFigure(*report, v1::REPORT_EXECUTION_REPORT, [&](const Figure& shown) {
      // Some of each section in any case.
      const int less = explained[shown.name.section()] > 4 ? kOneOf : 1;
      if (++figures % ((shown.cents == 0 ? 31 : first ? 1 : 3) * less) != 0) return;
      Figure figure{.name = shown.name};
      const absl::Status status = ExplainExecutionReport(
          books_.log(), scope, moment, 0, figure, [](const Share&) { return true; }, kNever);
      ASSERT_TRUE(status.ok()) << status << "\n" << shown.name.ShortDebugString();
      ASSERT_EQ(figure.cents, shown.cents) << shown.name.ShortDebugString();
      if (shown.cents != 0) ++explained[shown.name.section()];
    });
  }
  for (const char* section :
       {"envelopes", "bodies", "total", "months", "origins", "commitments", "payments", "products",
        "accruals", "instalments", "plans", "carryovers", "reconciliations", "entries", "checks"}) {
    EXPECT_GT(explained[section], 4) << section;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TwoTimesSimulation, testing::ValuesIn(kSeeds));

}  // namespace
}  // namespace denier::projections
