// Signed notes and checkpoints, beside the vectors of Go's golang.org/x/mod/sumdb/note, which the
// C2SP specification came from.
#include "store/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "store/merkle.h"
#include "tests/store/temporary_folder.h"

namespace denier::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// From sumdb/note's documentation: the private key is base64(0x01 || seed).
constexpr char kSeed[] = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
constexpr char kPeterKey[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
constexpr char kEnochKey[] = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
constexpr char kText[] =
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n";
constexpr char kPeterLine[] =
    "\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/"
    "SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
constexpr char kEnochLine[] =
    "\u2014 EnochRoot "
    "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/"
    "5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

// As `openssl genpkey` would write it.
std::string PemOf(std::string_view seed) {
  std::string der = absl::HexStringToBytes("302e020100300506032b657004220420");
  der.append(seed);
  return absl::StrCat("-----BEGIN PRIVATE KEY-----\n", absl::Base64Escape(der),
                      "\n-----END PRIVATE KEY-----\n");
}

std::string PeterPem() {
  std::string seed;
  EXPECT_TRUE(absl::Base64Unescape(kSeed, &seed));
  return PemOf(seed.substr(1));
}

SigningKey Peter(const std::string& name = "PeterNeumann") {
  return *SigningKey::FromPem(PeterPem(), name);
}

VerifierKey Key(std::string_view text) { return *VerifierKey::Parse(text); }

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(CheckpointTest, SignsAsThePublishedExample) {
  const SigningKey key = Peter();
  EXPECT_EQ(key.verifier().ToString(), kPeterKey);
  EXPECT_EQ(SignNote(kText, key), absl::StrCat(kText, "\n", kPeterLine));
}

TEST(CheckpointTest, OpensThePublishedExamples) {
  const std::string both = absl::StrCat(kText, "\n", kPeterLine, kEnochLine);
  for (const char* key : {kPeterKey, kEnochKey}) {
    const absl::StatusOr<std::string> text = OpenNote(both, Key(key));
    ASSERT_TRUE(text.ok()) << text.status();
    EXPECT_EQ(*text, kText);
  }
  // The example of the specification.
  EXPECT_TRUE(
      OpenNote(
          "This is an example message.\n\n\u2014 example.com/foo "
          "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72"
          "IneyaQM=\n",
          Key("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"))
          .ok());
}

TEST(CheckpointTest, SaysWhoSignedWhatTheKeyDidNot) {
  const absl::Status status =
      OpenNote(absl::StrCat(kText, "\n", kEnochLine), Key(kPeterKey)).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("PeterNeumann+c74f20a3"), HasSubstr("but by EnochRoot+af0cfe78")));
}

TEST(CheckpointTest, AKeyOfTheSameNameIsAnother) {
  const std::string other =
      SigningKey::FromPem(PemOf(std::string(32, 'x')), "PeterNeumann")->verifier().ToString();
  EXPECT_TRUE(
      absl::IsNotFound(OpenNote(absl::StrCat(kText, "\n", kPeterLine), Key(other)).status()));
}

TEST(CheckpointTest, FindsEveryChangedBitOfANote) {
  const SigningKey key = Peter("denier/log");
  const std::string note = SignCheckpoint({7, LeafHash("x")}, key);
  ASSERT_TRUE(OpenCheckpoint(note, key.verifier()).ok());
  for (std::size_t bit = 0; bit < note.size() * 8; ++bit) {
    std::string changed = note;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(OpenCheckpoint(changed, key.verifier()).ok()) << "bit " << bit;
  }
  for (std::size_t size = 0; size < note.size(); ++size) {
    EXPECT_FALSE(OpenCheckpoint(note.substr(0, size), key.verifier()).ok()) << size;
  }
}

TEST(CheckpointTest, ASignatureOfAnotherTextIsNone) {
  const std::string forged = absl::StrCat("Another text.\n\n", kPeterLine);
  const absl::Status status = OpenNote(forged, Key(kPeterKey)).status();
  EXPECT_TRUE(absl::IsUnauthenticated(status)) << status;
  // Not even beside a good one.
  const std::string good = SignNote("Another text.\n", Peter());
  EXPECT_TRUE(OpenNote(good, Key(kPeterKey)).ok());
  EXPECT_TRUE(absl::IsUnauthenticated(OpenNote(good + kPeterLine, Key(kPeterKey)).status()));
}

