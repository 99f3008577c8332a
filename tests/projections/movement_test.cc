// The selective reader of stored events against the generated parser: on the golden events of every
// version, and on random ones, whole and damaged. DENIER_MOVEMENT_EVENTS is the number of these
// (20,000 by default, a million in a campaign).
#include "projections/movement.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "denier/events/v1/event.pb.h"
#include "projections/event_version.h"

namespace denier::projections {
namespace {

using events::v1::Event;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::vector<std::string> Words(const PostingList& postings) {
  std::vector<std::string> words;
  for (const Posting& posting : postings) {
    words.push_back(absl::StrCat(std::string(posting.envelope_id), " ", posting.fiscal_year, " ",
                                 std::string(Name(posting.ledger)), " ",
                                 std::string(Name(posting.account)), " ",
                                 static_cast<int>(posting.basis), " ", posting.origin_year, " ",
                                 std::string(posting.product_id), " ", posting.cents));
  }
  return words;
}

void ExpectSame(const Movement& movement, const Event& event) {
  EXPECT_EQ(movement.agreement_id, event.agreement_id());
  EXPECT_EQ(movement.fiscal_year, event.fiscal_year());
  EXPECT_EQ(movement.effective_date, event.effective_date());
  PostingList postings;
  for (const MovedAmount& amount : movement.amounts) Post(amount, postings);
  EXPECT_EQ(Words(postings), Words(Postings(event))) << event.ShortDebugString();
}

bool IsMovement(const Event& event) {
  return (event.has_engaged() && !event.engaged().early()) || event.has_service_certified() ||
         event.has_payment_requested() || event.has_paid();
}

class MovementGoldenTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Versions, MovementGoldenTest, testing::Range(0, kEventVersion + 1),
                         [](const auto& info) { return absl::StrCat("V", info.param); });

TEST_P(MovementGoldenTest, ReadsItsKindsAndLeavesTheOthers) {
  std::ifstream lines(absl::StrCat("tests/golden/events/v", GetParam(), "/log.hex"));
  std::string position;
  std::string fact;
  std::string hex;
  int read = 0;
  Movement movement;
  while (lines >> position >> fact >> hex) {
    const std::string bytes = absl::HexStringToBytes(hex);
    Event event;
    ASSERT_TRUE(DecodeEvent(bytes, 0, event).ok()) << position;
    ASSERT_EQ(ReadMovement(bytes, movement), IsMovement(event)) << event.ShortDebugString();
    if (!IsMovement(event)) continue;
    ExpectSame(movement, event);
    ++read;
  }
  EXPECT_GT(read, 3);
}

class RandomEvents {
 public:
  explicit RandomEvents(std::uint64_t seed) : random_(seed) {}

  std::uint64_t Below(std::uint64_t bound) { return random_() % bound; }

  // One of the four kinds, with any of its fields, every size of number, and lists.
  Event Next() {
    static constexpr int kFacts[] = {Event::kEngagedFieldNumber,
                                     Event::kServiceCertifiedFieldNumber,
                                     Event::kPaymentRequestedFieldNumber, Event::kPaidFieldNumber};
    Event event;
    const auto& reflection = *event.GetReflection();
    const auto& type = *Event::descriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      if (type.field(i)->containing_oneof() == nullptr) Fill(event, *type.field(i));
    }
    event.set_version(static_cast<int>(Below(kEventVersion + 1)));
    const FieldDescriptor* fact = type.FindFieldByNumber(kFacts[Below(4)]);
    FillAll(*reflection.MutableMessage(&event, fact));
    return event;
  }

