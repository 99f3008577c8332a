// kill -9 of real denierd processes under load. After each start nothing acknowledged is lost,
// nothing stands twice, and the roots agree. (It does not test syncs: crash_power_test.cc does.)
// Killed while it makes a backup, the older ones are good, and so is the next.
//
// DENIER_CRASH_CYCLES: how often (20).
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "denier/v1/admin_service.grpc.pb.h"
#include "denier/v1/audit_service.grpc.pb.h"
#include "denier/v1/command_service.grpc.pb.h"
#include "services/rules/decide.h"
#include "store/backup.h"
#include "store/merkle.h"
#include "tests/faults/acknowledged.h"
#include "tests/services/commands.h"
#include "tests/store/temporary_folder.h"

namespace denier::faults {
namespace {

constexpr int kClients = 4;

int Cycles() {
  const char* text = std::getenv("DENIER_CRASH_CYCLES");
  return text == nullptr ? 20 : std::atoi(text);
}

// A denierd of its own, killed at the latest when this object ends.
class Process {
 public:
  explicit Process(const std::string& data_folder) {
    const std::string denierd =
        std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "denierd";
    const std::string log_file = data_folder + ".jsonl";
    const std::string backups = data_folder + ".backups";
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      execl(denierd.c_str(), "denierd", "--data", data_folder.c_str(), "--init", "--listen",
            "127.0.0.1:0", "--metrics", "off", "--development", "--log-file", log_file.c_str(),
            "--backup-dir", backups.c_str(), nullptr);
      std::perror(denierd.c_str());
      _exit(127);
    }
    close(ends[1]);
    // "denierd ready on 127.0.0.1:41234 (position 7)"
    FILE* output = fdopen(ends[0], "r");
    char address[64] = "";
    if (std::fscanf(output, "denierd ready on %63s", address) == 1) address_ = address;
    std::fclose(output);
  }
  ~Process() { Kill(); }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Empty: it has not started.
  const std::string& address() const { return address_; }

  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  std::string address_;
};

void ActAs(grpc::ClientContext& context, std::string_view id, std::string_view body,
           std::string_view role) {
  context.AddMetadata("denier-principal", std::string(id));
  context.AddMetadata("denier-body", std::string(body));
  context.AddMetadata("denier-roles", std::string(role));
}

class CrashTest : public testing::Test {
 protected:
  void TurnOn() {
    process_ = std::make_unique<Process>(folder_.path() + "/data");
    ASSERT_NE(process_->address(), "") << "denierd has not started";
    channel_ = grpc::CreateChannel(process_->address(), grpc::InsecureChannelCredentials());
  }

  // One command in a stream of its own. False: no answer.
  bool Note(const v1::Command& command, std::string_view id, std::string_view body,
            std::string_view role) {
    const std::string request_id = rules::HeaderOf(command)->request_id();
    grpc::ClientContext context;
    ActAs(context, id, body, role);
    auto stub = v1::CommandService::NewStub(channel_);
    auto stream = stub->ExecuteCommands(&context);
    v1::ExecuteCommandsRequest request;
    *request.add_commands() = command;
    v1::ExecuteCommandsResponse response;
    const bool answered = stream->Write(request) && stream->Read(&response);
    stream->WritesDone();
    if (!answered) {
      acknowledged_.Unanswered(request_id);
      return false;
    }
    EXPECT_EQ(response.outcomes_size(), 1);
    EXPECT_TRUE(response.outcomes(0).has_result()) << response.ShortDebugString();
    if (!response.outcomes(0).has_result()) return false;
    acknowledged_.Accepted(request_id, response.outcomes(0).result().position());
    ++acknowledgements_;
    acknowledgements_.notify_all();
    return true;
  }
  bool NoteOfManager(const v1::Command& command) {
    return Note(command, "pm-1", "DJEPVA", "programme_manager");
  }
  bool NoteOfOfficer(const std::string& request_id) {
    return Note(services::Engage(request_id, "coaching", {{"l1", 1}}), "ao-1", "DINUM",
                "authorising_officer");
  }

  // Clients that engage a cent at a time; the server is killed once `count` more are acknowledged.
  void KillUnderLoad(int cycle, int count) {
    const int wanted = acknowledgements_ + count;
    std::vector<std::thread> clients;
    for (int client = 0; client < kClients; ++client) {
      clients.emplace_back([this, cycle, client] {
        for (int i = 0;; ++i) {
          if (!NoteOfOfficer("ec-" + std::to_string(cycle) + "-" + std::to_string(client) + "-" +
                             std::to_string(i))) {
            return;
          }
        }
      });
    }
    for (int seen = acknowledgements_; seen < wanted; seen = acknowledgements_) {
      acknowledgements_.wait(seen);
    }
    process_->Kill();
    for (std::thread& client : clients) client.join();
  }

