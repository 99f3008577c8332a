// Credits opened, taken back, frozen, cancelled, moved; what engages and what pays.
#include "tests/services/rules/budget.h"

namespace denier::budget {
namespace {

constexpr std::int64_t kMost = 10'000'000'000'000;  // the bound of one amount, in cents

// ------------------------------------------------------------------- Mise à disposition

TEST(AllocateTest, OpensAeAndCpApart) {
  Given budget({Allocate("coaching", 100, 70)});
  EXPECT_EQ(budget.AeAvailable(), 100);
  EXPECT_EQ(budget.CpAvailable(), 70);
}

TEST(AllocateTest, StaysBelowTheCeilingOverAllEnvelopesPerKind) {
  struct Row {
    const char* what;
    std::int64_t ae_cents, cp_cents;
    testing::Matcher<const Decision&> verdict;
  };
  // 183,072.00 are DINUM's; the ceiling of 3,099,419.20 leaves 2,916,347.20.
  const Row rows[] = {
      {"exact fit     ", 2'916'347'20, 2'916'347'20, Accepted()},
      {"AE, a cent over", 2'916'347'21, 1, RefusedWith(kCeilingExceeded, Available(2'916'347'20))},
      {"CP, a cent over", 1, 2'916'347'21, RefusedWith(kCeilingExceeded, Available(2'916'347'20))},
      {"AE alone      ", 2'916'347'20, 0, Accepted()},
      {"nothing       ", 0, 0, RefusedWith(kInvalidField, Field("ae_cents"))},
      {"negative AE   ", -1, 1, RefusedWith(kInvalidField, Field("ae_cents"))},
      {"negative CP   ", 1, -1, RefusedWith(kInvalidField, Field("cp_cents"))},
      {"beyond bounds ", kMost + 1, 0, RefusedWith(kInvalidField, Field("ae_cents"))},
      {"at the bound  ", kMost, 0, RefusedWith(kCeilingExceeded)},
  };
  for (const Row& row : rows) {
    EXPECT_THAT(Given({Allocate(183'072'00)}).When(Allocate("djepva", row.ae_cents, row.cp_cents)),
                row.verdict)
        << row.what;
  }
}

TEST(AllocateTest, NeedsACeilingForTheYear) {
  EXPECT_THAT(Given().When(Allocate(1).On(20250601)), RefusedWith(kCeilingMissing));
}

TEST(AllocateTest, KnowsItsEnvelope) {
  EXPECT_THAT(Given().When(Allocate("nowhere", 1, 1)), RefusedWith(kUnknownEnvelope));
}

TEST(AllocateTest, CreditsTakenBackMayBeOpenedElsewhere) {
  EXPECT_THAT(Given({Allocate("djepva", 3'099'419'20, 3'099'419'20),
                     Deallocate("djepva", 183'072'00, 183'072'00)})
                  .When(Allocate(183'072'00)),
              Accepted());
}

// ------------------------------------------------------- Reprise, réserve, annulation

TEST(DeallocateTest, TakesWhatIsAvailableAndNoMore) {
  Given budget({Allocate(100), Engage(40)});
  EXPECT_THAT(budget.When(Deallocate("coaching", 61, 0)), RefusedWith(kAeExceeded, Available(60)));
  EXPECT_THAT(budget.When(Deallocate("coaching", 0, 101)),
              RefusedWith(kCpExceeded, Available(100)));
  EXPECT_THAT(budget.When(Deallocate("coaching", 60, 100)), Accepted());
  EXPECT_EQ(budget.AeAvailable(), 0);
}

TEST(FreezeTest, FrozenCreditsMayNotBeConsumed) {
  Given budget({Allocate(100), Freeze("coaching", 30, 20)});
  EXPECT_THAT(budget.When(Engage(71)), RefusedWith(kAeExceeded, Available(70)));
  EXPECT_THAT(budget.When(RequestInterest(81)), RefusedWith(kCpExceeded, Available(80)));
  EXPECT_THAT(budget.When(Freeze("coaching", 71, 0)), RefusedWith(kAeExceeded, Available(70)));
  EXPECT_THAT(budget.When(Engage(70)), Accepted());
}

TEST(ReleaseTest, FrozenCreditsAreAvailableAgain) {
  Given budget({Allocate(100), Freeze("coaching", 30, 20)});
  EXPECT_THAT(budget.When(Release("coaching", 31, 0)), RefusedWith(kFrozenExceeded, Available(30)));
  EXPECT_THAT(budget.When(Release("coaching", 0, 21)), RefusedWith(kFrozenExceeded, Available(20)));
  EXPECT_THAT(budget.When(Release("coaching", 30, 20)), Accepted());
  EXPECT_THAT(budget.When(Engage(100)), Accepted());
}

