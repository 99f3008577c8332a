// Totals, and sums by body, as of a past moment, folded from the last snapshot before it: the same
// to the byte as from the first event.
#include "projections/past.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "projections/row_keys.h"
#include "projections/totals_snapshot.h"
#include "tests/projections/bookkeeping.h"
#include "tests/sanitized.h"

namespace denier::projections {
namespace {

using events::v1::Event;
using store::Position;
using testing::HasSubstr;

constexpr const char* kOther = "autre-convention";
// Of the totals of each agreement.
constexpr Position kSnapshots = kSanitized ? 1 : 2;
const auto kNever = [] { return false; };

std::string WithoutEnvelopes(const std::string& agreement_row) {
  v1::Agreement agreement;
  EXPECT_TRUE(agreement.ParseFromString(agreement_row));
  agreement.clear_envelope_ids();
  return agreement.SerializeAsString();
}

// So many events of each of two agreements, which take turns: three envelopes, two years, a plan
// now and then.
std::vector<Event> HistoryOf(std::size_t events_each) {
  History history;
  history.On(20210120).Agreement().Envelope("coaching", "DINUM").Envelope("pilotage", "DINUM");
  history.Envelope("subvention", "DJEPVA");
  const char* envelopes[] = {"coaching", "pilotage", "subvention"};
  for (const int year : {2021, 2022}) {
    history.On(year * 10000 + 201);
    for (const char* envelope : envelopes) history.Allocate(envelope, 1'000'000'00, 900'000'00);
    const std::size_t until = events_each * (year - 2020) / 2;
    for (int i = 0; history.events().size() < until; ++i) {
      const std::string id = absl::StrCat(year, "-", i);
      const std::string envelope = envelopes[i % 3];
      history.On(year * 10000 + 301 + i % 28).Engage(id, envelope, 1'00 + i, i % 2 ? "" : "coach");
      if (i % 2 == 0) history.Pay("dp-" + id, id, 50 + i % 7, i % 4 ? "" : "pilotage");
      if (i % 5 == 0) history.Withdraw(id, 10);
      if (i % 100 == 0) history.Freeze(envelope, 3, 2).Transfer("coaching", "pilotage", 5, 4);
      if (i % 1'501 == 7) history.Plan(envelope, 900 + i, 800, 100 + i);
      if (i % 9 == 0) history.Engage(id + "-x", envelope, 7).ReverseLast();
    }
  }
  std::vector<Event> events;
  for (const Event& event : history.events()) {
    events.push_back(event);
    if (event.has_reversed()) {
      const auto at = event.reversed().reversed_position();
      events.back().mutable_reversed()->set_reversed_position(2 * at);
    }
    Event& other = events.emplace_back(events.back());
    other.set_agreement_id(kOther);
    if (other.has_reversed()) {
      auto& reversed = *other.mutable_reversed();
      reversed.set_reversed_position(reversed.reversed_position() + 1);
      reversed.mutable_original()->set_agreement_id(kOther);
    }
  }
  return events;
}

class PastTest : public testing::Test {
 protected:
  // Half a snapshot's worth of totals more than has snapshots.
  static const std::vector<Event>& Events() {
    static const std::vector<Event> events =
        HistoryOf(kSnapshots * kEventsASnapshot + kEventsASnapshot / 2);
    return events;
  }
  // For what needs snapshots of the sums alone.
  static const std::vector<Event>& FewEvents() {
    static const std::vector<Event> events = HistoryOf(9'000);
    return events;
  }

  // Appends in batches of so many and folds as they come.
  void Keep(std::size_t batch_size, const std::vector<Event>& events = Events()) {
    books_.Start();
    for (auto at = events.begin(); at != events.end();) {
      const auto end = at + std::min(static_cast<std::ptrdiff_t>(batch_size), events.end() - at);
      books_.Append(at, end);
      at = end;
    }
    books_.AwaitHead();
  }

  absl::StatusOr<std::map<std::string, std::string>> At(const std::string& agreement_id,
                                                        const Moment& moment, bool snapshots,
                                                        Depth depth = Depth::kTotals) {
    // Another Past each time: what it keeps would be the answer.
    Past past(books_.log());
    const Views::Snapshot stored = books_.runner().views()->TakeSnapshot();
    const auto rows = past.At(agreement_id, moment, depth, snapshots ? &stored : nullptr, kNever);
    if (!rows.ok()) return rows.status();
    std::map<std::string, std::string> all;
    const auto scanned = rows->Scan("", "", 1'000'000);
    if (!scanned.ok()) return scanned.status();
    for (const QueryRows::Row& row : *scanned) all[row.key] = row.value;
    return all;
  }

  std::vector<std::string> KeysBelow(const std::string& prefix) {
    std::vector<std::string> keys;
    for (const auto& [key, row] : books_.Rows()) {
      if (key.starts_with(prefix)) keys.push_back(key);
    }
    return keys;
  }
  std::vector<std::string> SnapshotKeys(const char* agreement_id) {
    return KeysBelow(SnapshotPrefix(agreement_id));
  }

  Bookkeeping books_;
};

TEST_F(PastTest, EverySoManyEventsOfAnAgreementMakeASnapshot) {
  Keep(777);
  for (const char* agreement : {kAgreement, kOther}) {
    // Its events are every other one of the log.
    const Position odd = agreement == kOther ? 0 : 1;
    std::vector<std::string> keys;
    for (Position n = 1; n <= kSnapshots; ++n) {
      keys.push_back(SnapshotKey(agreement, n * 2 * kEventsASnapshot - odd));
    }
    EXPECT_EQ(SnapshotKeys(agreement), keys);
  }
}

TEST_F(PastTest, FromASnapshotOrFromTheFirstEventTheRowsAreTheSame) {
  Keep(1'000);
  const Position size = Events().size();
  const Position first = 2 * kEventsASnapshot;
  const Position last = kSnapshots * first;
  for (const Position next :
       std::set<Position>{1, first - 3, first - 2, first - 1, first, first + 1, first + 2, size / 3,
                          size / 2, last - 1, last, last + 1, size - 1, size}) {
    for (const char* agreement : {kAgreement, kOther}) {
      const auto from_snapshot = At(agreement, {.next = next}, true);
      const auto from_nothing = At(agreement, {.next = next}, false);
      ASSERT_TRUE(from_snapshot.ok() && from_nothing.ok()) << from_snapshot.status();
      ASSERT_EQ(*from_snapshot, *from_nothing) << agreement << " at " << next;
    }
  }
}

TEST_F(PastTest, SumsByBodyAreThoseAmongTheTotals) {
  Keep(1'000);
  std::mt19937 random(3);
  std::vector<Position> moments = {1, 2, 3, 4, 5, Events().size()};
  // So many, however often one is taken.
  std::vector<std::string> snapshots;
  std::ranges::sample(KeysBelow(YearsSnapshotPrefix(kAgreement)), std::back_inserter(snapshots),
                      kSanitized ? 11 : 33, random);
  for (const std::string& key : snapshots) {
    for (const Position around : {0, 1, 2, 3}) {
      moments.push_back(std::min<Position>(NextOfKey(key) + around - 1, Events().size()));
    }
  }
  for (int i = 0; i < 8; ++i) moments.push_back(random() % Events().size());
  for (const Position next : moments) {
    for (const char* agreement : {kAgreement, kOther}) {
      const auto sums = At(agreement, {.next = next}, true, Depth::kYears);
      auto totals = At(agreement, {.next = next}, true);
      ASSERT_TRUE(sums.ok() && totals.ok()) << sums.status();
      std::erase_if(*totals, [](const auto& row) {
        return !IsAgreementKey(row.first) && !IsBodyYearKey(row.first);
      });
      for (auto& [key, row] : *totals) {
        if (IsAgreementKey(key)) row = WithoutEnvelopes(row);
      }
      ASSERT_EQ(*sums, *totals) << agreement << " at " << next;
    }
  }
}

TEST_F(PastTest, EveryPlanMakesASnapshotOfTheSums) {
  Keep(1'000, FewEvents());
  int plans = 0, dividing = 0;
  std::map<std::string, std::int64_t> events;
  for (std::size_t i = 0; i < FewEvents().size(); ++i) {
    const Event& event = FewEvents()[i];
    const bool divides = ++events[event.agreement_id()] % kEventsAYearsSnapshot == 0;
    plans += event.has_plan_imported() && !divides ? 1 : 0;
    dividing += divides ? 1 : 0;
    if (!event.has_plan_imported()) continue;
    const std::string key = YearsSnapshotKey(event.agreement_id(), i + 1);
    EXPECT_TRUE(books_.runner().views()->Get(key)->has_value()) << key;
  }
  EXPECT_GT(plans, 5);
  EXPECT_EQ(KeysBelow(YearsSnapshotPrefix(kAgreement)).size() +
                KeysBelow(YearsSnapshotPrefix(kOther)).size(),
            static_cast<std::size_t>(plans + dividing));
}

// Sums cannot be folded across a plan: its lines replace those of envelopes that are not there.
TEST_F(PastTest, SumsWithoutTheSnapshotAfterAPlanAreDamage) {
  Keep(1'000, FewEvents());
  const auto plan = std::ranges::find_if(
      FewEvents(), [](const Event& event) { return event.has_plan_imported(); });
  const auto at = static_cast<Position>(plan - FewEvents().begin());
  books_.Stop();
  books_.Replace(
      [&](auto& stored) { ASSERT_EQ(stored.erase(YearsSnapshotKey(kAgreement, at + 1)), 1); });
  books_.Start();
  const auto rows = At(kAgreement, {.next = at + 10}, true, Depth::kYears);
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(rows.status().message()), HasSubstr(absl::StrCat("position ", at)));
  EXPECT_TRUE(At(kAgreement, {.next = at}, true, Depth::kYears).ok());
}

TEST_F(PastTest, SumsWithoutARowOfTheEnvelopeAreDamage) {
  Keep(1'000, FewEvents());
  books_.Stop();
  const std::string key = EnvelopeKey(kAgreement, "coaching");
  books_.Replace([&](auto& stored) { ASSERT_EQ(stored.erase(key), 1); });
  books_.Start();
  const auto rows = At(kAgreement, {.next = 3'000}, true, Depth::kYears);
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(rows.status().message()), HasSubstr(key));
}

TEST_F(PastTest, WhatAnEffectiveDayBoundsIsFoldedFromTheFirstEvent) {
  Keep(1'000, FewEvents());
  const Moment moment{.next = FewEvents().size(), .effective_until = 20210310};
  const auto rows = At(kAgreement, moment, true);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(*rows, *At(kAgreement, moment, false));
  EXPECT_NE(*rows, *At(kAgreement, {.next = FewEvents().size()}, true));
}

TEST_F(PastTest, CommitsAndRestartsLeaveNoTraceInTheSnapshots) {
  Keep(1'000);
  const auto rows = books_.Rows();
  Bookkeeping other;
  const auto cut = Events().begin() + 12'345;
  other.Append(Events().begin(), cut);
  other.Start();
  other.Stop();
  other.Append(cut, Events().end());
  other.Start();
  EXPECT_EQ(other.Rows(), rows);
}

// The control: an answer does begin with the snapshot, so one wrong cent in it would show, and a
// rebuild names it.
TEST_F(PastTest, ControlAWrongCentInASnapshotIsSeenAndNamed) {
  Keep(1'000);
  const std::string key = SnapshotKeys(kAgreement).front();
  const Moment moment{.next = NextOfKey(key) + 10};
  const auto right = At(kAgreement, moment, true);
  books_.Stop();
  books_.Replace([&](auto& stored) {
    std::string& snapshot = stored.at(key);
    const std::size_t at = snapshot.find("coaching");
    ASSERT_NE(at, std::string::npos);
    snapshot[at] = 'k';
  });
  books_.Start();
  const auto wrong = At(kAgreement, moment, true);
  ASSERT_TRUE(wrong.ok()) << wrong.status();
  EXPECT_NE(*wrong, *right);
  EXPECT_EQ(books_.runner().Rebuild()->first_difference, key);
  EXPECT_EQ(*At(kAgreement, moment, true), *right);
}

TEST_F(PastTest, ASnapshotThatDoesNotDecodeIsDamage) {
  Keep(1'000);
  const std::string key = SnapshotKeys(kAgreement).front();
  books_.Stop();
  books_.Replace([&](auto& stored) { stored.at(key) = "\xff"; });
  books_.Start();
  const auto rows = At(kAgreement, {.next = NextOfKey(key) + 10}, true);
  EXPECT_EQ(rows.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(rows.status().message()), HasSubstr(key));
}

}  // namespace
}  // namespace denier::projections
