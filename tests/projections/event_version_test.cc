// What was written in each version of the events' form reads the same for ever.
//
// tests/golden/events/v<N>/log.hex is a log as a program of version N wrote it: position, fact, and
// the stored bytes in hex. log.txt beside it is what the bytes mean, in today's form, and the
// postings of each event, as comments. v0 was written by the code before there was a version 1.
// tests/simulation/golden_log.cc makes log.hex out of commands.jsonl; log.txt of a new version is
// what this test leaves in its temporary folder, once it was read.
#include "projections/event_version.h"

#include <gmock/gmock.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "projections/books.h"
#include "projections/posting.h"

namespace denier::projections {
namespace {

using events::v1::Event;
using google::protobuf::TextFormat;

struct Golden {
  std::string fact;
  std::string bytes;
};

std::string FolderOf(int version) { return absl::StrCat("tests/golden/events/v", version, "/"); }

std::vector<Golden> GoldenLog(int version) {
  std::vector<Golden> log;
  std::ifstream lines(FolderOf(version) + "log.hex");
  std::size_t position = 0;
  std::string fact;
  std::string hex;
  while (lines >> position >> fact >> hex) {
    EXPECT_EQ(position, log.size());
    log.push_back({fact, absl::HexStringToBytes(hex)});
  }
  EXPECT_FALSE(log.empty()) << FolderOf(version);
  return log;
}

Event Decoded(const std::string& bytes, store::Position position) {
  Event event;
  const absl::Status status = DecodeEvent(bytes, position, event);
  EXPECT_TRUE(status.ok()) << status;
  return event;
}

// "n1 2021 OUTSTANDING corrected origin 2020 snu -66": a line a posting.
std::string TextOf(const Event& event) {
  std::string text;
  for (const Posting& leg : Postings(event)) {
    absl::StrAppend(&text, "#   ", std::string(leg.envelope_id), " ", leg.fiscal_year, " ",
                    std::string(Name(leg.ledger)), " ", std::string(Name(leg.account)));
    if (leg.basis == Basis::kPlanned) text += " planned";
    if (leg.origin_year != 0) absl::StrAppend(&text, " origin ", leg.origin_year);
    if (!leg.product_id.empty()) absl::StrAppend(&text, " ", std::string(leg.product_id));
    absl::StrAppend(&text, " ", leg.cents, "\n");
  }
  return text;
}

// One event of log.txt: its text format, with the postings as comments.
std::string Section(std::size_t position, const Golden& golden, const Event& event) {
  std::string text;
  TextFormat::PrintToString(event, &text);
  return absl::StrCat("# event ", position, " ", golden.fact, "\n", text, TextOf(event));
}

// The sections of log.txt, in order.
std::vector<std::string> Sections(int version) {
  std::vector<std::string> sections;
  std::ifstream lines(FolderOf(version) + "log.txt");
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# event ")) sections.emplace_back();
    if (sections.empty()) break;
    sections.back() += line + "\n";
  }
  return sections;
}

std::string PostingsIn(const std::string& section) {
  std::string postings;
  std::istringstream lines(section);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#   ")) postings += line + "\n";
  }
  return postings;
}

class GoldenEventsTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Versions, GoldenEventsTest, testing::Range(0, kEventVersion + 1),
                         [](const auto& info) { return absl::StrCat("V", info.param); });

TEST_P(GoldenEventsTest, DecodeToWhatTheyMeantAndPostIt) {
  const std::vector<Golden> log = GoldenLog(GetParam());
  const std::vector<std::string> sections = Sections(GetParam());
  const std::string made = testing::TempDir() + absl::StrCat("golden-events-v", GetParam(), ".txt");
  std::ofstream out(made);
  for (std::size_t i = 0; i < log.size(); ++i) {
    out << Section(i, log[i], Decoded(log[i].bytes, i));
  }
  out.close();

  ASSERT_EQ(sections.size(), log.size()) << "what the bytes come to is in " << made;
  for (std::size_t i = 0; i < log.size(); ++i) {
    const Event event = Decoded(log[i].bytes, i);
    Event meant;
    ASSERT_TRUE(TextFormat::ParseFromString(sections[i], &meant)) << sections[i];
    ASSERT_EQ(event.SerializeAsString(), meant.SerializeAsString())
        << "event " << i << "; all are in " << made << "\n"
        << Section(i, log[i], event) << "and not\n"
        << sections[i];
    ASSERT_EQ(TextOf(event), PostingsIn(sections[i])) << "event " << i << "; all are in " << made;
  }
}

