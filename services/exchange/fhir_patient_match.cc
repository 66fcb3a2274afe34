#include "services/exchange/fhir_patient_match.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_bundle.h"
#include "services/exchange/fhir_record.h"
#include "services/exchange/fhir_validator.h"
#include "services/exchange/identifier_index.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPurpose = "fhir-match";
constexpr std::size_t kCountMax = 100;

absl::StatusOr<std::vector<FhirRecord>> OpenPatients(const tenants::Partition& partition, keys::Sealer& sealer, const std::vector<RecordId>& wanted) {
  const auto rows = RecordStore(*partition.database).NewestOf(wanted);
  if (!rows.ok()) return rows.status();
  std::vector<FhirRecord> opened;
  for (const SealedRecord& row : *rows) {
    if (row.deleted) continue;
    auto record = OpenFhirRecord(partition.tenant, row, sealer, kPurpose);
    if (!record.ok()) return record.status();
    opened.push_back(*std::move(record));
  }
  return opened;
}

absl::StatusOr<std::vector<RecordId>> RecordsOf(const tenants::Partition& partition, keys::Sealer& sealer, const std::set<std::string>& ids) {
  std::vector<RecordId> records;
  for (const std::string& id : ids) {
    const auto record = sealer.RecordIdOf(partition.tenant.id, "Patient", id);
    if (!record.ok()) return record.status();
    records.push_back(*record);
  }
  return records;
}

// 0 to 1; one half where a match becomes probable.
double ScoreOf(const Match& match, const MatchWeights& weights) { return 1 / (1 + std::exp2((weights.probable - match.score) / 4)); }

// The tenant's own number is theirs: with name and birth date it is certain, alone it is likely to be them.
PatientCandidate ByIdentifier(const std::string& id, const Match& match, const MatchWeights& weights) {
  const Agreement& agreement = match.agreement;
  const bool agrees = agreement.birth == Birth::kSame && agreement.given != Given::kDiffers && agreement.given != Given::kMissing &&
                      agreement.national != National::kDiffers && agreement.suffix != Said::kDiffers;
  if (agrees || match.grade == MatchGrade::kCertain) return {id, "certain", 1.0};
  return {id, "probable", std::max(0.7, std::min(0.95, ScoreOf(match, weights)))};
}

struct MatchRequest {
  Json patient;
  bool only_certain = false;
  std::size_t count = kCountMax;
};
exchange::Answer<MatchRequest> ReadMatch(const Json& body) {
  if (body.TextOf("resourceType") != "Parameters") {
    return Refuse(400, "structure", "Patient/$match takes a Parameters resource.", "Parameters.resourceType");
  }
  if (auto issues = ValidateResource(body, "Parameters"); !issues.empty()) return Refusal{400, std::move(issues)};
  MatchRequest request;
  for (const Json& parameter : body["parameter"].items()) {
    const std::string& name = parameter.TextOf("name");
    if (name == "resource") request.patient = parameter["resource"];
    if (name == "onlyCertainMatches") request.only_certain = parameter["valueBoolean"].boolean();
    if (name == "count" && absl::SimpleAtoi(parameter.TextOf("valueInteger"), &request.count)) request.count = std::min(request.count, kCountMax);
  }
  if (request.patient.TextOf("resourceType") != "Patient") {
    return Refuse(400, "required", "The parameter 'resource' must be the Patient to look for.", "Parameters.parameter.where(name='resource').resource");
  }
  return request;
}

}  // namespace

