// Files of commands, and sending them.
//
// One JSON object a line; empty lines and lines that begin with '#' are passed over:
//   {"as":"pm-1@DJEPVA:programme_manager","command":{"allocate":{"header":{...},...}},
//    "basis":"document","note":"...","expect":"AE_EXCEEDED"}
// `command` is the protobuf json form of denier.v1.Command, with a request id in its header: that
// is what makes sending a file twice harmless. `expect` is the reason with which the command must
// be refused; where the file has been sent before, any refusal will do. `basis` and `note` are for
// readers.
#ifndef DENIER_SERVICES_CLI_APPLY_H_
#define DENIER_SERVICES_CLI_APPLY_H_

#include <cstdint>
#include <functional>
#include <istream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "denier/v1/command_service.pb.h"
#include "services/cli/connection.h"
#include "services/cli/failure.h"
#include "services/cli/values.h"

namespace denier::cli {

// A line of the file.
struct Step {
  int line;
  Principal as;
  v1::Command command;
  std::string expect;  // empty: it must be accepted
};

// All steps, or InvalidArgument with "name:line: what is wrong" in `lang`. `name` is the file's.
absl::StatusOr<std::vector<Step>> ParseSteps(std::istream& file, const std::string& name,
                                             Lang lang);

// What came of a file.
struct Applied {
  std::int64_t accepted = 0;
  std::int64_t refused_as_expected = 0;
  std::int64_t repeated = 0;        // accepted by an earlier run
  std::int64_t last_position = -1;  // of the last event that one of them became
  ExitCode code = kDone;
  std::string problem;  // "name:line: ..." when it stopped
};

// Sends the steps in their order, those of one principal in a row on one stream, up to 500 in a
// message, and stops at the message that holds the first unexpected outcome; what stands behind it
// in the same message has been decided too. With `atomic`, steps in a row that share a principal
// and expect no refusal are one group: all accepted or none; at most 5000. `progress` is called
// with the number of steps answered so far.
Applied Apply(Connection* connection, const std::vector<Step>& steps, const std::string& name,
              bool atomic, Lang lang, const std::function<void(std::size_t)>& progress);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_APPLY_H_