TEST_P(GoldenEventsTest, EveryFactIsThere) {
  std::set<std::string> found;
  std::vector<Golden> log = GoldenLog(GetParam());
  for (std::size_t i = 0; i < log.size(); ++i) {
    const Event event = Decoded(log[i].bytes, i);
    const auto* field = Event::descriptor()->FindFieldByNumber(static_cast<int>(event.fact_case()));
    ASSERT_NE(field, nullptr) << i;
    EXPECT_EQ(field->name(), log[i].fact) << i;
    found.insert(field->name());
  }
  const auto* fact = Event::descriptor()->FindOneofByName("fact");
  for (int i = 0; i < fact->field_count(); ++i) {
    EXPECT_EQ(found.count(fact->field(i)->name()), 1)
        << "no golden bytes of " << fact->field(i)->name() << " in version " << GetParam()
        << ": add a command to tests/golden/events/commands.jsonl";
  }
}

TEST_P(GoldenEventsTest, TheyAreOfTheirVersionAndReadInTheCurrentOne) {
  const std::vector<Golden> log = GoldenLog(GetParam());
  for (std::size_t i = 0; i < log.size(); ++i) {
    Event stored;
    ASSERT_TRUE(stored.ParseFromString(log[i].bytes));
    EXPECT_EQ(stored.version(), GetParam()) << i;
    const Event event = Decoded(log[i].bytes, i);
    EXPECT_EQ(event.version(), kEventVersion) << i;
    if (event.has_reversed()) {
      EXPECT_EQ(event.reversed().original().version(), kEventVersion) << i;
    }
    // What is current is read as it is written.
    if (GetParam() == kEventVersion) {
      EXPECT_EQ(event.SerializeAsString(), log[i].bytes) << i;
    }
  }
}

TEST_P(GoldenEventsTest, TheyFold) {
  const std::vector<Golden> log = GoldenLog(GetParam());
  Books books;
  for (std::size_t i = 0; i < log.size(); ++i) {
    const absl::Status folded = books.Fold(Decoded(log[i].bytes, i), i);
    ASSERT_TRUE(folded.ok()) << folded;
  }
}

// The control of the first test: no byte of the goldens may change without being seen. Its highest
// bit, because there are bits that mean nothing to Protobuf (in the tenth byte of a negative
// number), and version 0 means the same as 1 in most facts. Those the leaf hashes catch.
TEST_P(GoldenEventsTest, AnyOtherByteIsRefusedOrReadsAsAnotherEvent) {
  const google::protobuf::LogSilencer silent;
  const std::vector<Golden> log = GoldenLog(GetParam());
  for (std::size_t i = 0; i < log.size(); ++i) {
    const std::string meant = Decoded(log[i].bytes, i).SerializeAsString();
    std::string bytes = log[i].bytes;
    for (char& byte : bytes) {
      byte = static_cast<char>(byte ^ 0x80);
      Event event;
      if (DecodeEvent(bytes, i, event).ok()) {
        ASSERT_FALSE(event.SerializeAsString() == meant)
            << "event " << i << ", byte " << &byte - &bytes[0];
      }
      byte = static_cast<char>(byte ^ 0x80);
    }
  }
}

// ------------------------------------------------------------------------- What is refused

