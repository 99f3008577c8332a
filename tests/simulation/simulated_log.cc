// simulated_log FOLDER SEED COMMANDS [COPIES]: a data folder with a random history in it, for tests
// that start a server on one. With COPIES the history comes so many times, each time in an
// agreement of its own: a long log in a short time. Prints the number of events.
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/rules/redecide.h"
#include "services/sequencer.h"
#include "store/data_directory.h"
#include "store/log.h"
#include "tests/simulation/simulated.h"

namespace {

using denier::events::v1::Event;

constexpr std::size_t kBatch = 1000;

// The event as it would be in copy number `copy`, whose first event is at `first`.
void Move(Event& event, int copy, std::int64_t first, std::int64_t recorded_us) {
  if (copy == 0) return;
  const std::string suffix = "-" + std::to_string(copy);
  const std::string agreement = event.agreement_id();
  event.set_agreement_id(agreement + suffix);
  if (event.has_agreement_created()) {
    event.mutable_agreement_created()->mutable_term()->set_act_id(event.agreement_id());
  }
  if (event.has_publication_recorded() && event.publication_recorded().act_id() == agreement) {
    event.mutable_publication_recorded()->set_act_id(event.agreement_id());
  }
  event.set_request_id(event.request_id() + suffix);
  event.set_recorded_time_us(event.recorded_time_us() + recorded_us);
  if (event.has_reversed()) {
    auto& reversed = *event.mutable_reversed();
    reversed.set_reversed_position(reversed.reversed_position() + first);
    Move(*reversed.mutable_original(), copy, first, recorded_us);
  }
  event.set_request_sha256(std::string(
      denier::store::AsBytes(denier::services::ContentHash(denier::rules::CommandFrom(event)))));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "usage: simulated_log FOLDER SEED COMMANDS [COPIES]\n";
    return 2;
  }
  const int copies = argc > 4 ? std::atoi(argv[4]) : 1;
  const std::vector<Event> events =
      denier::simulation::SimulatedEvents(std::strtoull(argv[2], nullptr, 10), std::atoi(argv[3]));
  const auto folder = denier::store::DataDirectory::Open(argv[1], /*initialize=*/true);
  if (!folder.ok()) {
    std::cerr << folder.status() << "\n";
    return 1;
  }
  auto log = denier::store::Log::Open(folder->path(), {.initialize = true});
  if (!log.ok()) {
    std::cerr << log.status() << "\n";
    return 1;
  }
  const std::int64_t span_us =
      events.back().recorded_time_us() - events.front().recorded_time_us() + 1'000'000;
  denier::store::Batch batch;
  const auto append = [&] {
    const auto appended = (*log)->Append(batch, (*log)->head().next);
    if (!appended.ok()) {
      std::cerr << appended.status() << "\n";
      std::exit(1);
    }
    batch.Clear();
  };
  for (int copy = 0; copy < copies; ++copy) {
    const auto first = static_cast<std::int64_t>(events.size()) * copy;
    for (Event event : events) {
      Move(event, copy, first, span_us * copy);
      batch.Add(event.SerializeAsString());
      if (batch.size() == kBatch) append();
    }
  }
  if (!batch.empty()) append();
  std::cout << (*log)->head().next << "\n";
  return 0;
}
