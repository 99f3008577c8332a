#include "services/principal.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace denier::services {
namespace {

// More than the bodies' staff; when it is full it begins anew.
constexpr std::size_t kMostKnown = 1'000;

// Certificates beyond this are not worth parsing.
constexpr std::size_t kMostPemBytes = 64 << 10;
// Metadata beyond this is not worth remembering.
constexpr std::size_t kMostMetadataBytes = 1 << 10;

// Between the words of what is remembered: in none of gRPC's metadata.
constexpr char kSeparator = '\n';

template <auto Free>
struct Freeing {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freeing<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Freeing<X509_free>>;

rules::Refusal Unknown(std::string_view why) {
  return rules::Refuse(v1::ERROR_REASON_UNKNOWN_PRINCIPAL, why);
}

// As types.proto has identifiers.
bool IsIdentifier(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == ':' || c == '-';
  });
}

// "programme_manager" -> ROLE_PROGRAMME_MANAGER.
std::optional<events::v1::Role> RoleOf(std::string_view name) {
  std::string full = "ROLE_";
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') return std::nullopt;
    full += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  events::v1::Role role = events::v1::ROLE_UNSPECIFIED;
  if (!events::v1::Role_Parse(full, &role) || role == events::v1::ROLE_UNSPECIFIED) {
    return std::nullopt;
  }
  return role;
}

Identified Identify(std::string_view principal_id, std::string_view body_id,
                    const std::vector<std::string>& roles) {
  if (!IsIdentifier(principal_id)) return Unknown("no principal, or not an identifier");
  if (!IsIdentifier(body_id)) return Unknown("no body, or not an identifier");
  if (roles.empty()) return Unknown("no role");

  events::v1::Principal principal;
  principal.set_principal_id(std::string(principal_id));
  principal.set_body_id(std::string(body_id));
  for (const std::string& name : roles) {
    const std::optional<events::v1::Role> role = RoleOf(name);
    if (!role.has_value()) return Unknown("a role that does not exist");
    if (std::find(principal.roles().begin(), principal.roles().end(), *role) ==
        principal.roles().end()) {
      principal.add_roles(*role);
    }
  }
  // The same principal is the same bytes in every event.
  std::sort(principal.mutable_roles()->begin(), principal.mutable_roles()->end());
  return principal;
}

std::vector<std::string> Split(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    parts.emplace_back(list.substr(0, comma));
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return parts;
}

// All entries of that kind, in UTF-8.
std::vector<std::string> SubjectEntries(const X509_NAME* subject, int nid) {
  std::vector<std::string> entries;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, nid, i)) >= 0;) {
    const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i));
    unsigned char* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, value);
    entries.emplace_back(size > 0 ? std::string(reinterpret_cast<char*>(utf8), size) : "");
    OPENSSL_free(utf8);
  }
  return entries;
}

std::string_view MetadataOf(const grpc::ServerContextBase& context, const char* key) {
  const auto [first, last] = context.client_metadata().equal_range(key);
  // Twice the same key is a riddle, not an identity.
  if (first == last || std::next(first) != last) return {};
  return {first->second.data(), first->second.size()};
}

}  // namespace

Identified PrincipalOfCertificate(std::string_view pem) {
  if (pem.size() > kMostPemBytes) return Unknown("the certificate is too large");
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // No password prompt, whatever the text asks for.
  const auto no_password = [](char*, int, int, void*) { return 0; };
  const Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr));
  if (certificate == nullptr) {
    ERR_clear_error();
    return Unknown("the certificate cannot be read");
  }
  const X509_NAME* subject = X509_get_subject_name(certificate.get());
  const std::vector<std::string> names = SubjectEntries(subject, NID_commonName);
  const std::vector<std::string> bodies = SubjectEntries(subject, NID_organizationName);
  if (names.size() != 1) return Unknown("the certificate's subject has not exactly one CN");
  if (bodies.size() != 1) return Unknown("the certificate's subject has not exactly one O");
  return Identify(names[0], bodies[0], SubjectEntries(subject, NID_organizationalUnitName));
}

Identified PrincipalOfMetadata(std::string_view principal_id, std::string_view body_id,
                               std::string_view roles) {
  return Identify(principal_id, body_id, Split(roles));
}

Identified PrincipalReader::Read(const grpc::ServerContextBase& context) const {
  if (source_ == Source::kMetadata) {
    const std::string_view principal = MetadataOf(context, "denier-principal");
    const std::string_view body = MetadataOf(context, "denier-body");
    const std::string_view roles = MetadataOf(context, "denier-roles");
    const auto identify = [&](std::string_view /*text*/) {
      return PrincipalOfMetadata(principal, body, roles);
    };
    if (principal.size() + body.size() + roles.size() > kMostMetadataBytes) return identify({});
    std::string text;
    text.reserve(principal.size() + body.size() + roles.size() + 2);
    text.append(principal).append(1, kSeparator).append(body).append(1, kSeparator).append(roles);
    return Remembered(text, identify);
  }
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (auth == nullptr || !auth->IsPeerAuthenticated()) return Unknown("no client certificate");
  const std::vector<grpc::string_ref> pems =
      auth->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (pems.size() != 1) return Unknown("no client certificate");
  return Remembered({pems[0].data(), pems[0].size()}, PrincipalOfCertificate);
}

Identified PrincipalReader::Remembered(
    std::string_view text, absl::FunctionRef<Identified(std::string_view)> identify) const {
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = known_.find(text); known != known_.end()) return known->second;
  }
  Identified identified = identify(text);
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kMostKnown) known_.clear();
  known_.emplace(text, identified);
  return identified;
}

}  // namespace denier::services
