#include "services/savings/report.h"

#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_json.h"
#include "services/savings/evaluator.h"

namespace custodian::savings {
namespace {

using exchange::Json;

// In the order of the report's keys (sorted).
struct Column {
  const char* name;
  Count Figures::*count;
};
constexpr Column kColumns[] = {{"censored", &Figures::censored},
                               {"confirmed", &Figures::confirmed},
                               {"gross", &Figures::gross},
                               {"pending", &Figures::pending},
                               {"reversed", &Figures::reversed}};

Json CountJson(const Count& count) {
  return Json::Object({{"cents", Json::Integer(count.cents)}, {"exams", Json::Integer(count.exams)}});
}

// RFC 4180: quoted when it must be. A leading sign that a spreadsheet would take for a formula cannot occur in names of ours.
std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

Json FiguresJson(const Figures& figures) {
  Json object = Json::Object();
  for (const Column& column : kColumns) object.Set(column.name, CountJson(figures.*column.count));
  return object;
}

// Keys sorted: the names of a row, null for the total, lie between the columns'.
Json MarkedJson(const MarkedFigures& figures, Marks marks, const Report::Row* row) {
  Json object = Json::Object();
  for (const Column& column : kColumns) {
    if (column.count == &Figures::gross && marks == Marks::kShown) {
      object.Set("countersigned", FiguresJson(figures.countersigned));
      object.Set("disputed", FiguresJson(figures.disputed));
    }
    if (column.count == &Figures::pending && row != nullptr) object.Set("modality", Json::String(row->modality));
    object.Set(column.name, CountJson(figures.*column.count));
  }
  if (row == nullptr) return object;
  object.Set("side", Json::String(row->side));
  object.Set("tenant", Json::String(row->tenant));
  return object;
}

void AppendCsv(std::string& csv, const std::string& tenant, const std::string& modality, const std::string& side, const MarkedFigures& figures) {
  absl::StrAppend(&csv, CsvField(tenant), ",", CsvField(modality), ",", side);
  for (const Figures* part : {static_cast<const Figures*>(&figures), &figures.countersigned, &figures.disputed}) {
    for (const Count Figures::*count :
         {&Figures::gross, &Figures::pending, &Figures::confirmed, &Figures::reversed, &Figures::censored}) {
      absl::StrAppend(&csv, ",", (part->*count).exams, ",", (part->*count).cents);
    }
  }
  absl::StrAppend(&csv, "\r\n");
}

}  // namespace

void Figures::Add(std::string_view state, std::int64_t exams, std::int64_t cents) {
  Count* own = state == "pending" ? &pending : state == "confirmed" ? &confirmed : state == "reversed" ? &reversed : &censored;
  for (Count* count : {&gross, own}) {
    count->exams += exams;
    count->cents += cents;
  }
}

void MarkedFigures::Add(std::string_view word, std::string_view state, std::int64_t exams, std::int64_t cents) {
  Figures::Add(state, exams, cents);
  if (word == "countersigned") countersigned.Add(state, exams, cents);
  if (word == "disputed") disputed.Add(state, exams, cents);
}

Report MakeReport(const std::vector<FigureRow>& figures, absl::Time as_of, std::string_view tenant) {
  Report report{.as_of = as_of, .rows = {}, .total = {}};
  std::map<std::tuple<std::string, std::string, std::string>, MarkedFigures> rows;
  for (const FigureRow& figure : figures) {
    const bool orders = tenant.empty() || figure.ordering_tenant == tenant;
    const bool gives = tenant.empty() || figure.source_tenant == tenant;
    if (!orders && !gives) continue;
    if (orders)
      rows[{figure.ordering_tenant, figure.modality, "ordering"}].Add(figure.word, figure.state, figure.exams, figure.cents - figure.source_cents);
    if (gives) rows[{figure.source_tenant, figure.modality, "source"}].Add(figure.word, figure.state, figure.exams, figure.source_cents);
    report.total.Add(figure.word, figure.state, figure.exams, figure.cents);
  }
  for (auto& [key, row] : rows) {
    if (row.gross.exams == 0) continue;
    report.rows.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), row});
  }
  return report;
}

std::string ToJson(const Report& report, Marks marks) {
  Json rows = Json::Array();
  for (const Report::Row& row : report.rows) rows.Append(MarkedJson(row.figures, marks, &row));
  return Json::Object({{"as_of", Json::String(FormatAsOf(report.as_of))},
                       {"currency", Json::String("USD")},
                       {"rows", std::move(rows)},
                       {"total", MarkedJson(report.total, marks, nullptr)}})
      .Text();
}

std::string ToCsv(const Report& report) {
  std::string csv = "tenant,modality,side";
  for (const char* part : {"", "countersigned_", "disputed_"})
    for (const char* state : {"gross", "pending", "confirmed", "reversed", "censored"})
      absl::StrAppend(&csv, ",", part, state, "_exams,", part, state, "_cents");
  csv += "\r\n";
  for (const Report::Row& row : report.rows) AppendCsv(csv, row.tenant, row.modality, row.side, row.figures);
  AppendCsv(csv, "total", "", "", report.total);
  return csv;
}

std::string FormatAsOf(absl::Time time) {
  const bool whole = absl::ToUnixMillis(time) % 1'000 == 0;
  return absl::FormatTime(whole ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

Reporter::Reporter(const tenants::Database& network_database, const tenants::Registry& registry, const Clock& network_clock,
                   std::function<absl::Status()> settle)
    : network_database_(network_database), registry_(registry), network_clock_(network_clock), settle_(std::move(settle)) {}

absl::StatusOr<Reporter::Detailed> Reporter::Read(std::optional<absl::Time> as_of, bool tenants_view) const {
  if (absl::Status settled = settle_(); !settled.ok()) return settled;
  Detailed detailed{.as_of = TruncateToMilliseconds(as_of.value_or(network_clock_.Now())), .rows = {}};
  const auto watermark = SmallestWatermark(network_database_, registry_, detailed.as_of);
  if (!watermark.ok()) return watermark.status();
  const absl::Status read = network_database_.Read([&](tenants::ReadTransaction& transaction) -> absl::Status {
    detailed.rows = ReadFigures(transaction, detailed.as_of, *watermark, tenants_view);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return detailed;
}

absl::StatusOr<Report> Reporter::Make(std::optional<absl::Time> as_of, std::string_view tenant) const {
  if (!tenant.empty() && !registry_.FindByName(tenant)) return absl::NotFoundError("no tenant has that name");
  const auto detailed = Read(as_of, !tenant.empty());
  if (!detailed.ok()) return detailed.status();
  return MakeReport(detailed->rows, detailed->as_of, tenant);
}

absl::StatusOr<std::string> Reporter::MakeJson(std::optional<absl::Time> as_of, std::string_view tenant, Marks marks) const {
  const auto report = Make(as_of, tenant);
  if (!report.ok()) return report.status();
  return ToJson(*report, marks);
}

absl::StatusOr<std::vector<ListedAvoidance>> Reporter::List(const AvoidanceFilter& filter, std::optional<absl::Time> as_of,
                                                            int limit, int offset) const {
  const absl::Time moment = TruncateToMilliseconds(as_of.value_or(network_clock_.Now()));
  const auto watermark = SmallestWatermark(network_database_, registry_, moment);
  if (!watermark.ok()) return watermark.status();
  std::vector<ListedAvoidance> list;
  const absl::Status read = network_database_.Read([&](tenants::ReadTransaction& transaction) -> absl::Status {
    list = ListAvoidances(transaction, filter, moment, *watermark, limit, offset);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return list;
}

}  // namespace custodian::savings
