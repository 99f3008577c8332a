// Random histories through the sequencer on a real log: in groups, with restarts, with views/
// deleted, against the oracle. Afterwards every accepted command is sent again, the rows are
// computed anew, and a second server reads the same log.
//
// DENIER_SIMULATION_STEPS: commands in all; a fortieth of them here (300). DENIER_SIMULATION_SEED.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "projections/runner.h"
#include "services/rules/decide.h"
#include "services/sequencer.h"
#include "store/log.h"
#include "tests/services/commands.h"
#include "tests/simulation/generator.h"
#include "tests/simulation/invariants.h"
#include "tests/simulation/oracle.h"
#include "tests/store/temporary_folder.h"

namespace denier::simulation {
namespace {

using services::Outcome;
using services::Submission;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string NameOf(const Outcome& outcome) {
  if (const auto* result = std::get_if<v1::CommandResult>(&outcome)) {
    return "accepted: " + result->ShortDebugString();
  }
  return v1::ErrorReason_Name(std::get<rules::Refusal>(outcome).reason);
}

using Rows = std::vector<store::Views::Snapshot::Row>;

class ServerSimulation : public testing::Test {
 protected:
  void Open() {
    auto log = store::Log::Open(folder_.path(), {.initialize = true});
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
    auto runner = projections::Runner::Start(*log_, views_path());
    ASSERT_TRUE(runner.ok()) << runner.status();
    runner_ = *std::move(runner);
    services::SequencerOptions options;
    options.now_us = [this] { return ++clock_us_; };
    options.most_cached_rows = 4;  // rows come and go
    auto sequencer = services::Sequencer::Start(*log_, *runner_, options);
    ASSERT_TRUE(sequencer.ok()) << sequencer.status();
    sequencer_ = *std::move(sequencer);
  }
  void Close() {
    sequencer_.reset();
    runner_.reset();
    log_.reset();
  }
  std::string views_path() const { return folder_.path() + "/views"; }

  std::vector<Outcome> Send(const std::vector<v1::Command>& commands,
                            const events::v1::Principal& actor, bool atomic) {
    std::promise<std::vector<Outcome>> answer;
    Submission submission;
    submission.commands = commands;
    for (const v1::Command& command : commands) {
      submission.content.push_back(services::ContentHash(command));
    }
    submission.actor = actor;
    submission.atomic = atomic;
    submission.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
    submission.done = [&answer](std::vector<Outcome> outcomes) {
      answer.set_value(std::move(outcomes));
    };
    sequencer_->Submit(std::move(submission));
    return answer.get_future().get();
  }

  // Sends a few commands of one principal as a group, and holds the answers against the oracle's.
  void Step(Generator& generator, std::mt19937_64& random, std::vector<Drawn>& waiting) {
    const bool atomic = random() % 4 == 0;
    const std::size_t most = 1 + random() % 6;
    std::vector<Drawn> group;
    Oracle after = oracle_;
    std::vector<Oracle::Reasons> expected;
    bool refused = false;
    std::int64_t next = static_cast<std::int64_t>(accepted_.size());
    while (group.size() < most) {
      Drawn drawn;
      if (waiting.empty()) {
        drawn = generator.Next(after);
      } else {
        drawn = waiting.front();
        waiting.erase(waiting.begin());
      }
      if (!group.empty() &&
          drawn.actor.SerializeAsString() != group.front().actor.SerializeAsString()) {
        break;  // another principal: not in this group, and not drawn for what comes after it
      }
      Oracle tried = after;
      expected.push_back(tried.Enter(drawn.command, drawn.actor.body_id(), next));
      group.push_back(drawn);
      if (expected.back().empty()) {
        after = std::move(tried);
        ++next;
      } else if (atomic) {
        refused = true;
        break;
      }
    }
    std::vector<v1::Command> commands;
    for (const Drawn& drawn : group) commands.push_back(drawn.command);

    // A dry run first, now and then: the same verdict, and nothing of it stays.
    if (random() % 5 == 0) {
      std::vector<v1::Command> dry;
      for (const v1::Command& command : commands) dry.push_back(services::DryRun(command));
      const std::vector<Outcome> outcomes = Send(dry, group.front().actor, /*atomic=*/true);
      const bool all =
          std::ranges::all_of(expected, [](const auto& broken) { return broken.empty(); });
      for (std::size_t i = 0; i < outcomes.size(); ++i) {
        ASSERT_EQ(std::holds_alternative<v1::CommandResult>(outcomes[i]), all)
            << commands[i].ShortDebugString() << "\n"
            << NameOf(outcomes[i]);
      }
      ASSERT_EQ(log_->head().next, accepted_.size());
    }

    const std::vector<Outcome> outcomes = Send(commands, group.front().actor, atomic);
    ASSERT_EQ(outcomes.size(), commands.size());
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      SCOPED_TRACE(commands[i].ShortDebugString() + "\n" + NameOf(outcomes[i]));
      if (const auto* refusal = std::get_if<rules::Refusal>(&outcomes[i])) {
        if (refused && expected[i].empty()) {
          ASSERT_EQ(refusal->reason, v1::ERROR_REASON_GROUP_REFUSED);
        } else {
          ASSERT_TRUE(expected[i].contains(refusal->reason));
        }
        continue;
      }
      ASSERT_TRUE(expected[i].empty() && !refused);
      const auto& result = std::get<v1::CommandResult>(outcomes[i]);
      ASSERT_EQ(result.position(), static_cast<std::int64_t>(accepted_.size()));
      accepted_.push_back({group[i].actor, commands[i], result.SerializeAsString()});
    }
    if (!refused) oracle_ = std::move(after);
    ASSERT_EQ(log_->head().next, accepted_.size());
    ASSERT_NO_FATAL_FAILURE(CheckRows());
  }

