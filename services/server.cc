#include "services/server.h"

#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "projections/runner.h"
#include "services/admin_service.h"
#include "services/audit_service.h"
#include "services/call_observer.h"
#include "services/checkpoints.h"
#include "services/command_service.h"
#include "services/metrics.h"
#include "services/principal.h"
#include "services/query_service.h"
#include "services/sequencer.h"
#include "store/checkpoint.h"
#include "store/data_directory.h"
#include "store/log.h"

namespace denier::services {
namespace {

constexpr int kMostMessageBytes = 8 << 20;
constexpr int kMostCallsAConnection = 1'000;
// What gRPC may use for messages in flight over all connections.
constexpr std::size_t kMostBufferedBytes = std::size_t{512} << 20;

// For so long a server that ends answers STOPPING, which tells callers to come back. Then gRPC cuts
// off whoever still begins a call, with a bare CANCELLED.
constexpr std::chrono::milliseconds kFarewell{100};

constexpr int kLogFailedExitCode = 75;  // EX_TEMPFAIL: the service manager starts us again

constexpr const char* kServices[] = {
    v1::CommandService::service_full_name(),
    v1::QueryService::service_full_name(),
    v1::AuditService::service_full_name(),
    v1::AdminService::service_full_name(),
};

std::int64_t LastOf(store::Position next) { return static_cast<std::int64_t>(next) - 1; }

std::string_view TextOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

struct Address {
  std::string host;  // without brackets
  std::string port;
};

absl::StatusOr<Address> ParseAddress(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size() ||
      text.find_first_not_of("0123456789", colon + 1) != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("not an address HOST:PORT: ", text));
  }
  Address address{text.substr(0, colon), text.substr(colon + 1)};
  if (address.host.front() == '[' && address.host.back() == ']') {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  return address;
}

class AddressInfo {
 public:
  explicit AddressInfo(const Address& address) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    error_ = getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &first_);
  }
  ~AddressInfo() {
    if (first_ != nullptr) freeaddrinfo(first_);
  }
  AddressInfo(const AddressInfo&) = delete;
  AddressInfo& operator=(const AddressInfo&) = delete;

  int error() const { return error_; }
  const addrinfo* first() const { return first_; }

 private:
  int error_ = 0;
  addrinfo* first_ = nullptr;
};

bool IsLoopback(const addrinfo& info) {
  if (info.ai_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(info.ai_addr);
    return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
  }
  if (info.ai_family == AF_INET6) {
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(info.ai_addr)->sin6_addr);
  }
  return false;
}

absl::Status CheckLoopback(const Address& address) {
  const AddressInfo info(address);
  if (info.error() != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown host ", address.host, ": ", gai_strerror(info.error())));
  }
  for (const addrinfo* each = info.first(); each != nullptr; each = each->ai_next) {
    if (!IsLoopback(*each)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--development believes whatever a caller says it is, so it listens on "
                       "loopback only, and ",
                       address.host, " is not; use 127.0.0.1, or TLS"));
    }
  }
  return absl::OkStatus();
}

// gRPC does not say why it could not listen: ask the system the same.
std::string WhyNotListening(const Address& address) {
  const AddressInfo info(address);
  if (info.error() != 0) return gai_strerror(info.error());
  for (const addrinfo* each = info.first(); each != nullptr; each = each->ai_next) {
    const int socket_fd = socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0) continue;
    const int yes = 1;
    setsockopt(socket_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    // Two sockets may both be bound under SO_REUSEADDR; only one of them listens.
    const bool listening =
        bind(socket_fd, each->ai_addr, each->ai_addrlen) == 0 && ::listen(socket_fd, 1) == 0;
    const int error = errno;
    close(socket_fd);
    if (!listening) return std::strerror(error);
  }
  return "the certificate or the key is not valid";
}

