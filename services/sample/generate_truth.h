// What is true of a made population: each case says of its own orders and avoided exams what became of them, and this adds it up
// to truth.json. It knows no rule: nobody here asks whether a prior was usable or a window had passed. Not thread-safe.
#ifndef CUSTODIAN_SERVICES_SAMPLE_GENERATE_TRUTH_H_
#define CUSTODIAN_SERVICES_SAMPLE_GENERATE_TRUTH_H_

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/time/time.h"

namespace custodian::sample {

enum class Outcome { kPending, kConfirmed, kReversed, kCensored };

// What the clinician is shown: nothing, information, or a suggestion to delete the order.
enum class Card { kNone, kInfo, kSuggest };

struct TrueOrder {
  std::string tenant;
  // "system|value".
  std::string order;
  std::string scenario;
  Card card = Card::kNone;
  std::string reason;
  bool accepted = false;
  bool overridden = false;
};

class Truth {
 public:
  // An order and, for later remarks, its index.
  std::size_t AddOrder(TrueOrder order);
  TrueOrder& order(std::size_t index) { return orders_[index]; }
  [[nodiscard]] const std::vector<TrueOrder>& orders() const { return orders_; }
  // An exam avoided by an order at `ordering` thanks to a result at `source`.
  void AddAvoidance(const std::string& ordering, const std::string& source, const std::string& modality, std::int64_t cents,
                    Outcome outcome);
  void LeaveOut(const std::string& scenario) { left_out_.push_back(scenario); }

  // Keys sorted; one line. The report has the schema of `custodian savings --json`.
  [[nodiscard]] std::string Json(absl::Time as_of) const;
  [[nodiscard]] std::string ReportJson(absl::Time as_of) const;

 private:
  struct Figure {
    std::int64_t exams = 0;
    std::int64_t cents = 0;
  };
  // By outcome.
  struct Figures {
    Figure by_outcome[4];
    void Add(Outcome outcome, std::int64_t cents);
    // Members with empty names are left out.
    [[nodiscard]] std::string Json(const std::string& tenant, const std::string& modality, const std::string& side) const;
  };

  std::vector<TrueOrder> orders_;
  // By tenant, modality, side.
  std::map<std::tuple<std::string, std::string, std::string>, Figures> rows_;
  Figures total_;
  std::vector<std::string> left_out_;
};

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_GENERATE_TRUTH_H_
