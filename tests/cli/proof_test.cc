// What an auditor reads: checkpoints and proofs, of a server that is honest, and of one that is
// not. The server is a log in memory that lies as a test says; it is called over gRPC.
#include "store/proof.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "denier/v1/audit_service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "services/cli/client.h"
#include "store/checkpoint.h"
#include "store/merkle.h"
#include "tests/store/temporary_folder.h"

namespace denier::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

store::SigningKey KeyOf(char filling, const std::string& name = "denier/log") {
  const std::string pem =
      "-----BEGIN PRIVATE KEY-----\n" +
      absl::Base64Escape(absl::HexStringToBytes("302e020100300506032b657004220420") +
                         std::string(32, filling)) +
      "\n-----END PRIVATE KEY-----\n";
  return *store::SigningKey::FromPem(pem, name);
}

std::string StoredEvent(int number) {
  events::v1::Event event;
  event.set_request_id("request-" + std::to_string(number));
  event.set_agreement_id("a-1");
  event.mutable_envelope_created()->set_envelope_id("e-" + std::to_string(number));
  return event.SerializeAsString();
}

class Server final : public v1::AuditService::Service {
 public:
  Server() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Server() override { server_->Shutdown(); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  void Add(int count) {
    for (int i = 0; i < count; ++i) events.push_back(StoredEvent(static_cast<int>(events.size())));
  }
  std::string Note(std::uint64_t size) const {
    return store::SignCheckpoint({size, RootAt(size)}, key);
  }

  grpc::Status GetCheckpoint(grpc::ServerContext*, const v1::GetCheckpointRequest* request,
                             v1::GetCheckpointResponse* response) override {
    if (refusal.has_value()) return *refusal;
    const auto size = request->has_size() ? static_cast<std::uint64_t>(request->size())
                                          : (request->fresh() ? events.size() : published);
    response->set_note(Note(size));
    response->set_size(static_cast<std::int64_t>(size));
    response->set_root(std::string(store::AsBytes(RootAt(size))));
    response->set_verifier_key(key.verifier().ToString());
    return grpc::Status::OK;
  }

  grpc::Status GetInclusionProof(grpc::ServerContext*, const v1::GetInclusionProofRequest* request,
                                 v1::GetInclusionProofResponse* response) override {
    const auto size = static_cast<std::uint64_t>(request->size());
    const auto position = static_cast<std::uint64_t>(request->position());
    if (size > events.size()) return UnknownPosition();
    response->set_position(request->position());
    response->set_size(request->size());
    response->set_leaf_hash(std::string(store::AsBytes(store::LeafHash(events[position]))));
    const auto path = store::InclusionPath(position, size, Nodes());
    for (const store::Hash& hash : path.value()) {
      response->add_hashes(std::string(store::AsBytes(hash)));
    }
    response->set_root(std::string(store::AsBytes(RootAt(size))));
    if (lie_inclusion) lie_inclusion(*response);
    return grpc::Status::OK;
  }

  grpc::Status GetConsistencyProof(grpc::ServerContext*,
                                   const v1::GetConsistencyProofRequest* request,
                                   v1::GetConsistencyProofResponse* response) override {
    const auto old_size = static_cast<std::uint64_t>(request->old_size());
    const auto new_size = static_cast<std::uint64_t>(request->new_size());
    if (new_size > events.size()) return UnknownPosition();
    response->set_old_size(request->old_size());
    response->set_new_size(request->new_size());
    const auto path = store::ConsistencyPath(old_size, new_size, Nodes());
    for (const store::Hash& hash : path.value()) {
      response->add_hashes(std::string(store::AsBytes(hash)));
    }
    response->set_old_root(std::string(store::AsBytes(RootAt(old_size))));
    response->set_new_root(std::string(store::AsBytes(RootAt(new_size))));
    if (lie_consistency) lie_consistency(*response);
    return grpc::Status::OK;
  }

  grpc::Status StreamEvents(grpc::ServerContext*, const v1::StreamEventsRequest* request,
                            grpc::ServerWriter<v1::StreamEventsResponse>* writer) override {
    EXPECT_TRUE(request->with_stored());
    EXPECT_EQ(request->until_position(), request->from_position());
    if (hides_events) return grpc::Status::OK;
    v1::StreamEventsResponse response;
    v1::EventRecord& record = *response.add_records();
    record.set_position(request->from_position());
    const auto shown = shows.find(request->from_position());
    record.set_stored(shown != shows.end()
                          ? shown->second
                          : events[static_cast<std::size_t>(request->from_position())]);
    record.mutable_event()->ParseFromString(record.stored());
    writer->Write(response);
    return grpc::Status::OK;
  }

  store::SigningKey key = KeyOf('k');
  std::vector<std::string> events;
  std::uint64_t published = 0;
  // What it lies about.
  std::map<std::int64_t, std::string> shows;  // other bytes than the tree has
  bool hides_events = false;
  std::function<void(v1::GetInclusionProofResponse&)> lie_inclusion;
  std::function<void(v1::GetConsistencyProofResponse&)> lie_consistency;
  std::optional<grpc::Status> refusal;

 private:
  std::function<absl::StatusOr<store::Hash>(const store::MerkleNode&)> Nodes() const {
    return [this](const store::MerkleNode& name) -> absl::StatusOr<store::Hash> {
      store::MerkleFrontier tree;
      for (std::uint64_t i = 0; i < std::uint64_t{1} << name.level; ++i) {
        tree.Append(store::LeafHash(events[(name.index << name.level) + i]));
      }
      return tree.Root();
    };
  }
  store::Hash RootAt(std::uint64_t size) const { return *store::RootOf(size, Nodes()); }

  static grpc::Status UnknownPosition() {
    return Refused(grpc::StatusCode::NOT_FOUND, "UNKNOWN_POSITION");
  }

 public:
  static grpc::Status Refused(grpc::StatusCode code, const std::string& reason) {
    google::rpc::ErrorInfo info;
    info.set_reason(reason);
    google::rpc::Status status;
    status.set_code(code);
    status.add_details()->PackFrom(info);
    return {code, "refused", status.SerializeAsString()};
  }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

class ProofTest : public ::testing::Test {
 protected:
  struct Said {
    int code;
    std::string out, err;
  };
  Said Run(std::vector<std::string> arguments, Lang lang = Lang::kEnglish) {
    arguments.insert(arguments.begin(), {"denier", "--server", server_.address()});
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    Client client(lang, {.in = in, .out = out, .err = err});
    const int code = client.Run(static_cast<int>(argv.size()), argv.data());
    return {code, out.str(), err.str()};
  }
  Said Inclusion(int position, const std::string& checkpoint, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"proof", "inclusion", std::to_string(position), "--checkpoint",
                               checkpoint, "--key", key()});
    return Run(std::move(more));
  }
  Said Consistency(const std::string& earlier, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"proof", "consistency", "--old", earlier, "--key", key()});
    return Run(std::move(more));
  }

  std::string key() const { return KeyOf('k').verifier().ToString(); }

  // A file of the test, which it writes.
  std::string Kept(const std::string& name, const std::string& bytes) const {
    const std::string path = folder_.path() + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  static std::string Content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // The verdict and the check that it names, and no other verdict.
  static testing::Matcher<Said> FailsBy(const std::string& check) {
    return AllOf(
        testing::Field(&Said::code, kNotProven),
        testing::Field(&Said::out,
                       AllOf(HasSubstr("NOT PROVEN: the check that failed is \"" + check + "\""),
                             Not(HasSubstr("\nPROVEN")))));
  }

  const store::TemporaryFolder folder_;
  Server server_;
};

