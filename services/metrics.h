// What the server tells Prometheus, on /metrics of an address of its own.
#ifndef DENIER_SERVICES_METRICS_H_
#define DENIER_SERVICES_METRICS_H_

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace denier::services {

// Thread-safe. Counting costs well under a microsecond, and nobody needs to listen.
class Metrics {
 public:
  Metrics();

  // `rpc` answered `count` commands. A result is "OK", or the reason of a refusal.
  void CommandsAnswered(std::string_view rpc, std::string_view result, std::size_t count);
  // A call of another service ended.
  void CallAnswered(std::string_view rpc, std::string_view result);
  void Queued(std::size_t commands);
  void Committed(std::size_t events, std::chrono::microseconds sync_time);

  // What is looked up each time somebody asks.
  struct Sample {
    std::int64_t head_position = -1;       // last durable event
    std::int64_t projected_position = -1;  // last event in the rows
    std::int64_t lost_log_lines = 0;
  };

  // Serves /metrics on `address` (HOST:PORT; port 0: any) until this object ends; `sample` is
  // called from a thread of its own. FAILED_PRECONDITION: the address is taken, or not this
  // machine's.
  absl::Status Expose(const std::string& address, std::function<Sample()> sample);

  // Where /metrics is served; 0: nowhere.
  int port() const;

 private:
  // The series of one family by RPC and result, found without building their labels.
  class Counters {
   public:
    explicit Counters(prometheus::Family<prometheus::Counter>& family) : family_(family) {}
    void Add(std::string_view rpc, std::string_view result, std::size_t count);

   private:
    prometheus::Family<prometheus::Counter>& family_;
    std::mutex mutex_;
    std::map<std::string, std::map<std::string, prometheus::Counter*, std::less<>>, std::less<>>
        known_;
  };

  const std::shared_ptr<prometheus::Registry> registry_;
  Counters commands_;
  Counters calls_;
  prometheus::Gauge& queued_commands_;
  prometheus::Histogram& batch_events_;
  prometheus::Histogram& sync_seconds_;
  std::shared_ptr<prometheus::Collectable> samples_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_METRICS_H_
