#include "tests/bench/postgres.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace denier::bench {
namespace {

constexpr int kEnvelopes = 12;
constexpr int kFirstYear = 2021;
constexpr int kYears = 3;
constexpr std::uint64_t kOpenings = std::uint64_t{kEnvelopes} * kYears;

std::string EnvelopeId(int envelope) { return absl::StrCat("coaching-", envelope); }

std::vector<std::string> EnvelopeIds() {
  std::vector<std::string> ids;
  for (int i = 0; i < kEnvelopes; ++i) ids.push_back(EnvelopeId(i));
  return ids;
}

// Number n takes the envelopes in turn, then the years.
Engagement InTurn(std::uint64_t number) {
  return {.envelope = static_cast<int>(number % kEnvelopes),
          .year = kFirstYear + static_cast<int>(number / kEnvelopes % kYears),
          .cents = 700 + static_cast<std::int64_t>(number * 7919 % 1000),
          .request_id = absl::StrCat("request-of-the-bench-", number),
          .commitment_id = absl::StrCat("EJ-", number)};
}
Engagement OnOne(std::uint64_t number) {
  Engagement command = InTurn(number);
  command.envelope = 3;
  command.year = 2022;
  return command;
}

// What is available after the openings and these commands, all of them accepted.
Balances Expected(std::int64_t cents, const EngagementSource& source, std::uint64_t first,
                  std::uint64_t count) {
  Balances balances;
  for (int envelope = 0; envelope < kEnvelopes; ++envelope) {
    for (int year = kFirstYear; year < kFirstYear + kYears; ++year) {
      balances[{EnvelopeId(envelope), year}] = {cents, cents};
    }
  }
  for (std::uint64_t number = first; number < first + count; ++number) {
    const Engagement command = source(number);
    balances[{EnvelopeId(command.envelope), command.year}].ae_cents -= command.cents;
  }
  return balances;
}

class PostgresTest : public testing::Test {
 protected:
  // One server for all tests: each opens books of its own.
  static void SetUpTestSuite() {
    auto started = Postgres::Start(std::filesystem::temp_directory_path());
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  static void TearDownTestSuite() { server_ = nullptr; }

  static void Open(std::int64_t cents) {
    const absl::Status status = server_->Open(EnvelopeIds(), kFirstYear, kYears, cents, cents);
    ASSERT_TRUE(status.ok()) << status;
  }
  static EngageAnswer Engage(const Engagement& command, std::optional<int> version = std::nullopt) {
    const auto answer = server_->Engage(command, version);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.value_or(EngageAnswer{});
  }
  // The balances are these, and so are the sums over the events.
  static void ExpectBooks(const Balances& expected, std::uint64_t events) {
    const auto balances = server_->ReadBalances();
    ASSERT_TRUE(balances.ok()) << balances.status();
    EXPECT_EQ(*balances, expected);
    const auto sums = server_->SumEvents();
    ASSERT_TRUE(sums.ok()) << sums.status();
    EXPECT_EQ(sums->rows, expected);
    EXPECT_GT(sums->seconds, 0);
    const auto count = server_->CountEvents();
    ASSERT_TRUE(count.ok()) << count.status();
    EXPECT_EQ(*count, events);
  }

  static std::unique_ptr<Postgres> server_;
};
std::unique_ptr<Postgres> PostgresTest::server_;

TEST_F(PostgresTest, AcceptsToTheCentAndRefusesOneMore) {
  Open(183'072'00);
  Engagement command = {
      .envelope = 0, .year = 2022, .cents = 183'072'01, .request_id = "a", .commitment_id = "EJ-1"};
  EXPECT_EQ(Engage(command).verdict, Verdict::kAeExceeded);
  ExpectBooks(Expected(183'072'00, InTurn, 0, 0), kOpenings);
  command.cents = 183'072'00;
  EXPECT_EQ(Engage(command).verdict, Verdict::kAccepted);
  command = {.envelope = 0, .year = 2022, .cents = 1, .request_id = "b", .commitment_id = "EJ-2"};
  EXPECT_EQ(Engage(command).verdict, Verdict::kAeExceeded);
  Balances expected = Expected(183'072'00, InTurn, 0, 0);
  expected[{EnvelopeId(0), 2022}].ae_cents = 0;
  ExpectBooks(expected, kOpenings + 1);
}

TEST_F(PostgresTest, ARepetitionGetsTheEarlierAnswer) {
  Open(1000'00);
  const EngageAnswer first = Engage(InTurn(1));
  EXPECT_EQ(first.verdict, Verdict::kAccepted);
  EXPECT_EQ(first.position, static_cast<std::int64_t>(kOpenings));
  EXPECT_EQ(Engage(InTurn(2)).position, first.position + 1);
  const EngageAnswer again = Engage(InTurn(1));
  EXPECT_EQ(again.verdict, Verdict::kAccepted);
  EXPECT_EQ(again.position, first.position);

  Engagement other = InTurn(1);
  ++other.cents;
  EXPECT_EQ(Engage(other).verdict, Verdict::kRequestIdReused);
  other = InTurn(1);
  other.envelope = 5;
  EXPECT_EQ(Engage(other).verdict, Verdict::kRequestIdReused);
  ExpectBooks(Expected(1000'00, InTurn, 1, 2), kOpenings + 2);
}

TEST_F(PostgresTest, RefusesWhereTheStreamIsNotAtTheVersion) {
  Open(1000'00);
  EXPECT_EQ(Engage(OnOne(0), 0).verdict, Verdict::kVersionMoved);
  EXPECT_EQ(Engage(OnOne(0), 1).verdict, Verdict::kAccepted);
  EXPECT_EQ(Engage(OnOne(1), 1).verdict, Verdict::kVersionMoved);
  EXPECT_EQ(Engage(OnOne(1), 2).verdict, Verdict::kAccepted);
  ExpectBooks(Expected(1000'00, OnOne, 0, 2), kOpenings + 2);
}

TEST_F(PostgresTest, RefusesWhatIsNoCommand) {
  Open(1000'00);
  Engagement command = InTurn(0);
  command.cents = 0;
  EXPECT_EQ(Engage(command).verdict, Verdict::kInvalid);
  command.cents = -1;
  EXPECT_EQ(Engage(command).verdict, Verdict::kInvalid);
  command = InTurn(0);
  command.year = kFirstYear + kYears;
  EXPECT_EQ(Engage(command).verdict, Verdict::kInvalid);
  command = InTurn(0);
  command.envelope = kEnvelopes;
  EXPECT_EQ(Engage(command).verdict, Verdict::kInvalid);
  ExpectBooks(Expected(1000'00, InTurn, 0, 0), kOpenings);
}

TEST_F(PostgresTest, ConnectionsOnOneRowLoseNothing) {
  for (const int connections : {1, 4, 16, 64}) {
    Open(1'000'000'00);
    const auto rate = server_->EngageEach(OnOne, 0, 500, absl::InfiniteDuration(), connections);
    ASSERT_TRUE(rate.ok()) << rate.status();
    EXPECT_EQ(rate->accepted, 500U);
    EXPECT_EQ(rate->refused, 0U);
    EXPECT_GT(rate->seconds, 0);
    ExpectBooks(Expected(1'000'000'00, OnOne, 0, 500), kOpenings + 500);
  }
}

TEST_F(PostgresTest, ConnectionsOnOneRowNeverOverdraw) {
  const auto same = [](std::uint64_t number) {
    Engagement command = OnOne(number);
    command.cents = 100;
    return command;
  };
  Open(150 * 100 + 99);
  const auto rate = server_->EngageEach(same, 0, 400, absl::InfiniteDuration(), 64);
  ASSERT_TRUE(rate.ok()) << rate.status();
  EXPECT_EQ(rate->accepted, 150U);
  EXPECT_EQ(rate->refused, 250U);
  Balances expected = Expected(150 * 100 + 99, InTurn, 0, 0);
  expected[{EnvelopeId(3), 2022}].ae_cents = 99;
  ExpectBooks(expected, kOpenings + 150);
}

TEST_F(PostgresTest, TheSameRequestFromSixtyFourConnectionsIsOneEvent) {
  Open(1000'00);
  const auto same = [](std::uint64_t) { return OnOne(7); };
  const auto rate = server_->EngageEach(same, 0, 300, absl::InfiniteDuration(), 64);
  ASSERT_TRUE(rate.ok()) << rate.status();
  EXPECT_EQ(rate->accepted, 300U);
  ExpectBooks(Expected(1000'00, OnOne, 7, 1), kOpenings + 1);
}

TEST_F(PostgresTest, StopsWhenTimeIsOver) {
  Open(1'000'000'000'00);
  const auto rate = server_->EngageEach(InTurn, 0, 1'000'000'000, absl::Milliseconds(200), 16);
  ASSERT_TRUE(rate.ok()) << rate.status();
  EXPECT_GE(rate->seconds, 0.2);
  ExpectBooks(Expected(1'000'000'000'00, InTurn, 0, rate->accepted), kOpenings + rate->accepted);
}

TEST_F(PostgresTest, BatchesComeToTheSameBooks) {
  for (const int clients : {1, 2, 3, 4}) {
    Open(1'000'000'00);
    const auto rate =
        server_->EngageStream(InTurn, 0, 5'003, absl::InfiniteDuration(), clients, 500);
    ASSERT_TRUE(rate.ok()) << rate.status();
    EXPECT_EQ(rate->accepted, 5'003U);
    EXPECT_EQ(rate->refused, 0U);
    ExpectBooks(Expected(1'000'000'00, InTurn, 0, 5'003), kOpenings + 5'003);
    // All of them again: the earlier answers.
    const auto again =
        server_->EngageStream(InTurn, 0, 5'003, absl::InfiniteDuration(), clients, 500);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->accepted, 5'003U);
    ExpectBooks(Expected(1'000'000'00, InTurn, 0, 5'003), kOpenings + 5'003);
  }
}

TEST_F(PostgresTest, BatchesOfSharedRowsLoseNothing) {
  Open(1'000'000'00);
  const auto rate = server_->EngageStream(OnOne, 0, 4'000, absl::InfiniteDuration(), 4, 250);
  ASSERT_TRUE(rate.ok()) << rate.status();
  EXPECT_EQ(rate->accepted, 4'000U);
  ExpectBooks(Expected(1'000'000'00, OnOne, 0, 4'000), kOpenings + 4'000);
}

TEST_F(PostgresTest, ABatchAcceptsWhatFitsAndRefusesTheRest) {
  const auto same = [](std::uint64_t number) {
    Engagement command = OnOne(number);
    command.cents = 100;
    return command;
  };
  Open(150 * 100 + 99);
  const auto rate = server_->EngageStream(same, 0, 400, absl::InfiniteDuration(), 1, 100);
  ASSERT_TRUE(rate.ok()) << rate.status();
  EXPECT_EQ(rate->accepted, 150U);
  EXPECT_EQ(rate->refused, 250U);
  Balances expected = Expected(150 * 100 + 99, InTurn, 0, 0);
  expected[{EnvelopeId(3), 2022}].ae_cents = 99;
  ExpectBooks(expected, kOpenings + 150);
}

TEST_F(PostgresTest, ARequestTwiceInOneBatchIsOneEvent) {
  Open(1000'00);
  const auto twice = [](std::uint64_t number) { return InTurn(number / 2); };
  const auto rate = server_->EngageStream(twice, 0, 40, absl::InfiniteDuration(), 1, 40);
  ASSERT_TRUE(rate.ok()) << rate.status();
  EXPECT_EQ(rate->accepted, 40U);
  ExpectBooks(Expected(1000'00, InTurn, 0, 20), kOpenings + 20);
}

// An opening for each envelope and year, then engagements and payments in turn.
void AFact(std::uint64_t number, StoredFact& fact) {
  const Engagement command = InTurn(number);
  const bool opens = number < kOpenings;
  const bool engages = number % 5 < 2;
  fact = {.kind = opens ? 30 : (engages ? 50 : 54),
          .envelope_id = EnvelopeId(command.envelope),
          .year = command.year,
          .request_id = command.request_id,
          .commitment_id = opens ? "" : command.commitment_id,
          .ae_cents = opens ? 1'000'000'00 : (engages ? -command.cents : 0),
          .cp_cents = opens ? 1'000'000'00 : (engages ? 0 : -command.cents),
          .principal_id = "officer-1",
          .effective_date = command.year * 10000 + 115,
          .recorded_time_us = 1'600'000'000'000'000 + static_cast<std::int64_t>(number)};
}

TEST_F(PostgresTest, ALoadedHistoryAddsUp) {
  constexpr std::uint64_t kEvents = 20'000;
  Balances expected;
  StoredFact fact;
  for (std::uint64_t number = 0; number < kEvents; ++number) {
    AFact(number, fact);
    Available& available = expected[{fact.envelope_id, fact.year}];
    available.ae_cents += fact.ae_cents;
    available.cp_cents += fact.cp_cents;
  }
  const absl::Status status = server_->Load(kEvents, AFact);
  ASSERT_TRUE(status.ok()) << status;
  ExpectBooks(expected, kEvents);
  const auto bytes = server_->Bytes();
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_GT(*bytes, static_cast<std::int64_t>(kEvents * 100));
  EXPECT_LT(*bytes, static_cast<std::int64_t>(kEvents * 1000));
}

TEST_F(PostgresTest, AHistoryThatOverdrawsIsNotLoaded) {
  const auto overdrawn = [](std::uint64_t number, StoredFact& fact) {
    AFact(number, fact);
    if (number == kOpenings) fact.ae_cents = -2'000'000'00;
  };
  EXPECT_EQ(server_->Load(1'000, overdrawn).code(), absl::StatusCode::kInvalidArgument);
}

// --- Nothing stays behind.

TEST(PostgresServerTest, IsGoneWithItsObject) {
  auto server = Postgres::Start(std::filesystem::temp_directory_path());
  ASSERT_TRUE(server.ok()) << server.status();
  const auto pid = (*server)->ServerPid();
  ASSERT_TRUE(pid.ok()) << pid.status();
  ASSERT_EQ(kill(*pid, 0), 0);
  const std::string folder = (*server)->folder();
  ASSERT_TRUE(std::filesystem::exists(folder));
  *server = nullptr;
  EXPECT_EQ(kill(*pid, 0), -1);
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST(PostgresServerTest, IsGoneWhenWhoStartedItIsKilled) {
  // Orphans of a child become this process's own, so that it can wait for them.
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  for (const int signal : {SIGTERM, SIGKILL}) {
    std::array<int, 2> ends;
    ASSERT_EQ(pipe(ends.data()), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto server = Postgres::Start(std::filesystem::temp_directory_path());
      if (!server.ok()) _exit(1);
      const std::string line =
          absl::StrCat((*server)->guard_pid(), " ", (*server)->ServerPid().value_or(0), " ",
                       (*server)->folder(), "\n");
      if (write(ends[1], line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(1);
      while (true) pause();
    }
    close(ends[1]);
    std::FILE* said = fdopen(ends[0], "r");
    int guard = 0;
    int server = 0;
    std::array<char, 256> folder{};
    ASSERT_EQ(std::fscanf(said, "%d %d %255s", &guard, &server, folder.data()), 3);
    std::fclose(said);
    ASSERT_EQ(kill(server, 0), 0);
    ASSERT_EQ(kill(child, signal), 0);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    EXPECT_EQ(waitpid(guard, nullptr, 0), guard);
    EXPECT_EQ(kill(server, 0), -1);
    EXPECT_FALSE(std::filesystem::exists(folder.data()));
  }
}

TEST(PostgresServerTest, SaysWhyItDoesNotStart) {
  const auto server = Postgres::Start(std::filesystem::temp_directory_path(), {"no_such_word = 1"});
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(std::string(server.status().message()), testing::HasSubstr("no_such_word"));
}

}  // namespace
}  // namespace denier::bench
