// The fold of totals by several threads: the first bad position is the one that is named, and what
// bounds memory leaves no trace. That the rows are those of one thread is in two_times_test.cc.
#include "projections/totals_fold.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "projections/books.h"
#include "projections/row_keys.h"
#include "tests/projections/bookkeeping.h"

namespace denier::projections {
namespace {

using events::v1::Event;
using store::Position;
using testing::HasSubstr;

const auto kNever = [] { return false; };
constexpr FoldPace kPaces[] = {{.stretch = 1'000'000, .threads = 1},
                               {.stretch = 10, .threads = 1},
                               {.stretch = 10, .threads = 2},
                               {.stretch = 10, .threads = 4},
                               {.stretch = 7, .threads = 0}};

class TotalsFoldTest : public testing::TestWithParam<FoldPace> {
 protected:
  void Append(const std::vector<Event>& events, const std::vector<Position>& damaged = {}) {
    store::Batch batch;
    for (Position at = 0; at < events.size(); ++at) {
      const bool spoil = std::ranges::find(damaged, at) != damaged.end();
      batch.Add(spoil ? "\xff" : events[at].SerializeAsString());
      if (batch.size() == 4) {
        books_.AppendBatch(batch);
        batch.Clear();
      }
    }
    if (batch.size() != 0) books_.AppendBatch(batch);
  }
  absl::Status Fold(QueryRows::Computed& rows, Position next) {
    return FoldTotals(books_.log(), 0, "", {.next = next}, rows, kNever, GetParam());
  }
  std::string ErrorAt(Position next) {
    QueryRows::Computed rows;
    const absl::Status status = Fold(rows, next);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    return std::string(status.message());
  }

