// Page tokens (AIP-158): opaque, and good only for the list and the filters that they came from.
#ifndef DENIER_SERVICES_PAGE_TOKEN_H_
#define DENIER_SERVICES_PAGE_TOKEN_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "denier/v1/query_service.pb.h"
#include "google/protobuf/message.h"
#include "services/rules/refusal.h"

namespace denier::services {

// Where a page begins and how long it is.
struct PageStart {
  std::size_t size = 0;
  std::string after;  // what the token holds; empty: the first page
};

// `filters` is the request without page and freshness; `rpc` tells lists of equal filters apart.
// INVALID_FIELD: a negative size, a token that is none or another list's. Sizes above the largest
// mean the largest. Any thread.
std::variant<PageStart, rules::Refusal> ReadPage(std::string_view rpc,
                                                 const google::protobuf::Message& filters,
                                                 const v1::Page& page);

// The token of the page that begins after `after`, which is not empty.
std::string PageToken(std::string_view rpc, const google::protobuf::Message& filters,
                      std::string_view after);

}  // namespace denier::services

#endif  // DENIER_SERVICES_PAGE_TOKEN_H_