TEST(CancelTest, TakesFromFrozenFirstThenFromAvailableNeverFromConsumedOrHeld) {
  Given budget({Allocate(100), Freeze("coaching", 30, 20), Engage(50), RequestInterest(45)});
  // 20 AE and 35 CP available, 30 and 20 frozen.
  EXPECT_THAT(budget.When(Cancel("coaching", 51, 0)), RefusedWith(kAeExceeded, Available(20)));
  EXPECT_THAT(budget.When(Cancel("coaching", 0, 56)), RefusedWith(kCpExceeded, Available(35)));
  EXPECT_THAT(budget.When(Cancel("coaching", 35, 15)), Accepted());
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kFrozen), 0);
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kFrozen), 5);
  EXPECT_EQ(budget.AeAvailable(), 15);
  EXPECT_EQ(budget.CpAvailable(), 35);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kEngaged), 50);
  EXPECT_EQ(budget.Balance(Ledger::kCp, Account::kHeld), 45);
}

TEST(CancelTest, CitesItsDecree) {
  EXPECT_THAT(Given({Allocate(1)}).When(Cancel("coaching", 1, 0).With([](v1::Command& command) {
    command.mutable_cancel()->clear_decree_reference();
  })),
              RefusedWith(kInvalidField, Field("decree_reference")));
}

TEST(TransferTest, RedeploysBetweenEnvelopesOfTheAgreement) {
  Given budget({Allocate("djepva", 100, 100)});
  EXPECT_THAT(budget.When(Transfer("djepva", "coaching", 101, 0)),
              RefusedWith(kAeExceeded, Available(100)));
  EXPECT_THAT(budget.When(Transfer("djepva", "coaching", 0, 101)),
              RefusedWith(kCpExceeded, Available(100)));
  EXPECT_THAT(budget.When(Transfer("djepva", "djepva", 1, 1)),
              RefusedWith(kInvalidField, Field("to_envelope_id")));
  EXPECT_THAT(budget.When(Transfer("djepva", "nowhere", 1, 1)), RefusedWith(kUnknownEnvelope));
  EXPECT_THAT(budget.When(Transfer("djepva", "coaching", 30, 100)), Accepted());
  EXPECT_EQ(budget.AeAvailable("djepva"), 70);
  EXPECT_EQ(budget.CpAvailable("djepva"), 0);
  EXPECT_EQ(budget.AeAvailable(), 30);
  EXPECT_EQ(budget.CpAvailable(), 100);
}

TEST(TransferTest, DoesNotUseTheCeiling) {
  Given budget({Allocate("djepva", 3'099'419'20, 3'099'419'20)});
  EXPECT_THAT(budget.When(Transfer("djepva", "coaching", 1, 1)), Accepted());
  EXPECT_THAT(budget.When(Allocate(1)), RefusedWith(kCeilingExceeded, Available(0)));
}

// --------------------------------------------------------------- AE and CP, two ledgers

TEST(EngageTest, FitsTheEnvelopeToTheCent) {
  struct Row {
    const char* what;
    Act engage;
    testing::Matcher<const Decision&> verdict;
  };
  const Row rows[] = {
      {"exact fit      ", Engage(183'072'00), Accepted()},
      {"one cent over  ", Engage(183'072'01), RefusedWith(kAeExceeded, Available(183'072'00))},
      {"zero           ", Engage(0), RefusedWith(kInvalidField, Field("lines[0].amount_cents"))},
      {"negative       ", Engage(-1), RefusedWith(kInvalidField, Field("lines[0].amount_cents"))},
      {"at the bound   ", Engage(kMost), RefusedWith(kAeExceeded)},
      {"beyond bounds  ", Engage(kMost + 1),
       RefusedWith(kInvalidField, Field("lines[0].amount_cents"))},
      {"year before    ", Engage(1).In(2021), RefusedWith(kWrongYear)},
      {"year after     ", Engage(1).In(2023), RefusedWith(kEarlyCommitment)},
      {"two years after", Engage(1).In(2024), RefusedWith(kWrongYear)},
  };
  for (const Row& row : rows) {
    EXPECT_THAT(Given({Allocate(183'072'00)}).When(row.engage), row.verdict) << row.what;
  }
  EXPECT_THAT(Given({Allocate(183'072'00), CloseYear(2022)}).When(Engage(1).On(20221231)),
              RefusedWith(kYearClosed));
}

