// What the source document says, as rules; its figures; its scenarios. Numbers in test names are
// those of the document's rules and identities.
#include "tests/services/rules/budget.h"

namespace denier::budget {
namespace {

using events::v1::CREDIT_KIND_CP;

// The document's table of execution by DINUM.
constexpr std::int64_t kAe2020 = 1'495'779'00, kAe2021 = 2'009'474'32, kAe2022 = 183'072'00;
constexpr std::int64_t kCp2020 = 1'251'669'60, kCp2021 = 1'866'592'14, kCp2022 = 570'063'58;
constexpr std::int64_t kCoaching = 183'072'00, kDjepva = 2'916'347'20, kCeiling = 3'099'419'20;
constexpr std::int64_t kCarriedOver = 386'991'58;

// 2020, executed before the agreement, and 2021, with the CP of 2022's carry-over left.
std::vector<Act> UntilTheEndOf2021() {
  return {ImportOpening(2020, kAe2020, kCp2020, "ej-2020").On(20210125),
          CloseYear(2020).On(20210201).In(2020),
          RecordProgrammeCredits(700'000'000'00).On(20210202),
          Allocate("commitments", kAe2021, kCp2021 + kCarriedOver).On(20210202),
          Engage(kAe2021, "ej-2021", "commitments").On(20210301),
          // What was outstanding at the end of 2020 is paid first.
          Certify(kAe2020 - kCp2020, "ej-2020").On(20210401),
          RequestPayment(kAe2020 - kCp2020, "dp-2020", "ej-2020", "commitments").On(20210401),
          Pay("dp-2020").On(20210401), Certify(kAe2021, "ej-2021").On(20211115),
          RequestPayment(kCp2021 - (kAe2020 - kCp2020), "dp-2021", "ej-2021", "commitments")
              .On(20211201),
          Pay("dp-2021").On(20211201)};
}

// The coach under DINUM's contract, engaged and paid.
std::vector<Act> Coached() {
  return {Allocate(kCoaching), Engage(kCoaching), Certify(kCoaching), RequestPayment(kCoaching),
          Pay()};
}

Act RequestReport() { return RequestCarryover(CREDIT_KIND_CP, kCarriedOver, 2021, "commitments"); }
Act PayOldDebt(std::int64_t cents) {
  return RequestPayment(cents, "dp-old", "ej-2021", "commitments");
}

Given& Then(Given& budget, const std::vector<Act>& acts) {
  for (const Act& act : acts) budget.And(act);
  return budget;
}

// ------------------------------------------------------------------------------- Rules

TEST(SourceDocumentTest, Rule1DjepvaCarriesOutEveryActExceptOnTheFinancingMadeAvailableToDinum) {
  Given budget({Allocate(kCoaching), Allocate("djepva", kDjepva, kDjepva)});
  EXPECT_THAT(budget.When(Engage(kDjepva, "ej-d", "djepva")), Accepted());
  EXPECT_THAT(budget.When(Engage(kCoaching)), Accepted());
  EXPECT_THAT(budget.When(Engage(1, "ej-2", "djepva").By(Officer("DINUM"))),
              RefusedWith(kWrongBody, ManagedBy("DJEPVA")));
  EXPECT_THAT(budget.When(Engage(1, "ej-2", "coaching").By(Officer("DJEPVA"))),
              RefusedWith(kWrongBody, ManagedBy("DINUM")));
}

TEST(SourceDocumentTest, Rule2CoachingCpPayNoOlderCommitmentWithoutARedeployment) {
  Given budget = Given::Nothing();
  budget.And(CreateAgreement()).And(CreateEnvelope("coaching", "DINUM", {2022}));
  budget.And(CreateEnvelope("commitments", "DINUM", {2020, 2021}));
  budget.And(Allocate(kCoaching)).And(ImportOpening(2021, 100'00)).And(Certify(100'00, "ej-old"));
  EXPECT_THAT(budget.When(RequestPayment(100'00, "dp-1", "ej-old", "coaching")),
              RefusedWith(kOriginNotPayable));
  EXPECT_THAT(budget.When(RequestPayment(100'00, "dp-1", "ej-old", "commitments")),
              RefusedWith(kCpExceeded, Available(0)));
  budget.And(Transfer("coaching", "commitments", 0, 100'00));
  EXPECT_THAT(budget.When(RequestPayment(100'00, "dp-1", "ej-old", "commitments")), Accepted());
}

TEST(SourceDocumentTest, Rule3ExecutionByDinumIsTheTable) {
  Given budget(UntilTheEndOf2021());
  Then(budget, {RequestReport(), GrantCarryover(kCarriedOver), CloseYear(2021),
                MakeCarryoverAvailable(kCarriedOver), PayOldDebt(kCarriedOver), Pay("dp-old")});
  Then(budget, Coached());
  const auto dinum = [&](Ledger ledger, Account account, int year) {
    return budget.Balance(ledger, account, "coaching", year) +
           budget.Balance(ledger, account, "commitments", year);
  };
  struct Row {
    int year;
    std::int64_t ae, cp, outstanding;
  };
  const Row rows[] = {{2020, kAe2020, kCp2020, 244'109'40},
                      {2021, kAe2021, kCp2021, 386'991'58},
                      {2022, kAe2022, kCp2022, 0}};
  for (const Row& row : rows) {
    EXPECT_EQ(dinum(Ledger::kAe, Account::kEngaged, row.year), row.ae) << row.year;
    EXPECT_EQ(dinum(Ledger::kCp, Account::kPaid, row.year), row.cp) << row.year;
    EXPECT_EQ(budget.OutstandingAtTheEndOf(row.year), row.outstanding) << row.year;
  }
}

TEST(SourceDocumentTest, Rule4TheCarryOverIsPayableOnceObtained) {
  Given budget(UntilTheEndOf2021());
  Then(budget, {RequestReport(), CloseYear(2021)});
  EXPECT_THAT(budget.When(PayOldDebt(1)), RefusedWith(kCpExceeded, Available(0)));
  Then(budget, {GrantCarryover(kCarriedOver), MakeCarryoverAvailable(kCarriedOver)});
  EXPECT_THAT(budget.When(PayOldDebt(kCarriedOver)), Accepted());
}

TEST(SourceDocumentTest, Rule4RefusedTheDebtStaysDueAndDjepvasCpAreRedeployed) {
  Given budget(UntilTheEndOf2021());
  Then(budget,
       {RequestReport(), RefuseCarryover(), CloseYear(2021), Allocate("djepva", kDjepva, kDjepva)});
  Then(budget, Coached());
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2022), 386'991'58);
  EXPECT_THAT(budget.When(PayOldDebt(kCarriedOver)), RefusedWith(kCpExceeded, Available(0)));
  EXPECT_THAT(budget.When(Transfer("djepva", "commitments", 0, kCarriedOver)), Accepted());
  EXPECT_EQ(budget.CpAvailable("djepva"), 2'529'355'62);
  Then(budget, {PayOldDebt(kCarriedOver), Pay("dp-old")});
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2022), 0);
}

TEST(SourceDocumentTest, Rule4RefusedThePaymentsMaySlipTo2023) {
  Given budget(UntilTheEndOf2021());
  Then(budget, {RequestReport(), RefuseCarryover(), CloseYear(2021), CloseYear(2022),
                Allocate("commitments", 0, kCarriedOver).On(20230110)});
  Then(budget, {PayOldDebt(kCarriedOver).On(20230201), Pay("dp-old").On(20230202)});
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2022), 386'991'58);
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2023), 0);
}

TEST(SourceDocumentTest, Rule5TheCeilingBoundsTheNewCreditsOfTheYearAndAnAmendmentChangesIt) {
  Given budget({Allocate(kCoaching), Allocate("djepva", kDjepva, kDjepva)});
  EXPECT_THAT(budget.When(Allocate(1)), RefusedWith(kCeilingExceeded, Available(0)));
  EXPECT_THAT(budget.When(SetCeiling(2022, kCeiling - 1, kCeiling, "avenant-2")),
              RefusedWith(kCeilingExceeded));
  EXPECT_THAT(budget.When(SetCeiling(2022, kCeiling, kCeiling - 1, "avenant-2")),
              RefusedWith(kCeilingExceeded));
  EXPECT_THAT(budget.When(SetCeiling(2022, kCeiling + 1, kCeiling + 1, "avenant-2")), Accepted());
  EXPECT_THAT(budget.When(Allocate(2)), RefusedWith(kCeilingExceeded, Available(1)));
  EXPECT_THAT(budget.When(Allocate(1)), Accepted());
}

TEST(SourceDocumentTest, Rule6AnAmendmentRenewsTheAgreementFromItsSignature) {
  Given budget({Allocate(100).On(20230110)});
  EXPECT_THAT(budget.When(Engage(1).On(20230301)), RefusedWith(kMandateExpired));
  EXPECT_THAT(budget.When(Renew(20230301, 20240229).On(20230301)),
              AcceptedRemarking(events::v1::WARNING_TERM_LEAVES_GAP));
  EXPECT_THAT(budget.When(Engage(1).On(20230228)), RefusedWith(kMandateExpired));
  EXPECT_THAT(budget.When(Engage(1).On(20230301)), Accepted());
  EXPECT_THAT(budget.When(Renew(20240301, 20250228).On(20230302)), RefusedWith(kIdentifierTaken));
}

TEST(SourceDocumentTest, Rule6ATermIsOfItsActAndEndsAfterItBegins) {
  EXPECT_THAT(Given().When(Renew(20230301, 20230228)),
              RefusedWith(kInvalidField, Field("term.valid_until")));
  EXPECT_THAT(Given().When(Renew(20230301, 20230301)), Accepted());
  EXPECT_THAT(Given().When(Renew(20230301, 20240228).With([](v1::Command& command) {
    command.mutable_amend_agreement()->mutable_term()->set_act_id("another");
  })),
              RefusedWith(kInvalidField, Field("term.act_id")));
}

TEST(SourceDocumentTest, Rule7TheProductsAre80CentsMoreThanTheCeilingWhichIsARemark) {
  const auto remark = AcceptedRemarking(events::v1::WARNING_PRODUCTS_DIFFER_FROM_CEILING);
  EXPECT_THAT(Given::Nothing().When(CreateAgreement()), remark);
  EXPECT_THAT(Given::Nothing().When(CreateAgreement().With([](v1::Command& command) {
    auto& ceiling = *command.mutable_create_agreement()->mutable_ceilings(1);
    ceiling.set_ae_cents(ceiling.ae_cents() + 80);
  })),
              testing::AllOf(Accepted(), testing::Not(remark)));
  // Nothing absorbs it: the books keep the estimates as they are.
  const Given budget;
  std::int64_t products = 0;
  for (const auto& product : budget.agreement().products()) products += product.budget_cents();
  EXPECT_EQ(products - kCeiling, 80);
}

TEST(SourceDocumentTest, Rule7AProductStandsOncePerYear) {
  EXPECT_THAT(Given::Nothing().When(CreateAgreement().With([](v1::Command& command) {
    auto& products = *command.mutable_create_agreement()->mutable_products();
    *products.Add() = products.Get(0);
  })),
              RefusedWith(kInvalidField, Field("products")));
  EXPECT_THAT(Given::Nothing().When(CreateAgreement().With([](v1::Command& command) {
    auto& ceilings = *command.mutable_create_agreement()->mutable_ceilings();
    *ceilings.Add() = ceilings.Get(0);
  })),
              RefusedWith(kInvalidField, Field("ceilings")));
}

TEST(SourceDocumentTest, Rule8PlannedAndActualAreKeptApart) {
  Given budget({ImportPlan(kAe2022, kCp2022)});
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kEngaged), 0);
  Then(budget, Coached());
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kEngaged), kAe2022);
  EXPECT_EQ(budget.books()
                .BalancesOf(kAgreement, "coaching", 2022)
                .total(Ledger::kCp, Account::kPaid, projections::Basis::kPlanned),
            kCp2022);
}

// ----------------------------------------------------------------- The agreement itself

TEST(AgreementTest, IsWrittenLimitedInTimeAndPublished) {
  Given budget;
  EXPECT_EQ(budget.agreement().acts(0).published_date(), 0);
  EXPECT_THAT(budget.When(RecordPublication("avenant-9")), RefusedWith(kUnknownAct));
  EXPECT_THAT(budget.When(RecordPublication()), Accepted());
  EXPECT_EQ(budget.agreement().acts(0).published_date(), 20210201);
  EXPECT_THAT(Given::Nothing().When(CreateAgreement().With(
                  [](v1::Command& command) { command.mutable_create_agreement()->clear_term(); })),
              RefusedWith(kInvalidField, Field("term")));
}

TEST(AgreementTest, IsBetweenTwoBodiesAndEnteredOnce) {
  EXPECT_THAT(Given().When(CreateAgreement()), RefusedWith(kIdentifierTaken));
  EXPECT_THAT(Given::Nothing().When(CreateAgreement().With([](v1::Command& command) {
    command.mutable_create_agreement()->mutable_managing_body()->set_body_id("DJEPVA");
  })),
              RefusedWith(kInvalidField, Field("managing_body.body_id")));
}

TEST(AgreementTest, AnEnvelopeIsManagedByOneOfTheTwo) {
  EXPECT_THAT(Given().When(CreateEnvelope("new", "DGFIP")),
              RefusedWith(kInvalidField, Field("managing_body_id")));
  EXPECT_THAT(Given().When(CreateEnvelope("coaching")), RefusedWith(kIdentifierTaken));
  EXPECT_THAT(Given().When(UpdateEnvelope("nowhere", {}, {})), RefusedWith(kUnknownEnvelope));
  EXPECT_THAT(Given().When(CreateEnvelope("new", "DJEPVA")), Accepted());
}

TEST(AgreementTest, AProgrammesCreditsMayBeEnteredAfterTheirYear) {
  EXPECT_THAT(Given({CloseYear(2021)}).When(RecordProgrammeCredits(1).On(20220201).In(2021)),
              Accepted());
  EXPECT_THAT(Given().When(RecordProgrammeCredits(1).On(20220201).In(2023)),
              RefusedWith(kWrongYear));
}

// -------------------------------------------------------------------------- Identities

TEST(IdentityTest, AeAndCpOfTheTableAddUpAlike) {
  EXPECT_EQ(kAe2020 + kAe2021 + kAe2022, 3'688'325'32);
  EXPECT_EQ(kCp2020 + kCp2021 + kCp2022, 3'688'325'32);
}

TEST(IdentityTest, Identity2WhatStaysWithDjepva) {
  Given budget({Allocate("djepva", kCeiling, kCeiling), Deallocate("djepva", kCoaching, kCoaching),
                Allocate(kCoaching)});
  EXPECT_EQ(budget.AeAvailable("djepva"), 2'916'347'20);
  EXPECT_EQ(budget.CpAvailable("djepva"), 2'916'347'20);
}

TEST(IdentityTest, Identity6CpOfBothBodiesIn2022) {
  Given budget(UntilTheEndOf2021());
  Then(budget, {RequestReport(), GrantCarryover(kCarriedOver), CloseYear(2021),
                MakeCarryoverAvailable(kCarriedOver), Allocate("djepva", kDjepva, kDjepva),
                Allocate(kCoaching)});
  EXPECT_EQ(budget.Total(Ledger::kCp, Account::kAvailable, 2022), 3'486'410'78);
  EXPECT_EQ(3'486'410'78, kCeiling + kCarriedOver);
}

// opened - consumed = carried over + lapsed, per envelope, year and kind.
TEST(IdentityTest, Identity8WhatWasOpenedIsConsumedCarriedOverOrLapsed) {
  Given budget(UntilTheEndOf2021());
  Then(budget, {RequestReport(), GrantCarryover(200'000'00), MakeCarryoverAvailable(200'000'00),
                CloseYear(2021)});
  Then(budget, Coached());
  Then(budget, {Reinstate(72'00), CloseYear(2022)});
  for (const char* envelope : {"coaching", "commitments"}) {
    for (int year : {2021, 2022}) {
      for (Ledger ledger : {Ledger::kAe, Ledger::kCp}) {
        const auto balance = [&](Account account) {
          return budget.Balance(ledger, account, envelope, year);
        };
        const std::int64_t opened = -balance(Account::kSource) - balance(Account::kCarriedIn);
        const std::int64_t consumed =
            balance(ledger == Ledger::kAe ? Account::kEngaged : Account::kPaid);
        EXPECT_EQ(opened - consumed, balance(Account::kCarriedOut) + balance(Account::kLapsed))
            << envelope << " " << year << " " << Name(ledger);
      }
    }
  }
}

TEST(IdentityTest, Identity8OutstandingRollsFromYearToYear) {
  Given budget({ImportOpening(2021, 1'000'00, 400'00), Allocate("commitments", 500'00, 500'00),
                Engage(300'00, "ej-1", "commitments")});
  Then(budget, {CorrectOpening(-50'00), Certify(200'00, "ej-old"), Withdraw(100'00, "ej-old"),
                RequestPayment(200'00, "dp-1", "ej-old", "commitments"), Pay(), Withdraw(20'00)});
  // 600 + (-50) + 300 - 200 - 120
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2021), 600'00);
  EXPECT_EQ(budget.OutstandingAtTheEndOf(2022), 530'00);
}

// --------------------------------------------------------------------------- Scenarios

TEST(ScenarioTest, DinumEngagesTheCoachingEnvelopeToTheCent) {
  EXPECT_THAT(Given({Allocate(183'072'00)}).When(Engage(183'072'00)), Accepted());
  EXPECT_THAT(Given({Allocate(183'072'00)}).When(Engage(183'072'01)),
              RefusedWith(kAeExceeded, Available(183'072'00)));
}

TEST(ScenarioTest, ThePaymentsOnCommitmentsOf2021WaitForTheCarryOver) {
  Given budget(UntilTheEndOf2021());
  Then(budget, {RequestReport(), CloseYear(2021), GrantCarryover(kCarriedOver)});
  EXPECT_THAT(budget.When(PayOldDebt(1)), RefusedWith(kCpExceeded, Available(0)));
  budget.And(MakeCarryoverAvailable(kCarriedOver));
  EXPECT_THAT(budget.When(PayOldDebt(386'991'59)), RefusedWith(kRestExceeded, Rest(386'991'58)));
  Then(budget, {PayOldDebt(386'991'58), Pay("dp-old")});
  EXPECT_THAT(budget.When(RequestInterest(1).With([](v1::Command& command) {
    command.mutable_request_payment()->set_paying_envelope_id("commitments");
  })),
              RefusedWith(kCpExceeded, Available(0)));
}

TEST(ScenarioTest, AWithdrawalIn2022OnALineOf2021LeavesTheAeOf2022) {
  Given budget(UntilTheEndOf2021());
  Then(budget, {Allocate("commitments", 100'00, 0),
                ImportOpening(2021, 500'00, 0, "ej-other").On(20220110)});
  budget.And(Withdraw(300'00, "ej-other"));
  EXPECT_EQ(budget.AeAvailable("commitments"), 100'00);
  EXPECT_EQ(budget.Line("ej-other").outstanding_cents(), 200'00);
}

TEST(ScenarioTest, NeitherBodyActsOnTheOthersCredits) {
  Given budget({Allocate(kCoaching), Allocate("djepva", kDjepva, kDjepva)});
  const std::size_t events = budget.log().size();
  EXPECT_THAT(budget.When(Engage(kDjepva, "ej-1", "djepva").By(Officer("DINUM"))),
              RefusedWith(kWrongBody));
  EXPECT_THAT(budget.When(Engage(kCoaching).By(Officer("DJEPVA"))), RefusedWith(kWrongBody));
  EXPECT_EQ(budget.log().size(), events);
}

TEST(ScenarioTest, APaymentIsNotPaidByTheOfficerWhoRequestedIt) {
  Principal both = Officer();
  both.add_roles(events::v1::ROLE_ACCOUNTANT);
  Given budget({UpdateEnvelope("coaching", {"acc-1", "ao-dinum"}, {2022}), Allocate(100),
                Engage(100), Certify(100), RequestPayment(100)});
  EXPECT_THAT(budget.When(Pay().By(both)), RefusedWith(kSamePerson));
  EXPECT_THAT(budget.When(Pay()), Accepted());
}

TEST(ScenarioTest, APaymentBeforeServiceFaitIsRefusedAsAnAdvanceAccepted) {
  Given budget({Allocate(100), Engage(100)});
  EXPECT_THAT(budget.When(RequestPayment(50)), RefusedWith(kServiceNotCertified));
  EXPECT_THAT(budget.When(RequestAdvance(50)), Accepted());
}

TEST(ScenarioTest, AfterTheMandatesEndOnlyOldCommitmentsArePaid) {
  Given budget({Allocate(100), Engage(100), Certify(100), Allocate(100).On(20230110)});
  EXPECT_THAT(budget.When(Engage(1, "ej-2").On(20230115)), RefusedWith(kMandateExpired));
  Then(budget, {RequestPayment(100).On(20230115)});
  EXPECT_THAT(budget.When(Pay().On(20230115)), Accepted());
}

// ------------------------------------------------------------------ Beyond 64 bits of cents

TEST(OverflowTest, ABalanceThatWouldPass64BitsIsRefused) {
  Given budget({Allocate(100)});
  // No command moves so much: the event is as a log of centuries would have made it.
  Event event = budget.log().back();
  event.mutable_credits_allocated()->set_ae_cents(0);
  event.mutable_credits_allocated()->set_cp_cents((std::int64_t{1} << 62) + 1);
  projections::Books books;
  store::Position position = 0;
  for (const Event& before : budget.log()) ASSERT_TRUE(books.Fold(before, position++).ok());
  ASSERT_TRUE(books.Fold(event, position).ok());
  Act freeze = Freeze("coaching", 0, 1);
  freeze.header().set_request_id("request-1");
  EXPECT_THAT(rules::Decide(books, freeze.by, freeze.command, nullptr),
              RefusedWith(kAmountOverflow));
  freeze = Freeze("coaching", 1, 0);
  freeze.header().set_request_id("request-1");
  EXPECT_THAT(rules::Decide(books, freeze.by, freeze.command, nullptr), Accepted());
}

}  // namespace
}  // namespace denier::budget