absl::StatusOr<std::string> ReadFile(const char* flag, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();  // of a folder it reads nothing; an iterator would throw
  if (!file || bytes.str().empty()) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", flag, " ", path));
  }
  return bytes.str();
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> CredentialsOf(
    const ServerOptions& options) {
  const bool any_tls =
      !options.tls_ca.empty() || !options.tls_certificate.empty() || !options.tls_key.empty();
  if (options.development) {
    if (any_tls) {
      return absl::InvalidArgumentError("--development and --tls-* exclude each other");
    }
    return grpc::InsecureServerCredentials();
  }
  if (options.tls_ca.empty() || options.tls_certificate.empty() || options.tls_key.empty()) {
    return absl::InvalidArgumentError(
        "callers must be known: give --tls-ca, --tls-cert and --tls-key (deploy/dev-ca makes "
        "some), "
        "or --development on loopback");
  }
  absl::StatusOr<std::string> ca = ReadFile("--tls-ca", options.tls_ca);
  if (!ca.ok()) return ca.status();
  absl::StatusOr<std::string> certificate = ReadFile("--tls-cert", options.tls_certificate);
  if (!certificate.ok()) return certificate.status();
  absl::StatusOr<std::string> key = ReadFile("--tls-key", options.tls_key);
  if (!key.ok()) return key.status();

  grpc::SslServerCredentialsOptions ssl(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  ssl.pem_root_certs = *std::move(ca);
  ssl.pem_key_cert_pairs.push_back({*std::move(key), *std::move(certificate)});
  return grpc::SslServerCredentials(ssl);
}

}  // namespace

// In the order in which they are made; they end in the opposite one.
class Server::Parts {
 public:
  Parts(const ServerOptions& options, ServerLog& log)
      : options_(options),
        log_(log),
        principals_(options.development ? PrincipalReader::Source::kMetadata
                                        : PrincipalReader::Source::kCertificate) {}

  ~Parts() {
    if (grpc_server_ != nullptr) EndCalls();
  }

  absl::Status Start();
  Ending Wait();
  void RequestStop();

  const std::string& address() const { return address_; }
  int metrics_port() const { return metrics_.port(); }
  store::Head head() const { return events_->head(); }

 private:
  absl::Status OpenStore();
  absl::Status StartCheckpoints();
  absl::Status StartSequencer();
  absl::Status Listen();
  void EndCalls();
  void LogFailed(const absl::Status& status);

  const ServerOptions options_;
  ServerLog& log_;
  const PrincipalReader principals_;
  std::string address_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_asked_ = false;  // guarded by mutex_
  bool log_failed_ = false;  // guarded by mutex_

  std::optional<store::DataDirectory> directory_;
  std::unique_ptr<store::Log> events_;
  std::unique_ptr<Checkpoints> checkpoints_;  // none without a key
  std::unique_ptr<projections::Runner> runner_;
  Metrics metrics_;  // looks at the two above while it is exposed
  std::unique_ptr<Sequencer> sequencer_;
  std::unique_ptr<CommandService> commands_;
  std::unique_ptr<QueryService> queries_;
  std::unique_ptr<AuditService> audit_;
  std::unique_ptr<AdminService> admin_;
  std::unique_ptr<grpc::Server> grpc_server_;
};

absl::Status Server::Parts::Start() {
  if (absl::Status status = OpenStore(); !status.ok()) return status;
  if (absl::Status status = StartSequencer(); !status.ok()) return status;
  if (options_.metrics != "off") {
    if (auto address = ParseAddress(options_.metrics); !address.ok()) return address.status();
    absl::Status status = metrics_.Expose(options_.metrics, [this] {
      const store::Position folded = runner_->folded();  // before the head, which it never passes
      return Metrics::Sample{LastOf(events_->head().next), LastOf(folded), log_.lost_lines()};
    });
    if (!status.ok()) return status;
  }
  return Listen();
}

