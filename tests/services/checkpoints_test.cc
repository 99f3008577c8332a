// Checkpoints and proofs of a whole server: when they are published, what they are worth to whoever
// asks, and what a folder that was taken back, exchanged or signed by another comes to.
#include "services/checkpoints.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "denier/v1/audit_service.grpc.pb.h"
#include "store/checkpoint.h"
#include "store/merkle.h"
#include "store/proof.h"
#include "tests/faults/fault_file_system.h"
#include "tests/services/commands.h"
#include "tests/services/running_server.h"

namespace denier::services {
namespace {

using std::chrono::steady_clock;
using store::Hash;
using store::Head;
using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;

// Test keys, PKCS#8: 16 bytes that say "Ed25519, 32 bytes follow", and the 32.
std::string PemOf(char filling) {
  return "-----BEGIN PRIVATE KEY-----\n" +
         absl::Base64Escape(absl::HexStringToBytes("302e020100300506032b657004220420") +
                            std::string(32, filling)) +
         "\n-----END PRIVATE KEY-----\n";
}

store::SigningKey KeyOf(char filling, const std::string& name = "denier/log") {
  return *store::SigningKey::FromPem(PemOf(filling), name);
}

// Waits for the file `checkpoint` of a folder to be replaced, as the system tells it.
class CheckpointWatch {
 public:
  explicit CheckpointWatch(const std::string& folder) : fd_(inotify_init1(IN_CLOEXEC)) {
    EXPECT_GE(inotify_add_watch(fd_, folder.c_str(), IN_MOVED_TO), 0);
  }
  ~CheckpointWatch() { close(fd_); }
  CheckpointWatch(const CheckpointWatch&) = delete;
  CheckpointWatch& operator=(const CheckpointWatch&) = delete;

