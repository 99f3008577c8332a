// The order of batches: RocksDB's, with index entries that end as late as they can.
#include "store/batch_order.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

#include "store/encoding.h"

namespace denier::store {
namespace {

std::string Key(std::uint64_t first) {
  std::string key = "b";
  AppendBigEndian64(first, &key);
  return key;
}

std::string SeparatorOf(std::string start, const std::string& limit) {
  BatchOrder()->FindShortestSeparator(&start, limit);
  return start;
}

int SignOf(int number) { return (number > 0) - (number < 0); }

TEST(BatchOrderTest, IsTheOrderOfTheBytes) {
  EXPECT_STREQ(BatchOrder()->Name(), rocksdb::BytewiseComparator()->Name());
  std::mt19937 random(1);
  const auto text = [&] {
    std::string bytes(random() % 4, '\0');
    for (char& byte : bytes) byte = "\x00\x01\x7f\x80\xff"[random() % 5];
    return bytes;
  };
  for (int i = 0; i < 10'000; ++i) {
    const std::string a = text(), b = text();
    ASSERT_EQ(SignOf(BatchOrder()->Compare(a, b)),
              SignOf(rocksdb::BytewiseComparator()->Compare(a, b)));
    ASSERT_EQ(BatchOrder()->Equal(a, b), a == b);
  }
}

TEST(BatchOrderTest, SeparatesTwoBatchesAsLateAsItCan) {
  EXPECT_EQ(SeparatorOf(Key(100), Key(1'100)), Key(1'099));
  EXPECT_EQ(SeparatorOf(Key(100), Key(101)), Key(100));
  EXPECT_EQ(SeparatorOf(Key(0), Key(1)), Key(0));
  EXPECT_EQ(SeparatorOf(Key(0xfe), Key(0x100)), Key(0xff)) << "borrowed from the byte before";
  EXPECT_EQ(SeparatorOf(Key(3), Key(std::uint64_t{1} << 32)), Key(0xffff'ffff));
}

TEST(BatchOrderTest, LeavesOtherKeysAsTheyAre) {
  EXPECT_EQ(SeparatorOf("b", Key(7)), "b");
  EXPECT_EQ(SeparatorOf(Key(7), Key(7)), Key(7));
  EXPECT_EQ(SeparatorOf(Key(8), Key(7)), Key(8)) << "nothing lies between them";
}

}  // namespace
}  // namespace denier::store