TEST(EventVersionTest, ANewerProgramsEventIsRefusedByItsVersion) {
  Event event;
  event.set_version(kEventVersion + 1);
  event.mutable_year_closed();
  Event read;
  EXPECT_EQ(DecodeEvent(event.SerializeAsString(), 17, read),
            absl::FailedPreconditionError(
                absl::StrCat("the event at position 17 was written by a newer program, version ",
                             kEventVersion + 1, "; this one knows ", kEventVersion)));
  // So is one that a reversal holds.
  Event reversal;
  reversal.set_version(kEventVersion);
  *reversal.mutable_reversed()->mutable_original() = event;
  EXPECT_EQ(DecodeEvent(reversal.SerializeAsString(), 18, read).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(EventVersionTest, AVersionThatNeverWasIsDamage) {
  Event event;
  event.set_version(-1);
  Event read;
  EXPECT_EQ(
      DecodeEvent(event.SerializeAsString(), 17, read),
      absl::DataLossError("the event at position 17 is of version -1, which there never was"));
}

TEST(EventVersionTest, ACorrectionOfVersion1ThatLeavesItsProductUnsaidIsDamage) {
  Event event;
  event.set_version(1);
  event.mutable_opening_corrected()->set_product_unstated(true);
  Event read;
  EXPECT_EQ(DecodeEvent(event.SerializeAsString(), 17, read),
            absl::DataLossError("the event at position 17 of version 1 does not state a product"));
}

TEST(EventVersionTest, BytesThatAreNoEventAreDamage) {
  Event read;
  for (const std::string& bytes : {std::string("\xff\xff\xff", 3), std::string("\x0a\x05q", 3)}) {
    EXPECT_EQ(DecodeEvent(bytes, 17, read),
              absl::DataLossError("the event at position 17 does not decode"));
  }
  // An event that was cut off is refused, or at least not taken for the whole one.
  const std::string whole = GoldenLog(kEventVersion).back().bytes;
  const std::string meant = Decoded(whole, 0).SerializeAsString();
  int refused = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    if (!DecodeEvent(whole.substr(0, size), 0, read).ok()) {
      ++refused;
    } else {
      EXPECT_NE(read.SerializeAsString(), meant) << size;
    }
  }
  EXPECT_GT(refused, static_cast<int>(whole.size()) / 2);
}

// -------------------------------------------------- Version 0: a correction without product

// A correction of 7 cents on a line of 2020, with a product or an attempt at one.
Event Correction(int version, const std::string& product_id) {
  Event event;
  event.set_version(version);
  event.set_fiscal_year(2021);
  auto& fact = *event.mutable_opening_corrected();
  fact.set_commitment_id("ej-1");
  fact.set_line_id("1");
  fact.set_envelope_id("n1");
  fact.set_origin_year(2020);
  fact.set_change_cents(7);
  fact.set_product_id(product_id);
  return event;
}

Event Reversal(int version, const Event& original) {
  Event event;
  event.set_version(version);
  event.set_fiscal_year(2021);
  event.mutable_reversed()->set_reversed_position(3);
  *event.mutable_reversed()->mutable_original() = original;
  return event;
}

TEST(EventVersionTest, ACorrectionOfVersion0PostsWithoutProductAndALaterOneWithIt) {
  const std::string without =
      "#   n1 2021 OUTSTANDING corrected origin 2020 -7\n"
      "#   n1 2021 OUTSTANDING outstanding origin 2020 7\n";
  const std::string with =
      "#   n1 2021 OUTSTANDING corrected origin 2020 snu -7\n"
      "#   n1 2021 OUTSTANDING outstanding origin 2020 snu 7\n";
  const std::string without_undone =
      "#   n1 2021 OUTSTANDING corrected origin 2020 7\n"
      "#   n1 2021 OUTSTANDING outstanding origin 2020 -7\n";
  const std::string with_undone =
      "#   n1 2021 OUTSTANDING corrected origin 2020 snu 7\n"
      "#   n1 2021 OUTSTANDING outstanding origin 2020 snu -7\n";
  struct Row {
    const char* what;
    Event event;
    std::string postings;
    bool unstated;
  };
  const Row rows[] = {
      {"version 0", Correction(0, ""), without, true},
      {"version 0 with a field that it did not have", Correction(0, "snu"), without, true},
      {"version 1", Correction(1, "snu"), with, false},
      {"version 1, of a line without product", Correction(1, ""), without, false},
      // A log of mixed versions: the original may be older than its reversal.
      {"version 0 undone in version 0", Reversal(0, Correction(0, "")), without_undone, true},
      {"version 0 undone in version 1", Reversal(1, Correction(0, "")), without_undone, true},
      {"version 1 undone in version 1", Reversal(1, Correction(1, "snu")), with_undone, false},
  };
  for (const Row& row : rows) {
    const Event event = Decoded(row.event.SerializeAsString(), 4);
    EXPECT_EQ(TextOf(event), row.postings) << row.what;
    const Event& correction = event.has_reversed() ? event.reversed().original() : event;
    EXPECT_EQ(correction.opening_corrected().product_unstated(), row.unstated) << row.what;
    // Brought to the current form and written again, into a reversal, it stays as it is.
    const Event undone = Reversal(kEventVersion, correction);
    EXPECT_EQ(Decoded(undone.SerializeAsString(), 4).SerializeAsString(),
              undone.SerializeAsString())
        << row.what;
  }
}

TEST(EventVersionTest, ALogOfMixedVersionsPostsEachEventAsItWasWritten) {
  const std::vector<Golden> older = GoldenLog(0);
  const std::vector<Golden> newer = GoldenLog(1);
  ASSERT_EQ(older.size(), newer.size());
  // What the golden log's three corrections give to the product "snu", by where version 1 begins:
  // -55 on a line without product at 29, 66 at 30 and 6 at 147 on one of "snu".
  struct Row {
    std::size_t version_1_from;
    std::int64_t corrected_cents;  // of the product, of what the log calls corrected
  };
  const Row rows[] = {{0, -72}, {30, -72}, {31, -6}, {147, -6}, {148, 0}, {older.size(), 0}};
  for (const Row& row : rows) {
    std::map<std::string, std::int64_t> corrected;
    Books books;
    Event event;  // used again for each, as every fold does
    for (std::size_t i = 0; i < older.size(); ++i) {
      const std::string& bytes = (i < row.version_1_from ? older : newer)[i].bytes;
      ASSERT_TRUE(DecodeEvent(bytes, i, event).ok());
      ASSERT_TRUE(books.Fold(event, i).ok()) << i;
      for (const Posting& leg : Postings(event)) {
        if (leg.account == Account::kCorrected) corrected[std::string(leg.product_id)] += leg.cents;
      }
    }
    EXPECT_EQ(corrected["snu"], row.corrected_cents) << row.version_1_from;
    EXPECT_EQ(corrected[""] + corrected["snu"], -17) << row.version_1_from;
  }
}

}  // namespace
}  // namespace denier::projections
