// What the platform answers: its HTTPS interfaces, its status, its metrics.
#include <string>

#include "absl/strings/str_cat.h"
#include "prometheus/text_serializer.h"
#include "services/main/json_members.h"
#include "services/main/platform.h"

namespace custodian::main {

void Platform::AddRoutes() {
  router_.Add({.prefix = "/fhir/",
               .methods = {},
               .handler =
                   [this](const rpc::HttpRequest& request) {
                     auto answer = smart_.Handle(request);
                     return answer ? *std::move(answer) : fhir_.Handle(request);
                   },
               .tenant_follows = true,
               .refusal = exchange::FhirService::Refusal});
  router_.Add({.prefix = "/cds/",
               .methods = {},
               .handler =
                   [this](const rpc::HttpRequest& request) {
                     auto answer = card_links_.Handle(request);
                     return answer ? *std::move(answer) : cds_hooks_.Handle(request);
                   },
               .tenant_follows = true,
               .refusal = exchange::CdsHooks::Refusal});
  router_.Add({.prefix = "/orders/",
               .methods = {"POST"},
               .handler = fhir_shares_.Protect([this](const rpc::HttpRequest& request) { return order_explanation_.Handle(request); }),
               .tenant_follows = true,
               .refusal = {}});
  router_.Add({.prefix = "/feed/",
               .methods = {"GET", "POST"},
               .handler = fhir_shares_.Protect([this](const rpc::HttpRequest& request) { return quarantine_.Handle(request); }),
               .tenant_follows = true,
               .refusal = {}});
  router_.Add({.prefix = "/log/",
               .methods = {"GET"},
               .handler = log_shares_.Protect([this](const rpc::HttpRequest& request) { return tiles_.Handle(request); }),
               .tenant_follows = false,
               .refusal = {}});
  router_.Add({.prefix = "/savings/",
               .methods = {"GET"},
               .handler = sessions_.Protect([this](const rpc::HttpRequest& request) { return page_->Handle(request); }),
               .tenant_follows = false,
               .refusal = {}});
  router_.Add({.prefix = "/metrics",
               .methods = {"GET"},
               .handler =
                   [this](const rpc::HttpRequest& request) {
                     const auto client = guard_.Admit(request.peer_spiffe_id, {"operator", "regulator", "auditor"});
                     if (!client.ok()) {
                       return rpc::PlainText(403, "metrics want a client certificate of an operator, a regulator or a tenant's auditor");
                     }
                     return rpc::HttpResponse{.status = 200, .headers = {{"Content-Type", savings::kMetricsContentType}}, .body = MetricsText(client->tenant)};
                   },
               .tenant_follows = false,
               .refusal = {}});
}

std::string Platform::StatusJson() const {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  const auto log = [&](const std::string& tenant, const std::string& origin, const std::string& vkey, std::uint64_t size) {
    writer.StartObject();
    WriteText(writer, "tenant", tenant);
    WriteText(writer, "origin", origin);
    WriteText(writer, "vkey", vkey);
    WriteNumber(writer, "size", size);
    WriteNumber(writer, "witnessed_size", publisher_->WitnessedSize(origin));
    writer.EndObject();
  };
  exchange::ExchangeCounts counts;
  writer.StartObject();
  WriteText(writer, "network_time", absl::FormatTime(absl::RFC3339_full, network_->clock->Now(), absl::UTCTimeZone()));
  WriteText(writer, "governance_origin", network_->governance_origin);
  writer.Key("logs");
  writer.StartArray();
  log("", network_->governance_origin, network_->governance_vkey, network_->governance_writer->size());
  for (const tenants::Partition* partition : network_->partitions.All()) {
    log(partition->tenant.name, partition->tenant.origin, partition->tenant.log_vkey, partition->writer->size());
    if (const auto one = cds_hooks_.Counts(partition->tenant.id); one.ok()) {
      counts.checked += one->checked;
      counts.shown += one->shown;
      counts.accepted += one->accepted;
      counts.overridden += one->overridden;
      counts.opened += one->opened;
      counts.inferred_cancelled += one->inferred_cancelled;
      counts.inferred_performed += one->inferred_performed;
    }
  }
  writer.EndArray();
  writer.Key("orders");
  writer.StartObject();
  WriteNumber(writer, "checked", counts.checked);
  WriteNumber(writer, "shown", counts.shown);
  WriteNumber(writer, "accepted", counts.accepted);
  WriteNumber(writer, "overridden", counts.overridden);
  writer.EndObject();
  WriteNumber(writer, "cards_opened", counts.opened);
  // From the order feed, without feedback: in none of the figures above, nor in savings.
  writer.Key("inferred");
  writer.StartObject();
  WriteNumber(writer, "cancelled", counts.inferred_cancelled);
  WriteNumber(writer, "performed", counts.inferred_performed);
  writer.EndObject();
  writer.EndObject();
  return buffer.GetString();
}

std::string Platform::MetricsText(const TenantId& tenant) const {
  if (!tenant.text().empty()) {
    // What others avoid, and how often checks fail for all, is not for one tenant to watch.
    const auto own = network_->registry->FindById(tenant.text());
    const auto report = own ? reporter_.Make(std::nullopt, own->name) : absl::NotFoundError("no such tenant");
    if (!report.ok()) return "";
    return prometheus::TextSerializer().Serialize(savings::FamiliesOf(*report));
  }
  return absl::StrCat(metrics_.Render(), "# HELP custodian_order_check_faults_total Order checks that failed or were late since the start.\n",
                      "# TYPE custodian_order_check_faults_total counter\ncustodian_order_check_faults_total ", cds_hooks_.faults(), "\n",
                      "# HELP custodian_emergency_disclosures_total Disclosures that an emergency opened without consent, since the start.\n",
                      "# TYPE custodian_emergency_disclosures_total counter\ncustodian_emergency_disclosures_total ", fhir_.emergencies(), "\n",
                      "# HELP custodian_refusals_dropped_total Refusals that found too many waiting, since the start.\n",
                      "# TYPE custodian_refusals_dropped_total counter\ncustodian_refusals_dropped_total ", refusals_.dropped(), "\n");
}

}  // namespace custodian::main