TEST_F(ProofTest, PrintsTheNoteAndNothingElse) {
  server_.Add(5);
  server_.published = 3;
  EXPECT_EQ(Run({"checkpoint"}).out, server_.Note(3));
  EXPECT_EQ(Run({"checkpoint", "--fresh"}).out, server_.Note(5));
  EXPECT_EQ(Run({"checkpoint", "--size", "2"}).out, server_.Note(2));

  const std::string path = folder_.path() + "/note";
  const Said said = Run({"checkpoint", "--fresh", "--out", path});
  EXPECT_EQ(said.code, kDone);
  EXPECT_THAT(said.out, HasSubstr("checkpoint over 5 events"));
  EXPECT_EQ(Content(path), server_.Note(5));
  EXPECT_EQ(Run({"checkpoint", "--out", folder_.path() + "/none/note"}).code, kTrouble);

  const auto json = nlohmann::json::parse(Run({"checkpoint", "--format", "json"}).out);
  EXPECT_EQ(json.at("size"), 3);
  EXPECT_EQ(json.at("note"), server_.Note(3));
  EXPECT_EQ(json.at("verifier_key"), key());
}

TEST_F(ProofTest, PrintsTheKeyWithItsRemark) {
  const Said said = Run({"checkpoint", "--verifier-key"});
  EXPECT_EQ(said.out, key() + "\n");
  EXPECT_THAT(said.err, HasSubstr("should have this key from elsewhere"));
}

