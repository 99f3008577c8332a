// Backups that a whole server makes: who may have them, one at a time, under load; and what a
// server comes to that starts on a restored one.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "denier/v1/admin_service.grpc.pb.h"
#include "denier/v1/audit_service.grpc.pb.h"
#include "denier/v1/query_service.grpc.pb.h"
#include "store/backup.h"
#include "store/sha256.h"
#include "tests/faults/held_disk.h"
#include "tests/services/commands.h"
#include "tests/services/running_server.h"
#include "tests/store/temporary_folder.h"

namespace denier::services {
namespace {

namespace fs = std::filesystem;

using faults::HeldDisk;

constexpr std::int64_t kCredits = 1'000'000'00;

ServerOptions Into(const std::string& backups,
                   std::shared_ptr<rocksdb::FileSystem> disk = nullptr) {
  ServerOptions options;
  options.backup_directory = backups;
  options.file_system = std::move(disk);
  return options;
}

events::v1::Principal Auditor() { return Principal("auditor-1", "CDC", events::v1::ROLE_AUDITOR); }

// Either RPC; its status, and what it answered.
struct Made {
  grpc::Status status;
  v1::Backup backup;
};
Made Create(RunningServer& server, const events::v1::Principal& who = Operator()) {
  const auto context = RunningServer::ContextOf(who);
  v1::CreateBackupResponse response;
  Made made;
  made.status =
      v1::AdminService::NewStub(server.channel())->CreateBackup(context.get(), {}, &response);
  made.backup = response.backup();
  return made;
}
struct Listed {
  grpc::Status status;
  std::vector<v1::Backup> backups;
};
Listed List(RunningServer& server, const events::v1::Principal& who = Operator()) {
  const auto context = RunningServer::ContextOf(who);
  v1::ListBackupsResponse response;
  Listed listed;
  listed.status =
      v1::AdminService::NewStub(server.channel())->ListBackups(context.get(), {}, &response);
  listed.backups.assign(response.backups().begin(), response.backups().end());
  return listed;
}

// DINUM has 1,000,000.00 in the envelope "coaching".
void Begin(RunningServer& server) {
  ASSERT_THAT(server.Execute(Manager(), CreateAgreement("a-1", 2022, 2022, kCredits)),
              IsAcceptedAt(0));
  ASSERT_THAT(server.Execute(Manager(), CreateEnvelope("e-1", "coaching", "DINUM", {2022})),
              IsAcceptedAt(1));
  ASSERT_THAT(server.Execute(Manager(), Allocate("al-1", "coaching", kCredits, kCredits)),
              IsAcceptedAt(2));
}

// The request ids of the events, by position.
std::vector<std::string> RequestIdsOf(RunningServer& server) {
  const auto context = RunningServer::ContextOf(Auditor());
  const auto stub = v1::AuditService::NewStub(server.channel());
  const auto stream = stub->StreamEvents(context.get(), v1::StreamEventsRequest());
  std::vector<std::string> ids;
  v1::StreamEventsResponse response;
  while (stream->Read(&response)) {
    for (const auto& record : response.records()) ids.push_back(record.event().request_id());
  }
  const grpc::Status status = stream->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return ids;
}

// The yearly table and the trial balance at the moment of `position`, to the byte.
std::string ReportsAt(RunningServer& server, std::int64_t position) {
  const auto stub = v1::QueryService::NewStub(server.channel());
  std::string text;
  const auto ask = [&](auto request, auto response, auto method) {
    request.mutable_header()->set_agreement_id(std::string(kAgreement));
    request.mutable_header()->set_as_of_position(position);
    const auto context = RunningServer::ContextOf(Auditor());
    const grpc::Status status = ((*stub).*method)(context.get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    text += response.DebugString();
  };
  ask(v1::GetYearlyExecutionRequest(), v1::GetYearlyExecutionResponse(),
      &v1::QueryService::Stub::GetYearlyExecution);
  ask(v1::GetTrialBalanceRequest(), v1::GetTrialBalanceResponse(),
      &v1::QueryService::Stub::GetTrialBalance);
  return text;
}

std::string RootOf(RunningServer& server) {
  const auto context = RunningServer::ContextOf(Operator());
  v1::GetStatusResponse response;
  EXPECT_TRUE(
      v1::AdminService::NewStub(server.channel())->GetStatus(context.get(), {}, &response).ok());
  return response.root();
}

// A server that starts on what is restored of `backups`, and may not begin a log.
void StartRestored(RunningServer& server, const std::string& backups,
                   std::optional<store::BackupId> id) {
  server.Stop();
  const std::string data = server.folder() + "/data";
  fs::remove_all(data);
  const absl::StatusOr<store::Backup> restored = store::RestoreBackup(backups, id, data);
  ASSERT_TRUE(restored.ok()) << restored.status();
  server.options().initialize = false;
  server.Start();
}

TEST(BackupsTest, WithoutAFolderThereAreNone) {
  RunningServer server;
  EXPECT_THAT(Create(server).status, RefusedAs(v1::ERROR_REASON_NO_BACKUP_FOLDER));
  EXPECT_THAT(List(server).status, RefusedAs(v1::ERROR_REASON_NO_BACKUP_FOLDER));
}

TEST(BackupsTest, AreForOperatorsOnly) {
  const store::TemporaryFolder folder;
  RunningServer server(Into(folder.path() + "/backups"));
  for (const auto& who : {Manager(), Officer(), Accountant(), Auditor()}) {
    EXPECT_THAT(Create(server, who).status, RefusedAs(v1::ERROR_REASON_WRONG_ROLE));
    EXPECT_THAT(List(server, who).status, RefusedAs(v1::ERROR_REASON_WRONG_ROLE));
  }
  EXPECT_THAT(Create(server, events::v1::Principal()).status,
              RefusedAs(v1::ERROR_REASON_UNKNOWN_PRINCIPAL));
  EXPECT_FALSE(fs::exists(folder.path() + "/backups")) << "a refused call left something";
}

TEST(BackupsTest, AreListedAsTheyWereMade) {
  const store::TemporaryFolder folder;
  const std::string backups = folder.path() + "/backups";
  RunningServer server(Into(backups));
  EXPECT_TRUE(List(server).status.ok()) << "before the first";
  EXPECT_EQ(List(server).backups.size(), 0U);
  Begin(server);
  const Made first = Create(server);
  ASSERT_TRUE(first.status.ok()) << first.status.error_message();
  EXPECT_EQ(first.backup.position(), 2);
  EXPECT_EQ(first.backup.root(), RootOf(server));
  EXPECT_GT(first.backup.size_bytes(), 0);
  ASSERT_THAT(server.Execute(Officer(), Engage("ec-1", "coaching", {{"l1", 1}})), IsAcceptedAt(3));
  const Made second = Create(server);
  ASSERT_TRUE(second.status.ok()) << second.status.error_message();

  const Listed listed = List(server);
  ASSERT_EQ(listed.backups.size(), 2U);
  EXPECT_EQ(listed.backups[0].DebugString(), first.backup.DebugString());
  EXPECT_EQ(listed.backups[1].DebugString(), second.backup.DebugString());
  EXPECT_NE(first.backup.root(), second.backup.root());
}

TEST(BackupsTest, AFolderOfSomethingElseIsLeftAlone) {
  const store::TemporaryFolder folder;
  std::ofstream(folder.path() + "/thesis.txt") << "my only copy";
  RunningServer server(Into(folder.path()));
  Begin(server);
  const Made made = Create(server);
  EXPECT_THAT(made.status, RefusedAs(v1::ERROR_REASON_BACKUP_FAILED));
  EXPECT_NE(made.status.error_message().find("thesis.txt"), std::string::npos);
  EXPECT_THAT(server.Execute(Officer(), Engage("ec-1", "coaching", {{"l1", 1}})), IsAcceptedAt(3))
      << "the books are not touched by it";
}

TEST(BackupsTest, OneAtATime) {
  const store::TemporaryFolder folder;
  const auto disk = std::make_shared<HeldDisk>();
  RunningServer server(Into(folder.path() + "/backups", disk));
  Begin(server);
  disk->Hold(HeldDisk::At::kFreeSpace);  // where a backup begins
  std::future<Made> first = std::async(std::launch::async, [&] { return Create(server); });
  disk->AwaitHeld();
  EXPECT_THAT(Create(server).status, RefusedAs(v1::ERROR_REASON_OVERLOADED));
  EXPECT_TRUE(List(server).status.ok());
  disk->Hold(HeldDisk::At::kNothing);
  const Made made = first.get();
  EXPECT_TRUE(made.status.ok()) << made.status.error_message();
  EXPECT_TRUE(Create(server).status.ok()) << "the next one has its turn";
  EXPECT_EQ(List(server).backups.size(), 2U);
}

// Clients that engage a cent at a time, and write down what was acknowledged.
class Load {
 public:
  explicit Load(RunningServer& server) {
    for (int client = 0; client < kClients; ++client) {
      clients_.emplace_back([this, &server, client] {
        for (int i = 0; !stop_; ++i) {
          const std::string id = "ec-" + std::to_string(client) + "-" + std::to_string(i);
          const Answer answer = server.Execute(Officer(), Engage(id, "coaching", {{"l1", 1}}));
          ASSERT_THAT(answer, IsAccepted());
          {
            const std::lock_guard<std::mutex> lock(mutex_);
            positions_[id] = answer.result.position();
          }
          ++count_;
          count_.notify_all();
        }
      });
    }
  }
  ~Load() { Stop(); }

  // Until there are `more` acknowledgements than now.
  void Await(int more) {
    const int wanted = count_ + more;
    for (int seen = count_; seen < wanted; seen = count_) count_.wait(seen);
  }
  std::map<std::string, std::int64_t> acknowledged() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return positions_;
  }
  void Stop() {
    stop_ = true;
    for (std::thread& client : clients_) client.join();
    clients_.clear();
  }

 private:
  static constexpr int kClients = 4;

  std::mutex mutex_;
  std::map<std::string, std::int64_t> positions_;  // guarded by mutex_
  std::atomic<int> count_ = 0;
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> clients_;
};

TEST(BackupsTest, UnderLoadHoldEveryEventAcknowledgedBefore) {
  const store::TemporaryFolder folder;
  const std::string backups = folder.path() + "/backups";
  RunningServer server(Into(backups));
  Begin(server);
  struct Taken {
    std::map<std::string, std::int64_t> acknowledged;  // before the call
    v1::Backup backup;
  };
  std::vector<Taken> taken;
  std::size_t meanwhile = 0;  // acknowledged while a backup was made
  {
    Load load(server);
    for (int i = 0; i < 5; ++i) {
      load.Await(100);
      Taken one;
      one.acknowledged = load.acknowledged();
      const Made made = Create(server);
      ASSERT_TRUE(made.status.ok()) << made.status.error_message();
      one.backup = made.backup;
      meanwhile += load.acknowledged().size() - one.acknowledged.size();
      taken.push_back(std::move(one));
    }
  }
  EXPECT_GT(meanwhile, 0U) << "commands do not go on";
  const std::int64_t head = server.head();
  RunningServer other;
  for (const Taken& one : taken) {
    SCOPED_TRACE("backup " + std::to_string(one.backup.backup_id()));
    const auto id = static_cast<store::BackupId>(one.backup.backup_id());
    ASSERT_TRUE(store::VerifyBackup(backups, id).ok());
    StartRestored(other, backups, id);
    ASSERT_FALSE(testing::Test::HasFatalFailure());
    EXPECT_EQ(other.head(), one.backup.position());
    EXPECT_EQ(RootOf(other), one.backup.root());
    const std::vector<std::string> ids = RequestIdsOf(other);
    ASSERT_EQ(static_cast<std::int64_t>(ids.size()), one.backup.position() + 1);
    for (const auto& [request_id, position] : one.acknowledged) {
      ASSERT_LT(position, static_cast<std::int64_t>(ids.size())) << request_id << " is lost";
      EXPECT_EQ(ids[static_cast<std::size_t>(position)], request_id);
    }
    EXPECT_EQ(ReportsAt(other, one.backup.position()), ReportsAt(server, one.backup.position()));
  }
  EXPECT_EQ(server.head(), head);
}

// It goes on as the lost server would have: a request that it knows is answered as it was.
TEST(BackupsTest, ARestoredFolderGoesOn) {
  const store::TemporaryFolder folder;
  const std::string backups = folder.path() + "/backups";
  RunningServer server(Into(backups));
  Begin(server);
  const v1::Command engage = Engage("ec-1", "coaching", {{"l1", 100'00}});
  ASSERT_THAT(server.Execute(Officer(), engage), IsAcceptedAt(3));
  ASSERT_TRUE(Create(server).status.ok());
  ASSERT_THAT(server.Execute(Officer(), Engage("ec-2", "coaching", {{"l1", 1}})), IsAcceptedAt(4));

  RunningServer other;
  StartRestored(other, backups, std::nullopt);
  ASSERT_FALSE(testing::Test::HasFatalFailure());
  EXPECT_EQ(other.head(), 3);
  EXPECT_EQ(ReportsAt(other, 3), ReportsAt(server, 3));
  EXPECT_NE(ReportsAt(other, 3), ReportsAt(server, 4));
  EXPECT_THAT(other.Execute(Officer(), engage), IsAcceptedAt(3));
  EXPECT_THAT(other.Execute(Officer(), Engage("ec-3", "coaching", {{"l1", 1}})), IsAcceptedAt(4));
}

}  // namespace
}  // namespace denier::services
