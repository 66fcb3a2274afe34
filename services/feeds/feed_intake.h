// Takes HL7 v2 messages for a tenant, each exactly once: what it tells of is stored and its key and verdict beside it in one
// transaction, and only then is it acknowledged. A message that is refused goes into quarantine, sealed, before it is told so; one
// that fails for reasons of ours leaves nothing and may be sent again. Keys are (MSH-3, MSH-4, MSH-10); the same key and body gets
// the first answer, the same key with another body is refused. Thread-safe.
#ifndef CUSTODIAN_SERVICES_FEEDS_FEED_INTAKE_H_
#define CUSTODIAN_SERVICES_FEEDS_FEED_INTAKE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/exchange/fhir_writer.h"
#include "services/feeds/feed_map.h"
#include "services/feeds/feed_store.h"
#include "services/feeds/hl7_ack.h"
#include "services/feeds/hl7_to_fhir.h"
#include "services/keys/key_client.h"
#include "services/keys/sealer.h"
#include "tenants/clock.h"
#include "tenants/partitions.h"

namespace custodian::feeds {

class FeedIntake {
 public:
  // The map in force for a tenant.
  using MapOf = std::function<std::shared_ptr<const FeedMap>(const TenantId& tenant)>;
  // Says that results between the two times may be missing; the same key again says nothing new. FeedService::ReportGap, in main.
  using ReportGap = std::function<absl::Status(const tenants::Client& client, absl::Time from, absl::Time to, const std::string& key)>;

  FeedIntake(const tenants::Partitions& partitions, keys::Sealer& sealer, keys::KeyClient& keys, const Clock& network_clock, MapOf map_of,
             ReportGap report_gap);
  ~FeedIntake();

  // What to send back, in order; may be nothing (enhanced mode). `whole` is false when only the beginning of a message that is too
  // large is there. `client` is a feed of the tenant.
  [[nodiscard]] std::vector<std::string> Take(const tenants::Client& client, std::string_view bytes, bool whole) const;

  // What to send back to a client that is no feed of any tenant.
  [[nodiscard]] std::vector<std::string> TurnAway(std::string_view bytes) const;

  // The message of a quarantined row. NotFound.
  struct Quarantined {
    QuarantineRow row;
    std::string message;
  };
  [[nodiscard]] absl::StatusOr<Quarantined> Show(const TenantId& tenant, const std::string& quarantine_id) const;
  // Takes a quarantined message as if it came now: after a mended feed map, or a patient that is known by now. The fault, when it is
  // refused again; nothing when it was taken, now or before. `quarantine_id` is 16 bytes.
  [[nodiscard]] absl::StatusOr<std::optional<Fault>> Replay(const tenants::Client& client, const std::string& quarantine_id) const;

 private:
  class Call;
  const tenants::Partitions& partitions_;
  keys::Sealer& sealer_;
  const Clock& clock_;
  const MapOf map_of_;
  const ReportGap report_gap_;
  const exchange::FhirWriter writer_;
};

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_FEED_INTAKE_H_
