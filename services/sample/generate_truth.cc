#include "services/sample/generate_truth.h"

#include <algorithm>
#include <utility>

#include "services/sample/generate_json.h"

namespace custodian::sample {
namespace {

std::string Seconds(absl::Time t) { return absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ", t, absl::UTCTimeZone()); }

std::string Kind(Card card) {
  switch (card) {
    case Card::kInfo: return "info";
    case Card::kSuggest: return "suggest";
    case Card::kNone: break;
  }
  return "none";
}

}  // namespace

void Truth::Figures::Add(Outcome outcome, std::int64_t cents) {
  Figure& figure = by_outcome[static_cast<std::size_t>(outcome)];
  ++figure.exams;
  figure.cents += cents;
}

std::string Truth::Figures::Json(const std::string& tenant, const std::string& modality, const std::string& side) const {
  const auto json = [](const Figure& figure) {
    return Object({{"cents", Number(figure.cents)}, {"exams", Number(figure.exams)}});
  };
  const auto at = [this](Outcome outcome) -> const Figure& { return by_outcome[static_cast<std::size_t>(outcome)]; };
  Figure gross;
  for (const Figure& figure : by_outcome) {
    gross.exams += figure.exams;
    gross.cents += figure.cents;
  }
  return Object({{"censored", json(at(Outcome::kCensored))},
                 {"confirmed", json(at(Outcome::kConfirmed))},
                 {"gross", json(gross)},
                 {"modality", modality.empty() ? "" : Text(modality)},
                 {"pending", json(at(Outcome::kPending))},
                 {"reversed", json(at(Outcome::kReversed))},
                 {"side", side.empty() ? "" : Text(side)},
                 {"tenant", tenant.empty() ? "" : Text(tenant)}});
}

std::size_t Truth::AddOrder(TrueOrder order) {
  orders_.push_back(std::move(order));
  return orders_.size() - 1;
}

void Truth::AddAvoidance(const std::string& ordering, const std::string& source, const std::string& modality, std::int64_t cents,
                         Outcome outcome) {
  const std::int64_t to_source = cents / 2;
  rows_[{source, modality, "source"}].Add(outcome, to_source);
  rows_[{ordering, modality, "ordering"}].Add(outcome, cents - to_source);
  total_.Add(outcome, cents);
}

std::string Truth::ReportJson(absl::Time as_of) const {
  std::vector<std::string> rows;
  for (const auto& [name, figures] : rows_) {
    const auto& [tenant, modality, side] = name;
    rows.push_back(figures.Json(tenant, modality, side));
  }
  return Object(
      {{"as_of", Text(Seconds(as_of))}, {"currency", Text("USD")}, {"rows", Array(rows)}, {"total", total_.Json("", "", "")}});
}

std::string Truth::Json(absl::Time as_of) const {
  std::int64_t shown = 0, accepted = 0, overridden = 0;
  std::vector<const TrueOrder*> sorted;
  for (const auto& order : orders_) {
    sorted.push_back(&order);
    shown += order.card != Card::kNone;
    accepted += order.accepted;
    overridden += order.overridden;
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const TrueOrder* a, const TrueOrder* b) { return std::tie(a->tenant, a->order) < std::tie(b->tenant, b->order); });
  std::vector<std::string> orders;
  for (const TrueOrder* order : sorted) {
    orders.push_back(Object({{"accepted", order->accepted ? "true" : "false"},
                             {"card", order->card != Card::kNone ? "true" : "false"},
                             {"kind", Text(Kind(order->card))},
                             {"order", Text(order->order)},
                             {"overridden", order->overridden ? "true" : "false"},
                             {"reason", Text(order->reason)},
                             {"scenario", Text(order->scenario)},
                             {"tenant", Text(order->tenant)}}));
  }
  std::vector<std::string> left_out;
  for (const auto& scenario : left_out_) left_out.push_back(Text(scenario));
  return Object({{"as_of", Text(Seconds(as_of))},
                 {"counts", Object({{"accepted", Number(accepted)},
                                    {"checked", Number(static_cast<std::int64_t>(orders_.size()))},
                                    {"overridden", Number(overridden)},
                                    {"shown", Number(shown)}})},
                 {"orders", Array(orders)},
                 {"savings", ReportJson(as_of)},
                 {"scenarios_left_out", Array(left_out)}});
}

}  // namespace custodian::sample
