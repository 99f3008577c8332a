// The rows of one kind that are in memory: what was changed, and what was read.
#ifndef DENIER_PROJECTIONS_TABLE_H_
#define DENIER_PROJECTIONS_TABLE_H_

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "absl/functional/function_ref.h"
#include "projections/row_keys.h"
#include "store/position.h"

namespace denier::projections {

// Not thread-safe. A pointer to a row holds until the row is evicted or rolled back.
template <class Row>
class Table {
 public:
  // Reads a row that is not in memory, or nothing when there is none.
  using Loader = absl::FunctionRef<std::optional<Row>(const std::string& key)>;

  // nullptr: there is no such row.
  const Row* Find(const RowName& name, Loader load) {
    const Node* node = Lookup(name, load);
    return node == nullptr ? nullptr : &node->second.row;
  }

  // The row, to be changed by the event at `position`; an empty one where there was none.
  Row& Mutable(const RowName& name, store::Position position, Loader load) {
    Node* node = Lookup(name, load);
    return node == nullptr ? Create(name, position) : Change(*node, /*is_new=*/false, position);
  }

  // The row that the event at `position` makes: one that is not in memory is new, and nothing is
  // read to find that out. The rules have, when they decided it.
  Row& Create(const RowName& name, store::Position position) {
    const auto [it, is_new] = entries_.try_emplace(name.Key());
    last_ = &*it;
    return Change(*it, is_new, position);
  }

  // From here on Rollback puts back every row as it was now.
  void Begin() {
    recording_ = ++recordings_;
    changed_before_ = changed_.size();
  }
  void Keep() {
    recording_ = 0;
    saved_.clear();
  }
  void Rollback() {
    changed_.resize(changed_before_);
    for (auto& [key, entry] : saved_) {
      if (entry.has_value()) {
        entries_[key] = std::move(*entry);
      } else {
        entries_.erase(key);
      }
    }
    last_ = nullptr;
    Keep();
  }

  // Calls `put` for each row changed since the last call, in the order of the first change. Not
  // between Begin and Keep or Rollback.
  void TakeChanges(absl::FunctionRef<void(const std::string& key, const Row& row)> put) {
    assert(recording_ == 0);
    for (Node* node : changed_) {
      node->second.changed = false;
      put(node->first, node->second.row);
    }
    changed_.clear();
  }

  std::size_t size() const { return entries_.size(); }
  bool Has(const std::string& key) const { return entries_.contains(key); }

  // Drops rows while there are more than `most`, until half of that is left, but none that an event
  // at or after `stored` touched. Those that could not go are not walked again before they can, or
  // before half as many are new: a row is walked over twice at the most, on average.
  void Evict(std::size_t most, store::Position stored) {
    if (entries_.size() <= most) return;
    if (stored <= last_left_ && entries_.size() <= left_ + std::max(most, left_) / 2) return;
    const std::size_t before = entries_.size();
    last_ = nullptr;
    last_left_ = 0;
    for (auto it = entries_.begin(); it != entries_.end() && entries_.size() > most / 2;) {
      const Entry& entry = it->second;
      if (entry.changed || entry.touched >= stored) {
        last_left_ = std::max(last_left_, entry.touched);
        ++it;
      } else {
        entries_.erase(it++);
      }
    }
    left_ = entries_.size();
    // Or each look-up would walk over where rows have been.
    if (left_ < before) entries_.rehash(0);
  }

 private:
  struct Entry {
    Row row{};
    store::Position touched = 0;
    bool changed = false;
    std::uint64_t saved_in = 0;  // the recording that has a copy of it
  };

  // Rows stay where they are in memory until they are erased.
  using Entries = absl::node_hash_map<std::string, Entry>;
  using Node = typename Entries::value_type;

  Node* Lookup(const RowName& name, Loader load) {
    if (last_ != nullptr && name.Is(last_->first)) return last_;
    const std::string key = name.Key();
    auto it = entries_.find(key);
    if (it == entries_.end()) {
      std::optional<Row> row = load(key);
      if (!row.has_value()) return nullptr;
      it = entries_.try_emplace(key).first;
      it->second.row = std::move(*row);
    }
    return last_ = &*it;
  }

  Row& Change(Node& node, bool is_new, store::Position position) {
    Entry& entry = node.second;
    if (recording_ && (is_new || entry.saved_in != recording_)) {
      saved_.emplace_back(node.first, is_new ? std::nullopt : std::optional(entry));
    }
    entry.saved_in = recording_;
    entry.touched = position;
    if (!entry.changed) {
      entry.changed = true;
      changed_.push_back(&node);
    }
    return entry.row;
  }

  Entries entries_;
  Node* last_ = nullptr;  // that was asked for: the next one asked for is mostly the same
  // By the last eviction: how many, and the last event that touched one of those that had to stay.
  std::size_t left_ = 0;
  store::Position last_left_ = 0;
  std::vector<Node*> changed_;
  std::size_t changed_before_ = 0;  // when the recording began
  std::uint64_t recordings_ = 0;
  std::uint64_t recording_ = 0;  // 0: none
  std::vector<std::pair<std::string, std::optional<Entry>>> saved_;
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_TABLE_H_