  // Returns at the next replacement, or one that was not waited for yet; false: none in a minute.
  bool Await() {
    while (pending_ == 0) {
      pollfd ready{fd_, POLLIN, 0};
      if (poll(&ready, 1, 60'000) != 1) return false;
      alignas(inotify_event) std::array<char, 4096> bytes;
      const ssize_t count = read(fd_, bytes.data(), bytes.size());
      for (ssize_t at = 0; at < count;) {
        const auto* event = reinterpret_cast<const inotify_event*>(bytes.data() + at);
        if (std::string_view(event->name) == "checkpoint") ++pending_;
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      }
    }
    --pending_;
    return true;
  }

 private:
  const int fd_;
  int pending_ = 0;
};

class CheckpointsTest : public testing::Test {
 protected:
  // Nothing is published after the start, unless a test says so.
  static constexpr auto kNever = std::chrono::hours(1);

  void Start(ServerOptions options = {}) {
    if (options.checkpoint_key.empty()) options.checkpoint_key = KeyFile('k');
    server_ = std::make_unique<RunningServer>(options);
    audits_ = v1::AuditService::NewStub(server_->channel());
  }
  static ServerOptions Publishing(std::chrono::milliseconds delay) {
    ServerOptions options;
    options.checkpoint_delay = delay;
    return options;
  }

  std::string KeyFile(char filling) {
    std::string path = keys_.path() + "/" + filling;
    std::ofstream(path) << PemOf(filling);
    return path;
  }

  // `count` more events.
  void Add(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string id = history_ + std::to_string(++commands_);
      const v1::Command command = commands_ == 1
                                      ? CreateAgreement(id, 2022, 2022, 1'000'000'00)
                                      : CreateEnvelope(id, "envelope-" + id, "DINUM", {2022});
      ASSERT_THAT(server_->Execute(Manager(), command), IsAccepted());
    }
  }

  std::string data() const { return server_->options().data_directory; }
  std::string File() const {
    std::ifstream file(data() + "/checkpoint", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  store::Position FileSize() const {
    return store::OpenCheckpoint(File(), KeyOf('k').verifier())->head.next;
  }

  struct Called {
    grpc::Status status;
    v1::GetCheckpointResponse checkpoint;
    v1::GetInclusionProofResponse inclusion;
    v1::GetConsistencyProofResponse consistency;
  };
  Called Checkpoint(std::optional<std::int64_t> size = std::nullopt, bool fresh = false,
                    const events::v1::Principal& who = Operator()) {
    v1::GetCheckpointRequest request;
    if (size.has_value()) request.set_size(*size);
    request.set_fresh(fresh);
    Called called;
    called.status =
        audits_->GetCheckpoint(RunningServer::ContextOf(who).get(), request, &called.checkpoint);
    return called;
  }
  Called Fresh() { return Checkpoint(std::nullopt, true); }
  Called Inclusion(std::int64_t position, std::int64_t size) {
    v1::GetInclusionProofRequest request;
    request.set_position(position);
    request.set_size(size);
    Called called;
    called.status = audits_->GetInclusionProof(RunningServer::ContextOf(Operator()).get(), request,
                                               &called.inclusion);
    return called;
  }
  Called Consistency(std::int64_t old_size, std::int64_t new_size) {
    v1::GetConsistencyProofRequest request;
    request.set_old_size(old_size);
    request.set_new_size(new_size);
    Called called;
    called.status = audits_->GetConsistencyProof(RunningServer::ContextOf(Operator()).get(),
                                                 request, &called.consistency);
    return called;
  }

  // Why a stopped server does not start again; OK: it does, and is stopped again.
  absl::Status Restart() {
    const std::unique_ptr<ServerLog> log = *ServerLog::Open(keys_.path() + "/log");
    return Server::Start(server_->options(), *log).status();
  }

  const store::TemporaryFolder keys_;
  std::unique_ptr<RunningServer> server_;
  std::unique_ptr<v1::AuditService::Stub> audits_;
  std::string history_ = "one-";
  int commands_ = 0;
};

Hash HashOf(const std::string& bytes) {
  Hash hash{};
  EXPECT_EQ(bytes.size(), hash.size());
  std::ranges::copy(bytes, hash.begin());
  return hash;
}
std::vector<Hash> HashesOf(const google::protobuf::RepeatedPtrField<std::string>& all) {
  std::vector<Hash> hashes;
  for (const std::string& bytes : all) hashes.push_back(HashOf(bytes));
  return hashes;
}

TEST_F(CheckpointsTest, PublishesSoonAfterAnEvent) {
  constexpr auto kDelay = std::chrono::milliseconds(2'000);
  Start(Publishing(kDelay));
  EXPECT_EQ(FileSize(), 0U);
  CheckpointWatch watch(data());
  const auto start = steady_clock::now();
  int published = 0;
  // The second one has to wait for the first one's pause.
  for (store::Position size = 1; size <= 2; ++size) {
    Add(1);
    const auto durable = steady_clock::now();
    do {
      ASSERT_TRUE(watch.Await());
      ++published;
    } while (FileSize() < size);
    EXPECT_LE(steady_clock::now() - durable, kDelay);
  }
  // The server hands it out once the folder's entry is durable too.
  const auto soon = steady_clock::now() + std::chrono::seconds(30);
  while (Checkpoint().checkpoint.note() != File() && steady_clock::now() < soon) {
  }
  EXPECT_EQ(Checkpoint().checkpoint.note(), File());
  EXPECT_LE(published, 1 + (steady_clock::now() - start) / (kDelay / 2));
}

TEST_F(CheckpointsTest, OneIsForAllEventsOfAWhile) {
  constexpr auto kDelay = std::chrono::milliseconds(1'000);
  Start(Publishing(kDelay));
  CheckpointWatch watch(data());
  const auto start = steady_clock::now();
  Add(300);
  int published = 0;
  while (FileSize() < 300) {
    ASSERT_TRUE(watch.Await());
    ++published;
  }
  EXPECT_LE(published, 2 + (steady_clock::now() - start) / (kDelay / 2));
}

TEST_F(CheckpointsTest, AStopPublishesTheEnd) {
  Start(Publishing(kNever));
  Add(3);
  EXPECT_EQ(FileSize(), 0U);
  server_->Stop();
  EXPECT_EQ(FileSize(), 3U);
}

TEST_F(CheckpointsTest, AStartPublishesWhatWasThere) {
  ServerOptions keyless;
  server_ = std::make_unique<RunningServer>(keyless);
  Add(2);
  server_->Stop();
  EXPECT_FALSE(std::filesystem::exists(data() + "/checkpoint"));
  server_->options().checkpoint_key = KeyFile('k');
  server_->Start();
  EXPECT_EQ(FileSize(), 2U);
}

TEST_F(CheckpointsTest, AFullDiskIsToldAndTriedAgain) {
  auto disk = std::make_shared<faults::FaultFileSystem>();
  ServerOptions options = Publishing(std::chrono::milliseconds(200));
  options.file_system = disk;
  Start(options);
  CheckpointWatch watch(data());
  disk->Plan({faults::Operation::kSync, "checkpoint.new", faults::Effect::kError});
  Add(1);
  while (FileSize() < 1) ASSERT_TRUE(watch.Await());
  EXPECT_THAT(server_->Execute(Manager(), CreateEnvelope("more", "more", "DINUM", {2022})),
              IsAccepted());
  server_->Stop();
  EXPECT_THAT(server_->LogLines("checkpoint_failed"), SizeIs(1));
}

TEST_F(CheckpointsTest, GivesTheNewestAFreshOneAndOneOfAnySize) {
  Start(Publishing(kNever));
  Add(5);
  const store::VerifierKey key = KeyOf('k').verifier();

  EXPECT_EQ(Checkpoint().checkpoint.size(), 0);
  EXPECT_EQ(Checkpoint().checkpoint.note(), File());
  const v1::GetCheckpointResponse fresh = Fresh().checkpoint;
  EXPECT_EQ(fresh.size(), 5);
  EXPECT_EQ(fresh.verifier_key(), key.ToString());
  const absl::StatusOr<store::Checkpoint> opened = store::OpenCheckpoint(fresh.note(), key);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->head, (Head{5, HashOf(fresh.root())}));

  EXPECT_EQ(Checkpoint(5).checkpoint.note(), fresh.note());
  const std::string third = Checkpoint(3).checkpoint.note();
  EXPECT_EQ(store::OpenCheckpoint(third, key)->head.next, 3U);
  Add(1);
  EXPECT_EQ(Checkpoint(3).checkpoint.note(), third);  // the same for ever
  EXPECT_EQ(Checkpoint(5).checkpoint.note(), fresh.note());
  EXPECT_EQ(Fresh().checkpoint.size(), 6);

  for (const std::int64_t bad : {0, -1}) {
    EXPECT_THAT(Checkpoint(bad).status, RefusedAs(v1::ERROR_REASON_INVALID_FIELD));
  }
  EXPECT_THAT(Checkpoint(7).status, RefusedAs(v1::ERROR_REASON_UNKNOWN_POSITION));
}

TEST_F(CheckpointsTest, EveryPrincipalGetsOneAndNobodyElse) {
  Start();
  for (const auto& who : {Operator(), Manager(), Officer("ANCT"), Accountant()}) {
    EXPECT_TRUE(Checkpoint(std::nullopt, true, who).status.ok());
  }
  EXPECT_THAT(Checkpoint(std::nullopt, true, events::v1::Principal()).status,
              RefusedAs(v1::ERROR_REASON_UNKNOWN_PRINCIPAL));
}

TEST_F(CheckpointsTest, WithoutAKeyThereAreProofsAndNoCheckpoints) {
  server_ = std::make_unique<RunningServer>(ServerOptions());
  audits_ = v1::AuditService::NewStub(server_->channel());
  Add(2);
  EXPECT_THAT(Checkpoint().status, RefusedAs(v1::ERROR_REASON_NO_CHECKPOINT_KEY));
  EXPECT_TRUE(Inclusion(0, 2).status.ok());
}

TEST_F(CheckpointsTest, ProvesThatAnEventIsInTheLog) {
  Start();
  Add(7);
  for (std::int64_t size = 1; size <= 7; ++size) {
    const Hash root = HashOf(Checkpoint(size).checkpoint.root());
    for (std::int64_t position = 0; position < size; ++position) {
      const Called called = Inclusion(position, size);
      ASSERT_TRUE(called.status.ok()) << called.status.error_message();
      EXPECT_EQ(called.inclusion.position(), position);
      EXPECT_EQ(called.inclusion.size(), size);
      EXPECT_EQ(HashOf(called.inclusion.root()), root);
      EXPECT_TRUE(store::VerifiesInclusion(
          HashOf(called.inclusion.leaf_hash()), static_cast<store::Position>(position),
          static_cast<std::uint64_t>(size), HashesOf(called.inclusion.hashes()), root));
    }
  }
  EXPECT_EQ(Inclusion(3, 0).inclusion.size(), 7);

  // The leaf is the hash of the bytes that are stored.
  v1::StreamEventsRequest request;
  request.set_from_position(3);
  request.set_until_position(3);
  request.set_with_stored(true);
  const auto context = RunningServer::ContextOf(Manager());
  const auto reader = audits_->StreamEvents(context.get(), request);
  v1::StreamEventsResponse events;
  ASSERT_TRUE(reader->Read(&events));
  EXPECT_EQ(store::LeafHash(events.records(0).stored()),
            HashOf(Inclusion(3, 7).inclusion.leaf_hash()));

  const struct {
    std::int64_t position, size;
    v1::ErrorReason reason;
  } refused[] = {
      {-1, 7, v1::ERROR_REASON_INVALID_FIELD},   {0, -1, v1::ERROR_REASON_INVALID_FIELD},
      {7, 7, v1::ERROR_REASON_UNKNOWN_POSITION}, {7, 0, v1::ERROR_REASON_UNKNOWN_POSITION},
      {3, 3, v1::ERROR_REASON_UNKNOWN_POSITION}, {0, 8, v1::ERROR_REASON_UNKNOWN_POSITION},
  };
  for (const auto& row : refused) {
    EXPECT_THAT(Inclusion(row.position, row.size).status, RefusedAs(row.reason))
        << row.position << " of " << row.size;
  }
}

TEST_F(CheckpointsTest, ProvesThatALogBeginsWithAnother) {
  Start();
  Add(7);
  for (std::int64_t size = 1; size <= 7; ++size) {
    const Head later{static_cast<store::Position>(size),
                     HashOf(Checkpoint(size).checkpoint.root())};
    for (std::int64_t old_size = 1; old_size <= size; ++old_size) {
      const Called called = Consistency(old_size, size);
      ASSERT_TRUE(called.status.ok()) << called.status.error_message();
      const Head earlier{static_cast<store::Position>(old_size),
                         HashOf(Checkpoint(old_size).checkpoint.root())};
      EXPECT_EQ(HashOf(called.consistency.old_root()), earlier.root);
      EXPECT_EQ(HashOf(called.consistency.new_root()), later.root);
      EXPECT_TRUE(
          store::VerifiesConsistency(earlier, later, HashesOf(called.consistency.hashes())));
    }
  }
  EXPECT_EQ(Consistency(3, 0).consistency.new_size(), 7);

  const struct {
    std::int64_t old_size, new_size;
    v1::ErrorReason reason;
  } refused[] = {
      {0, 7, v1::ERROR_REASON_INVALID_FIELD},    {-1, 7, v1::ERROR_REASON_INVALID_FIELD},
      {1, -1, v1::ERROR_REASON_INVALID_FIELD},   {4, 3, v1::ERROR_REASON_INVALID_FIELD},
      {8, 0, v1::ERROR_REASON_UNKNOWN_POSITION}, {1, 8, v1::ERROR_REASON_UNKNOWN_POSITION},
  };
  for (const auto& row : refused) {
    EXPECT_THAT(Consistency(row.old_size, row.new_size).status, RefusedAs(row.reason))
        << row.old_size << " in " << row.new_size;
  }
}

// Everything but the checkpoint is put back to an older state: log and anchor agree.
TEST_F(CheckpointsTest, AFolderThatWasTakenBackIsRefused) {
  Start();
  Add(2);
  server_->Stop();
  const std::string older = server_->folder() + "/older";
  std::filesystem::copy(data(), older, std::filesystem::copy_options::recursive);
  server_->Start();
  Add(3);
  server_->Stop();
  for (const char* part : {"log", "anchor", "views"}) {
    std::filesystem::remove_all(data() + "/" + part);
    std::filesystem::copy(older + "/" + part, data() + "/" + part,
                          std::filesystem::copy_options::recursive);
  }

  const std::string published = File();
  for (const bool with_key : {true, false}) {
    server_->options().checkpoint_key = with_key ? KeyFile('k') : "";
    const absl::Status refused = Restart();
    EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()),
                AllOf(HasSubstr("SHORTER"), HasSubstr("it has 2 events"), HasSubstr("is over 5"),
                      HasSubstr("put the newest state of the folder back")));
    EXPECT_EQ(File(), published);
  }
  // Without the checkpoint nothing would tell.
  std::filesystem::remove(data() + "/checkpoint");
  EXPECT_TRUE(Restart().ok());
}

// As long as the other one, with its own anchor.
TEST_F(CheckpointsTest, AFolderWithAnotherHistoryIsRefused) {
  Start();
  Add(3);
  server_->Stop();
  const std::string published = File();
  history_ = "two-";
  commands_ = 0;
  Start();
  Add(3);
  server_->Stop();
  EXPECT_TRUE(Restart().ok());
  std::ofstream(data() + "/checkpoint") << published;
  const absl::Status refused = Restart();
  EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("ANOTHER HISTORY"));
}

TEST_F(CheckpointsTest, ACheckpointOfAnotherKeyOrLogIsRefused) {
  Start();
  Add(1);
  server_->Stop();
  ServerOptions& options = server_->options();

  options.checkpoint_key = KeyFile('o');
  absl::Status refused = Restart();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("not signed by the key denier/log+"),
                    HasSubstr("If the key was changed on purpose")));

