#include "services/exchange/equivalence.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace custodian::exchange {
namespace {

// Wide enough for any clinical window; keeps absl::Hours(24) * days far from overflow.
constexpr int kDaysMax = 36'500;
constexpr int kAgeMax = 150;
constexpr std::size_t kClassesMax = 10'000;

struct CsvRecord {
  // Line of the record's first character, from 1.
  int line = 0;
  std::vector<std::string> fields;
};

absl::Status Fault(int line, const std::string& column, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("exam table: line ", line, ", column ", column, ": ", what));
}

// RFC 4180: fields in double quotes may hold commas, line breaks and doubled quotes.
absl::StatusOr<std::vector<CsvRecord>> ParseCsv(std::string_view text) {
  std::vector<CsvRecord> records;
  int line = 1;
  std::size_t at = 0;
  while (at < text.size()) {
    CsvRecord record{line, {}};
    bool ended = false;
    while (!ended) {
      std::string field;
      if (at < text.size() && text[at] == '"') {
        const int opened = line;
        for (++at;; ++at) {
          if (at == text.size())
            return absl::InvalidArgumentError(absl::StrCat("exam table: line ", opened, ": a quote is never closed"));
          if (text[at] == '"') {
            if (at + 1 < text.size() && text[at + 1] == '"') {
              ++at;
            } else {
              ++at;
              break;
            }
          }
          if (text[at] == '\n') ++line;
          field += text[at];
        }
        if (at < text.size() && text[at] != ',' && text[at] != '\n' && text[at] != '\r')
          return absl::InvalidArgumentError(absl::StrCat("exam table: line ", line, ": text after a closing quote"));
      } else {
        while (at < text.size() && text[at] != ',' && text[at] != '\n' && text[at] != '\r') field += text[at++];
      }
      record.fields.push_back(std::move(field));
      if (at < text.size() && text[at] == ',') {
        ++at;
        continue;
      }
      if (at < text.size() && text[at] == '\r') ++at;
      if (at < text.size() && text[at] == '\n') ++at;
      ++line;
      ended = true;
    }
    if (record.fields.size() > 1 || !record.fields[0].empty()) records.push_back(std::move(record));
  }
  return records;
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(';'), text.size());
    if (end > 0) items.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return items;
}

// One row, read by column name.
class RowReader {
 public:
  RowReader(const std::map<std::string, std::size_t>& columns, const CsvRecord& record) : columns_(columns), record_(record) {}

  [[nodiscard]] const std::string& Text(const char* column) const { return record_.fields[columns_.at(column)]; }
  absl::Status Required(const char* column, std::string& into) const {
    into = Text(column);
    return into.empty() ? Fault(record_.line, column, "is empty") : absl::OkStatus();
  }
  absl::Status Number(const char* column, int max, int& into) const {
    const std::string& text = Text(column);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    if (error != std::errc() || end != text.data() + text.size() || into < 0 || into > max)
      return Fault(record_.line, column, absl::StrCat("must be a whole number from 0 to ", max));
    return absl::OkStatus();
  }
  [[nodiscard]] int line() const { return record_.line; }

 private:
  const std::map<std::string, std::size_t>& columns_;
  const CsvRecord& record_;
};

absl::StatusOr<ExamClass> ReadClass(const RowReader& row) {
  ExamClass exam;
  for (const auto& [column, into] : {std::pair{"class_id", &exam.class_id},
                                     {"label", &exam.label},
                                     {"modality", &exam.modality},
                                     {"body_region", &exam.body_region},
                                     {"contrast", &exam.contrast},
                                     {"setting", &exam.setting}})
    if (absl::Status status = row.Required(column, *into); !status.ok()) return status;
  const std::string& laterality = row.Text("laterality_required");
  if (laterality != "yes" && laterality != "no") return Fault(row.line(), "laterality_required", "must be yes or no");
  exam.laterality_required = laterality == "yes";
  exam.loinc = SplitList(row.Text("loinc"));
  exam.rsna = SplitList(row.Text("rsna_rpid"));
  if (exam.loinc.empty() && exam.rsna.empty()) return Fault(row.line(), "loinc", "a class needs a LOINC or RSNA code");
  const std::string& mode = row.Text("mode");
  if (mode == "off") {
    exam.mode = Mode::kOff;
  } else if (mode == "info") {
    exam.mode = Mode::kInfo;
  } else if (mode == "suggest") {
    exam.mode = Mode::kSuggest;
  } else {
    return Fault(row.line(), "mode", "must be off, info or suggest");
  }
  int reuse_days = 0;
  int observe_days = 0;
  if (absl::Status status = row.Number("min_age_years", kAgeMax, exam.min_age_years); !status.ok()) return status;
  if (absl::Status status = row.Number("reuse_days", kDaysMax, reuse_days); !status.ok()) return status;
  if (absl::Status status = row.Number("observe_days", kDaysMax, observe_days); !status.ok()) return status;
  exam.reuse = absl::Hours(24) * reuse_days;
  // SAVINGS T7: never shorter than the reuse window or 30 days.
  exam.observe = absl::Hours(24) * std::max({observe_days, reuse_days, 30});
  exam.reversal_set = SplitList(row.Text("reversal_set"));
  exam.clinical_source = row.Text("clinical_source");
  exam.approved_by = row.Text("approved_by");
  return exam;
}