  Bookkeeping books_;
};
INSTANTIATE_TEST_SUITE_P(Paces, TotalsFoldTest, testing::ValuesIn(kPaces), [](const auto& info) {
  return absl::StrCat(info.param.threads, "x", info.param.stretch);
});

// Movements alone, after an agreement, an envelope and its credits.
History Movements(int count) {
  History history;
  history.On(20210120).Agreement().Envelope("coaching", "DINUM").Allocate("coaching", 1'000, 1'000);
  for (int i = 0; i < count; ++i) history.Engage(absl::StrCat("ej-", i), "coaching", 1);
  return history;
}

TEST_P(TotalsFoldTest, TheFirstOfTwoDamagedEventsIsNamed) {
  // The second stretch's is met at its beginning, long before the first one's at its end.
  Append(Movements(60).events(), {9, 10, 41});
  EXPECT_THAT(ErrorAt(60), HasSubstr("position 9 "));
  QueryRows::Computed rows;
  EXPECT_TRUE(Fold(rows, 9).ok());
}

// Movements, of which the third after `before` passes 64 bits.
History TooMuch(int before) {
  History history = Movements(before);
  for (int i = 0; i < 3; ++i) {
    history.Engage(absl::StrCat("huge-", i), "coaching", (std::int64_t{1} << 62) - 1);
  }
  for (int i = 0; i < 20; ++i) history.Engage(absl::StrCat("after-", i), "coaching", 1);
  return history;
}

TEST_P(TotalsFoldTest, ABalanceThatPassesAllBoundsIsNamedBeforeALaterDamagedEvent) {
  Append(TooMuch(0).events(), {9, 20});
  EXPECT_THAT(ErrorAt(20), HasSubstr("64 bits"));
}

TEST_P(TotalsFoldTest, ADamagedEventIsNamedBeforeABalanceThatPassesAllBoundsLater) {
  Append(TooMuch(10).events(), {10});
  EXPECT_THAT(ErrorAt(30), HasSubstr("position 10 "));
}

// What moves nothing marks its year all the same, in whichever stretch it stands.
TEST_P(TotalsFoldTest, AYearWithoutMovementsIsKnown) {
  std::vector<Event> events = Movements(50).events();
  for (const Position at : {Position{12}, Position{31}, Position{52}}) {
    Event& certified = events[at];
    certified.clear_engaged();
    certified.mutable_service_certified()->set_commitment_id("ej-0");
    certified.set_fiscal_year(2021 + static_cast<int>(at));
  }
  // A stretch of such events alone: of the last ten of fifty-three, three are left.
  for (Position at = 50; at < 53; ++at) {
    events[at] = events[52];
    events[at].set_fiscal_year(2030 + static_cast<int>(at));
  }
  Append(events);
  QueryRows::Computed rows;
  ASSERT_TRUE(Fold(rows, events.size()).ok());
  v1::Agreement agreement;
  ASSERT_TRUE(agreement.ParseFromString(rows.at(AgreementKey(kAgreement))));
  for (const int year : {2021 + 12, 2021 + 31, 2080, 2081, 2082}) {
    EXPECT_NE(FindYear(agreement, year), nullptr) << year;
  }
}

// The rows of totals that folding one event after the other makes.
QueryRows::Computed OneByOne(const std::vector<Event>& events) {
  Books books(nullptr, Books::History::kPartial);
  for (Position at = 0; at < events.size(); ++at) {
    EXPECT_TRUE(books.Fold(events[at], at).ok()) << at;
  }
  QueryRows::Computed rows;
  books.TakeChanges([&](const std::string& key, const std::string& row) {
    if (!IsCommitmentKey(key) && !IsPaymentKey(key)) rows[key] = row;
  });
  return rows;
}

TEST_P(TotalsFoldTest, WhatHasComeBackToNothingHasItsRowsAndANothingHasNone) {
  std::vector<Event> events = Movements(50).events();
  const auto engage = [&](Position at, int year, std::int64_t cents) {
    events[at].set_fiscal_year(year);
    events[at].mutable_engaged()->mutable_lines(0)->set_amount_cents(cents);
  };
  const auto request = [&](Position at, int year, std::int64_t cents) {
    events[at].set_fiscal_year(year);
    auto& fact = *events[at].mutable_payment_requested();
    fact.set_payment_request_id(absl::StrCat("dp-", at));
    fact.set_paying_envelope_id("coaching");
    fact.set_net_cents(cents);
  };
  // CP of one year's hold, paid in another, by another envelope than the line's.
  const auto pay = [&](Position at, std::int64_t cents) {
    events[at].set_fiscal_year(2029);
    auto& fact = *events[at].mutable_paid();
    fact.set_line_envelope_id("coaching");
    fact.set_paying_envelope_id("elsewhere");
    fact.set_origin_year(2021);
    fact.set_hold_year(2028);
    fact.set_net_cents(cents);
  };
  engage(12, 2025, 7);
  engage(31, 2025, -7);
  engage(20, 2026, 0);
  request(13, 2027, 9);
  request(32, 2027, -9);
  pay(14, 11);
  pay(45, -11);
  Append(events);
  QueryRows::Computed rows;
  ASSERT_TRUE(Fold(rows, events.size()).ok());
  EXPECT_EQ(rows, OneByOne(events));
  const auto has = [&](const char* envelope, int year) {
    return rows.contains(BalancesKey(kAgreement, envelope, year));
  };
  EXPECT_TRUE(has("coaching", 2025));
  EXPECT_FALSE(has("coaching", 2026));
  EXPECT_TRUE(has("coaching", 2027));
  EXPECT_TRUE(has("elsewhere", 2028));
  EXPECT_TRUE(has("elsewhere", 2029));
  EXPECT_TRUE(has("coaching", 2029));
}

// -2^63 itself is a sum of 64 bits, and the other leg of its posting none.
TEST_P(TotalsFoldTest, ASumWhoseOppositePassesAllBoundsIsNamed) {
  std::vector<Event> events = Movements(20).events();
  constexpr std::int64_t kMost = (std::int64_t{1} << 62) - 1;
  for (const auto& [at, cents] :
       {std::pair(Position{5}, -kMost), {Position{6}, -kMost}, {Position{15}, std::int64_t{-2}}}) {
    events[at].set_fiscal_year(2025);
    events[at].mutable_engaged()->mutable_lines(0)->set_amount_cents(cents);
  }
  Append(events);
  EXPECT_THAT(ErrorAt(events.size()), HasSubstr("64 bits"));
}

TEST_P(TotalsFoldTest, ALogThatEndsBeforeTheMomentIsSaid) {
  Append(Movements(40).events());
  QueryRows::Computed rows;
  const absl::Status status = Fold(rows, 100);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange) << status;
}

TEST_P(TotalsFoldTest, WhoeverIsNotWaitedForStops) {
  Append(Movements(60).events());
  QueryRows::Computed rows;
  int asked = 0;
  const absl::Status status = FoldTotals(
      books_.log(), 0, "", {.next = 60}, rows, [&] { return ++asked >= 2; }, GetParam());
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  EXPECT_EQ(asked, 2);
}

TEST_P(TotalsFoldTest, StretchesThatAreTooLargeForMemoryEndEarlyAndAreGoneOnWith) {
  // Movements to 60,000 places; six events of 9 MiB that are folded whole, three in a row.
  History history = Movements(0);
  for (int i = 0; i < 6; ++i) history.Freeze("coaching", 1, 1);
  for (int i = 0; i < 50; ++i) {
    history.Engage(absl::StrCat("ej-", i), "coaching", 1, absl::StrCat("product-", i));
  }
  std::vector<Event> events = std::move(history).events();
  std::rotate(events.begin() + 6, events.begin() + 9, events.end());
  for (Event& event : events) {
    if (event.has_credits_frozen()) {
      event.mutable_credits_frozen()->set_act_reference(std::string(9 << 20, 'x'));
    }
    if (!event.has_engaged()) continue;
    auto& lines = *event.mutable_engaged()->mutable_lines();
    for (int i = 1; i < 1'200; ++i) {
      auto& line = *lines.Add();
      line = lines.at(0);
      line.set_line_id(absl::StrCat(i));
      line.set_product_id(absl::StrCat(line.product_id(), "-", i));
    }
  }
  Append(events);
  QueryRows::Computed rows;
  ASSERT_TRUE(Fold(rows, events.size()).ok());
  Books books(nullptr, Books::History::kPartial);
  for (Position at = 0; at < events.size(); ++at) {
    ASSERT_TRUE(books.Fold(events[at], at).ok());
  }
  QueryRows::Computed wanted;
  books.TakeChanges([&](const std::string& key, const std::string& row) {
    if (!IsCommitmentKey(key)) wanted[key] = row;
  });
  EXPECT_TRUE(rows == wanted);  // they are too long to print
}

}  // namespace
}  // namespace denier::projections
