#include "store/sha256.h"

#include <intel-ipsec-mb.h>
#include <openssl/evp.h>

#include <cassert>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace denier::store {
namespace {

// The libraries fail here only without memory, or without their own algorithms: nothing to go on
// with.
void Require(bool ok) {
  if (ok) return;
  std::fputs("cannot compute SHA-256\n", stderr);
  std::abort();
}

// Fetched once: an implicit fetch costs more than a small message.
const EVP_MD* Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  Require(algorithm != nullptr);
  return algorithm;
}

// Below so many messages OpenSSL is as fast, one by one.
constexpr std::size_t kFewMessages = 4;
// The scheduler counts the bytes of a message in 16 bits; this keeps well clear of their end.
constexpr std::size_t kLongMessage = std::size_t{32} << 10;

// Intel's scheduler, which hands messages to the lanes of the processor's vector registers: those
// of SSE, AVX2 or AVX-512, whatever is best of what there is.
class Lanes {
 public:
  Lanes() : scheduler_(alloc_mb_mgr(0)) {
    Require(scheduler_ != nullptr);
    IMB_ARCH chosen = IMB_ARCH_NONE;
    init_mb_mgr_auto(scheduler_, &chosen);
    serves_ = imb_get_errno(scheduler_) == 0 && chosen != IMB_ARCH_NONE;
  }
  ~Lanes() { free_mb_mgr(scheduler_); }
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  // True: `hash` is written by the end of the next Flush. False: the message is not for it, or the
  // processor lacks what the library needs (AES instructions among it, whatever is hashed).
  bool Take(std::string_view message, Hash& hash) {
    if (!serves_ || message.empty() || message.size() > kLongMessage) return false;
    IMB_JOB* job = IMB_GET_NEXT_JOB(scheduler_);
    job->cipher_mode = IMB_CIPHER_NULL;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_HASH_CIPHER;
    job->hash_alg = IMB_AUTH_SHA_256;
    job->src = reinterpret_cast<const std::uint8_t*>(message.data());
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = message.size();
    job->auth_tag_output = hash.data();
    job->auth_tag_output_len_in_bytes = hash.size();
    for (job = IMB_SUBMIT_JOB(scheduler_); job != nullptr;
         job = IMB_GET_COMPLETED_JOB(scheduler_)) {
      Require(job->status == IMB_STATUS_COMPLETED);
    }
    return true;
  }

  void Flush() {
    if (!serves_) return;
    while (const IMB_JOB* job = IMB_FLUSH_JOB(scheduler_)) {
      Require(job->status == IMB_STATUS_COMPLETED);
    }
  }

 private:
  IMB_MGR* const scheduler_;
  bool serves_ = false;
};

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  Require(context_ != nullptr);
  Require(EVP_DigestInit_ex2(context_, Algorithm(), nullptr) == 1);
}

Sha256::~Sha256() { EVP_MD_CTX_free(context_); }

Sha256& Sha256::Update(std::string_view bytes) {
  Require(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1);
  return *this;
}

Hash Sha256::Finish() {
  Hash hash;
  Require(EVP_DigestFinal_ex(context_, hash.data(), nullptr) == 1);
  Require(EVP_DigestInit_ex2(context_, Algorithm(), nullptr) == 1);
  return hash;
}

Hash Sha256Of(std::string_view bytes) {
  thread_local Sha256 sha256;
  return sha256.Update(bytes).Finish();
}

void Sha256OfAll(std::span<const std::string_view> messages, std::span<Hash> hashes) {
  assert(messages.size() == hashes.size());
  if (messages.size() < kFewMessages) {
    for (std::size_t i = 0; i < messages.size(); ++i) hashes[i] = Sha256Of(messages[i]);
    return;
  }
  thread_local Lanes lanes;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!lanes.Take(messages[i], hashes[i])) hashes[i] = Sha256Of(messages[i]);
  }
  lanes.Flush();
}

std::string ToHex(const Hash& hash) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * hash.size());
  for (const std::uint8_t byte : hash) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

}  // namespace denier::store
