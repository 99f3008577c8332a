// How amounts, days and principals are written and read by people. Everything here is pure.
//
// Amounts are euro cents (int64), days YYYYMMDD (int32), instants microseconds since 1970 UTC, as
// in the API. Parsing is exact: what cannot be kept to the cent is no amount.
#ifndef DENIER_SERVICES_CLI_VALUES_H_
#define DENIER_SERVICES_CLI_VALUES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace denier::cli {

// The language of what people read. Csv and json have none.
enum class Lang { kFrench, kEnglish };

// Picks one of two texts.
std::string In(Lang lang, std::string_view french, std::string_view english);

// "183072.00", "183072", "-0.5" and, as French hands type it, "183072,00". Nothing else: no third
// decimal, no grouping, nothing beyond what int64 cents hold.
std::optional<std::int64_t> ParseCents(std::string_view euros);

// "183072.00": for csv and json, and for ParseCents.
std::string PlainEuros(std::int64_t cents);

// "183 072,00 €" with no-break spaces (U+00A0), or "€183,072.00".
std::string Euros(std::int64_t cents, Lang lang);

// "12 000" with a no-break space, or "12,000".
std::string Count(std::int64_t count, Lang lang);

// "2022-01-05", "20220105" and "05/01/2022" are 20220105; a day that no calendar has is none.
std::optional<std::int32_t> ParseDay(std::string_view text);

// "2022-01-05"; empty for 0.
std::string PlainDay(std::int32_t day);

// "05/01/2022", or "2022-01-05"; empty for 0.
std::string Day(std::int32_t day, Lang lang);

// "2022-01-05T10:00:00.000001Z"; empty for 0.
std::string PlainInstant(std::int64_t microseconds);

// "05/01/2022 10:00:00", or "2022-01-05 10:00:00", in UTC; empty for 0.
std::string Instant(std::int64_t microseconds, Lang lang);

// The microsecond that a day in Paris begins or ends with.
enum class DayEdge { kBegin, kEnd };

// Microseconds since 1970 UTC of "2022-03-31T10:00:00Z" (RFC 3339), or of that edge of the day
// "2022-03-31" or "31/03/2022" in Paris.
std::optional<std::int64_t> ParseInstant(std::string_view text, DayEdge edge);

// A moment of the books: a position of the log, or an instant.
struct AsOf {
  std::optional<std::int64_t> position;
  std::int64_t time_us = 0;  // where there is no position; microseconds since 1970 UTC

  bool operator==(const AsOf&) const = default;
};

// "4711" is a position; anything else an instant, of a day its end.
std::optional<AsOf> ParseAsOf(std::string_view text);

// A whole number in decimal digits with an optional '-'.
std::optional<std::int64_t> ParseNumber(std::string_view text);

// Who acts, as development mode takes it.
struct Principal {
  std::string id;
  std::string body;
  std::vector<std::string> roles;  // lower-case, such as "programme_manager"

  bool operator==(const Principal&) const = default;
};

// "pm-1@DJEPVA:programme_manager,auditor". Every part is required, every role must be one of
// denier.events.v1.Role ('-' passes for '_').
std::optional<Principal> ParsePrincipal(std::string_view text);

// Pieces of `text` between `separator`s; one empty piece for an empty text.
std::vector<std::string_view> Split(std::string_view text, char separator);

// "request-payment" of "RequestPayment".
std::string Kebab(std::string_view camel_case);

// `text` with every letter from A to Z small.
std::string Lower(std::string_view text);

// `text` with every `from` replaced by `to`.
std::string Replace(std::string_view text, char from, char to);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_VALUES_H_
