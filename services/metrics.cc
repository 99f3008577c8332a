#include "services/metrics.h"

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"

namespace denier::services {
namespace {

using prometheus::MetricType;

// Bounds of the histograms: events a batch, and seconds a sync.
const prometheus::Histogram::BucketBoundaries kBatchEvents = {1,   2,   5,   10,    20,    50,
                                                              100, 200, 500, 1'000, 2'000, 5'000};
const prometheus::Histogram::BucketBoundaries kSyncSeconds = {
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5};

prometheus::MetricFamily FamilyOf(const char* name, const char* help, MetricType type,
                                  std::int64_t value) {
  prometheus::ClientMetric metric;
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) =
      static_cast<double>(value);
  return {name, help, type, {metric}};
}

class Samples final : public prometheus::Collectable {
 public:
  explicit Samples(std::function<Metrics::Sample()> sample) : sample_(std::move(sample)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    const Metrics::Sample now = sample_();
    return {
        FamilyOf("denier_head_position", "Last durable event, -1: the log is empty.",
                 MetricType::Gauge, now.head_position),
        FamilyOf("denier_projection_lag_events", "Durable events that the rows do not hold yet.",
                 MetricType::Gauge, now.head_position - now.projected_position),
        FamilyOf("denier_log_lines_lost_total", "Lines that the server's log had no room for.",
                 MetricType::Counter, now.lost_log_lines),
    };
  }

 private:
  const std::function<Metrics::Sample()> sample_;
};

}  // namespace

Metrics::Metrics()
    : registry_(std::make_shared<prometheus::Registry>()),
      commands_(prometheus::BuildCounter()
                    .Name("denier_commands_total")
                    .Help("Commands answered, by RPC and result.")
                    .Register(*registry_)),
      calls_(prometheus::BuildCounter()
                 .Name("denier_calls_total")
                 .Help("Calls of the other services that ended, by RPC and result.")
                 .Register(*registry_)),
      queued_commands_(prometheus::BuildGauge()
                           .Name("denier_queued_commands")
                           .Help("Commands that wait for their turn.")
                           .Register(*registry_)
                           .Add({})),
      batch_events_(prometheus::BuildHistogram()
                        .Name("denier_batch_events")
                        .Help("Events that became durable together.")
                        .Register(*registry_)
                        .Add({}, kBatchEvents)),
      sync_seconds_(prometheus::BuildHistogram()
                        .Name("denier_sync_seconds")
                        .Help("What making a batch durable took.")
                        .Register(*registry_)
                        .Add({}, kSyncSeconds)) {
  prometheus::BuildGauge()
      .Name("denier_started_time_seconds")
      .Help("When the server started, seconds since 1970 UTC.")
      .Register(*registry_)
      .Add({})
      .SetToCurrentTime();
}

void Metrics::Counters::Add(std::string_view rpc, std::string_view result, std::size_t count) {
  const std::lock_guard lock(mutex_);
  auto of_rpc = known_.find(rpc);
  if (of_rpc == known_.end()) of_rpc = known_.try_emplace(std::string(rpc)).first;
  auto known = of_rpc->second.find(result);
  if (known == of_rpc->second.end()) {
    prometheus::Counter& counter =
        family_.Add({{"rpc", std::string(rpc)}, {"result", std::string(result)}});
    known = of_rpc->second.emplace(result, &counter).first;
  }
  known->second->Increment(static_cast<double>(count));
}

void Metrics::CommandsAnswered(std::string_view rpc, std::string_view result, std::size_t count) {
  commands_.Add(rpc, result, count);
}

void Metrics::CallAnswered(std::string_view rpc, std::string_view result) {
  calls_.Add(rpc, result, 1);
}

void Metrics::Queued(std::size_t commands) { queued_commands_.Set(static_cast<double>(commands)); }

void Metrics::Committed(std::size_t events, std::chrono::microseconds sync_time) {
  batch_events_.Observe(static_cast<double>(events));
  sync_seconds_.Observe(std::chrono::duration<double>(sync_time).count());
}

absl::Status Metrics::Expose(const std::string& address, std::function<Sample()> sample) {
  samples_ = std::make_shared<Samples>(std::move(sample));
  try {
    exposer_ = std::make_unique<prometheus::Exposer>(address, /*num_threads=*/1);
  } catch (const std::exception&) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot serve metrics on ", address,
                     ": another program listens there, or it is not an address of this machine"));
  }
  exposer_->RegisterCollectable(registry_);
  exposer_->RegisterCollectable(samples_);
  return absl::OkStatus();
}

int Metrics::port() const {
  return exposer_ == nullptr ? 0 : exposer_->GetListeningPorts().front();
}

}  // namespace denier::services
