#include "store/checkpoint.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace denier::store {
namespace {

constexpr char kEd25519 = 1;  // C2SP's number for this kind of signature
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kKeyHashBytes = 4;
constexpr std::size_t kMostNameBytes = 100;
constexpr std::size_t kMostSignatures = 100;
constexpr std::string_view kSignaturePrefix = "\u2014 ";  // an em dash

using PublicKey = std::array<std::uint8_t, 32>;

// OpenSSL fails here only without memory, or without its own algorithms: nothing to go on with.
void Require(bool ok) {
  if (ok) return;
  std::fputs("OpenSSL cannot compute Ed25519\n", stderr);
  std::abort();
}

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

const unsigned char* BytesOf(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string Base64(std::string_view bytes) { return absl::Base64Escape(ToAbsl(bytes)); }

// Only what Base64 gives: one text for the same bytes, or a note could be changed unnoticed.
std::optional<std::string> FromBase64(std::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(ToAbsl(text), &bytes) || Base64(bytes) != text) return std::nullopt;
  return bytes;
}

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kMostNameBytes &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7f' && c != '+'; });
}

std::string AsText(const PublicKey& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

std::uint32_t ReadBigEndian32(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < kKeyHashBytes; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

std::string BigEndian32(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

std::string KeyHashDigits(std::uint32_t hash) {
  return absl::StrCat(absl::Hex(hash, absl::kZeroPad8));
}

// The length of the UTF-8 sequence (RFC 3629) that `text` begins with; 0: it begins with none.
std::size_t Utf8SequenceBytes(std::string_view text) {
  const auto byte = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  // The second byte says whether the number was written with more bytes than it needs, is half of a
  // pair, or is beyond Unicode.
  const unsigned least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (lead < 0xc2 || lead > 0xf4 || byte(1) < least || byte(1) > most) return 0;
  for (std::size_t i = 2; i < bytes; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  }
  return bytes;
}

bool IsPrintableUtf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = Utf8SequenceBytes(text);
    if (bytes == 0 || (static_cast<unsigned char>(text[0]) < ' ' && text[0] != '\n')) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

struct Signature {
  std::string_view name;
  std::uint32_t key_hash;
  std::string bytes;
};

struct Note {
  std::string_view text;
  std::vector<Signature> signatures;
};

absl::Status NoNote(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("not a signed note: ", why));
}

std::optional<Signature> ParseSignature(std::string_view line) {
  if (!line.starts_with(kSignaturePrefix)) return std::nullopt;
  line.remove_prefix(kSignaturePrefix.size());
  const std::size_t blank = line.find(' ');
  if (blank == 0 || blank == std::string_view::npos) return std::nullopt;
  const std::string_view name = line.substr(0, blank);
  const std::optional<std::string> bytes = FromBase64(line.substr(blank + 1));
  if (name.find('+') != std::string_view::npos) return std::nullopt;
  if (!bytes.has_value() || bytes->size() <= kKeyHashBytes) return std::nullopt;
  return Signature{name, ReadBigEndian32(*bytes), bytes->substr(kKeyHashBytes)};
}

absl::StatusOr<Note> ParseNote(std::string_view bytes) {
  if (bytes.size() > kMaxNoteBytes) {
    return NoNote(absl::StrCat("longer than ", kMaxNoteBytes, " bytes"));
  }
  if (!IsPrintableUtf8(bytes)) return NoNote("not UTF-8, or with control characters");
  // The text may have empty lines of its own.
  const std::size_t split = bytes.rfind("\n\n");
  if (split == std::string_view::npos) return NoNote("no empty line before the signatures");
  if (!bytes.ends_with('\n')) return NoNote("its last line has no end");

  Note note{bytes.substr(0, split + 1), {}};
  std::string_view rest = bytes.substr(split + 2);
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    std::optional<Signature> signature = ParseSignature(rest.substr(0, end));
    if (!signature.has_value()) {
      return NoNote(absl::StrCat("malformed signature: ", ToAbsl(rest.substr(0, end))));
    }
    note.signatures.push_back(*std::move(signature));
    if (note.signatures.size() > kMostSignatures) return NoNote("too many signatures");
    rest.remove_prefix(end + 1);
  }
  if (note.signatures.empty()) return NoNote("no signature");
  return note;
}

std::string CheckpointText(const Checkpoint& checkpoint) {
  return absl::StrCat(checkpoint.origin, "\n", checkpoint.head.next, "\n",
                      Base64(AsBytes(checkpoint.head.root)), "\n");
}

absl::Status NoCheckpoint(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("not a checkpoint: ", why));
}

