// What the rules accepted of random commands, they accept again from the events alone.
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "denier/events/v1/event.pb.h"
#include "projections/books.h"
#include "services/rules/redecide.h"
#include "store/sha256.h"
#include "tests/simulation/simulated.h"

namespace denier::simulation {
namespace {

using events::v1::Event;

std::string Hash(const v1::Command& command) {
  return std::string(store::AsBytes(store::Sha256Of(command.SerializeAsString())));
}

TEST(RedecideSimulationTest, AgreesOnEveryEvent) {
  constexpr int kRuns = 8;
  constexpr int kCommands = 1'500;
  std::set<Event::FactCase> facts;
  std::size_t events = 0;
  for (std::uint64_t seed = 1; seed <= kRuns; ++seed) {
    const std::vector<Event> log = SimulatedEvents(seed, kCommands);
    projections::Books books;
    for (std::size_t i = 0; i < log.size(); ++i) {
      const Event* original = nullptr;
      if (log[i].has_reversed()) {
        original = &log.at(static_cast<std::size_t>(log[i].reversed().reversed_position()));
      }
      const auto wrong =
          rules::Redecide(books, static_cast<std::int64_t>(i), log[i], original, Hash);
      ASSERT_FALSE(wrong.has_value()) << "seed " << seed << ": " << rules::Describe(*wrong);
      ASSERT_TRUE(books.Fold(log[i], i).ok());
      facts.insert(log[i].fact_case());
    }
    events += log.size();
  }
  EXPECT_GT(events, 2'000U);
  EXPECT_GT(facts.size(), 30U);
}

}  // namespace
}  // namespace denier::simulation
