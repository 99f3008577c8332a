// The figures that the bench measures, what was measured of them, and how that is shown.
#ifndef DENIER_TESTS_BENCH_FIGURE_H_
#define DENIER_TESTS_BENCH_FIGURE_H_

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace denier::bench {

enum class Better { kHigher, kLower };

struct Figure {
  std::string_view name;
  std::string_view denier;   // what Denier does
  std::string_view against;  // and what it is held against
  std::string_view unit;     // "x" is a ratio, Denier's side to the other
  double goal;
  Better better;
};

// In the order in which they are shown.
std::span<const Figure> Figures();
// nullptr: there is none of this name.
const Figure* FindFigure(std::string_view name);

double Median(std::vector<double> values);
// The value that `share` (0 to 1) of the values do not pass.
double Quantile(std::vector<double> values, double share);

// What the rounds gave. Not thread-safe.
class Measured {
 public:
  // One round's value of a figure that exists.
  void Add(std::string_view figure, double value);
  // One round's value of what does nothing but what no program of this shape can leave out, held
  // against the same: how near to the goal this machine lets anybody come. `what` says what it is.
  void AddBound(std::string_view figure, double value, std::string_view what);
  // What the value was made from, for people: the absolute figures of this machine.
  void Note(std::string_view figure, std::string text);

  bool Has(std::string_view figure) const { return rounds_.contains(figure); }
  double ValueOf(std::string_view figure) const { return Median(rounds_.find(figure)->second); }

  // {"figure": {"value": v, "goal": g, "better": "higher"|"lower", "unit": u}}
  std::string ToJson() const;
  // For people: median, spread, goal, whether it is met, and the bound.
  std::string ToTable() const;
  // The lines of one figure in it; empty when it was not measured.
  std::string LinesOf(std::string_view figure) const;

 private:
  std::map<std::string, std::vector<double>, std::less<>> rounds_;
  std::map<std::string, std::string, std::less<>> notes_;
  struct Bound {
    std::vector<double> rounds;
    std::string what;
  };
  std::map<std::string, Bound, std::less<>> bounds_;
};

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_FIGURE_H_
