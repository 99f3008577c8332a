#include "services/cli/grid.h"

#include <gtest/gtest.h>

namespace denier::cli {
namespace {

TEST(CsvTest, QuotesOnlyWhatNeedsIt) {
  const Grid grid{.columns = {{"id"}, {"label"}},
                  .rows = {{"a", "plain"},
                           {"b", "with, comma"},
                           {"c", "with \"quotes\""},
                           {"d", "two\nlines"},
                           {"e", ""},
                           {"f", " é€ "}}};
  EXPECT_EQ(ToCsv(grid),
            "id,label\r\n"
            "a,plain\r\n"
            "b,\"with, comma\"\r\n"
            "c,\"with \"\"quotes\"\"\"\r\n"
            "d,\"two\nlines\"\r\n"
            "e,\r\n"
            "f, é€ \r\n");
}

TEST(CsvTest, HasItsHeadingsWithoutRows) {
  EXPECT_EQ(ToCsv({.columns = {{"a"}, {"b"}}}), "a,b\r\n");
}

TEST(DisplayWidthTest, CountsWhatTheTerminalShows) {
  EXPECT_EQ(DisplayWidth(""), 0u);
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("Délégué"), 7u);
  EXPECT_EQ(DisplayWidth("De\u0301le\u0301gue\u0301"), 7u);
  EXPECT_EQ(DisplayWidth("1\u00a0495,00\u00a0€"), 10u);
  EXPECT_EQ(DisplayWidth("日本"), 4u);
  EXPECT_EQ(DisplayWidth("ab\xe2"), 3u);  // cut in the middle of a character
}

const Grid kFigures{
    .title = "Crédits",
    .columns = {{"Exercice"}, {"AE mises en réserve", true}, {"CP", true}, {"Remarque"}},
    .rows = {{"2021", "1,00 €", "20,00 €", "é"},
             {"2022", "1000,00 €", "3,00 €", ""},
             {"Total", "1001,00 €", "23,00 €", ""}},
    .totals = {2}};

TEST(TableTest, AlignsAndBreaksHeadings) {
  EXPECT_EQ(ToTable(kFigures, 0, "none"),
            "Crédits\n"
            "           AE mises\n"
            "                 en\n"
            "Exercice    réserve       CP  Remarque\n"
            "──────────────────────────────────────\n"
            "2021         1,00 €  20,00 €  é\n"
            "2022      1000,00 €   3,00 €\n"
            "──────────────────────────────────────\n"
            "Total     1001,00 €  23,00 €\n");
}

TEST(TableTest, SplitsForANarrowTerminalAndRepeatsTheKey) {
  EXPECT_EQ(ToTable(kFigures, 28, "none"),
            "Crédits\n"
            "           AE mises\n"
            "                 en\n"
            "Exercice    réserve       CP\n"
            "────────────────────────────\n"
            "2021         1,00 €  20,00 €\n"
            "2022      1000,00 €   3,00 €\n"
            "────────────────────────────\n"
            "Total     1001,00 €  23,00 €\n"
            "\n"
            "Exercice  Remarque\n"
            "──────────────────\n"
            "2021      é\n"
            "2022\n"
            "──────────────────\n"
            "Total\n");
}

TEST(TableTest, GoesOnWhereEvenOneColumnIsTooWide) {
  EXPECT_NE(ToTable(kFigures, 1, "none").find("1001,00 €"), std::string::npos);
}

TEST(TableTest, SaysThatThereIsNothing) {
  EXPECT_EQ(ToTable({.title = "Paiements", .columns = {{"Id"}}}, 80, "(aucun)"),
            "Paiements\n(aucun)\n");
}

TEST(ListTest, AlignsValues) {
  EXPECT_EQ(ToList({{"Clé", "a"}, {"Longue clé", "b"}}),
            "  Clé         a\n"
            "  Longue clé  b\n");
}

}  // namespace
}  // namespace denier::cli
