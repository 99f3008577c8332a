#include "store/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "store/chunks.h"
#include "store/merkle.h"

namespace denier::store {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::Lt;
using ::testing::Not;
using ::testing::SizeIs;

TEST(BatchTest, PacksEventsAsTheFormatSays) {
  Batch batch;
  batch.Add("ab");
  batch.Add("");
  batch.Add(std::string(258, 'x'));
  EXPECT_EQ(batch.bytes(), std::string("\2\0\0\0ab", 6) + std::string("\0\0\0\0", 4) +
                               std::string("\2\1\0\0", 4) + std::string(258, 'x'));
  EXPECT_EQ(batch.size(), 3u);
}

TEST(BatchTest, HashesEachEventAsALeaf) {
  Batch batch;
  batch.Add("ab");
  batch.Add("");
  EXPECT_THAT(batch.TreeFrom(6).leaves(), ElementsAre(LeafHash("ab"), LeafHash("")));
  EXPECT_THAT(batch.TreeFrom(6).level(1), ElementsAre(NodeHash(LeafHash("ab"), LeafHash(""))));
}

TEST(BatchTest, HashesWhatWasAddedSinceTheLastTime) {
  Batch batch;
  std::vector<Hash> expected;
  for (const int more : {1, 0, 40, 3, 300}) {
    for (int i = 0; i < more; ++i) {
      const std::string event(expected.size(), 'e');
      batch.Add(event);
      expected.push_back(LeafHash(event));
    }
    EXPECT_THAT(batch.TreeFrom(5).leaves(), ElementsAreArray(expected));
  }
  EXPECT_EQ(batch.size(), expected.size());
}

// A batch that another one came before is appended behind it.
TEST(BatchTest, MakesAnotherPartOfTheTreeElsewhere) {
  Batch batch;
  batch.Add("ab");
  batch.Add("cd");
  EXPECT_THAT(batch.TreeFrom(2).level(1), SizeIs(1));
  EXPECT_THAT(batch.TreeFrom(3).level(1), IsEmpty());
  EXPECT_THAT(batch.TreeFrom(3).leaves(), ElementsAre(LeafHash("ab"), LeafHash("cd")));
}

// As they would be read back.
std::string BytesIn(const std::string& chunks) {
  std::string room;
  return std::string(ReadChunks(chunks, kMaxBatchBytes, &room).value_or("damaged"));
}

TEST(BatchTest, CompressesManyEventsAndNotAFew) {
  Batch batch;
  batch.Add(std::string(30'000, 'x'));
  EXPECT_THAT(batch.Chunks(), IsEmpty());
  batch.Add(std::string(30'000, 'y'));
  EXPECT_THAT(batch.Chunks(), SizeIs(Lt(1'000)));
  EXPECT_EQ(BytesIn(batch.Chunks()), batch.bytes());
}

TEST(BatchTest, ManyAre32KiBOnDisk) {
  constexpr std::size_t kLeast = 32'768;
  for (const std::size_t size : {kLeast - 1, kLeast}) {
    Batch batch;
    batch.Add(std::string(size - sizeof(std::uint32_t), 'x'));
    ASSERT_EQ(batch.bytes().size(), size);
    EXPECT_EQ(batch.Chunks().empty(), size < kLeast) << size;
  }
}

TEST(BatchTest, CompressesWhatWasAddedSinceTheLastTime) {
  Batch batch;
  batch.Add(std::string(40'000, 'x'));
  const std::string first = batch.Chunks();
  for (const std::size_t size : {0, 1, 50'000}) {
    batch.Add(std::string(size, 'y'));
    EXPECT_TRUE(batch.Chunks().starts_with(first));
    EXPECT_EQ(BytesIn(batch.Chunks()), batch.bytes());
  }
  EXPECT_EQ(batch.Chunks(), batch.Chunks());
}

TEST(BatchTest, DoesNotCompressWhatNoLogTakes) {
  Batch batch;
  batch.Add(std::string(kMaxBatchBytes - sizeof(std::uint32_t), 'x'));
  EXPECT_THAT(batch.Chunks(), Not(IsEmpty()));
  batch.Add("");
  EXPECT_THAT(batch.Chunks(), IsEmpty());
}

TEST(BatchTest, IsEmptyAgainAfterClear) {
  Batch batch;
  EXPECT_TRUE(batch.empty());
  batch.Add("ab");
  EXPECT_FALSE(batch.empty());
  EXPECT_THAT(batch.TreeFrom(0).leaves(), SizeIs(1));
  batch.Add(std::string(40'000, 'x'));
  EXPECT_THAT(batch.Chunks(), Not(IsEmpty()));
  batch.Clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_THAT(batch.bytes(), IsEmpty());
  EXPECT_THAT(batch.Chunks(), IsEmpty());
  EXPECT_THAT(batch.TreeFrom(0).leaves(), IsEmpty());
  batch.Add("cd");
  EXPECT_THAT(batch.TreeFrom(0).leaves(), ElementsAre(LeafHash("cd")));
}

}  // namespace
}  // namespace denier::store