  // Reads the events since the last time, and goes on with the tree.
  void ReadOn() {
    grpc::ClientContext context;
    ActAs(context, "auditor-1", "CDC", "auditor");
    auto stub = v1::AuditService::NewStub(channel_);
    v1::StreamEventsRequest request;
    request.set_from_position(static_cast<std::int64_t>(tree_.size()));
    auto stream = stub->StreamEvents(&context, request);
    v1::StreamEventsResponse response;
    while (stream->Read(&response)) {
      for (const auto& record : response.records()) {
        ASSERT_EQ(record.position(), static_cast<std::int64_t>(tree_.size()));
        tree_.Append(store::LeafHash(record.event().SerializeAsString()));
        request_ids_.push_back(record.event().request_id());
      }
    }
    const grpc::Status status = stream->Finish();
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  std::string RootOfServer() {
    grpc::ClientContext context;
    ActAs(context, "operator-1", "DINUM", "operator");
    v1::GetStatusResponse response;
    const grpc::Status status =
        v1::AdminService::NewStub(channel_)->GetStatus(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.root();
  }

  void Compare() {
    ReadOn();
    ASSERT_FALSE(HasFatalFailure());
    // An independent computation, over what the API shows: all events since the first one.
    ASSERT_EQ(RootOfServer(), store::AsBytes(tree_.Root()));
    ASSERT_EQ(acknowledged_.FirstBreach(0, request_ids_), "");
  }

  store::TemporaryFolder folder_;
  std::unique_ptr<Process> process_;
  std::shared_ptr<grpc::Channel> channel_;
  Acknowledged acknowledged_;
  std::atomic<int> acknowledgements_ = 0;
  store::MerkleFrontier tree_;
  std::vector<std::string> request_ids_;
};

TEST_F(CrashTest, AKilledServerKeepsWhatItAcknowledged) {
  TurnOn();
  ASSERT_FALSE(HasFatalFailure());
  constexpr std::int64_t kCredits = 1'000'000'000'00;
  ASSERT_TRUE(NoteOfManager(services::CreateAgreement("agreement", 2022, 2022, kCredits)));
  ASSERT_TRUE(NoteOfManager(services::CreateEnvelope("envelope", "coaching", "DINUM", {2022})));
  ASSERT_TRUE(NoteOfManager(services::Allocate("credits", "coaching", kCredits, kCredits)));
  for (int cycle = 0; cycle < Cycles(); ++cycle) {
    SCOPED_TRACE("cycle " + std::to_string(cycle));
    std::mt19937 random(static_cast<std::uint32_t>(cycle));
    KillUnderLoad(cycle, 1 + static_cast<int>(random() % 150));
    TurnOn();
    ASSERT_FALSE(HasFatalFailure());
    Compare();
    ASSERT_FALSE(HasFatalFailure());
    for (const std::string& request_id : acknowledged_.unanswered()) {
      ASSERT_TRUE(NoteOfOfficer(request_id));
    }
    Compare();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_EQ(acknowledged_.size(), request_ids_.size());
  }
}

// What happens to the files of a folder, and of the folders in it, as the system tells it.
class FolderWatch {
 public:
  explicit FolderWatch(const std::string& folder) : fd_(inotify_init1(IN_CLOEXEC)) {
    Add(folder);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.is_directory()) Add(entry.path());
    }
  }
  ~FolderWatch() { close(fd_); }
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

  // Waits until `count` more things have happened. False: `done` first.
  bool Await(int count, const std::atomic<bool>& done) {
    while (count > 0) {
      pollfd ready{fd_, POLLIN, 0};
      if (poll(&ready, 1, /*timeout=*/20) != 1) {
        if (done) return false;
        continue;
      }
      alignas(inotify_event) std::array<char, 4096> bytes{};
      const ssize_t size = read(fd_, bytes.data(), bytes.size());
      for (ssize_t at = 0; at < size;) {
        const auto* event = reinterpret_cast<const inotify_event*>(bytes.data() + at);
        if ((event->mask & IN_ISDIR) != 0 && (event->mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
          Add(folders_[event->wd] + "/" + event->name);
        }
        --count;
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      }
    }
    return true;
  }

 private:
  void Add(const std::string& folder) {
    const int watch = inotify_add_watch(
        fd_, folder.c_str(), IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE | IN_DELETE);
    if (watch >= 0) folders_[watch] = folder;
  }

  int fd_;
  std::map<int, std::string> folders_;
};

class BackupCrashTest : public CrashTest {
 protected:
  std::string backups() const { return folder_.path() + "/data.backups"; }

