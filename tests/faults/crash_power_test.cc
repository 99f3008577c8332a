// Power losses under load: log, anchor and rows lie on a disk that forgets, or tears, what was not
// synced. After each start nothing acknowledged is lost, nothing stands twice, and the roots agree.
//
// DENIER_CRASH_CYCLES: how often (20).
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "denier/events/v1/event.pb.h"
#include "projections/runner.h"
#include "services/rules/decide.h"
#include "services/sequencer.h"
#include "store/log.h"
#include "store/merkle.h"
#include "tests/faults/acknowledged.h"
#include "tests/faults/fault_file_system.h"
#include "tests/services/commands.h"
#include "tests/store/temporary_folder.h"

namespace denier::faults {
namespace {

using events::v1::Event;
using services::Outcome;
using services::Submission;

constexpr int kClients = 4;

int Cycles() {
  const char* text = std::getenv("DENIER_CRASH_CYCLES");
  return text == nullptr ? 20 : std::atoi(text);
}

// Where in a commit the power goes off.
struct Moment {
  const char* name;
  Operation operation;
  const char* path_part;
};
constexpr Moment kMoments[] = {
    {"before the WAL's write", Operation::kWrite, ".log"},
    {"before the WAL's sync", Operation::kSync, ".log"},
    {"between the WAL's sync and the anchor's write", Operation::kWrite, "anchor"},
    {"before the anchor's sync", Operation::kSync, "anchor"},
};

class CrashTest : public testing::Test {
 protected:
  // A machine with power: log, rows, sequencer on a new disk over the same files. The rows lie on
  // it too where `rows_lose_power`: they then come back older. Seldom, since RocksDB waits for a
  // second when its flush fails.
  absl::Status TurnOn(bool sync = true, bool rows_lose_power = false) {
    disk_ = std::make_shared<FaultFileSystem>();
    store::LogOptions options;
    options.file_system = disk_;
    options.initialize = !made_;
    options.sync = sync;
    absl::StatusOr<std::unique_ptr<store::Log>> log = store::Log::Open(folder_.path(), options);
    if (!log.ok()) return log.status();
    log_ = *std::move(log);
    store::ViewsOptions views;
    if (rows_lose_power) views.file_system = disk_;
    auto runner = projections::Runner::Start(*log_, folder_.path() + "/views", views);
    if (!runner.ok()) return runner.status();
    runner_ = *std::move(runner);
    services::SequencerOptions sequencer_options;
    sequencer_options.now_us = [this] { return clock_us_.fetch_add(1); };
    auto sequencer = services::Sequencer::Start(*log_, *runner_, sequencer_options);
    if (!sequencer.ok()) return sequencer.status();
    sequencer_ = *std::move(sequencer);
    return absl::OkStatus();
  }

  // Whatever is in memory goes with the power.
  void TurnOff(Unsynced unsynced, std::uint32_t seed) {
    disk_->LosePower(unsynced, seed);
    sequencer_.reset();
    runner_.reset();
    log_.reset();
  }

  Outcome Ask(const v1::Command& command, const events::v1::Principal& actor) {
    std::promise<Outcome> answer;
    Submission submission;
    submission.commands = {command};
    submission.content = {services::ContentHash(command)};
    submission.actor = actor;
    submission.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
    submission.done = [&answer](std::vector<Outcome> outcomes) {
      answer.set_value(std::move(outcomes.front()));
    };
    sequencer_->Submit(std::move(submission));
    return answer.get_future().get();
  }

  // Asks and writes down the answer. False: there was none.
  bool Note(const v1::Command& command, const events::v1::Principal& actor) {
    const std::string& request_id = rules::HeaderOf(command)->request_id();
    const Outcome outcome = Ask(command, actor);
    if (const auto* result = std::get_if<v1::CommandResult>(&outcome)) {
      acknowledged_.Accepted(request_id, result->position());
      return true;
    }
    const auto& refusal = std::get<rules::Refusal>(outcome);
    EXPECT_TRUE(refusal.reason == v1::ERROR_REASON_OUTCOME_UNKNOWN ||
                refusal.reason == v1::ERROR_REASON_STOPPING)
        << request_id << ": " << v1::ErrorReason_Name(refusal.reason) << " " << refusal.message;
    acknowledged_.Unanswered(request_id);
    return false;
  }

  static v1::Command CommandOf(const std::string& request_id) {
    return services::Engage(request_id, "coaching", {{"l1", 1}});
  }

  void FoundTheBooks() {
    constexpr std::int64_t kCredits = 1'000'000'000'00;
    ASSERT_TRUE(
        Note(services::CreateAgreement("agreement", 2022, 2022, kCredits), services::Manager()));
    ASSERT_TRUE(Note(services::CreateEnvelope("envelope", "coaching", "DINUM", {2022}),
                     services::Manager()));
    ASSERT_TRUE(
        Note(services::Allocate("credits", "coaching", kCredits, kCredits), services::Manager()));
    made_ = true;
  }

