// The one writer, on a real log and real rows in a temporary folder. Runs under ThreadSanitizer
// too.
#include "services/sequencer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <string>
#include <thread>

#include "denier/events/v1/event.pb.h"
#include "projections/books.h"
#include "projections/row_keys.h"
#include "tests/faults/held_disk.h"
#include "tests/services/commands.h"
#include "tests/store/raw_database.h"
#include "tests/store/temporary_folder.h"

namespace denier::services {
namespace {

using events::v1::Event;
using faults::Effect;
using faults::HeldDisk;
using faults::Operation;
using projections::Account;
using projections::Ledger;
using testing::Each;
using testing::ElementsAre;
using testing::Eq;

MATCHER_P(RefusedWith, reason, v1::ErrorReason_Name(reason)) {
  const auto* refusal = std::get_if<rules::Refusal>(&arg);
  if (refusal == nullptr) {
    *result_listener << "accepted at " << std::get<v1::CommandResult>(arg).position();
    return false;
  }
  *result_listener << v1::ErrorReason_Name(refusal->reason) << ": " << refusal->message;
  return refusal->reason == reason;
}

MATCHER_P(AcceptedAt, position, "") {
  const auto* result = std::get_if<v1::CommandResult>(&arg);
  if (result == nullptr) {
    const auto& refusal = std::get<rules::Refusal>(arg);
    *result_listener << v1::ErrorReason_Name(refusal.reason) << ": " << refusal.message;
    return false;
  }
  *result_listener << result->ShortDebugString();
  return result->position() == position;
}

std::string Bytes(const Outcome& outcome) {
  return std::get<v1::CommandResult>(outcome).SerializeAsString();
}

using Answers = std::future<std::vector<Outcome>>;

class SequencerTest : public testing::Test {
 protected:
  SequencerTest() { Open(); }
  ~SequencerTest() override {
    disk_->Hold(HeldDisk::At::kNothing);
    Close();
  }

  void Open() {
    auto log = store::Log::Open(folder_.path(), {.file_system = disk_, .initialize = true});
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
    auto runner = projections::Runner::Start(*log_, views_path());
    ASSERT_TRUE(runner.ok()) << runner.status();
    runner_ = *std::move(runner);
    options_.now_us = [this] {
      clock_read_by_ = std::this_thread::get_id();
      return clock_us_.fetch_add(1);
    };
    options_.observer.queued = [this](std::size_t queued) {
      queued_ = queued;
      queued_.notify_all();
    };
    options_.observer.failed = [this](const absl::Status& status) { failed_.set_value(status); };
    auto sequencer = Sequencer::Start(*log_, *runner_, options_);
    ASSERT_TRUE(sequencer.ok()) << sequencer.status();
    sequencer_ = *std::move(sequencer);
  }
  void Close() {
    sequencer_.reset();
    runner_.reset();
    log_.reset();
  }
  void Restart() {
    Close();
    Open();
  }

  std::string views_path() const { return folder_.path() + "/views"; }

  Answers Send(std::vector<v1::Command> commands, const events::v1::Principal& actor,
               bool atomic = false) {
    Submission submission;
    for (const v1::Command& command : commands) submission.content.push_back(ContentHash(command));
    submission.commands = std::move(commands);
    submission.actor = actor;
    submission.atomic = atomic;
    submission.deadline = deadline_;
    auto answer = std::make_shared<std::promise<std::vector<Outcome>>>();
    Answers answers = answer->get_future();
    submission.done = [this, answer](std::vector<Outcome> outcomes) {
      if (disk_->holds()) ++answered_while_held_;
      answer->set_value(std::move(outcomes));
    };
    sequencer_->Submit(std::move(submission));
    return answers;
  }
  Answers Send(v1::Command command, const events::v1::Principal& actor) {
    return Send(std::vector{std::move(command)}, actor);
  }
  Outcome Ask(v1::Command command, const events::v1::Principal& actor) {
    return Send(std::move(command), actor).get().front();
  }

  // Returns once the deciding thread has taken all that was sent.
  void AwaitTaken() {
    for (std::size_t queued = queued_; queued != 0; queued = queued_) queued_.wait(queued);
  }