PatientMatcher MatchWithin(const Locator& locator, keys::Sealer& sealer) {
  return [&locator, &sealer](const tenants::Partition& partition, const Json& patient) -> absl::StatusOr<std::vector<PatientCandidate>> {
    const std::string text = patient.Text();
    const auto weights = locator.Weights();
    const auto alike = locator.Candidates(partition.tenant.id, text);
    if (!alike.ok()) return alike.status();
    std::map<PatientId, Match> matches;
    std::vector<PatientId> patients;
    for (const Locator::Candidate& candidate : *alike) {
      if (patients.size() == kCountMax) break;
      matches.emplace(candidate.patient, candidate.match);
      patients.push_back(candidate.patient);
    }
    const auto found = FindByIdentifiers(partition, sealer, IdentifiersOf(patient), kPurpose);
    if (!found.ok()) return found.status();
    std::set<std::string> numbered;
    for (const auto& [identifier, some] : *found) numbered.insert(some.begin(), some.end());
    auto records = RecordStore(*partition.database).PatientRecordsOf(patients);
    if (!records.ok()) return records.status();
    const auto by_number = RecordsOf(partition, sealer, numbered);
    if (!by_number.ok()) return by_number.status();
    records->insert(records->end(), by_number->begin(), by_number->end());
    std::sort(records->begin(), records->end());
    records->erase(std::unique(records->begin(), records->end()), records->end());
    const auto opened = OpenPatients(partition, sealer, *records);
    if (!opened.ok()) return opened.status();

    std::vector<PatientCandidate> candidates;
    for (const FhirRecord& record : *opened) {
      const auto known = matches.find(record.patient);
      absl::StatusOr<Match> match = known != matches.end() ? known->second : MatchPatients(text, record.resource.Text(), *weights);
      if (!match.ok()) return match.status();
      candidates.push_back(numbered.contains(record.id()) ? ByIdentifier(record.id(), *match, *weights)
                                                          : PatientCandidate{record.id(), std::string(GradeCode(match->grade)), ScoreOf(*match, *weights)});
    }
    // Two of them cannot both be certain, unless the tenant's own number tells which is meant.
    const auto is_certain = [](const PatientCandidate& each) { return each.grade == "certain"; };
    const auto is_numbered = [&](const PatientCandidate& each) { return is_certain(each) && numbered.contains(each.fhir_id); };
    const bool is_told = std::count_if(candidates.begin(), candidates.end(), is_numbered) == 1;
    if (std::count_if(candidates.begin(), candidates.end(), is_certain) > 1) {
      for (PatientCandidate& each : candidates) {
        if (is_certain(each) && !(is_told && is_numbered(each))) each = {each.fhir_id, "probable", std::min(each.score, 0.9)};
      }
    }
    std::stable_sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
    return candidates;
  };
}

rpc::HttpResponse FhirPatientMatch::Answer(const FhirCall& call, const Json& body) const {
  const auto parsed = ReadMatch(body);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return FhirResponse(*refusal);
  const auto& request = std::get<MatchRequest>(parsed);
  auto candidates = matcher_(*call.partition, request.patient);
  if (!candidates.ok()) return FhirResponse(RefusalOf(candidates.status()));
  if (request.only_certain) std::erase_if(*candidates, [](const PatientCandidate& each) { return each.grade != "certain"; });
  if (candidates->size() > request.count) candidates->resize(request.count);
  std::set<std::string> ids;
  for (const PatientCandidate& each : *candidates) ids.insert(each.fhir_id);
  const auto records = RecordsOf(*call.partition, sealer_, ids);
  if (!records.ok()) return FhirResponse(RefusalOf(records.status()));
  auto opened = OpenPatients(*call.partition, sealer_, *records);
  if (!opened.ok()) return FhirResponse(RefusalOf(opened.status()));
  std::map<std::string, Json> patients;
  for (FhirRecord& record : *opened) {
    const std::string id = record.id();
    patients.emplace(id, std::move(record.resource));
  }
  std::vector<Json> entries;
  for (const PatientCandidate& each : *candidates) {
    const auto patient = patients.find(each.fhir_id);
    if (patient == patients.end()) continue;
    Json entry = SearchEntry(absl::StrCat(call.base_url, "/Patient/", each.fhir_id), std::move(patient->second), "match");
    Json grade = Json::Object({{"url", Json::String("http://hl7.org/fhir/StructureDefinition/match-grade")}, {"valueCode", Json::String(each.grade)}});
    entry.Set("search", Json::Object({{"extension", Json::Array({std::move(grade)})},
                                      {"mode", Json::String("match")},
                                      {"score", Json::Number(absl::StrCat(each.score))}}));
    entries.push_back(std::move(entry));
  }
  const std::size_t total = entries.size();
  return FhirResponse(200, BundleOf("searchset", total, {}, std::move(entries)).Text());
}

}  // namespace custodian::exchange