  // Clients that engage a cent at a time until nobody answers any more.
  void LoadUntilDark(int cycle) {
    std::vector<std::thread> clients;
    for (int client = 0; client < kClients; ++client) {
      clients.emplace_back([this, cycle, client] {
        for (int i = 0;; ++i) {
          const std::string id = "ec-" + std::to_string(cycle) + "-" + std::to_string(client) +
                                 "-" + std::to_string(i);
          if (!Note(CommandOf(id), services::Officer())) return;
        }
      });
    }
    for (std::thread& client : clients) client.join();
  }

  // Reads the whole log: the request of each event, and its root computed anew.
  void Read(std::vector<std::string>& request_ids, store::Hash& root) {
    store::MerkleFrontier tree;
    store::Log::Reader reader = log_->ReadFrom(0);
    while (true) {
      const absl::StatusOr<const store::StoredBatch*> batch = reader.Next();
      ASSERT_TRUE(batch.ok()) << batch.status();
      if (*batch == nullptr) break;
      for (std::string_view bytes : (*batch)->events) {
        tree.Append(store::LeafHash(bytes));
        Event event;
        ASSERT_TRUE(event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
        request_ids.push_back(event.request_id());
      }
      ASSERT_EQ(tree.Root(), (*batch)->head.root);
    }
    root = tree.Root();
  }

  store::TemporaryFolder folder_;
  std::shared_ptr<FaultFileSystem> disk_;
  std::atomic<std::int64_t> clock_us_ = 1;
  bool made_ = false;
  Acknowledged acknowledged_;
  std::unique_ptr<store::Log> log_;
  std::unique_ptr<projections::Runner> runner_;
  std::unique_ptr<services::Sequencer> sequencer_;
};

TEST_F(CrashTest, APowerLossTakesNothingThatWasAcknowledged) {
  ASSERT_TRUE(TurnOn().ok());
  FoundTheBooks();
  for (int cycle = 0; cycle < Cycles(); ++cycle) {
    std::mt19937 random(static_cast<std::uint32_t>(cycle));
    const Moment& moment = kMoments[cycle % std::size(kMoments)];
    const auto unsynced = static_cast<Unsynced>(cycle / std::size(kMoments) % 3);
    SCOPED_TRACE("cycle " + std::to_string(cycle) + ", " + moment.name);

    // The anchor is synced every 50 ms only: the first one there, of the others any.
    const bool rare =
        moment.operation == Operation::kSync && std::string_view(moment.path_part) == "anchor";
    disk_->Plan({.operation = moment.operation,
                 .path_part = moment.path_part,
                 .effect = Effect::kPowerOff,
                 .skip = rare ? 0 : static_cast<int>(random() % 40)});
    LoadUntilDark(cycle);
    ASSERT_TRUE(disk_->power_is_off());
    TurnOff(unsynced, random());

    const absl::Status on = TurnOn(/*sync=*/true, /*rows_lose_power=*/cycle % 5 == 0);
    ASSERT_TRUE(on.ok()) << on;
    std::vector<std::string> request_ids;
    store::Hash root;
    Read(request_ids, root);
    ASSERT_EQ(log_->head().root, root);
    ASSERT_EQ(acknowledged_.FirstBreach(0, request_ids), "");
    // The rows have all of it and no more: the cents engaged are the events there are.
    projections::Books books(projections::RowsOf(runner_->views()));
    ASSERT_EQ(books.BalancesOf(services::kAgreement, "coaching", 2022)
                  .total(projections::Ledger::kAe, projections::Account::kEngaged),
              static_cast<std::int64_t>(request_ids.size()) - 3);

    // What got no answer is sent again, and then stands there once, wherever it stood before.
    for (const std::string& request_id : acknowledged_.unanswered()) {
      ASSERT_TRUE(Note(CommandOf(request_id), services::Officer()));
    }
    request_ids.clear();
    Read(request_ids, root);
    ASSERT_EQ(acknowledged_.FirstBreach(0, request_ids), "");
    ASSERT_EQ(acknowledged_.size(), request_ids.size());
  }
  EXPECT_TRUE(log_->Verify().ok());
}

// The detector's control: on a log that does not sync, the same cycle must show the loss.
TEST_F(CrashTest, WithoutSyncsTheLossShows) {
  ASSERT_TRUE(TurnOn(/*sync=*/false).ok());
  FoundTheBooks();
  disk_->Plan({.operation = Operation::kWrite,
               .path_part = ".log",
               .effect = Effect::kPowerOff,
               .skip = 50});
  LoadUntilDark(0);
  const std::size_t acknowledged = acknowledged_.size();
  ASSERT_GT(acknowledged, 3);
  TurnOff(Unsynced::kDrop, 1);

  const absl::Status on = TurnOn();
  if (!on.ok()) {
    // The anchor had been synced: the log is refused, since it ends before it.
    EXPECT_TRUE(absl::IsDataLoss(on) || absl::IsNotFound(on)) << on;
    return;
  }
  std::vector<std::string> request_ids;
  store::Hash root;
  Read(request_ids, root);
  EXPECT_NE(acknowledged_.FirstBreach(0, request_ids), "");
}

}  // namespace
}  // namespace denier::faults
