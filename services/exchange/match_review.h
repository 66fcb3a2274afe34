// What people decide about patients who may be one person (DESIGN, section 7, "Matching"): a tenant's queue of probable pairs, and its
// link and unlink. A decision is a Linkage resource of the tenant's own patient: sealed, in its log like every record, each later word
// its next version. A link of two tenants' patients wants both tenants; each may end it. Another tenant's patient is in nobody's
// queue unless that patient's consent lets the reader see it. Any thread.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_MATCH_REVIEW_H_
#define CUSTODIAN_SERVICES_EXCHANGE_MATCH_REVIEW_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/exchange/consent_gate.h"
#include "services/exchange/locator.h"
#include "services/exchange/patient_records.h"
#include "services/keys/sealer.h"
#include "tenants/clock.h"
#include "tenants/partitions.h"
#include "tenants/registry.h"

namespace custodian::exchange {

class MatchReview {
 public:
  MatchReview(const tenants::Partitions& partitions, const tenants::Registry& registry, keys::Sealer& sealer, const Locator& locator,
              const PatientRecords& records, RulesOf rules, const Clock& network_clock);

  struct Item {
    // FHIR id of the tenant's own patient.
    std::string patient;
    // How the other one is named in a decision: "<tenant id>/<32 hex digits>", opaque.
    std::string other;
    std::string other_tenant;
    // FHIR id of the other one when it is the tenant's own too; empty otherwise.
    std::string other_patient;
    Match match;
  };
  struct Page {
    std::vector<Item> items;
    // Where to go on; empty at the end. A page may be empty and not the last.
    std::string next;
  };
  // Pairs of the tenant's patients after `after` (empty: from the first) that are probable, or that a veto keeps from being certain. That another tenant's patient
  // is there, and how alike, is a disclosure to `actor` (SPIFFE id of who asks): on the source's log before it is shown, once a day and consent version.
  [[nodiscard]] absl::StatusOr<Page> Queue(const TenantId& tenant, std::string_view actor, std::string_view after) const;

  // The tenant's word on a pair, recorded before this returns; the entry's index in its log. Only what Queue() shows can be linked, and
  // unlinked only that or what is linked: NotFound for anything else, whatever it is. FollowChanges by the outbox kind "match".
  struct Decision {
    // FHIR id of the tenant's own patient.
    std::string patient;
    std::string other;
    bool link = false;
    // SPIFFE id of who decides, and their reason.
    std::string actor;
    std::string reason;
    std::string idempotency_key;
  };
  [[nodiscard]] absl::StatusOr<std::uint64_t> Decide(const TenantId& tenant, const Decision& decision) const;

 private:
  struct Known;
  // The other's chart and Patient, when its patient lets the reader see that; none otherwise.
  [[nodiscard]] absl::StatusOr<std::optional<Known>> Find(const TenantId& reader, const PatientLink& other) const;
  [[nodiscard]] absl::StatusOr<bool> MayKnow(const TenantId& reader, const PatientLink& other) const;
  // False when it may not be shown after all.
  [[nodiscard]] absl::StatusOr<bool> Disclose(const PatientLink& own, const PatientLink& other, std::string_view actor) const;
  [[nodiscard]] absl::StatusOr<bool> MayDecide(const PatientLink& own, const PatientLink& other, bool link) const;

  const tenants::Partitions& partitions_;
  const tenants::Registry& registry_;
  keys::Sealer& sealer_;
  const Locator& locator_;
  const PatientRecords& records_;
  const RulesOf rules_;
  const Clock& clock_;
};

// What the outbox kind "match" asks for: tells the locator what was decided about the patient, then FollowChanges(). Idempotent.
[[nodiscard]] absl::Status ApplyDecisions(Locator& locator, const PatientRecords& records, const PatientLink& patient,
                                          const std::function<absl::Status(const PatientLink&)>& follow);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_MATCH_REVIEW_H_
