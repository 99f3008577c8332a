// Who calls: from metadata, and from the subject of a certificate, however strange.
#include "services/principal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <string>
#include <utility>
#include <vector>

namespace denier::services {
namespace {

using events::v1::Principal;

MATCHER_P(Is, text, "") {
  const auto* principal = std::get_if<Principal>(&arg);
  if (principal == nullptr) {
    *result_listener << std::get<rules::Refusal>(arg).message;
    return false;
  }
  std::string said = principal->principal_id() + "@" + principal->body_id() + ":";
  for (const int role : principal->roles()) {
    said += events::v1::Role_Name(static_cast<events::v1::Role>(role)) + ",";
  }
  *result_listener << said;
  return said == text;
}

MATCHER(IsUnknown, "") {
  const auto* refusal = std::get_if<rules::Refusal>(&arg);
  if (refusal == nullptr) *result_listener << std::get<Principal>(arg).ShortDebugString();
  return refusal != nullptr && refusal->reason == v1::ERROR_REASON_UNKNOWN_PRINCIPAL &&
         !refusal->message.empty();
}

// -------------------------------------------------------------------------- Metadata

TEST(PrincipalOfMetadataTest, ReadsAPrincipalWithItsRoles) {
  EXPECT_THAT(PrincipalOfMetadata("pm-1", "DJEPVA", "programme_manager"),
              Is("pm-1@DJEPVA:ROLE_PROGRAMME_MANAGER,"));
  EXPECT_THAT(PrincipalOfMetadata("x", "DINUM", "auditor,programme_manager"),
              Is("x@DINUM:ROLE_PROGRAMME_MANAGER,ROLE_AUDITOR,"));
  // The same principal is the same bytes, however its roles are listed.
  EXPECT_THAT(PrincipalOfMetadata("x", "DINUM", "auditor,accountant,auditor"),
              Is("x@DINUM:ROLE_ACCOUNTANT,ROLE_AUDITOR,"));
}

TEST(PrincipalOfMetadataTest, RefusesWhatItCannotReadWhole) {
  const std::string longest(64, 'a');
  EXPECT_THAT(PrincipalOfMetadata(longest, "B", "auditor"), Is(longest + "@B:ROLE_AUDITOR,"));

  EXPECT_THAT(PrincipalOfMetadata("", "", ""), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata("", "B", "auditor"), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata("a", "", "auditor"), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata("a", "B", ""), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata(longest + "a", "B", "auditor"), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata("a b", "B", "auditor"), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata("a", "B/C", "auditor"), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata("é", "B", "auditor"), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata("a", "B", "boss"), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata("a", "B", "auditor,boss"), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata("a", "B", "AUDITOR"), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata("a", "B", "ROLE_AUDITOR"), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata("a", "B", "unspecified"), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata("a", "B", "auditor,"), Is("a@B:ROLE_AUDITOR,"));
  EXPECT_THAT(PrincipalOfMetadata("a", "B", "auditor,,accountant"), IsUnknown());
  EXPECT_THAT(PrincipalOfMetadata("a", "B", " auditor"), IsUnknown());
}

// ---------------------------------------------------------------------- Certificates

struct Entry {
  const char* name;  // "CN", "O", "OU"
  std::string value;
  int type = MBSTRING_UTF8;
};

EVP_PKEY* Key() {
  static EVP_PKEY* const key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256");
  return key;
}

// A self-signed certificate with this subject.
std::string CertificateOf(const std::vector<Entry>& subject) {
  X509* certificate = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, Key());
  X509_NAME* name = X509_get_subject_name(certificate);
  for (const Entry& entry : subject) {
    EXPECT_TRUE(X509_NAME_add_entry_by_txt(
        name, entry.name, entry.type, reinterpret_cast<const unsigned char*>(entry.value.data()),
        static_cast<int>(entry.value.size()), -1, 0))
        << entry.name;
  }
  EXPECT_TRUE(X509_sign(certificate, Key(), EVP_sha256()));
  BIO* bio = BIO_new(BIO_s_mem());
  EXPECT_TRUE(PEM_write_bio_X509(bio, certificate));
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(bio);
  X509_free(certificate);
  return pem;
}

TEST(PrincipalOfCertificateTest, ReadsTheSubject) {
  EXPECT_THAT(PrincipalOfCertificate(CertificateOf(
                  {{"O", "DINUM"}, {"OU", "authorising_officer"}, {"CN", "officer-2"}})),
              Is("officer-2@DINUM:ROLE_AUTHORISING_OFFICER,"));
  EXPECT_THAT(PrincipalOfCertificate(CertificateOf(
                  {{"C", "FR"}, {"CN", "x"}, {"OU", "auditor"}, {"OU", "accountant"}, {"O", "B"}})),
              Is("x@B:ROLE_ACCOUNTANT,ROLE_AUDITOR,"));
  // The same text in another encoding is the same principal.
  EXPECT_THAT(PrincipalOfCertificate(CertificateOf({{"CN", std::string("\0x", 2), V_ASN1_BMPSTRING},
                                                    {"OU", "auditor", V_ASN1_PRINTABLESTRING},
                                                    {"O", "B", V_ASN1_T61STRING}})),
              Is("x@B:ROLE_AUDITOR,"));
}

TEST(PrincipalOfCertificateTest, RefusesWhatItCannotReadWhole) {
  const Entry cn{"CN", "x"}, o{"O", "B"}, ou{"OU", "auditor"};
  ASSERT_THAT(PrincipalOfCertificate(CertificateOf({cn, o, ou})), Is("x@B:ROLE_AUDITOR,"));

  EXPECT_THAT(PrincipalOfCertificate(CertificateOf({})), IsUnknown());
  EXPECT_THAT(PrincipalOfCertificate(CertificateOf({o, ou})), IsUnknown());
  EXPECT_THAT(PrincipalOfCertificate(CertificateOf({cn, ou})), IsUnknown());
  EXPECT_THAT(PrincipalOfCertificate(CertificateOf({cn, o})), IsUnknown());
  EXPECT_THAT(PrincipalOfCertificate(CertificateOf({cn, {"CN", "y"}, o, ou})), IsUnknown());
  EXPECT_THAT(PrincipalOfCertificate(CertificateOf({cn, o, {"O", "C"}, ou})), IsUnknown());
  EXPECT_THAT(PrincipalOfCertificate(CertificateOf({cn, o, ou, {"OU", "boss"}})), IsUnknown());
  EXPECT_THAT(PrincipalOfCertificate(CertificateOf({cn, o, {"OU", "auditor,accountant"}})),
              IsUnknown());
  EXPECT_THAT(PrincipalOfCertificate(CertificateOf({{"CN", "Jeanne Martin"}, o, ou})), IsUnknown());
  // A NUL that ends the name for who reads it as a C string.
  EXPECT_THAT(PrincipalOfCertificate(CertificateOf({{"CN", std::string("x\0y", 3)}, o, ou})),
              IsUnknown());
}

TEST(PrincipalOfCertificateTest, SurvivesGarbage) {
  const std::string pem = CertificateOf({{"O", "DINUM"}, {"OU", "auditor"}, {"CN", "x"}});
  EXPECT_THAT(PrincipalOfCertificate(""), IsUnknown());
  EXPECT_THAT(PrincipalOfCertificate("garbage"), IsUnknown());
  EXPECT_THAT(PrincipalOfCertificate(std::string(100'000, 'A')), IsUnknown());
  EXPECT_THAT(PrincipalOfCertificate(pem + std::string(100'000, '\n')), IsUnknown());
  EXPECT_THAT(PrincipalOfCertificate("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
              IsUnknown());
  // Encrypted: nobody is asked for a password.
  EXPECT_THAT(PrincipalOfCertificate("-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
                                     "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
                                     "AAAA\n-----END CERTIFICATE-----\n"),
              IsUnknown());
  for (std::size_t size = 0; size + 30 < pem.size(); ++size) {
    EXPECT_THAT(PrincipalOfCertificate(pem.substr(0, size)), IsUnknown()) << size;
  }
  // One bit wrong: what still reads as a principal is a well-formed one, for the handshake has
  // already refused what was not signed so.
  for (std::size_t bit = 0; bit < pem.size() * 8; bit += 3) {
    std::string flipped = pem;
    flipped[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    const Identified identified = PrincipalOfCertificate(flipped);
    if (const auto* principal = std::get_if<Principal>(&identified)) {
      EXPECT_FALSE(principal->principal_id().empty());
      EXPECT_FALSE(principal->body_id().empty());
      EXPECT_GT(principal->roles_size(), 0);
    } else {
      EXPECT_THAT(identified, IsUnknown());
    }
  }
}

}  // namespace
}  // namespace denier::services
