#include "store/sha256.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace denier::store {
namespace {

// The examples of FIPS 180-2, appendix B, and the hash of nothing.
TEST(Sha256Test, GivesThePublishedHashes) {
  EXPECT_EQ(ToHex(Sha256Of("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(ToHex(Sha256Of("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ToHex(Sha256Of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(ToHex(Sha256Of(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, TakesAMessageInPieces) {
  Sha256 sha256;
  sha256.Update("a").Update("").Update("bc");
  EXPECT_EQ(sha256.Finish(), Sha256Of("abc"));
}

TEST(Sha256Test, BeginsANewMessageAfterEachFinish) {
  Sha256 sha256;
  EXPECT_EQ(sha256.Update("abc").Finish(), Sha256Of("abc"));
  EXPECT_EQ(sha256.Finish(), Sha256Of(""));
  EXPECT_EQ(sha256.Update("abc").Finish(), Sha256Of("abc"));
}

// One by one is the other implementation, held against the published hashes above.
TEST(Sha256Test, GivesManyAtOnceWhatItGivesOneByOne) {
  for (std::size_t count = 0; count <= 70; ++count) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) {
      std::string text(i * 37 % 300, '\0');
      for (std::size_t j = 0; j < text.size(); ++j) text[j] = static_cast<char>(i * 131 + j);
      texts.push_back(std::move(text));
    }
    // Each side of what the scheduler takes, among short ones.
    if (count == 33) texts[7] = std::string(32 << 10, 'a');
    if (count == 34) texts[7] = std::string((32 << 10) + 1, 'a');
    const std::vector<std::string_view> messages(texts.begin(), texts.end());
    std::vector<Hash> hashes(count);
    Sha256OfAll(messages, hashes);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(ToHex(hashes[i]), ToHex(Sha256Of(messages[i]))) << i << " of " << count;
    }
  }
}

TEST(Sha256Test, GivesEveryLengthAroundABlockInTheLanes) {
  std::vector<std::string> texts;
  for (std::size_t size = 0; size <= 200; ++size) texts.emplace_back(size, 'x');
  const std::vector<std::string_view> messages(texts.begin(), texts.end());
  std::vector<Hash> hashes(texts.size());
  Sha256OfAll(messages, hashes);
  for (std::size_t size = 0; size < texts.size(); ++size) {
    ASSERT_EQ(ToHex(hashes[size]), ToHex(Sha256Of(texts[size]))) << size;
  }
}

}  // namespace
}  // namespace denier::store
