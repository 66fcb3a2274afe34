#include "services/feeds/feed_plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/identifier_index.h"
#include "services/exchange/patient_records.h"
#include "services/exchange/record_store.h"

namespace custodian::feeds {
namespace {

using exchange::IdentifierQuery;
using exchange::Json;

constexpr std::string_view kPurpose = "hl7-feed";
// Of merges after merges.
constexpr int kHopsMax = 20;

Json Reference(const std::string& type, const std::string& id) { return Json::Object({{"reference", Json::String(absl::StrCat(type, "/", id))}}); }

// The patient that replaced this one; empty when none did.
std::string ReplacedBy(const Json& patient) {
  constexpr std::string_view kPrefix = "Patient/";
  for (const Json& link : patient["link"].items()) {
    const std::string& reference = link["other"].TextOf("reference");
    if (link.TextOf("type") == "replaced-by" && reference.starts_with(kPrefix)) return reference.substr(kPrefix.size());
  }
  return "";
}

void RemoveLinks(Json& patient, const std::string& other, std::string_view type) {
  Json* links = patient.Find("link");
  if (links == nullptr) return;
  std::erase_if(links->items(), [&](const Json& link) {
    return (other.empty() || link["other"].TextOf("reference") == "Patient/" + other) && (type.empty() || link.TextOf("type") == type);
  });
  if (links->items().empty()) patient.Remove("link");
}

void AddLink(Json& patient, const std::string& other, const char* type) {
  RemoveLinks(patient, other, type);
  Json link = Json::Object({{"other", Reference("Patient", other)}, {"type", Json::String(type)}});
  if (patient.Find("link") == nullptr) patient.Set("link", Json::Array());
  patient.Find("link")->Append(std::move(link));
}

bool SameIdentifier(const Json& a, const Json& b) { return a.TextOf("system") == b.TextOf("system") && a.TextOf("value") == b.TextOf("value"); }

bool SharesCode(const Json& a, const Json& b) {
  for (const Json& one : a["code"]["coding"].items())
    for (const Json& other : b["code"]["coding"].items())
      if (one.TextOf("system") == other.TextOf("system") && one.TextOf("code") == other.TextOf("code")) return true;
  return false;
}

// Lists that a message adds to; others it replaces.
void Union(Json& into, const Json& from, bool identifiers) {
  for (const Json& item : from.items()) {
    auto& items = into.items();
    const auto same = std::find_if(items.begin(), items.end(), [&](const Json& known) {
      return identifiers ? SameIdentifier(known, item) && (item["type"].is_null() || known["type"].is_null() || known["type"] == item["type"]) : known == item;
    });
    if (same == items.end()) {
      into.Append(item);
    } else if (identifiers) {
      *same = item;
    }
  }
}

}  // namespace

std::string UuidOfToken(std::string_view token) {
  std::string bytes(token.substr(0, 16));
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x80);
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
  const std::string hex = HexEncode(bytes);
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-", hex.substr(16, 4), "-", hex.substr(20));
}

class FeedPlanner::Work {
 public:
  Work(const tenants::Partition& partition, keys::Sealer& sealer, const MappedMessage& message)
      : partition_(partition), sealer_(sealer), store_(*partition.database), message_(message), found_(message.resources.size()) {}

  absl::StatusOr<OrFault<FeedPlan>> Run() {
    if (absl::Status status = ReadStored(); !status.ok()) return status;
    if (absl::Status status = FindByIdentifier(); !status.ok()) return status;
    if (fault_) return *std::move(fault_);
    if (absl::Status status = FollowMerges(); !status.ok()) return status;
    for (std::size_t i = 0; i < found_.size(); ++i) {
      if (absl::Status status = Overlay(i); !status.ok()) return status;
      if (fault_) return *std::move(fault_);
    }
    LinkPatients();
    if (fault_) return *std::move(fault_);
    return MakePlan();
  }

 private:
  struct Found {
    std::string id;
    // 0: new.
    std::uint64_t version = 0;
    // As stored.
    Json stored;
    // As it shall be; null when it stays as it is.
    Json wanted;
    // Another resource of the message is the same one.
    std::optional<std::size_t> same_as;
  };

  [[nodiscard]] const MappedResource& Mapped(std::size_t at) const { return message_.resources[at]; }

