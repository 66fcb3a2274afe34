#include "services/exchange/matching.h"

#include <algorithm>
#include <cstddef>

#include "ledger/entry.h"

namespace custodian::exchange {
namespace {

bool Intersect(const std::set<std::string>& a, const std::set<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&b](const std::string& item) { return b.contains(item); });
}

bool Conflict(const LocatedPatient& a, const LocatedPatient& b) {
  return std::any_of(a.national.begin(), a.national.end(), [&b](const auto& kind) {
    const auto other = b.national.find(kind.first);
    return other != b.national.end() && !Intersect(kind.second, other->second);
  });
}

using Group = std::set<std::size_t>;

// Everyone that `joins` connects to the patient at `from`.
template <typename Joins>
Group Closure(std::size_t from, const std::vector<LocatedPatient>& patients, Joins joins) {
  Group group{from};
  std::vector<std::size_t> waiting{from};
  while (!waiting.empty()) {
    const std::size_t at = waiting.back();
    waiting.pop_back();
    for (std::size_t i = 0; i < patients.size(); ++i)
      if (!group.contains(i) && joins(patients[at], patients[i])) {
        group.insert(i);
        waiting.push_back(i);
      }
  }
  return group;
}

bool ByIdentifier(const LocatedPatient& a, const LocatedPatient& b) {
  return Intersect(a.identifier_tokens, b.identifier_tokens) && !Conflict(a, b);
}

bool Contradicts(const Group& group, const std::vector<LocatedPatient>& patients) {
  for (const std::size_t a : group)
    for (const std::size_t b : group)
      if (a < b && Conflict(patients[a], patients[b])) return true;
  return false;
}

// Two of the group at one tenant that identifiers do not join.
bool HoldsNamesakes(const Group& group, const std::vector<LocatedPatient>& patients) {
  for (const std::size_t a : group) {
    const Group same = Closure(a, patients, ByIdentifier);
    for (const std::size_t b : group)
      if (a < b && patients[a].link.tenant == patients[b].link.tenant && !same.contains(b)) return true;
  }
  return false;
}

}  // namespace

std::vector<PatientLink> CertainlySame(const PatientLink& of, const std::vector<LocatedPatient>& connected) {
  const auto found =
      std::find_if(connected.begin(), connected.end(), [&of](const LocatedPatient& patient) { return patient.link == of; });
  if (found == connected.end()) return {of};
  const auto self = static_cast<std::size_t>(found - connected.begin());

  // Every look-alike counts here, those that identifiers tell apart too.
  Group same = Closure(self, connected, [](const LocatedPatient& a, const LocatedPatient& b) {
    return Intersect(a.name_tokens, b.name_tokens) || Intersect(a.identifier_tokens, b.identifier_tokens);
  });
  if (Contradicts(same, connected) || HoldsNamesakes(same, connected)) {
    same = Closure(self, connected, ByIdentifier);
    // Identifiers that contradict each other somewhere along the chain are no certainty either.
    if (Contradicts(same, connected)) same = {self};
  }
  std::vector<PatientLink> links;
  for (const std::size_t i : same) links.push_back(connected[i].link);
  std::sort(links.begin(), links.end());
  return links;
}

ledger::Hash LocatorDigest(const LocatedPatient& located) {
  std::vector<std::string> values = {located.link.tenant.text(), located.link.patient.bytes()};
  for (const std::string& token : located.name_tokens) values.push_back("name " + token);
  for (const std::string& token : located.identifier_tokens) values.push_back("identifier " + token);
  for (const auto& [slot, of_slot] : located.national)
    for (const std::string& value : of_slot) values.push_back("national " + slot + value);
  return ledger::RowSha256("locator", values);
}

}  // namespace custodian::exchange
