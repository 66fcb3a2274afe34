// Answers a tenant's own searches and Patient/$everything: opens the records of the patients (or ids) asked for, as they stood at the
// first page, and filters, sorts and pages in memory. Nothing is searched across patients but by identifier. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCHER_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCHER_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/exchange/fhir_call.h"
#include "services/exchange/fhir_match.h"
#include "services/exchange/fhir_record.h"
#include "services/keys/sealer.h"

namespace custodian::exchange {

class FhirSearcher {
 public:
  explicit FhirSearcher(keys::Sealer& sealer) : sealer_(sealer) {}

  // A searchset of call.type(), or the refusal.
  [[nodiscard]] rpc::HttpResponse Search(const FhirCall& call, const Parameters& parameters) const;
  // Everything of Patient call.id().
  [[nodiscard]] rpc::HttpResponse Everything(const FhirCall& call, const Parameters& parameters) const;

 private:
  // Sealed versions that may match, of the snapshot, deleted ones left out.
  [[nodiscard]] Answer<std::vector<SealedRecord>> Candidates(const FhirCall& call, const SearchRequest& search, std::uint64_t snapshot) const;
  [[nodiscard]] Answer<std::vector<SealedRecord>> OfIds(const FhirCall& call, const std::string& type, const std::set<std::string>& ids,
                                                        std::uint64_t snapshot) const;
  [[nodiscard]] Answer<std::vector<SealedRecord>> OfPatients(const FhirCall& call, const std::set<std::string>& fhir_ids,
                                                             std::uint64_t snapshot) const;
  [[nodiscard]] Answer<std::vector<FhirRecord>> MatchesOf(const FhirCall& call, const SearchRequest& search, std::uint64_t snapshot) const;
  // What _include and _revinclude add to a page; nothing that is on it.
  [[nodiscard]] Answer<std::vector<FhirRecord>> Included(const FhirCall& call, const SearchRequest& search,
                                                         const std::vector<FhirRecord>& page, std::uint64_t snapshot) const;
  [[nodiscard]] absl::Status AddReferenced(const FhirCall& call, const std::set<LocalReference>& wanted, std::uint64_t snapshot,
                                           std::vector<FhirRecord>& found) const;
  [[nodiscard]] absl::Status AddReferring(const FhirCall& call, const std::vector<Inclusion>& inclusions, const std::vector<FhirRecord>& page,
                                          std::uint64_t snapshot, std::vector<FhirRecord>& found) const;

  keys::Sealer& sealer_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCHER_H_
