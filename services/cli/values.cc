#include "services/cli/values.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "denier/events/v1/types.pb.h"

namespace denier::cli {
namespace {

constexpr std::string_view kNoBreakSpace = "\u00a0";

bool IsDigits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// |value|, also of the lowest one.
std::uint64_t Magnitude(std::int64_t value) {
  return value < 0 ? -static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
}

std::string Grouped(std::uint64_t value, std::string_view separator) {
  const std::string digits = std::to_string(value);
  std::string grouped;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) grouped += separator;
    grouped += digits[i];
  }
  return grouped;
}

std::string TwoDigits(std::uint64_t value) {
  return {static_cast<char>('0' + value / 10 % 10), static_cast<char>('0' + value % 10)};
}

struct Clock {
  std::int32_t day;
  int hours, minutes, seconds, microseconds;
};

Clock ClockOf(std::int64_t instant_us) {
  using namespace std::chrono;
  const sys_time<microseconds> instant{microseconds{instant_us}};
  const auto midnight = floor<days>(instant);
  const year_month_day date{midnight};
  const hh_mm_ss<microseconds> time{instant - midnight};
  return {.day = static_cast<int>(date.year()) * 10000 +
                 static_cast<int>(static_cast<unsigned>(date.month()) * 100 +
                                  static_cast<unsigned>(date.day())),
          .hours = static_cast<int>(time.hours().count()),
          .minutes = static_cast<int>(time.minutes().count()),
          .seconds = static_cast<int>(time.seconds().count()),
          .microseconds = static_cast<int>(time.subseconds().count())};
}

template <typename... Numbers>
std::string Print(const char* format, Numbers... numbers) {
  char text[64];
  std::snprintf(text, sizeof text, format, numbers...);
  return text;
}

}  // namespace

std::string In(Lang lang, std::string_view french, std::string_view english) {
  return std::string(lang == Lang::kFrench ? french : english);
}

std::optional<std::int64_t> ParseCents(std::string_view euros) {
  const bool negative = euros.starts_with('-');
  if (negative) euros.remove_prefix(1);
  const std::size_t point = euros.find_first_of(".,");
  const std::string_view whole = euros.substr(0, point);
  std::string decimals =
      point == std::string_view::npos ? "00" : std::string(euros.substr(point + 1));
  if (decimals.size() == 1) decimals += '0';
  if (!IsDigits(whole) || !IsDigits(decimals) || decimals.size() != 2) return std::nullopt;
  // The sign goes along, so that the lowest value passes and the one beside it does not.
  return ParseNumber((negative ? "-" : "") + std::string(whole) + decimals);
}

std::string PlainEuros(std::int64_t cents) {
  const std::uint64_t magnitude = Magnitude(cents);
  return (cents < 0 ? "-" : "") + std::to_string(magnitude / 100) + "." +
         TwoDigits(magnitude % 100);
}

std::string Euros(std::int64_t cents, Lang lang) {
  const std::uint64_t magnitude = Magnitude(cents);
  const std::string sign = cents < 0 ? "-" : "";
  if (lang == Lang::kEnglish) {
    return sign + "€" + Grouped(magnitude / 100, ",") + "." + TwoDigits(magnitude % 100);
  }
  return sign + Grouped(magnitude / 100, kNoBreakSpace) + "," + TwoDigits(magnitude % 100) +
         std::string(kNoBreakSpace) + "€";
}

std::string Count(std::int64_t count, Lang lang) {
  return (count < 0 ? "-" : "") +
         Grouped(Magnitude(count), lang == Lang::kFrench ? kNoBreakSpace : ",");
}

std::optional<std::int32_t> ParseDay(std::string_view text) {
  std::string digits(text);
  if (text.size() == 10 && text[4] == '-' && text[7] == '-') {
    digits = std::string(text.substr(0, 4)) + std::string(text.substr(5, 2)) +
             std::string(text.substr(8));
  } else if (text.size() == 10 && text[2] == '/' && text[5] == '/') {
    digits = std::string(text.substr(6)) + std::string(text.substr(3, 2)) +
             std::string(text.substr(0, 2));
  }
  if (digits.size() != 8 || !IsDigits(digits)) return std::nullopt;
  const int day = static_cast<int>(*ParseNumber(digits));
  const std::chrono::year_month_day date{std::chrono::year{day / 10000},
                                         std::chrono::month(day / 100 % 100),
                                         std::chrono::day(day % 100)};
  if (day < 10000 || !date.ok()) return std::nullopt;
  return day;
}

