// A seeded walk over all commands: whatever the rules accept, the fixture holds the books to what
// must be true after every event. A rule that lets through what the fold cannot enter shows here.
//
// DENIER_WALK_SEEDS=n walks n times instead of 60, or of 40 where a sanitizer looks on, for a
// longer hunt.
#include <cstdlib>
#include <map>
#include <random>

#include "tests/sanitized.h"
#include "tests/services/rules/budget.h"

namespace denier::budget {
namespace {

class Walk {
 public:
  explicit Walk(std::uint64_t seed) : random_(seed) {}

  // `steps` commands; returns how many were accepted.
  int Run(int steps) {
    int accepted = 0;
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      // The years go on, from 2021 to 2024.
      accepted +=
          std::holds_alternative<Event>(budget_.When(Dated(Next(), 2021 + 4 * step / steps)));
    }
    return accepted;
  }
  const Given& budget() const { return budget_; }

 private:
  int Below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool Chance(int per_cent) { return Below(100) < per_cent; }
  std::int64_t Cents() { return Chance(20) ? 1 + Below(400) : 1 + Below(80); }
  std::int64_t CentsOrNone() { return Chance(25) ? 0 : Cents(); }
  std::string Envelope() { return Chance(8) ? "djepva" : Chance(60) ? "coaching" : "commitments"; }
  std::string Commitment() { return "ej-" + std::to_string(Below(4)); }
  std::string LineId() { return Chance(75) ? "1" : "2"; }
  std::string Request() { return "dp-" + std::to_string(Below(8)); }
  std::string Report() { return "report-" + std::to_string(Below(5)); }
  int Year() { return 2020 + Below(5); }

  // On a day of the year, or of the one before; by somebody who may; most often it counts in the
  // year of its day.
  Act Dated(Act act, int year) {
    int month = 1 + Below(12), day = 1 + Below(28);
    if (Chance(30)) month = Chance(50) ? 1 : 12;
    if (act.command.has_close_year()) month = 12, day = 31;
    const int on = (year - (Chance(10) ? 1 : 0)) * 10000 + month * 100 + day;
    act = act.On(on);
    if (Chance(15)) act = act.In(on / 10000 + (Chance(60) ? -1 : 1));
    if (act.command.has_close_year() && Chance(60)) act = act.On(on + 10000 - 1130).In(on / 10000);
    if (act.command.has_reverse()) {
      const auto position = static_cast<std::size_t>(act.command.reverse().reversed_position());
      act = act.By(budget_.log()[position].actor());
      if (Chance(70)) {
        act = act.On(budget_.log()[position].effective_date())
                  .In(budget_.log()[position].fiscal_year());
      }
    }
    const v1::CommandHeader& header = act.header();
    const int counts_in =
        header.fiscal_year() != 0 ? header.fiscal_year() : header.effective_date() / 10000;
    if (projections::IsClosed(budget_.agreement(), counts_in) ? Chance(60) : Chance(1)) {
      act = act.Late();
    }
    // Officers of either body, by whose envelope it is.
    if (act.by.principal_id() == "ao-dinum" && Chance(8)) act = act.By(Officer("DJEPVA"));
    return act;
  }

  Act Next() {
    switch (Below(34)) {
      case 0:
        return Allocate(Envelope(), CentsOrNone() * 4, CentsOrNone() * 4);
      case 1:
        return Deallocate(Envelope(), CentsOrNone(), CentsOrNone());
      case 2:
        return Freeze(Envelope(), CentsOrNone(), CentsOrNone());
      case 3:
        return Release(Envelope(), CentsOrNone(), CentsOrNone());
      case 4:
        return Cancel(Envelope(), CentsOrNone(), CentsOrNone());
      case 5:
        return Transfer(Envelope(), Envelope(), CentsOrNone(), CentsOrNone());
      case 6:
        return ImportOpening(2020 + Below(3), Cents() + 200, Below(200), Commitment(), Envelope());
      case 7:
        return CorrectOpening(Below(100) - 50, Commitment());
      case 8:
        return RequestCarryover(
            Chance(50) ? events::v1::CREDIT_KIND_AE : events::v1::CREDIT_KIND_CP, Cents(), 2021,
            Envelope(), Report());
      case 9:
        return GrantCarryover(Cents(), Report()).With([](v1::Command& command) {
          command.mutable_grant_carryover()->set_derogation_reference("act-1");
        });
      case 10:
        return RefuseCarryover(Report());
      case 11:
        return MakeCarryoverAvailable(Cents(), Report());
      case 12:
        return Chance(60) ? CloseYear(Year()) : ReopenYear(Year());
      case 13:
        return Chance(30) ? RecordRecyclingBasis(Cents())
                          : ImportPlan(Cents(), Cents(), Envelope());
      case 14:
        return Chance(30) ? UpdateEnvelope(Envelope(), {"acc-1"}, {2020, 2021, 2022, 2023, 2024})
                          : Renew(20230101, 20241231);
      case 15:
        return ReimputePayment(Envelope(), Request());
      case 16:
        return ReimputeLine(Envelope(), Chance(30) ? "snu" : "", Commitment(), LineId());
      case 17:
      case 18:
      case 19:
        return Engage(Cents(), Commitment(), Envelope(), LineId());
      case 20:
        return Withdraw(Cents(), Commitment(), LineId());
      case 21:
      case 22:
        return Certify(Cents(), Commitment(), LineId());
      case 23:
      case 24:
        return RequestPayment(Cents(), Request(), Commitment(), Envelope());
      case 25:
      case 26: {
        Act act = Chance(50)   ? RequestAdvance(Cents(), Request())
                  : Chance(50) ? RequestNet(100 + Cents(), Below(60), Below(8), Request())
                  : Chance(50) ? RequestRetention(1 + Below(8), Request())
                               : RequestInterest(Cents(), Request());
        auto& request = *act.command.mutable_request_payment();
        if (!request.commitment_id().empty()) request.set_commitment_id(Commitment());
        request.set_paying_envelope_id(Envelope());
        return act;
      }
      case 27:
      case 28:
        return Chance(80) ? Pay(Request()) : PayWithoutCommitment(Request());
      case 29:
        return Chance(60) ? Suspend(Request()) : Reject(Request());
      case 30:
        return Chance(50) ? Requisition(Request()) : Resume(Request());
      case 31:
        return Reinstate(Cents(), Request());
      default:
        return Reverse(Below(static_cast<int>(budget_.log().size())));
    }
  }

  std::mt19937_64 random_;
  Given budget_;
};

TEST(WalkTest, WhateverIsAcceptedLeavesTheBooksSound) {
  const char* more = std::getenv("DENIER_WALK_SEEDS");
  const std::uint64_t seeds =
      more != nullptr ? std::strtoull(more, nullptr, 10) : (kSanitized ? 40 : 60);
  std::map<int, int> kinds;
  int accepted = 0;
  for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Walk walk(seed);
    accepted += walk.Run(1000);
    for (const Event& event : walk.budget().log()) ++kinds[event.fact_case()];
  }
  EXPECT_GT(accepted, 5000);
  // All kinds but those that the agreement makes once, and the mandate's end.
  EXPECT_GE(kinds.size(), 33U) << testing::PrintToString(kinds);
}

}  // namespace
}  // namespace denier::budget
