// Draws commands that may or may not be accepted: plausible ones, with amounts at, just below and
// just above what the oracle says is there.
#ifndef DENIER_TESTS_SIMULATION_GENERATOR_H_
#define DENIER_TESTS_SIMULATION_GENERATOR_H_

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "denier/events/v1/types.pb.h"
#include "denier/v1/command_service.pb.h"
#include "tests/simulation/oracle.h"

namespace denier::simulation {

struct Drawn {
  events::v1::Principal actor;
  v1::Command command;
};

// The same seed and the same oracle give the same commands, on every machine.
class Generator {
 public:
  // The days of a run begin on 1 January of `first_year`.
  explicit Generator(std::uint64_t seed, int first_year = 2021);

  // What every run begins with: the agreement and three envelopes.
  std::vector<Drawn> Opening();

  // The next command. `oracle` has entered all accepted ones.
  Drawn Next(const Oracle& oracle);

  int day() const { return day_; }

 private:
  // 0 <= result < bound
  std::uint64_t Below(std::uint64_t bound) { return random_() % bound; }
  bool Chance(int percent) { return Below(100) < static_cast<std::uint64_t>(percent); }
  template <class Map>
  const typename Map::value_type* Any(const Map& map);
  // An amount >= 1, near `limit`.
  std::int64_t Near(std::int64_t limit);
  std::string Fresh(std::string_view prefix);
  std::string AnyEnvelope(const Oracle& oracle);
  std::string AnyProduct(const Oracle& oracle);
  // A payment in one of the states that the act is for, most of the time.
  const std::pair<const std::string, Payment>* AnyPayment(const Oracle& oracle, bool waiting);
  const std::pair<const std::pair<std::string, std::string>, Line>* AnyLine(const Oracle& oracle);
  void AdvanceDay();
  void Date(v1::CommandHeader& header, const Oracle& oracle, const v1::Command& command);

  void DrawCredits(v1::Command& command, const Oracle& oracle);
  void DrawCarryover(v1::Command& command, const Oracle& oracle);
  void DrawRegister(v1::Command& command, const Oracle& oracle);
  std::string DrawOpening(v1::Command& command, const Oracle& oracle);
  std::string DrawCommitment(v1::Command& command, const Oracle& oracle);
  std::string DrawRequest(v1::Command& command, const Oracle& oracle);
  std::string DrawOfPayment(v1::Command& command, const Oracle& oracle);
  std::string DrawCorrection(v1::Command& command, const Oracle& oracle);

  std::mt19937_64 random_;
  int day_;
  std::int64_t drawn_ = 0;
};

}  // namespace denier::simulation

#endif  // DENIER_TESTS_SIMULATION_GENERATOR_H_
