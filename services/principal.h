// Who calls. Under mTLS the client's certificate says it: its subject's CN is the principal, O its
// body, each OU one role. In development mode the call's metadata says it, without proof.
#ifndef DENIER_SERVICES_PRINCIPAL_H_
#define DENIER_SERVICES_PRINCIPAL_H_

#include <grpcpp/server_context.h>

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>

#include "absl/functional/function_ref.h"
#include "denier/events/v1/types.pb.h"
#include "services/rules/refusal.h"

namespace denier::services {

// The principal, or UNKNOWN_PRINCIPAL. A principal has an identifier, a body and at least one role;
// what cannot be read is refused whole, never read in part.
using Identified = std::variant<events::v1::Principal, rules::Refusal>;

// From the subject of a PEM certificate that the handshake has verified. Any thread.
Identified PrincipalOfCertificate(std::string_view pem);

// From `denier-principal`, `denier-body` and `denier-roles` (comma separated). Any thread.
Identified PrincipalOfMetadata(std::string_view principal_id, std::string_view body_id,
                               std::string_view roles);

// Thread-safe.
class PrincipalReader {
 public:
  enum class Source { kCertificate, kMetadata };

  explicit PrincipalReader(Source source) : source_(source) {}

  Identified Read(const grpc::ServerContextBase& context) const;

 private:
  // What `identify` makes of `text`, which is all that it looks at.
  Identified Remembered(std::string_view text,
                        absl::FunctionRef<Identified(std::string_view)> identify) const;

  const Source source_;
  // Parsing a certificate costs more than deciding a command, and clients are few.
  mutable std::mutex mutex_;
  mutable std::map<std::string, Identified, std::less<>> known_;  // by PEM text, or metadata
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_PRINCIPAL_H_
