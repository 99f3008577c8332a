#include "services/audit_service.h"

#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "projections/books.h"
#include "projections/event_version.h"
#include "projections/moment.h"
#include "projections/row_keys.h"
#include "projections/touched.h"
#include "services/errors.h"
#include "services/page_token.h"
#include "services/visibility.h"

namespace denier::services {
namespace {

using events::v1::Event;
using events::v1::Principal;
using projections::Touched;
using rules::Refusal;
using store::Position;

constexpr std::size_t kMostMessageBytes = std::size_t{1} << 20;
constexpr std::size_t kMostPageBytes = std::size_t{3} << 20;
constexpr std::size_t kMostRecords = 100'000;
// Then others have a turn: a filter may fit one event in a million.
constexpr std::size_t kMostLookedAt = 20'000;
// After this long without an event the wait begins anew.
constexpr auto kLongestSilence = std::chrono::hours(1);

// The field number of the filter's kind of fact; 0: every kind.
std::variant<int, Refusal> FactOf(const v1::EventFilter& filter) {
  if (filter.fact().empty()) return 0;
  const google::protobuf::OneofDescriptor* facts = Event::descriptor()->FindOneofByName("fact");
  for (int i = 0; i < facts->field_count(); ++i) {
    if (facts->field(i)->name() == filter.fact()) return facts->field(i)->number();
  }
  return rules::InvalidField("filter.fact", "is no kind of fact");
}

// Which events one caller gets, as the rows stand at one moment.
class Selection {
 public:
  // `fact` is FactOf the filter. What is given must outlive it.
  Selection(const Principal& principal, const v1::EventFilter& filter, int fact,
            const projections::QueryRows& rows)
      : principal_(principal), filter_(filter), fact_(fact), rows_(rows) {}

  // Refuses who asks for an agreement that it may not read, or that there is none of.
  std::optional<Refusal> RefuseAgreement() {
    if (filter_.agreement_id().empty()) return std::nullopt;
    const std::variant<Sight, Refusal>& sight = SightOf(filter_.agreement_id());
    if (const auto* refusal = std::get_if<Refusal>(&sight)) return *refusal;
    return std::nullopt;
  }

  // DAMAGED: what the event touches cannot be read.
  std::variant<bool, Refusal> Fits(const Event& event) {
    if (!filter_.agreement_id().empty() && event.agreement_id() != filter_.agreement_id()) {
      return false;
    }
    if (fact_ != 0 && event.fact_case() != fact_) return false;
    if (!FitsByWhoAndWhen(event)) return false;
    const bool filtered = !filter_.envelope_id().empty() || !filter_.commitment_id().empty();
    if (!filtered && ReadsAllAgreements(principal_)) return true;

    const std::variant<Sight, Refusal>& sight = SightOf(event.agreement_id());
    if (const auto* refusal = std::get_if<Refusal>(&sight)) {
      if (refusal->reason == v1::ERROR_REASON_DAMAGED) return *refusal;
      return false;
    }
    const Sight& sees = std::get<Sight>(sight);
    if (!filtered && sees.everything()) return true;

    Touched touched = projections::TouchedBy(event);
    // Rows that the views of `touched` may point into.
    v1::PaymentRequest payment;
    v1::Commitment commitment;
    if (auto refusal = LookUp(event.agreement_id(), touched, payment, commitment)) {
      return *std::move(refusal);
    }
    if (!filter_.commitment_id().empty() && touched.commitment_id != filter_.commitment_id()) {
      return false;
    }
    if (!filter_.envelope_id().empty() &&
        std::ranges::find(touched.envelopes, std::string_view(filter_.envelope_id())) ==
            touched.envelopes.end()) {
      return false;
    }
    return sees.everything() || touched.agreement ||
           std::ranges::any_of(touched.envelopes, [&](std::string_view envelope_id) {
             return sees.SeesEnvelope(envelope_id);
           });
  }

 private:
  const std::variant<Sight, Refusal>& SightOf(const std::string& agreement_id) {
    const auto known = sights_.find(agreement_id);
    if (known != sights_.end()) return known->second;
    return sights_.emplace(agreement_id, FindSight(agreement_id)).first->second;
  }

