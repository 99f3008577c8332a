// Service fait, payment requests, payments.
#include "tests/services/rules/budget.h"

namespace denier::budget {
namespace {

// 1,000.00 engaged, with AE and CP of 5,000.00.
std::vector<Act> Engaged() { return {Allocate(5'000'00), Engage(1'000'00)}; }
std::vector<Act> Delivered(std::int64_t cents) {
  return {Allocate(5'000'00), Engage(1'000'00), Certify(cents)};
}

// ------------------------------------------------------------------------ Service fait

TEST(CertifyTest, UpToWhatTheLineHolds) {
  struct Row {
    const char* what;
    Act certify;
    testing::Matcher<const Decision&> verdict;
  };
  const Row rows[] = {
      {"exact fit     ", Certify(1'000'00), Accepted()},
      {"one cent over ", Certify(1'000'01),
       RefusedWith(kCertificationExceeded, Available(1'000'00))},
      {"zero          ", Certify(0), RefusedWith(kInvalidField, Field("amount_cents"))},
      {"negative      ", Certify(-1), RefusedWith(kInvalidField, Field("amount_cents"))},
      {"no such line  ", Certify(1, "ej-1", "2"), RefusedWith(kUnknownLine)},
      {"no commitment ", Certify(1, "ej-9"), RefusedWith(kUnknownCommitment)},
      {"another year  ", Certify(1).In(2023), RefusedWith(kWrongYear)},
  };
  for (const Row& row : rows) {
    EXPECT_THAT(Given(Engaged()).When(row.certify), row.verdict) << row.what;
  }
  EXPECT_THAT(Given(Engaged()).And(CloseYear(2022)).When(Certify(1)), RefusedWith(kYearClosed));
}

TEST(CertifyTest, NotWhatWasWithdrawn) {
  Given budget(Engaged());
  budget.And(Withdraw(400'00)).And(Certify(100'00));
  EXPECT_THAT(budget.When(Certify(500'01)), RefusedWith(kCertificationExceeded, Available(500'00)));
  EXPECT_THAT(budget.When(Certify(500'00)), Accepted());
}

// ------------------------------------------------------------------ Demande de paiement

TEST(RequestPaymentTest, ServiceFaitComesBeforePayment) {
  Given budget(Engaged());
  EXPECT_THAT(budget.When(RequestPayment(1)), RefusedWith(kServiceNotCertified));
  budget.And(Certify(400'00));
  EXPECT_THAT(budget.When(RequestPayment(400'01)),
              RefusedWith(kServiceNotCertified, Fact("certified_cents", "40000")));
  EXPECT_THAT(budget.When(RequestPayment(400'00)), Accepted());
  // What has been asked for once is not asked for again.
  EXPECT_THAT(budget.When(RequestPayment(1, "dp-2")), RefusedWith(kServiceNotCertified));
}

TEST(RequestPaymentTest, HoldsCpAndPaysNothing) {
  Given budget(Delivered(1'000'00));
  budget.And(RequestPayment(400'00));
  EXPECT_EQ(budget.CpAvailable(), 4'600'00);
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kHeld), 400'00);
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kPaid), 0);
  EXPECT_EQ(budget.Line().outstanding_cents(), 1'000'00);
}

TEST(RequestPaymentTest, NeedsCpOfTheYearOfPaymentAndARestOnTheLine) {
  struct Row {
    const char* what;
    std::int64_t cp_cents, engaged_cents, asked_cents;
    testing::Matcher<const Decision&> verdict;
  };
  const Row rows[] = {
      {"both fit     ", 100, 100, 100, Accepted()},
      {"a cent of CP ", 99, 100, 100, RefusedWith(kCpExceeded, Available(99))},
      {"a cent of AE ", 101, 100, 101, RefusedWith(kRestExceeded, Rest(100))},
      {"zero         ", 100, 100, 0, RefusedWith(kInvalidField, Field("gross_cents"))},
      {"negative     ", 100, 100, -1, RefusedWith(kInvalidField, Field("gross_cents"))},
  };
  for (const Row& row : rows) {
    Given budget({Allocate("coaching", 100, row.cp_cents), Engage(row.engaged_cents),
                  Certify(row.engaged_cents)});
    EXPECT_THAT(budget.When(RequestPayment(row.asked_cents)), row.verdict) << row.what;
  }
}

TEST(RequestPaymentTest, TwoRequestsShareOneRest) {
  Given budget(Delivered(1'000'00));
  budget.And(RequestPayment(600'00));
  EXPECT_THAT(budget.When(RequestAdvance(400'01, "dp-2")),
              RefusedWith(kRestExceeded, Rest(400'00)));
  EXPECT_THAT(budget.When(RequestPayment(400'00, "dp-2")), Accepted());
  EXPECT_THAT(budget.When(RequestPayment(1, "dp-3")), RefusedWith(kRestExceeded, Rest(0)));
}

TEST(RequestPaymentTest, CountsInTheYearOfItsDayForPaymentsHaveNoComplementaryPeriod) {
  Given budget(Delivered(1'000'00));
  EXPECT_THAT(budget.When(RequestPayment(1).On(20230110).In(2022)), RefusedWith(kWrongYear));
  EXPECT_THAT(budget.When(RequestPayment(1).On(20221231)), Accepted());
  EXPECT_THAT(budget.When(Pay().On(20230101).In(2022)), RefusedWith(kWrongYear));
  EXPECT_THAT(budget.When(Pay().On(20221231)), Accepted());
}

TEST(RequestPaymentTest, AnIdentifierIsTakenOnce) {
  Given budget(Delivered(1'000'00));
  budget.And(RequestPayment(1));
  EXPECT_THAT(budget.When(RequestPayment(1)), RefusedWith(kIdentifierTaken));
}

TEST(RequestPaymentTest, AnEnvelopePaysTheYearsOfOriginThatItLists) {
  Given budget({UpdateEnvelope("coaching", {"acc-1"}, {2022}), Allocate(100),
                ImportOpening(2021, 100), Certify(100, "ej-old")});
  EXPECT_THAT(budget.When(RequestPayment(1, "dp-1", "ej-old", "coaching")),
              RefusedWith(kOriginNotPayable, Fact("origin_year", "2021")));
  budget.And(UpdateEnvelope("coaching", {"acc-1"}, {2021, 2022}));
  EXPECT_THAT(budget.When(RequestPayment(1, "dp-1", "ej-old", "coaching")), Accepted());
}

TEST(RequestPaymentTest, GrossRecoveredRetainedAndNetBelongTogether) {
  const auto net = [](std::int64_t cents) {
    return RequestPayment(100'00).With(
        [&](v1::Command& command) { command.mutable_request_payment()->set_net_cents(cents); });
  };
  Given budget(Delivered(1'000'00));
  EXPECT_THAT(budget.When(net(99'99)), RefusedWith(kInvalidField, Field("net_cents")));
  EXPECT_THAT(budget.When(net(100'01)), RefusedWith(kInvalidField, Field("net_cents")));
  EXPECT_THAT(budget.When(net(0)), RefusedWith(kInvalidField, Field("net_cents")));
  EXPECT_THAT(budget.When(RequestNet(100'00, -1, 0)),
              RefusedWith(kInvalidField, Field("recovered_cents")));
  EXPECT_THAT(budget.When(RequestNet(100'00, 0, -1)),
              RefusedWith(kInvalidField, Field("retained_cents")));
  EXPECT_THAT(budget.When(net(100'00)), Accepted());
}

// ------------------------------------------------------------------ Avance, acompte, retenue

TEST(AdvanceTest, ComesBeforeServiceFait) {
  Given budget(Engaged());
  EXPECT_THAT(budget.When(RequestAdvance(1'000'01)), RefusedWith(kRestExceeded, Rest(1'000'00)));
  EXPECT_THAT(budget.When(RequestAdvance(300'00)), Accepted());
  EXPECT_THAT(budget.When(Pay()), Accepted());
  EXPECT_EQ(budget.Line().outstanding_cents(), 700'00);
}

TEST(AdvanceTest, IsRecoveredFromLaterPaymentsNeverTwice) {
  Given budget(Engaged());
  budget.And(RequestAdvance(300'00, "dp-a")).And(Pay("dp-a")).And(Certify(1'000'00));
  EXPECT_THAT(budget.When(RequestNet(500'00, 300'01, 0)),
              RefusedWith(kAdvanceExceeded, Available(300'00)));
  budget.And(RequestNet(500'00, 200'00, 0, "dp-1")).And(Pay("dp-1"));
  EXPECT_EQ(budget.Line().outstanding_cents(), 400'00);  // CP and rest moved by the net
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kPaid), 600'00);
  EXPECT_THAT(budget.When(RequestNet(500'00, 100'01, 0, "dp-2")),
              RefusedWith(kAdvanceExceeded, Available(100'00)));
  budget.And(RequestNet(500'00, 100'00, 0, "dp-2")).And(Pay("dp-2"));
  EXPECT_EQ(budget.Line().outstanding_cents(), 0);
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kPaid), 1'000'00);
}

TEST(AdvanceTest, NothingIsRecoveredFromOrRetainedOnAnAdvanceItself) {
  Given budget(Engaged());
  budget.And(RequestAdvance(100'00, "dp-a"));
  const auto advance = [](Act act) {
    return act.With([](v1::Command& command) {
      command.mutable_request_payment()->set_type(events::v1::PAYMENT_TYPE_ADVANCE);
    });
  };
  EXPECT_THAT(budget.When(advance(RequestNet(100'00, 1, 0))),
              RefusedWith(kInvalidField, Field("recovered_cents")));
  EXPECT_THAT(budget.When(advance(RequestNet(100'00, 0, 1))),
              RefusedWith(kInvalidField, Field("recovered_cents")));
}

TEST(InstalmentTest, PaysWorkAlreadyDone) {
  Given budget(Engaged());
  EXPECT_THAT(budget.When(RequestInstalment(1)), RefusedWith(kServiceNotCertified));
  budget.And(Certify(250'00));
  EXPECT_THAT(budget.When(RequestInstalment(250'01)), RefusedWith(kServiceNotCertified));
  EXPECT_THAT(budget.When(RequestInstalment(250'00)), Accepted());
}

TEST(RetentionTest, IsFivePerCentAtMostToTheCent) {
  struct Row {
    std::int64_t gross_cents, retained_cents;
    testing::Matcher<const Decision&> verdict;
  };
  const Row rows[] = {
      {1'000'00, 50'00, Accepted()},
      {1'000'00, 50'01, RefusedWith(kRetentionExceeded, Available(50'00))},
      {99'99, 4'99, Accepted()},  // 4.9995
      {99'99, 5'00, RefusedWith(kRetentionExceeded, Available(4'99))},
      {19, 0, Accepted()},
      {19, 1, RefusedWith(kRetentionExceeded, Available(0))},
      {20, 1, Accepted()},
  };
  for (const Row& row : rows) {
    EXPECT_THAT(Given(Delivered(1'000'00)).When(RequestNet(row.gross_cents, 0, row.retained_cents)),
                row.verdict)
        << row.gross_cents << " retained " << row.retained_cents;
  }
}

TEST(RetentionTest, ConsumesCpWhenReleased) {
  Given budget(Delivered(1'000'00));
  budget.And(RequestNet(1'000'00, 0, 50'00)).And(Pay());
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kPaid), 950'00);
  EXPECT_EQ(budget.Line().outstanding_cents(), 50'00);
  EXPECT_THAT(budget.When(RequestRetention(50'01, "dp-r")),
              RefusedWith(kRestExceeded, Rest(50'00)));
  EXPECT_THAT(budget.When(RequestRetention(50'00, "dp-r")), Accepted());
  EXPECT_THAT(budget.When(Pay("dp-r")), Accepted());
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kPaid), 1'000'00);
  EXPECT_EQ(budget.Line().outstanding_cents(), 0);
}

TEST(RetentionTest, NoMoreIsReleasedThanWasRetained) {
  Given budget(Delivered(1'000'00));
  budget.And(RequestNet(100'00, 0, 5'00)).And(Pay());
  EXPECT_THAT(budget.When(RequestRetention(5'01, "dp-r")),
              RefusedWith(kRetentionExceeded, Available(5'00)));
  budget.And(RequestRetention(3'00, "dp-r"));
  EXPECT_THAT(budget.When(RequestRetention(2'01, "dp-s")),
              RefusedWith(kRetentionExceeded, Available(2'00)));
}

// ---------------------------------------------------------------------------- Paiement

TEST(PayTest, ConsumesCpOfThePayingEnvelopeAndTheLinesRest) {
  Given budget({Allocate("commitments", 0, 100), Allocate(50), Engage(50), Certify(50),
                RequestPayment(30, "dp-1", "ej-1", "commitments")});
  EXPECT_THAT(budget.When(Pay()), Accepted());
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kPaid, "commitments"), 30);
  EXPECT_EQ(budget.CpAvailable("commitments"), 70);
  EXPECT_EQ(budget.CpAvailable("coaching"), 50);  // whose AE the line consumed does not pay
  EXPECT_EQ(budget.Line().outstanding_cents(), 20);
  EXPECT_EQ(budget.Payment().state(), v1::PAYMENT_STATE_PAID);
}

TEST(PayTest, OnceOnly) {
  Given budget(Delivered(100));
  budget.And(RequestPayment(100)).And(Pay());
  EXPECT_THAT(budget.When(Pay()), RefusedWith(kPaymentState));
}

TEST(PayTest, KnowsItsRequest) {
  EXPECT_THAT(Given(Engaged()).When(Pay("dp-9")), RefusedWith(kUnknownPaymentRequest));
}

TEST(PayTest, CountsInTheYearInWhichTheAccountantPays) {
  Given budget(Delivered(1'000'00));
  budget.And(RequestPayment(400'00).On(20221220));
  // 2022 is not closed yet: its hold is released, CP of 2023 are consumed.
  EXPECT_THAT(budget.When(Pay().On(20230105)), RefusedWith(kCpExceeded, Available(0)));
  budget.And(Allocate("coaching", 0, 399'99).On(20230102));
  EXPECT_THAT(budget.When(Pay().On(20230105)), RefusedWith(kCpExceeded, Available(399'99)));
  budget.And(Allocate("coaching", 0, 1).On(20230102));
  EXPECT_THAT(budget.When(Pay().On(20230105)), Accepted());
  EXPECT_EQ(budget.CpAvailable("coaching", 2022), 5'000'00);
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kPaid, "coaching", 2022), 0);
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kPaid, "coaching", 2023), 400'00);
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2022), 1'000'00);
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2023), 600'00);
}

TEST(PayTest, AfterTheClosingTheHoldIsGoneAndCpOfTheNewYearPay) {
  Given budget(Delivered(1'000'00));
  budget.And(RequestPayment(400'00).On(20221220)).And(CloseYear(2022));
  EXPECT_THAT(budget.When(Pay().On(20230105)), RefusedWith(kCpExceeded, Available(0)));
  budget.And(Allocate("coaching", 0, 400'00).On(20230102));
  EXPECT_THAT(budget.When(Pay().On(20230105)), Accepted());
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kLapsed, "coaching", 2022), 5'000'00);
}

TEST(PayTest, OnARequestOfItsOwnKind) {
  Given budget(Delivered(1'000'00));
  budget.And(RequestPayment(1)).And(RequestInterest(1, "dp-i"));
  EXPECT_THAT(budget.When(Pay("dp-i")), RefusedWith(kInvalidField, Field("payment_request_id")));
  EXPECT_THAT(budget.When(PayWithoutCommitment("dp-1")),
              RefusedWith(kInvalidField, Field("payment_request_id")));
}

// --------------------------------------------------------- Suspension, rejet, réquisition

TEST(SuspendTest, ASuspendedRequestIsNotPaidUntilItIsResumed) {
  Given budget(Delivered(100));
  budget.And(RequestPayment(100)).And(Suspend());
  EXPECT_THAT(budget.When(Pay()), RefusedWith(kPaymentSuspended));
  EXPECT_THAT(budget.When(Suspend()), RefusedWith(kPaymentSuspended));
  EXPECT_THAT(budget.When(Resume()), Accepted());
  EXPECT_THAT(budget.When(Resume()), RefusedWith(kPaymentState));
  EXPECT_THAT(budget.When(Pay()), Accepted());
}

TEST(SuspendTest, StatesItsReason) {
  Given budget(Delivered(100));
  budget.And(RequestPayment(100));
  EXPECT_THAT(budget.When(Suspend().With([](v1::Command& command) {
    command.mutable_suspend_payment()->clear_reason_reference();
  })),
              RefusedWith(kInvalidField, Field("reason_reference")));
}

TEST(RequisitionTest, OverridesASuspensionAndNothingElse) {
  Given budget(Delivered(100));
  budget.And(RequestPayment(100));
  EXPECT_THAT(budget.When(Requisition()), RefusedWith(kPaymentState));
  budget.And(Suspend());
  EXPECT_THAT(budget.When(Requisition()), Accepted());
  EXPECT_THAT(budget.When(Suspend()), RefusedWith(kPaymentState));
  EXPECT_THAT(budget.When(Reject()), RefusedWith(kPaymentState));
  EXPECT_THAT(budget.When(Pay()), Accepted());
}

TEST(RejectTest, GivesBackCpAndRest) {
  Given budget(Delivered(100));
  const std::string before = budget.Line().ShortDebugString();
  for (const char* request : {"dp-1", "dp-2"}) {
    budget.And(RequestPayment(100, request));
    if (std::string(request) == "dp-2") budget.And(Suspend(request));
    EXPECT_THAT(budget.When(Reject(request)), Accepted());
    EXPECT_EQ(budget.CpAvailable(), 5'000'00);
    EXPECT_EQ(budget.Line().ShortDebugString(), before);
    EXPECT_THAT(budget.When(Pay(request)), RefusedWith(kPaymentState));
    EXPECT_THAT(budget.When(Reject(request)), RefusedWith(kPaymentState));
  }
}

TEST(RejectTest, NotWhileAnotherRequestRestsOnIt) {
  Given budget(Delivered(1'000'00));
  budget.And(RequestAdvance(100'00, "dp-a")).And(RequestNet(500'00, 100'00, 0, "dp-1"));
  EXPECT_THAT(budget.When(Reject("dp-a")), RefusedWith(kPaymentState));
  budget.And(Reject("dp-1"));
  EXPECT_THAT(budget.When(Reject("dp-a")), Accepted());
}

TEST(RejectTest, InTheNextYearGivesTheHoldBackToItsOwn) {
  Given budget(Delivered(100));
  budget.And(RequestPayment(100)).And(Reject().On(20230110));
  EXPECT_EQ(budget.CpAvailable("coaching", 2022), 5'000'00);
  EXPECT_EQ(budget.CpAvailable("coaching", 2023), 0);
  Given closed(Delivered(100));
  closed.And(RequestPayment(100)).And(CloseYear(2022)).And(Reject().On(20230110));
  EXPECT_EQ(closed.Balance(Ledger::kCp, Account::kLapsed, "coaching", 2022), 5'000'00);
}

// -------------------------------------------------- Dépense sans engagement préalable

TEST(PayWithoutCommitmentTest, ConsumesAeAndCpOfTheYearAndTouchesNoLine) {
  Given budget(Delivered(1'000'00));
  const std::string line = budget.Line().ShortDebugString();
  budget.And(RequestInterest(40'00));
  EXPECT_EQ(budget.AeAvailable(), 4'000'00);  // AE are checked at payment
  budget.And(PayWithoutCommitment());
  EXPECT_EQ(budget.AeAvailable(), 3'960'00);
  EXPECT_EQ(budget.CpAvailable(), 4'960'00);
  EXPECT_EQ(budget.Line().ShortDebugString(), line);
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2022), 1'000'00);
}

TEST(PayWithoutCommitmentTest, ChecksBoth) {
  Given no_ae({Allocate("coaching", 39'99, 40'00), RequestInterest(40'00)});
  EXPECT_THAT(no_ae.When(PayWithoutCommitment()), RefusedWith(kAeExceeded, Available(39'99)));
  EXPECT_THAT(Given({Allocate("coaching", 40'00, 39'99)}).When(RequestInterest(40'00)),
              RefusedWith(kCpExceeded, Available(39'99)));
  Given both({Allocate(40'00), RequestInterest(40'00)});
  EXPECT_THAT(both.When(PayWithoutCommitment()), Accepted());
}

TEST(PayWithoutCommitmentTest, SaysWhyAndNamesNoLine) {
  const auto changed = [](auto change) {
    return RequestInterest(1).With(
        [&](v1::Command& command) { change(*command.mutable_request_payment()); });
  };
  Given budget(Delivered(100));
  EXPECT_THAT(budget.When(changed([](auto& request) { request.clear_nature(); })),
              RefusedWith(kInvalidField, Field("nature")));
  EXPECT_THAT(budget.When(changed([](auto& request) { request.set_commitment_id("ej-1"); })),
              RefusedWith(kInvalidField, Field("commitment_id")));
  EXPECT_THAT(budget.When(changed([](auto& request) { request.set_product_id("unheard-of"); })),
              RefusedWith(kUnknownProduct));
  EXPECT_THAT(budget.When(changed([](auto& request) { request.set_product_id("snu"); })),
              Accepted());
  // The other way round: a nature, or a product, on a commitment.
  EXPECT_THAT(budget.When(RequestPayment(1, "dp-2").With([](v1::Command& command) {
    command.mutable_request_payment()->set_nature(events::v1::EXPENSE_NATURE_OTHER);
  })),
              RefusedWith(kInvalidField, Field("nature")));
  EXPECT_THAT(budget.When(RequestPayment(1, "dp-2").With([](v1::Command& command) {
    command.mutable_request_payment()->set_product_id("snu");
  })),
              RefusedWith(kInvalidField, Field("product_id")));
}

}  // namespace
}  // namespace denier::budget
