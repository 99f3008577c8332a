#include "store/sha256.h"

#include <openssl/evp.h>

#include <cstdio>
#include <cstdlib>

namespace denier::store {
namespace {

// OpenSSL fails here only without memory, or without its own algorithms: nothing to go on with.
void Require(bool ok) {
  if (ok) return;
  std::fputs("OpenSSL cannot compute SHA-256\n", stderr);
  std::abort();
}

// Fetched once: an implicit fetch costs more than a small message.
const EVP_MD* Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  Require(algorithm != nullptr);
  return algorithm;
}

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