  bool FitsByWhoAndWhen(const Event& event) const {
    const auto within = [](std::int64_t value, std::int64_t from, std::int64_t until) {
      return (from == 0 || value >= from) && (until == 0 || value <= until);
    };
    return (filter_.principal_id().empty() ||
            event.actor().principal_id() == filter_.principal_id()) &&
           (filter_.body_id().empty() || event.actor().body_id() == filter_.body_id()) &&
           within(event.recorded_time_us(), filter_.recorded_from_us(),
                  filter_.recorded_until_us()) &&
           within(event.effective_date(), filter_.effective_from(), filter_.effective_until());
  }

  std::variant<Sight, Refusal> FindSight(const std::string& agreement_id) const {
    const std::string key = projections::AgreementKey(agreement_id);
    const absl::StatusOr<std::optional<std::string>> bytes = rows_.Get(key);
    if (!bytes.ok()) return Unreadable(bytes.status());
    if (!bytes->has_value()) {
      return rules::Refuse(v1::ERROR_REASON_UNKNOWN_AGREEMENT, "no such agreement")
          .With("agreement_id", agreement_id);
    }
    v1::Agreement agreement;
    if (!agreement.ParseFromString(**bytes)) return Undecodable(key);
    return Sight::Of(principal_, agreement, rows_);
  }

  // Adds what the event alone does not say: the commitment of a payment request, the envelope of a
  // line, as they stand now.
  std::optional<Refusal> LookUp(const std::string& agreement_id, Touched& touched,
                                v1::PaymentRequest& payment, v1::Commitment& commitment) const {
    if (!touched.payment_request_id.empty() &&
        (touched.envelopes.empty() || touched.commitment_id.empty())) {
      const std::string key = projections::PaymentKey(agreement_id, touched.payment_request_id);
      if (auto refusal = Read(key, payment)) return refusal;
      touched.commitment_id = payment.commitment_id();
      touched.line_id = payment.line_id();
      if (touched.envelopes.empty()) touched.envelopes.push_back(payment.paying_envelope_id());
    }
    if (touched.envelopes.empty() && !touched.commitment_id.empty()) {
      const std::string key = projections::CommitmentKey(agreement_id, touched.commitment_id);
      if (auto refusal = Read(key, commitment)) return refusal;
      const auto* line = projections::FindLine(commitment, touched.line_id);
      if (line != nullptr) touched.envelopes.push_back(line->envelope_id());
    }
    return std::nullopt;
  }

  std::optional<Refusal> Read(const std::string& key, google::protobuf::Message& row) const {
    const absl::StatusOr<std::optional<std::string>> bytes = rows_.Get(key);
    if (!bytes.ok()) return Unreadable(bytes.status());
    if (bytes->has_value() && !row.ParseFromString(**bytes)) return Undecodable(key);
    return std::nullopt;
  }

