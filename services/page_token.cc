#include "services/page_token.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "store/sha256.h"

namespace denier::services {
namespace {

constexpr int kUsualSize = 50;
constexpr int kLargestSize = 1'000;
constexpr std::size_t kDigestBytes = 12;

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

// Binds `after` to its list. No secret: who makes a token up reads what it may read anyway.
std::string Digest(std::string_view rpc, const google::protobuf::Message& filters,
                   std::string_view after) {
  const std::string bytes = filters.SerializeAsString();
  store::Sha256 sha;
  for (const std::string_view part : {rpc, std::string_view(bytes), after}) {
    sha.Update(std::to_string(part.size())).Update(":").Update(part);
  }
  return std::string(store::AsBytes(sha.Finish()).substr(0, kDigestBytes));
}

}  // namespace

std::variant<PageStart, rules::Refusal> ReadPage(std::string_view rpc,
                                                 const google::protobuf::Message& filters,
                                                 const v1::Page& page) {
  if (page.page_size() < 0) return rules::InvalidField("page.page_size", "want 0 or more");
  PageStart start;
  start.size = static_cast<std::size_t>(
      page.page_size() == 0 ? kUsualSize : std::min(page.page_size(), kLargestSize));
  if (page.page_token().empty()) return start;

  std::string token;
  if (!absl::WebSafeBase64Unescape(View(page.page_token()), &token) ||
      token.size() <= kDigestBytes) {
    return rules::InvalidField("page.page_token", "is not a token of this server");
  }
  start.after = token.substr(kDigestBytes);
  if (Digest(rpc, filters, start.after) != token.substr(0, kDigestBytes)) {
    return rules::InvalidField("page.page_token", "belongs to another list or other filters");
  }
  return start;
}

std::string PageToken(std::string_view rpc, const google::protobuf::Message& filters,
                      std::string_view after) {
  return absl::WebSafeBase64Escape(View(Digest(rpc, filters, after) + std::string(after)));
}

}  // namespace denier::services
