// Finds what one search asks for, as of one position of the log: which charts it must look at, what in them matches, and where chains
// and _has lead. Lives as long as one request; used by one thread.
//
// Nothing is searched across patients: a search names patients, ids or identifiers, or a chain or _has does for it. What has no patient
// is searched as a whole.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_FINDER_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_FINDER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/exchange/fhir_call.h"
#include "services/exchange/fhir_charts.h"
#include "services/exchange/fhir_match.h"
#include "services/keys/sealer.h"

namespace custodian::exchange {

class FhirFinder {
 public:
  // Borrows everything.
  FhirFinder(const FhirCall& call, const FhirCharts& charts, keys::Sealer& sealer, std::uint64_t snapshot);

  // Whatever matches, in the order it is stored by; or the refusal, where the search is not scoped.
  [[nodiscard]] Answer<ChartRecords> Find(const SearchRequest& search);
  // The resources of these types and ids that are stored.
  [[nodiscard]] absl::StatusOr<ChartRecords> Referenced(const std::set<LocalReference>& references);
  // Where the elements that `parameter` searches lead (null: where every Reference does): a canonical to each of the tenant's own resources that
  // has its url, and its version where it names one.
  [[nodiscard]] absl::StatusOr<std::vector<LocalReference>> References(const Json& resource, const SearchParameter* parameter);
  // Those of `source`, in the charts in which `targets` lie, that refer to one of them by `parameter` (null: by anything).
  [[nodiscard]] absl::StatusOr<ChartRecords> Referring(std::string_view source, const SearchParameter* parameter, const ChartRecords& targets);
  // Of the patient whose Patient resource has this id; null when there is none.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const FhirChart>> ChartOf(std::string_view fhir_patient_id);

  [[nodiscard]] const MatchSettings& settings() const { return settings_; }

 private:
  using Charts = std::vector<std::shared_ptr<const FhirChart>>;
  // To business version and id.
  using CanonicalUrls = std::multimap<std::string, std::pair<std::string, std::string>, std::less<>>;

  // Charts that hold all that may match.
  [[nodiscard]] Answer<Charts> Candidates(const SearchRequest& search);
  [[nodiscard]] Answer<Charts> CandidatesByIdentifier(const SearchRequest& search);
  // With the records that what is searched must be about: in their charts and, where their patient is not the only one, among the tenant's own.
  [[nodiscard]] Answer<Charts> CandidatesByRecords(const std::set<LocalReference>& records);
  // By what a chain or _has finds.
  [[nodiscard]] Answer<Charts> CandidatesByChain(const SearchRequest& search, const Criterion& criterion);
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const FhirChart>> ChartOf(const PatientId& patient);
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const FhirChart>> OfIds(const std::string& type, const std::set<std::string>& ids);
  [[nodiscard]] absl::StatusOr<PatientId> OwnResources();
  // The same of the values that the parameter's expression found.
  [[nodiscard]] absl::StatusOr<std::vector<LocalReference>> References(std::span<const FhirNode> values, const SearchParameter& parameter);
  // Those of the tenant's own resources of a type that have a url, by it.
  [[nodiscard]] absl::StatusOr<const CanonicalUrls*> CanonicalUrlsOf(std::string_view type);
  // Those in the charts that match: by their own content, then by chains and _has.
  [[nodiscard]] Answer<ChartRecords> Matching(const Charts& charts, const SearchRequest& search);
  // Those whose reference leads to what the chain wants; those that what _has wants refers to.
  [[nodiscard]] Answer<ChartRecords> KeepChained(const Criterion& criterion, ChartRecords records);
  [[nodiscard]] Answer<ChartRecords> KeepReferredTo(const Criterion& criterion, ChartRecords records);

  const FhirCall& call_;
  const FhirCharts& charts_;
  keys::Sealer& sealer_;
  const std::uint64_t snapshot_;
  const MatchSettings settings_;
  // Opened for this request.
  std::map<PatientId, std::shared_ptr<const FhirChart>> opened_;
  // By type, made when a canonical is first followed.
  std::map<std::string, CanonicalUrls, std::less<>> canonical_urls_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_FINDER_H_
