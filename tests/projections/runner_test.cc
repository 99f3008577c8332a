#include "projections/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "projections/comparison.h"
#include "projections/reports.h"
#include "projections/row_fold.h"
#include "projections/row_keys.h"
#include "projections/rows.h"
#include "tests/projections/bookkeeping.h"
#include "tests/projections/history.h"

namespace denier::projections {
namespace {

using store::Position;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

void FlipByte(const std::filesystem::path& file, std::streamoff offset) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(offset);
  const char byte = static_cast<char>(stream.get() ^ 0x40);
  stream.seekp(offset);
  stream.put(byte);
  ASSERT_TRUE(stream.good()) << file;
}

// The source document, and then `commitments` more of DJEPVA's in 2022, of one euro each.
History Long(int commitments) {
  History history = SourceDocument();
  history.On(20221001).Allocate("djepva-2022", std::int64_t{commitments} * 1'00, 0);
  for (int i = 0; i < commitments; ++i) {
    history.Engage("ej-" + std::to_string(100'000 + i), "djepva-2022", 1'00);
  }
  return history;
}

// With so many envelopes that the block of rows with the agreement's, the first one, is none that a
// start looks at.
History Wide() {
  History history = Long(1'000);
  for (int i = 0; i < 200; ++i) history.Envelope("other-" + std::to_string(i), "DINUM");
  return history;
}

TEST(RunnerTest, RowsStandAtTheHeadOnStart) {
  Bookkeeping books;
  books.Append(SourceDocument());
  books.Start();
  EXPECT_EQ(books.runner().folded(), books.log().head().next);
  EXPECT_EQ(books.runner().views()->cursor(), books.log().head());
  const auto rows = ReadAgreement(books.runner().views()->TakeSnapshot(), kAgreement);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(YearlyExecution(*rows)->totals(0).ae_engaged(), 3'688'325'32);
}

TEST(RunnerTest, AnEmptyLogHasEmptyRowsAndNothingToSay) {
  Bookkeeping books;
  books.Start();
  EXPECT_EQ(books.runner().folded(), 0u);
  EXPECT_THAT(books.Rows(), IsEmpty());
  books.Stop();
  books.Start();
  EXPECT_THAT(books.said(), IsEmpty());
}

TEST(RunnerTest, FoldsWhatIsAppendedAndTellsWhoWaits) {
  Bookkeeping books;
  books.Start();
  std::promise<bool> folded;
  books.runner().CallWhenFolded(3, steady_clock::now() + kLong,
                                [&](bool in_time) { folded.set_value(in_time); });
  books.Append(SourceDocument());
  EXPECT_TRUE(folded.get_future().get());
  books.AwaitHead();
  EXPECT_EQ(books.runner().folded(), SourceDocument().events().size());
}

// Commits that follow each other are folded together, but not while somebody waits for one of them.
TEST(RunnerTest, WhoWaitsDoesNotWaitForWhatIsGathered) {
  Bookkeeping books;
  books.Start();
  const History history = Long(50);
  std::vector<steady_clock::duration> waits;
  for (auto event = history.events().begin(); event != history.events().end(); ++event) {
    books.Append(event, event + 1);
    // So that the runner has noticed, and lets more come.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto start = steady_clock::now();
    const bool gathered = books.runner().folded() < books.log().head().next;
    books.AwaitHead();
    if (gathered) waits.push_back(steady_clock::now() - start);
  }
  std::ranges::sort(waits);
  ASSERT_FALSE(waits.empty());
  EXPECT_LT(waits[waits.size() / 4], std::chrono::milliseconds(6)) << waits.size() << " waits";
}

TEST(RunnerTest, FindsThePositionOfARequest) {
  Bookkeeping books;
  books.Append(SourceDocument());
  books.Start();
  const auto views = books.runner().views();
  EXPECT_EQ(views->FindRequest("DJEPVA", "r-3")->value(), 2u);
  EXPECT_FALSE(views->FindRequest("DINUM", "r-3")->has_value()) << "the scope is the body";
}

TEST(RunnerTest, GoesOnWhereItStoppedWithoutReadingTheBeginningAgain) {
  const History history = SourceDocument();
  Bookkeeping books;
  books.Append(history.events().begin(), history.events().begin() + 10);
  books.Start();
  const std::string generation = books.runner().views()->directory();
  books.Stop();
  books.Append(history);
  books.Start();
  EXPECT_EQ(books.runner().views()->directory(), generation);
  EXPECT_THAT(books.said(), IsEmpty());

  Bookkeeping at_once;
  at_once.Append(history);
  at_once.Start();
  EXPECT_EQ(books.Rows(), at_once.Rows());
}

TEST(RunnerTest, FoldingAgainFromAnEarlierCursorChangesNothing) {
  const History history = SourceDocument();
  Bookkeeping books;
  books.Append(history.events().begin(), history.events().begin() + 12);
  books.Start();
  books.Stop();
  const std::string earlier = books.views_folder() + "-earlier";
  std::filesystem::copy(books.views_folder(), earlier, std::filesystem::copy_options::recursive);
  books.Append(history);
  books.Start();
  const auto rows = books.Rows();
  for (int again = 0; again < 2; ++again) {
    // A crash: what was not flushed is gone, and the rows stand where they stood.
    books.Stop();
    std::filesystem::remove_all(books.views_folder());
    std::filesystem::copy(earlier, books.views_folder(), std::filesystem::copy_options::recursive);
    books.Start();
    EXPECT_EQ(books.Rows(), rows);
  }
  EXPECT_THAT(books.said(), IsEmpty());
}

TEST(RunnerTest, TwoLogsOfTheSameEventsGiveTheSameRowsToTheByte) {
  Bookkeeping one_by_one, together;
  one_by_one.Start();
  one_by_one.Append(SourceDocument(), 1);
  one_by_one.AwaitHead();
  together.Append(SourceDocument());
  together.Start();
  EXPECT_EQ(one_by_one.Rows(), together.Rows());
}

// ------------------------------------------------------------------ folded by the one who appends

// A writer that folds what it appends, as the sequencer does.
class Writer {
 public:
  explicit Writer(Bookkeeping& books)
      : books_(books), fold_(RowsOf(books.runner().views()), books.log().head().next) {}

  // Appends the next `size` events of `history` as one batch. Each is folded for another request,
  // taken back and folded again, every second one in a group.
  Runner::Folded Append(const History& history, std::size_t size) {
    const Position first = fold_.next();
    store::Batch batch;
    for (Position at = first; at < first + size && at < history.events().size(); ++at) {
      History::Event refused = history.events()[at];
      refused.set_request_id(refused.request_id() + "-refused");
      fold_.Begin();
      EXPECT_TRUE(fold_.Fold(refused).ok());
      fold_.Rollback();
      const bool in_group = at % 2 == 0;
      if (in_group) fold_.Begin();
      EXPECT_TRUE(fold_.Fold(history.events()[at]).ok());
      if (in_group) fold_.Keep();
      batch.Add(history.events()[at].SerializeAsString());
    }
    const auto appended = books_.log().Append(batch, first);
    EXPECT_TRUE(appended.ok()) << appended.status();
    return {.first = first, .head = books_.log().head(), .write = fold_.TakeWrite()};
  }

 private:
  Bookkeeping& books_;
  RowFold fold_;
};

TEST(RunnerTest, DeliveredRowsAreThoseThatTheLogGives) {
  const History history = Long(40'000);
  Bookkeeping books;
  books.Start();
  Writer writer(books);
  std::mt19937_64 random(20261129);
  while (books.log().head().next + 1'000 < history.events().size()) {
    const Position left = history.events().size() - 1'000 - books.log().head().next;
    books.runner().Deliver(writer.Append(history, std::min(left, 1 + random() % 3'000)));
    if (random() % 3 == 0) books.AwaitHead();
  }
  books.AwaitHead();
  EXPECT_EQ(books.runner().views()->cursor(), books.log().head());
  Bookkeeping at_once;
  const auto& events = history.events();
  at_once.Append(events.begin(), events.end() - 1'000);
  at_once.Start();
  EXPECT_EQ(books.Rows(), at_once.Rows());
  const auto requests = CompareRequests(books.runner().views()->TakeSnapshot(),
                                        at_once.runner().views()->TakeSnapshot());
  ASSERT_TRUE(requests.ok()) << requests.status();
  EXPECT_EQ(requests->first_difference, "");
  EXPECT_EQ(requests->compared, static_cast<std::int64_t>(events.size()) - 1'000);

  // And they go on from rows that were made anew, and from the log.
  const auto rebuilt = books.runner().Rebuild();
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
  EXPECT_EQ(rebuilt->first_difference, "");
  books.runner().Deliver(writer.Append(history, 100));
  books.AwaitHead();
  books.Append(history);
  books.AwaitHead();
  at_once.Append(history);
  at_once.AwaitHead();
  EXPECT_EQ(books.Rows(), at_once.Rows());
}

// A row that no event comes to tells whose rows were taken.
TEST(RunnerTest, WhatWasDeliveredIsNotFoldedAgainAndWhatIsMissingIs) {
  const History history = Long(30);
  Bookkeeping books;
  books.Start();
  Writer writer(books);
  Runner::Folded first = writer.Append(history, 10);
  Runner::Folded second = writer.Append(history, 10);
  first.write.Put("zzz-first", "");
  second.write.Put("zzz-second", "");
  books.runner().Deliver(std::move(second));
  books.AwaitHead();
  EXPECT_TRUE(books.Rows().contains("zzz-second"));
  // Too late: the log was folded up to the second.
  books.runner().Deliver(std::move(first));
  Runner::Folded third = writer.Append(history, 10);
  third.write.Put("zzz-third", "");
  books.runner().Deliver(std::move(third));
  books.AwaitHead();
  EXPECT_TRUE(books.Rows().contains("zzz-third"));
  EXPECT_FALSE(books.Rows().contains("zzz-first"));

  Bookkeeping at_once;
  at_once.Append(history.events().begin(), history.events().begin() + 30);
  at_once.Start();
  auto expected = at_once.Rows();
  expected["zzz-second"] = expected["zzz-third"] = "";
  EXPECT_EQ(books.Rows(), expected);
}

TEST(RowFoldTest, AnEventWhoseCountCannotBeReadDoesNotCount) {
  const History history = Long(1);
  RowFold fold(
      [](const std::string& key) -> absl::StatusOr<std::optional<std::string>> {
        if (key.starts_with("progress/")) return absl::DataLossError("damaged");
        return std::nullopt;
      },
      0);
  EXPECT_EQ(fold.Fold(history.events().front()).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(fold.next(), 0u);
  EXPECT_FALSE(fold.status().ok());
}

TEST(RowsTest, RowsThatDoNotBeginWhereTheseEndAreRefused) {
  Bookkeeping books;
  books.Append(SourceDocument(), 5);
  auto views = store::Views::Open(books.views_folder());
  ASSERT_TRUE(views.ok()) << views.status();
  Rows rows(books.log(), *views);
  ASSERT_TRUE(*rows.FoldSome(10));
  EXPECT_EQ(rows.CommitFolded(5, Views::Write(), books.log().head()).code(),
            absl::StatusCode::kInternal);
  EXPECT_EQ((*views)->cursor().next, 10u);
  EXPECT_TRUE(rows.CommitFolded(10, Views::Write(), books.log().head()).ok());
  EXPECT_EQ((*views)->cursor(), books.log().head());
  EXPECT_EQ(rows.next(), rows.committed());
}

// --------------------------------------------------------- written beside the next fold

// So many events that several commits are under way while later ones are folded, against one commit
// after the other.
TEST(RowsTest, CommitsBesideTheNextFoldGiveTheSameRows) {
  const History history = Long(35'000);
  Bookkeeping together;
  together.Append(history, 700);
  together.Start();
  EXPECT_EQ(together.runner().views()->cursor(), together.log().head());

  auto views = store::Views::Open(together.views_folder() + "-one-by-one");
  ASSERT_TRUE(views.ok()) << views.status();
  Rows one_by_one(together.log(), *views);
  while (one_by_one.next() < together.log().head().next) {
    // `until` is reached: nothing is under way on return.
    const Position until = std::min(one_by_one.next() + 700, together.log().head().next);
    const auto folded = one_by_one.FoldSome(until);
    ASSERT_TRUE(folded.ok() && *folded) << folded.status();
    ASSERT_EQ(one_by_one.committed(), until);
    ASSERT_EQ((*views)->cursor().next, until);
  }
  EXPECT_EQ(Bookkeeping::RowsIn((*views)->TakeSnapshot()), together.Rows());
}

TEST(RowsTest, ACommitThatFailsBesideTheNextFoldIsTold) {
  Bookkeeping books;
  books.Append(Long(25'000));
  auto views = store::Views::Open(books.views_folder());
  ASSERT_TRUE(views.ok()) << views.status();
  Rows rows(books.log(), *views);
  // Somebody else writes them: the commits that follow have fallen behind.
  ASSERT_TRUE((*views)->Commit(Views::Write(), books.log().head()).ok());
  const auto first = rows.FoldSome();
  ASSERT_TRUE(first.ok() && *first) << first.status();
  EXPECT_GT(rows.next(), 0u);
  EXPECT_EQ(rows.committed(), 0u);
  const auto second = rows.FoldSome();
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("onto cursor"));
  EXPECT_TRUE(rows.rows_at_fault());
  EXPECT_EQ(rows.committed(), 0u);
}

// ---------------------------------------------------------------------- rows that are not the
// log's

TEST(RunnerTest, RowsOfAnotherLogAreComputedAgain) {
  Bookkeeping books, other;
  History history;
  history.On(20220110).Agreement("another-agreement");
  other.Append(history);
  other.Start();
  other.Stop();
  books.Append(SourceDocument(), 1);
  std::filesystem::copy(other.views_folder(), books.views_folder(),
                        std::filesystem::copy_options::recursive);
  books.Start();
  EXPECT_THAT(books.said(), ElementsAre(HasSubstr("another log")));
  EXPECT_FALSE(books.Rows().contains(AgreementKey("another-agreement")));
  EXPECT_EQ(books.runner().folded(), books.log().head().next);
}

TEST(RunnerTest, RowsAheadOfTheLogAreComputedAgain) {
  Bookkeeping books, other;
  other.Append(SourceDocument());
  other.Start();
  other.Stop();
  History history;
  history.On(20220110).Agreement();
  books.Append(history);
  std::filesystem::copy(other.views_folder(), books.views_folder(),
                        std::filesystem::copy_options::recursive);
  books.Start();
  EXPECT_THAT(books.said(), ElementsAre(HasSubstr("another log")));
  EXPECT_EQ(books.runner().folded(), 1u);
}

TEST(RunnerTest, RowsWithinABatchAreComputedAgain) {
  Bookkeeping books;
  books.Append(SourceDocument());
  books.Start();
  books.Stop();
  books.Replace([](auto&) {}, [](store::Cursor& cursor) { --cursor.next; });
  books.Start();
  EXPECT_THAT(books.said(), ElementsAre(HasSubstr("another log")));
  EXPECT_EQ(books.runner().folded(), books.log().head().next);
}

TEST(RunnerTest, RowsOfAnotherFormatAreComputedAgain) {
  for (const bool missing : {false, true}) {
    Bookkeeping books;
    books.Append(SourceDocument());
    books.Start();
    const auto rows = books.Rows();
    books.Stop();
    books.Replace([&](auto& stored) {
      ASSERT_EQ(stored.count("format"), 1u);
      stored["format"] = "0";
      if (missing) stored.erase("format");
    });
    books.Start();
    EXPECT_THAT(books.said(), ElementsAre(HasSubstr("format")));
    EXPECT_EQ(books.Rows(), rows);
  }
}

TEST(RunnerTest, RowsDamagedOnDiskAreComputedAgain) {
  Bookkeeping books;
  books.Append(SourceDocument());
  books.Start();
  const auto rows = books.Rows();
  books.Stop();
  FlipByte(books.AgreementsTable(), 100);
  books.Start();
  EXPECT_THAT(books.said(), ElementsAre(HasSubstr("Computing the rows again")));
  EXPECT_EQ(books.Rows(), rows);
}

TEST(RunnerTest, DoubtedRowsAreComputedAgainByTheNextStart) {
  Bookkeeping books;
  books.Append(SourceDocument());
  books.Start();
  const auto rows = books.Rows();
  books.runner().DoubtRows();
  EXPECT_THAT(books.said().back(), HasSubstr("The next start computes the rows again"));
  books.Stop();
  for (const bool doubted : {true, false}) {
    books.Start();
    EXPECT_EQ(books.said().size(), doubted ? 1u : 0u);
    EXPECT_EQ(books.Rows(), rows);
    books.Stop();
  }
}

TEST(RunnerTest, ADoubtThatARebuildHasRemovedIsForgotten) {
  Bookkeeping books;
  books.Append(SourceDocument());
  books.Start();
  books.runner().DoubtRows();
  ASSERT_TRUE(books.runner().Rebuild().ok());
  books.Stop();
  books.Start();
  EXPECT_THAT(books.said(), IsEmpty());
}

TEST(RunnerTest, MissingRowsAreComputed) {
  Bookkeeping books;
  books.Append(SourceDocument());
  books.Start();
  const auto rows = books.Rows();
  books.Stop();
  std::filesystem::remove_all(books.views_folder());
  books.Start();
  EXPECT_THAT(books.said(), ElementsAre(HasSubstr("Computing the rows again")));
  EXPECT_EQ(books.Rows(), rows);
}

TEST(RunnerTest, RowsFoundDamagedWhileFoldingAreComputedAgainBesideTheLiveOnes) {
  History history = Wide();
  Bookkeeping books;
  books.Append(history);
  books.Start();
  books.Stop();
  FlipByte(books.AgreementsTable(), 100);
  books.Start();
  ASSERT_THAT(books.said(), IsEmpty());

  books.Append(history.Allocate("coaching-2022", 1'00, 1'00));
  books.AwaitHead();
  EXPECT_THAT(books.said(), ElementsAre(HasSubstr("damaged")));
  Bookkeeping anew;
  anew.Append(history);
  anew.Start();
  EXPECT_EQ(books.Rows(), anew.Rows());
  // And it goes on.
  books.Append(history.Allocate("coaching-2022", 2'00, 2'00));
  books.AwaitHead();
  EXPECT_TRUE(books.runner().status().ok());
}

// ------------------------------------------------------------------------------------ the log's
// faults

TEST(RunnerTest, AnEventThatDoesNotDecodeStopsItWithItsPosition) {
  Bookkeeping books;
  books.Append(SourceDocument());
  books.Start();
  store::Batch batch;
  batch.Add("\xff\xff\xff no event");
  const Position bad = books.log().head().next;
  books.AppendBatch(batch);

  const absl::Status status = books.runner().WaitFor(bad + 1, steady_clock::now() + kLong);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("position " + std::to_string(bad)));
  EXPECT_EQ(books.runner().status(), status);
  EXPECT_EQ(books.runner().folded(), bad);
  EXPECT_EQ(books.runner().Rebuild().status(), status);
  bool answer = true;
  books.runner().CallWhenFolded(bad + 1, steady_clock::now() + kLong,
                                [&](bool folded) { answer = folded; });
  EXPECT_FALSE(answer);

  books.Stop();
  EXPECT_EQ(books.TryStart(), status);
}

TEST(RunnerTest, AnEventThatDoesNotFoldStopsItWithItsPosition) {
  History history = SourceDocument();
  Bookkeeping books;
  history.Certify("no-such-commitment", 1'00);
  books.Append(history);
  const absl::Status status = books.TryStart();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("position " + std::to_string(history.events().size() - 1)));
}

// -------------------------------------------------------------------------------------------
// waiting

TEST(RunnerTest, WaitingEndsAtTheDeadline) {
  Bookkeeping books;
  books.Append(SourceDocument());
  books.Start();
  const Position never = books.log().head().next + 1;
  EXPECT_EQ(
      books.runner().WaitFor(never, steady_clock::now() + std::chrono::milliseconds(5)).code(),
      absl::StatusCode::kDeadlineExceeded);
  std::promise<bool> later, sooner;
  books.runner().CallWhenFolded(never, steady_clock::now() + kLong,
                                [&](bool folded) { later.set_value(folded); });
  books.runner().CallWhenFolded(never, steady_clock::now() + std::chrono::milliseconds(5),
                                [&](bool folded) { sooner.set_value(folded); });
  EXPECT_FALSE(sooner.get_future().get()) << "the earlier deadline wakes the thread";
  bool past = true;
  books.runner().CallWhenFolded(never, steady_clock::now() - kLong,
                                [&](bool folded) { past = folded; });
  EXPECT_FALSE(past);
  books.Stop();
  EXPECT_FALSE(later.get_future().get()) << "who still waits is told when it stops";
}

TEST(RunnerTest, WhatIsFoldedAlreadyNeedsNoWaiting) {
  Bookkeeping books;
  books.Append(SourceDocument());
  books.Start();
  bool folded = false;
  books.runner().CallWhenFolded(books.log().head().next, steady_clock::now() - kLong,
                                [&](bool in_time) { folded = in_time; });
  EXPECT_TRUE(folded);
}

// ------------------------------------------------------------------------------------------
// rebuilding

TEST(RebuildTest, RebuiltRowsEqualTheLiveOnes) {
  const History history = SourceDocument();
  Bookkeeping books;
  books.Start();
  books.Append(history, 1);
  books.AwaitHead();
  const auto rows = books.Rows();
  const std::string before = books.runner().views()->directory();
  const auto rebuilt = books.runner().Rebuild();
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
  EXPECT_EQ(rebuilt->first_difference, "");
  EXPECT_EQ(rebuilt->next, history.events().size());
  EXPECT_EQ(static_cast<std::size_t>(rebuilt->rows_compared), rows.size());
  EXPECT_EQ(books.Rows(), rows);
  EXPECT_NE(books.runner().views()->directory(), before);
  EXPECT_FALSE(std::filesystem::exists(before)) << "the old rows are deleted";
}

TEST(RebuildTest, OneWrongCentInALiveRowIsNamed) {
  Bookkeeping books;
  books.Append(SourceDocument());
  books.Start();
  const auto rows = books.Rows();
  books.Stop();
  const std::string key = CommitmentKey(kAgreement, "ej-2021");
  books.Replace([&](auto& stored) {
    v1::Commitment commitment;
    ASSERT_TRUE(commitment.ParseFromString(stored.at(key)));
    auto& line = *commitment.mutable_lines(0);
    line.set_paid_cents(line.paid_cents() + 1);
    stored[key] = commitment.SerializeAsString();
  });
  books.Start();
  EXPECT_NE(books.Rows(), rows);
  const auto rebuilt = books.runner().Rebuild();
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
  EXPECT_EQ(rebuilt->first_difference, key);
  EXPECT_THAT(books.said(), ElementsAre(HasSubstr(key)));
  EXPECT_EQ(books.Rows(), rows) << "the rebuilt rows are live all the same";
  EXPECT_EQ(books.runner().Rebuild()->first_difference, "");

  // Who has folded on the wrong cent does not bring it back.
  History history = SourceDocument();
  history.Allocate("coaching-2022", 1'00, 1'00);
  Writer writer(books);
  Runner::Folded next = writer.Append(history, 1);
  next.write.Put(key, "a cent too many");
  books.runner().Deliver(std::move(next));
  books.AwaitHead();
  EXPECT_EQ(books.Rows().at(key), rows.at(key));
  EXPECT_EQ(books.runner().Rebuild()->first_difference, "");
}

TEST(RebuildTest, AMissingRowAndOneTooManyAreNamed) {
  Bookkeeping books;
  books.Append(SourceDocument());
  books.Start();
  books.Stop();
  const std::string missing = PaymentKey(kAgreement, "dp-coach");
  books.Replace([&](auto& stored) { ASSERT_EQ(stored.erase(missing), 1u); });
  books.Start();
  EXPECT_EQ(books.runner().Rebuild()->first_difference, missing);
  books.Stop();
  for (const std::string& extra : {AgreementKey("a"), std::string("zzz")}) {
    books.Replace([&](auto& stored) { stored[extra] = "x"; });
    books.Start();
    EXPECT_EQ(books.runner().Rebuild()->first_difference, extra);
    books.Stop();
  }
}

TEST(RebuildTest, ALiveRowThatCannotBeReadIsADifference) {
  Bookkeeping books;
  books.Append(Wide());
  books.Start();
  books.Stop();
  FlipByte(books.AgreementsTable(), 100);
  books.Start();
  const auto rebuilt = books.runner().Rebuild();
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
  EXPECT_EQ(rebuilt->first_difference, AgreementKey(kAgreement)) << "the first row of all";
  EXPECT_EQ(books.Rows().size(), static_cast<std::size_t>(rebuilt->rows_compared));
}

TEST(RebuildTest, GoesOnWhileCommandsComeInAndQueriesRead) {
  const History history = Long(3'000);
  Bookkeeping books;
  const auto half = history.events().begin() + 1'000;
  books.Append(history.events().begin(), half);
  books.Start();
  std::thread writer([&] { books.Append(history, 10); });
  Position seen = 0;
  std::promise<void> done;
  std::thread reader([&, ended = done.get_future()] {
    do {
      const Views::Snapshot rows = books.runner().views()->TakeSnapshot();
      const auto cursor = rows.cursor();
      ASSERT_TRUE(cursor.ok());
      EXPECT_GE(cursor->next, seen) << "a rebuild never takes a reader back";
      seen = cursor->next;
      const auto agreement = ReadAgreement(rows, kAgreement);
      ASSERT_TRUE(agreement.ok()) << agreement.status();
      EXPECT_EQ(TrialBalance(*agreement)->sum(), 0);
    } while (ended.wait_for(std::chrono::seconds(0)) != std::future_status::ready);
  });
  for (int i = 0; i < 3; ++i) {
    const auto rebuilt = books.runner().Rebuild();
    EXPECT_TRUE(rebuilt.ok()) << rebuilt.status();
    EXPECT_EQ(rebuilt->first_difference, "");
  }
  writer.join();
  done.set_value();
  reader.join();
  books.AwaitHead();
  Bookkeeping at_once;
  at_once.Append(history);
  at_once.Start();
  EXPECT_EQ(books.Rows(), at_once.Rows());
  EXPECT_THAT(books.said(), ElementsAre(HasSubstr("no views")));
}

// Holds up the making of a new generation until it is let through.
class Gate : public rocksdb::FileSystemWrapper {
 public:
  Gate() : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "Gate"; }

  rocksdb::IOStatus CreateDirIfMissing(const std::string& path, const rocksdb::IOOptions& options,
                                       rocksdb::IODebugContext* debug) override {
    std::unique_lock<std::mutex> lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    return rocksdb::FileSystemWrapper::CreateDirIfMissing(path, options, debug);
  }
  void Set(bool open) {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = open;
    waiting_ = 0;
    changed_.notify_all();
  }
  void AwaitSomebody() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int waiting_ = 0;
};

TEST(RebuildTest, OneAtATime) {
  const auto gate = std::make_shared<Gate>();
  Bookkeeping books({.file_system = gate});
  books.Append(SourceDocument());
  books.Start();
  gate->Set(false);
  auto first = std::async(std::launch::async, [&] { return books.runner().Rebuild(); });
  gate->AwaitSomebody();
  EXPECT_EQ(books.runner().Rebuild().status().code(), absl::StatusCode::kFailedPrecondition);
  gate->Set(true);
  const auto rebuilt = first.get();
  EXPECT_TRUE(rebuilt.ok()) << rebuilt.status();
  EXPECT_TRUE(books.runner().Rebuild().ok());
}

TEST(RebuildTest, ADamageThatIsMetMeanwhileIsRepairedByIt) {
  History history = Wide();
  const auto gate = std::make_shared<Gate>();
  Bookkeeping books({.file_system = gate});
  books.Append(history);
  books.Start();
  books.Stop();
  FlipByte(books.AgreementsTable(), 100);
  books.Start();
  gate->Set(false);
  auto rebuild = std::async(std::launch::async, [&] { return books.runner().Rebuild(); });
  gate->AwaitSomebody();
  books.Append(history.Allocate("coaching-2022", 1'00, 1'00));
  gate->Set(true);
  ASSERT_TRUE(rebuild.get().ok());
  books.AwaitHead();
  EXPECT_TRUE(books.runner().status().ok());
  Bookkeeping anew;
  anew.Append(history);
  anew.Start();
  EXPECT_EQ(books.Rows(), anew.Rows());
}

}  // namespace
}  // namespace denier::projections
