// Why a command is not accepted: a stable reason, the numbers behind it, the field at fault.
#ifndef DENIER_SERVICES_RULES_REFUSAL_H_
#define DENIER_SERVICES_RULES_REFUSAL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "denier/v1/error_reason.pb.h"

namespace denier::rules {

// A plain value. services/errors.h turns it into a gRPC status and words.
struct Refusal {
  v1::ErrorReason reason = v1::ERROR_REASON_UNSPECIFIED;
  // For INVALID_FIELD: the field, as a path of proto names below the command
  // ("lines[0].amount_cents").
  std::string field;
  // One English sentence for developers; numbers stand in `facts`.
  std::string message;
  // ErrorInfo metadata: snake_case names, amounts in cents ending in `_cents`.
  std::vector<std::pair<std::string, std::string>> facts;

  Refusal With(std::string_view name, std::string_view value) &&;
  Refusal With(std::string_view name, std::int64_t value) &&;
};

Refusal Refuse(v1::ErrorReason reason, std::string_view message);
Refusal InvalidField(std::string_view field, std::string_view message);

}  // namespace denier::rules

#endif  // DENIER_SERVICES_RULES_REFUSAL_H_
