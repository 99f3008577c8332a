// What puts right: reinstatement, reimputation, reversal. Nothing is edited.
#include "tests/services/rules/budget.h"

namespace denier::budget {
namespace {

using events::v1::CREDIT_KIND_AE;
using events::v1::CREDIT_KIND_CP;

std::vector<Act> Paid(std::int64_t cents) {
  return {Allocate(1'000'00), Engage(500'00), Certify(cents), RequestPayment(cents), Pay()};
}

// -------------------------------------------------------------- Rétablissement de crédits

TEST(ReinstateTest, RebuildsAeAndCpAndLeavesTheOutstanding) {
  Given budget(Paid(300'00));
  EXPECT_THAT(budget.When(Reinstate(300'01)), RefusedWith(kNotReinstatable, Available(300'00)));
  EXPECT_THAT(budget.When(Reinstate(100'00)), Accepted());
  EXPECT_EQ(budget.AeAvailable(), 600'00);
  EXPECT_EQ(budget.CpAvailable(), 800'00);
  EXPECT_EQ(budget.Line().engaged_cents(), 400'00);
  EXPECT_EQ(budget.Line().paid_cents(), 200'00);
  EXPECT_EQ(budget.Line().outstanding_cents(), 200'00);
  EXPECT_THAT(budget.When(Reinstate(200'01)), RefusedWith(kNotReinstatable, Available(200'00)));
  EXPECT_THAT(budget.When(Reinstate(200'00)), Accepted());
  EXPECT_THAT(budget.When(Reinstate(1)), RefusedWith(kNotReinstatable, Available(0)));
}

TEST(ReinstateTest, UntilTheEndOfTheYearAfterThePayment) {
  struct Row {
    int day;
    testing::Matcher<const Decision&> verdict;
  };
  const Row rows[] = {{20220601, Accepted()},
                      {20231231, Accepted()},
                      {20240101, RefusedWith(kNotReinstatable, Fact("paid_year", "2022"))},
                      {20211231, RefusedWith(kNotReinstatable)}};
  for (const Row& row : rows) {
    EXPECT_THAT(Given(Paid(300'00)).When(Reinstate(1).On(row.day)), row.verdict) << row.day;
  }
}

TEST(ReinstateTest, AeAndCpOfItsYearOfEntryRise) {
  Given budget(Paid(300'00));
  budget.And(Reinstate(100'00).On(20230301));
  EXPECT_EQ(budget.AeAvailable("coaching", 2023), 100'00);
  EXPECT_EQ(budget.CpAvailable("coaching", 2023), 100'00);
  EXPECT_EQ(budget.AeAvailable("coaching", 2022), 500'00);
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2023), budget.OutstandingAtTheEndOf(2022));
}

TEST(ReinstateTest, OnTheFirstImputation) {
  Given budget({Allocate("commitments", 0, 100), Allocate("coaching", 100, 0), Engage(100),
                Certify(100), RequestPayment(100, "dp-1", "ej-1", "commitments"), Pay()});
  budget.And(Reinstate(40));
  EXPECT_EQ(budget.AeAvailable("coaching"), 40);
  EXPECT_EQ(budget.CpAvailable("commitments"), 40);
  EXPECT_EQ(budget.CpAvailable("coaching"), 0);
}

TEST(ReinstateTest, OnlyWhatWasPaid) {
  Given budget({Allocate(100), Engage(100), Certify(100), RequestPayment(50)});
  EXPECT_THAT(budget.When(Reinstate(1)), RefusedWith(kNotReinstatable));
  EXPECT_THAT(budget.When(Reinstate(1, "dp-9")), RefusedWith(kUnknownPaymentRequest));
  EXPECT_THAT(budget.When(Reinstate(0)), RefusedWith(kInvalidField, Field("amount_cents")));
}

TEST(ReinstateTest, IsOutsideTheCeiling) {
  Given budget({Allocate(3'099'419'20), Engage(100), Certify(100), RequestPayment(100), Pay(),
                Reinstate(100)});
  EXPECT_EQ(budget.AeAvailable(), 3'099'419'20);
  EXPECT_THAT(budget.When(Allocate(1)), RefusedWith(kCeilingExceeded, Available(0)));
}

TEST(ReinstateTest, ARefundedAdvanceIsNotRecoveredOnceMore) {
  Given budget({Allocate(1'000'00), Engage(500'00), RequestAdvance(100'00, "dp-a"), Pay("dp-a")});
  budget.And(Reinstate(60'00, "dp-a")).And(Certify(400'00));
  EXPECT_THAT(budget.When(RequestNet(400'00, 40'01, 0)),
              RefusedWith(kAdvanceExceeded, Available(40'00)));
  budget.And(RequestNet(400'00, 40'00, 0));
  EXPECT_THAT(budget.When(Reinstate(1, "dp-a")), RefusedWith(kNotReinstatable, Available(0)));
}

TEST(ReinstateTest, NotAnAdvanceOnWorkThatIsDeliveredForTheDebtIsStillDue) {
  Given budget({Allocate(1'000'00), Engage(500'00), RequestAdvance(100'00, "dp-a"), Pay("dp-a"),
                Certify(450'00)});
  const std::int64_t paid = 7;
  ASSERT_TRUE(budget.log()[paid].has_paid());
  EXPECT_THAT(budget.When(Reinstate(50'01, "dp-a")),
              RefusedWith(kNotReinstatable, Available(50'00)));
  EXPECT_THAT(budget.When(budget.Undo(paid)), Accepted());  // restores CP and outstanding
  EXPECT_EQ(budget.Line().outstanding_cents(), 500'00);
}

TEST(ReinstateTest, AnExpenseWithoutCommitmentToo) {
  Given budget({Allocate(100), RequestInterest(40), PayWithoutCommitment(), Reinstate(10)});
  EXPECT_EQ(budget.AeAvailable(), 70);
  EXPECT_EQ(budget.CpAvailable(), 70);
}

// ------------------------------------------------------------------------ Réimputation

TEST(ReimputeTest, ALineMovesWithItsAeAndItsRestAndTotalsAreUnchanged) {
  Given budget({Allocate(100), Allocate("commitments", 59, 0), Engage(60)});
  EXPECT_THAT(budget.When(ReimputeLine("commitments")), RefusedWith(kAeExceeded, Available(59)));
  budget.And(Allocate("commitments", 1, 0));
  const std::int64_t engaged = budget.Total(Ledger::kAe, Account::kEngaged, 2022);
  EXPECT_THAT(budget.When(ReimputeLine("commitments")), Accepted());
  EXPECT_EQ(budget.AeAvailable("coaching"), 100);
  EXPECT_EQ(budget.AeAvailable("commitments"), 0);
  EXPECT_EQ(budget.Line().envelope_id(), "commitments");
  EXPECT_EQ(budget.Total(Ledger::kAe, Account::kEngaged, 2022), engaged);
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2022), 60);
}

TEST(ReimputeTest, APaymentMovesWithItsCp) {
  Given budget({Allocate(100), Allocate("commitments", 0, 29), Engage(60), Certify(60),
                RequestPayment(30), Pay()});
  EXPECT_THAT(budget.When(ReimputePayment("commitments")), RefusedWith(kCpExceeded, Available(29)));
  budget.And(Allocate("commitments", 0, 1));
  EXPECT_THAT(budget.When(ReimputePayment("commitments")), Accepted());
  EXPECT_EQ(budget.CpAvailable("coaching"), 100);
  EXPECT_EQ(budget.CpAvailable("commitments"), 0);
  EXPECT_EQ(budget.Total(Ledger::kCp, Account::kPaid, 2022), 30);
}

TEST(ReimputeTest, ToAnotherProductMovesNoCredits) {
  Given budget({Allocate(60), Engage(60)});
  EXPECT_THAT(budget.When(ReimputeLine("", "snu")), Accepted());
  EXPECT_EQ(budget.Line().product_id(), "snu");
  EXPECT_EQ(budget.AeAvailable(), 0);
  EXPECT_THAT(budget.When(ReimputeLine("", "snu")), RefusedWith(kNotReimputable));
  EXPECT_THAT(budget.When(ReimputeLine("", "unheard-of")), RefusedWith(kUnknownProduct));
}

TEST(ReimputeTest, IsBookedInTheCurrentYearEvenIfTheEntrysYearIsClosed) {
  Given budget(
      {Allocate(100), Engage(60), Certify(60), RequestPayment(30), Pay(), CloseYear(2022)});
  EXPECT_THAT(budget.When(ReimputeLine("commitments").On(20230601)), Accepted());
  EXPECT_THAT(budget.When(ReimputePayment("commitments").On(20230601)), Accepted());
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kEngaged, "coaching", 2022), 60);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kEngaged, "coaching", 2023), -60);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kEngaged, "commitments", 2023), 60);
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kPaid, "commitments", 2023), 30);
  EXPECT_EQ(budget.AeAvailable("commitments", 2023), 0);
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2023), 30);
}

TEST(ReimputeTest, NamesALineOrAPaymentNotBoth) {
  Given budget(Paid(30));
  EXPECT_THAT(budget.When(ReimputeLine("commitments").With([](v1::Command& command) {
    command.mutable_reimpute()->set_payment_request_id("dp-1");
  })),
              RefusedWith(kInvalidField, Field("payment_request_id")));
  EXPECT_THAT(budget.When(ReimputePayment("commitments").With([](v1::Command& command) {
    command.mutable_reimpute()->clear_payment_request_id();
  })),
              RefusedWith(kUnknownCommitment));
  EXPECT_THAT(budget.When(ReimputeLine("coaching")), RefusedWith(kNotReimputable));
  EXPECT_THAT(budget.When(ReimputeLine("nowhere")), RefusedWith(kUnknownEnvelope));
}

TEST(ReimputeTest, OnlyWhatWasPaidOnACommitmentLine) {
  Given budget({Allocate(100), Engage(60), Certify(60), RequestPayment(30),
                RequestInterest(10, "dp-i"), PayWithoutCommitment("dp-i")});
  EXPECT_THAT(budget.When(ReimputePayment("commitments")), RefusedWith(kNotReimputable));
  EXPECT_THAT(budget.When(ReimputePayment("commitments", "dp-i")), RefusedWith(kNotReimputable));
}

TEST(ReimputeTest, APaymentGoesWhereItsYearOfOriginMayBePaid) {
  Given budget({UpdateEnvelope("commitments", {"acc-1"}, {2020, 2021}), Allocate(100),
                Allocate("commitments", 0, 100), Engage(60), Certify(60), RequestPayment(30),
                Pay()});
  EXPECT_THAT(budget.When(ReimputePayment("commitments")), RefusedWith(kOriginNotPayable));
}

// ------------------------------------------------------------------- Contre-passation

// An entry, and the books that it is made in.
struct Reversible {
  const char* what;
  std::vector<Act> given;
  Act entry;
};

std::vector<Reversible> ReversibleKinds() {
  const Act report = RequestCarryover(CREDIT_KIND_AE, 10, 2022);
  return {
      {"Allocate", {}, Allocate(100)},
      {"Deallocate", {Allocate(100)}, Deallocate("coaching", 30, 40)},
      {"Freeze", {Allocate(100)}, Freeze("coaching", 30, 40)},
      {"Release", {Allocate(100), Freeze("coaching", 30, 40)}, Release("coaching", 20, 10)},
      {"Cancel", {Allocate(100), Freeze("coaching", 30, 40)}, Cancel("coaching", 50, 60)},
      {"Transfer", {Allocate(100)}, Transfer("coaching", "djepva", 30, 40)},
      {"RequestCarryover", {Allocate(100)}, report},
      {"Engage", {Allocate(100)}, Engage(60)},
      {"Engage, more", {Allocate(100), Engage(60)}, Engage(20, "ej-1", "coaching", "2")},
      {"Withdraw", {Allocate(100), Engage(60)}, Withdraw(20)},
      {"Withdraw, older", {ImportOpening(2021, 60)}, Withdraw(20, "ej-old")},
      {"Withdraw, recycled",
       {ImportOpening(2021, 60), RecordRecyclingBasis(15)},
       Withdraw(20, "ej-old")},
      {"CertifyService", {Allocate(100), Engage(60)}, Certify(60)},
      {"RequestPayment", {Allocate(100), Engage(60), Certify(60)}, RequestPayment(50)},
      {"RequestPayment, net",
       {Allocate(1000), Engage(600), RequestAdvance(100, "dp-a"), Certify(600)},
       RequestNet(500, 90, 25)},
      {"RequestPayment, advance", {Allocate(100), Engage(60)}, RequestAdvance(50)},
      {"RequestPayment, retention",
       {Allocate(1000), Engage(600), Certify(600), RequestNet(500, 0, 25), Pay()},
       RequestRetention(20, "dp-r")},
      {"RequestPayment, interest", {Allocate(100)}, RequestInterest(50)},
      {"Reinstate",
       {Allocate(100), Engage(60), Certify(60), RequestPayment(50), Pay()},
       Reinstate(20)},
      {"Reinstate, advance", {Allocate(100), Engage(60), RequestAdvance(50), Pay()}, Reinstate(20)},
      {"Reinstate, interest",
       {Allocate(100), RequestInterest(50), PayWithoutCommitment()},
       Reinstate(20)},
      {"Reimpute, line",
       {Allocate(100), Allocate("commitments", 60, 0), Engage(60)},
       ReimputeLine("commitments", "snu")},
      {"Reimpute, older line",
       {ImportOpening(2021, 60, 10)},
       ReimputeLine("coaching", "snu", "ej-old")},
      {"Reimpute, payment",
       {Allocate(100), Allocate("commitments", 0, 60), Engage(60), Certify(60), RequestPayment(50),
        Pay()},
       ReimputePayment("commitments")},
  };
}

TEST(ReverseTest, LeavesTheBooksAsTheyWereAndTheEntryStays) {
  for (const Reversible& kind : ReversibleKinds()) {
    SCOPED_TRACE(kind.what);
    Given budget(kind.given);
    const std::string before = budget.Money();
    budget.And(kind.entry);
    const std::int64_t entry = budget.last();
    ASSERT_NE(budget.Money(), before);
    EXPECT_THAT(budget.When(budget.Undo(entry)), Accepted());
    EXPECT_EQ(budget.Money(), before);
    EXPECT_EQ(budget.log().back().reversed().reversed_position(), entry);
    // Twice is refused, and so is a reversal of the reversal.
    const auto refused = RefusedWith(kNotReversible);
    EXPECT_THAT(budget.When(budget.Undo(entry)), refused);
    EXPECT_THAT(budget.When(budget.Undo()), refused);
  }
}

// A payment's request ends with it: the books are as before the request.
TEST(ReverseTest, OfAPaymentRestoresCpAndOutstandingNeverAe) {
  struct Row {
    const char* what;
    std::vector<Act> given;
    Act request;
    Act pay;
  };
  const Row rows[] = {
      {"service", {Allocate(100), Engage(60), Certify(60)}, RequestPayment(50), Pay()},
      {"advance", {Allocate(100), Engage(60)}, RequestAdvance(50), Pay()},
      {"net",
       {Allocate(1000), Engage(600), RequestAdvance(100, "dp-a"), Certify(600)},
       RequestNet(500, 90, 25),
       Pay()},
      {"retention",
       {Allocate(1000), Engage(600), Certify(600), RequestNet(500, 0, 25), Pay()},
       RequestRetention(20, "dp-r"),
       Pay("dp-r")},
      {"older line",
       {Allocate(100), ImportOpening(2021, 60), Certify(60, "ej-old")},
       RequestPayment(50, "dp-1", "ej-old", "coaching"),
       Pay()},
      {"interest", {Allocate(100)}, RequestInterest(50), PayWithoutCommitment()},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    Given budget(row.given);
    const std::string before = budget.Money();
    const std::int64_t ae_available = budget.AeAvailable();
    budget.And(row.request).And(row.pay);
    const std::int64_t paid = budget.last();
    EXPECT_THAT(budget.When(budget.Undo(paid)), Accepted());
    EXPECT_EQ(budget.Money(), before);
    EXPECT_EQ(budget.AeAvailable(), ae_available);
    EXPECT_THAT(budget.When(budget.Undo(paid)), RefusedWith(kNotReversible));
    EXPECT_THAT(budget.When(row.pay), RefusedWith(kPaymentState));
  }
}

TEST(ReverseTest, OfAPaymentInALaterYearRestoresItsCp) {
  Given budget(
      {Allocate(100), Engage(60), Certify(60), RequestPayment(50), Pay(), CloseYear(2022)});
  const std::int64_t paid = budget.last() - 1;
  EXPECT_THAT(budget.When(budget.Undo(paid)), RefusedWith(kYearClosed));
  EXPECT_THAT(budget.When(budget.Undo(paid).On(20230401).In(2023)), Accepted());
  EXPECT_EQ(budget.CpAvailable("coaching", 2023), 50);
  EXPECT_EQ(budget.AeAvailable("coaching", 2023), 0);
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2022), 10);
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2023), 60);
}

TEST(ReverseTest, OfAPaymentThatUsedAHoldOfTheYearBefore) {
  Given budget({Allocate(100), Engage(60), Certify(60), RequestPayment(50),
                Allocate("coaching", 0, 50).On(20230110), Pay().On(20230111)});
  EXPECT_EQ(budget.CpAvailable("coaching", 2022), 100);
  EXPECT_THAT(budget.When(budget.Undo()), Accepted());
  EXPECT_EQ(budget.CpAvailable("coaching", 2022), 100);
  EXPECT_EQ(budget.CpAvailable("coaching", 2023), 50);
}

TEST(ReverseTest, CreditsComeBackInTheirOwnYearAlone) {
  for (const Reversible& kind : ReversibleKinds()) {
    SCOPED_TRACE(kind.what);
    Given budget(kind.given);
    budget.And(kind.entry);
    const Event& event = budget.log().back();
    const bool any_year = event.has_service_certified() || event.has_payment_requested();
    EXPECT_THAT(budget.When(budget.Undo().On(20230301).In(2023)),
                any_year ? Accepted() : RefusedWith(kNotReversible));
  }
}

TEST(ReverseTest, InAClosedYearTakesALateEntryAndWhatComesBackHasLapsed) {
  Given budget({Allocate(100), Engage(60), CloseYear(2022)});
  const std::int64_t engaged = budget.last() - 1;
  EXPECT_THAT(budget.When(budget.Undo(engaged)), RefusedWith(kYearClosed));
  EXPECT_THAT(budget.When(budget.Undo(engaged).On(20230601).Late()), Accepted());
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kLapsed), 100);
}

TEST(ReverseTest, InAClosedYearFrozenCreditsHaveLapsedLikeTheOthers) {
  const Act freeze = Freeze("coaching", 30, 30);
  Given cancelled({Allocate(100), freeze, Cancel("coaching", 30, 30), CloseYear(2022)});
  EXPECT_THAT(cancelled.When(cancelled.Undo(6).Late()), Accepted());
  EXPECT_EQ(cancelled.Balance(Ledger::kAe, Account::kLapsed), 100);
  // To freeze or not to freeze makes no difference there.
  Given released({Allocate(100), freeze, Release("coaching", 30, 30), CloseYear(2022)});
  EXPECT_THAT(released.When(released.Undo(5).Late()), RefusedWith(kNotReversible));
  EXPECT_THAT(released.When(released.Undo(6).Late()), RefusedWith(kNotReversible));
}

TEST(ReverseTest, RefusedWhereOtherEntriesRestOnIt) {
  const std::vector<Act> paid = {Allocate(1000), Engage(600), Certify(600), RequestPayment(500),
                                 Pay()};
  const auto and_then = [](std::vector<Act> acts, std::vector<Act> more) {
    acts.insert(acts.end(), more.begin(), more.end());
    return acts;
  };
  struct Row {
    const char* what;
    std::vector<Act> given;
    std::size_t entry;  // of `given`
    testing::Matcher<const Decision&> verdict;
  };
  const auto refused = RefusedWith(kNotReversible);
  const Row rows[] = {
      {"credits that are engaged",
       {Allocate(100), Engage(60)},
       0,
       RefusedWith(kAeExceeded, Available(40))},
      {"credits that are paid", paid, 0, RefusedWith(kAeExceeded)},
      {"freed AE that are engaged again",
       {Allocate(100), Engage(100), Withdraw(50), Engage(50, "ej-2")},
       2,
       RefusedWith(kAeExceeded, Available(0))},
      {"credits redeployed and engaged",
       {Allocate(100), Transfer("coaching", "djepva", 50, 50), Engage(50, "ej-1", "djepva")},
       1,
       RefusedWith(kAeExceeded, Available(0))},
      {"frozen credits since released",
       {Allocate(100), Freeze("coaching", 50, 0), Release("coaching", 50, 0)},
       1,
       RefusedWith(kFrozenExceeded)},
      {"a line withdrawn from", {Allocate(100), Engage(60), Withdraw(1)}, 1, refused},
      {"a line certified", {Allocate(100), Engage(60), Certify(1)}, 1, refused},
      {"a line with an advance", {Allocate(100), Engage(60), RequestAdvance(1)}, 1, refused},
      {"a line reimputed",
       {Allocate(100), Allocate("commitments", 100, 0), Engage(60), ReimputeLine("commitments")},
       2,
       refused},
      {"a withdrawal on a line reimputed since",
       {Allocate(100), Allocate("commitments", 100, 0), Engage(60), Withdraw(10),
        ReimputeLine("commitments")},
       3,
       refused},
      {"service fait that is requested",
       {Allocate(100), Engage(60), Certify(60), RequestPayment(1)},
       2,
       refused},
      {"a request that is paid", paid, 3, refused},
      {"a request that is rejected",
       {Allocate(100), Engage(60), Certify(60), RequestPayment(1), Reject()},
       3,
       refused},
      {"an advance that is being recovered",
       {Allocate(1000), Engage(600), RequestAdvance(100, "dp-a"), Certify(600),
        RequestNet(500, 100, 0)},
       2,
       refused},
      {"a paid advance that is being recovered",
       {Allocate(1000), Engage(600), RequestAdvance(100, "dp-a"), Pay("dp-a"), Certify(600),
        RequestNet(500, 100, 0)},
       3,
       refused},
      {"a retention that is released",
       {Allocate(1000), Engage(600), Certify(600), RequestNet(500, 0, 25), Pay(),
        RequestRetention(25, "dp-r")},
       4,
       refused},
      {"a payment refunded in part", and_then(paid, {Reinstate(1)}), 4, refused},
      {"interest refunded in part",
       {Allocate(100), RequestInterest(50), PayWithoutCommitment(), Reinstate(1)},
       2,
       refused},
      {"a payment reimputed",
       and_then(paid, {Allocate("commitments", 0, 500), ReimputePayment("commitments")}), 4,
       refused},
      {"a payment whose line was reimputed",
       and_then(paid, {Allocate("commitments", 600, 0), ReimputeLine("commitments")}), 4, refused},
      {"a refund on a line reimputed since",
       and_then(paid,
                {Reinstate(100), Allocate("commitments", 600, 0), ReimputeLine("commitments")}),
       5, refused},
      {"a refund of a payment reimputed since",
       and_then(paid,
                {Reinstate(100), Allocate("commitments", 0, 500), ReimputePayment("commitments")}),
       5, refused},
      {"a refund whose AE are engaged again", and_then(paid, {Reinstate(500), Engage(900, "ej-2")}),
       5, RefusedWith(kAeExceeded)},
      {"a reimputed line paid since",
       {Allocate(100), Allocate("commitments", 60, 0), Engage(60), ReimputeLine("commitments"),
        Certify(60), RequestPayment(50), Pay()},
       3,
       refused},
      {"a carry-over that is decided",
       {Allocate(100).On(20210601), RequestCarryover(CREDIT_KIND_AE, 10, 2021), GrantCarryover(10)},
       1,
       refused},
  };
  for (const Row& row : rows) {
    Given budget(row.given);
    // The agreement and three envelopes come first.
    EXPECT_THAT(budget.When(budget.Undo(static_cast<std::int64_t>(row.entry) + 4)), row.verdict)
        << row.what;
  }
}

TEST(ReverseTest, OfADeallocationStaysBelowTheCeiling) {
  Given budget({Allocate("djepva", 3'099'419'20, 3'099'419'20), Deallocate("djepva", 100, 100)});
  const std::int64_t taken_back = budget.last();
  budget.And(Allocate(1));
  EXPECT_THAT(budget.When(budget.Undo(taken_back)), RefusedWith(kCeilingExceeded, Available(99)));
}

TEST(ReverseTest, WhatHasAnOppositeOfItsOwnIsNotReversed) {
  Given budget({RecordProgrammeCredits(1'000'00).On(20210601),
                Allocate(100).On(20210601),
                RequestCarryover(CREDIT_KIND_CP, 20, 2021),
                GrantCarryover(20),
                MakeCarryoverAvailable(20),
                Amend(),
                RecordPublication(),
                UpdateEnvelope("coaching", {"acc-1"}, {2020, 2021, 2022}),
                RecordRecyclingBasis(1),
                ImportOpening(2021, 100),
                CorrectOpening(1),
                ImportPlan(1, 1),
                Allocate(100),
                Engage(60),
                Certify(60),
                RequestPayment(10),
                Suspend(),
                Resume(),
                Suspend(),
                Requisition(),
                RequestPayment(10, "dp-2"),
                Reject("dp-2"),
                CloseYear(2021),
                ReopenYear(2021)});
  std::set<int> kinds;
  for (std::int64_t position = 0; position <= budget.last(); ++position) {
    const Event& event = budget.log()[static_cast<std::size_t>(position)];
    if (event.has_credits_allocated() || event.has_carryover_requested() || event.has_engaged() ||
        event.has_service_certified() || event.has_payment_requested()) {
      continue;
    }
    kinds.insert(event.fact_case());
    EXPECT_THAT(budget.When(budget.Undo(position)), RefusedWith(kNotReversible))
        << event.ShortDebugString();
  }
  // With a refusal, a takeover, and reversals themselves: all the kinds that are not reversible.
  Given refused(
      {Allocate(100).On(20210601), RequestCarryover(CREDIT_KIND_CP, 20, 2021), RefuseCarryover()});
  EXPECT_THAT(refused.When(refused.Undo()), RefusedWith(kNotReversible));
  kinds.insert(refused.log().back().fact_case());
  Given taken = Given::Nothing();
  taken.And(CreateAgreement().With([](v1::Command& command) {
    command.mutable_create_agreement()->set_after_term(
        events::v1::AFTER_TERM_DELEGATING_BODY_TAKES_OVER);
  }));
  taken.And(TakeOver().On(20230101));
  EXPECT_THAT(taken.When(taken.Undo()), RefusedWith(kNotReversible));
  kinds.insert(taken.log().back().fact_case());
  std::set<int> reversible = {Event::kPaid, Event::kPaidWithoutCommitment};
  for (const Reversible& kind : ReversibleKinds()) {
    reversible.insert(Given(kind.given).And(kind.entry).log().back().fact_case());
  }
  EXPECT_EQ(kinds.size() + reversible.size() + 1,
            static_cast<std::size_t>(Event::descriptor()->oneof_decl(0)->field_count()));
}

TEST(ReverseTest, AReversedLineIsGoneAndItsIdentifierStaysTaken) {
  Given budget({Allocate(100), Engage(60)});
  budget.And(budget.Undo());
  EXPECT_THAT(budget.When(Withdraw(1)), RefusedWith(kUnknownLine));
  EXPECT_THAT(budget.When(Certify(1)), RefusedWith(kUnknownLine));
  EXPECT_THAT(budget.When(RequestAdvance(1)), RefusedWith(kUnknownLine));
  EXPECT_THAT(budget.When(ReimputeLine("commitments")), RefusedWith(kUnknownLine));
  EXPECT_THAT(budget.When(Engage(60)), RefusedWith(kIdentifierTaken));
  EXPECT_THAT(budget.When(Engage(60, "ej-1", "coaching", "2")), Accepted());
}

}  // namespace
}  // namespace denier::budget
