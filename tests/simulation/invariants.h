// What must hold of the books after every step, whatever was decided.
#ifndef DENIER_TESTS_SIMULATION_INVARIANTS_H_
#define DENIER_TESTS_SIMULATION_INVARIANTS_H_

#include <string>

#include "projections/books.h"
#include "tests/simulation/oracle.h"

namespace denier::simulation {

// The first figure that is not what the oracle says, or that cannot be; empty: all is well.
std::string FirstFault(const projections::Books& books, const Oracle& oracle);

}  // namespace denier::simulation

#endif  // DENIER_TESTS_SIMULATION_INVARIANTS_H_
