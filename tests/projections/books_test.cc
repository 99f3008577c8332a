// What books say before they fold.
#include "projections/books.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "projections/row_keys.h"
#include "store/views.h"
#include "tests/projections/history.h"

namespace denier::projections {
namespace {

class WouldOverflowTest : public testing::Test {
 protected:
  WouldOverflowTest() {
    History history;
    history.On(20220110).Agreement().Envelope("coaching", "DINUM").Envelope("pilotage", "DINUM");
    history.Envelope("subvention", "DJEPVA");
    store::Position position = 0;
    for (const auto& event : history.events()) {
      EXPECT_TRUE(books_.Fold(event, position++).ok());
    }
  }

  static Posting Paid(const char* envelope_id, std::int64_t cents) {
    Posting posting;
    posting.envelope_id = envelope_id;
    posting.fiscal_year = 2022;
    posting.account = Account::kPaid;
    posting.cents = cents;
    return posting;
  }
  void Have(const char* envelope_id, std::int64_t cents) {
    ASSERT_TRUE(books_.PostAll(kAgreement, PostingList{Paid(envelope_id, cents)}, 9).ok());
  }
  bool WouldOverflow(const char* envelope_id) {
    return books_.WouldOverflow(kAgreement, {Paid(envelope_id, 1)});
  }

  static constexpr std::int64_t kHalf = std::int64_t{1} << 62;
  Books books_{nullptr, Books::History::kPartial};
};

TEST_F(WouldOverflowTest, WhereAnEnvelopeHasMoreThanHalfOfWhatFits) {
  Have("coaching", kHalf);
  EXPECT_FALSE(WouldOverflow("coaching"));
  Have("coaching", 1);
  EXPECT_TRUE(WouldOverflow("coaching"));
  EXPECT_FALSE(WouldOverflow("subvention"));
}

TEST_F(WouldOverflowTest, WhereTheEnvelopesOfABodyHaveItTogether) {
  Have("coaching", kHalf / 2 + 1);
  Have("pilotage", kHalf / 2);
  EXPECT_TRUE(WouldOverflow("coaching"));
  EXPECT_TRUE(WouldOverflow("pilotage"));
  EXPECT_FALSE(WouldOverflow("subvention"));
}

TEST_F(WouldOverflowTest, OfEitherSign) {
  Have("coaching", -kHalf - 1);
  EXPECT_TRUE(WouldOverflow("coaching"));
}

TEST_F(WouldOverflowTest, ASumThatDoesNotFitIsAnError) {
  Have("coaching", INT64_MAX);
  EXPECT_EQ(books_.PostAll(kAgreement, PostingList{Paid("pilotage", 1)}, 10).code(),
            absl::StatusCode::kOutOfRange);
}

// What was asked for last is not there any more.
TEST(BooksTest, ARowThatWasTakenBackIsNotFound) {
  History history;
  history.On(20220110).Agreement().Envelope("coaching", "DINUM").Allocate("coaching", 2'00, 0);
  const std::size_t before = history.events().size();
  history.Engage("ej-1", "coaching", 1'00);
  Books books;
  store::Position position = 0;
  for (; position < before; ++position) {
    ASSERT_TRUE(books.Fold(history.events()[position], position).ok());
  }
  for (int again = 0; again < 2; ++again) {
    books.Begin();
    ASSERT_TRUE(books.Fold(history.events()[position], position).ok());
    ASSERT_NE(books.FindCommitment(kAgreement, "ej-1"), nullptr);
    books.Rollback();
    EXPECT_EQ(books.FindCommitment(kAgreement, "ej-1"), nullptr);
  }
  ASSERT_TRUE(books.Fold(history.events()[position], position).ok());
  books.TakeChanges([](const std::string&, const std::string&) {});
  ASSERT_NE(books.FindCommitment(kAgreement, "ej-1"), nullptr);
  books.EvictRows(0, position + 1);
  EXPECT_EQ(books.FindCommitment(kAgreement, "ej-1"), nullptr) << "and nothing is stored";
}

TEST(RowKeysTest, TheKindsThatGrowAreKeptApart) {
  std::set<std::string> growing;
  for (const std::string& key : {CommitmentKey("a", "c"), PaymentKey("a", "p"), ReversalKey(7),
                                 SnapshotKey("a", 16'384), YearsSnapshotKey("a", 128)}) {
    growing.insert(key.substr(0, key.find('/')));
  }
  EXPECT_EQ(growing,
            std::set<std::string>(store::kGrowingKinds.begin(), store::kGrowingKinds.end()));
}

// Names that differ in one part, or in where one part ends and the next begins.
TEST(RowNameTest, AKeyIsTheOneThatIsMeantOrNot) {
  const std::vector<RowName> names = {AgreementRow("a"),
                                      AgreementRow("a1"),
                                      AgreementRow(""),
                                      EnvelopeRow("a", "e"),
                                      EnvelopeRow("a", "e1"),
                                      EnvelopeRow("a", ""),
                                      EnvelopeRow("b", "e"),
                                      CommitmentRow("a", "e"),
                                      PaymentRow("a", "e"),
                                      BalancesRow("a", "e", 2022),
                                      BalancesRow("a", "e", 2023),
                                      BalancesRow("a", "e/2022", 2022),
                                      BalancesRow("a", "e", 0),
                                      BalancesRow("a", "e", 12022),
                                      BalancesRow("a", "e", -1),
                                      BodyYearRow("a", "e", 2022),
                                      ProgressRow("a"),
                                      RowName("reversal/000000000000000f")};
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (std::size_t j = 0; j < names.size(); ++j) {
      EXPECT_EQ(names[i].Is(names[j].Key()), i == j) << names[i].Key() << " " << names[j].Key();
    }
    EXPECT_FALSE(names[i].Is(""));
    EXPECT_FALSE(names[i].Is(names[i].Key().substr(1)));
    EXPECT_FALSE(names[i].Is(names[i].Key() + "/"));
  }
  EXPECT_EQ(BalancesKey("a", "e", 2022), "balances/a/e/2022");
  EXPECT_EQ(BalancesKey("a", "e", 7), "balances/a/e/0007");
  EXPECT_EQ(BodyYearKey("a", "DINUM", 2022), "body/a/DINUM/2022");
  EXPECT_EQ(CommitmentKey("a", "ej-1"), "commitment/a/ej-1");
  EXPECT_EQ(AgreementKey("a"), "agreement/a");
}

}  // namespace
}  // namespace denier::projections
