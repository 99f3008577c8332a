// Checkpoints: how far the log has got and the root over all of it, signed. Whoever keeps one can
// tell later whether the log still begins with it.
//
//   absl::StatusOr<SigningKey> key = SigningKey::FromPem(pem, "denier/log");
//   std::string note = SignCheckpoint(head, *key);
//
//   absl::StatusOr<VerifierKey> known = VerifierKey::Parse("denier/log+1f2e3d4c+AQ...");
//   absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint(note, *known);
//
// The form is C2SP's: a tlog-checkpoint in a signed-note, by Ed25519 (RFC 8032). FORMAT.md has an
// example.
#ifndef DENIER_STORE_CHECKPOINT_H_
#define DENIER_STORE_CHECKPOINT_H_

#include <openssl/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/head.h"
#include "store/sha256.h"

namespace denier::store {

// No note is read beyond this.
inline constexpr std::size_t kMaxNoteBytes = std::size_t{64} << 10;

struct Checkpoint {
  std::string origin;  // the log's name
  Head head;           // its size (`next`), and the root over it

  bool operator==(const Checkpoint&) const = default;
};

// A public key and its name. Copyable; any thread.
class VerifierKey {
 public:
  // NAME+HASH+KEY, as C2SP writes it: the name, 8 digits of its key hash, base64. Blanks and line
  // ends around it are dropped. INVALID_ARGUMENT: it is none, or not of Ed25519, or damaged.
  static absl::StatusOr<VerifierKey> Parse(std::string_view text);

  const std::string& name() const { return name_; }

  // The first 4 bytes of SHA-256(name || 0x0A || 0x01 || public key), big-endian.
  std::uint32_t hash() const { return hash_; }

  std::string ToString() const;

  bool Verifies(std::string_view text, std::string_view signature) const;

 private:
  friend class SigningKey;
  VerifierKey(std::string name, const std::array<std::uint8_t, 32>& public_key);

  std::string name_;
  std::array<std::uint8_t, 32> public_key_;
  std::uint32_t hash_;
};

// A private key and its name. Movable; const calls from any thread.
class SigningKey {
 public:
  // `pem` is what `openssl genpkey -algorithm ed25519` writes (PKCS#8, not encrypted). `name` is 1
  // to 100 printable ASCII characters, no blank and no plus. INVALID_ARGUMENT: one of them is not.
  static absl::StatusOr<SigningKey> FromPem(std::string_view pem, const std::string& name);

  const VerifierKey& verifier() const { return verifier_; }

  // 64 bytes; the same text gives the same ones.
  std::string Sign(std::string_view text) const;

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const;
  };
  SigningKey(std::unique_ptr<EVP_PKEY, Free> key, VerifierKey verifier);

  std::unique_ptr<EVP_PKEY, Free> key_;
  VerifierKey verifier_;
};

// `text` ends with a newline. The same text and key give the same note, to the byte.
std::string SignNote(std::string_view text, const SigningKey& key);

// The text of a note that `key` has signed. Signatures by other keys are ignored.
// INVALID_ARGUMENT: not a signed note. NOT_FOUND: not signed by `key`; the message says by whom.
// UNAUTHENTICATED: `key`'s signature is not one of this text: one of the two was changed.
absl::StatusOr<std::string> OpenNote(std::string_view note, const VerifierKey& key);

// The checkpoint of `head`, by the log that the key is named after.
std::string SignCheckpoint(const Head& head, const SigningKey& key);

// The checkpoint that `key` has signed. Errors as OpenNote's; INVALID_ARGUMENT also where the text
// is not a checkpoint, or one of another log than the key is named after.
absl::StatusOr<Checkpoint> OpenCheckpoint(std::string_view note, const VerifierKey& key);

// What a note says, whoever wrote it: NO signature is verified. INVALID_ARGUMENT: it is not a
// checkpoint.
absl::StatusOr<Checkpoint> ReadUnverifiedCheckpoint(std::string_view note);

}  // namespace denier::store

#endif  // DENIER_STORE_CHECKPOINT_H_