absl::StatusOr<Checkpoint> ParseCheckpointText(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  // What follows the third line means nothing to us, but none of it may be empty.
  if (lines.size() < 3) return NoCheckpoint("fewer than three lines");
  if (std::ranges::any_of(lines, [](std::string_view line) { return line.empty(); })) {
    return NoCheckpoint("an empty line");
  }
  Checkpoint checkpoint;
  checkpoint.origin = lines[0];

  const std::string_view digits = lines[1];
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), checkpoint.head.next);
  if (error != std::errc() || digits != absl::StrCat(checkpoint.head.next)) {
    return NoCheckpoint("its second line is no number of events");
  }
  const std::optional<std::string> root = FromBase64(lines[2]);
  if (!root.has_value() || root->size() != sizeof(Hash)) {
    return NoCheckpoint("its third line is no root");
  }
  root->copy(reinterpret_cast<char*>(checkpoint.head.root.data()), sizeof(Hash));
  return checkpoint;
}

// An encrypted key must not make OpenSSL ask the terminal for a password.
int NoPassword(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

}  // namespace

// --------------------------------------------------------------------------------------- Keys

VerifierKey::VerifierKey(std::string name, const PublicKey& public_key)
    : name_(std::move(name)), public_key_(public_key) {
  const Hash hash =
      Sha256Of(absl::StrCat(name_, "\n", std::string(1, kEd25519), AsText(public_key)));
  hash_ = ReadBigEndian32(AsBytes(hash));
}

absl::StatusOr<VerifierKey> VerifierKey::Parse(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  text = text.substr(0, text.find_last_not_of(kBlanks) + 1);

  const auto refuse = [](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a verifier key NAME+HASH+KEY of Ed25519: ", why));
  };
  const std::size_t first = text.find('+');
  const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) return refuse("it has no three parts");
  const std::string name(text.substr(0, first));
  if (!IsName(name)) return refuse("its name has other characters than printable ASCII");
  const std::optional<std::string> bytes = FromBase64(text.substr(second + 1));
  if (!bytes.has_value() || bytes->size() != 1 + sizeof(PublicKey) || bytes->front() != kEd25519) {
    return refuse("its key is not 33 bytes in base64, the first of them 1");
  }
  PublicKey public_key;
  bytes->copy(reinterpret_cast<char*>(public_key.data()), public_key.size(), 1);
  VerifierKey key(name, public_key);
  if (text.substr(first + 1, second - first - 1) != KeyHashDigits(key.hash())) {
    return refuse("its hash is not that of its name and key: a character was changed");
  }
  return key;
}

std::string VerifierKey::ToString() const {
  return absl::StrCat(name_, "+", KeyHashDigits(hash_), "+",
                      Base64(std::string(1, kEd25519) + AsText(public_key_)));
}

bool VerifierKey::Verifies(std::string_view text, std::string_view signature) const {
  EVP_PKEY* key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, public_key_.data(),
                                              public_key_.size());
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Require(key != nullptr && context != nullptr);
  // Some 32 bytes are no point of the curve: such a key verifies nothing.
  const bool verified = EVP_DigestVerifyInit(context, nullptr, nullptr, nullptr, key) == 1 &&
                        EVP_DigestVerify(context, BytesOf(signature), signature.size(),
                                         BytesOf(text), text.size()) == 1;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  ERR_clear_error();
  return verified;
}

void SigningKey::Free::operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }

