#include "services/cli/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace denier::cli {
namespace {

constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();

TEST(AmountTest, IsReadToTheCent) {
  EXPECT_EQ(ParseCents("183072.00"), 18307200);
  EXPECT_EQ(ParseCents("183072,01"), 18307201);
  EXPECT_EQ(ParseCents("183072"), 18307200);
  EXPECT_EQ(ParseCents("0.5"), 50);
  EXPECT_EQ(ParseCents("-12.50"), -1250);
  EXPECT_EQ(ParseCents("-0.01"), -1);
  EXPECT_EQ(ParseCents("0"), 0);
}

TEST(AmountTest, ReachesWhatCentsHoldAndNoFurther) {
  EXPECT_EQ(ParseCents("92233720368547758.07"), kHighest);
  EXPECT_EQ(ParseCents("92233720368547758.08"), std::nullopt);
  EXPECT_EQ(ParseCents("-92233720368547758.08"), kLowest);
  EXPECT_EQ(ParseCents("-92233720368547758.09"), std::nullopt);
  EXPECT_EQ(ParseCents("99999999999999999999"), std::nullopt);
}

TEST(AmountTest, RefusesWhatIsNotOneAmount) {
  for (const char* text : {"", "-", ".", "1.", ".5", "1.005", "1,495", "1 495,00", "1.2.3", "1e3",
                           "+1", "--1", " 1", "1 ", "1.-5", "0x10", "1 495,00", "12a"}) {
    EXPECT_EQ(ParseCents(text), std::nullopt) << "\"" << text << "\"";
  }
}

TEST(AmountTest, IsWrittenPlainForPrograms) {
  EXPECT_EQ(PlainEuros(149577900), "1495779.00");
  EXPECT_EQ(PlainEuros(-5), "-0.05");
  EXPECT_EQ(PlainEuros(0), "0.00");
  EXPECT_EQ(PlainEuros(kLowest), "-92233720368547758.08");
  for (const std::int64_t cents : {kLowest, kHighest, std::int64_t{-1}, std::int64_t{80}}) {
    EXPECT_EQ(ParseCents(PlainEuros(cents)), cents);
  }
}

TEST(AmountTest, IsWrittenWithNoBreakSpacesForPeople) {
  EXPECT_EQ(Euros(149577900, Lang::kFrench), "1\u00a0495\u00a0779,00\u00a0€");
  EXPECT_EQ(Euros(-80, Lang::kFrench), "-0,80\u00a0€");
  EXPECT_EQ(Euros(99999, Lang::kFrench), "999,99\u00a0€");
  EXPECT_EQ(Euros(149577900, Lang::kEnglish), "€1,495,779.00");
  EXPECT_EQ(Euros(-149577900, Lang::kEnglish), "-€1,495,779.00");
  EXPECT_EQ(Count(12000, Lang::kFrench), "12\u00a0000");
}

TEST(DayTest, IsADayOfTheCalendar) {
  EXPECT_EQ(ParseDay("2022-03-31"), 20220331);
  EXPECT_EQ(ParseDay("20220331"), 20220331);
  EXPECT_EQ(ParseDay("31/03/2022"), 20220331);
  EXPECT_EQ(ParseDay("2024-02-29"), 20240229);
  for (const char* text : {"", "2022-02-29", "2022-13-01", "2022-00-10", "2022-04-31", "2022-4-1",
                           "22-04-01", "2022/04/01", "04-01-2022", "202204", "2022-04-01x",
                           "0000-01-01", "00000101", "-2022-4-1"}) {
    EXPECT_EQ(ParseDay(text), std::nullopt) << "\"" << text << "\"";
  }
}

TEST(DayTest, IsWritten) {
  EXPECT_EQ(Day(20220331, Lang::kFrench), "31/03/2022");
  EXPECT_EQ(Day(20220331, Lang::kEnglish), "2022-03-31");
  EXPECT_EQ(PlainDay(20220331), "2022-03-31");
  EXPECT_EQ(Day(0, Lang::kFrench), "");
  EXPECT_EQ(PlainInstant(1641376800000001), "2022-01-05T10:00:00.000001Z");
  EXPECT_EQ(Instant(1641376800000001, Lang::kFrench), "05/01/2022 10:00:00");
  EXPECT_EQ(PlainInstant(0), "");
}

TEST(PrincipalTest, HasAnIdentifierABodyAndRoles) {
  EXPECT_EQ(ParsePrincipal("pm-1@DJEPVA:programme_manager"),
            (Principal{"pm-1", "DJEPVA", {"programme_manager"}}));
  EXPECT_EQ(ParsePrincipal("x@DINUM:authorising-officer,auditor"),
            (Principal{"x", "DINUM", {"authorising_officer", "auditor"}}));
  EXPECT_EQ(ParsePrincipal("a:b@C:D:auditor"), (Principal{"a:b", "C:D", {"auditor"}}));
  for (const char* text : {"", "pm-1", "@DJEPVA:auditor", "pm-1@:auditor", "pm-1@DJEPVA",
                           "pm-1@DJEPVA:", "pm-1@DJEPVA:boss", "pm-1@DJEPVA:auditor,",
                           "pm-1@DJEPVA:unspecified", "pm:auditor"}) {
    EXPECT_EQ(ParsePrincipal(text), std::nullopt) << "\"" << text << "\"";
  }
}

TEST(ParseAsOfTest, TakesAPositionADayAndAnInstant) {
  struct {
    const char* text;
    std::optional<AsOf> as_of;
  } const kRows[] = {
      // clang-format off
      {"4711",                 AsOf{.position = 4711, .time_us = 0}},
      {"20220331",             AsOf{.position = 20220331, .time_us = 0}},
      // Summer time has begun: midnight in Paris is 22:00 UTC.
      {"2022-03-31",           AsOf{.position = std::nullopt, .time_us = 1'648'764'000'000'000 - 1}},
      {"31/03/2022",           AsOf{.position = std::nullopt, .time_us = 1'648'764'000'000'000 - 1}},
      {"2021-12-31",           AsOf{.position = std::nullopt, .time_us = 1'640'991'600'000'000 - 1}},
      {"2022-03-31T10:00:00Z", AsOf{.position = std::nullopt, .time_us = 1'648'720'800'000'000}},
      {"2022-02-30",           std::nullopt},
      {"yesterday",            std::nullopt},
      {"",                     std::nullopt},
      // clang-format on
  };
  for (const auto& row : kRows) EXPECT_EQ(ParseAsOf(row.text), row.as_of) << row.text;
  EXPECT_EQ(ParseInstant("2022-01-01", DayEdge::kBegin), 1'640'991'600'000'000);
}

}  // namespace
}  // namespace denier::cli