  const Principal& principal_;
  const v1::EventFilter& filter_;
  const int fact_;
  const projections::QueryRows& rows_;
  std::map<std::string, std::variant<Sight, Refusal>> sights_;  // by agreement
};

struct Limits {
  std::size_t records = kMostRecords;
  std::size_t bytes = kMostMessageBytes;
  bool with_stored = false;
};

// The span of the log that a request looks at.
struct Span {
  Position next = 0;
  std::optional<Position> end;  // nothing: as far as the log goes
};

// Narrowed to what the filter's recorded times leave, since those never decrease along the log. An
// end beyond what is recorded yet is left open: what comes is looked at as it comes.
std::variant<Span, Refusal> SpanOf(const store::Log& log, const v1::EventFilter& filter,
                                   Position from) {
  if (filter.recorded_from_us() < 0 || filter.recorded_until_us() < 0) {
    return rules::InvalidField("filter.recorded_from_us", "want 0 or more");
  }
  Span span{.next = from, .end = std::nullopt};
  if (filter.recorded_from_us() > 0) {
    const auto before = projections::EventsRecordedBy(log, filter.recorded_from_us() - 1);
    if (!before.ok()) return Unreadable(before.status());
    span.next = std::max(span.next, *before);
  }
  if (filter.recorded_until_us() > 0) {
    const Position head = log.head().next;
    const auto recorded = projections::EventsRecordedBy(log, filter.recorded_until_us());
    if (!recorded.ok()) return Unreadable(recorded.status());
    if (*recorded < head) span.end = *recorded;
  }
  return span;
}

// Adds the events of [next, end) that fit, as far as the limits allow, and moves `next` on.
std::optional<Refusal> Collect(const store::Log& log, Selection& selection, const Limits& limits,
                               Position end, Position& next,
                               google::protobuf::RepeatedPtrField<v1::EventRecord>& records) {
  store::Log::Reader reader = log.ReadFrom(next);
  std::size_t bytes = 0, looked_at = 0;
  while (next < end) {
    const absl::StatusOr<const store::StoredBatch*> batch = reader.Next();
    if (!batch.ok()) return Unreadable(batch.status());
    if (*batch == nullptr) return std::nullopt;
    for (const std::string_view stored : (*batch)->events) {
      const bool full = static_cast<std::size_t>(records.size()) == limits.records ||
                        looked_at == kMostLookedAt ||
                        (!records.empty() && bytes + stored.size() > limits.bytes);
      if (next == end || full) return std::nullopt;
      v1::EventRecord& record = *records.Add();
      const absl::Status decoded = projections::DecodeEvent(stored, next, *record.mutable_event());
      if (!decoded.ok()) return Unreadable(decoded);
      const std::variant<bool, Refusal> fits = selection.Fits(record.event());
      if (const auto* refusal = std::get_if<Refusal>(&fits)) return *refusal;
      if (std::get<bool>(fits)) {
        record.set_position(static_cast<std::int64_t>(next));
        if (limits.with_stored) record.set_stored(stored.data(), stored.size());
        bytes += stored.size() * (limits.with_stored ? 2 : 1);
      } else {
        records.RemoveLast();
      }
      ++looked_at;
      ++next;
    }
  }
  return std::nullopt;
}

}  // namespace

// The streams that have read everything and wait for more. One call to the runner waits for all.
class AuditService::Followers : public std::enable_shared_from_this<AuditService::Followers> {
 public:
  explicit Followers(projections::Runner& runner) : runner_(runner) {}

  // Wakes `stream` once the events [0, next) are in the rows; from then on it is not the caller's.
  // A status: it is to be ended with it instead.
  std::optional<grpc::Status> Park(Stream& stream, Position next);

  // True: it was parked, and is the caller's now. It can be parked no more.
  bool Cancel(Stream& stream);

  void Stop();

 private:
  void Arm(Position next);
  void Woken(Position next);

  projections::Runner& runner_;
  std::mutex mutex_;
  std::map<Stream*, Position> parked_;  // guarded by mutex_
  std::optional<Position> armed_;       // guarded by mutex_; what the runner is to call for
  bool stopping_ = false;               // guarded by mutex_
};

// One StreamEvents call. Whose turn it is: a reader's, who makes the next message; gRPC's, which
// writes it; the followers', while there is nothing to send. Whoever has the turn may end the call.
class AuditService::Stream final : public grpc::ServerWriteReactor<v1::StreamEventsResponse> {
 public:
  Stream(AuditService& service, grpc::CallbackServerContext& context,
         const v1::StreamEventsRequest& request)
      : service_(service), context_(context), request_(request) {}

  void Begin() {
    Identified who = service_.principals_.Read(context_);
    if (auto* refusal = std::get_if<Refusal>(&who)) return End(*refusal);
    principal_ = std::get<Principal>(std::move(who));
    if (auto refusal = RefuseUnknownFieldsOf(request_)) return End(*refusal);
    if (auto refusal = RefuseFigures(principal_)) return End(*refusal);
    if (request_.from_position() < 0) {
      return End(rules::InvalidField("from_position", "want 0 or more"));
    }
    if (request_.until_position() < 0) {
      return End(rules::InvalidField("until_position", "want 0 or more"));
    }
    const std::variant<int, Refusal> fact = FactOf(request_.filter());
    if (const auto* refusal = std::get_if<Refusal>(&fact)) return End(*refusal);
    fact_ = std::get<int>(fact);
    next_ = static_cast<Position>(request_.from_position());
    if (request_.has_until_position()) {
      end_ = static_cast<Position>(request_.until_position()) + 1;
    }
    if (!request_.follow()) {
      end_ = std::min(end_.value_or(service_.log_.head().next), service_.log_.head().next);
    }
    Queue();
  }

  // There may be more to read.
  void Queue() {
    if (!service_.readers_.Post([this] { DoWork(); })) End(Overloaded());
  }

  void End(const Refusal& refusal) { Finish(StatusOf(refusal)); }