  // An agreement with an envelope of `cents` in AE and in CP: events 0 to 2.
  void GivenAnEnvelope(std::int64_t cents = 183'072'00) {
    EXPECT_THAT(Ask(CreateAgreement("agreement", 2021, 2023, 1'000'000'00), Manager()),
                AcceptedAt(0));
    EXPECT_THAT(Ask(CreateEnvelope("envelope", "coaching", "DINUM", {2021, 2022, 2023}), Manager()),
                AcceptedAt(1));
    EXPECT_THAT(Ask(Allocate("credits", "coaching", cents, cents), Manager()), AcceptedAt(2));
  }

  Event EventAt(store::Position position) {
    Event event;
    event.ParseFromString(log_->Read(position).value());
    return event;
  }

  // What the stored rows have, once they stand at the head.
  std::int64_t Stored(Ledger ledger, Account account) {
    const auto soon = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    EXPECT_TRUE(runner_->WaitFor(log_->head().next, soon).ok());
    projections::Books books(projections::RowsOf(runner_->views()));
    return books.BalancesOf(kAgreement, "coaching", 2022).total(ledger, account);
  }

  // Puts something else in the place of a stored row, checksums right. Nobody has the rows open.
  void SpoilRow(const std::string& key) {
    const std::string path = store::Generations(views_path()).OpenCurrent().value()->directory();
    store::RawDatabase rows(path);
    std::string row;
    EXPECT_TRUE(rows.db().Get({}, key, &row).ok()) << key;
    EXPECT_TRUE(rows.db().Put({}, key, "\xff\xff").ok());
    EXPECT_TRUE(rows.db().Flush({}).ok());
  }

  store::TemporaryFolder folder_;
  std::shared_ptr<HeldDisk> disk_ = std::make_shared<HeldDisk>();
  SequencerOptions options_;
  std::atomic<std::int64_t> clock_us_ = 1'654'041'600'000'000;
  std::thread::id clock_read_by_;  // whoever decided last
  std::chrono::steady_clock::time_point deadline_ =
      std::chrono::steady_clock::now() + std::chrono::hours(1);
  std::atomic<std::size_t> queued_ = 0;
  std::atomic<int> answered_while_held_ = 0;
  std::promise<absl::Status> failed_;

  std::unique_ptr<store::Log> log_;
  std::unique_ptr<projections::Runner> runner_;
  std::unique_ptr<Sequencer> sequencer_;
};

// ------------------------------------------------------------------------------ Repetition

TEST_F(SequencerTest, AnswersAnAcceptedCommandWithItsEvent) {
  GivenAnEnvelope();
  const auto result =
      std::get<v1::CommandResult>(Ask(Allocate("more", "coaching", 1, 0), Manager()));
  EXPECT_EQ(result.position(), 3);
  EXPECT_EQ(result.fiscal_year(), 2022);
  EXPECT_EQ(result.etag(), "3");
  const Event event = EventAt(3);
  EXPECT_EQ(event.recorded_time_us(), result.recorded_time_us());
  EXPECT_EQ(event.request_id(), "more");
  EXPECT_EQ(event.actor().body_id(), "DJEPVA");
  EXPECT_EQ(event.request_sha256(),
            store::AsBytes(ContentHash(Allocate("more", "coaching", 1, 0))));
}

TEST_F(SequencerTest, TheSameRequestOfManyClientsAtOnceIsOneEvent) {
  GivenAnEnvelope();
  constexpr int kClients = 8;
  constexpr int kRequests = 20;
  std::vector<std::vector<std::string>> answers(kClients);
  std::vector<std::thread> clients;
  for (int client = 0; client < kClients; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; i < kRequests; ++i) {
        const std::string id = "ec-" + std::to_string(i);
        answers[client].push_back(Bytes(Ask(Engage(id, "coaching", {{"l1", 1'00}}), Officer())));
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(log_->head().next, 3 + kRequests);
  EXPECT_THAT(answers, Each(Eq(answers.front())));
}

TEST_F(SequencerTest, ARepetitionIsAnsweredLikeTheFirstTimeForEver) {
  GivenAnEnvelope();
  const v1::Command command = Engage("ec-1", "coaching", {{"l1", 183'072'00}});
  const std::string first = Bytes(Ask(command, Officer()));
  const std::string credits =
      Bytes(Ask(Allocate("credits", "coaching", 183'072'00, 183'072'00), Manager()));
  EXPECT_EQ(Bytes(Ask(command, Officer())), first) << "in the tail or the rows";
  Restart();
  EXPECT_EQ(Bytes(Ask(command, Officer())), first) << "after a restart";
  EXPECT_EQ(Bytes(Ask(Allocate("credits", "coaching", 183'072'00, 183'072'00), Manager())),
            credits);
  Close();
  std::filesystem::remove_all(views_path());
  Open();
  EXPECT_EQ(Bytes(Ask(command, Officer())), first) << "with views/ deleted";
  EXPECT_EQ(log_->head().next, 4);
}

TEST_F(SequencerTest, ARequestIdIsBoundToItsContentWithinItsBody) {
  GivenAnEnvelope();
  Ask(Engage("ec-1", "coaching", {{"l1", 1'00}}), Officer());
  const v1::Command other = Engage("ec-1", "coaching", {{"l1", 2'00}});
  EXPECT_THAT(Ask(other, Officer()), RefusedWith(v1::ERROR_REASON_REQUEST_ID_REUSED));
  Restart();
  EXPECT_THAT(Ask(other, Officer()), RefusedWith(v1::ERROR_REASON_REQUEST_ID_REUSED));
  EXPECT_THAT(Ask(Allocate("ec-1", "coaching", 1, 1), Manager()), AcceptedAt(4)) << "another body";
}

TEST_F(SequencerTest, ARefusalBindsNothing) {
  GivenAnEnvelope();
  EXPECT_THAT(Ask(Engage("ec-1", "coaching", {{"l1", 183'072'01}}), Officer()),
              RefusedWith(v1::ERROR_REASON_AE_EXCEEDED));
  EXPECT_THAT(Ask(Engage("ec-1", "coaching", {{"l1", 183'072'00}}), Officer()), AcceptedAt(3));
}

TEST_F(SequencerTest, WhoMayNotActLearnsNothingOfARepetition) {
  GivenAnEnvelope();
  EXPECT_THAT(Ask(Allocate("credits", "coaching", 183'072'00, 183'072'00), Officer("DJEPVA")),
              RefusedWith(v1::ERROR_REASON_WRONG_ROLE));
}

TEST_F(SequencerTest, ARepetitionComesBeforeTheEtag) {
  GivenAnEnvelope();
  v1::Command command = Allocate("more", "coaching", 1, 1);
  Header(command).set_etag("2");
  const std::string first = Bytes(Ask(command, Manager()));
  EXPECT_EQ(Bytes(Ask(command, Manager())), first);
  EXPECT_THAT(Ask(Renamed(command, "again"), Manager()), RefusedWith(v1::ERROR_REASON_ETAG_MOVED));
}

TEST(ContentHashTest, IsOfEverythingButTheDryRun) {
  const v1::Command command = Engage("ec-1", "coaching", {{"l1", 1'00}});
  EXPECT_EQ(ContentHash(command), ContentHash(DryRun(command)));
  EXPECT_NE(ContentHash(command), ContentHash(Renamed(command, "ec-2")));
  EXPECT_NE(ContentHash(command), ContentHash(Dated(command, kDay + 1)));
  EXPECT_NE(ContentHash(command), ContentHash(Engage("ec-1", "coaching", {{"l1", 1'01}})));
}

// ------------------------------------------------------------------------------ Durability

TEST_F(SequencerTest, NoAnswerLeavesBeforeWhatItWasDecidedOnIsDurable) {
  GivenAnEnvelope(10'00);
  disk_->Hold(HeldDisk::At::kLogSync);
  Answers accepted = Send(Engage("ec-1", "coaching", {{"l1", 10'00}}), Officer());
  disk_->AwaitHeld();
  Answers refused = Send(Engage("ec-2", "coaching", {{"l1", 1}}), Officer());
  Answers dry_run = Send(DryRun(Certify("sf-1", "ec-1", "l1", 10'00)), Officer());
  Answers repeated = Send(Engage("ec-1", "coaching", {{"l1", 10'00}}), Officer());
  Answers durable = Send(Allocate("credits", "coaching", 10'00, 10'00), Manager());
  AwaitTaken();
  // The deciding thread takes one after the other: once this is taken, those are decided.
  Answers next = Send(Certify("sf-1", "ec-1", "l1", 10'00), Officer());
  AwaitTaken();
  EXPECT_EQ(answered_while_held_, 0);
  disk_->Hold(HeldDisk::At::kNothing);

  EXPECT_THAT(accepted.get(), ElementsAre(AcceptedAt(3)));
  EXPECT_THAT(refused.get(), ElementsAre(RefusedWith(v1::ERROR_REASON_AE_EXCEEDED)));
  EXPECT_THAT(dry_run.get(), ElementsAre(AcceptedAt(-1)));
  EXPECT_THAT(repeated.get(), ElementsAre(AcceptedAt(3)));
  EXPECT_THAT(durable.get(), ElementsAre(AcceptedAt(2)));
  EXPECT_THAT(next.get(), ElementsAre(AcceptedAt(4)));
  EXPECT_EQ(answered_while_held_, 0);
}

// Whoever is slow to hear his own answer does not keep others waiting for theirs.
TEST_F(SequencerTest, WhatIsDurableNextDoesNotWaitForAnswersThatLeave) {
  GivenAnEnvelope();
  std::promise<std::future_status> heard;
  Submission submission;
  submission.commands = {Engage("ec-1", "coaching", {{"l1", 1}})};
  submission.content = {ContentHash(submission.commands.front())};
  submission.actor = Officer();
  submission.deadline = deadline_;
  submission.done = [&](const std::vector<Outcome>& outcomes) {
    EXPECT_THAT(outcomes, ElementsAre(AcceptedAt(3)));
    Answers next = Send(Engage("ec-2", "coaching", {{"l1", 1}}), Officer());
    heard.set_value(next.wait_for(std::chrono::seconds(30)));
  };
  sequencer_->Submit(std::move(submission));
  EXPECT_EQ(heard.get_future().get(), std::future_status::ready);
}

// A hand-over costs a lone command more than deciding it does.
TEST_F(SequencerTest, ALoneCommandIsDecidedCommittedAndAnsweredByOneThread) {
  Close();
  std::thread::id committed;
  options_.observer.committed = [&](std::size_t, std::chrono::microseconds) {
    committed = std::this_thread::get_id();
  };
  Open();
  GivenAnEnvelope();
  for (int i = 0; i < 20; ++i) {
    std::promise<std::thread::id> answered;
    Submission submission;
    submission.commands = {Engage("ec-" + std::to_string(i), "coaching", {{"l1", 1}})};
    submission.content = {ContentHash(submission.commands.front())};
    submission.actor = Officer();
    submission.deadline = deadline_;
    submission.done = [&](const std::vector<Outcome>&) {
      answered.set_value(std::this_thread::get_id());
    };
    sequencer_->Submit(std::move(submission));
    const std::thread::id by = answered.get_future().get();
    EXPECT_EQ(clock_read_by_, by);
    EXPECT_EQ(committed, by);
  }
}

TEST_F(SequencerTest, AFullDiskRefusesAndRoomLetsItGoOn) {
  GivenAnEnvelope(10'00);
  disk_->SetFreeSpace(0);
  const v1::Command engage = Engage("ec-1", "coaching", {{"l1", 10'00}});
  EXPECT_THAT(Ask(engage, Officer()), RefusedWith(v1::ERROR_REASON_DISK_FULL));
  EXPECT_THAT(Ask(engage, Officer()), RefusedWith(v1::ERROR_REASON_DISK_FULL));
  EXPECT_THAT(Ask(Engage("ec-2", "coaching", {{"l1", 10'01}}), Officer()),
              RefusedWith(v1::ERROR_REASON_AE_EXCEEDED))
      << "what needs no room is answered";
  disk_->SetFreeSpace(std::nullopt);
  EXPECT_THAT(Ask(engage, Officer()), AcceptedAt(3));
  EXPECT_EQ(Stored(Ledger::kAe, Account::kAvailable), 0);
}

TEST_F(SequencerTest, WhoeverHearsOfAFullDiskCanGoOnAtOnce) {
  GivenAnEnvelope(10'00);
  disk_->SetFreeSpace(0);
  Answers again;
  std::promise<std::vector<Outcome>> refused;
  Submission submission;
  submission.commands = {Engage("ec-1", "coaching", {{"l1", 10'00}})};
  submission.content = {ContentHash(submission.commands.front())};
  submission.actor = Officer();
  submission.deadline = deadline_;
  submission.done = [&](std::vector<Outcome> outcomes) {
    disk_->SetFreeSpace(std::nullopt);
    again = Send(Engage("ec-1", "coaching", {{"l1", 10'00}}), Officer());
    AwaitTaken();
    refused.set_value(std::move(outcomes));
  };
  sequencer_->Submit(std::move(submission));
  EXPECT_THAT(refused.get_future().get(), ElementsAre(RefusedWith(v1::ERROR_REASON_DISK_FULL)));
  EXPECT_THAT(again.get(), ElementsAre(AcceptedAt(3)));
}

TEST_F(SequencerTest, AFullDiskVoidsWhatWasDecidedOnIt) {
  GivenAnEnvelope(10'00);
  disk_->SetFreeSpace(0);
  disk_->Hold(HeldDisk::At::kFreeSpace);
  Answers credits = Send(Allocate("more", "coaching", 5'00, 5'00), Manager());
  disk_->AwaitHeld();
  Answers engaged = Send(Engage("ec-1", "coaching", {{"l1", 15'00}}), Officer());
  AwaitTaken();
  Answers certified = Send(Certify("sf-1", "ec-1", "l1", 15'00), Officer());
  AwaitTaken();
  disk_->Hold(HeldDisk::At::kNothing);
  EXPECT_THAT(credits.get(), ElementsAre(RefusedWith(v1::ERROR_REASON_DISK_FULL)));
  EXPECT_THAT(engaged.get(), ElementsAre(RefusedWith(v1::ERROR_REASON_DISK_FULL)));
  certified.get();  // decided on the void, or after it: refused either way
  disk_->SetFreeSpace(std::nullopt);
  EXPECT_THAT(Ask(Engage("ec-1", "coaching", {{"l1", 15'00}}), Officer()),
              RefusedWith(v1::ERROR_REASON_AE_EXCEEDED));
  EXPECT_THAT(Ask(Engage("ec-1", "coaching", {{"l1", 10'00}}), Officer()), AcceptedAt(3));
}

TEST_F(SequencerTest, AFailedSyncLeavesTheOutcomeUnknownUntilTheRestart) {
  GivenAnEnvelope();
  disk_->Plan({.operation = Operation::kSync, .path_part = ".log", .effect = Effect::kError});
  const v1::Command command = Engage("ec-1", "coaching", {{"l1", 10'00}});
  EXPECT_THAT(Ask(command, Officer()), RefusedWith(v1::ERROR_REASON_OUTCOME_UNKNOWN));
  EXPECT_TRUE(absl::IsUnavailable(failed_.get_future().get()));
  EXPECT_THAT(Ask(Allocate("more", "coaching", 1, 1), Manager()),
              RefusedWith(v1::ERROR_REASON_OUTCOME_UNKNOWN))
      << "nothing more is taken";
  disk_ = std::make_shared<HeldDisk>();
  Restart();
  EXPECT_THAT(Ask(command, Officer()), AcceptedAt(3));
  EXPECT_EQ(log_->head().next, 4);
}

// Whole blocks on the disk, and no row in them: no check of the store's sees that.
TEST_F(SequencerTest, ARowThatDoesNotDecodeEndsOneProcessAndNotTheNext) {
  GivenAnEnvelope();
  int position = 3;
  for (const std::string& key :
       {projections::AgreementRow(kAgreement).Key(), projections::ProgressRow(kAgreement).Key(),
        projections::BalancesKey(kAgreement, "coaching", 2022)}) {
    const std::string id = std::to_string(position);
    Stored(Ledger::kAe, Account::kAvailable);
    Close();
    SpoilRow(key);
    failed_ = {};
    Open();
    EXPECT_THAT(Ask(Allocate(id, "coaching", 1, 1), Manager()),
                RefusedWith(v1::ERROR_REASON_DAMAGED))
        << key;
    EXPECT_TRUE(absl::IsDataLoss(failed_.get_future().get())) << key;
    Restart();
    EXPECT_THAT(Ask(Allocate(id, "coaching", 1, 1), Manager()), AcceptedAt(position++)) << key;
  }
}

TEST_F(SequencerTest, WhatWaitsBehindAFailedSyncIsUnknownToo) {
  GivenAnEnvelope();
  disk_->Plan({.operation = Operation::kSync, .path_part = ".log", .effect = Effect::kError});
  disk_->Hold(HeldDisk::At::kLogSync);
  Answers first = Send(Engage("ec-1", "coaching", {{"l1", 10'00}}), Officer());
  disk_->AwaitHeld();
  Answers behind = Send(Engage("ec-2", "coaching", {{"l1", 10'00}}), Officer());
  Answers refused = Send(Engage("ec-3", "coaching", {{"l1", 183'072'01}}), Officer());
  disk_->Hold(HeldDisk::At::kNothing);
  EXPECT_THAT(first.get(), ElementsAre(RefusedWith(v1::ERROR_REASON_OUTCOME_UNKNOWN)));
  EXPECT_THAT(behind.get(), ElementsAre(RefusedWith(v1::ERROR_REASON_OUTCOME_UNKNOWN)));
  EXPECT_THAT(refused.get(), ElementsAre(RefusedWith(v1::ERROR_REASON_OUTCOME_UNKNOWN)));
}

// ------------------------------------------------------------------------------ Groups, dry runs

TEST_F(SequencerTest, AnAtomicGroupIsAcceptedInOneBatch) {
  GivenAnEnvelope(10'00);
  EXPECT_THAT(Send({Engage("ec-1", "coaching", {{"l1", 4'00}}), Certify("sf-1", "ec-1", "l1", 4'00),
                    RequestPayment("dp-1", "ec-1", "l1", "coaching", 4'00)},
                   Officer(), /*atomic=*/true)
                  .get(),
              ElementsAre(AcceptedAt(3), AcceptedAt(4), AcceptedAt(5)));
  auto reader = log_->ReadFrom(3);
  const auto batch = reader.Next();
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ((*batch)->events.size(), 3);
}

TEST_F(SequencerTest, ARefusedAtomicGroupLeavesNothing) {
  GivenAnEnvelope(10'00);
  EXPECT_THAT(Send({Engage("ec-1", "coaching", {{"l1", 10'00}}),
                    Engage("ec-2", "coaching", {{"l1", 1}}), Certify("sf-1", "ec-1", "l1", 4'00)},
                   Officer(), /*atomic=*/true)
                  .get(),
              ElementsAre(RefusedWith(v1::ERROR_REASON_GROUP_REFUSED),
                          RefusedWith(v1::ERROR_REASON_AE_EXCEEDED),
                          RefusedWith(v1::ERROR_REASON_GROUP_REFUSED)));
  EXPECT_EQ(log_->head().next, 3);
  EXPECT_THAT(Ask(Engage("ec-1", "coaching", {{"l1", 9'00}}), Officer()), AcceptedAt(3))
      << "credits, commitment and request id are free";
  EXPECT_EQ(Stored(Ledger::kAe, Account::kAvailable), 1'00);
}

TEST_F(SequencerTest, AGroupThatIsNotAtomicKeepsWhatPasses) {
  GivenAnEnvelope(10'00);
  EXPECT_THAT(Send({Engage("ec-1", "coaching", {{"l1", 10'00}}), v1::Command(),
                    Engage("ec-2", "coaching", {{"l1", 1}}), Certify("sf-1", "ec-1", "l1", 4'00)},
                   Officer())
                  .get(),
              ElementsAre(AcceptedAt(3), RefusedWith(v1::ERROR_REASON_INVALID_FIELD),
                          RefusedWith(v1::ERROR_REASON_AE_EXCEEDED), AcceptedAt(4)));
}

TEST_F(SequencerTest, AMalformedCommandRefusesItsAtomicGroup) {
  GivenAnEnvelope(10'00);
  EXPECT_THAT(Send({Engage("ec-1", "coaching", {{"l1", 10'00}}), v1::Command()}, Officer(),
                   /*atomic=*/true)
                  .get(),
              ElementsAre(RefusedWith(v1::ERROR_REASON_GROUP_REFUSED),
                          RefusedWith(v1::ERROR_REASON_INVALID_FIELD)));
  EXPECT_THAT(Send({Engage("ec-1", "coaching", {{"l1", 1}}),
                    DryRun(Engage("ec-2", "coaching", {{"l1", 1}}))},
                   Officer(), /*atomic=*/true)
                  .get(),
              ElementsAre(RefusedWith(v1::ERROR_REASON_GROUP_REFUSED),
                          RefusedWith(v1::ERROR_REASON_INVALID_FIELD)))
      << "part of a group cannot be a dry run";
}

TEST_F(SequencerTest, ADryRunLeavesNothing) {
  GivenAnEnvelope(10'00);
  const v1::Command engage = Engage("ec-1", "coaching", {{"l1", 10'00}});
  for (int i = 0; i < 2; ++i) {
    const auto result = std::get<v1::CommandResult>(Ask(DryRun(engage), Officer()));
    EXPECT_EQ(result.position(), -1);
    EXPECT_EQ(result.recorded_time_us(), 0);
    EXPECT_EQ(result.etag(), "");
    EXPECT_EQ(result.fiscal_year(), 2022);
  }
  EXPECT_THAT(Ask(DryRun(Engage("ec-1", "coaching", {{"l1", 10'01}})), Officer()),
              RefusedWith(v1::ERROR_REASON_AE_EXCEEDED));
  EXPECT_EQ(log_->head().next, 3);
  EXPECT_THAT(Ask(engage, Officer()), AcceptedAt(3));
  EXPECT_THAT(Ask(DryRun(engage), Officer()), AcceptedAt(-1)) << "of a repetition, too";
}

TEST_F(SequencerTest, ADryRunOfAGroupSeesItsOwnCommandsAndLeavesNothing) {
  GivenAnEnvelope(10'00);
  const std::vector<v1::Command> group = {Engage("ec-1", "coaching", {{"l1", 10'00}}),
                                          Certify("sf-1", "ec-1", "l1", 10'00)};
  EXPECT_THAT(Send({DryRun(group[0]), DryRun(group[1])}, Officer(), /*atomic=*/true).get(),
              ElementsAre(AcceptedAt(-1), AcceptedAt(-1)));
  EXPECT_EQ(log_->head().next, 3);
  EXPECT_THAT(Ask(group[1], Officer()), RefusedWith(v1::ERROR_REASON_UNKNOWN_COMMITMENT));
  EXPECT_THAT(Send(group, Officer(), /*atomic=*/true).get(),
              ElementsAre(AcceptedAt(3), AcceptedAt(4)));
}

// ------------------------------------------------------------------------------ Reversals, time

TEST_F(SequencerTest, ReversesAnEntryOfTheTailAndOneOfTheLog) {
  GivenAnEnvelope(10'00);
  EXPECT_THAT(Send({Engage("ec-1", "coaching", {{"l1", 10'00}}), Reverse("r-1", 3)}, Officer(),
                   /*atomic=*/true)
                  .get(),
              ElementsAre(AcceptedAt(3), AcceptedAt(4)));
  EXPECT_THAT(Ask(Engage("ec-2", "coaching", {{"l1", 10'00}}), Officer()), AcceptedAt(5));
  Restart();
  EXPECT_THAT(Ask(Reverse("r-2", 5), Officer()), AcceptedAt(6));
  EXPECT_THAT(Ask(Reverse("r-3", 7), Officer()), RefusedWith(v1::ERROR_REASON_UNKNOWN_POSITION));
  EXPECT_THAT(Ask(Reverse("r-4", 5), Officer()), RefusedWith(v1::ERROR_REASON_NOT_REVERSIBLE));
  EXPECT_EQ(Stored(Ledger::kAe, Account::kAvailable), 10'00);
}

TEST_F(SequencerTest, TheRecordedTimeNeverDecreases) {
  GivenAnEnvelope();
  const std::int64_t before = EventAt(2).recorded_time_us();
  clock_us_ = 1'000'000;
  Ask(Engage("ec-1", "coaching", {{"l1", 1}}), Officer());
  EXPECT_EQ(EventAt(3).recorded_time_us(), before);
  Restart();
  Ask(Engage("ec-2", "coaching", {{"l1", 1}}), Officer());
  EXPECT_EQ(EventAt(4).recorded_time_us(), before) << "after a restart";
}

// ------------------------------------------------------------------------------ Load

TEST_F(SequencerTest, DecidesOnWhatItKnowsWhileRowsComeAndGo) {
  // Next to nothing is kept in memory, so that rows are dropped and read again all the time, from
  // rows that are behind, and from generations that are swapped in.
  Close();
  options_.most_cached_rows = 2;
  options_.most_batch_commands = 7;
  Open();
  GivenAnEnvelope();
  constexpr int kOfficers = 4;
  constexpr int kCommitments = 40;
  std::vector<std::thread> officers;
  for (int officer = 0; officer < kOfficers; ++officer) {
    officers.emplace_back([&, officer] {
      for (int i = 0; i < kCommitments; ++i) {
        const std::string id = std::to_string(officer) + "-" + std::to_string(i);
        const std::string ec = "ec-" + id, dp = "dp-" + id;
        Answers engaged = Send(Engage(ec, "coaching", {{"l1", 3'00}}), Officer());
        Answers certified = Send(Certify("sf-" + id, ec, "l1", 2'00), Officer());
        Answers requested = Send(RequestPayment(dp, ec, "l1", "coaching", 2'00), Officer());
        Answers too_much = Send(RequestPayment(dp + "x", ec, "l1", "coaching", 1), Officer());
        Answers paid = Send(Pay("p-" + id, dp), Accountant());
        EXPECT_TRUE(std::holds_alternative<v1::CommandResult>(engaged.get().front()));
        EXPECT_TRUE(std::holds_alternative<v1::CommandResult>(certified.get().front()));
        EXPECT_TRUE(std::holds_alternative<v1::CommandResult>(requested.get().front()));
        EXPECT_THAT(too_much.get().front(), RefusedWith(v1::ERROR_REASON_SERVICE_NOT_CERTIFIED));
        EXPECT_TRUE(std::holds_alternative<v1::CommandResult>(paid.get().front()));
      }
    });
  }
  std::atomic<bool> done = false;
  std::thread rebuilder([&] {
    while (!done) {
      const auto rebuilt = runner_->Rebuild();
      ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
      EXPECT_EQ(rebuilt->first_difference, "");
    }
  });
  for (std::thread& officer : officers) officer.join();
  done = true;
  rebuilder.join();
  EXPECT_EQ(log_->head().next, 3 + 4 * kOfficers * kCommitments);
  EXPECT_EQ(Stored(Ledger::kCp, Account::kPaid), kOfficers * kCommitments * 2'00);
  EXPECT_EQ(Stored(Ledger::kOutstanding, Account::kOutstanding), kOfficers * kCommitments * 1'00);
}

// What many commands are about is read together before they are decided: what of it the round
// itself changes, and what earlier ones did, must come out of that as for one command at a time.
TEST_F(SequencerTest, DecidesManyCommandsAsOneByOneThoughItReadsAhead) {
  Close();
  options_.most_cached_rows = 0;
  Open();
  GivenAnEnvelope();
  const auto one_by_one = [&](std::vector<v1::Command> commands) {
    std::vector<Outcome> outcomes;
    for (v1::Command& command : commands) outcomes.push_back(Ask(std::move(command), Officer()));
    return outcomes;
  };
  const v1::Command first = Engage("ec-1", "coaching", {{"l1", 5'00}});
  const v1::Command second = Engage("ec-2", "coaching", {{"l1", 5'00}});
  EXPECT_THAT(one_by_one({first, second}), ElementsAre(AcceptedAt(3), AcceptedAt(4)));
  EXPECT_EQ(Stored(Ledger::kAe, Account::kEngaged), 10'00);

  const std::vector<v1::Command> many = {
      first,                                       // its request id is bound
      Renamed(second, "ec-2-again"),               // not new: no references
      Engage("ec-3", "coaching", {{"l1", 5'00}}),  // new
      Certify("sf-3", "ec-3", "l1", 2'00),         // of what the round itself engages
      Engage("ec-3", "coaching", {{"l1", 5'00}}),  // repeated within the round
      Certify("sf-1", "ec-1", "l1", 4'00),         // of a stored row, twice
      Certify("sf-1-more", "ec-1", "l1", 2'00),    // more than is left
      RequestPayment("dp-1", "ec-1", "l1", "coaching", 4'00),
      Certify("sf-4", "ec-4", "l1", 1'00),  // of nothing
  };
  EXPECT_THAT(Send(many, Officer()).get(),
              ElementsAre(AcceptedAt(3), RefusedWith(v1::ERROR_REASON_INVALID_FIELD), AcceptedAt(5),
                          AcceptedAt(6), AcceptedAt(5), AcceptedAt(7),
                          RefusedWith(v1::ERROR_REASON_CERTIFICATION_EXCEEDED), AcceptedAt(8),
                          RefusedWith(v1::ERROR_REASON_UNKNOWN_COMMITMENT)));
  // When all of it stands in the rows and nothing in memory: what was read ahead, before there was
  // an ec-3 and its request, counts no more.
  EXPECT_EQ(Stored(Ledger::kCp, Account::kHeld), 4'00);
  EXPECT_THAT(Ask(many[3], Officer()), AcceptedAt(6));
  EXPECT_THAT(Ask(Certify("sf-3-more", "ec-3", "l1", 1'00), Officer()), AcceptedAt(9));
  EXPECT_EQ(Stored(Ledger::kAe, Account::kEngaged), 15'00);
  EXPECT_THAT(Send(many, Officer()).get(),
              ElementsAre(AcceptedAt(3), RefusedWith(v1::ERROR_REASON_INVALID_FIELD), AcceptedAt(5),
                          AcceptedAt(6), AcceptedAt(5), AcceptedAt(7),
                          RefusedWith(v1::ERROR_REASON_CERTIFICATION_EXCEEDED), AcceptedAt(8),
                          RefusedWith(v1::ERROR_REASON_UNKNOWN_COMMITMENT)));
  EXPECT_EQ(log_->head().next, 10);
}

// As a small one: what a group made goes with it, though it was in memory.
TEST_F(SequencerTest, ARefusedGroupOfManyLeavesNothing) {
  GivenAnEnvelope();
  std::vector<v1::Command> group;
  for (int i = 0; i < 8; ++i) {
    group.push_back(Engage("ec-" + std::to_string(i), "coaching", {{"l1", 1'00}}));
  }
  std::vector<v1::Command> too_much = group;
  too_much.push_back(Engage("ec-8", "coaching", {{"l1", 183'072'00}}));
  EXPECT_THAT(Send(too_much, Officer(), /*atomic=*/true).get().back(),
              RefusedWith(v1::ERROR_REASON_AE_EXCEEDED));
  EXPECT_THAT(Send(group, Officer(), /*atomic=*/true).get().back(), AcceptedAt(10));
}

TEST_F(SequencerTest, ARefusalForLackOfAQueueIsGivenAtOnce) {
  Close();
  options_.most_queued_commands = 2;
  options_.most_batch_commands = 1;
  Open();
  GivenAnEnvelope();
  disk_->Hold(HeldDisk::At::kLogSync);
  Answers committing = Send(Engage("ec-1", "coaching", {{"l1", 1}}), Officer());
  disk_->AwaitHeld();
  Answers decided = Send(Engage("ec-2", "coaching", {{"l1", 1}}), Officer());
  AwaitTaken();
  Answers queued =
      Send({Engage("ec-3", "coaching", {{"l1", 1}}), Engage("ec-4", "coaching", {{"l1", 1}})},
           Officer());
  EXPECT_THAT(Send(Engage("ec-5", "coaching", {{"l1", 1}}), Officer()).get(),
              ElementsAre(RefusedWith(v1::ERROR_REASON_OVERLOADED)));
  disk_->Hold(HeldDisk::At::kNothing);
  EXPECT_THAT(committing.get(), ElementsAre(AcceptedAt(3)));
  EXPECT_THAT(decided.get(), ElementsAre(AcceptedAt(4)));
  EXPECT_THAT(queued.get(), ElementsAre(AcceptedAt(5), AcceptedAt(6)));
}

TEST_F(SequencerTest, ADeadlineThatHasPassedDecidesNothing) {
  GivenAnEnvelope();
  deadline_ = std::chrono::steady_clock::now() - std::chrono::microseconds(1);
  EXPECT_THAT(Ask(Engage("ec-1", "coaching", {{"l1", 1}}), Officer()),
              RefusedWith(v1::ERROR_REASON_DEADLINE_PASSED));
  EXPECT_EQ(log_->head().next, 3);
}

TEST_F(SequencerTest, StoppingCommitsWhatIsDecidedAndTurnsAwayWhatWaits) {
  Close();
  options_.most_batch_commands = 1;
  Open();
  GivenAnEnvelope();
  disk_->Hold(HeldDisk::At::kLogSync);
  Answers committing = Send(Engage("ec-1", "coaching", {{"l1", 1}}), Officer());
  disk_->AwaitHeld();
  Answers decided = Send(Engage("ec-2", "coaching", {{"l1", 1}}), Officer());
  AwaitTaken();
  Answers waiting = Send(Engage("ec-3", "coaching", {{"l1", 1}}), Officer());
  std::thread stop([&] { sequencer_.reset(); });
  EXPECT_THAT(waiting.get(), ElementsAre(RefusedWith(v1::ERROR_REASON_STOPPING)));
  disk_->Hold(HeldDisk::At::kNothing);
  stop.join();
  EXPECT_THAT(committing.get(), ElementsAre(AcceptedAt(3)));
  EXPECT_THAT(decided.get(), ElementsAre(AcceptedAt(4)));
}

}  // namespace
}  // namespace denier::services
