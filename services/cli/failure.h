// What went wrong, for people: what, why, what next. Pure.
#ifndef DENIER_SERVICES_CLI_FAILURE_H_
#define DENIER_SERVICES_CLI_FAILURE_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "google/rpc/status.pb.h"
#include "services/cli/values.h"

namespace denier::cli {

// What `denier` exits with.
enum ExitCode { kDone = 0, kRefused = 1, kUsage = 2, kTrouble = 3, kNotProven = 4 };

// A google.rpc.Status, its details unpacked.
struct Failure {
  int code = 0;              // of gRPC; not OK
  std::string message = "";  // English, for developers
  std::string reason = "";   // such as "AE_EXCEEDED"; empty when the server gave none
  std::map<std::string, std::string> numbers = {};
  std::string french = "";  // LocalizedMessage; empty when the server gave none
  std::vector<std::pair<std::string, std::string>> fields = {};  // at fault, and why
  std::optional<std::chrono::milliseconds> retry_after = {};
};

Failure FailureOf(const google::rpc::Status& status);

// Refused by a rule, or the server's own trouble.
ExitCode ExitCodeOf(const Failure& failure);

// True when nobody knows whether the command was accepted: repeating the same request id is safe.
bool IsOutcomeUnknown(const Failure& failure);

// Several lines, the last with a newline. `server` is the address that was called.
std::string Explain(const Failure& failure, const std::string& server, Lang lang);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_FAILURE_H_
