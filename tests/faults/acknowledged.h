// What a client was promised: it writes down each acknowledgement itself, and holds the log against
// its notes after a crash.
#ifndef DENIER_TESTS_FAULTS_ACKNOWLEDGED_H_
#define DENIER_TESTS_FAULTS_ACKNOWLEDGED_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace denier::faults {

// Thread-safe.
class Acknowledged {
 public:
  // `request_id` was accepted at `position`.
  void Accepted(const std::string& request_id, std::int64_t position) {
    const std::lock_guard<std::mutex> lock(mutex_);
    positions_[request_id] = position;
    unanswered_.erase(request_id);
  }
  // It was sent, and nobody knows what became of it.
  void Unanswered(const std::string& request_id) {
    const std::lock_guard<std::mutex> lock(mutex_);
    unanswered_.insert(request_id);
  }

  std::vector<std::string> unanswered() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return {unanswered_.begin(), unanswered_.end()};
  }
  // The highest position that was acknowledged; -1: none.
  std::int64_t last() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::int64_t last = -1;
    for (const auto& [request_id, position] : positions_) last = std::max(last, position);
    return last;
  }
  std::size_t size() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return positions_.size();
  }

  // `request_ids[i]` is the request of event `first + i`. What is lost, moved or there twice;
  // empty: nothing.
  std::string FirstBreach(std::int64_t first, const std::vector<std::string>& request_ids) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::map<std::string, std::int64_t> stored;
    for (std::size_t i = 0; i < request_ids.size(); ++i) {
      const std::int64_t position = first + static_cast<std::int64_t>(i);
      const auto [it, added] = stored.emplace(request_ids[i], position);
      if (!added) {
        return request_ids[i] + " stands twice, at " + std::to_string(it->second) + " and " +
               std::to_string(position);
      }
    }
    for (const auto& [request_id, position] : positions_) {
      if (position < first) continue;  // seen after an earlier crash
      const auto it = stored.find(request_id);
      if (it == stored.end()) {
        return request_id + " was acknowledged at " + std::to_string(position) + " and is lost";
      }
      if (it->second != position) {
        return request_id + " was acknowledged at " + std::to_string(position) + " and stands at " +
               std::to_string(it->second);
      }
    }
    return "";
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::int64_t> positions_;
  std::set<std::string> unanswered_;
};

}  // namespace denier::faults

#endif  // DENIER_TESTS_FAULTS_ACKNOWLEDGED_H_
