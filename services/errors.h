// Refusals in gRPC's words: one code a reason, google.rpc details, and a French sentence that says
// what happened, why, and what to do next. The one place where reasons meet codes and words.
#ifndef DENIER_SERVICES_ERRORS_H_
#define DENIER_SERVICES_ERRORS_H_

#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "denier/v1/error_reason.pb.h"
#include "google/rpc/status.pb.h"
#include "services/rules/refusal.h"

namespace denier::services {

// All of this: any thread.

// The code that error_reason.proto gives for the reason; UNKNOWN for UNSPECIFIED and for numbers
// that are no reason.
grpc::StatusCode CodeOf(v1::ErrorReason reason);

// "AE_EXCEEDED": the reason as ErrorInfo has it.
std::string_view NameOf(v1::ErrorReason reason);

// What the French LocalizedMessage says.
std::string FrenchOf(const rules::Refusal& refusal);

// With ErrorInfo, LocalizedMessage, BadRequest where a field is at fault, and RetryInfo where
// coming back helps.
google::rpc::Status RpcStatusOf(const rules::Refusal& refusal);

// The same as the status of a call, with the details in its trailers.
grpc::Status StatusOf(const rules::Refusal& refusal);

// The reason that a status made by StatusOf carries; UNSPECIFIED: it was not made by it.
v1::ErrorReason ReasonOf(const grpc::Status& status);

// 149577900 -> "1 495 779,00 €", with no-break spaces.
std::string FrenchEuros(std::int64_t cents);

}  // namespace denier::services

#endif  // DENIER_SERVICES_ERRORS_H_