 private:
  void FillAll(Message& message) {
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      Fill(message, *message.GetDescriptor()->field(i));
    }
  }

  std::string Text() {
    std::string text(Below(4) == 0 ? Below(200) : Below(20), 'a');
    for (char& letter : text) letter = static_cast<char>('a' + Below(26));
    return text;
  }
  std::int64_t Whole() {
    const std::int64_t size = std::int64_t{1} << Below(61);
    const auto number = static_cast<std::int64_t>(Below(static_cast<std::uint64_t>(size)));
    return Below(5) == 0 ? -number : number;
  }

  // Leaves one field of four as it is.
  void Fill(Message& message, const FieldDescriptor& field) {
    if (Below(4) == 0) return;
    const auto& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        if (field.is_repeated()) return;
        reflection.SetInt32(&message, &field, static_cast<std::int32_t>(Whole()));
        return;
      case FieldDescriptor::CPPTYPE_INT64:
        if (field.is_repeated()) return;
        reflection.SetInt64(&message, &field, Whole());
        return;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection.SetBool(&message, &field, true);
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        if (field.is_repeated()) return;
        reflection.SetEnumValue(&message, &field, static_cast<int>(Below(4)));
        return;
      case FieldDescriptor::CPPTYPE_STRING:
        if (field.is_repeated()) {
          for (std::uint64_t n = Below(3); n > 0; --n)
            reflection.AddString(&message, &field, Text());
        } else {
          reflection.SetString(&message, &field, Text());
        }
        return;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (!field.is_repeated()) {
          FillAll(*reflection.MutableMessage(&message, &field));
          return;
        }
        for (std::uint64_t n = Below(5); n > 0; --n)
          FillAll(*reflection.AddMessage(&message, &field));
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64:
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        FAIL() << field.full_name() << ": no such field was expected";
    }
  }

  std::mt19937_64 random_;
};

int EventsToTry() {
  const char* asked = std::getenv("DENIER_MOVEMENT_EVENTS");
  return asked == nullptr ? 20'000 : std::atoi(asked);
}

TEST(MovementTest, ReadsRandomEventsAsTheGeneratedParserDoes) {
  RandomEvents events(20261125);
  Movement movement;
  int read = 0;
  for (int i = 0; i < EventsToTry(); ++i) {
    const Event event = events.Next();
    const std::string bytes = event.SerializeAsString();
    ASSERT_EQ(ReadMovement(bytes, movement), IsMovement(event)) << event.ShortDebugString();
    if (!IsMovement(event)) continue;
    ++read;
    ExpectSame(movement, event);
    if (HasFailure()) return;
  }
  EXPECT_GT(read, EventsToTry() / 2);
}

// Damage that a checksum would have caught may make another event, but never one that the two
// readers see differently.
TEST(MovementTest, ReadsChangedBytesAsTheGeneratedParserDoesOrNotAtAll) {
  const google::protobuf::LogSilencer quiet;
  RandomEvents events(7);
  Movement movement;
  int read = 0;
  for (int i = 0; i < EventsToTry(); ++i) {
    std::string bytes = events.Next().SerializeAsString();
    for (std::uint64_t n = 1 + events.Below(3); n > 0 && !bytes.empty(); --n) {
      const std::size_t at = events.Below(bytes.size());
      if (events.Below(4) == 0) {
        bytes.resize(at);
      } else {
        bytes[at] = static_cast<char>(events.Below(256));
      }
    }
    Event event;
    if (!ReadMovement(bytes, movement) || !DecodeEvent(bytes, 0, event).ok()) continue;
    ++read;
    ExpectSame(movement, event);
    if (HasFailure()) return;
  }
  EXPECT_GT(read, EventsToTry() / 20);
}

// The fields of a message, written by hand: tag, then value.
std::string Varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}
std::string Whole(int number, std::uint64_t value) {
  return Varint(static_cast<std::uint64_t>(number) << 3) + Varint(value);
}
std::string Bytes(int number, const std::string& bytes) {
  return Varint(static_cast<std::uint64_t>(number) << 3 | 2) + Varint(bytes.size()) + bytes;
}

struct Crafted {
  const char* name;
  std::string bytes;
  bool read;
};

