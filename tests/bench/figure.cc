#include "tests/bench/figure.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

namespace denier::bench {
namespace {

constexpr auto kFigures = std::to_array<Figure>({
    {"unary_vs_echo", "durable Engage over 300 envelopes, 64 in flight, a second",
     "bare gRPC echo of the same bytes, same API", "x", 0.80, Better::kHigher},
    {"single_latency", "Engage, one in flight, median",
     "echo's median + that of a synced RocksDB put", "x", 1.2, Better::kLower},
    {"unary_vs_postgres", "durable Engage over 300 envelopes, 64 in flight, a second",
     "PostgreSQL, best of 1, 4, 16, 64 connections, a transaction a command", "x", 4,
     Better::kHigher},
    {"hot_vs_postgres", "Engage on one envelope, 64 in flight, a second",
     "PostgreSQL on one row, best of 1, 4, 16, 64 connections", "x", 9, Better::kHigher},
    {"stream_vs_echo", "Engage, 1000 a message, until the views have reached the head",
     "bare gRPC stream of the same bytes", "x", 0.40, Better::kHigher},
    {"stream_vs_postgres", "Engage, 1000 a message, until the views have reached the head",
     "PostgreSQL, 1000 events a transaction, best of 1 to 4 clients", "x", 7, Better::kHigher},
    {"append_vs_raw",
     "the store's append, 1000 events a batch, tree included, the next batch packed meanwhile",
     "one RocksDB value of the same events, synced", "x", 0.80, Better::kHigher},
    {"replay_vs_scan", "books from nothing", "scan of the same batches, cheapest decode", "x", 0.80,
     Better::kHigher},
    {"replay_vs_postgres", "books from nothing", "SUM ... GROUP BY year and envelope", "x", 5,
     Better::kHigher},
    {"report_vs_ledger", "yearly report, views/ deleted", "ledger on the same entries", "x", 40,
     Better::kHigher},
    {"bytes_per_event", "all files after compaction", "PostgreSQL with its indexes", "x", 0.40,
     Better::kLower},
    {"query_p99", "yearly execution under full write load, p99",
     "echo of the same bytes under the same load, p99", "x", 2, Better::kLower},
    {"asof_p99", "yearly execution at a random position, p99", "the same at the head, p99", "x", 3,
     Better::kLower},
    {"start_vs_open", "kill -9 under load, then to the first accepted command",
     "bare open of both RocksDB folders + fold of the tail", "x", 1.5, Better::kLower},
    {"start_rss_mib", "resident memory then", "(absolute)", "MiB", 512, Better::kLower},
    {"rebuild_interference", "commands a second while the projections are rebuilt", "alone", "x",
     0.7, Better::kHigher},
    {"rebuild_slowdown", "time of a rebuild under that load", "alone", "x", 5, Better::kLower},
    {"merkle_cost", "Engage, 1000 a message, tree on", "tree off", "x", 0.85, Better::kHigher},
    {"growth_unary", "time of an Engage, 64 in flight, on the long log", "on 10 k events", "x", 1.3,
     Better::kLower},
    {"growth_query", "yearly execution on the long log, median", "on 10 k events", "x", 1.3,
     Better::kLower},
    {"growth_start", "start on the long log", "on 10 k events", "x", 1.3, Better::kLower},
});

// Three digits that count.
std::string Number(double value) {
  std::array<char, 32> text{};
  const int decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  std::snprintf(text.data(), text.size(), "%.*f", value < 0.1 ? 4 : decimals, value);
  return text.data();
}

std::string Spread(const std::vector<double>& rounds) {
  const auto [least, most] = std::ranges::minmax(rounds);
  return Number(least) + " .. " + Number(most);
}

std::string Line(std::string_view name, std::string_view value, std::string_view unit,
                 std::string_view spread, std::string_view goal, std::string_view met,
                 std::string_view sides) {
  std::array<char, 512> line{};
  const auto text = [](std::string_view words) { return std::string(words); };
  std::snprintf(line.data(), line.size(), "%-21s %9s %-4s %15s %8s  %-6s %s\n", text(name).c_str(),
                text(value).c_str(), text(unit).c_str(), text(spread).c_str(), text(goal).c_str(),
                text(met).c_str(), text(sides).c_str());
  return line.data();
}

bool Met(const Figure& figure, double value) {
  return figure.better == Better::kHigher ? value >= figure.goal : value <= figure.goal;
}

}  // namespace

std::span<const Figure> Figures() { return kFigures; }

const Figure* FindFigure(std::string_view name) {
  const auto* found = std::ranges::find(kFigures, name, &Figure::name);
  return found == kFigures.end() ? nullptr : found;
}

double Quantile(std::vector<double> values, double share) {
  assert(!values.empty());
  const auto last = static_cast<double>(values.size() - 1);
  const auto rank = static_cast<std::ptrdiff_t>(std::ceil(share * last));
  std::ranges::nth_element(values, values.begin() + rank);
  return values[static_cast<std::size_t>(rank)];
}

double Median(std::vector<double> values) {
  assert(!values.empty());
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void Measured::Add(std::string_view figure, double value) {
  assert(FindFigure(figure) != nullptr);
  rounds_[std::string(figure)].push_back(value);
}

void Measured::AddBound(std::string_view figure, double value, std::string_view what) {
  assert(FindFigure(figure) != nullptr);
  Bound& bound = bounds_[std::string(figure)];
  bound.rounds.push_back(value);
  bound.what = what;
}

void Measured::Note(std::string_view figure, std::string text) {
  notes_[std::string(figure)] = std::move(text);
}

std::string Measured::ToJson() const {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const Figure& figure : kFigures) {
    if (!Has(figure.name)) continue;
    json[std::string(figure.name)] = {
        {"value", ValueOf(figure.name)},
        {"goal", figure.goal},
        {"better", figure.better == Better::kHigher ? "higher" : "lower"},
        {"unit", std::string(figure.unit)}};
  }
  return json.dump(2) + "\n";
}

std::string Measured::ToTable() const {
  std::string table = Line("figure", "value", "", "spread", "goal", "", "Denier | against");
  for (const Figure& figure : kFigures) table += LinesOf(figure.name);
  return table;
}

std::string Measured::LinesOf(std::string_view name) const {
  const auto rounds = rounds_.find(name);
  if (rounds == rounds_.end()) return "";
  const Figure& figure = *FindFigure(name);
  const double value = Median(rounds->second);
  std::string lines = Line(figure.name, Number(value), figure.unit, Spread(rounds->second),
                           (figure.better == Better::kHigher ? ">= " : "<= ") + Number(figure.goal),
                           Met(figure, value) ? "met" : "short",
                           std::string(figure.denier) + " | " + std::string(figure.against));
  if (const auto bound = bounds_.find(name); bound != bounds_.end()) {
    lines += Line(figure.better == Better::kHigher ? "  at most" : "  at least",
                  Number(Median(bound->second.rounds)), figure.unit, Spread(bound->second.rounds),
                  "", "", bound->second.what);
  }
  const auto note = notes_.find(name);
  if (note != notes_.end()) lines += "                      " + note->second + "\n";
  return lines;
}

}  // namespace denier::bench
