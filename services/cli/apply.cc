#include "services/cli/apply.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "denier/v1/audit_service.pb.h"
#include "denier/v1/command_service.grpc.pb.h"
#include "denier/v1/error_reason.pb.h"
#include "services/cli/fields.h"

namespace denier::cli {
namespace {

constexpr std::size_t kMessageSteps = 500;
constexpr std::size_t kGroupSteps = 5000;  // what the server takes in a message
constexpr int kOverloadRetries = 20;

std::string At(const std::string& name, int line) {
  return name + ":" + std::to_string(line) + ": ";
}

// The command's name as people type it: "allocate", "request-payment".
std::string NameOf(const v1::Command& command) {
  const auto* oneof = v1::Command::descriptor()->FindOneofByName("command");
  const FieldDescriptor* field = command.GetReflection()->GetOneofFieldDescriptor(command, oneof);
  return field == nullptr ? "" : Replace(field->name(), '_', '-');
}

std::string RequestIdOf(const v1::Command& command) {
  const auto* oneof = v1::Command::descriptor()->FindOneofByName("command");
  const FieldDescriptor* field = command.GetReflection()->GetOneofFieldDescriptor(command, oneof);
  const Message& request = command.GetReflection()->GetMessage(command, field);
  const FieldDescriptor* header = request.GetDescriptor()->FindFieldByName("header");
  return static_cast<const v1::CommandHeader&>(request.GetReflection()->GetMessage(request, header))
      .request_id();
}

// What is wrong with the line, or nothing and `step` is filled in.
std::optional<std::string> ParseStep(const std::string& text, Lang lang, Step* step) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return In(lang, "ce n'est pas un objet JSON sur une ligne", "no JSON object on one line");
  }
  for (const auto& [key, value] : json.items()) {
    const bool text_key = key == "as" || key == "basis" || key == "note" || key == "expect";
    if (!text_key && key != "command") {
      return In(lang,
                "clé inconnue « " + key + " » ; les clés sont as, command, basis, note, expect",
                "unknown key \"" + key + "\"; the keys are as, command, basis, note, expect");
    }
    if (text_key && !value.is_string()) {
      return In(lang, "« " + key + " » doit être un texte", "\"" + key + "\" must be a string");
    }
  }
  const auto as = ParsePrincipal(json.value("as", ""));
  if (!as) {
    return In(lang, "« as » doit être id@SERVICE:rôle[,rôle]",
              "\"as\" must be id@BODY:role[,role]");
  }
  step->as = *as;

  step->expect = json.value("expect", "");
  v1::ErrorReason reason;
  if (json.contains("expect") && !v1::ErrorReason_Parse("ERROR_REASON_" + step->expect, &reason)) {
    return In(lang, "« expect » n'est pas un motif de refus\u00a0: ", "\"expect\" is no reason: ") +
           step->expect;
  }

  if (!json.contains("command")) return In(lang, "« command » manque", "\"command\" is missing");
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(json["command"].dump(), &step->command);
  if (!parsed.ok()) return "command: " + std::string(parsed.message().ToString());
  if (NameOf(step->command).empty()) {
    return In(lang, "« command » est vide", "\"command\" is empty");
  }
  if (RequestIdOf(step->command).empty()) {
    return In(
        lang,
        "request_id manque dans header : sans lui, rejouer le fichier ne serait pas sans effet",
        "request_id is missing in the header: without it, sending the file twice would not be "
        "harmless");
  }
  return std::nullopt;
}

// The steps from `begin` that go into one message.
std::size_t MessageEnd(const std::vector<Step>& steps, std::size_t begin, bool atomic) {
  std::size_t end = begin + 1;
  if (atomic && !steps[begin].expect.empty()) return end;
  const std::size_t limit = atomic ? kGroupSteps : kMessageSteps;
  while (end < steps.size() && end - begin < limit && steps[end].as == steps[begin].as &&
         !(atomic && !steps[end].expect.empty())) {
    ++end;
  }
  return end;
}

// Last event of the log, -1 when the principal may not ask: what an accepted command stands at or
// below, an earlier run had sent.
std::int64_t HeadOf(Connection* connection, const Principal& principal) {
  const auto* service =
      v1::ListEventsRequest::descriptor()->file()->FindServiceByName("AuditService");
  v1::ListEventsRequest request;
  request.mutable_page()->set_page_size(1);
  v1::ListEventsResponse response;
  const auto status =
      connection->Call(*service->FindMethodByName("ListEvents"), request, principal, &response);
  return status.code() == 0 ? response.head_position() : -1;
}