std::string PlainDay(std::int32_t day) {
  return day == 0 ? "" : Print("%04d-%02d-%02d", day / 10000, day / 100 % 100, day % 100);
}

std::string Day(std::int32_t day, Lang lang) {
  if (lang == Lang::kEnglish || day == 0) return PlainDay(day);
  return Print("%02d/%02d/%04d", day % 100, day / 100 % 100, day / 10000);
}

std::string PlainInstant(std::int64_t microseconds) {
  if (microseconds == 0) return "";
  const Clock c = ClockOf(microseconds);
  return PlainDay(c.day) +
         Print("T%02d:%02d:%02d.%06dZ", c.hours, c.minutes, c.seconds, c.microseconds);
}

std::string Instant(std::int64_t microseconds, Lang lang) {
  if (microseconds == 0) return "";
  const Clock c = ClockOf(microseconds);
  return Day(c.day, lang) + Print(" %02d:%02d:%02d", c.hours, c.minutes, c.seconds);
}

std::optional<std::int64_t> ParseInstant(std::string_view text, DayEdge edge) {
  absl::Time instant;
  const auto day = ParseDay(text);
  if (!day) {
    std::string problem;
    const bool read = absl::ParseTime(absl::RFC3339_full, std::string(text), &instant, &problem);
    return read ? std::optional(absl::ToUnixMicros(instant)) : std::nullopt;
  }
  absl::TimeZone paris;
  if (!absl::LoadTimeZone("Europe/Paris", &paris)) return std::nullopt;
  const absl::CivilDay civil(*day / 10000, *day / 100 % 100, *day % 100);
  instant = edge == DayEdge::kBegin ? absl::FromCivil(civil, paris)
                                    : absl::FromCivil(civil + 1, paris) - absl::Microseconds(1);
  return absl::ToUnixMicros(instant);
}

std::optional<AsOf> ParseAsOf(std::string_view text) {
  if (const auto position = ParseNumber(text)) return AsOf{.position = *position, .time_us = 0};
  const auto time_us = ParseInstant(text, DayEdge::kEnd);
  return time_us ? std::optional(AsOf{.position = std::nullopt, .time_us = *time_us})
                 : std::nullopt;
}

std::optional<std::int64_t> ParseNumber(std::string_view text) {
  std::int64_t number;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Principal> ParsePrincipal(std::string_view text) {
  const std::size_t at = text.find('@');
  if (at == 0 || at == std::string_view::npos) return std::nullopt;
  // Identifiers may hold a colon, roles never do: the last one ends the body.
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon <= at + 1) return std::nullopt;

  Principal principal{.id = std::string(text.substr(0, at)),
                      .body = std::string(text.substr(at + 1, colon - at - 1)),
                      .roles = {}};
  for (const std::string_view piece : Split(text.substr(colon + 1), ',')) {
    std::string role = Replace(piece, '-', '_');
    std::string name = "ROLE_" + role;
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    events::v1::Role known;
    if (!events::v1::Role_Parse(name, &known) || known == events::v1::ROLE_UNSPECIFIED) {
      return std::nullopt;
    }
    principal.roles.push_back(std::move(role));
  }
  return principal;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const std::size_t end = text.find(separator);
    pieces.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return pieces;
    text.remove_prefix(end + 1);
  }
}

std::string Kebab(std::string_view camel_case) {
  std::string kebab;
  for (const char c : camel_case) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (upper && !kebab.empty()) kebab += '-';
    kebab += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return kebab;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

std::string Replace(std::string_view text, char from, char to) {
  std::string replaced(text);
  std::replace(replaced.begin(), replaced.end(), from, to);
  return replaced;
}

}  // namespace denier::cli