// What no program of ours writes: left to the decoder, or read as it reads it.
TEST(MovementTest, ReadsCraftedBytesAsTheGeneratedParserDoesOrNotAtAll) {
  const google::protobuf::LogSilencer quiet;
  const std::string head = Bytes(2, "a") + Whole(3, 2024) + Whole(4, 20240131);
  const std::string line = Bytes(3, Bytes(2, "p") + Whole(3, 500));
  const std::string paid = Bytes(4, "e") + Whole(5, 2023) + Bytes(7, "f") + Whole(12, 7);
  const std::string nine_bytes(9, '\x80');
  const Crafted all[] = {
      {"a commitment", head + Bytes(50, Bytes(2, "e") + line), true},
      {"a payment", head + Bytes(54, paid + Whole(13, 2022)), true},
      {"an agreement twice", Bytes(2, "b") + head + Bytes(52, ""), false},
      {"a year twice", Bytes(2, "a") + Whole(3, 1) + Whole(3, 2) + Bytes(52, ""), false},
      {"an agreement that is a number", Whole(2, 1) + Bytes(52, ""), false},
      {"a year of bytes", Bytes(3, "x") + Bytes(52, ""), false},
      {"a late entry that is a number", head + Whole(8, 1) + Bytes(50, line), false},
      {"out of order", Whole(3, 2024) + Bytes(2, "a") + Bytes(52, ""), false},
      {"two facts", head + Bytes(50, line) + Bytes(54, paid), false},
      {"three facts", head + Bytes(50, line) + Bytes(52, "") + Bytes(54, paid), false},
      {"one fact twice", head + Bytes(52, "") + Bytes(52, ""), false},
      {"no fact", head, false},
      {"an unknown field", head + Whole(19, 1) + Bytes(52, ""), false},
      {"field 0", head + Bytes(50, Whole(0, 1)), false},
      {"field 63", head + Bytes(50, line + Whole(63, 1)), true},
      {"field 64", head + Bytes(50, line + Whole(64, 1)), false},
      {"a fixed number", head + Bytes(50, line + "\x21" + "12345678"), false},
      {"a group", head + Bytes(50, line + "\x23\x24"), false},
      {"another fixed number", head + Bytes(50, line + "\x25" + "1234"), false},
      {"a list of bytes and a number", head + Bytes(50, line + Whole(3, 1)), false},
      {"a list of a number and bytes", head + Bytes(50, Whole(3, 1) + line), false},
      {"an amount twice", head + Bytes(50, Bytes(3, Whole(3, 1) + Whole(3, 2))), false},
      {"a size too large", head + "\x92\x03\x05" + "1234", false},
      {"a tag alone", head + "\x92\x03", false},
      {"a zero that is written", Whole(1, 0) + head + Bytes(54, paid + Whole(13, 0)), true},
      {"a number longer than it need be", head + Bytes(53, "\x48" + nine_bytes + '\0'), true},
      {"a number of eleven bytes", head + Bytes(53, "\x48\x80" + nine_bytes + '\0'), false},
      {"a negative year", Bytes(2, "a") + Whole(3, ~std::uint64_t{0}) + Bytes(52, ""), true},
      {"an amount beyond the rules", head + Bytes(53, Whole(9, std::uint64_t{1} << 62)), false},
  };
  for (const Crafted& crafted : all) {
    Movement movement;
    Event event;
    ASSERT_EQ(ReadMovement(crafted.bytes, movement), crafted.read) << crafted.name;
    if (!crafted.read) continue;
    ASSERT_TRUE(DecodeEvent(crafted.bytes, 0, event).ok()) << crafted.name;
    ExpectSame(movement, event);
  }
}

// What MovementSums rests on.
TEST(MovementTest, PostsInProportionToTheAmount) {
  using Kind = MovedAmount::Kind;
  for (const Kind kind : {Kind::kEngaged, Kind::kRequested, Kind::kPaid}) {
    for (const bool late : {false, true}) {
      for (const int hold_year : {0, 2023, 2024}) {
        MovedAmount amount{.kind = kind,
                           .late = late,
                           .fiscal_year = 2024,
                           .origin_year = 2023,
                           .hold_year = hold_year,
                           .envelope_id = "of-the-line",
                           .paying_envelope_id = "that-pays",
                           .product_id = "p",
                           .cents = 1};
        PostingList of_one_cent;
        Post(amount, of_one_cent);
        EXPECT_FALSE(of_one_cent.empty());
        for (const std::int64_t cents : {2, 7'00, -1, -183'072'00}) {
          PostingList expected = of_one_cent;
          for (Posting& posting : expected) posting.cents *= cents;
          amount.cents = cents;
          PostingList posted;
          Post(amount, posted);
          EXPECT_EQ(Words(posted), Words(expected));
        }
      }
    }
  }
}

TEST(MovementTest, LeavesANewerProgramsEventToTheDecoder) {
  Event event;
  event.mutable_service_certified()->set_amount_cents(1);
  event.set_version(kEventVersion);
  Movement movement;
  EXPECT_TRUE(ReadMovement(event.SerializeAsString(), movement));
  event.set_version(kEventVersion + 1);
  EXPECT_FALSE(ReadMovement(event.SerializeAsString(), movement));
}

TEST(MovementTest, LeavesTwoFactsToTheDecoder) {
  Event event;
  event.mutable_engaged()->add_lines()->set_amount_cents(5);
  Event other;
  other.mutable_paid()->set_net_cents(7);
  Movement movement;
  EXPECT_FALSE(ReadMovement(event.SerializeAsString() + other.SerializeAsString(), movement));
}

}  // namespace
}  // namespace denier::projections
