#include "services/rules/refusal.h"

namespace denier::rules {

Refusal Refusal::With(std::string_view name, std::string_view value) && {
  facts.emplace_back(name, value);
  return std::move(*this);
}

Refusal Refusal::With(std::string_view name, std::int64_t value) && {
  facts.emplace_back(name, std::to_string(value));
  return std::move(*this);
}

Refusal Refuse(v1::ErrorReason reason, std::string_view message) {
  return {reason, {}, std::string(message), {}};
}

Refusal InvalidField(std::string_view field, std::string_view message) {
  return {v1::ERROR_REASON_INVALID_FIELD, std::string(field), std::string(message), {}};
}

}  // namespace denier::rules
