#include "services/cli/verifier_key.h"

#include <optional>

#include "services/cli/whole_file.h"

namespace denier::cli {

absl::StatusOr<store::VerifierKey> ReadVerifierKey(const std::string& text) {
  const std::optional<std::string> file = ReadWholeFile(text);
  return store::VerifierKey::Parse(file.value_or(text));
}

}  // namespace denier::cli
