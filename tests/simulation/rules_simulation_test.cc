// Random histories through the rules and the books, against the oracle, without log or threads.
//
// DENIER_SIMULATION_STEPS: commands in all (12,000). DENIER_SIMULATION_SEED: the first run's seed;
// a failure prints the one of its run, which then fails again.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "denier/events/v1/event.pb.h"
#include "projections/books.h"
#include "services/rules/decide.h"
#include "tests/simulation/generator.h"
#include "tests/simulation/invariants.h"
#include "tests/simulation/oracle.h"

namespace denier::simulation {
namespace {

using events::v1::Event;
using projections::Books;

constexpr int kStepsOfRun = 800;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string NamesOf(const Oracle::Reasons& reasons) {
  std::string names;
  for (v1::ErrorReason reason : reasons) names += v1::ErrorReason_Name(reason) + " ";
  return names.empty() ? "accept" : names;
}

using Rows = std::map<std::string, std::string>;

// One history. Its books keep next to nothing in memory: rows go to a map and come back from there,
// as they do between a decider and its views.
class History {
 public:
  explicit History(std::uint64_t seed) : generator_(seed) {}

  void Play(int steps) {
    for (const Drawn& drawn : generator_.Opening()) {
      Step(drawn);
      if (testing::Test::HasFatalFailure()) return;
    }
    for (int i = 0; i < steps; ++i) {
      Step(generator_.Next(oracle_));
      if (testing::Test::HasFatalFailure()) return;
    }
    Store();
  }

  Rows RowsOfARebuild() const {
    Books books;
    Rows rows;
    for (store::Position position = 0; position < log_.size(); ++position) {
      EXPECT_TRUE(books.Fold(log_[position], position).ok());
    }
    books.TakeChanges([&](const std::string& key, const std::string& row) { rows[key] = row; });
    return rows;
  }

  const Rows& rows() const { return rows_; }
  const std::map<v1::Command::CommandCase, int>& accepted() const { return accepted_; }
  const std::map<v1::ErrorReason, int>& refused() const { return refused_; }

 private:
  rules::Decision Judge(const Drawn& drawn) {
    const v1::Command& command = drawn.command;
    if (auto refusal = rules::CheckForm(command)) return *refusal;
    const Event* original = nullptr;
    if (command.has_reverse()) original = &log_[command.reverse().reversed_position()];
    if (auto refusal = rules::Authorise(books_, drawn.actor, command, original)) return *refusal;
    if (auto refusal = rules::CheckEtag(books_, command)) return *refusal;
    return rules::Decide(books_, drawn.actor, command, original);
  }

  void Step(const Drawn& drawn) {
    SCOPED_TRACE("event " + std::to_string(log_.size()) + ", day " +
                 std::to_string(generator_.day()) + ": " + drawn.command.ShortDebugString());
    Oracle after = oracle_;
    const Oracle::Reasons broken = after.Enter(drawn.command, drawn.actor.body_id(), log_.size());
    const rules::Decision decision = Judge(drawn);
    if (const auto* refusal = std::get_if<rules::Refusal>(&decision)) {
      ASSERT_TRUE(broken.contains(refusal->reason))
          << "refused: " << v1::ErrorReason_Name(refusal->reason) << " " << refusal->field << " "
          << refusal->message << "\noracle: " << NamesOf(broken);
      ++refused_[refusal->reason];
      return;
    }
    ASSERT_TRUE(broken.empty()) << "accepted\noracle: " << NamesOf(broken);
    ++accepted_[drawn.command.command_case()];
    oracle_ = std::move(after);
    Event event = std::get<Event>(decision);
    event.set_recorded_time_us(static_cast<std::int64_t>(log_.size()));
    ASSERT_TRUE(event.ParseFromString(event.SerializeAsString()));
    const absl::Status folded = books_.Fold(event, log_.size());
    ASSERT_TRUE(folded.ok()) << folded;
    log_.push_back(std::move(event));
    ASSERT_EQ(FirstFault(books_, oracle_), "");
    if (log_.size() % 7 == 0) Store();
  }

  void Store() {
    books_.TakeChanges(
        [this](const std::string& key, const std::string& row) { rows_[key] = row; });
    books_.EvictRows(0, log_.size());
  }

  Generator generator_;
  Oracle oracle_;
  std::vector<Event> log_;
  Rows rows_;
  Books books_{[this](const std::string& key) -> absl::StatusOr<std::optional<std::string>> {
    const auto it = rows_.find(key);
    if (it == rows_.end()) return std::nullopt;
    return it->second;
  }};
  std::map<v1::Command::CommandCase, int> accepted_;
  std::map<v1::ErrorReason, int> refused_;
};

TEST(RulesSimulation, AnyHistoryKeepsTheBooksAsTheOracleHasThem) {
  const std::uint64_t steps = FromEnvironment("DENIER_SIMULATION_STEPS", 12'000);
  std::uint64_t seed = FromEnvironment("DENIER_SIMULATION_SEED", 1);
  std::map<v1::Command::CommandCase, int> accepted;
  std::map<v1::ErrorReason, int> refused;
  for (std::uint64_t done = 0; done < steps; done += kStepsOfRun, ++seed) {
    SCOPED_TRACE("DENIER_SIMULATION_SEED=" + std::to_string(seed));
    History run(seed);
    run.Play(kStepsOfRun);
    if (HasFatalFailure()) return;
    ASSERT_EQ(run.rows(), run.RowsOfARebuild()) << "rebuilt rows differ from live ones";
    for (const auto& [kind, count] : run.accepted()) accepted[kind] += count;
    for (const auto& [reason, count] : run.refused()) refused[reason] += count;
  }
  // A run that accepts nothing, or refuses nothing, would prove nothing.
  int kinds = 0;
  for (const auto& [kind, count] : accepted) {
    const auto* field = v1::Command::descriptor()->FindFieldByNumber(kind);
    std::cout << field->name() << " " << count << ", ";
    ++kinds;
  }
  std::cout << "\n";
  for (const auto& [reason, count] : refused) {
    std::cout << v1::ErrorReason_Name(reason).substr(13) << " " << count << ", ";
  }
  std::cout << "\n";
  if (steps < 12'000) return;
  EXPECT_GE(kinds, 36);
  EXPECT_GE(refused.size(), 28);
}

}  // namespace
}  // namespace denier::simulation