  void OnWriteDone(bool ok) override { ok ? Queue() : Finish(grpc::Status::CANCELLED); }
  void OnCancel() override {
    if (service_.followers_->Cancel(*this)) Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  friend class Followers;

  void DoWork() {
    if (context_.IsCancelled()) return Finish(grpc::Status::CANCELLED);
    std::optional<Refusal> refusal;
    // A stream that follows ends with the first event that was recorded too late.
    const bool open_end = request_.filter().recorded_until_us() > 0 && !end_.has_value();
    if (!narrowed_ || open_end) refusal = Narrow();
    const Position folded = service_.runner_.folded();
    const Position end = std::min(folded, end_.value_or(folded));
    message_ = v1::StreamEventsResponse();
    if (!refusal.has_value()) {
      const projections::QueryRows rows = service_.runner_.views()->TakeSnapshot();
      Selection selection(principal_, request_.filter(), fact_, rows);
      refusal = selection.RefuseAgreement();
      if (!refusal.has_value()) {
        refusal = Collect(service_.log_, selection, {.with_stored = request_.with_stored()}, end,
                          next_, *message_.mutable_records());
      }
    }
    if (refusal.has_value()) return End(*refusal);
    if (!message_.records().empty()) return StartWrite(&message_);
    if (end_.has_value() && next_ >= *end_) return Finish(grpc::Status::OK);
    if (next_ < end) return Queue();
    if (const auto ended = service_.followers_->Park(*this, next_ + 1)) Finish(*ended);
  }

  // Reads the log, so it is a reader's work.
  std::optional<Refusal> Narrow() {
    const std::variant<Span, Refusal> narrowed = SpanOf(service_.log_, request_.filter(), next_);
    if (const auto* refusal = std::get_if<Refusal>(&narrowed)) return *refusal;
    const auto& span = std::get<Span>(narrowed);
    next_ = span.next;
    if (span.end.has_value()) end_ = std::min(end_.value_or(*span.end), *span.end);
    narrowed_ = true;
    return std::nullopt;
  }

  AuditService& service_;
  grpc::CallbackServerContext& context_;
  const v1::StreamEventsRequest request_;
  Principal principal_;
  int fact_ = 0;
  bool narrowed_ = false;
  Position next_ = 0;
  std::optional<Position> end_;  // where it ends; nothing: it follows the head
  v1::StreamEventsResponse message_;
  bool cancelled_ = false;  // guarded by the followers' mutex
};

std::optional<grpc::Status> AuditService::Followers::Park(Stream& stream, Position next) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stream.cancelled_) return grpc::Status::CANCELLED;
    if (stopping_) return StatusOf(Stopping());
    parked_.emplace(&stream, next);
    if (armed_.has_value() && *armed_ <= next) return std::nullopt;
    armed_ = next;
  }
  Arm(next);
  return std::nullopt;
}

bool AuditService::Followers::Cancel(Stream& stream) {
  const std::lock_guard<std::mutex> lock(mutex_);
  stream.cancelled_ = true;
  return parked_.erase(&stream) != 0;
}

void AuditService::Followers::Stop() {
  std::map<Stream*, Position> parked;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    parked.swap(parked_);
  }
  for (const auto& [stream, next] : parked) stream->End(Stopping());
}

void AuditService::Followers::Arm(Position next) {
  runner_.CallWhenFolded(next, std::chrono::steady_clock::now() + kLongestSilence,
                         [weak = weak_from_this(), next](bool) {
                           if (const auto followers = weak.lock()) followers->Woken(next);
                         });
}

void AuditService::Followers::Woken(Position next) {
  const bool runner_failed = !runner_.status().ok();
  const Position folded = runner_.folded();
  std::vector<std::pair<Stream*, Position>> woken;
  std::optional<Position> wanted;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (armed_ == next) armed_.reset();
    for (auto it = parked_.begin(); it != parked_.end();) {
      if (runner_failed || it->second <= folded) {
        woken.push_back(*it);
        it = parked_.erase(it);
        continue;
      }
      wanted = std::min(wanted.value_or(it->second), it->second);
      ++it;
    }
    if (wanted.has_value() && armed_.has_value() && *armed_ <= *wanted) wanted.reset();
    if (wanted.has_value()) armed_ = wanted;
  }
  for (const auto& [stream, after] : woken) {
    runner_failed ? stream->End(NotFolded(runner_, after)) : stream->Queue();
  }
  if (wanted.has_value()) Arm(*wanted);
}

