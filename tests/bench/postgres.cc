#include "tests/bench/postgres.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string_view>
#include <thread>
#include <type_traits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace denier::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kBin[] = "/usr/lib/postgresql/15/bin";
constexpr char kSource[] = DENIER_BENCH_SOURCE_DIR;
constexpr int kAllocated = 30;  // the fact's field in event.proto

// Types of parameters, by their number in PostgreSQL's catalogue.
constexpr Oid kInt4 = 23;
constexpr Oid kText = 25;
constexpr Oid kInt4Array = 1007;
constexpr Oid kTextArray = 1009;
constexpr Oid kJsonb = 3802;
constexpr Oid kJsonbArray = 3807;
constexpr int kBinary = 1;

absl::Status Failed(std::string_view what, std::string_view words) {
  std::string text(words);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return absl::InternalError(absl::StrCat("PostgreSQL: ", std::string(what), ": ", text));
}

Clock::duration LengthOf(absl::Duration at_most) {
  const absl::Duration bounded = std::min(at_most, absl::Hours(24));
  return std::chrono::duration_cast<Clock::duration>(absl::ToChronoNanoseconds(bounded));
}

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// --- Values in the server's binary form.

template <typename Integer>
void AppendBigEndian(std::string& out, Integer value) {
  using Bits = std::make_unsigned_t<Integer>;
  for (int shift = static_cast<int>(sizeof(Integer)) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<Bits>(value) >> shift));
  }
}

template <typename Integer>
Integer ReadBigEndian(const char* bytes) {
  std::make_unsigned_t<Integer> value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    value = static_cast<decltype(value)>(value << 8 | static_cast<unsigned char>(bytes[i]));
  }
  return static_cast<Integer>(value);
}

void AppendSized(std::string& out, std::string_view bytes) {
  AppendBigEndian(out, static_cast<std::int32_t>(bytes.size()));
  out += bytes;
}

void AppendSizedJsonb(std::string& out, std::string_view json) {
  AppendBigEndian(out, static_cast<std::int32_t>(json.size() + 1));
  out += '\1';  // the version of the form
  out += json;
}

// An array of one dimension, without nulls; the elements follow.
std::string ArrayHead(Oid element, int size) {
  std::string out;
  for (const std::int32_t word : {1, 0, static_cast<std::int32_t>(element), size, 1}) {
    AppendBigEndian(out, word);
  }
  return out;
}

// --- Payloads: what is in a fact and not in a column.

class PayloadWriter {
 public:
  explicit PayloadWriter(std::string& out) : out_(out) { out_ = "{"; }
  void Text(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    Name(name);
    out_ += '"';
    out_ += value;
    out_ += '"';
  }
  void Number(std::string_view name, std::int64_t value) {
    if (value == 0) return;
    Name(name);
    absl::StrAppend(&out_, value);
  }
  void End() { out_ += '}'; }

 private:
  void Name(std::string_view name) {
    if (out_.size() > 1) out_ += ',';
    out_ += '"';
    out_ += name;
    out_ += "\":";
  }
  std::string& out_;
};

void WritePayload(const StoredFact& fact, std::string& out) {
  PayloadWriter payload(out);
  payload.Text("commitment_id", fact.commitment_id);
  payload.Text("line_id", fact.line_id);
  payload.Text("product_id", fact.product_id);
  payload.Number("ae_cents", fact.ae_cents);
  payload.Number("cp_cents", fact.cp_cents);
  payload.Text("principal_id", fact.principal_id);
  payload.Text("body_id", fact.body_id);
  payload.Number("effective_date", fact.effective_date);
  payload.Number("recorded_time_us", fact.recorded_time_us);
  payload.End();
}

void WritePayload(const Engagement& command, std::string& out) {
  PayloadWriter payload(out);
  payload.Text("commitment_id", command.commitment_id);
  payload.Text("line_id", "1");
  payload.Text("product_id", "snu");
  payload.Number("ae_cents", -command.cents);
  payload.Text("principal_id", "officer-1");
  payload.Text("body_id", "DINUM");
  payload.Number("effective_date", command.year * 10000 + 115);
  payload.Number("recorded_time_us", absl::ToUnixMicros(absl::Now()));
  payload.End();
}

// --- The server: a guard that keeps it, at the other end of two pipes.

class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0) ends_ = {-1, -1};
  }
  ~Pipe() {
    CloseReading();
    CloseWriting();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  bool ok() const { return ends_[0] >= 0; }
  int reading() const { return ends_[0]; }
  int writing() const { return ends_[1]; }
  void CloseReading() { Close(ends_[0]); }
  void CloseWriting() { Close(ends_[1]); }

 private:
  static void Close(int& end) {
    if (end >= 0) close(end);
    end = -1;
  }
  std::array<int, 2> ends_ = {-1, -1};
};

