#include "services/exchange/equivalence.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/consent/governed_table.h"

namespace custodian::exchange {
namespace {

// Wide enough for any clinical window; keeps absl::Hours(24) * days far from overflow.
constexpr int kDaysMax = 36'500;
constexpr int kAgeMax = 150;
constexpr std::size_t kClassesMax = 10'000;
constexpr std::size_t kCodesMax = 100'000;

const char* NameOf(Mode mode) { return mode == Mode::kOff ? "off" : mode == Mode::kInfo ? "info" : "suggest"; }

using consent::CsvRecord;
using consent::ParseCsv;

absl::Status Fault(int line, const std::string& column, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ", column ", column, ": ", what));
}

// Says which table is at fault.
template <typename T>
absl::StatusOr<T> Named(const char* table, absl::StatusOr<T> read) {
  if (read.ok()) return read;
  return absl::Status(read.status().code(), absl::StrCat(table, ": ", std::string(read.status().message())));
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

absl::StatusOr<std::map<std::string, std::size_t>> ColumnsOf(const CsvRecord& header, std::initializer_list<const char*> wanted) {
  std::map<std::string, std::size_t> columns;
  for (std::size_t i = 0; i < header.fields.size(); ++i)
    if (!columns.emplace(header.fields[i], i).second) return Fault(header.line, header.fields[i], "is named twice");
  for (const char* name : wanted)
    if (!columns.contains(name)) return Fault(header.line, name, "is missing");
  return columns;
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
  absl::Status ReadMode(const char* column, Mode& into) const {
    const std::string& text = Text(column);
    for (const Mode mode : {Mode::kOff, Mode::kInfo, Mode::kSuggest})
      if (text == NameOf(mode)) {
        into = mode;
        return absl::OkStatus();
      }
    return Fault(record_.line, column, "must be off, info or suggest");
  }
  [[nodiscard]] bool Has(const char* column) const { return columns_.contains(column); }
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
  if (row.Has("snomed_procedure")) exam.snomed_procedures = SplitList(row.Text("snomed_procedure"));
  if (row.Has("snomed_body_site")) exam.snomed_body_sites = SplitList(row.Text("snomed_body_site"));
  if (exam.loinc.empty() && exam.rsna.empty()) return Fault(row.line(), "loinc", "a class needs a LOINC or RSNA code");
  if (absl::Status status = row.ReadMode("mode", exam.mode); !status.ok()) return status;
  if (row.Has("ceiling"))
    if (absl::Status status = row.ReadMode("ceiling", exam.ceiling); !status.ok()) return status;
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

absl::Status ClassFault(const ExamClass& exam, const char* column, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("exam table: class ", exam.class_id, ", column ", column, ": ", what));
}

bool Contains(const std::vector<std::string>& codes, std::string_view code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

bool IsSubset(const std::vector<std::string>& of, const std::vector<std::string>& whole) {
  return std::all_of(of.begin(), of.end(), [&whole](const std::string& item) { return Contains(whole, item); });
}

// A pair of procedure and body site names one class only.
absl::Status TakeSites(const RowReader& row, const ExamClass& exam, std::set<std::string>& codes) {
  if (exam.snomed_procedures.empty() != exam.snomed_body_sites.empty())
    return Fault(row.line(), "snomed_body_site", "goes with snomed_procedure: one names a class with the other");
  for (const std::string& procedure : exam.snomed_procedures)
    for (const std::string& site : exam.snomed_body_sites)
      if (!codes.insert(absl::StrCat("snomed ", procedure, " ", site)).second)
        return Fault(row.line(), "snomed_body_site", absl::StrCat(procedure, " at ", site, " names two classes"));
  return absl::OkStatus();
}

}  // namespace

bool IsBillingSystem(std::string_view system) {
  return system == "http://www.ama-assn.org/go/cpt" || system == "urn:oid:2.16.840.1.113883.6.12" ||
         system == "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets" || system == "urn:oid:2.16.840.1.113883.6.14" ||
         system == "urn:oid:2.16.840.1.113883.6.285" || system == "http://terminology.hl7.org/CodeSystem/HCPCS";
}

absl::StatusOr<ExamTable> ExamTable::Read(std::string_view csv) {
  auto records = ParseCsv(csv);
  if (!records.ok()) return records.status();
  if (records->empty()) return absl::InvalidArgumentError("it is empty; its first line must name the columns");
  auto columns = ColumnsOf(records->front(),
                           {"class_id", "label", "modality", "body_region", "laterality_required", "contrast", "loinc", "rsna_rpid",
                            "mode", "setting", "min_age_years", "reuse_days", "observe_days", "reversal_set", "clinical_source",
                            "approved_by"});
  if (!columns.ok()) return columns.status();
  if (records->size() - 1 > kClassesMax)
    return absl::InvalidArgumentError(absl::StrCat("more than ", kClassesMax, " classes"));

  ExamTable table;
  std::set<std::string> ids;
  std::set<std::string> codes;
  for (std::size_t i = 1; i < records->size(); ++i) {
    const CsvRecord& record = (*records)[i];
    if (record.fields.size() != columns->size())
      return absl::InvalidArgumentError(
          absl::StrCat("line ", record.line, " has ", record.fields.size(), " fields, not ", columns->size()));
    const RowReader row(*columns, record);
    auto exam = ReadClass(row);
    if (!exam.ok()) return exam.status();
    if (!ids.insert(exam->class_id).second) return Fault(row.line(), "class_id", "names a class twice");
    for (const std::string& code : exam->loinc)
      if (!codes.insert("loinc " + code).second) return Fault(row.line(), "loinc", absl::StrCat(code, " names two classes"));
    for (const std::string& code : exam->rsna)
      if (!codes.insert("rsna " + code).second) return Fault(row.line(), "rsna_rpid", absl::StrCat(code, " names two classes"));
    if (absl::Status status = TakeSites(row, *exam, codes); !status.ok()) return status;
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

ExamTable::Coded ExamTable::FindByCode(std::string_view tenant_name, std::string_view system, std::string_view code) const {
  if (code.empty()) return {};
  const bool loinc = IsLoincSystem(system);
  if (loinc || IsRsnaSystem(system))
    for (const ExamClass& exam : classes_)
      if (Contains(loinc ? exam.loinc : exam.rsna, code)) return {&exam, ""};
  const auto own = codes_.find(tenant_name);
  const CodeMap::Meaning* meaning = own == codes_.end() ? nullptr : own->second.Find(system, code);
  return meaning == nullptr ? Coded() : Coded{Find(meaning->class_id), meaning->laterality};
}

const ExamClass* ExamTable::FindBySite(std::string_view procedure, std::string_view body_site) const {
  for (const ExamClass& exam : classes_)
    if (Contains(exam.snomed_procedures, procedure) && Contains(exam.snomed_body_sites, body_site)) return &exam;
  return nullptr;
}

void ExamTable::SetCodes(const std::string& tenant_name, CodeMap codes) { codes_.insert_or_assign(tenant_name, std::move(codes)); }

absl::StatusOr<CodeMap> CodeMap::Read(std::string_view csv, const ExamTable& classes) {
  auto records = ParseCsv(csv);
  if (!records.ok()) return records.status();
  if (records->empty()) return absl::InvalidArgumentError("it is empty; its first line must name the columns");
  auto columns = ColumnsOf(records->front(), {"system", "code", "class_id", "laterality"});
  if (!columns.ok()) return columns.status();
  if (records->size() - 1 > kCodesMax) return absl::InvalidArgumentError(absl::StrCat("more than ", kCodesMax, " codes"));
  CodeMap map;
  for (std::size_t i = 1; i < records->size(); ++i) {
    const CsvRecord& record = (*records)[i];
    if (record.fields.size() != columns->size())
      return absl::InvalidArgumentError(
          absl::StrCat("line ", record.line, " has ", record.fields.size(), " fields, not ", columns->size()));
    const RowReader row(*columns, record);
    std::string system, code;
    Meaning meaning;
    for (const auto& [column, into] : {std::pair{"system", &system}, {"code", &code}, {"class_id", &meaning.class_id}})
      if (absl::Status status = row.Required(column, *into); !status.ok()) return status;
    if (IsBillingSystem(system)) return Fault(row.line(), "system", "a CPT or HCPCS code never decides a class");
    if (IsLoincSystem(system) || IsRsnaSystem(system)) return Fault(row.line(), "system", "its codes are in the exam classes");
    const ExamClass* exam = classes.Find(meaning.class_id);
    if (exam == nullptr) return Fault(row.line(), "class_id", absl::StrCat(meaning.class_id, " is no exam class"));
    meaning.laterality = row.Text("laterality");
    if (!meaning.laterality.empty() && meaning.laterality != "left" && meaning.laterality != "right" && meaning.laterality != "bilateral")
      return Fault(row.line(), "laterality", "must be left, right, bilateral or empty");
    if (!meaning.laterality.empty() && !exam->laterality_required)
      return Fault(row.line(), "laterality", absl::StrCat(meaning.class_id, " has no sides"));
    if (!map.codes_.emplace(std::pair(std::move(system), std::move(code)), std::move(meaning)).second)
      return Fault(row.line(), "code", "names a code twice");
  }
  return map;
}

const CodeMap::Meaning* CodeMap::Find(std::string_view system, std::string_view code) const {
  const auto found = codes_.find({std::string(system), std::string(code)});
  return found == codes_.end() ? nullptr : &found->second;
}

absl::Status CheckNetworkClasses(const ExamTable& network) {
  for (const ExamClass& exam : network.classes())
    if (exam.mode != Mode::kOff) return ClassFault(exam, "mode", "the network's table ships every class off; a tenant switches it on");
  return absl::OkStatus();
}

absl::Status CheckNarrows(const ExamTable& network, const ExamTable& tenant) {
  for (const ExamClass& own : tenant.classes()) {
    const ExamClass* of_network = network.Find(own.class_id);
    if (of_network == nullptr) return ClassFault(own, "class_id", "the network's table has no such class");
    const ExamClass& wide = *of_network;
    if (own.mode > wide.ceiling) return ClassFault(own, "mode", absl::StrCat("the network allows no more than ", NameOf(wide.ceiling)));
    if (own.mode != Mode::kOff && own.clinical_source.empty()) return ClassFault(own, "clinical_source", "is needed to switch a class on");
    if (own.mode != Mode::kOff && own.approved_by.empty()) return ClassFault(own, "approved_by", "is needed to switch a class on");
    for (const auto& [column, ours, theirs] :
         {std::tuple("modality", &own.modality, &wide.modality), std::tuple("body_region", &own.body_region, &wide.body_region),
          std::tuple("contrast", &own.contrast, &wide.contrast), std::tuple("setting", &own.setting, &wide.setting)})
      if (*ours != *theirs) return ClassFault(own, column, absl::StrCat("is ", *theirs, " in the network's table"));
    if (own.laterality_required != wide.laterality_required) return ClassFault(own, "laterality_required", "is otherwise in the network's table");
    if (!IsSubset(own.loinc, wide.loinc)) return ClassFault(own, "loinc", "has a code that the network's table has not");
    if (!IsSubset(own.rsna, wide.rsna)) return ClassFault(own, "rsna_rpid", "has a code that the network's table has not");
    if (!IsSubset(own.snomed_procedures, wide.snomed_procedures)) return ClassFault(own, "snomed_procedure", "has a code that the network's table has not");
    if (!IsSubset(own.snomed_body_sites, wide.snomed_body_sites)) return ClassFault(own, "snomed_body_site", "has a code that the network's table has not");
    if (own.reuse > wide.reuse) return ClassFault(own, "reuse_days", "is longer than in the network's table");
    if (own.observe < wide.observe) return ClassFault(own, "observe_days", "is shorter than in the network's table");
    if (own.min_age_years < wide.min_age_years) return ClassFault(own, "min_age_years", "is lower than in the network's table");
    // What the tenant has no class for reverses all the same: savings know it by the network's table.
    for (const std::string& reverses : wide.reversal_set)
      if (tenant.Find(reverses) != nullptr && !Contains(own.reversal_set, reverses))
        return ClassFault(own, "reversal_set", absl::StrCat("lacks ", reverses, " of the network's table"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExamTable> ExamTable::Parse(std::string_view csv) { return Named("exam table", Read(csv)); }
absl::StatusOr<CodeMap> CodeMap::Parse(std::string_view csv, const ExamTable& classes) { return Named("code map", Read(csv, classes)); }

absl::StatusOr<std::string> SwitchOnDemonstration(std::string_view csv, std::string_view source, std::string_view approved_by) {
  auto records = ParseCsv(csv);
  if (!records.ok()) return records.status();
  if (records->empty()) return absl::InvalidArgumentError("it is empty");
  const std::vector<std::string>& header = records->front().fields;
  const auto mode = static_cast<std::size_t>(std::find(header.begin(), header.end(), "mode") - header.begin());
  const auto demo_mode = static_cast<std::size_t>(std::find(header.begin(), header.end(), "demo_mode") - header.begin());
  const auto named = [&header](const char* name) {
    return static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin());
  };
  const std::size_t sources = named("clinical_source");
  const std::size_t approvers = named("approved_by");
  if (mode == header.size() || demo_mode == header.size()) return Fault(1, "demo_mode", "is missing, or mode is");
  if (sources == header.size() || approvers == header.size()) return Fault(1, "clinical_source", "is missing, or approved_by is");
  std::string out;
  for (CsvRecord& record : *records) {
    if (record.fields.size() != header.size())
      return Fault(record.line, "mode", "the row has another number of fields than the header");
    if (&record != &records->front()) {
      record.fields[mode] = record.fields[demo_mode];
      if (record.fields[sources].empty()) record.fields[sources] = source;
      if (record.fields[approvers].empty()) record.fields[approvers] = approved_by;
    }
    for (std::size_t i = 0; i < record.fields.size(); ++i)
      absl::StrAppend(&out, i == 0 ? "" : ",", "\"", absl::StrReplaceAll(record.fields[i], {{"\"", "\"\""}}), "\"");
    out += '\n';
  }
  return out;
}

}  // namespace custodian::exchange