TEST_F(ProofTest, AServerWithoutAKeySaysSo) {
  server_.refusal = Server::Refused(grpc::StatusCode::FAILED_PRECONDITION, "NO_CHECKPOINT_KEY");
  const Said said = Run({"checkpoint"});
  EXPECT_EQ(said.code, kRefused);
  EXPECT_THAT(said.err, HasSubstr("--checkpoint-key"));
  EXPECT_EQ(Consistency(Kept("old", server_.Note(0))).code, kRefused);
}

TEST_F(ProofTest, ProvesAnEvent) {
  server_.Add(9);
  const std::string checkpoint = Kept("note", server_.Note(7));
  server_.Add(3);
  const Said said = Inclusion(4, checkpoint);
  EXPECT_EQ(said.code, kDone) << said.out << said.err;
  EXPECT_THAT(said.out,
              AllOf(HasSubstr("yes  " + checkpoint + " is signed by denier/log: 7 events, root "),
                    HasSubstr(store::ToHex(store::LeafHash(server_.events[4]))),
                    HasSubstr("hashes of the proof lead to the root that was signed"),
                    HasSubstr("PROVEN: event 4 is in the log of this checkpoint"),
                    HasSubstr("e-4")));  // and what the event says
  EXPECT_THAT(
      Run({"proof", "inclusion", "4", "--checkpoint", checkpoint, "--key", key()}, Lang::kFrench)
          .out,
      AllOf(HasSubstr("est signé par denier/log"), HasSubstr("PROUVÉ"),
            HasSubstr("l'écriture 4 est dans le journal de ce point de contrôle")));

  const auto json = nlohmann::json::parse(Inclusion(4, checkpoint, {"--format", "json"}).out);
  EXPECT_EQ(json.at("proven"), true);
  EXPECT_EQ(json.at("checks").size(), 3U);
  EXPECT_THAT(Inclusion(4, checkpoint, {"--format", "csv"}).out, HasSubstr("path,true,"));
}

TEST_F(ProofTest, TakesTheKeyFromAFile) {
  server_.Add(2);
  const std::string checkpoint = Kept("note", server_.Note(2));
  const std::string file = Kept("key", key() + "\n");
  for (const char* option : {"--key", "--verifier-key"}) {
    EXPECT_EQ(Run({"proof", "inclusion", "1", "--checkpoint", checkpoint, option, file}).code,
              kDone);
  }
  EXPECT_EQ(Run({"proof", "inclusion", "1", "--checkpoint", checkpoint, "--key", "nonsense"}).code,
            kUsage);
  EXPECT_EQ(Inclusion(1, folder_.path() + "/none").code, kUsage);
  EXPECT_EQ(Run({"proof", "inclusion", "1", "--checkpoint", checkpoint}).code, kUsage);
}