  absl::Status Keep(const exchange::SealedRecord& row, Found& found) {
    const auto opened = exchange::OpenRecord(partition_.tenant, row, sealer_, kPurpose);
    if (!opened.ok()) return opened.status();
    found.id = opened->id;
    found.version = opened->version;
    found.stored = *opened->parsed;
    return absl::OkStatus();
  }

  // What has the ids that follow from the message's own keys, and what carries its identifiers.
  absl::Status ReadStored() {
    std::vector<RecordId> records;
    std::vector<std::string> tokens;
    std::map<RecordId, std::vector<std::size_t>> places;
    for (std::size_t i = 0; i < found_.size(); ++i) {
      const auto token = sealer_.IndexToken(partition_.tenant.id, absl::StrCat("hl7-resource\n", Mapped(i).type, "\n", Mapped(i).key));
      if (!token.ok()) return token.status();
      found_[i].id = UuidOfToken(*token);
      const auto record = sealer_.RecordIdOf(partition_.tenant.id, Mapped(i).type, found_[i].id);
      if (!record.ok()) return record.status();
      auto& at = places[*record];
      if (at.empty()) {
        records.push_back(*record);
      } else {
        found_[i].same_as = at.front();
      }
      at.push_back(i);
      for (const IdentifierQuery& identifier : Mapped(i).identifiers) {
        auto carried = exchange::IdentifierToken(partition_.tenant.id, sealer_, identifier);
        if (!carried.ok()) return carried.status();
        tokens.push_back(*std::move(carried));
      }
    }
    auto rows = store_.NewestOfOrWith(records, tokens);
    if (!rows.ok()) return rows.status();
    for (exchange::SealedRecord& row : *rows) {
      const auto place = places.find(row.record);
      if (place == places.end()) {
        others_.push_back(std::move(row));
        continue;
      }
      const std::size_t first = place->second.front();
      if (row.deleted) {
        // It was deleted since; what comes back gets the next version.
        found_[first].version = row.version;
      } else if (absl::Status status = Keep(row, found_[first]); !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

  // By business identifiers, for what others stored, and to see that several identifiers of a patient are one patient's.
  absl::Status FindByIdentifier() {
    const auto looked_for = [&](std::size_t i) {
      return !found_[i].same_as && (found_[i].stored.is_null() || (Mapped(i).type == "Patient" && Mapped(i).identifiers.size() > 1));
    };
    std::set<IdentifierQuery> wanted;
    for (std::size_t i = 0; i < found_.size(); ++i)
      if (looked_for(i)) wanted.insert(Mapped(i).identifiers.begin(), Mapped(i).identifiers.end());
    if (wanted.empty()) return absl::OkStatus();
    // An identifier that was taken away finds nothing any more.
    std::map<IdentifierQuery, std::set<std::string>> carriers;
    const auto note = [&](const Found& found) {
      for (const IdentifierQuery& identifier : exchange::IdentifiersOf(found.stored))
        if (wanted.contains(identifier)) carriers[identifier].insert(found.id);
    };
    for (const Found& found : found_) note(found);
    for (const exchange::SealedRecord& row : others_) {
      if (row.deleted) continue;
      Found& found = opened_.emplace_back();
      if (absl::Status status = Keep(row, found); !status.ok()) return status;
      note(found);
    }
    for (std::size_t i = 0; i < found_.size(); ++i) {
      if (!looked_for(i)) continue;
      std::set<std::string> ids;
      if (!found_[i].stored.is_null()) ids.insert(found_[i].id);
      for (const IdentifierQuery& query : Mapped(i).identifiers) {
        const auto hit = carriers.find(query);
        if (hit == carriers.end()) continue;
        ids.insert(hit->second.begin(), hit->second.end());
        // Orders and results: the best identifier that finds any decides.
        if (Mapped(i).type != "Patient") break;
      }
      if (absl::Status status = Choose(i, ids); !status.ok() || fault_) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Choose(std::size_t i, std::set<std::string> ids) {
    if (Mapped(i).type == "Patient" && ids.size() > 1) {
      // Those that were merged into another of them are that one.
      std::set<std::string> remaining;
      for (const std::string& id : ids) {
        auto survivor = Survivor(id);
        if (!survivor.ok()) return survivor.status();
        remaining.insert(*survivor);
      }
      ids = std::move(remaining);
      if (ids.size() > 1) {
        fault_ = Fault{FaultCode::kDuplicateKey, Mapped(i).where, "The identifiers are those of several patients: merge the patients (ADT^A40), or send one's alone."};
        return absl::OkStatus();
      }
    }
    if (ids.size() != 1 || (!found_[i].stored.is_null() && *ids.begin() == found_[i].id)) return absl::OkStatus();
    Found found;
    if (absl::Status status = Read(Mapped(i).type, *ids.begin(), found); !status.ok()) return status;
    // Reports of one number are told apart by what they report.
    if (found.stored.is_null() || (Mapped(i).type == "DiagnosticReport" && !SharesCode(found.stored, Mapped(i).content))) return absl::OkStatus();
    found_[i] = std::move(found);
    return absl::OkStatus();
  }

  absl::Status Read(const std::string& type, const std::string& id, Found& found) {
    for (const Found& other : opened_) {
      if (other.id != id || other.stored.TextOf("resourceType") != type) continue;
      found = other;
      return absl::OkStatus();
    }
    const auto record = sealer_.RecordIdOf(partition_.tenant.id, type, id);
    if (!record.ok()) return record.status();
    const auto row = store_.Newest(*record);
    if (!row.ok()) return row.status();
    if (!row->has_value() || (*row)->deleted) return absl::OkStatus();
    return Keep(**row, found);
  }

  // The patient that `id` is now, after merges.
  absl::StatusOr<std::string> Survivor(std::string id) {
    for (int hop = 0; hop < kHopsMax; ++hop) {
      Found found;
      if (absl::Status status = Read("Patient", id, found); !status.ok()) return status;
      const std::string next = ReplacedBy(found.stored);
      if (next.empty()) return id;
      id = next;
    }
    return absl::DataLossError("patients replace each other in a circle");
  }

  // What tells of a patient who was merged away tells of the one that stayed; only links are about the records themselves.
  absl::Status FollowMerges() {
    std::set<std::size_t> themselves;
    for (const auto& [first, second] : message_.pairs) {
      themselves.insert(second);
      if (message_.action != FeedAction::kMerge) themselves.insert(first);
    }
    for (std::size_t i = 0; i < found_.size(); ++i) {
      if (Mapped(i).type != "Patient" || themselves.contains(i) || ReplacedBy(found_[i].stored).empty()) continue;
      auto survivor = Survivor(found_[i].id);
      if (!survivor.ok()) return survivor.status();
      if (absl::Status status = Read("Patient", *survivor, found_[i]); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  std::size_t Actual(std::size_t at) const { return found_[at].same_as.value_or(at); }

  absl::Status Overlay(std::size_t i) {
    const MappedResource& mapped = Mapped(i);
    Found& found = found_[Actual(i)];
    if (mapped.only_when_new && (!found.stored.is_null() || found_[i].same_as)) return absl::OkStatus();
    Json wanted = !found.wanted.is_null() ? found.wanted : found.stored;
    if (wanted.is_null()) {
      wanted = Json::Object({{"resourceType", Json::String(mapped.type)}, {"id", Json::String(found.id)}});
      for (const auto& [name, value] : mapped.defaults.members())
        if (mapped.content.Find(name) == nullptr) wanted.Set(name, value);
    }
    wanted.Remove("meta");
    for (const std::string& name : mapped.cleared) {
      // A status is never nothing.
      if (name != "status") wanted.Remove(name);
    }
    for (const auto& [name, value] : mapped.content.members()) {
      Json* known = wanted.Find(name);
      if (name == "identifier" && known != nullptr && known->is_array()) {
        Union(*known, value, true);
      } else {
        wanted.Set(name, value);
      }
    }
    for (const auto& [element, at] : mapped.references) {
      Json one = Json::Array({Reference(Mapped(at).type, found_[Actual(at)].id)});
      Json* known = wanted.Find(element);
      if (known != nullptr && known->is_array()) {
        Union(*known, one, false);
      } else {
        wanted.Set(element, std::move(one));
      }
    }
    if (mapped.subject) {
      if (absl::Status status = SetSubject(i, wanted); !status.ok() || fault_) return status;
    }
    found.wanted = std::move(wanted);
    return absl::OkStatus();
  }

  // A record stays with the patient it was filed under, as long as that one was merged into the message's.
  absl::Status SetSubject(std::size_t i, Json& wanted) {
    constexpr std::string_view kPrefix = "Patient/";
    const std::string& patient = found_[Actual(*Mapped(i).subject)].id;
    const std::string filed = wanted["subject"].TextOf("reference");
    if (filed.empty()) {
      wanted.Set("subject", Reference("Patient", patient));
      return absl::OkStatus();
    }
    if (filed == absl::StrCat(std::string(kPrefix), patient)) return absl::OkStatus();
    if (filed.starts_with(kPrefix)) {
      const auto survivor = Survivor(filed.substr(kPrefix.size()));
      if (!survivor.ok()) return survivor.status();
      if (*survivor == patient) return absl::OkStatus();
    }
    fault_ = Fault{FaultCode::kDuplicateKey, Mapped(i).where, "The number of this order or result is that of another patient's: withdraw the other first, or send a number of its own."};
    return absl::OkStatus();
  }

  Json& Wanted(std::size_t at) {
    Found& found = found_[Actual(at)];
    if (found.wanted.is_null()) {
      found.wanted = found.stored;
      found.wanted.Remove("meta");
    }
    return found.wanted;
  }

  void LinkPatients() {
    for (const auto& [first, second] : message_.pairs) {
      const std::string& stays = found_[Actual(first)].id;
      const std::string& goes = found_[Actual(second)].id;
      if (stays == goes) {
        fault_ = Fault{FaultCode::kUnknownKey, Mapped(second).where, "Both identifiers are those of one patient."};
        return;
      }
      if (message_.action == FeedAction::kMerge) {
        AddLink(Wanted(first), goes, "replaces");
        RemoveLinks(Wanted(first), goes, "seealso");
        Json& loser = Wanted(second);
        RemoveLinks(loser, "", "replaced-by");
        RemoveLinks(loser, stays, "seealso");
        AddLink(loser, stays, "replaced-by");
        loser.Set("active", Json::Bool(false));
      } else if (message_.action == FeedAction::kLink) {
        AddLink(Wanted(first), goes, "seealso");
        AddLink(Wanted(second), stays, "seealso");
      } else {
        Unlink(first, second);
        Unlink(second, first);
      }
    }
  }

  // Takes back a link, and a merge: who was replaced is a patient again.
  void Unlink(std::size_t one, std::size_t other) {
    Json& patient = Wanted(one);
    const std::string& other_id = found_[Actual(other)].id;
    if (ReplacedBy(patient) == other_id) patient.Remove("active");
    RemoveLinks(patient, other_id, "");
  }

  OrFault<FeedPlan> MakePlan() {
    FeedPlan plan;
    for (std::size_t i = 0; i < found_.size(); ++i) {
      Found& found = found_[i];
      if (found.wanted.is_null()) continue;
      Json stored = found.stored;
      stored.Remove("meta");
      if (!found.stored.is_null() && stored == found.wanted) continue;
      exchange::TransactionEntry entry;
      entry.type = Mapped(i).type;
      entry.id = found.id;
      entry.path = entry.type;
      entry.resource_path = entry.type;
      entry.method = exchange::TransactionEntry::Method::kUpdate;
      // What was read is what is changed; what was not there, or deleted, is not there still.
      if (found.stored.is_null()) {
        entry.if_none_match = exchange::VersionCondition{};
      } else {
        entry.if_match = exchange::VersionCondition{found.version};
      }
      entry.resource = std::move(found.wanted);
      plan.entries.push_back(std::move(entry));
      plan.places.push_back(Mapped(i).where);
    }
    return plan;
  }

  const tenants::Partition& partition_;
  keys::Sealer& sealer_;
  const exchange::RecordStore store_;
  const MappedMessage& message_;
  std::vector<Found> found_;
  // What else carries, or once carried, an identifier of the message; and of it what was opened.
  std::vector<exchange::SealedRecord> others_;
  std::vector<Found> opened_;
  std::optional<Fault> fault_;
};

absl::StatusOr<OrFault<FeedPlan>> FeedPlanner::Plan(const MappedMessage& message) const { return Work(partition_, sealer_, message).Run(); }

absl::StatusOr<std::optional<std::string>> FeedPlanner::FindPatient(const std::vector<IdentifierQuery>& identifiers) const {
  const auto hits = exchange::FindByIdentifiers(partition_, sealer_, identifiers, kPurpose);
  if (!hits.ok()) return hits.status();
  std::set<std::string> ids;
  for (const auto& [query, found] : *hits) ids.insert(found.begin(), found.end());
  return ids.size() == 1 ? std::optional(*ids.begin()) : std::nullopt;
}

}  // namespace custodian::feeds