absl::Status Server::Parts::OpenStore() {
  absl::StatusOr<store::DataDirectory> directory =
      store::DataDirectory::Open(options_.data_directory, options_.initialize);
  if (absl::IsNotFound(directory.status()) && !options_.initialize) {
    return absl::NotFoundError(
        absl::StrCat(directory.status().message(), "; with --init a new one is made"));
  }
  if (!directory.ok()) return directory.status();
  directory_ = *std::move(directory);

  store::LogOptions log_options;
  log_options.file_system = options_.file_system;
  log_options.initialize = options_.initialize;
  log_options.min_free_bytes = options_.min_free_bytes;
  log_options.sync = options_.sync;
  log_options.use_anchor = options_.use_anchor;
  absl::StatusOr<std::unique_ptr<store::Log>> events =
      store::Log::Open(directory_->path(), log_options);
  if (!events.ok()) return events.status();
  events_ = *std::move(events);
  if (absl::Status status = StartCheckpoints(); !status.ok()) return status;

  store::ViewsOptions views_options;
  views_options.file_system = options_.file_system;
  absl::StatusOr<std::unique_ptr<projections::Runner>> runner = projections::Runner::Start(
      *events_, directory_->views_path(), views_options, [this](const std::string& sentence) {
        log_.Write(ServerLog::Level::kInfo, "projections", {{"message", sentence}});
      });
  if (!runner.ok()) return runner.status();
  runner_ = *std::move(runner);
  return absl::OkStatus();
}

// Before anything is computed from the log or added to it: it may be an older state, or another's.
absl::Status Server::Parts::StartCheckpoints() {
  std::optional<store::SigningKey> key;
  if (!options_.checkpoint_key.empty()) {
    const absl::StatusOr<std::string> pem = ReadFile("--checkpoint-key", options_.checkpoint_key);
    if (!pem.ok()) return pem.status();
    absl::StatusOr<store::SigningKey> read = store::SigningKey::FromPem(*pem, options_.log_name);
    if (!read.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--checkpoint-key ", options_.checkpoint_key,
                                                     ": ", read.status().message()));
    }
    key = *std::move(read);
  }
  const std::shared_ptr<rocksdb::FileSystem> file_system =
      options_.file_system != nullptr ? options_.file_system : rocksdb::FileSystem::Default();
  const absl::Status published = CheckPublished(*events_, *file_system, directory_->path(),
                                                key.has_value() ? &key->verifier() : nullptr);
  if (!published.ok() || !key.has_value()) return published;

  CheckpointsOptions checkpoints_options;
  checkpoints_options.directory = directory_->path();
  checkpoints_options.file_system = file_system;
  checkpoints_options.most_delay = options_.checkpoint_delay;
  checkpoints_options.failed = [this](const absl::Status& status) {
    log_.Write(ServerLog::Level::kError, "checkpoint_failed", {{"message", TextOf(status)}});
  };
  absl::StatusOr<std::unique_ptr<Checkpoints>> checkpoints =
      Checkpoints::Start(*events_, *std::move(key), std::move(checkpoints_options));
  if (!checkpoints.ok()) return checkpoints.status();
  checkpoints_ = *std::move(checkpoints);
  return absl::OkStatus();
}

