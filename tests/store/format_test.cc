// What lies on disk is what FORMAT.md says: a reader written from it in another language agrees,
// and its example is true.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "store/batch.h"
#include "store/checkpoint.h"
#include "store/data_directory.h"
#include "store/log.h"
#include "tests/store/raw_log.h"
#include "tests/store/temporary_folder.h"

namespace denier::store {
namespace {

using ::testing::HasSubstr;

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : bytes) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

std::string ContentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class FormatTest : public ::testing::Test {
 protected:
  // A data folder whose log has these batches.
  void Write(const std::vector<std::vector<std::string>>& batches) {
    const absl::StatusOr<DataDirectory> directory = DataDirectory::Open(path(), true);
    ASSERT_TRUE(directory.ok()) << directory.status();
    const absl::StatusOr<std::unique_ptr<Log>> log = Log::Open(path(), {.initialize = true});
    ASSERT_TRUE(log.ok()) << log.status();
    for (const std::vector<std::string>& events : batches) {
      Batch batch;
      for (const std::string& event : events) batch.Add(event);
      ASSERT_TRUE((*log)->Append(batch, (*log)->head().next).ok());
    }
    head_ = (*log)->head();
  }

  // Every key and value of log/, as RocksDB gives them.
  std::vector<std::pair<std::string, std::string>> Rows() const { return RawLog(path()).Rows(); }

  std::string path() const { return folder_.path() + "/data"; }

  TemporaryFolder folder_;
  Head head_;
};

TEST_F(FormatTest, AReaderWrittenFromThePageReadsTheLog) {
  std::vector<std::vector<std::string>> batches = {{"a"}, {"", std::string("\0\xff", 2)}};
  for (std::size_t batch = 0; batch < 12; ++batch) {
    batches.emplace_back();
    for (std::size_t i = 0; i < 97; ++i) batches.back().push_back(std::string(batch * i, 'x'));
  }
  Write(batches);

  const std::string dump = folder_.path() + "/dump";
  int in_chunks = 0;
  {
    std::ofstream file(dump);
    for (const auto& [key, value] : Rows()) {
      file << Hex(key) << " " << Hex(value) << "\n";
      if (key.front() == 'b' && IsInChunks(value)) ++in_chunks;
    }
  }
  EXPECT_GT(in_chunks, 2);
  std::string expected = std::to_string(head_.next) + " " + ToHex(head_.root) + "\n";
  for (const std::vector<std::string>& events : batches) {
    for (const std::string& event : events) expected += Hex(event) + "\n";
  }

  // Debian's own Python has Debian's python3-lz4.
  const std::string command =
      "/usr/bin/python3 tests/store/read_log.py " + path() + " " + dump + " 2>&1";
  FILE* const reader = popen(command.c_str(), "r");
  ASSERT_NE(reader, nullptr);
  std::string printed;
  char bytes[4096];
  while (const std::size_t count = fread(bytes, 1, sizeof(bytes), reader)) {
    printed.append(bytes, count);
  }
  EXPECT_EQ(pclose(reader), 0);
  EXPECT_EQ(printed, expected);
}

TEST_F(FormatTest, TheExampleOfThePageIsTrue) {
  Write({{"first", "second"}});
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  const std::string page = ContentOf("store/FORMAT.md");
  EXPECT_THAT(page, HasSubstr("    " + Hex(rows[0].first) + "\n"));
  EXPECT_THAT(page, HasSubstr("    " + Hex(rows[0].second) + "\n"));
  EXPECT_THAT(page, HasSubstr("    " + Hex(ContentOf(path() + "/anchor").substr(0, 88)) + "\n"));
}

// The example was computed by another implementation of Ed25519.
TEST_F(FormatTest, TheExampleOfACheckpointIsTrue) {
  Write({{"first", "second"}});
  std::string key(32, '\0');
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<char>(i);
  const std::string pem =
      "-----BEGIN PRIVATE KEY-----\n" +
      absl::Base64Escape(absl::HexStringToBytes("302e020100300506032b657004220420") + key) +
      "\n-----END PRIVATE KEY-----\n";
  const absl::StatusOr<SigningKey> signer = SigningKey::FromPem(pem, "denier.example/log");
  ASSERT_TRUE(signer.ok()) << signer.status();
  const std::string page = ContentOf("store/FORMAT.md");
  EXPECT_THAT(page, HasSubstr("    " + signer->verifier().ToString() + "\n"));
  std::string shown = "    ";
  for (const char c : SignCheckpoint(head_, *signer)) {
    shown.push_back(c);
    if (c == '\n') shown += "    ";
  }
  shown = absl::StrReplaceAll(shown, {{"\n    \n", "\n\n"}});
  shown.resize(shown.size() - 4);
  EXPECT_THAT(page, HasSubstr(shown));
}

}  // namespace
}  // namespace denier::store
