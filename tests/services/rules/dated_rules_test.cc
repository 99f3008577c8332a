// A rule that changed in time is applied by its date: to a command by the day or year that it is
// about, and to an old event, whenever it is decided again, by the rule of its own day.
#include "services/rules/dated_rules.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "services/rules/redecide.h"
#include "store/sha256.h"
#include "tests/services/rules/budget.h"

namespace denier::budget {
namespace {

using events::v1::CREDIT_KIND_CP;
using rules::Disagreement;

// What the rules of today say of the event at `position`, after `change`, on the books before it.
template <class Change>
std::optional<Disagreement> JudgedToday(const std::vector<Event>& log, std::int64_t position,
                                        Change change) {
  const auto hash = [](const v1::Command& command) {
    return std::string(store::AsBytes(store::Sha256Of(command.SerializeAsString())));
  };
  projections::Books before;
  for (std::int64_t i = 0; i < position; ++i) {
    EXPECT_TRUE(before.Fold(log[static_cast<std::size_t>(i)], static_cast<std::size_t>(i)).ok());
  }
  Event event = log.at(static_cast<std::size_t>(position));
  change(event);
  event.set_request_sha256(hash(rules::CommandFrom(event)));
  return rules::Redecide(before, position, event, nullptr, hash);
}
std::optional<Disagreement> JudgedToday(const std::vector<Event>& log, std::int64_t position) {
  return JudgedToday(log, position, [](Event&) {});
}

// CP and AE of the year, a programme of 10,000.00, and 500.00 of CP asked to be carried over.
std::vector<Act> Asked(int year) {
  const int june = year * 10000 + 601;
  return {RecordProgrammeCredits(10'000'00).On(june), Allocate(1'000'00).On(june),
          RequestCarryover(CREDIT_KIND_CP, 500'00, year, "coaching", "of-" + std::to_string(year))};
}
Act Grant(int year, std::int64_t cents, int day) {
  return GrantCarryover(cents, "of-" + std::to_string(year)).On(day);
}

TEST(DatedRulesTest, EachRowOfTheTableHasItsCasesHere) {
  std::set<int> rows;
  for (int year = 1900; year < 2200; ++year) rows.insert(rules::RulesOf(year).first_year);
  EXPECT_THAT(rows, testing::ElementsAre(2000, 2022)) << "a new row: add its cases below";
}

// ------------------------------------------------------------ Each figure, in each row's years

struct Case {
  const char* what;
  std::vector<Act> before;
  Act act;
  testing::Matcher<const Decision&> verdict;
};

void ExpectVerdicts(const std::vector<Case>& cases) {
  for (const Case& c : cases) EXPECT_THAT(Given(c.before).When(c.act), c.verdict) << c.what;
}

TEST(DatedRulesTest, TheOrderOfACarryoverComesByTheDayOfItsRow) {
  ExpectVerdicts({
      {"of 2021, 31 March", Asked(2021), Grant(2021, 1, 20220331), Accepted()},
      {"of 2021, 1 April ", Asked(2021), Grant(2021, 1, 20220401),
       RefusedWith(kCarryoverTooLate, Fact("until", "20220331"))},
      {"of 2022, 15 March", Asked(2022), Grant(2022, 1, 20230315), Accepted()},
      {"of 2022, 16 March", Asked(2022), Grant(2022, 1, 20230316),
       RefusedWith(kCarryoverTooLate, Fact("until", "20230315"))},
  });
}

TEST(DatedRulesTest, ACarryoverIsCappedByItsRow) {
  ExpectVerdicts({
      {"of 2021, 3 %             ", Asked(2021), Grant(2021, 300'00, 20220301), Accepted()},
      {"of 2021, one cent over   ", Asked(2021), Grant(2021, 300'01, 20220301),
       RefusedWith(kCarryoverCapExceeded, Available(300'00))},
      {"of 2022, all that it asks", Asked(2022), Grant(2022, 500'00, 20230301), Accepted()},
  });
}

TEST(DatedRulesTest, EarlyCommitmentsBeginAndEndByTheirRow) {
  // AE of 400.00 in the year, so a quarter is 100.00.
  const std::vector<Act> in_2021 = {Allocate(400'00).On(20210601)};
  const std::vector<Act> in_2022 = {Renew(20230101, 20241231), Allocate(400'00)};
  ExpectVerdicts({
      {"2021, 31 October   ", in_2021, Engage(1).On(20211031).In(2022),
       RefusedWith(kEarlyCommitment)},
      {"2021, 1 November   ", in_2021, Engage(100'00).On(20211101).In(2022), Accepted()},
      {"2021, one cent over", in_2021, Engage(100'01).On(20211101).In(2022),
       RefusedWith(kEarlyCommitment, Available(100'00))},
      {"2022, 31 October   ", in_2022, Engage(1).On(20221031).In(2023),
       RefusedWith(kEarlyCommitment)},
      {"2022, 1 November   ", in_2022, Engage(100'00).On(20221101).In(2023), Accepted()},
      {"2022, one cent over", in_2022, Engage(100'01).On(20221101).In(2023),
       RefusedWith(kEarlyCommitment, Available(100'00))},
  });
}

TEST(DatedRulesTest, RegularisationsEndByTheirRow) {
  const std::vector<Act> of_2021 = {Allocate(100).On(20210601), Engage(40).On(20210601)};
  const std::vector<Act> of_2022 = {Allocate(100), Engage(40), Renew(20230101, 20241231)};
  ExpectVerdicts({
      {"2021, 31 January ", of_2021, Withdraw(1).On(20220131).In(2021), Accepted()},
      {"2021, 1 February ", of_2021, Withdraw(1).On(20220201).In(2021), RefusedWith(kWrongYear)},
      {"2022, 31 January ", of_2022, Withdraw(1).On(20230131).In(2022), Accepted()},
      {"2022, 1 February ", of_2022, Withdraw(1).On(20230201).In(2022), RefusedWith(kWrongYear)},
  });
}

TEST(DatedRulesTest, ARetentionIsCappedByItsRow) {
  for (const int day : {20211231, 20220101}) {
    const std::vector<Act> delivered = {Allocate(1'000'00).On(day), Engage(1'000'00).On(day),
                                        Certify(1'000'00).On(day)};
    ExpectVerdicts({
        {"5 %          ", delivered, RequestNet(100'00, 0, 5'00).On(day), Accepted()},
        {"one cent over", delivered, RequestNet(100'00, 0, 5'01).On(day),
         RefusedWith(kRetentionExceeded, Available(5'00))},
    });
  }
}

// ----------------------------------------------------------------- Across the two rows' boundary

// Both carry-overs are asked for a day apart, of the last day of the old rule and the first of the
// new one.
Given AskedADayApart() {
  Given budget({RecordProgrammeCredits(10'000'00).On(20210601), Allocate(1'000'00).On(20210601)});
  budget.And(RequestCarryover(CREDIT_KIND_CP, 500'00, 2021, "coaching", "of-2021").On(20211231));
  budget.And(RecordProgrammeCredits(10'000'00).On(20220101)).And(Allocate(1'000'00).On(20220101));
  budget.And(RequestCarryover(CREDIT_KIND_CP, 500'00, 2022, "coaching", "of-2022").On(20220101));
  return budget;
}

TEST(DatedRulesTest, TwoCommandsADayApartAreJudgedEachByItsOwnRule) {
  Given budget = AskedADayApart();
  EXPECT_THAT(budget.When(Grant(2021, 300'01, 20220331)), RefusedWith(kCarryoverCapExceeded));
  EXPECT_THAT(budget.When(Grant(2021, 300'00, 20220331)), Accepted());
  EXPECT_THAT(budget.When(Grant(2022, 500'00, 20230331)),
              RefusedWith(kCarryoverTooLate, Fact("until", "20230315")));
  EXPECT_THAT(budget.When(Grant(2022, 500'00, 20230315)), Accepted());
}

TEST(DatedRulesTest, AnOldEventIsDecidedAgainByTheOldRule) {
  Given budget = AskedADayApart();
  budget.And(Grant(2021, 300'00, 20220331));
  const std::int64_t old_grant = budget.last();
  // The new rule has long been in use.
  budget.And(Grant(2022, 500'00, 20230315));
  const std::int64_t new_grant = budget.last();
  for (std::int64_t i = 0; i <= budget.last(); ++i) {
    const auto wrong = JudgedToday(budget.log(), i);
    EXPECT_FALSE(wrong.has_value()) << rules::Describe(*wrong);
  }

  // Planted: each event would have been accepted under the other row, and is not under its own.
  const auto refusal = [&](std::int64_t position, auto change) {
    const auto wrong = JudgedToday(budget.log(), position, change);
    return wrong.has_value() && wrong->refusal ? wrong->refusal->reason
                                               : v1::ERROR_REASON_UNSPECIFIED;
  };
  EXPECT_EQ(refusal(old_grant,
                    [](Event& event) {
                      event.mutable_carryover_granted()->set_granted_cents(500'00);
                      event.mutable_carryover_granted()->set_lapsed_cents(0);
                    }),
            kCarryoverCapExceeded);
  EXPECT_EQ(refusal(new_grant, [](Event& event) { event.set_effective_date(20230331); }),
            kCarryoverTooLate);
}

}  // namespace
}  // namespace denier::budget
