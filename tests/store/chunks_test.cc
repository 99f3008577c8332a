#include "store/chunks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/encoding.h"

namespace denier::store {
namespace {

using ::testing::Lt;
using ::testing::Optional;

constexpr std::size_t kMost = 1'000'000;

std::optional<std::string> Read(std::string_view chunks, std::size_t most = kMost) {
  std::string room;
  const std::optional<std::string_view> bytes = ReadChunks(chunks, most, &room);
  if (!bytes) return std::nullopt;
  return std::string(*bytes);
}

// Some bytes that repeat themselves, and some that do not.
std::string Text(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i) text += "event " + std::to_string(i * i) + ";";
  text.resize(size);
  return text;
}

TEST(ChunksTest, GiveBackWhatWasPutIn) {
  std::string chunks, expected;
  EXPECT_THAT(Read(chunks), Optional(expected));
  for (const std::size_t size : {1u, 100'000u, 17u, 4'000u}) {
    AppendChunk(Text(size), &chunks);
    expected += Text(size);
    EXPECT_THAT(Read(chunks), Optional(expected));
  }
  EXPECT_THAT(chunks.size(), Lt(expected.size() / 2));
}

TEST(ChunksTest, UseTheSameRoomAgain) {
  std::string large, small, room;
  AppendChunk(Text(5'000), &large);
  AppendChunk("ab", &small);
  EXPECT_THAT(ReadChunks(large, kMost, &room), Optional(Text(5'000)));
  const char* const place = room.data();
  EXPECT_THAT(ReadChunks(small, kMost, &room), Optional(std::string("ab")));
  EXPECT_THAT(ReadChunks(large, kMost, &room), Optional(Text(5'000)));
  EXPECT_EQ(room.data(), place);
}

TEST(ChunksTest, AreNotReadBeyondALimit) {
  std::string chunks;
  AppendChunk(Text(600), &chunks);
  AppendChunk(Text(400), &chunks);
  EXPECT_THAT(Read(chunks, 1'000), Optional(Text(600) + Text(400)));
  EXPECT_EQ(Read(chunks, 999), std::nullopt);
  EXPECT_EQ(Read(chunks, 0), std::nullopt);
}

TEST(ChunksTest, CutOffTheyAreDamaged) {
  std::string chunks;
  AppendChunk(Text(300), &chunks);
  const std::size_t first = chunks.size();
  AppendChunk(Text(300), &chunks);
  for (std::size_t size = 1; size < chunks.size(); ++size) {
    if (size == first) continue;
    EXPECT_EQ(Read(chunks.substr(0, size)), std::nullopt) << size;
  }
  EXPECT_EQ(Read(chunks + "x"), std::nullopt);
}

// Whatever they say of themselves, nothing is read or written beyond what is there.
TEST(ChunksTest, WithAnyByteChangedTheyAreDamagedOrOtherBytes) {
  std::string chunks;
  AppendChunk(Text(300), &chunks);
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    for (const int bit : {0, 3, 7}) {
      std::string changed = chunks;
      changed[i] = static_cast<char>(changed[i] ^ 1 << bit);
      const std::optional<std::string> read = Read(changed);
      if (i < 2 * sizeof(std::uint32_t)) {
        EXPECT_EQ(read, std::nullopt) << i;
      } else if (read) {
        EXPECT_EQ(read->size(), 300u) << i;
      }
    }
  }
}

TEST(ChunksTest, OfNothingAreDamaged) {
  std::string chunk;
  AppendLittleEndian32(0, &chunk);
  AppendLittleEndian32(1, &chunk);
  EXPECT_EQ(Read(chunk + std::string(1, '\0')), std::nullopt);
}

TEST(ChunksTest, ThatClaimMoreThanThereIsAreDamaged) {
  for (const std::uint32_t claimed : {0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    std::string size, used;
    AppendLittleEndian32(claimed, &size);
    AppendLittleEndian32(1, &size);
    EXPECT_EQ(Read(size + "x"), std::nullopt);
    AppendLittleEndian32(1, &used);
    AppendLittleEndian32(claimed, &used);
    EXPECT_EQ(Read(used + "x"), std::nullopt);
  }
}

}  // namespace
}  // namespace denier::store
