// The budget year: dated rules, carry-overs, closing and reopening, late entries, opening history.
#include "services/rules/dated_rules.h"
#include "tests/services/rules/budget.h"

namespace denier::budget {
namespace {

using events::v1::CREDIT_KIND_AE;
using events::v1::CREDIT_KIND_CP;

// --------------------------------------------------------------------- The dated table

TEST(DatedRulesTest, ARowAppliesFromItsFirstYear) {
  for (int year : {2000, 2020, 2021}) {
    EXPECT_EQ(rules::RulesOf(year).carryover_until, 331) << year;
    EXPECT_EQ(rules::RulesOf(year).carryover_cap_per_mille, 30) << year;
  }
  for (int year : {2022, 2023, 2199}) {
    EXPECT_EQ(rules::RulesOf(year).carryover_until, 315) << year;
    EXPECT_EQ(rules::RulesOf(year).carryover_cap_per_mille, 0) << year;
  }
}

// ------------------------------------------------------------------- Report de crédits

// 2021 with CP of 1,000.00 and AE of 800.00 in "coaching", and a programme of 10,000.00.
std::vector<Act> Year2021() {
  return {RecordProgrammeCredits(10'000'00).On(20210601),
          Allocate("coaching", 800'00, 1'000'00).On(20210601)};
}

TEST(CarryoverTest, IsPayableOnlyOnceMadeAvailable) {
  Given budget(Year2021());
  budget.And(ImportOpening(2020, 200'00).On(20210601)).And(Certify(200'00, "ej-old").On(20210701));
  const Act pay = RequestPayment(200'00, "dp-1", "ej-old", "coaching").On(20220401);
  EXPECT_THAT(budget.When(pay), RefusedWith(kCpExceeded, Available(0)));
  budget.And(RequestCarryover(CREDIT_KIND_CP, 200'00, 2021));
  EXPECT_THAT(budget.When(pay), RefusedWith(kCpExceeded, Available(0)));
  budget.And(GrantCarryover(200'00));
  EXPECT_THAT(budget.When(pay), RefusedWith(kCpExceeded, Available(0)));
  budget.And(MakeCarryoverAvailable(199'99));
  EXPECT_THAT(budget.When(pay), RefusedWith(kCpExceeded, Available(199'99)));
  EXPECT_THAT(budget.When(MakeCarryoverAvailable(2)),
              RefusedWith(kCarryoverExceeded, Available(1)));
  budget.And(MakeCarryoverAvailable(1));
  EXPECT_THAT(budget.When(pay), Accepted());
  EXPECT_EQ(budget.agreement().carryovers(0).state(), v1::CARRYOVER_STATE_AVAILABLE);
}

TEST(CarryoverTest, AsksNoMoreThanIsLeft) {
  Given budget(Year2021());
  EXPECT_THAT(budget.When(RequestCarryover(CREDIT_KIND_CP, 1'000'01, 2021)),
              RefusedWith(kCpExceeded, Available(1'000'00)));
  EXPECT_THAT(budget.When(RequestCarryover(CREDIT_KIND_AE, 800'01, 2021)),
              RefusedWith(kAeExceeded, Available(800'00)));
  EXPECT_THAT(budget.When(RequestCarryover(CREDIT_KIND_CP, 1'000'00, 2021)), Accepted());
  EXPECT_THAT(budget.When(RequestCarryover(CREDIT_KIND_CP, 1, 2021)),
              RefusedWith(kIdentifierTaken));
}

TEST(CarryoverTest, LeavesOutUnavailableAe) {
  Given budget({ImportOpening(2020, 100'00).On(20210601), Withdraw(60'00, "ej-old").On(20210601)});
  EXPECT_THAT(budget.When(RequestCarryover(CREDIT_KIND_AE, 1, 2021, "commitments")),
              RefusedWith(kAeExceeded, Available(0)));
}

TEST(CarryoverTest, IsAskedForInItsYearOrTheNext) {
  struct Row {
    int day;
    testing::Matcher<const Decision&> verdict;
  };
  const Row rows[] = {{20211215, Accepted()},
                      {20220115, Accepted()},
                      {20230101, RefusedWith(kWrongYear)},
                      {20201231, RefusedWith(kWrongYear)}};
  for (const Row& row : rows) {
    EXPECT_THAT(
        Given(Year2021()).When(RequestCarryover(CREDIT_KIND_CP, 1, 2021).On(row.day).In(2021)),
        row.verdict)
        << row.day;
  }
}

TEST(CarryoverTest, OfCpIsCappedAtThreePerCentOfTheProgrammesInitialCredits) {
  struct Row {
    const char* what;
    std::int64_t granted_cents;
    testing::Matcher<const Decision&> verdict;
  };
  const Row rows[] = {
      {"at the cap     ", 300'00, Accepted()},
      {"one cent over  ", 300'01, RefusedWith(kCarryoverCapExceeded, Available(300'00))},
  };
  for (const Row& row : rows) {
    Given budget(Year2021());
    budget.And(RequestCarryover(CREDIT_KIND_CP, 500'00, 2021));
    EXPECT_THAT(budget.When(GrantCarryover(row.granted_cents)), row.verdict) << row.what;
  }
}

TEST(CarryoverTest, TheCapIsShared) {
  Given budget(Year2021());
  budget.And(RequestCarryover(CREDIT_KIND_CP, 500'00, 2021)).And(GrantCarryover(200'00));
  budget.And(RequestCarryover(CREDIT_KIND_CP, 300'00, 2021, "coaching", "report-2"));
  EXPECT_THAT(budget.When(GrantCarryover(100'01, "report-2")),
              RefusedWith(kCarryoverCapExceeded, Available(100'00)));
  EXPECT_THAT(budget.When(GrantCarryover(100'00, "report-2")), Accepted());
}

TEST(CarryoverTest, TheCapRoundsDownToTheCent) {
  Given budget({RecordProgrammeCredits(100'33).On(20210601), Allocate(100'00).On(20210601),
                RequestCarryover(CREDIT_KIND_CP, 100'00, 2021)});
  EXPECT_THAT(budget.When(GrantCarryover(3'01)),
              RefusedWith(kCarryoverCapExceeded, Available(3'00)));
}

TEST(CarryoverTest, NeedsTheProgrammesCreditsToJudgeTheCap) {
  Given budget({Allocate(100'00).On(20210601), RequestCarryover(CREDIT_KIND_CP, 1, 2021)});
  EXPECT_THAT(budget.When(GrantCarryover(1)), RefusedWith(kProgrammeCreditsMissing));
}

Act Derogating(Act grant) {
  return grant.With([](v1::Command& command) {
    command.mutable_grant_carryover()->set_derogation_reference("finance-act-1");
  });
}
Act OfAssignedReceipts(Act request) {
  return request.With([](v1::Command& command) {
    command.mutable_request_carryover()->set_assigned_receipts(true);
  });
}

TEST(CarryoverTest, AFinanceActDerogatesFromCapAndDay) {
  Given budget(Year2021());
  budget.And(RequestCarryover(CREDIT_KIND_CP, 1'000'00, 2021));
  EXPECT_THAT(budget.When(Derogating(GrantCarryover(1'000'00).On(20220630))), Accepted());
  EXPECT_EQ(budget.agreement().years(0).capped_carryover_cents(), 0);  // outside the cap
}

TEST(CarryoverTest, AssignedReceiptsFollowTheirOwnRule) {
  Given budget({Allocate(1'000'00).On(20210601)});
  budget.And(OfAssignedReceipts(RequestCarryover(CREDIT_KIND_CP, 1'000'00, 2021)));
  EXPECT_THAT(budget.When(GrantCarryover(1'000'00).On(20220630)), Accepted());
}

TEST(CarryoverTest, AeHaveNoCap) {
  Given budget({Allocate(1'000'00).On(20210601), RequestCarryover(CREDIT_KIND_AE, 1'000'00, 2021)});
  EXPECT_THAT(budget.When(GrantCarryover(1'000'00)), Accepted());
}

TEST(CarryoverTest, TheOrderComesBy31MarchAndSinceTheReformBy15March) {
  struct Row {
    int from_year, day;
    testing::Matcher<const Decision&> verdict;
  };
  const Row rows[] = {
      {2021, 20220331, Accepted()},
      {2021, 20220401, RefusedWith(kCarryoverTooLate, Fact("until", "20220331"))},
      {2022, 20230315, Accepted()},
      {2022, 20230316, RefusedWith(kCarryoverTooLate, Fact("until", "20230315"))},
  };
  for (const Row& row : rows) {
    for (auto kind : {CREDIT_KIND_AE, CREDIT_KIND_CP}) {
      const int june = row.from_year * 10000 + 601;
      Given budget({RecordProgrammeCredits(10'000'00).On(june), Allocate(100'00).On(june),
                    RequestCarryover(kind, 100'00, row.from_year)});
      EXPECT_THAT(budget.When(GrantCarryover(1).On(row.day)), row.verdict) << row.day;
    }
  }
}

TEST(CarryoverTest, AGrantMayBePartialAndTheRestLapses) {
  Given budget(Year2021());
  budget.And(RequestCarryover(CREDIT_KIND_CP, 250'00, 2021));
  EXPECT_THAT(budget.When(GrantCarryover(250'01)),
              RefusedWith(kCarryoverExceeded, Available(250'00)));
  EXPECT_THAT(budget.When(GrantCarryover(100'00)), Accepted());
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kLapsed, "coaching", 2021), 150'00);
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kCarryoverGranted, "coaching", 2021), 100'00);
  EXPECT_THAT(budget.When(MakeCarryoverAvailable(100'01)),
              RefusedWith(kCarryoverExceeded, Available(100'00)));
  budget.And(MakeCarryoverAvailable(100'00)).And(CloseYear(2021));
  // opened - consumed = carried over + lapsed
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kCarriedOut, "coaching", 2021), 100'00);
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kLapsed, "coaching", 2021), 900'00);
  EXPECT_EQ(budget.CpAvailable("coaching", 2022), 100'00);
}

TEST(CarryoverTest, RefusedTheCreditsLapse) {
  Given budget(Year2021());
  budget.And(RequestCarryover(CREDIT_KIND_CP, 250'00, 2021)).And(RefuseCarryover());
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kLapsed, "coaching", 2021), 250'00);
  EXPECT_THAT(budget.When(GrantCarryover(1)), RefusedWith(kCarryoverState));
  EXPECT_THAT(budget.When(RefuseCarryover()), RefusedWith(kCarryoverState));
  EXPECT_THAT(budget.When(MakeCarryoverAvailable(1)), RefusedWith(kCarryoverState));
}

TEST(CarryoverTest, IsDecidedOnceInTheFollowingYear) {
  Given budget(Year2021());
  EXPECT_THAT(budget.When(GrantCarryover(1)), RefusedWith(kUnknownCarryover));
  budget.And(RequestCarryover(CREDIT_KIND_CP, 250'00, 2021));
  EXPECT_THAT(budget.When(MakeCarryoverAvailable(1)), RefusedWith(kCarryoverState));
  EXPECT_THAT(budget.When(GrantCarryover(1).On(20211231)), RefusedWith(kWrongYear));
  EXPECT_THAT(budget.When(RefuseCarryover().On(20230101)), RefusedWith(kWrongYear));
  budget.And(GrantCarryover(1));
  EXPECT_THAT(budget.When(GrantCarryover(1)), RefusedWith(kCarryoverState));
  EXPECT_THAT(budget.When(MakeCarryoverAvailable(1).On(20230101)), RefusedWith(kWrongYear));
}

TEST(CarryoverTest, IsOutsideTheCeiling) {
  Given budget(Year2021());
  budget.And(RequestCarryover(CREDIT_KIND_CP, 250'00, 2021)).And(GrantCarryover(250'00));
  budget.And(MakeCarryoverAvailable(250'00));
  EXPECT_THAT(budget.When(Allocate("djepva", 3'099'419'20, 3'099'419'20)), Accepted());
}

TEST(CarryoverTest, CitesBothActs) {
  const auto without = [](Act act) {
    return act.With([](v1::Command& command) {
      if (command.has_grant_carryover()) command.mutable_grant_carryover()->clear_order_reference();
      if (command.has_make_carryover_available()) {
        command.mutable_make_carryover_available()->clear_act_reference();
      }
    });
  };
  EXPECT_THAT(Given().When(without(GrantCarryover(1))),
              RefusedWith(kInvalidField, Field("order_reference")));
  EXPECT_THAT(Given().When(without(MakeCarryoverAvailable(1))),
              RefusedWith(kInvalidField, Field("act_reference")));
}

// ------------------------------------------------------------- Engagement par anticipation

// AE of 400.00 in 2022, so early commitments for 2023 up to 100.00; the mandate goes on.
Given Quarter() { return Given({Renew(20230101, 20241231), Allocate(400'00)}); }

TEST(EarlyCommitmentTest, BeginsOn1NovemberAndReachesAQuarterToTheCent) {
  struct Row {
    const char* what;
    Act engage;
    testing::Matcher<const Decision&> verdict;
  };
  const Row rows[] = {
      {"31 October    ", Engage(1).On(20221031).In(2023), RefusedWith(kEarlyCommitment)},
      {"1 November    ", Engage(1).On(20221101).In(2023), Accepted()},
      {"31 December   ", Engage(1).On(20221231).In(2023), Accepted()},
      {"a quarter     ", Engage(100'00).On(20221101).In(2023), Accepted()},
      {"one cent over ", Engage(100'01).On(20221101).In(2023),
       RefusedWith(kEarlyCommitment, Available(100'00))},
      {"year after    ", Engage(1).On(20221101).In(2024), RefusedWith(kWrongYear)},
  };
  for (const Row& row : rows) EXPECT_THAT(Quarter().When(row.engage), row.verdict) << row.what;
}

TEST(EarlyCommitmentTest, TheQuarterIsSharedAndRoundsDown) {
  Given budget({Renew(20230101, 20241231), Allocate(400'03)});
  budget.And(Engage(60'00).On(20221101).In(2023));
  EXPECT_THAT(budget.When(Engage(40'01, "ej-2").On(20221101).In(2023)),
              RefusedWith(kEarlyCommitment, Available(40'00)));
  EXPECT_THAT(budget.When(Engage(40'00, "ej-2").On(20221101).In(2023)), Accepted());
}

TEST(EarlyCommitmentTest, ConsumesNoAeOfTheYearAndTheNextYearsCreditsCoverItFirst) {
  Given budget = Quarter();
  budget.And(Engage(100'00).On(20221101).In(2023));
  EXPECT_EQ(budget.AeAvailable("coaching", 2022), 400'00);
  EXPECT_EQ(budget.Line().origin_year(), 2023);
  budget.And(Allocate(60'00).On(20230105));
  EXPECT_EQ(budget.AeAvailable("coaching", 2023), 0);
  budget.And(Allocate(60'00).On(20230105));
  EXPECT_EQ(budget.AeAvailable("coaching", 2023), 20'00);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kEarly, "coaching", 2023), 0);
}

TEST(EarlyCommitmentTest, TheYearDoesNotCloseWhileOneWaitsForItsCredits) {
  Given budget = Quarter();
  budget.And(Engage(100'00).On(20221101).In(2023)).And(CloseYear(2022));
  EXPECT_THAT(budget.When(CloseYear(2023)), RefusedWith(kClosingOrder));
  budget.And(Allocate(100'00).On(20230105));
  EXPECT_THAT(budget.When(CloseYear(2023)), Accepted());
}

TEST(EarlyCommitmentTest, WithdrawnOrReversedBeforeTheCreditsComeFreesNone) {
  Given budget = Quarter();
  budget.And(Engage(60'00).On(20221101).In(2023));
  budget.And(Engage(40'00, "ej-2").On(20221101).In(2023));
  const std::int64_t second = budget.last();
  budget.And(Withdraw(10'00).On(20230102));
  EXPECT_EQ(budget.AeAvailable("coaching", 2023), 0);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kEarly, "coaching", 2023), -90'00);
  budget.And(budget.Undo(second).On(20230102));
  EXPECT_EQ(budget.AeAvailable("coaching", 2023), 0);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kEarly, "coaching", 2023), -50'00);
}

TEST(EarlyCommitmentTest, OnceTheYearsCreditsAreOpenOneCommitsInTheYearItself) {
  Given budget = Quarter();
  budget.And(Allocate(10'00).On(20230101));
  EXPECT_THAT(budget.When(Engage(1).On(20221201).In(2023)), RefusedWith(kEarlyCommitment));
}

TEST(EarlyCommitmentTest, NeedsTheMandateOnItsDay) {
  const Act commit = Engage(1).On(20231201).In(2024);
  Given budget({Allocate(400'00).On(20230601)});
  EXPECT_THAT(budget.When(commit), RefusedWith(kMandateExpired));
  budget.And(Renew(20231201, 20231201));
  EXPECT_THAT(budget.When(commit), Accepted());
}

TEST(EarlyCommitmentTest, WhatWaitsForCreditsIsNotGivenAwayByAReimputation) {
  Given budget = Quarter();
  budget.And(Engage(100'00).On(20221101).In(2023));
  EXPECT_THAT(budget.When(ReimputeLine("commitments").On(20230102)), RefusedWith(kNotReimputable));
  budget.And(Allocate(100'00).On(20230105)).And(Allocate("commitments", 100'00, 0).On(20230105));
  EXPECT_THAT(budget.When(ReimputeLine("commitments").On(20230106)), Accepted());
}

TEST(EarlyCommitmentTest, AYearThatHasNotBegunTakesNoLateEntry) {
  Given budget = Quarter();
  budget.And(CloseYear(2022)).And(CloseYear(2023));
  EXPECT_THAT(budget.When(Engage(1).On(20221101).In(2023).Late()),
              RefusedWith(kInvalidField, Field("header.late_entry")));
}

// ------------------------------------------------------------------- Visa du contrôleur

TEST(VisaTest, FromTheThresholdInForceOnTheDay) {
  const Act thresholds = Amend().With([](v1::Command& command) {
    for (const auto& [day, cents] : {std::pair{20220101, 100'00}, {20220701, 50'00}}) {
      auto& threshold = *command.mutable_amend_agreement()->add_visa_thresholds();
      threshold.set_applies_from(day);
      threshold.set_amount_cents(cents);
      threshold.set_act_reference("order-1");
    }
  });
  const auto with_visa = [](Act act) {
    return act.With(
        [](v1::Command& command) { command.mutable_engage()->set_visa_reference("visa-1"); });
  };
  struct Row {
    const char* what;
    Act engage;
    testing::Matcher<const Decision&> verdict;
  };
  const Row rows[] = {
      {"below           ", Engage(99'99).On(20220630), Accepted()},
      {"at the threshold", Engage(100'00).On(20220630), RefusedWith(kVisaMissing)},
      {"with the visa   ", with_visa(Engage(100'00).On(20220630)), Accepted()},
      {"new day, below  ", Engage(49'99).On(20220701), Accepted()},
      {"new day, at it  ", Engage(50'00).On(20220701),
       RefusedWith(kVisaMissing, Fact("threshold_cents", "5000"))},
      {"new day, visa   ", with_visa(Engage(50'00).On(20220701)), Accepted()},
  };
  for (const Row& row : rows) {
    EXPECT_THAT(Given({thresholds, Allocate(1'000'00)}).When(row.engage), row.verdict) << row.what;
  }
  EXPECT_THAT(
      Given({thresholds, Allocate(1'000'00).On(20210601)}).When(Engage(900'00).On(20211231)),
      Accepted());
}

// ------------------------------------------------------------------- Clôture et bascule

TEST(CloseYearTest, UnspentCreditsLapse) {
  Given budget({Allocate(100), Freeze("coaching", 10, 20), Engage(50), Certify(50),
                RequestPayment(30), CloseYear(2022)});
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kLapsed), 50);
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kLapsed), 100);
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2022), 50);
}

TEST(CloseYearTest, AnOpenCommitmentEntersTheNextYearWithItsAeConsumed) {
  Given budget({Allocate(100), Engage(100), Certify(100), CloseYear(2022)});
  EXPECT_THAT(budget.When(RequestPayment(100).On(20230201)),
              RefusedWith(kCpExceeded, Available(0)));
  budget.And(Allocate("coaching", 0, 100).On(20230115));
  EXPECT_THAT(budget.When(RequestPayment(100).On(20230201)), Accepted());
  EXPECT_THAT(budget.When(Pay().On(20230201)), Accepted());
}

TEST(CloseYearTest, WhenTheYearHasEndedAndTheEarlierOnesAreClosed) {
  Given budget({Allocate(1).On(20210601), Allocate(1)});
  EXPECT_THAT(budget.When(CloseYear(2021).On(20211230)), RefusedWith(kClosingOrder));
  EXPECT_THAT(budget.When(CloseYear(2022)), RefusedWith(kClosingOrder, Fact("open_year", "2021")));
  EXPECT_THAT(budget.When(CloseYear(2021)), Accepted());
  EXPECT_THAT(budget.When(CloseYear(2021)), RefusedWith(kYearClosed));
  EXPECT_THAT(budget.When(CloseYear(2022).On(20230115).In(2022)), Accepted());
  EXPECT_THAT(budget.When(CloseYear(2023).On(20221231).In(2023)), RefusedWith(kWrongYear));
}

TEST(CloseYearTest, AClosedYearTakesNoEntry) {
  Given budget(
      {Allocate(100), Engage(50), Certify(50), RequestPayment(10), Suspend(), CloseYear(2022)});
  const std::int64_t engaged = 5;
  ASSERT_TRUE(budget.log()[engaged].has_engaged());
  const Act acts[] = {Allocate(1),
                      Deallocate("coaching", 1, 1),
                      Freeze("coaching", 1, 1),
                      Release("coaching", 1, 1),
                      Cancel("coaching", 1, 1),
                      Transfer("coaching", "djepva", 1, 1),
                      ImportOpening(2021, 1),
                      CorrectOpening(1),
                      RecordRecyclingBasis(1),
                      ImportPlan(1, 1),
                      RequestCarryover(CREDIT_KIND_CP, 1, 2022),
                      GrantCarryover(1),
                      RefuseCarryover(),
                      MakeCarryoverAvailable(1),
                      CloseYear(2022),
                      Engage(1, "ej-2"),
                      Withdraw(1),
                      Certify(1),
                      RequestPayment(1, "dp-2"),
                      Pay(),
                      PayWithoutCommitment(),
                      Suspend(),
                      Resume(),
                      Reject(),
                      Requisition(),
                      Reinstate(1),
                      ReimputeLine("commitments"),
                      budget.Undo(engaged),
                      Amend(),
                      RecordPublication(),
                      CreateEnvelope("new"),
                      UpdateEnvelope("coaching", {}, {})};
  for (const Act& act : acts) {
    EXPECT_THAT(budget.When(act), RefusedWith(kYearClosed)) << act.command.ShortDebugString();
  }
}

TEST(ReopenYearTest, GivesBackWhatTheClosingHadMadeLapse) {
  Given budget({Allocate(100), Freeze("coaching", 10, 20), Engage(50), Certify(50),
                RequestPayment(30), CloseYear(2022)});
  EXPECT_THAT(budget.When(ReopenYear(2022)), Accepted());
  EXPECT_EQ(budget.AeAvailable(), 50);
  EXPECT_EQ(budget.CpAvailable(), 100);  // holds ended with the closing
  EXPECT_THAT(budget.When(Pay()), Accepted());
  EXPECT_EQ(budget.CpAvailable(), 70);
  EXPECT_THAT(budget.When(CloseYear(2022)), Accepted());
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kLapsed), 70);
}

TEST(ReopenYearTest, ClosedAndReopenedTheBooksAreAsBefore) {
  Given budget({Allocate(100), Engage(50), Certify(50), RequestPayment(30), Pay()});
  const auto balances = [&] { return std::pair(budget.AeAvailable(), budget.CpAvailable()); };
  const auto before = balances();
  for (int i = 0; i < 3; ++i) budget.And(CloseYear(2022)).And(ReopenYear(2022));
  EXPECT_EQ(balances(), before);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kLapsed), 0);
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kLapsed), 0);
}

TEST(ReopenYearTest, OnlyTheLastClosedYearIsOpenedAgain) {
  Given budget({Allocate(1).On(20210601), Allocate(1)});
  EXPECT_THAT(budget.When(ReopenYear(2021)), RefusedWith(kClosingOrder));
  budget.And(CloseYear(2021)).And(CloseYear(2022));
  EXPECT_THAT(budget.When(ReopenYear(2021)), RefusedWith(kClosingOrder));
  EXPECT_THAT(budget.When(ReopenYear(2022)), Accepted());
  EXPECT_THAT(budget.When(ReopenYear(2021)), Accepted());
}

TEST(ReopenYearTest, NotWhatLateEntriesHaveDrawn) {
  Given budget({Allocate(100), CloseYear(2022)});
  budget.And(Engage(30).In(2022).Late());
  budget.And(ReopenYear(2022));
  EXPECT_EQ(budget.AeAvailable(), 70);
  EXPECT_EQ(budget.CpAvailable(), 100);
}

// --------------------------------------------------------------------- Écriture tardive

TEST(LateEntryTest, DrawsOnWhatLapsed) {
  Given budget({Allocate(100), Engage(40), CloseYear(2022)});
  const Act late = Engage(60, "ej-2").On(20221231).Late();
  EXPECT_THAT(budget.When(Engage(61, "ej-2").On(20221231).Late()),
              RefusedWith(kAeExceeded, Available(60)));
  EXPECT_THAT(budget.When(late), Accepted());
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kLapsed), 0);
  EXPECT_EQ(budget.Line("ej-2").origin_year(), 2022);
}

TEST(LateEntryTest, FoundOutInALaterYearCountsInItsOwn) {
  Given budget({Allocate(100), Engage(40), CloseYear(2022)});
  EXPECT_THAT(budget.When(Certify(10).On(20240501).In(2022)), RefusedWith(kWrongYear));
  EXPECT_THAT(budget.When(Certify(10).On(20240501).In(2022).Late()), Accepted());
  EXPECT_THAT(budget.When(Withdraw(30).On(20240501).In(2022).Late()), Accepted());
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kLapsed), 90);
}

TEST(LateEntryTest, IsForAClosedYearAlone) {
  EXPECT_THAT(Given({Allocate(100)}).When(Engage(1).Late()),
              RefusedWith(kInvalidField, Field("header.late_entry")));
}

TEST(LateEntryTest, NeitherFreezesNorRequestsAPayment) {
  Given budget({Allocate(100), Engage(40), Certify(40), CloseYear(2022)});
  EXPECT_THAT(budget.When(Freeze("coaching", 1, 1).Late()), RefusedWith(kYearClosed));
  EXPECT_THAT(budget.When(Transfer("coaching", "djepva", 1, 1).Late()), RefusedWith(kYearClosed));
  EXPECT_THAT(budget.When(RequestPayment(1).Late()), RefusedWith(kYearClosed));
}

// -------------------------------------------------- Période complémentaire, travaux de fin de
// gestion

TEST(RegularisationTest, UntilTheDatedRulesDayOfTheNextYear) {
  struct Row {
    int day;
    testing::Matcher<const Decision&> verdict;
  };
  const Row rows[] = {{20230101, Accepted()},
                      {20230131, Accepted()},
                      {20230201, RefusedWith(kWrongYear)},
                      {20240101, RefusedWith(kWrongYear)}};
  for (const Row& row : rows) {
    Given budget({Allocate(100), ImportOpening(2021, 100), Engage(40)});
    const std::int64_t engaged = budget.last();
    EXPECT_THAT(budget.When(Withdraw(1).On(row.day).In(2022)), row.verdict) << row.day;
    EXPECT_THAT(budget.When(CorrectOpening(-1).On(row.day).In(2022)), row.verdict) << row.day;
    EXPECT_THAT(budget.When(ReimputeLine("commitments", "", "ej-old").On(row.day).In(2022)),
                RefusedWith(row.day <= 20230131 ? kNotReimputable : kWrongYear))
        << row.day;
    Given undone({Allocate(100), Engage(40)});
    EXPECT_THAT(undone.When(undone.Undo(undone.last()).On(row.day)), row.verdict) << row.day;
    EXPECT_GT(engaged, 0);
  }
}

TEST(CorrectOpeningTest, CorrectsTheRestOfAnOlderLineAndNoAe) {
  Given budget({ImportOpening(2021, 100, 40), Allocate("commitments", 10, 10)});
  EXPECT_THAT(budget.When(CorrectOpening(-61)), RefusedWith(kRestExceeded, Rest(60)));
  EXPECT_THAT(budget.When(CorrectOpening(0)), RefusedWith(kInvalidField, Field("change_cents")));
  EXPECT_THAT(budget.When(CorrectOpening(-60)), Accepted());
  EXPECT_EQ(budget.Line("ej-old").outstanding_cents(), 0);
  EXPECT_THAT(budget.When(CorrectOpening(25)), Accepted());
  EXPECT_EQ(budget.Line("ej-old").outstanding_cents(), 25);
  EXPECT_EQ(budget.AeAvailable("commitments"), 10);
  EXPECT_THAT(budget.When(Certify(25, "ej-old")), Accepted());
  EXPECT_THAT(budget.When(CorrectOpening(-1)), RefusedWith(kRestExceeded, Rest(0)));
}

TEST(CorrectOpeningTest, NotOnALineOfTheYear) {
  Given budget({Allocate(100), Engage(40)});
  EXPECT_THAT(budget.When(CorrectOpening(1, "ej-1")), RefusedWith(kNotCorrectable));
  EXPECT_THAT(budget.When(CorrectOpening(1, "ej-9")), RefusedWith(kUnknownCommitment));
}

// ------------------------------------------------------------------ Reprise d'antériorité

TEST(ImportOpeningTest, ConsumesNoAeOfOurs) {
  Given budget({ImportOpening(2020, 1'495'779'00, 1'251'669'60)});
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2020), 244'109'40);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kEngaged, "commitments", 2020), 1'495'779'00);
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kPaid, "commitments", 2020), 1'251'669'60);
  EXPECT_EQ(budget.AeAvailable("commitments", 2020), 0);
}

TEST(ImportOpeningTest, IsSoundInItself) {
  const auto line = [](auto change) {
    return ImportOpening(2020, 100, 40).With([&](v1::Command& command) {
      change(*command.mutable_import_opening()->mutable_lines(0));
    });
  };
  struct Row {
    const char* what;
    Act import;
    testing::Matcher<const Decision&> verdict;
  };
  const Row rows[] = {
      {"as it is         ", ImportOpening(2020, 100, 40), Accepted()},
      {"paid in full     ", ImportOpening(2020, 100, 100), Accepted()},
      {"paid uncertified ", line([](auto& l) { l.set_certified_cents(39); }),
       RefusedWith(kInvalidField, Field("lines.payments"))},
      {"over-certified   ", line([](auto& l) { l.set_certified_cents(101); }),
       RefusedWith(kInvalidField, Field("lines.certified_cents"))},
      {"withdrawn too far", line([](auto& l) { l.set_withdrawn_cents(61); }),
       RefusedWith(kInvalidField, Field("lines.certified_cents"))},
      {"withdrawn        ", line([](auto& l) { l.set_withdrawn_cents(60); }), Accepted()},
      {"of the year      ", line([](auto& l) { l.set_origin_year(2022); }),
       RefusedWith(kInvalidField, Field("lines.origin_year"))},
      {"paid before      ", line([](auto& l) { l.mutable_payments(0)->set_paid_date(20191231); }),
       RefusedWith(kInvalidField, Field("lines.payments.paid_date"))},
      {"paid later       ", line([](auto& l) { l.mutable_payments(0)->set_paid_date(20220602); }),
       RefusedWith(kInvalidField, Field("lines.payments.paid_date"))},
      {"unknown product  ", line([](auto& l) { l.set_product_id("unheard-of"); }),
       RefusedWith(kUnknownProduct)},
      {"unknown envelope ", ImportOpening(2020, 100, 40, "ej-old", "nowhere"),
       RefusedWith(kUnknownEnvelope)},
      {"line twice       ", ImportOpening(2020, 100).With([](v1::Command& command) {
         *command.mutable_import_opening()->add_lines() = command.import_opening().lines(0);
       }),
       RefusedWith(kIdentifierTaken)},
  };
  for (const Row& row : rows) EXPECT_THAT(Given().When(row.import), row.verdict) << row.what;
  Given twice({ImportOpening(2020, 100, 40)});
  EXPECT_THAT(twice.When(ImportOpening(2020, 100, 40)), RefusedWith(kIdentifierTaken));
}

TEST(ImportOpeningTest, NotIntoAClosedYear) {
  Given budget({CloseYear(2021)});
  EXPECT_THAT(budget.When(ImportOpening(2021, 100)), RefusedWith(kYearClosed));
}

TEST(ImportOpeningTest, IsPaidAndWithdrawnLikeAnyOther) {
  Given budget({ImportOpening(2021, 100, 40), Allocate("commitments", 0, 100)});
  budget.And(Certify(30, "ej-old")).And(RequestPayment(30, "dp-1", "ej-old", "commitments"));
  EXPECT_THAT(budget.When(Pay()), Accepted());
  EXPECT_THAT(budget.When(Withdraw(30, "ej-old")), Accepted());
  EXPECT_EQ(budget.Line("ej-old").outstanding_cents(), 0);
}

// -------------------------------------------------------------------------------- Plan

TEST(ImportPlanTest, StaysApartFromWhatIsExecuted) {
  Given budget({Allocate(100), Engage(40), ImportPlan(90, 80)});
  EXPECT_EQ(budget.AeAvailable(), 60);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kEngaged), 40);
  const auto planned = [&](Ledger ledger, Account account) {
    return budget.books()
        .BalancesOf(kAgreement, "coaching", 2022)
        .total(ledger, account, projections::Basis::kPlanned);
  };
  EXPECT_EQ(planned(Ledger::kAe, Account::kEngaged), 90);
  budget.And(ImportPlan(70, 85));  // replaces
  EXPECT_EQ(planned(Ledger::kAe, Account::kEngaged), 70);
  EXPECT_EQ(planned(Ledger::kCp, Account::kPaid), 85);
}

TEST(ImportPlanTest, NamesAnEnvelopeOncePerYear) {
  EXPECT_THAT(Given().When(ImportPlan(1, 1).With([](v1::Command& command) {
    *command.mutable_import_plan()->add_lines() = command.import_plan().lines(0);
  })),
              RefusedWith(kInvalidField, Field("lines")));
  EXPECT_THAT(Given().When(ImportPlan(1, 1, "nowhere")), RefusedWith(kUnknownEnvelope));
}

}  // namespace
}  // namespace denier::budget