bool IsRsnaSystem(std::string_view system) {
  return system == "http://radlex.org" || system == "http://www.radlex.org" || system == "https://radlex.org" ||
         system == "http://playbook.radlex.org" || system == "http://playbook.radlex.org/playbook/SearchRadlexAction" ||
         system == "http://www.rsna.org/RadLex_Playbook.aspx" || system == "urn:oid:2.16.840.1.113883.6.256";
}

bool IsLoincSystem(std::string_view system) { return system == "http://loinc.org" || system == "urn:oid:2.16.840.1.113883.6.1"; }

bool Contains(const std::vector<std::string>& codes, std::string_view code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

}  // namespace

absl::StatusOr<ExamTable> ExamTable::Parse(std::string_view csv) {
  auto records = ParseCsv(csv);
  if (!records.ok()) return records.status();
  if (records->empty()) return absl::InvalidArgumentError("exam table: it is empty; its first line must name the columns");
  std::map<std::string, std::size_t> columns;
  for (std::size_t i = 0; i < records->front().fields.size(); ++i)
    if (!columns.emplace(records->front().fields[i], i).second)
      return Fault(records->front().line, records->front().fields[i], "is named twice");
  for (const char* name :
       {"class_id", "label", "modality", "body_region", "laterality_required", "contrast", "loinc", "rsna_rpid", "mode",
        "setting", "min_age_years", "reuse_days", "observe_days", "reversal_set", "clinical_source", "approved_by"})
    if (!columns.contains(name)) return Fault(records->front().line, name, "is missing");
  if (records->size() - 1 > kClassesMax)
    return absl::InvalidArgumentError(absl::StrCat("exam table: more than ", kClassesMax, " classes"));

  ExamTable table;
  std::set<std::string> ids;
  std::set<std::string> codes;
  for (std::size_t i = 1; i < records->size(); ++i) {
    const CsvRecord& record = (*records)[i];
    if (record.fields.size() != columns.size())
      return absl::InvalidArgumentError(
          absl::StrCat("exam table: line ", record.line, " has ", record.fields.size(), " fields, not ", columns.size()));
    const RowReader row(columns, record);
    auto exam = ReadClass(row);
    if (!exam.ok()) return exam.status();
    if (!ids.insert(exam->class_id).second) return Fault(row.line(), "class_id", "names a class twice");
    for (const std::string& code : exam->loinc)
      if (!codes.insert("loinc " + code).second) return Fault(row.line(), "loinc", absl::StrCat(code, " names two classes"));
    for (const std::string& code : exam->rsna)
      if (!codes.insert("rsna " + code).second) return Fault(row.line(), "rsna_rpid", absl::StrCat(code, " names two classes"));
    table.classes_.push_back(*std::move(exam));
  }
  for (std::size_t i = 0; i < table.classes_.size(); ++i)
    for (const std::string& other : table.classes_[i].reversal_set)
      if (!ids.contains(other))
        return Fault((*records)[i + 1].line, "reversal_set", absl::StrCat(other, " is no class of this table"));
  return table;
}

const ExamClass* ExamTable::Find(std::string_view class_id) const {
  for (const ExamClass& exam : classes_)
    if (exam.class_id == class_id) return &exam;
  return nullptr;
}

const ExamClass* ExamTable::FindByCode(std::string_view system, std::string_view code) const {
  const bool loinc = IsLoincSystem(system);
  if (code.empty() || (!loinc && !IsRsnaSystem(system))) return nullptr;
  for (const ExamClass& exam : classes_)
    if (Contains(loinc ? exam.loinc : exam.rsna, code)) return &exam;
  return nullptr;
}

absl::StatusOr<std::string> SwitchOnDemonstration(std::string_view csv) {
  auto records = ParseCsv(csv);
  if (!records.ok()) return records.status();
  if (records->empty()) return absl::InvalidArgumentError("exam table: it is empty");
  const std::vector<std::string>& header = records->front().fields;
  const auto mode = static_cast<std::size_t>(std::find(header.begin(), header.end(), "mode") - header.begin());
  const auto demo_mode = static_cast<std::size_t>(std::find(header.begin(), header.end(), "demo_mode") - header.begin());
  if (mode == header.size() || demo_mode == header.size()) return Fault(1, "demo_mode", "is missing, or mode is");
  std::string out;
  for (CsvRecord& record : *records) {
    if (record.fields.size() != header.size())
      return Fault(record.line, "mode", "the row has another number of fields than the header");
    if (&record != &records->front()) record.fields[mode] = record.fields[demo_mode];
    for (std::size_t i = 0; i < record.fields.size(); ++i)
      absl::StrAppend(&out, i == 0 ? "" : ",", "\"", absl::StrReplaceAll(record.fields[i], {{"\"", "\"\""}}), "\"");
    out += '\n';
  }
  return out;
}

}  // namespace custodian::exchange