  options.checkpoint_key = KeyFile('k');
  options.log_name = "another/log";
  refused = Restart();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;

  options.log_name = "denier/log";
  EXPECT_TRUE(Restart().ok());
}

TEST_F(CheckpointsTest, ADamagedCheckpointIsRefused) {
  Start();
  Add(1);
  server_->Stop();
  const std::string good = File();
  for (const std::size_t at :
       {std::size_t{0}, good.find('1'), good.find('=') - 1, good.size() - 5, good.size() - 1}) {
    std::string bad = good;
    bad[at] = bad[at] == 'A' ? 'B' : 'A';
    std::ofstream(data() + "/checkpoint") << bad;
    const absl::Status refused = Restart();
    EXPECT_TRUE(absl::IsDataLoss(refused)) << at << ": " << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("damaged"));
  }
  std::ofstream(data() + "/checkpoint") << good;
  EXPECT_TRUE(Restart().ok());
}

TEST_F(CheckpointsTest, AKeyThatCannotBeReadIsRefused) {
  Start();
  server_->Stop();
  ServerOptions& options = server_->options();
  for (const std::string& path : {keys_.path() + "/none", data() + "/anchor", keys_.path()}) {
    options.checkpoint_key = path;
    const absl::Status refused = Restart();
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << path << ": " << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("--checkpoint-key"));
  }
}

}  // namespace
}  // namespace denier::services