TEST(CheckpointTest, ReadsOnlyWhatIsANote) {
  const std::string line = kPeterLine;
  const std::string text = kText;
  ASSERT_TRUE(OpenNote(text + "\n" + line, Key(kPeterKey)).ok());
  const struct {
    const char* what;
    std::string note;
  } kCases[] = {
      {"nothing", ""},
      {"no signature", text + "\n"},
      {"no empty line", text + line},
      {"no last newline", text + "\n" + line.substr(0, line.size() - 1)},
      {"a blank line behind", text + "\n" + line + "\n"},
      {"words behind", text + "\n" + line + "words\n"},
      {"no em dash", text + "\n" + absl::StrReplaceAll(line, {{"\u2014", "-"}})},
      {"no name", text + "\n" + absl::StrReplaceAll(line, {{"PeterNeumann", ""}})},
      {"a plus in a name", text + "\n" + line + absl::StrReplaceAll(line, {{"Peter", "P+"}})},
      {"bad base64", text + "\n" + absl::StrReplaceAll(line, {{"x08g", "x0!g"}})},
      {"no padding", text + "\n" + absl::StrReplaceAll(line, {{"=", ""}})},
      {"a key hash alone", text + "\n" + line + "\u2014 x AAAAAA==\n"},
      {"a control character", "\x01" + text + "\n" + line},
      {"a carriage return", absl::StrReplaceAll(text, {{"\n", "\r\n"}}) + "\n" + line},
      {"not UTF-8", "\xff" + text + "\n" + line},
      {"an overlong sequence", "\xc0\xaf" + text + "\n" + line},
      {"a surrogate", "\xed\xa0\x80" + text + "\n" + line},
      {"beyond Unicode", "\xf4\x90\x80\x80" + text + "\n" + line},
      {"a cut sequence", text + "\n" + line + "\xe2\x80"},
      {"too long", std::string(kMaxNoteBytes, 'x') + "\n\n" + line},
  };
  for (const auto& one : kCases) {
    const absl::Status status = OpenNote(one.note, Key(kPeterKey)).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << one.what << ": " << status;
  }
}

TEST(CheckpointTest, ReadsAsManySignaturesAsTheSpecificationAsks) {
  std::string note = absl::StrCat(kText, "\n");
  for (int i = 0; i < 99; ++i) note += "\u2014 t\u00e9moin" + std::to_string(i) + " AAAAAAE=\n";
  EXPECT_TRUE(OpenNote(note + kPeterLine, Key(kPeterKey)).ok());
  EXPECT_TRUE(
      absl::IsInvalidArgument(OpenNote(note + kPeterLine + kEnochLine, Key(kPeterKey)).status()));
}

TEST(CheckpointTest, TheTextMayHaveEmptyLines) {
  const std::string text = "one\n\ntwo\n";
  EXPECT_EQ(*OpenNote(SignNote(text, Peter()), Key(kPeterKey)), text);
}

TEST(VerifierKeyTest, TakesBlanksAroundAndNothingElse) {
  EXPECT_TRUE(VerifierKey::Parse(absl::StrCat("  ", kPeterKey, "\r\n")).ok());
  const std::string good = kPeterKey;
  for (std::size_t from = 0; from < good.size(); ++from) {
    for (std::size_t size = 0; size <= good.size() - from; ++size) {
      if (size == good.size()) continue;
      EXPECT_TRUE(absl::IsInvalidArgument(VerifierKey::Parse(good.substr(from, size)).status()));
    }
  }
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    ++changed[i];
    EXPECT_TRUE(absl::IsInvalidArgument(VerifierKey::Parse(changed).status())) << changed;
  }
  // sumdb/note's own: a wrong length and an unknown algorithm, each with the hash that would fit.
  for (const char* bad :
       {"PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(VerifierKey::Parse(bad).status())) << bad;
  }
}

