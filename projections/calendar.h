// Days of the civil calendar, written YYYYMMDD as an integer (20220331), and budget years. Fiscal
// days are days in Europe/Paris and come with the command, so no time zone is needed.
#ifndef DENIER_PROJECTIONS_CALENDAR_H_
#define DENIER_PROJECTIONS_CALENDAR_H_

#include <algorithm>

namespace denier::projections {

// True for a day that exists, from 2000-01-01 to 2199-12-31.
bool IsDay(int day);

// True for a budget year that Denier keeps books of: 2000 to 2199.
bool IsFiscalYear(int year);

// The year of a day. `day` is one.
constexpr int YearOf(int day) { return day / 10000; }

// `month_day` of `year`, such as 331 for 31 March.
constexpr int DayOf(int year, int month_day) { return year * 10000 + month_day; }

constexpr int FirstDayOf(int year) { return DayOf(year, 101); }
constexpr int LastDayOf(int year) { return DayOf(year, 1231); }

// The day of `year` that is nearest to `day`.
constexpr int DayWithin(int year, int day) {
  return std::clamp(day, FirstDayOf(year), LastDayOf(year));
}

int DayAfter(int day);
int DayBefore(int day);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_CALENDAR_H_