TEST(EngageTest, ChecksAeAloneAndReservesNoCp) {
  Given budget({Allocate("coaching", 100, 0)});
  EXPECT_THAT(budget.When(Engage(100)), Accepted());
  EXPECT_EQ(budget.CpAvailable(), 0);
  Given paying({Allocate("coaching", 100, 100), Engage(100)});
  EXPECT_EQ(paying.CpAvailable(), 100);
}

TEST(EngageTest, AScheduleThatCpCannotBearIsARemark) {
  const auto scheduled = [](std::int64_t cents, int year) {
    return Engage(100).With([&](v1::Command& command) {
      auto& payment = *command.mutable_engage()->mutable_lines(0)->add_schedule();
      payment.set_fiscal_year(year);
      payment.set_amount_cents(cents);
    });
  };
  const Act credits = Allocate("coaching", 100, 50);
  const auto remark = AcceptedRemarking(events::v1::WARNING_SCHEDULE_EXCEEDS_CP);
  EXPECT_THAT(Given({credits}).When(scheduled(51, 2022)), remark);
  EXPECT_THAT(Given({credits}).When(scheduled(50, 2022)), testing::Not(remark));
  EXPECT_THAT(Given({credits}).When(scheduled(100, 2023)), testing::Not(remark));
  EXPECT_THAT(Given({credits}).When(scheduled(101, 2022)),
              RefusedWith(kInvalidField, Field("lines.schedule")));
  EXPECT_THAT(Given({credits}).When(scheduled(1, 2021)),
              RefusedWith(kInvalidField, Field("lines.schedule")));
}

TEST(EngageTest, AnIncreaseIsANewLineAndConsumesAeOfItsYear) {
  Given budget({Allocate(100), Allocate(50).On(20230201), Renew(20230101, 20231231), Engage(100)});
  EXPECT_THAT(budget.When(Engage(51, "ej-1", "coaching", "2").On(20230301)),
              RefusedWith(kAeExceeded, Available(50)));
  EXPECT_THAT(budget.When(Engage(50, "ej-1", "coaching", "2").On(20230301)), Accepted());
  EXPECT_EQ(budget.Line("ej-1", "2").origin_year(), 2023);
  EXPECT_EQ(budget.AeAvailable("coaching", 2023), 0);
  EXPECT_EQ(budget.Line("ej-1", "1").engaged_cents(), 100);
}

TEST(EngageTest, ALineIsEnteredOnce) {
  Given budget({Allocate(100), Engage(10)});
  EXPECT_THAT(budget.When(Engage(10)), RefusedWith(kIdentifierTaken));
  EXPECT_THAT(budget.When(Engage(10, "ej-2").With([](v1::Command& command) {
    *command.mutable_engage()->add_lines() = command.engage().lines(0);
  })),
              RefusedWith(kIdentifierTaken));
}

TEST(EngageTest, TheSumOfTheLinesFits) {
  const auto lines = [](std::int64_t first, std::int64_t second) {
    return Engage(first).With([&](v1::Command& command) {
      auto& line = *command.mutable_engage()->add_lines();
      line.set_line_id("2");
      line.set_amount_cents(second);
    });
  };
  EXPECT_THAT(Given({Allocate(100)}).When(lines(60, 41)), RefusedWith(kAeExceeded, Available(100)));
  EXPECT_THAT(Given({Allocate(100)}).When(lines(60, 40)), Accepted());
}

TEST(EngageTest, AnOrderUnderAFrameworkContractIsItsOwnCommitment) {
  const auto order = [](std::string commitment_id) {
    return Engage(50, std::move(commitment_id)).With([](v1::Command& command) {
      command.mutable_engage()->mutable_references()->set_framework_contract("contract-1");
    });
  };
  Given budget({Allocate(100), order("order-1")});
  EXPECT_THAT(budget.When(order("order-2")), Accepted());
  // References go with a new commitment only.
  EXPECT_THAT(budget.When(order("order-1").With([](v1::Command& command) {
    command.mutable_engage()->mutable_lines(0)->set_line_id("2");
  })),
              RefusedWith(kInvalidField, Field("references")));
}

