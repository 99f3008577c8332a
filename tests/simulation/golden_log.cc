// golden_log COMMANDS: decides the commands of tests/golden/events/commands.jsonl one after the
// other and prints the bytes that each accepted one would have in the log, a line an event:
// position, fact, bytes in hex. So the golden bytes of a version of the events' form are made
// (projections/event_version.h), once, by a program that writes that version.
#include <cstdint>
#include <iostream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "denier/events/v1/event.pb.h"
#include "denier/v1/command_service.pb.h"
#include "projections/books.h"
#include "services/rules/decide.h"
#include "services/rules/permissions.h"
#include "store/sha256.h"
#include "tests/services/rules/recorded_commands.h"

namespace {

using denier::events::v1::Event;

constexpr std::int64_t kFirstTimeUs = 1'609'752'600'000'000;
constexpr std::int64_t kSecondUs = 1'000'000;

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: golden_log COMMANDS\n";
    return 2;
  }
  namespace rules = denier::rules;
  denier::projections::Books books;
  std::vector<Event> log;
  for (const rules::RecordedCommand& recorded : rules::RecordedCommands(argv[1])) {
    const denier::v1::Command& command = recorded.command;
    const auto fail = [&](const std::string& why) {
      std::cerr << why << ": " << command.ShortDebugString() << "\n";
      return 1;
    };
    const Event* original = nullptr;
    if (command.has_reverse()) {
      original = &log.at(static_cast<std::size_t>(command.reverse().reversed_position()));
    }
    if (auto refusal = rules::CheckForm(command)) return fail(refusal->message);
    if (auto refusal = rules::Authorise(books, recorded.actor, command, original)) {
      return fail(refusal->message);
    }
    rules::Decision decision = rules::Decide(books, recorded.actor, command, original);
    if (auto* refusal = std::get_if<rules::Refusal>(&decision)) return fail(refusal->message);
    Event event = std::get<Event>(std::move(decision));
    event.set_recorded_time_us(kFirstTimeUs + static_cast<std::int64_t>(log.size()) * kSecondUs);
    event.set_request_sha256(
        std::string(denier::store::AsBytes(denier::store::Sha256Of(command.SerializeAsString()))));
    if (absl::Status folded = books.Fold(event, log.size()); !folded.ok()) {
      return fail(folded.ToString());
    }
    const std::string bytes = event.SerializeAsString();
    const auto* fact = Event::descriptor()->FindFieldByNumber(static_cast<int>(event.fact_case()));
    std::cout << log.size() << " " << fact->name() << " " << absl::BytesToHexString(bytes) << "\n";
    log.push_back(std::move(event));
  }
  return 0;
}
