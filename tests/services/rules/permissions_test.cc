// Who may do what: every command, role by role, body by body.
#include "tests/services/rules/budget.h"

namespace denier::budget {
namespace {

using v1::Command;

// The line "ej-1" is paid by "dp-paid", and asked to pay "dp-1"; "dp-interest" waits.
Given Books() {
  return Given({Allocate(1000), ImportOpening(2021, 100), Engage(100), Certify(100),
                RequestPayment(10, "dp-paid"), Pay("dp-paid"), RequestPayment(10),
                RequestInterest(10, "dp-interest")});
}

struct Row {
  Act act;
  const char* role;  // pm: programme manager, ao: authorising officer, acc: accountant
  const char* body;  // delegating; managing; any: whatever the body, if assigned
};

// The table of the profession, written here a second time. Each command stands once.
std::vector<Row> Table() {
  const auto carryover = RequestCarryover(events::v1::CREDIT_KIND_CP, 1, 2022);
  return {
      {CreateAgreement(), "pm", "delegating"},
      {Amend(), "pm", "delegating"},
      {RecordPublication(), "pm", "delegating"},
      {TakeOver(), "pm", "delegating"},
      {CreateEnvelope("new"), "pm", "delegating"},
      {UpdateEnvelope("coaching", {}, {}), "pm", "delegating"},
      {RecordProgrammeCredits(1), "pm", "delegating"},
      {RecordRecyclingBasis(1), "pm", "delegating"},
      {Allocate(1), "pm", "delegating"},
      {Deallocate("coaching", 1, 1), "pm", "delegating"},
      {Freeze("coaching", 1, 1), "pm", "delegating"},
      {Release("coaching", 1, 1), "pm", "delegating"},
      {Cancel("coaching", 1, 1), "pm", "delegating"},
      {Transfer("coaching", "djepva", 1, 1), "pm", "delegating"},
      {ImportOpening(2021, 1, 0, "ej-new"), "pm", "delegating"},
      {CorrectOpening(1), "pm", "delegating"},
      {ImportPlan(1, 1), "pm", "delegating"},
      {GrantCarryover(1), "pm", "delegating"},
      {RefuseCarryover(), "pm", "delegating"},
      {MakeCarryoverAvailable(1), "pm", "delegating"},
      {CloseYear(2022), "pm", "delegating"},
      {ReopenYear(2022), "pm", "delegating"},
      {carryover, "ao", "managing"},
      {Engage(1, "ej-2"), "ao", "managing"},
      {Withdraw(1), "ao", "managing"},
      {Certify(1), "ao", "managing"},
      {RequestPayment(1, "dp-2"), "ao", "managing"},
      {Requisition(), "ao", "managing"},
      {ReimputeLine("commitments"), "ao", "managing"},
      {Pay(), "acc", "any"},
      {PayWithoutCommitment("dp-interest"), "acc", "any"},
      {Suspend(), "acc", "any"},
      {Resume(), "acc", "any"},
      {Reject(), "acc", "any"},
      {Reinstate(1, "dp-paid"), "acc", "any"},
      // Of what an officer made; of the others: ReverseTest below.
      {Reverse(6), "ao", "managing"},
  };
}

v1::ErrorReason VerdictOf(const Given& budget, const Act& act) {
  const Event* original = nullptr;
  if (act.command.has_reverse())
    original = &budget.log()[act.command.reverse().reversed_position()];
  const auto refusal = rules::Authorise(budget.books(), act.by, act.command, original);
  return refusal.has_value() ? refusal->reason : v1::ERROR_REASON_UNSPECIFIED;
}

TEST(PermissionsTest, EveryCommandForEveryRoleOfEveryBody) {
  const Given budget = Books();
  ASSERT_TRUE(budget.log()[6].has_service_certified() || budget.log()[6].has_engaged());
  struct Role {
    const char* name;
    events::v1::Role role;
  };
  const Role roles[] = {{"pm", events::v1::ROLE_PROGRAMME_MANAGER},
                        {"ao", events::v1::ROLE_AUTHORISING_OFFICER},
                        {"acc", events::v1::ROLE_ACCOUNTANT},
                        {"auditor", events::v1::ROLE_AUDITOR},
                        {"operator", events::v1::ROLE_OPERATOR}};
  struct Body {
    const char* name;
    const char* id;
  };
  const Body bodies[] = {{"delegating", "DJEPVA"}, {"managing", "DINUM"}, {"foreign", "DGFIP"}};

  std::set<int> walked;
  for (const Row& row : Table()) {
    EXPECT_TRUE(walked.insert(row.act.command.command_case()).second) << "stands twice";
    for (const Role& role : roles) {
      for (const Body& body : bodies) {
        for (const char* assigned : {"acc-1", "stranger"}) {
          v1::ErrorReason expected = v1::ERROR_REASON_UNSPECIFIED;
          if (std::string_view(row.role) != role.name) {
            expected = kWrongRole;
          } else if (std::string_view(row.body) == "any") {
            if (std::string_view(assigned) == "stranger") expected = kNotAssigned;
          } else if (std::string_view(row.body) != body.name) {
            expected = kWrongBody;
          }
          EXPECT_EQ(VerdictOf(budget, row.act.By(Who(assigned, body.id, role.role))), expected)
              << v1::Command::descriptor()
                     ->FindFieldByNumber(row.act.command.command_case())
                     ->name()
              << " by " << role.name << " of " << body.name << ", " << assigned;
        }
      }
    }
  }
  EXPECT_EQ(walked.size(), static_cast<std::size_t>(Command::descriptor()->field_count()));
  EXPECT_EQ(walked.size(), 36U);
}

TEST(PermissionsTest, WithoutARoleNobodyDoesAnything) {
  const Given budget = Books();
  for (const Row& row : Table()) {
    Principal nobody = row.act.by;
    nobody.clear_roles();
    EXPECT_EQ(VerdictOf(budget, row.act.By(nobody)), kWrongRole)
        << row.act.command.ShortDebugString();
  }
}

TEST(PermissionsTest, ARefusalSaysWhichBodyManagesTheEnvelope) {
  Given budget({Allocate(183'072'00), Allocate("djepva", 100, 100)});
  EXPECT_THAT(budget.When(Engage(1).By(Officer("DJEPVA"))),
              RefusedWith(kWrongBody, ManagedBy("DINUM")));
  EXPECT_THAT(budget.When(Engage(1, "ej-1", "djepva").By(Officer("DINUM"))),
              RefusedWith(kWrongBody, ManagedBy("DJEPVA")));
  EXPECT_EQ(budget.log().size(), 6U);  // nothing recorded in the books
}

TEST(PermissionsTest, AnOfficerNamesNoLineOfTheOtherBody) {
  Given budget({Allocate(100), Allocate("djepva", 100, 100), Engage(100), Certify(100),
                Engage(50, "ej-djepva", "djepva")});
  const Principal djepva = Officer("DJEPVA");
  const auto dinums = RefusedWith(kWrongBody, ManagedBy("DINUM"));
  EXPECT_THAT(budget.When(Withdraw(1).By(djepva)), dinums);
  EXPECT_THAT(budget.When(Certify(1).By(djepva)), dinums);
  // Neither its own CP for the other's debt, nor the other's CP for its own.
  EXPECT_THAT(budget.When(RequestPayment(1, "dp-1", "ej-1", "djepva")), dinums);
  EXPECT_THAT(budget.When(RequestPayment(1, "dp-1", "ej-djepva", "coaching").By(djepva)), dinums);
  // Nor is an entry moved into, or out of, an envelope of the other.
  EXPECT_THAT(budget.When(ReimputeLine("djepva")), RefusedWith(kWrongBody, ManagedBy("DJEPVA")));
  EXPECT_THAT(budget.When(ReimputeLine("djepva").By(djepva)), dinums);
}

TEST(PermissionsTest, ADelegatingBodyManagesItsOwnEnvelope) {
  Given budget({Allocate("djepva", 100, 100), Engage(50, "ej-2", "djepva")});
  EXPECT_THAT(budget.When(Certify(50, "ej-2").By(Officer("DJEPVA"))), Accepted());
  EXPECT_THAT(budget.When(RequestPayment(50, "dp-2", "ej-2", "djepva")), Accepted());
  EXPECT_THAT(budget.When(Pay("dp-2")), Accepted());
}

TEST(PermissionsTest, KnowsTheAgreement) {
  EXPECT_THAT(Given::Nothing().When(Allocate(1)), RefusedWith(kUnknownAgreement));
  EXPECT_THAT(Given::Nothing().When(Engage(1)), RefusedWith(kUnknownAgreement));
  EXPECT_THAT(Given().When(Engage(1, "ej-1", "nowhere")), RefusedWith(kUnknownEnvelope));
}

TEST(PermissionsTest, ADelegatingBodyEntersItsOwnAgreementsOnly) {
  EXPECT_THAT(Given::Nothing().When(
                  CreateAgreement().By(Who("pm-9", "DINUM", events::v1::ROLE_PROGRAMME_MANAGER))),
              RefusedWith(kWrongBody, ManagedBy("DJEPVA")));
}

// ------------------------------------------------------------ Ordonnateur and comptable

// A person who is officer and accountant, and assigned to the envelope.
Principal Both() {
  Principal both = Officer();
  both.add_roles(events::v1::ROLE_ACCOUNTANT);
  return both;
}

TEST(SeparationTest, TheOfficerWhoRequestedAPaymentNeverActsOnItAsItsAccountant) {
  Given budget({Allocate(1000), UpdateEnvelope("coaching", {"acc-1", "ao-dinum"}, {2022}),
                Engage(100), Certify(100), RequestPayment(50), RequestInterest(10, "dp-interest"),
                RequestPayment(50, "dp-paid"), Pay("dp-paid")});
  const std::int64_t paid = budget.last();
  const auto refused = RefusedWith(kSamePerson);
  EXPECT_THAT(budget.When(Pay().By(Both())), refused);
  EXPECT_THAT(budget.When(PayWithoutCommitment("dp-interest").By(Both())), refused);
  EXPECT_THAT(budget.When(Suspend().By(Both())), refused);
  EXPECT_THAT(budget.When(Reject().By(Both())), refused);
  EXPECT_THAT(budget.When(Reinstate(1, "dp-paid").By(Both())), refused);
  EXPECT_THAT(budget.When(Reverse(paid).By(Both())), refused);
  budget.And(Suspend());
  EXPECT_THAT(budget.When(Resume().By(Both())), refused);
  // Another accountant may, and the officer keeps the acts of an officer.
  EXPECT_THAT(budget.When(Requisition().By(Both())), Accepted());
  EXPECT_THAT(budget.When(Pay()), Accepted());
  EXPECT_THAT(budget.When(PayWithoutCommitment("dp-interest")), Accepted());
}

TEST(SeparationTest, AnAccountantWithBothRolesPaysWhatAnotherOfficerRequested) {
  Principal both = Accountant();
  both.set_body_id("DINUM");
  both.add_roles(events::v1::ROLE_AUTHORISING_OFFICER);
  Given budget({Allocate(100), Engage(100), Certify(100), RequestPayment(50)});
  EXPECT_THAT(budget.When(Pay().By(both)), Accepted());
}

TEST(SeparationTest, AnAccountantIsAssignedToTheEnvelopeThatPays) {
  Given budget({Allocate(1000), Engage(100), Certify(100), RequestPayment(50)});
  const Principal other = Who("acc-2", "DCM", events::v1::ROLE_ACCOUNTANT);
  EXPECT_THAT(budget.When(Pay().By(other)), RefusedWith(kNotAssigned));
  budget.And(UpdateEnvelope("coaching", {"acc-2"}, {2022}));
  EXPECT_THAT(budget.When(Pay()), RefusedWith(kNotAssigned));
  EXPECT_THAT(budget.When(Pay().By(other)), Accepted());
}

// --------------------------------------------------------------------- Second approver

TEST(ApproverTest, ClosingAndReopeningTakeTwo) {
  const auto approved_by = [](Act act, const char* approver) {
    return act.With([&](v1::Command& command) {
      if (command.has_close_year()) command.mutable_close_year()->set_approved_by(approver);
      if (command.has_reopen_year()) command.mutable_reopen_year()->set_approved_by(approver);
    });
  };
  Given budget;
  EXPECT_THAT(budget.When(approved_by(CloseYear(2022), "")),
              RefusedWith(kInvalidField, Field("approved_by")));
  EXPECT_THAT(budget.When(approved_by(CloseYear(2022), "pm-1")), RefusedWith(kApproverMissing));
  EXPECT_THAT(budget.When(approved_by(CloseYear(2022), "pm-2")), Accepted());
  EXPECT_THAT(budget.When(approved_by(ReopenYear(2022), "pm-1")), RefusedWith(kApproverMissing));
  EXPECT_THAT(budget.When(approved_by(ReopenYear(2022), "pm-2")), Accepted());
}

TEST(ApproverTest, ALateEntryTakesTwo) {
  Given budget({Allocate(100), CloseYear(2022)});
  const Act late = Engage(1).On(20230301).In(2022);
  EXPECT_THAT(budget.When(late.Late("ao-dinum")), RefusedWith(kApproverMissing));
  EXPECT_THAT(budget.When(late.Late("")),
              RefusedWith(kInvalidField, Field("header.late_entry.approved_by")));
}

// ------------------------------------------------------------------- End of the mandate

Act CreateAgreementWithTakeOver() {
  return CreateAgreement().With([](v1::Command& command) {
    command.mutable_create_agreement()->set_after_term(
        events::v1::AFTER_TERM_DELEGATING_BODY_TAKES_OVER);
  });
}

TEST(MandateTest, OutsideItTheDelegateCommitsNothingNew) {
  struct Row {
    int day;
    testing::Matcher<const Decision&> verdict;
  };
  const Row rows[] = {{20210119, RefusedWith(kMandateExpired)},
                      {20210120, Accepted()},
                      {20221231, Accepted()},
                      {20230101, RefusedWith(kMandateExpired)}};
  for (const Row& row : rows) {
    EXPECT_THAT(Given({Allocate(10).On(20210601), Allocate(10), Allocate(10).On(20230601)})
                    .When(Engage(1).On(row.day)),
                row.verdict)
        << row.day;
  }
}

TEST(MandateTest, AfterItsEndOldCommitmentsAreSettledByTheDelegate) {
  Given budget({Allocate(100), Engage(100), Allocate(100).On(20230110)});
  EXPECT_THAT(budget.When(Engage(1, "ej-2").On(20230115)), RefusedWith(kMandateExpired));
  EXPECT_THAT(budget.When(Engage(1, "ej-1", "coaching", "2").On(20230115)),
              RefusedWith(kMandateExpired));
  EXPECT_THAT(budget.When(Certify(80).On(20230115)), Accepted());
  EXPECT_THAT(budget.When(RequestPayment(80).On(20230115)), Accepted());
  EXPECT_THAT(budget.When(Pay().On(20230116)), Accepted());
  EXPECT_THAT(budget.When(Withdraw(20).On(20230116)), Accepted());
}

TEST(MandateTest, TheDelegatingBodyIsNotBoundByIt) {
  Given budget({Allocate("djepva", 10, 10).On(20230110)});
  EXPECT_THAT(budget.When(Engage(1, "ej-1", "djepva").On(20230115)), Accepted());
}

TEST(MandateTest, ARenewalBringsItBack) {
  Given budget({Allocate(10).On(20230110)});
  EXPECT_THAT(budget.When(Engage(1).On(20230201)), RefusedWith(kMandateExpired));
  budget.And(Renew(20230201, 20240131).On(20230201));
  EXPECT_THAT(budget.When(Engage(1).On(20230131)), RefusedWith(kMandateExpired));
  EXPECT_THAT(budget.When(Engage(1).On(20230201)), Accepted());
}

TEST(MandateTest, AGapBetweenTwoTermsIsReportedNeverBridged) {
  Given budget;
  EXPECT_THAT(budget.When(Renew(20230101, 20231231)),
              testing::Not(AcceptedRemarking(events::v1::WARNING_TERM_LEAVES_GAP)));
  EXPECT_THAT(budget.When(Renew(20240102, 20241231, "avenant-2")),
              AcceptedRemarking(events::v1::WARNING_TERM_LEAVES_GAP));
  ASSERT_EQ(budget.agreement().gaps_size(), 1);
  EXPECT_EQ(budget.agreement().gaps(0).valid_from(), 20240101);
  EXPECT_EQ(budget.agreement().gaps(0).valid_until(), 20240101);
}

TEST(MandateTest, WhereTheAgreementSaysSoTheDelegateStopsAtOnce) {
  Given budget = Given::Nothing();
  budget.And(CreateAgreementWithTakeOver()).And(CreateEnvelope("coaching"));
  budget.And(CreateEnvelope("commitments")).And(Allocate(100)).And(Allocate(100).On(20230110));
  budget.And(Engage(100)).And(Certify(50)).And(RequestPayment(10)).And(Suspend());
  const std::int64_t certified = 6;
  ASSERT_TRUE(budget.log()[certified].has_service_certified());

  const auto refused = RefusedWith(kMandateExpired);
  EXPECT_THAT(budget.When(Certify(1).On(20230115)), refused);
  EXPECT_THAT(budget.When(Withdraw(1).On(20230115)), refused);
  EXPECT_THAT(budget.When(RequestPayment(1, "dp-2").On(20230115)), refused);
  EXPECT_THAT(
      budget.When(RequestCarryover(events::v1::CREDIT_KIND_CP, 1, 2022).On(20230115).In(2022)),
      refused);
  EXPECT_THAT(budget.When(ReimputeLine("commitments").On(20230115)), refused);
  EXPECT_THAT(budget.When(Requisition().On(20230115)), refused);
  EXPECT_THAT(budget.When(budget.Undo(certified).On(20230115).In(2023)), refused);
  // The delegating body neither, until it has taken over.
  EXPECT_THAT(budget.When(Certify(1).On(20230115).By(Officer("DJEPVA"))), RefusedWith(kWrongBody));
  EXPECT_THAT(budget.When(TakeOver().On(20221231)), RefusedWith(kMandateInForce));
  EXPECT_THAT(budget.When(TakeOver().On(20230116)), Accepted());
  EXPECT_THAT(budget.When(TakeOver().On(20230117)), RefusedWith(kMandateInForce));

  EXPECT_THAT(budget.When(Certify(1).On(20230120)), RefusedWith(kWrongBody, ManagedBy("DJEPVA")));
  const Principal djepva = Officer("DJEPVA");
  EXPECT_THAT(budget.When(Certify(50).On(20230120).By(djepva)), Accepted());
  EXPECT_THAT(budget.When(RequestPayment(90, "dp-2").On(20230120).By(djepva)), Accepted());
  EXPECT_THAT(budget.When(Pay("dp-2").On(20230121)), Accepted());
  EXPECT_THAT(budget.When(Requisition().On(20230121).By(djepva)), Accepted());
}

TEST(MandateTest, NothingIsTakenOverWhereTheDelegateSettles) {
  EXPECT_THAT(Given().When(TakeOver().On(20230115)), RefusedWith(kMandateInForce));
}

// ---------------------------------------------------------------------- Who may reverse

TEST(ReversePermissionTest, WhoMadeAnEntryOfItsKindMayReverseIt) {
  Given budget = Books();
  budget.And(Freeze("coaching", 1, 1)).And(Suspend()).And(Resume());
  const Principal manager = Manager(), officer = Officer(), accountant = Accountant();
  const Principal auditor = Who("aud-1", "DJEPVA", events::v1::ROLE_AUDITOR);
  for (std::size_t position = 0; position < budget.log().size(); ++position) {
    const Event& event = budget.log()[position];
    for (const Principal* who : {&manager, &officer, &accountant, &auditor}) {
      const auto refusal = rules::Authorise(
          budget.books(), *who, Reverse(static_cast<std::int64_t>(position)).command, &event);
      if (who->principal_id() == event.actor().principal_id()) {
        EXPECT_FALSE(refusal.has_value()) << event.ShortDebugString();
      } else {
        ASSERT_TRUE(refusal.has_value()) << event.ShortDebugString();
        EXPECT_EQ(refusal->reason, kWrongRole) << event.ShortDebugString();
      }
    }
  }
}

TEST(ReversePermissionTest, NothingIsSaidOfAPositionToThoseWhoMayNotReverse) {
  Given budget({Allocate(1)});
  budget.And(budget.Undo());
  const Principal auditor = Who("aud-1", "DJEPVA", events::v1::ROLE_AUDITOR);
  const Principal op = Who("op-1", "DINUM", events::v1::ROLE_OPERATOR);
  for (const Principal& who : {auditor, op}) {
    EXPECT_THAT(budget.When(Reverse(999).By(who)), RefusedWith(kWrongRole));
    EXPECT_THAT(budget.When(Reverse(budget.last()).By(who)), RefusedWith(kWrongRole));
  }
  EXPECT_THAT(budget.When(Reverse(999)), RefusedWith(kUnknownPosition));
  EXPECT_THAT(budget.When(Reverse(budget.last())), RefusedWith(kNotReversible));
}

TEST(ReversePermissionTest, AnEntryOfAnotherAgreementIsNotToBeFound) {
  Given budget({Allocate(1)});
  Act other = budget.Undo();
  other.header().set_agreement_id("another");
  EXPECT_THAT(budget.When(other), RefusedWith(kUnknownAgreement));
}

// ------------------------------------------------------------------------------- Etags

TEST(EtagTest, ACommandOnAResourceThatHasMovedIsRefused) {
  Given budget({Allocate(100)});
  const std::string etag = budget.books().FindEnvelope(kAgreement, "coaching")->etag();
  Act freeze = Freeze("coaching", 1, 1);
  freeze.header().set_etag(etag);
  EXPECT_THAT(budget.When(freeze), Accepted());
  EXPECT_THAT(budget.When(freeze), RefusedWith(kEtagMoved));
}

TEST(EtagTest, AnEnvelopesMovesWithItsCreditsNeverWithWhatConsumesThem) {
  Given budget({Allocate(100)});
  const auto etag = [&] { return budget.books().FindEnvelope(kAgreement, "coaching")->etag(); };
  const std::string before = etag();
  budget.And(Engage(11)).And(Certify(10)).And(RequestPayment(10)).And(Pay()).And(Withdraw(1));
  EXPECT_EQ(etag(), before);
  budget.And(Freeze("coaching", 1, 1));
  EXPECT_NE(etag(), before);
}

}  // namespace
}  // namespace denier::budget