AuditService::AuditService(const store::Log& log, projections::Runner& runner,
                           const PrincipalReader& principals, const Checkpoints* checkpoints)
    : log_(log),
      runner_(runner),
      principals_(principals),
      checkpoints_(checkpoints),
      followers_(std::make_shared<Followers>(runner)) {}

AuditService::~AuditService() = default;

void AuditService::Stop() { followers_->Stop(); }

grpc::ServerUnaryReactor* AuditService::GetEvent(grpc::CallbackServerContext* context,
                                                 const v1::GetEventRequest* request,
                                                 v1::GetEventResponse* response) {
  const Position head = log_.head().next;
  const auto work = [this, request, response,
                     head](const Principal& principal) -> std::optional<Refusal> {
    if (request->position() < 0 || static_cast<Position>(request->position()) >= head) {
      return rules::Refuse(v1::ERROR_REASON_UNKNOWN_POSITION, "no event at this position")
          .With("position", request->position());
    }
    const auto position = static_cast<Position>(request->position());
    const absl::StatusOr<std::string> bytes = log_.Read(position);
    if (!bytes.ok()) return Unreadable(bytes.status());
    Event event;
    const absl::Status decoded = projections::DecodeEvent(*bytes, position, event);
    if (!decoded.ok()) return Unreadable(decoded);

    const projections::QueryRows rows = runner_.views()->TakeSnapshot();
    const std::variant<bool, Refusal> fits =
        Selection(principal, v1::EventFilter::default_instance(), 0, rows).Fits(event);
    if (const auto* refusal = std::get_if<Refusal>(&fits)) return *refusal;
    if (!std::get<bool>(fits)) return NotYours({});
    response->mutable_record()->set_position(request->position());
    *response->mutable_record()->mutable_event() = std::move(event);
    return std::nullopt;
  };
  return StartRead({runner_, principals_, readers_}, *context, *request, head, work);
}

grpc::ServerUnaryReactor* AuditService::ListEvents(grpc::CallbackServerContext* context,
                                                   const v1::ListEventsRequest* request,
                                                   v1::ListEventsResponse* response) {
  const Position head = log_.head().next;
  const auto work = [this, request, response,
                     head](const Principal& principal) -> std::optional<Refusal> {
    constexpr std::string_view kRpc = "ListEvents";
    if (request->from_position() < 0) {
      return rules::InvalidField("from_position", "want 0 or more");
    }
    const std::variant<int, Refusal> fact = FactOf(request->filter());
    if (const auto* refusal = std::get_if<Refusal>(&fact)) return *refusal;
    const auto page = ReadPage(kRpc, request->filter(), request->page());
    if (const auto* refusal = std::get_if<Refusal>(&page)) return *refusal;
    const auto& start = std::get<PageStart>(page);
    // The digest in the token has vouched for the digits.
    const Position from = start.after.empty() ? static_cast<Position>(request->from_position())
                                              : std::strtoull(start.after.c_str(), nullptr, 10);
    const auto narrowed = SpanOf(log_, request->filter(), from);
    if (const auto* refusal = std::get_if<Refusal>(&narrowed)) return *refusal;
    Position next = std::get<Span>(narrowed).next;
    const Position end = std::min(head, std::get<Span>(narrowed).end.value_or(head));

    const projections::QueryRows rows = runner_.views()->TakeSnapshot();
    Selection selection(principal, request->filter(), std::get<int>(fact), rows);
    if (auto refusal = selection.RefuseAgreement()) return refusal;
    auto refusal = Collect(log_, selection, {start.size, kMostPageBytes}, end, next,
                           *response->mutable_records());
    if (refusal.has_value()) return refusal;
    if (next < end) {
      response->set_next_page_token(PageToken(kRpc, request->filter(), std::to_string(next)));
    }
    response->set_head_position(static_cast<std::int64_t>(head) - 1);
    return std::nullopt;
  };
  return StartRead({runner_, principals_, readers_}, *context, *request, head, work);
}

grpc::ServerWriteReactor<v1::StreamEventsResponse>* AuditService::StreamEvents(
    grpc::CallbackServerContext* context, const v1::StreamEventsRequest* request) {
  auto* stream = new Stream(*this, *context, *request);
  stream->Begin();
  return stream;
}

}  // namespace denier::services