// Looks at one outcome; false when it is not the expected one, and `applied` says so.
bool Take(const v1::CommandOutcome& outcome, const Step& step, const std::string& name,
          const std::string& server, Lang lang, std::int64_t head, Applied* applied) {
  const std::string where =
      At(name, step.line) + NameOf(step.command) + " (" + RequestIdOf(step.command) + ")";
  const std::string wanted = In(lang, "un refus était attendu, de motif ", "want a refusal with ") +
                             step.expect + (lang == Lang::kFrench ? "\u00a0; " : "; ");
  if (outcome.has_error()) {
    const Failure failure = FailureOf(outcome.error());
    // A file that is sent again meets its own end: what it expects to be refused still is, but
    // maybe for another reason (the year is closed by now).
    const bool sent_before = applied->repeated > 0;
    if (!step.expect.empty() && (failure.reason == step.expect || sent_before)) {
      ++applied->refused_as_expected;
      return true;
    }
    applied->code = ExitCodeOf(failure);
    applied->problem =
        where + "\n" + (step.expect.empty() ? "" : wanted + "\n") + Explain(failure, server, lang);
    return false;
  }
  const std::int64_t position = outcome.result().position();
  if (!step.expect.empty()) {
    applied->code = kRefused;
    applied->problem = where + "\n" + wanted +
                       In(lang, "la commande a été acceptée, à la position ",
                          "the command was accepted, at position ") +
                       std::to_string(position) + "\n";
    return false;
  }
  // Positions only grow: at or below what stood before it, the event is not of this sending.
  ++(position >= 0 && position <= std::max(head, applied->last_position) ? applied->repeated
                                                                         : applied->accepted);
  applied->last_position = std::max(applied->last_position, position);
  return true;
}

}  // namespace

absl::StatusOr<std::vector<Step>> ParseSteps(std::istream& file, const std::string& name,
                                             Lang lang) {
  std::vector<Step> steps;
  std::string text;
  for (int line = 1; std::getline(file, text); ++line) {
    const std::size_t first = text.find_first_not_of(" \t\r");
    if (first == std::string::npos || text[first] == '#') continue;
    Step step{.line = line, .as = {}, .command = {}, .expect = ""};
    if (const auto wrong = ParseStep(text, lang, &step)) {
      return absl::InvalidArgumentError(At(name, line) + *wrong);
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

Applied Apply(Connection* connection, const std::vector<Step>& steps, const std::string& name,
              bool atomic, Lang lang, const std::function<void(std::size_t)>& progress) {
  Applied applied;
  if (steps.empty()) return applied;
  const std::int64_t head = HeadOf(connection, steps.front().as);
  const auto stub = v1::CommandService::NewStub(connection->channel());

  std::size_t begin = 0;
  while (begin < steps.size()) {
    // A stream for the steps in a row of one principal.
    std::size_t run_end = begin;
    int messages = 0;
    while (run_end < steps.size() && steps[run_end].as == steps[begin].as) {
      run_end = MessageEnd(steps, run_end, atomic);
      ++messages;
    }
    grpc::ClientContext context;
    connection->Prepare(&context, steps[begin].as, messages);
    const auto stream = stub->ExecuteCommands(&context);

    while (begin < run_end) {
      const std::size_t end = MessageEnd(steps, begin, atomic);
      v1::ExecuteCommandsRequest request;
      request.set_atomic(atomic);
      for (std::size_t i = begin; i < end; ++i) *request.add_commands() = steps[i].command;

      v1::ExecuteCommandsResponse response;
      for (int attempt = 0;; ++attempt) {
        if (!stream->Write(request) || !stream->Read(&response) ||
            response.outcomes_size() != request.commands_size()) {
          const Failure failure = FailureOf(RpcStatusOf(stream->Finish()));
          applied.code = kTrouble;
          applied.problem =
              At(name, steps[begin].line) +
              In(lang,
                 "la suite du fichier est sans réponse. Relancez la même commande : ce qui est "
                 "déjà enregistré ne comptera pas deux fois.\n",
                 "no answer from here on. Run the same command again: what is recorded already "
                 "does not count twice.\n") +
              (failure.code == 0 ? "" : Explain(failure, connection->server(), lang));
          return applied;
        }
        // An overloaded server has decided nothing of the message: it is sent again.
        const v1::CommandOutcome& first = response.outcomes(0);
        const auto wait = first.has_error() ? FailureOf(first.error()).retry_after : std::nullopt;
        if (!wait || first.error().code() != grpc::StatusCode::RESOURCE_EXHAUSTED ||
            attempt == kOverloadRetries) {
          break;
        }
        std::this_thread::sleep_for(*wait);
      }

      // In a group it is the refused command that explains, not those refused along with it.
      std::vector<std::size_t> order;
      for (std::size_t i = begin; i < end; ++i) order.push_back(i);
      std::stable_partition(order.begin(), order.end(), [&](std::size_t i) {
        const auto& outcome = response.outcomes(static_cast<int>(i - begin));
        return !atomic ||
               (outcome.has_error() && FailureOf(outcome.error()).reason != "GROUP_REFUSED");
      });
      for (const std::size_t i : order) {
        if (Take(response.outcomes(static_cast<int>(i - begin)), steps[i], name,
                 connection->server(), lang, head, &applied)) {
          continue;
        }
        const std::size_t behind = end - i - 1;
        if (!atomic && behind > 0) {
          applied.problem += In(lang,
                                "Les lignes suivantes du même envoi ont été traitées elles aussi, "
                                "jusqu'à la ligne ",
                                "The lines behind it in the same message were decided too, up to "
                                "line ") +
                             std::to_string(steps[end - 1].line) + ".\n";
        }
        return applied;
      }
      begin = end;
      progress(begin);
    }
    stream->WritesDone();
    stream->Finish();
  }
  return applied;
}

}  // namespace denier::cli