std::string ReadAll(int file) {
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = read(file, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text == "ready\n") return text;
  }
}

// A port of the loopback that nobody else is given while this object lives; the server may listen
// on it, since both sides allow the address to be shared and this one does not listen.
class ReservedPort {
 public:
  ReservedPort() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
        getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
      number_ = ntohs(address.sin_port);
    }
  }
  ~ReservedPort() { close(socket_); }
  ReservedPort(const ReservedPort&) = delete;
  ReservedPort& operator=(const ReservedPort&) = delete;
  int number() const { return number_; }

 private:
  int socket_;
  int number_ = 0;
};

std::string RandomPassword() {
  std::random_device random;
  std::string password;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&password, absl::Hex(random(), absl::kZeroPad8));
  return password;
}

// What an expert sets on a machine for this server alone, without giving up anything of durability.
std::string Settings(int port, const std::vector<std::string>& more) {
  const std::int64_t memory_mib =
      std::int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE) / (std::int64_t{1024} * 1024);
  const std::int64_t buffers_mib = std::clamp<std::int64_t>(memory_mib / 4, 128, 8192);
  const unsigned processors = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::string> lines = {
      "listen_addresses = '127.0.0.1'",
      absl::StrCat("port = ", port),
      "unix_socket_directories = ''",
      "max_connections = 100",
      // Durable.
      "fsync = on",
      "synchronous_commit = on",
      "full_page_writes = on",
      // Memory.
      absl::StrCat("shared_buffers = ", buffers_mib, "MB"),
      absl::StrCat("effective_cache_size = ", memory_mib / 2, "MB"),
      absl::StrCat("maintenance_work_mem = ", std::min<std::int64_t>(1024, memory_mib / 8), "MB"),
      "work_mem = 64MB",
      "huge_pages = try",
      // The log: no replica reads it, and checkpoints are far between.
      "wal_level = minimal",
      "max_wal_senders = 0",
      "wal_buffers = 64MB",
      "wal_compression = lz4",
      "max_wal_size = 8GB",
      "min_wal_size = 2GB",
      "checkpoint_timeout = 30min",
      "checkpoint_completion_target = 0.9",
      // Plans.
      "random_page_cost = 1.1",
      "effective_io_concurrency = 200",
      "jit = off",
      absl::StrCat("max_worker_processes = ", processors + 8),
      absl::StrCat("max_parallel_workers = ", processors),
      absl::StrCat("max_parallel_workers_per_gather = ", processors),
      absl::StrCat("max_parallel_maintenance_workers = ", processors),
      "parallel_setup_cost = 0",
      "min_parallel_table_scan_size = 0",
      // What nobody reads costs nothing.
      "update_process_title = off",
      "track_activities = off",
      "log_checkpoints = off",
      "log_autovacuum_min_duration = -1",
  };
  lines.insert(lines.end(), more.begin(), more.end());
  return absl::StrJoin(lines, "\n") + "\n";
}

absl::Status WriteOwnFile(const std::string& path, std::string_view text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool written =
      file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) close(file);
  return written ? absl::OkStatus() : Failed(path, std::strerror(errno));
}

class Server {
 public:
  static absl::StatusOr<std::unique_ptr<Server>> Start(const std::string& parent,
                                                       const std::vector<std::string>& settings) {
    auto server = std::unique_ptr<Server>(new Server);
    std::string folder = std::filesystem::absolute(parent) / "denier-postgres-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) return Failed(folder, std::strerror(errno));
    server->folder_ = folder;
    const ReservedPort port;
    server->port_ = port.number();
    server->password_ = RandomPassword();
    for (const auto& [name, text] : {std::pair{"/settings", Settings(server->port_, settings)},
                                     std::pair{"/password", server->password_ + "\n"}}) {
      if (const absl::Status status = WriteOwnFile(folder + name, text); !status.ok()) {
        return status;
      }
    }
    if (const absl::Status status = server->StartGuard(); !status.ok()) return status;
    server->said_.CloseWriting();
    const std::string said = ReadAll(server->said_.reading());
    if (said != "ready\n") return Failed("the server does not start", said);
    return server;
  }