absl::Status Server::Parts::StartSequencer() {
  SequencerOptions sequencer_options;
  sequencer_options.most_queued_commands = options_.most_queued_commands;
  sequencer_options.most_batch_commands = options_.most_batch_commands;
  sequencer_options.now_us = options_.now_us;
  sequencer_options.observer.committed = [this](std::size_t events,
                                                std::chrono::microseconds sync_time) {
    metrics_.Committed(events, sync_time);
    if (checkpoints_ != nullptr) checkpoints_->NotifyHead();
  };
  sequencer_options.observer.queued = [this](std::size_t commands) { metrics_.Queued(commands); };
  sequencer_options.observer.failed = [this](const absl::Status& status) { LogFailed(status); };
  absl::StatusOr<std::unique_ptr<Sequencer>> sequencer =
      Sequencer::Start(*events_, *runner_, std::move(sequencer_options));
  if (!sequencer.ok()) return sequencer.status();
  sequencer_ = *std::move(sequencer);
  commands_ = std::make_unique<CommandService>(*sequencer_, principals_, log_, metrics_);
  queries_ = std::make_unique<QueryService>(*runner_, *events_, principals_);
  audit_ = std::make_unique<AuditService>(*events_, *runner_, principals_, checkpoints_.get());
  BackupPlan backups;
  backups.data_directory = directory_->path();
  backups.folder = options_.backup_directory;
  backups.options.file_system = options_.file_system;
  backups.options.min_free_bytes = options_.min_free_bytes;
  admin_ = std::make_unique<AdminService>(*events_, *runner_, principals_, std::move(backups));
  return absl::OkStatus();
}

absl::Status Server::Parts::Listen() {
  absl::StatusOr<Address> address = ParseAddress(options_.listen);
  if (!address.ok()) return address.status();
  absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> credentials = CredentialsOf(options_);
  if (!credentials.ok()) return credentials.status();
  if (options_.development) {
    if (absl::Status status = CheckLoopback(*address); !status.ok()) return status;
  }

  grpc::ServerBuilder builder;
  // Two servers on one port would share its calls, and neither would say so.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMostCallsAConnection);
  // Finds clients that went away without a word.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.SetMaxReceiveMessageSize(kMostMessageBytes);
  builder.SetResourceQuota(grpc::ResourceQuota("denierd").Resize(kMostBufferedBytes));
  // For health and reflection; the services themselves use callbacks.
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);

  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> observers;
  observers.push_back(MakeCallObserver(principals_, log_, metrics_));
  builder.experimental().SetInterceptorCreators(std::move(observers));

  builder.RegisterService(commands_.get());
  builder.RegisterService(queries_.get());
  builder.RegisterService(audit_.get());
  builder.RegisterService(admin_.get());
  int port = 0;
  builder.AddListeningPort(options_.listen, *credentials, &port);
  grpc_server_ = builder.BuildAndStart();
  if (grpc_server_ == nullptr || port == 0) {
    grpc_server_ = nullptr;
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", options_.listen, ": ", WhyNotListening(*address)));
  }
  for (const char* service : kServices) {
    grpc_server_->GetHealthCheckService()->SetServingStatus(service, true);
  }
  address_ = options_.listen.substr(0, options_.listen.rfind(':') + 1) + std::to_string(port);
  return absl::OkStatus();
}

// From a thread of the sequencer, which answers everybody by itself.
void Server::Parts::LogFailed(const absl::Status& status) {
  log_.Write(ServerLog::Level::kError, "log_failed", {{"message", TextOf(status)}});
  const std::lock_guard lock(mutex_);
  log_failed_ = true;
  changed_.notify_all();
}

void Server::Parts::RequestStop() {
  const std::lock_guard lock(mutex_);
  stop_asked_ = true;
  changed_.notify_all();
}

Server::Ending Server::Parts::Wait() {
  bool failed = false;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stop_asked_ || log_failed_; });
    failed = log_failed_;
  }
  log_.Write(ServerLog::Level::kInfo, "stopping", {{"position", LastOf(head().next)}});
  EndCalls();
  const std::lock_guard lock(mutex_);
  return failed || log_failed_ ? Ending::kLogFailed : Ending::kAsked;
}

