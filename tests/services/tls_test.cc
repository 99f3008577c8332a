// mTLS end to end, with the certificates that deploy/dev-ca makes.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/services/commands.h"
#include "tests/services/running_server.h"
#include "tests/store/temporary_folder.h"

namespace denier::services {
namespace {

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void MakeAuthority(const std::string& folder) {
  ASSERT_EQ(std::system(("deploy/dev-ca " + folder + " >/dev/null").c_str()), 0);
}

class TlsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    authority_ = new store::TemporaryFolder;
    MakeAuthority(authority_->path());
  }
  static void TearDownTestSuite() { delete std::exchange(authority_, nullptr); }

  TlsTest() : server_(Options()) {}

  static ServerOptions Options() {
    ServerOptions options;
    options.tls_ca = authority_->path() + "/ca.pem";
    options.tls_certificate = authority_->path() + "/server.pem";
    options.tls_key = authority_->path() + "/server.key";
    return options;
  }

  // A client that shows the certificate `name` of `folder`; empty: none.
  static std::shared_ptr<grpc::ChannelCredentials> Showing(const std::string& name,
                                                           const std::string& folder) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = Read(authority_->path() + "/ca.pem");
    if (!name.empty()) {
      options.pem_cert_chain = Read(folder + "/" + name + ".pem");
      options.pem_private_key = Read(folder + "/" + name + ".key");
    }
    return grpc::SslCredentials(options);
  }

  // One command with a short deadline, so that a connection that fails is an answer.
  Answer Execute(const v1::Command& command) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    // Under TLS what the metadata claims counts for nothing.
    Identify(context, Manager());
    return Call(server_.commands(), context, command);
  }

  Answer ExecuteAs(const std::string& name, const v1::Command& command) {
    server_.Connect(Showing(name, authority_->path()));
    return Execute(command);
  }

  static store::TemporaryFolder* authority_;
  RunningServer server_;
};
store::TemporaryFolder* TlsTest::authority_ = nullptr;

TEST_F(TlsTest, TheCertificateSaysWhoCalls) {
  EXPECT_THAT(ExecuteAs("djepva-programme-manager", CreateAgreement("a-1", 2022, 2022, 1'000'00)),
              IsAcceptedAt(0));
  EXPECT_THAT(ExecuteAs("djepva-programme-manager", CreateEnvelope("e-1", "coaching", "DINUM", {})),
              IsAcceptedAt(1));
  EXPECT_THAT(ExecuteAs("djepva-programme-manager", Allocate("al-1", "coaching", 500'00, 500'00)),
              IsAcceptedAt(2));
  EXPECT_THAT(ExecuteAs("dinum-officer", Engage("ec-1", "coaching", {{"l1", 500'00}})),
              IsAcceptedAt(3));
}

TEST_F(TlsTest, TheRoleOfTheCertificateCounts) {
  ASSERT_THAT(ExecuteAs("djepva-programme-manager", CreateAgreement("a-1", 2022, 2022, 1'000'00)),
              IsAcceptedAt(0));
  ASSERT_THAT(ExecuteAs("djepva-programme-manager", CreateEnvelope("e-1", "coaching", "DINUM", {})),
              IsAcceptedAt(1));
  const v1::Command engage = Engage("ec-1", "coaching", {{"l1", 1}});
  EXPECT_THAT(ExecuteAs("djepva-officer", engage), RefusedAs(v1::ERROR_REASON_WRONG_BODY));
  for (const char* name : {"djepva-programme-manager", "accountant", "auditor", "operator"}) {
    EXPECT_THAT(ExecuteAs(name, engage), RefusedAs(v1::ERROR_REASON_WRONG_ROLE)) << name;
  }
  EXPECT_EQ(server_.head(), 1);
}

TEST_F(TlsTest, ACertificateOfAnotherAuthorityIsRefused) {
  const store::TemporaryFolder other;
  MakeAuthority(other.path());
  server_.Connect(Showing("djepva-programme-manager", other.path()));
  EXPECT_EQ(Execute(CreateAgreement("a-1", 2022, 2022, 1'000'00)).status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(server_.head(), -1);
}

TEST_F(TlsTest, NoCertificateIsRefused) {
  server_.Connect(Showing("", ""));
  EXPECT_EQ(Execute(CreateAgreement("a-1", 2022, 2022, 1'000'00)).status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
  server_.Connect(grpc::InsecureChannelCredentials());
  EXPECT_EQ(Execute(CreateAgreement("a-1", 2022, 2022, 1'000'00)).status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(server_.head(), -1);
}

TEST_F(TlsTest, TheServersOwnCertificateIsNobodys) {
  // Signed by the authority, but not for clients.
  server_.Connect(Showing("server", authority_->path()));
  EXPECT_EQ(Execute(CreateAgreement("a-1", 2022, 2022, 1'000'00)).status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST(DevelopmentAuthorityTest, RunAgainItKeepsWhatIsValid) {
  const store::TemporaryFolder folder;
  MakeAuthority(folder.path());
  const std::string before = Read(folder.path() + "/accountant.pem");
  MakeAuthority(folder.path());
  EXPECT_EQ(Read(folder.path() + "/accountant.pem"), before);
  // What is damaged is made again.
  std::ofstream(folder.path() + "/accountant.pem") << before.substr(0, 100);
  MakeAuthority(folder.path());
  EXPECT_GT(Read(folder.path() + "/accountant.pem").size(), 100u);
}

}  // namespace
}  // namespace denier::services
