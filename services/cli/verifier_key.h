// The key of a log, as an auditor holds it.
#ifndef DENIER_SERVICES_CLI_VERIFIER_KEY_H_
#define DENIER_SERVICES_CLI_VERIFIER_KEY_H_

#include <string>

#include "absl/status/statusor.h"
#include "store/checkpoint.h"

namespace denier::cli {

// The key that `text` is (NAME+HASH+KEY), or that the file of this name holds.
// INVALID_ARGUMENT: neither.
absl::StatusOr<store::VerifierKey> ReadVerifierKey(const std::string& text);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_VERIFIER_KEY_H_