  void CheckRows() {
    const auto soon = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    ASSERT_TRUE(runner_->WaitFor(log_->head().next, soon).ok());
    projections::Books books(projections::RowsOf(runner_->views()));
    ASSERT_EQ(FirstFault(books, oracle_), "");
  }

  // Any accepted command sent again changes nothing and gets the same answer.
  void SendAllAgain() {
    for (const Accepted& accepted : accepted_) {
      const std::vector<Outcome> outcomes =
          Send({accepted.command}, accepted.actor, /*atomic=*/false);
      const auto* result = std::get_if<v1::CommandResult>(&outcomes.front());
      ASSERT_TRUE(result != nullptr) << NameOf(outcomes.front());
      ASSERT_EQ(result->SerializeAsString(), accepted.answer);
    }
    ASSERT_EQ(log_->head().next, accepted_.size());
  }

  static Rows AllRows(const projections::Runner& runner) {
    const auto rows = runner.views()->TakeSnapshot().Scan("", "", 1'000'000);
    EXPECT_TRUE(rows.ok()) << rows.status();
    return rows.ok() ? *rows : Rows();
  }

  struct Accepted {
    events::v1::Principal actor;
    v1::Command command;
    std::string answer;
  };

  store::TemporaryFolder folder_;
  std::atomic<std::int64_t> clock_us_ = 0;
  Oracle oracle_;
  std::vector<Accepted> accepted_;
  std::unique_ptr<store::Log> log_;
  std::unique_ptr<projections::Runner> runner_;
  std::unique_ptr<services::Sequencer> sequencer_;
};

TEST_F(ServerSimulation, AnyHistorySurvivesRestartsAndRepetitions) {
  const std::uint64_t seed = FromEnvironment("DENIER_SIMULATION_SEED", 1);
  const std::uint64_t steps = FromEnvironment("DENIER_SIMULATION_STEPS", 12'000) / 40;
  SCOPED_TRACE("DENIER_SIMULATION_SEED=" + std::to_string(seed));
  Generator generator(seed);
  std::mt19937_64 random(seed);
  std::vector<Drawn> waiting = generator.Opening();
  ASSERT_NO_FATAL_FAILURE(Open());
  for (std::uint64_t step = 0; step < steps; ++step) {
    ASSERT_NO_FATAL_FAILURE(Step(generator, random, waiting));
    if (random() % 40 != 0) continue;
    Close();
    if (random() % 3 == 0) std::filesystem::remove_all(views_path());
    clock_us_ = 0;  // a clock that was set back
    ASSERT_NO_FATAL_FAILURE(Open());
    ASSERT_NO_FATAL_FAILURE(CheckRows());
  }
  ASSERT_GT(accepted_.size(), steps / 4);

  ASSERT_NO_FATAL_FAILURE(SendAllAgain());
  Close();
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_NO_FATAL_FAILURE(SendAllAgain());
  const Rows live = AllRows(*runner_);
  Close();
  std::filesystem::remove_all(views_path());
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_NO_FATAL_FAILURE(SendAllAgain());
  EXPECT_EQ(AllRows(*runner_), live) << "rows computed anew differ from live ones";

  const auto rebuilt = runner_->Rebuild();
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
  EXPECT_EQ(rebuilt->first_difference, "");
  EXPECT_EQ(AllRows(*runner_), live);

  // Another server, another folder, the same log.
  store::TemporaryFolder other;
  auto second = projections::Runner::Start(*log_, other.path() + "/views");
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(AllRows(**second), live) << "two servers read one log differently";
}

}  // namespace
}  // namespace denier::simulation