TEST_F(ProofTest, AnEventThatIsNotShownIsProvenByItsHash) {
  server_.Add(5);
  server_.hides_events = true;
  const Said said = Inclusion(2, Kept("note", server_.Note(5)));
  EXPECT_EQ(said.code, kDone);
  EXPECT_THAT(said.out, AllOf(HasSubstr("does not show the event itself"), HasSubstr("PROVEN"),
                              HasSubstr("an event with this leaf hash")));
}

TEST_F(ProofTest, AWrongKeyProvesNothing) {
  server_.Add(3);
  server_.key = KeyOf('x');
  EXPECT_THAT(Inclusion(1, Kept("note", server_.Note(3))), FailsBy("signature"));
  EXPECT_THAT(Inclusion(1, Kept("note", server_.Note(3))).out,
              HasSubstr("is not signed by this key"));
  server_.key = KeyOf('k', "another/log");
  EXPECT_THAT(Inclusion(1, Kept("note", server_.Note(3))), FailsBy("signature"));
}

TEST_F(ProofTest, AChangedCheckpointProvesNothing) {
  server_.Add(3);
  std::string note = server_.Note(3);
  note[note.find("\n3\n") + 1] = '2';
  const Said said = Inclusion(1, Kept("note", note));
  EXPECT_THAT(said, FailsBy("signature"));
  EXPECT_THAT(said.out, HasSubstr("the text or the signature was changed"));
  EXPECT_THAT(Inclusion(1, Kept("note", "words\n")), FailsBy("signature"));
}

TEST_F(ProofTest, AnEventBeyondTheCheckpointIsNotProven) {
  server_.Add(5);
  const Said said = Inclusion(3, Kept("note", server_.Note(3)));
  EXPECT_THAT(said, FailsBy("position"));
  EXPECT_THAT(said.out, HasSubstr("take a newer one"));
}

TEST_F(ProofTest, OtherBytesThanTheTreesAreFound) {
  server_.Add(5);
  const std::string checkpoint = Kept("note", server_.Note(5));
  server_.shows[2] = StoredEvent(99);
  EXPECT_THAT(Inclusion(2, checkpoint), FailsBy("event"));
  // Even if it lies about the hash as well.
  server_.lie_inclusion = [](v1::GetInclusionProofResponse& proof) {
    proof.set_leaf_hash(std::string(store::AsBytes(store::LeafHash(StoredEvent(99)))));
  };
  EXPECT_THAT(Inclusion(2, checkpoint), FailsBy("path"));
  EXPECT_EQ(Inclusion(3, checkpoint).code, kNotProven);
}

TEST_F(ProofTest, APathThatLeadsElsewhereIsFound) {
  server_.Add(5);
  const std::string checkpoint = Kept("note", server_.Note(5));
  const std::vector<std::function<void(v1::GetInclusionProofResponse&)>> lies = {
      [](auto& proof) { proof.mutable_hashes(1)->front() ^= 1; },
      [](auto& proof) { proof.mutable_hashes()->RemoveLast(); },
      [](auto& proof) { proof.add_hashes(proof.hashes(0)); },
      [](auto& proof) { proof.mutable_hashes(0)->pop_back(); },
      [](auto& proof) { proof.clear_hashes(); },
  };
  for (const auto& lie : lies) {
    server_.lie_inclusion = lie;
    EXPECT_THAT(Inclusion(2, checkpoint), FailsBy("path"));
  }
}