void Server::Parts::EndCalls() {
  grpc_server_->GetHealthCheckService()->Shutdown();
  commands_->Stop();
  audit_->Stop();
  admin_->Stop();
  std::this_thread::sleep_for(kFarewell);
  grpc_server_->Shutdown(std::chrono::system_clock::now() + options_.grace);
  grpc_server_ = nullptr;
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      ServerLog& log) {
  // Must precede every server of the process; twice does no harm.
  grpc::EnableDefaultHealthCheckService(true);
  static std::once_flag reflection;
  std::call_once(reflection, grpc::reflection::InitProtoReflectionServerBuilderPlugin);

  auto parts = std::make_unique<Parts>(options, log);
  if (absl::Status status = parts->Start(); !status.ok()) return status;
  log.Write(ServerLog::Level::kInfo, "serving",
            {{"address", parts->address()},
             {"position", LastOf(parts->head().next)},
             {"version", ServerVersion()}});
  if (options.development) {
    log.Write(ServerLog::Level::kWarning, "development_mode",
              {{"message",
                "DEVELOPMENT MODE: whoever reaches this address may act as anybody; nothing proves "
                "who calls. Never use it with real books."}});
  }
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() = default;

const std::string& Server::address() const { return parts_->address(); }
int Server::metrics_port() const { return parts_->metrics_port(); }
std::int64_t Server::head_position() const { return LastOf(parts_->head().next); }
void Server::RequestStop() { parts_->RequestStop(); }
Server::Ending Server::Wait() { return parts_->Wait(); }

namespace {

// gRPC's own words go where ours go. It knows no context pointer.
std::atomic<ServerLog*> grpc_words{nullptr};

void WriteGrpcWords(gpr_log_func_args* words) {
  ServerLog* log = grpc_words.load();
  if (log == nullptr) return;
  const bool error = words->severity == GPR_LOG_SEVERITY_ERROR;
  log->Write(error ? ServerLog::Level::kError : ServerLog::Level::kInfo, "grpc",
             {{"message", words->message}});
}

// What the thread that waits for signals may stop in order; nullptr: it is starting, or stopping.
std::mutex stoppable_mutex;
Server* stoppable = nullptr;

// Waits for SIGTERM and SIGINT, which all threads have blocked. One asks for an end in order; the
// next is somebody who does not want to wait for it.
void StopOnSignals(sigset_t signals) {
  while (true) {
    int signal = 0;
    sigwait(&signals, &signal);
    const std::lock_guard lock(stoppable_mutex);
    if (stoppable == nullptr) _exit(128 + signal);
    std::exchange(stoppable, nullptr)->RequestStop();
  }
}

}  // namespace

int RunServer(const ServerOptions& options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  absl::StatusOr<std::unique_ptr<ServerLog>> log = ServerLog::Open(options.log_file);
  if (!log.ok()) {
    std::fprintf(stderr, "denierd: %s\n", std::string(TextOf(log.status())).c_str());
    return 1;
  }
  grpc_words = log->get();
  gpr_set_log_function(WriteGrpcWords);
  std::thread(StopOnSignals, signals).detach();  // until the process ends

  int exit_code = 0;
  {
    absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(options, **log);
    if (!server.ok()) {
      (*log)->Write(ServerLog::Level::kError, "not_started",
                    {{"message", TextOf(server.status())}});
      std::fprintf(stderr, "denierd: %s\n", std::string(TextOf(server.status())).c_str());
      grpc_words = nullptr;
      return 1;
    }
    if (options.development) {
      std::fprintf(stderr,
                   "denierd: DEVELOPMENT MODE: whoever reaches %s may act as anybody. Never use it "
                   "with real books.\n",
                   (*server)->address().c_str());
    }
    {
      const std::lock_guard lock(stoppable_mutex);
      stoppable = server->get();
    }
    std::printf("denierd ready on %s (position %lld)\n", (*server)->address().c_str(),
                static_cast<long long>((*server)->head_position()));
    std::fflush(stdout);

    if ((*server)->Wait() == Server::Ending::kLogFailed) exit_code = kLogFailedExitCode;
    const std::lock_guard lock(stoppable_mutex);
    stoppable = nullptr;
  }
  (*log)->Write(ServerLog::Level::kInfo, "stopped", {{"exit_code", exit_code}});
  grpc_words = nullptr;
  return exit_code;
}

}  // namespace denier::services
