#include "services/exchange/fhir_chart.h"

#include <algorithm>
#include <utility>

#include "services/exchange/fhir_match.h"

namespace custodian::exchange {
namespace {

// As resources are stored, the type comes first; "" for others.
std::string_view TypeIn(std::string_view text) {
  constexpr std::string_view kBegin = "{\"resourceType\":\"";
  if (!text.starts_with(kBegin)) return "";
  text.remove_prefix(kBegin.size());
  return text.substr(0, text.find('"'));
}

}  // namespace

ChartRecord::ChartRecord(SealedRecord row, std::string text)
    : row_(std::move(row)), bytes_(text.size()), type_(TypeIn(text)), text_(std::move(text)), read_(absl::UnknownError("not read")) {
  row_.sealed.clear();
  row_.sealed.shrink_to_fit();
  if (!type_.empty()) return;
  if (Read().ok()) type_ = read_->type();
}

const absl::StatusOr<FhirRecord>& ChartRecord::Read() const {
  absl::call_once(read_once_, [this] {
    read_ = ReadRecord(row_, text_);
    text_ = std::string();
  });
  return read_;
}

const std::string& ChartRecord::AnswerText() const {
  absl::call_once(answer_once_, [this] { answer_ = resource().Text(); });
  return answer_;
}

const FhirTable::Column& FhirTable::ColumnOf(const SearchParameter& parameter) const {
  absl::MutexLock lock(&mutex_);
  std::unique_ptr<const Column>& known = columns_[&parameter];
  if (known != nullptr) return *known;
  auto column = std::make_unique<Column>();
  column->ends_.reserve(records_.size());
  for (const auto& record : records_) {
    const FhirNode node = ResourceNode(record->resource());
    FhirPathContext context{node, node, {}};
    const FhirNodes found = parameter.expression.Evaluate(node, context);
    column->nodes_.insert(column->nodes_.end(), found.begin(), found.end());
    column->ends_.push_back(column->nodes_.size());
    if (!context.computed.empty()) column->computed_.push_back(std::move(context.computed));
  }
  known = std::move(column);
  return *known;
}

std::vector<std::size_t> FhirTable::PositionsOf(const SearchParameter& parameter, const std::vector<std::string_view>& keys, std::string_view base_url) const {
  const Column& column = ColumnOf(parameter);
  absl::MutexLock lock(&mutex_);
  const auto [known, is_new] = positions_.try_emplace(&parameter);
  Positions& positions = known->second;
  for (std::size_t i = 0; is_new && i < records_.size(); ++i) {
    for (const FhirNode& value : column.Of(i)) {
      for (const std::string_view key : KeysOf(value, parameter.kind, base_url)) {
        std::vector<std::size_t>& of_key = positions[key];
        if (of_key.empty() || of_key.back() != i) of_key.push_back(i);
      }
    }
  }
  std::vector<std::size_t> found;
  for (const std::string_view key : keys) {
    const auto of_key = positions.find(key);
    if (of_key != positions.end()) found.insert(found.end(), of_key->second.begin(), of_key->second.end());
  }
  if (keys.size() > 1) {
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
  }
  return found;
}

std::shared_ptr<const ChartRecord> FhirChart::Find(const RecordId& record) const {
  const auto found = std::lower_bound(records_.begin(), records_.end(), record, [](const auto& each, const RecordId& id) { return each->row().record < id; });
  return found != records_.end() && (*found)->row().record == record ? *found : nullptr;
}

absl::StatusOr<const FhirTable*> FhirChart::TableOf(std::string_view type) const {
  absl::MutexLock lock(&mutex_);
  if (const auto known = tables_.find(type); known != tables_.end()) return known->second.get();
  ChartRecords of_type;
  for (const auto& record : records_) {
    if (record->type() != type) continue;
    if (!record->Read().ok()) return record->Read().status();
    of_type.push_back(record);
  }
  const auto added = tables_.emplace(std::string(type), std::make_unique<const FhirTable>(std::move(of_type)));
  return added.first->second.get();
}

}  // namespace custodian::exchange