// An event was exchanged, and everything computed again.
TEST_F(ProofTest, ARewrittenHistoryIsFound) {
  server_.Add(8);
  const std::string old_note = Kept("old", server_.Note(5));
  const std::string later_note = Kept("later", server_.Note(8));
  server_.events[3] = StoredEvent(99);

  for (const int position : {1, 3}) {
    const Said said = Inclusion(position, old_note);
    EXPECT_THAT(said, FailsBy("history"));
    EXPECT_THAT(said.out, HasSubstr("the server's history is ANOTHER: over the same 5 events"));
  }
  const Said said = Consistency(old_note);
  EXPECT_THAT(said, FailsBy("history"));
  EXPECT_THAT(said.out, HasSubstr("history was REWRITTEN: over the 5 events"));
  // Of the same size, there is nothing to prove and no way to.
  EXPECT_THAT(Consistency(later_note), FailsBy("history"));
}

TEST_F(ProofTest, ARolledBackServerIsFound) {
  server_.Add(8);
  const std::string checkpoint = Kept("note", server_.Note(8));
  const std::string older = Kept("older", server_.Note(4));
  server_.events.resize(6);

  Said said = Inclusion(3, checkpoint);
  EXPECT_THAT(said, FailsBy("length"));
  EXPECT_THAT(said.out, HasSubstr("the server's log is SHORTER than the checkpoint"));

  said = Consistency(checkpoint);
  EXPECT_THAT(said, FailsBy("length"));
  EXPECT_THAT(said.out,
              AllOf(HasSubstr("the server's log is SHORTER than the checkpoint: 6 events instead "
                              "of 8 events"),
                    HasSubstr("missing are the positions 6 to 7")));
  EXPECT_THAT(Consistency(older, {"--new", checkpoint}), FailsBy("length"));
  EXPECT_EQ(Consistency(older).code, kDone);  // what is left is what it was
}

TEST_F(ProofTest, ProvesThatTheLogOnlyGrew) {
  server_.Add(5);
  const std::string old_note = Kept("old", server_.Note(5));
  const std::string empty = Kept("empty", server_.Note(0));
  server_.Add(6);
  const std::string later = Kept("later", server_.Note(9));
  for (const std::string& path : {old_note, empty, later}) {
    const Said said = Consistency(path);
    EXPECT_EQ(said.code, kDone) << said.out << said.err;
    EXPECT_THAT(said.out, HasSubstr("PROVEN: the log of 11 events begins with that of "));
  }
  EXPECT_THAT(Consistency(old_note, {"--new", later}).out,
              HasSubstr("PROVEN: the log of 9 events begins with that of 5"));
  EXPECT_EQ(Consistency(later, {"--new", later}).code, kDone);
  EXPECT_THAT(Consistency(later, {"--new", old_note}), FailsBy("length"));

  const std::string kept = folder_.path() + "/kept";
  EXPECT_EQ(Consistency(old_note, {"--out", kept}).code, kDone);
  EXPECT_EQ(Content(kept), server_.Note(11));
}

TEST_F(ProofTest, AnotherKeysCheckpointIsNoLaterOne) {
  server_.Add(5);
  const std::string old_note = Kept("old", server_.Note(3));
  server_.key = KeyOf('x');
  const std::string kept = folder_.path() + "/kept";
  EXPECT_THAT(Consistency(old_note, {"--out", kept}), FailsBy("new_signature"));
  EXPECT_FALSE(std::filesystem::exists(kept));
  EXPECT_THAT(Consistency(Kept("other", server_.Note(3))), FailsBy("signature"));
}

TEST_F(ProofTest, AWrongConsistencyProofIsFound) {
  server_.Add(8);
  const std::string old_note = Kept("old", server_.Note(5));
  const std::vector<std::function<void(v1::GetConsistencyProofResponse&)>> lies = {
      [](auto& proof) { proof.mutable_hashes(1)->front() ^= 1; },
      [](auto& proof) { proof.mutable_hashes()->RemoveLast(); },
      [](auto& proof) { proof.add_hashes(proof.hashes(0)); },
      [](auto& proof) { proof.clear_hashes(); },
  };
  for (const auto& lie : lies) {
    server_.lie_consistency = lie;
    EXPECT_THAT(Consistency(old_note), FailsBy("path"));
  }
}

}  // namespace
}  // namespace denier::cli