  // False: no answer.
  bool MakeBackup(v1::Backup* backup) {
    grpc::ClientContext context;
    ActAs(context, "operator-1", "DINUM", "operator");
    v1::CreateBackupResponse response;
    const grpc::Status status =
        v1::AdminService::NewStub(channel_)->CreateBackup(&context, {}, &response);
    *backup = response.backup();
    if (!status.ok()) {
      // Only the end of the process excuses it.
      EXPECT_TRUE(status.error_details().empty()) << status.error_message();
    }
    return status.ok();
  }

  std::vector<store::BackupId> Listed() {
    const auto listed = store::ListBackups(backups());
    EXPECT_TRUE(listed.ok()) << listed.status();
    std::vector<store::BackupId> ids;
    for (const store::Backup& backup : *listed) ids.push_back(backup.id);
    return ids;
  }

  // It is there, and all of it; it holds every event up to `position`.
  void ExpectGood(store::BackupId id, std::int64_t position) {
    const auto verified = store::VerifyBackup(backups(), id);
    ASSERT_TRUE(verified.ok()) << "backup " << id << ": " << verified.status();
    EXPECT_GT(static_cast<std::int64_t>(verified->head.next), position) << "backup " << id;
    if (const auto known = good_.find(id); known != good_.end()) {
      EXPECT_EQ(verified->head, known->second) << "backup " << id << " has changed";
    }
    good_[id] = verified->head;
  }

  // Kills the server after `steps` things that a backup did to its folder, while a client engages.
  // True: the backup was made before.
  bool KillInBackup(int cycle, int steps) {
    std::atomic<bool> answered = false;
    v1::Backup backup;
    bool made = false;
    std::thread client([this, cycle] {
      for (int i = 0; NoteOfOfficer("bk-" + std::to_string(cycle) + "-" + std::to_string(i));) ++i;
    });
    const int seen = acknowledgements_;
    acknowledgements_.wait(seen);
    const std::int64_t before = acknowledged_.last();
    FolderWatch watch(backups());
    std::thread caller([&] {
      made = MakeBackup(&backup);
      answered = true;
    });
    watch.Await(steps, answered);
    process_->Kill();
    caller.join();
    client.join();
    if (made) ExpectGood(static_cast<store::BackupId>(backup.backup_id()), before);
    return made;
  }

  std::map<store::BackupId, store::Head> good_;
};

TEST_F(BackupCrashTest, AKilledServerLeavesItsBackupsGood) {
  TurnOn();
  ASSERT_FALSE(HasFatalFailure());
  constexpr std::int64_t kCredits = 1'000'000'000'00;
  ASSERT_TRUE(NoteOfManager(services::CreateAgreement("agreement", 2022, 2022, kCredits)));
  ASSERT_TRUE(NoteOfManager(services::CreateEnvelope("envelope", "coaching", "DINUM", {2022})));
  ASSERT_TRUE(NoteOfManager(services::Allocate("credits", "coaching", kCredits, kCredits)));
  v1::Backup backup;
  ASSERT_TRUE(MakeBackup(&backup));
  ExpectGood(1, 2);

  // One step further each time, until a backup is through before it is killed.
  int cycle = 0;
  for (bool made = false; !made; ++cycle) {
    SCOPED_TRACE("killed after " + std::to_string(cycle) + " steps");
    ASSERT_LT(cycle, 400) << "no backup ever comes to its end";
    const std::vector<store::BackupId> older = Listed();
    made = KillInBackup(cycle, cycle);
    ASSERT_FALSE(HasFatalFailure());
    const std::vector<store::BackupId> left = Listed();
    ASSERT_GE(left.size(), older.size());
    ASSERT_LE(left.size(), older.size() + 1);  // it may have had all but its answer
    ASSERT_TRUE(std::equal(older.begin(), older.end(), left.begin()));
    for (const store::BackupId id : left) {
      ExpectGood(id, 2);
      ASSERT_FALSE(HasFatalFailure());
    }

    TurnOn();
    ASSERT_FALSE(HasFatalFailure());
    Compare();
    ASSERT_FALSE(HasFatalFailure());
    for (const std::string& request_id : acknowledged_.unanswered()) {
      ASSERT_TRUE(NoteOfOfficer(request_id));
    }
    ASSERT_TRUE(MakeBackup(&backup)) << "the next one";
    ExpectGood(static_cast<store::BackupId>(backup.backup_id()), acknowledged_.last());
    for (const store::BackupId id : left) {
      ExpectGood(id, 2);
      ASSERT_FALSE(HasFatalFailure());
    }
    const auto deleted = store::PruneBackups(backups(), 3);
    ASSERT_TRUE(deleted.ok()) << deleted.status();
    for (const store::BackupId id : *deleted) good_.erase(id);
  }
  EXPECT_GT(cycle, 10) << "it was hardly ever killed in a backup";
  RecordProperty("kills", cycle - 1);
}

}  // namespace
}  // namespace denier::faults
