// Random histories as events, for tests that want a log and not its making.
#ifndef DENIER_TESTS_SIMULATION_SIMULATED_H_
#define DENIER_TESTS_SIMULATION_SIMULATED_H_

#include <cstdint>
#include <vector>

#include "denier/events/v1/event.pb.h"

namespace denier::simulation {

// What the rules accept of `commands` random commands, opening included. Recorded times rise by a
// second an event, from noon on 1 January 2021. The same seed gives the same events.
std::vector<events::v1::Event> SimulatedEvents(std::uint64_t seed, int commands);

}  // namespace denier::simulation

#endif  // DENIER_TESTS_SIMULATION_SIMULATED_H_
