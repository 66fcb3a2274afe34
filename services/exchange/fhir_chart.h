// Records of a tenant opened together for a search, most often a patient's chart. A resource is parsed, and what a search parameter
// finds in it evaluated, when that is first asked for, and then kept as long as the chart. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_CHART_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_CHART_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/base/call_once.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_record.h"

namespace custodian::exchange {

// One stored version, opened.
class ChartRecord {
 public:
  // `text` is what `row` seals, whose bytes are not kept.
  ChartRecord(SealedRecord row, std::string text);

  [[nodiscard]] const SealedRecord& row() const { return row_; }
  // Resource type, known without parsing.
  [[nodiscard]] const std::string& type() const { return type_; }
  // DataLoss when the text is no JSON.
  [[nodiscard]] const absl::StatusOr<FhirRecord>& Read() const;
  // For those that were read without fault.
  [[nodiscard]] const Json& resource() const { return Read()->resource; }
  // The resource as it is answered, with meta.versionId and meta.lastUpdated.
  [[nodiscard]] const std::string& AnswerText() const;
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  SealedRecord row_;
  std::size_t bytes_ = 0;
  std::string type_;
  mutable absl::once_flag read_once_, answer_once_;
  // Until it was parsed.
  mutable std::string text_;
  mutable absl::StatusOr<FhirRecord> read_;
  mutable std::string answer_;
};
using ChartRecords = std::vector<std::shared_ptr<const ChartRecord>>;

// The records of one type, all read.
class FhirTable {
 public:
  explicit FhirTable(ChartRecords records) : records_(std::move(records)) {}

  [[nodiscard]] const ChartRecords& records() const { return records_; }

  // What a search parameter's expression finds in each record.
  class Column {
   public:
    [[nodiscard]] std::span<const FhirNode> Of(std::size_t record) const {
      const std::size_t begin = record == 0 ? 0 : ends_[record - 1];
      return std::span(nodes_).subspan(begin, ends_[record] - begin);
    }

   private:
    friend class FhirTable;
    std::vector<FhirNode> nodes_;
    std::vector<std::size_t> ends_;
    // What evaluation made; nodes point into it.
    std::vector<std::deque<Json>> computed_;
  };
  // Valid as long as the table. `parameter` is of the definitions.
  [[nodiscard]] const Column& ColumnOf(const SearchParameter& parameter) const;
  // Positions of the records in which a value of `parameter` has one of `keys` (fhir_match.h), in order, each once. The base URL is the same in
  // every call.
  [[nodiscard]] std::vector<std::size_t> PositionsOf(const SearchParameter& parameter, const std::vector<std::string_view>& keys,
                                                     std::string_view base_url) const;

 private:
  const ChartRecords records_;
  mutable absl::Mutex mutex_;
  mutable std::map<const SearchParameter*, std::unique_ptr<const Column>> columns_ ABSL_GUARDED_BY(mutex_);
  using Positions = std::unordered_map<std::string_view, std::vector<std::size_t>>;
  mutable std::map<const SearchParameter*, Positions> positions_ ABSL_GUARDED_BY(mutex_);
};

class FhirChart {
 public:
  // Ordered by record.
  explicit FhirChart(ChartRecords records) : records_(std::move(records)) {}

  [[nodiscard]] const ChartRecords& records() const { return records_; }
  // Null when there is no such record.
  [[nodiscard]] std::shared_ptr<const ChartRecord> Find(const RecordId& record) const;
  // Valid as long as the chart; DataLoss when one of its records is no JSON.
  [[nodiscard]] absl::StatusOr<const FhirTable*> TableOf(std::string_view type) const;

 private:
  const ChartRecords records_;
  mutable absl::Mutex mutex_;
  mutable std::map<std::string, std::unique_ptr<const FhirTable>, std::less<>> tables_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_CHART_H_
