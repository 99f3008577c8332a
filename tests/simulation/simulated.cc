#include "tests/simulation/simulated.h"

#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <variant>

#include "projections/books.h"
#include "services/rules/decide.h"
#include "services/sequencer.h"
#include "store/sha256.h"
#include "tests/simulation/generator.h"
#include "tests/simulation/oracle.h"

namespace denier::simulation {

using events::v1::Event;

std::vector<Event> SimulatedEvents(std::uint64_t seed, int commands) {
  constexpr std::int64_t kFirstTimeUs = 1'609'502'400'000'000;
  constexpr std::int64_t kSecondUs = 1'000'000;
  Generator generator(seed);
  Oracle oracle;
  projections::Books books;
  std::vector<Event> log;
  const auto step = [&](const Drawn& drawn) {
    if (rules::CheckForm(drawn.command)) return;
    const Event* original = nullptr;
    if (drawn.command.has_reverse()) {
      original = &log.at(static_cast<std::size_t>(drawn.command.reverse().reversed_position()));
    }
    if (rules::Authorise(books, drawn.actor, drawn.command, original)) return;
    if (rules::CheckEtag(books, drawn.command)) return;
    rules::Decision decision = rules::Decide(books, drawn.actor, drawn.command, original);
    if (std::holds_alternative<rules::Refusal>(decision)) return;
    oracle.Enter(drawn.command, drawn.actor.body_id(), log.size());
    Event event = std::get<Event>(std::move(decision));
    event.set_request_sha256(std::string(store::AsBytes(services::ContentHash(drawn.command))));
    event.set_recorded_time_us(kFirstTimeUs + static_cast<std::int64_t>(log.size()) * kSecondUs);
    if (absl::Status folded = books.Fold(event, log.size()); !folded.ok()) {
      std::cerr << "seed " << seed << ", event " << log.size() << ": " << folded << "\n";
      std::abort();
    }
    log.push_back(std::move(event));
  };
  for (const Drawn& drawn : generator.Opening()) step(drawn);
  for (int i = 0; i < commands; ++i) step(generator.Next(oracle));
  return log;
}

}  // namespace denier::simulation
