// Histories that lie in files as commands, one JSON object a line, as `denier apply` plays them:
// {"as": "pm-1@DJEPVA:programme_manager", "command": {...}}.
#ifndef DENIER_TESTS_SERVICES_RULES_RECORDED_COMMANDS_H_
#define DENIER_TESTS_SERVICES_RULES_RECORDED_COMMANDS_H_

#include <google/protobuf/util/json_util.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "denier/events/v1/types.pb.h"
#include "denier/v1/command_service.pb.h"

namespace denier::rules {

struct RecordedCommand {
  events::v1::Principal actor;
  v1::Command command;
};

// Of "pm-1@DJEPVA:programme_manager".
inline events::v1::Principal PrincipalOf(const std::string& as) {
  const std::size_t at = as.find('@');
  const std::size_t colon = as.find(':');
  events::v1::Principal principal;
  principal.set_principal_id(as.substr(0, at));
  principal.set_body_id(as.substr(at + 1, colon - at - 1));
  events::v1::Role role{};
  if (events::v1::Role_Parse("ROLE_" + absl::AsciiStrToUpper(as.substr(colon + 1)), &role)) {
    principal.add_roles(role);
  }
  return principal;
}

// The commands of the file, without those that it expects to be refused. Ends the program when a
// line is none.
inline std::vector<RecordedCommand> RecordedCommands(const std::string& path) {
  std::vector<RecordedCommand> commands;
  std::ifstream lines(path);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    // Not a google.protobuf.Struct: under ThreadSanitizer protobuf's maps have another layout here
    // than in the system's library.
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.contains("expect")) continue;
    RecordedCommand& read = commands.emplace_back();
    if (!json.contains("as") || !json.contains("command") ||
        !google::protobuf::util::JsonStringToMessage(json["command"].dump(), &read.command).ok()) {
      std::cerr << path << ": no command: " << line << "\n";
      std::abort();
    }
    read.actor = PrincipalOf(json.value("as", ""));
  }
  if (commands.empty()) {
    std::cerr << path << ": no commands\n";
    std::abort();
  }
  return commands;
}

}  // namespace denier::rules

#endif  // DENIER_TESTS_SERVICES_RULES_RECORDED_COMMANDS_H_