TEST(SigningKeyTest, TakesAnUnencryptedKeyOfEd25519AndAName) {
  for (const char* name : {"", "two words", "a+b", "accent\u00e9", "line\n"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(SigningKey::FromPem(PeterPem(), name).status())) << name;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(SigningKey::FromPem("", "log").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(SigningKey::FromPem("words", "log").status()));

  const TemporaryFolder folder;
  const std::string path = folder.path() + "/key.pem";
  const auto generated = [&](const std::string& how) {
    EXPECT_EQ(system(("openssl genpkey -out " + path + " " + how + " 2>/dev/null").c_str()), 0);
    std::ifstream file(path);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  EXPECT_TRUE(SigningKey::FromPem(generated("-algorithm ed25519"), "log").ok());
  EXPECT_FALSE(SigningKey::FromPem(generated("-algorithm ed448"), "log").ok());
  EXPECT_FALSE(SigningKey::FromPem(generated("-algorithm x25519"), "log").ok());
  EXPECT_FALSE(
      SigningKey::FromPem(generated("-algorithm ed25519 -aes256 -pass pass:word"), "log").ok());
}

// Somebody else's program agrees about a signature.
TEST(CheckpointTest, OpensslVerifiesTheSignature) {
  const TemporaryFolder folder;
  const SigningKey key = Peter("denier/log");
  const std::string note = SignCheckpoint({3, LeafHash("x")}, key);
  const std::string text = note.substr(0, note.find("\n\n") + 1);
  std::string signed_bytes;
  ASSERT_TRUE(absl::Base64Unescape(absl::StripAsciiWhitespace(note.substr(note.rfind(' ') + 1)),
                                   &signed_bytes));
  const auto write = [&](const char* name, const std::string& bytes) {
    std::ofstream(folder.path() + "/" + name, std::ios::binary) << bytes;
  };
  write("key", PeterPem());
  write("text", text);
  write("changed", text + "x");
  write("signature", signed_bytes.substr(4));
  const auto verifies = [&](const char* name) {
    return system(absl::StrCat("cd ", folder.path(),
                               " && openssl pkeyutl -verify -inkey key -rawin -in ", name,
                               " -sigfile signature >/dev/null 2>&1")
                      .c_str()) == 0;
  };
  EXPECT_TRUE(verifies("text"));
  EXPECT_FALSE(verifies("changed"));
}

TEST(CheckpointTest, SaysSizeAndRoot) {
  const SigningKey key = Peter("denier/log");
  const Head head{18'446'744'073'709'551'615U, LeafHash("x")};
  const std::string note = SignCheckpoint(head, key);
  EXPECT_EQ(note, SignCheckpoint(head, key));
  EXPECT_THAT(note, ::testing::StartsWith("denier/log\n18446744073709551615\n"));
  const absl::StatusOr<Checkpoint> opened = OpenCheckpoint(note, key.verifier());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*opened, (Checkpoint{"denier/log", head}));
  EXPECT_EQ(*ReadUnverifiedCheckpoint(note), *opened);
}

TEST(CheckpointTest, ReadsOnlyWhatIsACheckpoint) {
  const SigningKey key = Peter("denier/log");
  const std::string root = absl::Base64Escape(std::string(32, 'r'));
  const auto open = [&](const std::string& text) {
    return OpenCheckpoint(SignNote(text, key), key.verifier()).status();
  };
  EXPECT_TRUE(open("denier/log\n0\n" + root + "\n").ok());
  EXPECT_TRUE(open("denier/log\n10\n" + root + "\nan extension\n").ok());
  const std::vector<std::string> bad = {
      "denier/log\n1\n",
      "denier/log\n1\n" + root + "\n\nx\n",
      "\n1\n" + root + "\n",
      "denier/log\n01\n" + root + "\n",
      "denier/log\n+1\n" + root + "\n",
      "denier/log\n-1\n" + root + "\n",
      "denier/log\n1 \n" + root + "\n",
      "denier/log\n18446744073709551616\n" + root + "\n",
      "denier/log\n1\n" + root.substr(4) + "\n",
      "denier/log\n1\n" + root.substr(0, 43) + "\n",
      "another/log\n1\n" + root + "\n",
  };
  for (const std::string& text : bad) {
    EXPECT_TRUE(absl::IsInvalidArgument(open(text))) << text << open(text);
  }
}

}  // namespace
}  // namespace denier::store
