#include "services/exchange/locator.h"

#include <algorithm>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/exchange/demographics.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/locator_store.h"
#include "services/exchange/matching.h"

namespace custodian::exchange {
namespace {

// What one call of the key process takes.
constexpr std::size_t kValuesMax = 256;

}  // namespace

absl::StatusOr<LocatedPatient> LocatePatient(keys::KeyClient& keys, const PatientLink& patient, std::string_view patient_json) {
  const auto json = Json::Parse(patient_json);
  if (!json.ok()) return json.status();
  if (json->TextOf("resourceType") != "Patient") return absl::InvalidArgumentError("the locator takes Patients only");
  const MatchValues values = MatchValuesOf(*json);

  // One list, one call; what each token is for follows from its place.
  std::vector<std::string> texts;
  for (const std::string& value : values.name) texts.push_back(value);
  for (const std::string& value : values.identifier) texts.push_back(value);
  for (const auto& [kind, value] : values.national) {
    texts.push_back("kind|" + kind);
    texts.push_back("national|" + kind + "|" + value);
  }
  std::vector<std::string> tokens;
  for (std::size_t from = 0; from < texts.size(); from += kValuesMax) {
    const std::span<const std::string> part(texts.data() + from, std::min(kValuesMax, texts.size() - from));
    auto answer = keys.LocatorTokens(patient.tenant, part);
    if (!answer.ok()) return answer.status();
    if (answer->size() != part.size()) return absl::InternalError("the key process answered with too few locator tokens");
    for (std::string& token : *answer) tokens.push_back(std::move(token));
  }

  LocatedPatient located;
  located.link = patient;
  auto token = tokens.begin();
  for (std::size_t i = 0; i < values.name.size(); ++i) located.name_tokens.insert(*token++);
  for (std::size_t i = 0; i < values.identifier.size(); ++i) located.identifier_tokens.insert(*token++);
  for (std::size_t i = 0; i < values.national.size(); ++i) {
    std::set<std::string>& of_kind = located.national[*token++];
    of_kind.insert(*token++);
  }
  return located;
}

Locator::Locator(const tenants::Database& network_database, keys::KeyClient& keys) : database_(network_database), keys_(keys) {}

absl::Status Locator::Register(const PatientLink& patient, std::string_view patient_json) {
  const auto located = LocatePatient(keys_, patient, patient_json);
  if (!located.ok()) return located.status();
  return LocatorStore(database_).Replace(*located);
}

absl::StatusOr<std::vector<PatientLink>> Locator::SamePerson(const PatientLink& patient) const {
  const auto connected = LocatorStore(database_).Connected(patient);
  // Tokens that so many share make nothing certain.
  if (absl::IsResourceExhausted(connected.status())) return std::vector<PatientLink>{patient};
  if (!connected.ok()) return connected.status();
  return CertainlySame(patient, *connected);
}

absl::Status Locator::FollowChanges(const PatientLink& cause,
                                    const std::function<absl::Status(const PatientLink&)>& follow) const {
  const LocatorStore store(database_);
  const auto changed = store.Changed(cause);
  if (!changed.ok()) return changed.status();
  for (const PatientLink& link : *changed) {
    if (absl::Status status = follow(link); !status.ok()) return status;
    if (absl::Status status = store.Forget(cause, link); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status RegisterPatient(Locator& locator, const PatientRecords& records, const PatientLink& patient,
                             const std::function<absl::Status(const PatientLink&)>& follow) {
  const auto opened = records.Open(patient, "locator");
  if (!opened.ok()) return opened.status();
  for (const OpenedRecord& record : *opened) {
    if (record.resource_type != "Patient") continue;
    if (absl::Status status = locator.Register(patient, record.json); !status.ok()) return status;
    break;
  }
  return locator.FollowChanges(patient, follow);
}

}  // namespace custodian::exchange