  // The guard sees the end of its input, and ends when all is gone.
  ~Server() {
    alive_.CloseWriting();
    if (guard_ <= 0) {
      std::error_code ignored;
      std::filesystem::remove_all(folder_, ignored);
      return;
    }
    while (waitpid(guard_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int guard() const { return guard_; }
  int port() const { return port_; }
  const std::string& folder() const { return folder_; }
  const std::string& password() const { return password_; }

 private:
  Server() = default;

  absl::Status StartGuard() {
    if (!alive_.ok() || !said_.ok()) return Failed("pipe", std::strerror(errno));
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, alive_.reading(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, said_.writing(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, said_.writing(), STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    std::string script = std::string(kSource) + "/postgres.sh";
    std::string bin = kBin;
    std::array<char*, 4> arguments = {script.data(), folder_.data(), bin.data(), nullptr};
    // Nothing of PGHOST and its like reaches the server's programs.
    std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    std::array<char*, 2> environment = {path.data(), nullptr};
    const int error = posix_spawn(&guard_, script.c_str(), &files, &attributes, arguments.data(),
                                  environment.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (error == 0) return absl::OkStatus();
    guard_ = -1;
    return Failed(script, std::strerror(error));
  }

  Pipe alive_;
  Pipe said_;
  pid_t guard_ = -1;
  int port_ = 0;
  std::string folder_;
  std::string password_;
};

// --- A connection.

// Binary parameters of one call. What they point to must outlive it.
class Parameters {
 public:
  void Add(Oid type, std::string_view bytes) {
    types_.push_back(type);
    values_.push_back(bytes.data());
    lengths_.push_back(static_cast<int>(bytes.size()));
    formats_.push_back(kBinary);
  }
  void AddNull(Oid type) {
    Add(type, {});
    values_.back() = nullptr;
  }
  int size() const { return static_cast<int>(values_.size()); }
  const Oid* types() const { return types_.data(); }
  const char* const* values() const { return values_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  std::vector<Oid> types_;
  std::vector<const char*> values_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
};

class Result {
 public:
  explicit Result(PGresult* result) : result_(result, PQclear) {}
  bool ok() const {
    const ExecStatusType status = PQresultStatus(result_.get());
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_COPY_IN;
  }
  int rows() const { return PQntuples(result_.get()); }
  std::string_view at(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column),
            static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
  }
  std::int64_t NumberAt(int row, int column) const {
    std::int64_t number = 0;
    const std::string text(at(row, column));
    return absl::SimpleAtoi(text, &number) ? number : 0;
  }
  // Such as "23505"; empty where the server gave none.
  std::string_view sqlstate() const {
    const char* state = PQresultErrorField(result_.get(), PG_DIAG_SQLSTATE);
    return state == nullptr ? std::string_view() : state;
  }
  absl::Status Error(std::string_view what) const {
    return Failed(what, PQresultErrorMessage(result_.get()));
  }

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

class Connection {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const Server& server) {
    const std::string port = absl::StrCat(server.port());
    const std::array<const char*, 6> names = {"host", "port",     "dbname",
                                              "user", "password", nullptr};
    const std::array<const char*, 6> values = {
        "127.0.0.1", port.c_str(), "postgres", "denier", server.password().c_str(), nullptr};
    auto connection = std::unique_ptr<Connection>(
        new Connection(PQconnectdbParams(names.data(), values.data(), 0)));
    if (PQstatus(connection->get()) != CONNECTION_OK) {
      return Failed("connection", PQerrorMessage(connection->get()));
    }
    return connection;
  }

  PGconn* get() const { return connection_.get(); }

  absl::StatusOr<Result> Query(const std::string& sql) {
    Result result(PQexec(get(), sql.c_str()));
    if (!result.ok()) return result.Error(sql.substr(0, 60));
    return result;
  }
  absl::Status Run(const std::string& sql) { return Query(sql).status(); }

  absl::Status Prepare(const char* name, const std::string& sql, const std::vector<Oid>& types) {
    const Result result(
        PQprepare(get(), name, sql.c_str(), static_cast<int>(types.size()), types.data()));
    return result.ok() ? absl::OkStatus() : result.Error(sql);
  }

  Result Execute(const char* name, const Parameters& parameters) {
    return Result(PQexecPrepared(get(), name, parameters.size(), parameters.values(),
                                 parameters.lengths(), parameters.formats(), kBinary));
  }

 private:
  explicit Connection(PGconn* connection) : connection_(connection, PQfinish) {}
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

// The number of the stream of a command, as Open numbers them; 0 when there is none.
struct Streams {
  int envelopes = 0;
  int first_year = 0;
  int years = 0;

  std::int32_t Of(const Engagement& command) const {
    if (command.envelope < 0 || command.envelope >= envelopes || command.year < first_year ||
        command.year >= first_year + years) {
      return 0;
    }
    return 1 + command.envelope * years + command.year - first_year;
  }
};

bool IsUniqueViolation(const Result& result) { return result.sqlstate() == "23505"; }
// The deadlock that batches of shared rows may run into: one of them is to be sent again.
bool IsDeadlock(const Result& result) { return result.sqlstate() == "40P01"; }

// --- One command a transaction.

constexpr char kEngage[] = "engage";

absl::Status PrepareEngage(Connection& connection) {
  return connection.Prepare(kEngage, "SELECT engage($1, $2, $3, $4)",
                            {kText, kInt4, kInt4, kJsonb});
}

// The parameters of engage(), and what they point to.
struct EngageCall {
  Engagement command;
  std::string stream;
  std::string version;
  std::string payload;
  Parameters parameters;

  void Set(const Streams& streams, Engagement engagement,
           std::optional<int> expected_version = std::nullopt) {
    command = std::move(engagement);
    stream.clear();
    AppendBigEndian(stream, streams.Of(command));
    std::string json;
    WritePayload(command, json);
    payload = "\1" + json;
    parameters = {};
    parameters.Add(kText, command.request_id);
    parameters.Add(kInt4, stream);
    if (expected_version.has_value()) {
      version.clear();
      AppendBigEndian(version, std::int32_t{*expected_version});
      parameters.Add(kInt4, version);
    } else {
      parameters.AddNull(kInt4);
    }
    parameters.Add(kJsonb, payload);
  }
};

EngageAnswer AnswerOf(std::int64_t answer) {
  if (answer >= 0) return {Verdict::kAccepted, answer};
  switch (answer) {
    case -1:
      return {Verdict::kAeExceeded, -1};
    case -2:
      return {Verdict::kVersionMoved, -1};
    case -3:
      return {Verdict::kRequestIdReused, -1};
    default:
      return {Verdict::kInvalid, -1};
  }
}

// Commands that several threads take one by one, until they are all taken or time is over.
class Commands {
 public:
  Commands(const EngagementSource& source, std::uint64_t first, std::uint64_t count)
      : source_(source), next_(first), end_(first + count) {}

  // Before anybody takes one.
  void Start(Clock::time_point until) { until_ = until; }
  std::optional<Engagement> Take() {
    if (stopped_.load(std::memory_order_relaxed) || Clock::now() >= until_) return std::nullopt;
    const std::uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
    if (number >= end_) return std::nullopt;
    return source_(number);
  }
  void Stop() { stopped_ = true; }

 private:
  const EngagementSource& source_;
  std::atomic<std::uint64_t> next_;
  const std::uint64_t end_;
  Clock::time_point until_;
  std::atomic<bool> stopped_ = false;
};

// Some of the connections, each with a command in flight, waited for together in one thread.
class EngageLoop {
 public:
  EngageLoop(Commands& commands, const Streams& streams) : commands_(commands), streams_(streams) {}
  ~EngageLoop() {
    if (epoll_ >= 0) close(epoll_);
  }
  EngageLoop(const EngageLoop&) = delete;
  EngageLoop& operator=(const EngageLoop&) = delete;

  absl::Status Connect(const Server& server, int connections) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < connections; ++i) {
      auto connection = Connection::Open(server);
      if (!connection.ok()) return connection.status();
      if (const absl::Status status = PrepareEngage(**connection); !status.ok()) return status;
      lanes_.push_back(std::make_unique<Lane>(std::move(*connection)));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = lanes_.back().get();
      if (epoll_ctl(epoll_, EPOLL_CTL_ADD, PQsocket(lanes_.back()->connection->get()), &event) !=
          0) {
        return Failed("epoll", std::strerror(errno));
      }
    }
    return absl::OkStatus();
  }

  // Until there are no commands. Then status() and the counts are what came of it.
  void Run() {
    status_ = Loop();
    if (!status_.ok()) commands_.Stop();
  }

  const absl::Status& status() const { return status_; }
  std::uint64_t accepted() const { return accepted_; }
  std::uint64_t refused() const { return refused_; }

 private:
  struct Lane {
    explicit Lane(std::unique_ptr<Connection> own) : connection(std::move(own)) {}
    std::unique_ptr<Connection> connection;
    EngageCall call;
  };

  absl::Status Loop() {
    for (const auto& lane : lanes_) {
      if (const absl::Status status = SendNext(*lane); !status.ok()) return status;
    }
    std::array<epoll_event, 64> events;
    while (in_flight_ > 0) {
      const int count = epoll_wait(epoll_, events.data(), events.size(), -1);
      if (count < 0 && errno != EINTR) return Failed("epoll", std::strerror(errno));
      for (int i = 0; i < count; ++i) {
        if (const absl::Status status = Receive(*static_cast<Lane*>(events[i].data.ptr));
            !status.ok()) {
          return status;
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status SendNext(Lane& lane) {
    std::optional<Engagement> command = commands_.Take();
    if (!command.has_value()) return absl::OkStatus();
    lane.call.Set(streams_, *std::move(command));
    ++in_flight_;
    return Send(lane);
  }

  static absl::Status Send(Lane& lane) {
    const Parameters& parameters = lane.call.parameters;
    PGconn* connection = lane.connection->get();
    if (PQsendQueryPrepared(connection, kEngage, parameters.size(), parameters.values(),
                            parameters.lengths(), parameters.formats(), kBinary) != 1) {
      return Failed("engage", PQerrorMessage(connection));
    }
    return absl::OkStatus();
  }

  absl::Status Receive(Lane& lane) {
    PGconn* connection = lane.connection->get();
    if (PQconsumeInput(connection) != 1) return Failed("engage", PQerrorMessage(connection));
    if (PQisBusy(connection) != 0) return absl::OkStatus();
    PGresult* received = PQgetResult(connection);
    if (received == nullptr) return absl::OkStatus();
    const Result result(received);
    // The last message of an answer comes with its first ones.
    while (PGresult* more = PQgetResult(connection)) PQclear(more);
    if (IsUniqueViolation(result)) return Send(lane);
    if (!result.ok()) return result.Error("engage");
    --in_flight_;
    ++(ReadBigEndian<std::int64_t>(result.at(0, 0).data()) >= 0 ? accepted_ : refused_);
    return SendNext(lane);
  }

  Commands& commands_;
  const Streams& streams_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Lane>> lanes_;
  int in_flight_ = 0;
  std::uint64_t accepted_ = 0;
  std::uint64_t refused_ = 0;
  absl::Status status_;
};

// --- Many commands a transaction.

class StreamClient {
 public:
  // Takes first, first + step, ...
  StreamClient(const EngagementSource& source, const Streams& streams, std::uint64_t first,
               std::uint64_t step, std::uint64_t end, int batch)
      : source_(source), streams_(streams), next_(first), step_(step), end_(end), batch_(batch) {}

  absl::Status Connect(const Server& server) {
    auto connection = Connection::Open(server);
    if (!connection.ok()) return connection.status();
    connection_ = *std::move(connection);
    for (const char* name : {"engage_batch", "engage_each"}) {
      if (const absl::Status status =
              connection_->Prepare(name, absl::StrCat("SELECT ", name, "($1, $2, $3)"),
                                   {kTextArray, kInt4Array, kJsonbArray});
          !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

  void Run(Clock::time_point until) {
    while (status_.ok() && next_ < end_ && Clock::now() < until) status_ = RunBatch();
  }

  const absl::Status& status() const { return status_; }
  std::uint64_t accepted() const { return accepted_; }
  std::uint64_t refused() const { return refused_; }

 private:
  absl::Status RunBatch() {
    const auto size = static_cast<int>(std::min<std::uint64_t>(static_cast<std::uint64_t>(batch_),
                                                               (end_ - next_ - 1) / step_ + 1));
    std::string request_ids = ArrayHead(kText, size);
    std::string streams = ArrayHead(kInt4, size);
    std::string payloads = ArrayHead(kJsonb, size);
    std::string json;
    for (int i = 0; i < size; ++i, next_ += step_) {
      const Engagement command = source_(next_);
      AppendSized(request_ids, command.request_id);
      AppendBigEndian(streams, std::int32_t{4});
      AppendBigEndian(streams, streams_.Of(command));
      WritePayload(command, json);
      AppendSizedJsonb(payloads, json);
    }
    Parameters parameters;
    parameters.Add(kTextArray, request_ids);
    parameters.Add(kInt4Array, streams);
    parameters.Add(kJsonbArray, payloads);

    for (const char* name = "engage_batch";;) {
      const Result result = connection_->Execute(name, parameters);
      if (result.ok()) return Count(result.at(0, 0), size);
      if (!IsUniqueViolation(result) && !IsDeadlock(result)) return result.Error(name);
      name = "engage_each";
    }
  }

  // An array of answers: five words of head, then a length and a number each.
  absl::Status Count(std::string_view answers, int size) {
    constexpr std::size_t kHead = 20;
    constexpr std::size_t kElement = 12;
    if (answers.size() != kHead + kElement * static_cast<std::size_t>(size)) {
      return Failed("engage_batch", absl::StrCat("not ", size, " answers"));
    }
    for (std::size_t at = kHead + 4; at < answers.size(); at += kElement) {
      ++(ReadBigEndian<std::int64_t>(answers.data() + at) >= 0 ? accepted_ : refused_);
    }
    return absl::OkStatus();
  }

  const EngagementSource& source_;
  const Streams& streams_;
  std::uint64_t next_;
  const std::uint64_t step_;
  const std::uint64_t end_;
  const int batch_;
  std::unique_ptr<Connection> connection_;
  std::uint64_t accepted_ = 0;
  std::uint64_t refused_ = 0;
  absl::Status status_;
};

// --- Loading.

// The rows of a COPY in binary form, sent as they come.
class CopyWriter {
 public:
  explicit CopyWriter(Connection& connection) : connection_(connection) {
    buffer_.append("PGCOPY\n\377\r\n\0", 11);
    AppendBigEndian(buffer_, std::int64_t{0});  // no flags, no extension
  }

  void StartRow(int fields) { AppendBigEndian(buffer_, static_cast<std::int16_t>(fields)); }
  template <typename Integer>
  void Number(Integer value) {
    AppendBigEndian(buffer_, static_cast<std::int32_t>(sizeof(Integer)));
    AppendBigEndian(buffer_, value);
  }
  void Text(std::string_view value) { AppendSized(buffer_, value); }
  void Jsonb(std::string_view json) { AppendSizedJsonb(buffer_, json); }

  absl::Status Flush(std::size_t keep_below = 0) {
    if (buffer_.size() <= keep_below) return absl::OkStatus();
    const int sent =
        PQputCopyData(connection_.get(), buffer_.data(), static_cast<int>(buffer_.size()));
    buffer_.clear();
    return sent == 1 ? absl::OkStatus() : Failed("COPY", PQerrorMessage(connection_.get()));
  }

  absl::Status End() {
    AppendBigEndian(buffer_, std::int16_t{-1});
    if (const absl::Status status = Flush(); !status.ok()) return status;
    if (PQputCopyEnd(connection_.get(), nullptr) != 1) {
      return Failed("COPY", PQerrorMessage(connection_.get()));
    }
    const Result result(PQgetResult(connection_.get()));
    while (PGresult* more = PQgetResult(connection_.get())) PQclear(more);
    return result.ok() ? absl::OkStatus() : result.Error("COPY");
  }

 private:
  Connection& connection_;
  std::string buffer_;
};

struct LoadedStream {
  std::int32_t number = 0;
  std::int32_t version = 0;
  Available available;
};
using LoadedStreams = std::map<std::pair<std::string, int>, LoadedStream>;

absl::Status CopyEvents(Connection& connection, std::uint64_t count, const FactSource& source,
                        LoadedStreams& streams) {
  constexpr std::size_t kMessage = std::size_t{256} << 10;
  if (const absl::Status status = connection.Run("COPY events FROM STDIN (FORMAT binary, FREEZE)");
      !status.ok()) {
    return status;
  }
  CopyWriter copy(connection);
  StoredFact fact;
  std::string json;
  for (std::uint64_t number = 0; number < count; ++number) {
    source(number, fact);
    LoadedStream& stream = streams[{fact.envelope_id, fact.year}];
    if (stream.number == 0) stream.number = static_cast<std::int32_t>(streams.size());
    ++stream.version;
    stream.available.ae_cents += fact.ae_cents;
    stream.available.cp_cents += fact.cp_cents;
    WritePayload(fact, json);
    copy.StartRow(7);
    copy.Number(static_cast<std::int64_t>(number));
    copy.Number(stream.number);
    copy.Number(stream.version);
    copy.Number(static_cast<std::int16_t>(fact.kind));
    copy.Number(static_cast<std::int16_t>(fact.year));
    copy.Text(fact.request_id);
    copy.Jsonb(json);
    if (const absl::Status status = copy.Flush(kMessage); !status.ok()) return status;
  }
  return copy.End();
}

absl::Status CopyBalances(Connection& connection, const LoadedStreams& streams) {
  if (const absl::Status status =
          connection.Run("COPY balances FROM STDIN (FORMAT binary, FREEZE)");
      !status.ok()) {
    return status;
  }
  CopyWriter copy(connection);
  for (const auto& [key, stream] : streams) {
    copy.StartRow(6);
    copy.Number(stream.number);
    copy.Number(stream.version);
    copy.Number(stream.available.ae_cents);
    copy.Number(stream.available.cp_cents);
    copy.Number(static_cast<std::int16_t>(key.second));
    copy.Text(key.first);
  }
  return copy.End();
}

absl::StatusOr<std::string> Schema() {
  std::ifstream file(std::string(kSource) + "/postgres.sql");
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return Failed("postgres.sql", "cannot be read");
  return text.str();
}

constexpr char kDrop[] =
    "SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
    " DEALLOCATE ALL";
constexpr char kIndexes[] =
    "ALTER TABLE events ADD PRIMARY KEY (position), ADD UNIQUE (stream, version),"
    " ADD UNIQUE (request_id)";
constexpr char kNextPosition[] =
    "SELECT setval(pg_get_serial_sequence('events', 'position'), coalesce(max(position), 0), "
    "max(position) IS NOT NULL) FROM events";

Balances BalancesOf(const Result& result) {
  Balances balances;
  for (int row = 0; row < result.rows(); ++row) {
    balances[{std::string(result.at(row, 0)), static_cast<int>(result.NumberAt(row, 1))}] = {
        result.NumberAt(row, 2), result.NumberAt(row, 3)};
  }
  return balances;
}

}  // namespace

struct Postgres::State {
  std::unique_ptr<Server> server;
  std::unique_ptr<Connection> connection;  // of all that is not measured, and of the sums
  Streams streams;

  absl::Status RunAll(const std::vector<std::string>& statements) {
    for (const std::string& sql : statements) {
      if (const absl::Status status = connection->Run(sql); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Empty tables, without the indexes of `events`.
  absl::Status CreateTables() {
    const absl::StatusOr<std::string> schema = Schema();
    if (!schema.ok()) return schema.status();
    streams = {};
    return RunAll({kDrop, *schema});
  }
};

Postgres::Postgres(std::unique_ptr<State> state) : state_(std::move(state)) {}
Postgres::~Postgres() = default;

absl::StatusOr<std::unique_ptr<Postgres>> Postgres::Start(
    const std::string& parent, const std::vector<std::string>& settings) {
  auto state = std::make_unique<State>();
  auto server = Server::Start(parent, settings);
  if (!server.ok()) return server.status();
  state->server = *std::move(server);
  auto connection = Connection::Open(*state->server);
  if (!connection.ok()) return connection.status();
  state->connection = *std::move(connection);
  return std::unique_ptr<Postgres>(new Postgres(std::move(state)));
}

absl::Status Postgres::Open(const std::vector<std::string>& envelope_ids, int first_year, int years,
                            std::int64_t ae_cents, std::int64_t cp_cents) {
  const auto source = [&](std::uint64_t number, StoredFact& fact) {
    const auto length = static_cast<std::uint64_t>(years);
    fact.kind = kAllocated;
    fact.envelope_id = envelope_ids[number / length];
    fact.year = first_year + static_cast<int>(number % length);
    fact.request_id = absl::StrCat("opening-", number);
    fact.ae_cents = ae_cents;
    fact.cp_cents = cp_cents;
    fact.principal_id = "manager-1";
    fact.body_id = "DJEPVA";
    fact.effective_date = fact.year * 10000 + 101;
    fact.recorded_time_us = absl::ToUnixMicros(absl::Now());
  };
  const std::uint64_t count = envelope_ids.size() * static_cast<std::uint64_t>(years);
  if (const absl::Status status = Load(count, source); !status.ok()) return status;
  state_->streams = {static_cast<int>(envelope_ids.size()), first_year, years};
  return PrepareEngage(*state_->connection);
}

absl::StatusOr<EngageAnswer> Postgres::Engage(const Engagement& command,
                                              std::optional<int> expected_version) {
  EngageCall call;
  call.Set(state_->streams, command, expected_version);
  while (true) {
    const Result result = state_->connection->Execute(kEngage, call.parameters);
    if (result.ok()) return AnswerOf(ReadBigEndian<std::int64_t>(result.at(0, 0).data()));
    if (!IsUniqueViolation(result)) return result.Error("engage");
  }
}

absl::StatusOr<Rate> Postgres::EngageEach(const EngagementSource& source, std::uint64_t first,
                                          std::uint64_t count, absl::Duration at_most,
                                          int connections) {
  // On two processors one thread that waits for all connections leaves the most to the server.
  const int processors = static_cast<int>(std::thread::hardware_concurrency());
  const int threads = std::min(connections, std::clamp(processors / 2, 1, 4));
  Commands commands(source, first, count);
  std::vector<std::unique_ptr<EngageLoop>> loops;
  for (int i = 0; i < threads; ++i) {
    loops.push_back(std::make_unique<EngageLoop>(commands, state_->streams));
    const int share = connections / threads + (i < connections % threads ? 1 : 0);
    if (const absl::Status status = loops.back()->Connect(*state_->server, share); !status.ok()) {
      return status;
    }
  }
  const Clock::time_point begin = Clock::now();
  commands.Start(begin + LengthOf(at_most));
  std::vector<std::thread> running;
  running.reserve(loops.size());
  for (const auto& loop : loops) running.emplace_back([&loop] { loop->Run(); });
  for (std::thread& thread : running) thread.join();
  Rate rate;
  rate.seconds = Since(begin);
  for (const auto& loop : loops) {
    if (!loop->status().ok()) return loop->status();
    rate.accepted += loop->accepted();
    rate.refused += loop->refused();
  }
  return rate;
}

absl::StatusOr<Rate> Postgres::EngageStream(const EngagementSource& source, std::uint64_t first,
                                            std::uint64_t count, absl::Duration at_most,
                                            int clients, int batch) {
  std::vector<std::unique_ptr<StreamClient>> streams;
  for (int i = 0; i < clients; ++i) {
    streams.push_back(std::make_unique<StreamClient>(
        source, state_->streams, first + static_cast<std::uint64_t>(i),
        static_cast<std::uint64_t>(clients), first + count, batch));
    if (const absl::Status status = streams.back()->Connect(*state_->server); !status.ok()) {
      return status;
    }
  }
  const Clock::time_point begin = Clock::now();
  const Clock::time_point until = begin + LengthOf(at_most);
  std::vector<std::thread> running;
  running.reserve(streams.size());
  for (const auto& stream : streams) running.emplace_back([&stream, until] { stream->Run(until); });
  for (std::thread& thread : running) thread.join();
  Rate rate;
  rate.seconds = Since(begin);
  for (const auto& stream : streams) {
    if (!stream->status().ok()) return stream->status();
    rate.accepted += stream->accepted();
    rate.refused += stream->refused();
  }
  return rate;
}

absl::Status Postgres::Load(std::uint64_t count, const FactSource& source) {
  if (const absl::Status status = state_->CreateTables(); !status.ok()) return status;
  // Truncated in the same transaction: COPY may freeze the rows, and need not log them.
  if (const absl::Status status = state_->RunAll({"BEGIN", "TRUNCATE events, balances"});
      !status.ok()) {
    return status;
  }
  LoadedStreams streams;
  Connection& connection = *state_->connection;
  if (const absl::Status status = CopyEvents(connection, count, source, streams); !status.ok()) {
    return status;
  }
  for (const auto& [key, stream] : streams) {
    if (stream.available.ae_cents < 0 || stream.available.cp_cents < 0) {
      if (const absl::Status status = connection.Run("ROLLBACK"); !status.ok()) return status;
      return absl::InvalidArgumentError(
          absl::StrCat(key.first, " of ", key.second, ": more than it has"));
    }
  }
  if (const absl::Status status = CopyBalances(connection, streams); !status.ok()) return status;
  return state_->RunAll({"COMMIT", kIndexes, kNextPosition, "VACUUM ANALYZE", "CHECKPOINT"});
}

absl::StatusOr<Sums> Postgres::SumEvents() {
  const Clock::time_point begin = Clock::now();
  const absl::StatusOr<Result> result =
      state_->connection->Query("SELECT envelope_id, year, ae_cents, cp_cents FROM sums");
  if (!result.ok()) return result.status();
  Sums sums;
  sums.seconds = Since(begin);
  sums.rows = BalancesOf(*result);
  return sums;
}

absl::Status Postgres::Vacuum() { return state_->RunAll({"VACUUM ANALYZE"}); }

absl::StatusOr<std::int64_t> Postgres::Bytes() {
  if (const absl::Status status =
          state_->RunAll({"REINDEX TABLE events", "REINDEX TABLE balances", "VACUUM ANALYZE"});
      !status.ok()) {
    return status;
  }
  const absl::StatusOr<Result> result = state_->connection->Query(
      "SELECT pg_total_relation_size('events') + pg_total_relation_size('balances')");
  if (!result.ok()) return result.status();
  return result->NumberAt(0, 0);
}

absl::StatusOr<Balances> Postgres::ReadBalances() {
  const absl::StatusOr<Result> result = state_->connection->Query(
      "SELECT envelope_id, year, ae_available_cents, cp_available_cents FROM balances");
  if (!result.ok()) return result.status();
  return BalancesOf(*result);
}

absl::StatusOr<std::uint64_t> Postgres::CountEvents() {
  const absl::StatusOr<Result> result = state_->connection->Query("SELECT count(*) FROM events");
  if (!result.ok()) return result.status();
  return static_cast<std::uint64_t>(result->NumberAt(0, 0));
}

int Postgres::guard_pid() const { return state_->server->guard(); }

absl::StatusOr<int> Postgres::ServerPid() {
  std::ifstream file(folder() + "/data/postmaster.pid");
  int pid = 0;
  if (!(file >> pid)) return Failed("postmaster.pid", "cannot be read");
  return pid;
}

const std::string& Postgres::folder() const { return state_->server->folder(); }

}  // namespace denier::bench
