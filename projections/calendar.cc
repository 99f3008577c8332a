#include "projections/calendar.h"

#include <chrono>

namespace denier::projections {
namespace {

std::chrono::year_month_day Parse(int day) {
  return {std::chrono::year{day / 10000},
          std::chrono::month(static_cast<unsigned>(day / 100 % 100)),
          std::chrono::day(static_cast<unsigned>(day % 100))};
}

int Shift(int day, int days) {
  const std::chrono::year_month_day shifted{std::chrono::sys_days{Parse(day)} +
                                            std::chrono::days{days}};
  return static_cast<int>(shifted.year()) * 10000 +
         static_cast<int>(static_cast<unsigned>(shifted.month())) * 100 +
         static_cast<int>(static_cast<unsigned>(shifted.day()));
}

}  // namespace

bool IsFiscalYear(int year) { return year >= 2000 && year <= 2199; }
bool IsDay(int day) { return day > 0 && IsFiscalYear(YearOf(day)) && Parse(day).ok(); }
int DayAfter(int day) { return Shift(day, 1); }
int DayBefore(int day) { return Shift(day, -1); }

}  // namespace denier::projections
