// `denier backup`: what is printed, and what scripts go by. The backup folder is a real one, made
// of a real log; the server that is asked is one of the test's.
#include "store/backup.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "denier/v1/admin_service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "services/cli/client.h"
#include "services/cli/offline.h"
#include "store/batch.h"
#include "store/checkpoint.h"
#include "store/data_directory.h"
#include "store/log.h"
#include "store/sha256.h"
#include "tests/store/temporary_folder.h"

namespace denier::cli {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

store::SigningKey KeyOf(char filling) {
  const std::string pem =
      "-----BEGIN PRIVATE KEY-----\n" +
      absl::Base64Escape(absl::HexStringToBytes("302e020100300506032b657004220420") +
                         std::string(32, filling)) +
      "\n-----END PRIVATE KEY-----\n";
  return *store::SigningKey::FromPem(pem, "denier/log");
}

std::string ContentOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

struct Said {
  int code;
  std::string out, err;
};

Said RunDenier(std::vector<std::string> arguments, Lang lang = Lang::kEnglish) {
  arguments.insert(arguments.begin(), "denier");
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Client client(lang, {.in = in, .out = out, .err = err});
  const int code = client.Run(static_cast<int>(argv.size()), argv.data());
  return {code, out.str(), err.str()};
}

// ------------------------------------------------------------------------- Without a server

class BackupFolderTest : public ::testing::Test {
 protected:
  BackupFolderTest() {
    EXPECT_TRUE(store::DataDirectory::Open(data(), /*initialize=*/true).ok());
    auto log = store::Log::Open(data(), store::LogOptions{.initialize = true});
    EXPECT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  std::string data() const { return folder_.path() + "/data"; }
  std::string backups() const { return folder_.path() + "/backups"; }
  std::string restored() const { return folder_.path() + "/restored"; }

  void Append(int count) {
    const store::Position next = log_->head().next;
    store::Batch batch;
    for (int i = 0; i < count; ++i) batch.Add("event " + std::to_string(next + i));
    ASSERT_TRUE(log_->Append(batch, next).ok());
  }
  store::Backup Make() {
    const absl::StatusOr<store::Backup> backup = store::CreateBackup(*log_, data(), backups());
    EXPECT_TRUE(backup.ok()) << backup.status();
    return *backup;
  }
  // A checkpoint of the log as it is now, which somebody keeps.
  std::string Keep(const std::string& name, char key = 'k') {
    return Write(folder_.path() + "/" + name, store::SignCheckpoint(log_->head(), KeyOf(key)));
  }
  static std::string Key(char key = 'k') { return KeyOf(key).verifier().ToString(); }

  Said Run(const std::string& command, std::vector<std::string> more = {},
           Lang lang = Lang::kEnglish) {
    more.insert(more.begin(), {"backup", command, "--dir", backups()});
    return RunDenier(std::move(more), lang);
  }
  static std::string ARoot(const store::Backup& backup) { return store::ToHex(backup.head.root); }

  const store::TemporaryFolder folder_;
  std::unique_ptr<store::Log> log_;
};

TEST_F(BackupFolderTest, VerifiesTheNewestOrTheOneThatIsNamed) {
  Append(10);
  const store::Backup first = Make();
  Append(1490);
  const store::Backup second = Make();

  Said said = Run("verify");
  EXPECT_EQ(said.code, kDone) << said.err;
  EXPECT_THAT(said.out, AllOf(HasSubstr("Backup 2 of "), HasSubstr("1,500 events"),
                              HasSubstr("up to position 1499, root " + ARoot(second)),
                              HasSubstr("Sound"), HasSubstr("nothing tells")));
  said = Run("verify", {"--id", "1"}, Lang::kFrench);
  EXPECT_EQ(said.code, kDone);
  EXPECT_THAT(said.out, AllOf(HasSubstr("Sauvegarde 1 du "), HasSubstr("10 écritures"),
                              HasSubstr(ARoot(first)), HasSubstr("Conforme")));

  const auto json = nlohmann::json::parse(Run("verify", {"--format", "json"}).out);
  EXPECT_EQ(json.at("result"), "sound");
  EXPECT_EQ(json.at("backup").at("backup_id"), 2);
  EXPECT_EQ(json.at("backup").at("root"), ARoot(second));
  EXPECT_EQ(json.at("backup").at("size_bytes"), second.size_bytes) << "bytes, not euros";
  EXPECT_EQ(json.at("exit_code"), 0);
  EXPECT_THAT(Run("verify", {"--format", "csv"}).out, HasSubstr("sound,2,1499," + ARoot(second)));
}

TEST_F(BackupFolderTest, ListsWithoutAServer) {
  Append(10);
  const store::Backup backup = Make();
  EXPECT_THAT(Run("list").out, AllOf(HasSubstr("Backups"), HasSubstr(ARoot(backup))));
  EXPECT_THAT(Run("list", {}, Lang::kFrench).out,
              AllOf(HasSubstr("Sauvegardes"), HasSubstr("octets"), Not(HasSubstr("€"))));
}

TEST_F(BackupFolderTest, NamesWhatIsDamaged) {
  Append(1000);
  Make();
  Append(10);
  Make();
  // One flipped bit in each file of the first backup; the second shares what it can.
  int damaged = 0;
  for (const auto& entry : fs::recursive_directory_iterator(backups())) {
    const std::string path = entry.path().string();
    const std::string below = path.substr(backups().size());
    if (!entry.is_regular_file() || entry.file_size() == 0) continue;
    if (!below.starts_with("/log/")) continue;
    if (below.find("/private/2/") != std::string::npos || below == "/log/meta/2") continue;
    SCOPED_TRACE(below);
    const std::string good = ContentOf(path);
    std::string bad = good;
    bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 1);
    Write(path, bad);
    const Said said = Run("verify", {"--id", "1"});
    const bool is_of_second =
        below.find("/shared_checksum/") != std::string::npos && said.code == kDone;
    if (!is_of_second) {
      ++damaged;
      EXPECT_EQ(said.code, kFilesDamaged);
      EXPECT_THAT(said.out, AllOf(HasSubstr("DAMAGED"), HasSubstr(entry.path().filename().string()),
                                  Not(HasSubstr("Sound"))));
      EXPECT_THAT(Run("verify", {"--id", "1"}, Lang::kFrench).out, HasSubstr("ENDOMMAGÉE"));
      const auto json = nlohmann::json::parse(Run("verify", {"--id", "1", "--format", "json"}).out);
      EXPECT_EQ(json.at("result"), "damaged");
      EXPECT_EQ(json.at("exit_code"), kFilesDamaged);
      EXPECT_EQ(Run("restore", {"--id", "1", "--data", restored()}).code, kFilesDamaged);
      EXPECT_FALSE(fs::exists(restored() + "/FORMAT")) << "half a data folder";
    }
    Write(path, good);
  }
  EXPECT_GE(damaged, 4);  // CURRENT, MANIFEST, a table, the list
  EXPECT_EQ(Run("verify", {"--id", "1"}).code, kDone);
}

TEST_F(BackupFolderTest, ACheckpointThatSomebodyHasKeptTells) {
  Append(100);
  const std::string early = Keep("early");
  Append(100);
  Make();
  const std::string same = Keep("same");
  Append(100);
  const std::string later = Keep("later");
  for (const std::string& note : {early, same}) {
    const Said said = Run("verify", {"--checkpoint", note, "--key", Key()});
    EXPECT_EQ(said.code, kDone);
    EXPECT_THAT(said.out, AllOf(HasSubstr("begins with the log of the checkpoint"),
                                Not(HasSubstr("nothing tells"))));
  }

  const Said older = Run("verify", {"--checkpoint", later, "--key", Key()});
  EXPECT_EQ(older.code, kOlderThanCheckpoint);
  EXPECT_THAT(older.out, AllOf(HasSubstr("OLDER than the checkpoint"),
                               HasSubstr("ends at position 199"), HasSubstr("over 300 events")));
  EXPECT_THAT(Run("verify", {"--checkpoint", later, "--key", Key()}, Lang::kFrench).out,
              HasSubstr("PLUS ANCIENNE que le point de contrôle"));
  const auto json = nlohmann::json::parse(
      Run("verify", {"--checkpoint", later, "--key", Key(), "--format", "json"}).out);
  EXPECT_EQ(json.at("result"), "older");

  // So is what is restored of it, by `denier verify`.
  ASSERT_EQ(Run("restore", {"--data", restored()}).code, kDone);
  const Said verified = RunDenier(
      {"verify", "--data", restored(), "--checkpoint", later, "--key", Key(), "--format", "json"});
  EXPECT_THAT(verified.out, HasSubstr("\"exit_code\": 18"));
}

TEST_F(BackupFolderTest, AnotherHistoryOrAnotherKeyIsTold) {
  Append(100);
  Make();
  const std::string wrong_key = Keep("wrong-key", 'x');
  store::Head other = log_->head();
  other.root[0] ^= 1;
  const std::string rewritten =
      Write(folder_.path() + "/rewritten", store::SignCheckpoint(other, KeyOf('k')));

  Said said = Run("verify", {"--checkpoint", rewritten, "--key", Key()});
  EXPECT_EQ(said.code, kCheckpointContradicts);
  EXPECT_THAT(said.out, AllOf(HasSubstr("the checkpoint contradicts it"),
                              HasSubstr("another history"), Not(HasSubstr("DAMAGED"))));
  said = Run("verify", {"--checkpoint", wrong_key, "--key", Key()});
  EXPECT_EQ(said.code, kCheckpointContradicts);
  EXPECT_THAT(said.out, HasSubstr("CHECKPOINT REFUSED"));
  said = Run("verify", {"--checkpoint", folder_.path() + "/none", "--key", Key()});
  EXPECT_EQ(said.code, kUsage);
  EXPECT_EQ(Run("verify", {"--checkpoint", wrong_key}).code, kUsage) << "without a key";
  EXPECT_EQ(Run("verify", {"--checkpoint", wrong_key, "--key", "nonsense"}).code, kUsage);
  EXPECT_EQ(Run("verify", {"--checkpoint", wrong_key, "--key",
                           Write(folder_.path() + "/key", Key('x') + "\n")})
                .code,
            kDone);
}

TEST_F(BackupFolderTest, RestoresIntoAnEmptyFolderOnly) {
  Append(10);
  Make();
  Append(10);
  const store::Backup second = Make();
  const Said taken = Run("restore", {"--data", data()});
  EXPECT_EQ(taken.code, kRefused);
  EXPECT_THAT(taken.err, HasSubstr(data() + " holds other files"));
  fs::create_directory(restored());
  Write(restored() + "/thesis.txt", "my only copy");
  EXPECT_EQ(Run("restore", {"--data", restored()}).code, kRefused);
  EXPECT_EQ(ContentOf(restored() + "/thesis.txt"), "my only copy");
  fs::remove(restored() + "/thesis.txt");

  const Said said = Run("restore", {"--data", restored()});
  EXPECT_EQ(said.code, kDone) << said.err;
  EXPECT_THAT(said.out,
              AllOf(HasSubstr("Backup 2"), HasSubstr("Restored and verified in " + restored())));
  const auto log = store::Log::Open(restored(), store::LogOptions());
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ((*log)->head(), second.head);
  EXPECT_EQ(Run("restore", {"--data", restored()}).code, kRefused) << "it is not empty any more";
  EXPECT_EQ(Run("restore").code, kUsage);
}

TEST_F(BackupFolderTest, PrunesAllButTheNewest) {
  for (int i = 0; i < 4; ++i) {
    Append(10);
    Make();
  }
  EXPECT_EQ(Run("prune").code, kUsage);
  for (const char* keep : {"0", "-1", "many", "4294967297"}) {
    const Said said = Run("prune", {"--keep", keep});
    EXPECT_EQ(said.code, kUsage) << keep;
    EXPECT_THAT(said.err, HasSubstr(std::string("a number from 1, and not ") + keep));
  }
  EXPECT_THAT(Run("prune", {"--keep", "4"}).out, HasSubstr("Nothing to delete"));
  EXPECT_THAT(Run("prune", {"--keep", "2"}).out, HasSubstr("Backups deleted: 1, 2\n"));
  EXPECT_THAT(Run("prune", {"--keep", "1", "--format", "json"}).out, HasSubstr("3"));
  EXPECT_EQ(Run("verify").code, kDone);
  EXPECT_EQ(Run("verify", {"--id", "4"}).code, kDone);
  const Said gone = Run("verify", {"--id", "3"});
  EXPECT_EQ(gone.code, kTrouble);
  EXPECT_THAT(gone.err, HasSubstr("holds no backup 3"));
}

TEST_F(BackupFolderTest, SaysWhereThereIsNone) {
  for (const char* command : {"verify", "list"}) {
    const Said said = Run(command);
    EXPECT_EQ(said.code, kTrouble);
    EXPECT_THAT(said.err, HasSubstr("is not a backup folder"));
  }
  EXPECT_FALSE(fs::exists(backups()));
  EXPECT_EQ(RunDenier({"backup"}).code, kUsage);
  EXPECT_EQ(RunDenier({"backup", "verify"}).code, kUsage);
}

// ----------------------------------------------------------------------------- Of a server

// Answers as a test says, and remembers who asked.
class Server final : public v1::AdminService::Service {
 public:
  Server() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Server() override { server_->Shutdown(); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  grpc::Status CreateBackup(grpc::ServerContext* context, const v1::CreateBackupRequest*,
                            v1::CreateBackupResponse* response) override {
    Remember(*context);
    if (refusal.has_value()) return *refusal;
    *response->mutable_backup() = BackupOf(7);
    return grpc::Status::OK;
  }
  grpc::Status ListBackups(grpc::ServerContext* context, const v1::ListBackupsRequest*,
                           v1::ListBackupsResponse* response) override {
    Remember(*context);
    if (refusal.has_value()) return *refusal;
    for (int id = 1; id <= 2; ++id) *response->add_backups() = BackupOf(id);
    return grpc::Status::OK;
  }

  std::optional<grpc::Status> refusal;
  std::string roles;
  std::chrono::system_clock::time_point deadline;

 private:
  static v1::Backup BackupOf(int id) {
    v1::Backup backup;
    backup.set_backup_id(id);
    backup.set_created_time_us(1'640'995'200'000'000);
    backup.set_position(1000 * id);
    backup.set_root(std::string(32, static_cast<char>(id)));
    backup.set_size_bytes(1'234'567);
    return backup;
  }
  void Remember(const grpc::ServerContext& context) {
    const auto found = context.client_metadata().find("denier-roles");
    if (found != context.client_metadata().end()) {
      roles.assign(found->second.data(), found->second.size());
    }
    deadline = context.deadline();
  }

  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

Said Ask(const Server& server, const std::string& command, std::vector<std::string> more = {},
         Lang lang = Lang::kEnglish) {
  more.insert(more.begin(), {"backup", command, "--server", server.address()});
  return RunDenier(std::move(more), lang);
}

TEST(BackupServerTest, IsAskedForABackupByTheOperator) {
  Server server;
  const Said said = Ask(server, "create", {}, Lang::kFrench);
  EXPECT_EQ(said.code, kDone) << said.err;
  EXPECT_EQ(server.roles, "operator");
  EXPECT_GT(server.deadline, std::chrono::system_clock::now() + std::chrono::minutes(30));
  EXPECT_THAT(said.out, AllOf(HasSubstr("Sauvegarde"), HasSubstr("01/01/2022 00:00:00"),
                              HasSubstr("7000"), HasSubstr("070707"), Not(HasSubstr("€"))));
  EXPECT_EQ(Ask(server, "create", {"--timeout", "5"}).code, kDone);
  EXPECT_LT(server.deadline, std::chrono::system_clock::now() + std::chrono::minutes(1));

  const auto json = nlohmann::json::parse(Ask(server, "create", {"--format", "json"}).out);
  EXPECT_EQ(json.at("backup").at("backup_id"), 7);
  EXPECT_EQ(json.at("backup").at("size_bytes"), 1'234'567);
}

TEST(BackupServerTest, IsAskedForItsList) {
  Server server;
  EXPECT_THAT(Ask(server, "list").out,
              AllOf(HasSubstr("Backups"), HasSubstr("2022-01-01 00:00:00"), HasSubstr("2000")));
  EXPECT_EQ(server.roles, "operator");
  EXPECT_THAT(Ask(server, "list", {"--format", "csv"}).out,
              HasSubstr("backup_id,created_time,position,root,size_bytes\r\n"
                        "1,2022-01-01T00:00:00.000000Z,1000,"));
}

TEST(BackupServerTest, ItsRefusalIsTold) {
  Server server;
  google::rpc::ErrorInfo info;
  info.set_reason("NO_BACKUP_FOLDER");
  google::rpc::Status status;
  status.set_code(grpc::StatusCode::FAILED_PRECONDITION);
  status.add_details()->PackFrom(info);
  server.refusal =
      grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "no folder", status.SerializeAsString());
  for (const char* command : {"create", "list"}) {
    const Said said = Ask(server, command);
    EXPECT_EQ(said.code, kRefused);
    EXPECT_THAT(said.err, HasSubstr("--backup-dir"));
  }
  EXPECT_EQ(RunDenier({"backup", "list", "--server", "127.0.0.1:1"}).code, kTrouble);
}

}  // namespace
}  // namespace denier::cli