SigningKey::SigningKey(std::unique_ptr<EVP_PKEY, Free> key, VerifierKey verifier)
    : key_(std::move(key)), verifier_(std::move(verifier)) {}

absl::StatusOr<SigningKey> SigningKey::FromPem(std::string_view pem, const std::string& name) {
  if (!IsName(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a log's name is 1 to ", kMostNameBytes,
                     " printable ASCII characters without a blank or a plus, unlike: ", name));
  }
  BIO* source = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  Require(source != nullptr);
  std::unique_ptr<EVP_PKEY, Free> key(
      PEM_read_bio_PrivateKey(source, nullptr, NoPassword, nullptr));
  BIO_free(source);
  ERR_clear_error();
  if (key == nullptr || EVP_PKEY_is_a(key.get(), "ED25519") != 1) {
    return absl::InvalidArgumentError(
        "not a private key of Ed25519 in PEM, unencrypted; `openssl genpkey -algorithm ed25519` "
        "makes one");
  }
  PublicKey public_key;
  std::size_t size = public_key.size();
  Require(EVP_PKEY_get_raw_public_key(key.get(), public_key.data(), &size) == 1 &&
          size == public_key.size());
  return SigningKey(std::move(key), VerifierKey(name, public_key));
}

std::string SigningKey::Sign(std::string_view text) const {
  std::string signature(kSignatureBytes, '\0');
  std::size_t size = signature.size();
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Require(context != nullptr);
  Require(EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key_.get()) == 1);
  Require(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                         BytesOf(text), text.size()) == 1 &&
          size == signature.size());
  EVP_MD_CTX_free(context);
  return signature;
}

// -------------------------------------------------------------------------------------- Notes

std::string SignNote(std::string_view text, const SigningKey& key) {
  const VerifierKey& verifier = key.verifier();
  return absl::StrCat(ToAbsl(text), "\n", ToAbsl(kSignaturePrefix), verifier.name(), " ",
                      Base64(BigEndian32(verifier.hash()) + key.Sign(text)), "\n");
}

absl::StatusOr<std::string> OpenNote(std::string_view note, const VerifierKey& key) {
  const absl::StatusOr<Note> parsed = ParseNote(note);
  if (!parsed.ok()) return parsed.status();
  bool verified = false;
  std::string others;
  for (const Signature& signature : parsed->signatures) {
    if (signature.name != key.name() || signature.key_hash != key.hash()) {
      absl::StrAppend(&others, others.empty() ? "" : ", ", ToAbsl(signature.name), "+",
                      KeyHashDigits(signature.key_hash));
      continue;
    }
    if (!key.Verifies(parsed->text, signature.bytes)) {
      return absl::UnauthenticatedError(
          absl::StrCat("the signature by ", key.name(),
                       " is not one of this text: the text or the signature was changed"));
    }
    verified = true;
  }
  if (verified) return std::string(parsed->text);
  return absl::NotFoundError(absl::StrCat("not signed by the key ", key.name(), "+",
                                          KeyHashDigits(key.hash()), ", but by ", others));
}

// -------------------------------------------------------------------------------- Checkpoints

std::string SignCheckpoint(const Head& head, const SigningKey& key) {
  return SignNote(CheckpointText({key.verifier().name(), head}), key);
}

absl::StatusOr<Checkpoint> OpenCheckpoint(std::string_view note, const VerifierKey& key) {
  const absl::StatusOr<std::string> text = OpenNote(note, key);
  if (!text.ok()) return text.status();
  absl::StatusOr<Checkpoint> checkpoint = ParseCheckpointText(*text);
  if (checkpoint.ok() && checkpoint->origin != key.name()) {
    return NoCheckpoint(absl::StrCat("it is one of the log ", checkpoint->origin,
                                     ", and the key is of ", key.name()));
  }
  return checkpoint;
}

absl::StatusOr<Checkpoint> ReadUnverifiedCheckpoint(std::string_view note) {
  const absl::StatusOr<Note> parsed = ParseNote(note);
  if (!parsed.ok()) return parsed.status();
  return ParseCheckpointText(parsed->text);
}

}  // namespace denier::store