TEST(EngageTest, KnowsItsProduct) {
  const auto serving = [](std::string product_id) {
    return Engage(1).With([&](v1::Command& command) {
      command.mutable_engage()->mutable_lines(0)->set_product_id(product_id);
    });
  };
  EXPECT_THAT(Given({Allocate(1)}).When(serving("snu")), Accepted());
  EXPECT_THAT(Given({Allocate(1)}).When(serving("unheard-of")), RefusedWith(kUnknownProduct));
}

// ---------------------------------------------------------------- Retrait d'engagement

TEST(WithdrawTest, OnALineOfTheYearFreesItsAe) {
  Given budget({Allocate(100), Engage(100)});
  EXPECT_THAT(budget.When(Withdraw(101)), RefusedWith(kRestExceeded, Rest(100)));
  EXPECT_THAT(budget.When(Withdraw(40)), Accepted());
  EXPECT_EQ(budget.AeAvailable(), 40);
  EXPECT_EQ(budget.Line().outstanding_cents(), 60);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kUnavailable), 0);
}

TEST(WithdrawTest, OnAnOlderLineLeavesTheAvailableAeAndLowersTheRest) {
  Given budget({ImportOpening(2021, 386'991'58), Allocate("commitments", 500, 0)});
  EXPECT_THAT(budget.When(Withdraw(86'991'58, "ej-old")), Accepted());
  EXPECT_EQ(budget.AeAvailable("commitments"), 500);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kUnavailable, "commitments"), 86'991'58);
  EXPECT_EQ(budget.Line("ej-old").outstanding_cents(), 300'000'00);
}

TEST(WithdrawTest, ARecyclingBasisIsUsedUpAndTheExcessStaysUnavailable) {
  Given budget({ImportOpening(2021, 1000), RecordRecyclingBasis(100)});
  budget.And(Withdraw(60, "ej-old"));
  EXPECT_EQ(budget.AeAvailable("commitments"), 60);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kUnavailable, "commitments"), 0);
  budget.And(Withdraw(60, "ej-old"));
  EXPECT_EQ(budget.AeAvailable("commitments"), 100);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kUnavailable, "commitments"), 20);
  budget.And(RecordRecyclingBasis(5)).And(Withdraw(6, "ej-old"));
  EXPECT_EQ(budget.AeAvailable("commitments"), 105);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kUnavailable, "commitments"), 21);
  EXPECT_EQ(budget.Line("ej-old").outstanding_cents(), 1000 - 126);
}

TEST(WithdrawTest, TheBasisIsOfItsYear) {
  Given budget({ImportOpening(2021, 1000), RecordRecyclingBasis(100).On(20230601)});
  budget.And(Withdraw(60, "ej-old"));
  EXPECT_EQ(budget.AeAvailable("commitments"), 0);
}

TEST(WithdrawTest, TakesNeitherWhatWasDeliveredNorWhatIsBeingPaid) {
  Given budget({Allocate(100), Engage(100), Certify(40)});
  EXPECT_THAT(budget.When(Withdraw(61)), RefusedWith(kRestExceeded, Rest(60)));
  budget.And(RequestAdvance(50));
  EXPECT_THAT(budget.When(Withdraw(51)), RefusedWith(kRestExceeded, Rest(50)));
  EXPECT_THAT(budget.When(Withdraw(50)), Accepted());
  EXPECT_THAT(budget.When(Withdraw(1)), RefusedWith(kRestExceeded, Rest(0)));
}

TEST(WithdrawTest, PartByPart) {
  Given budget({Allocate(100), Engage(100)});
  for (int i = 0; i < 4; ++i) budget.And(Withdraw(25));
  EXPECT_EQ(budget.Line().outstanding_cents(), 0);
  EXPECT_EQ(budget.AeAvailable(), 100);
}

TEST(WithdrawTest, OfAnImportedLineFreesNoAeOfOursNotEvenInItsOwnYear) {
  Given budget({ImportOpening(2021, 1000).On(20220110)});
  EXPECT_THAT(budget.When(Withdraw(400, "ej-old").On(20220115).In(2021)), Accepted());
  EXPECT_EQ(budget.AeAvailable("commitments", 2021), 0);
  EXPECT_EQ(budget.Balance(Ledger::kAe, Account::kUnavailable, "commitments", 2021), 400);
}

TEST(WithdrawTest, KnowsItsLine) {
  Given budget({Allocate(1), Engage(1)});
  EXPECT_THAT(budget.When(Withdraw(1, "nothing")), RefusedWith(kUnknownCommitment));
  EXPECT_THAT(budget.When(Withdraw(1, "ej-1", "9")), RefusedWith(kUnknownLine));
}

}  // namespace
}  // namespace denier::budget
