// `custodian doctor`: does what an integrator's client does, step by step, and says on one screen what is wrong with its URL, clock,
// certificate, key or scope, and what to do. With the operator's configuration it also compares with what is registered, which the
// platform tells no client.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rapidjson/prettywriter.h"
#include "rapidjson/stringbuffer.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/jwt_keys.h"
#include "services/exchange/jwt_sign.h"
#include "services/exchange/smart_scope.h"
#include "services/main/commands.h"
#include "services/main/platform_client.h"
#include "services/main/tenant_client.h"
#include "services/rpc/certificate.h"
#include "services/rpc/https_client.h"
#include "services/rpc/outgoing.h"
#include "tenants/clock.h"
#include "tenants/ids.h"

namespace custodian::main {
namespace {

using exchange::Json;

constexpr absl::Duration kClockMax = absl::Seconds(30);
constexpr char kAssertionType[] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
// An id that nobody's patient has: the answer to it shows who may ask, and nothing of anybody.
constexpr char kProbe[] = "Patient/custodian-doctor";

struct Options {
  std::string base;
  std::string ca_file = "/etc/ssl/certs/ca-certificates.crt";
  std::string client_id;
  std::string key_file;
  std::string kid;
  std::string scopes;
  std::string certificate_file;
  std::string certificate_key_file;
  std::string cds_url;
  std::string cds_issuer;
  std::string cds_tenant;
  ConfigOption config;
  bool json = false;
};

struct Finding {
  std::string check;
  bool ok = true;
  std::string text;
};

class Doctor {
 public:
  explicit Doctor(const Options& options) : options_(options) {}

  std::vector<Finding> Run() {
    if (!CheckUrl()) return findings_;
    ReadKey();
    CheckRegistration();
    if (!options_.client_id.empty() && key_) CheckToken();
    if (!options_.certificate_file.empty()) CheckCertificate();
    if (!options_.cds_url.empty()) CheckCds();
    return findings_;
  }

 private:
  bool Say(const char* check, bool ok, std::string text) {
    findings_.push_back({check, ok, std::move(text)});
    return ok;
  }

  std::unique_ptr<rpc::HttpsClient> Client(const std::string& certificate = "", const std::string& key = "") {
    auto client = rpc::HttpsClient::Create(
        {.ca_file = options_.ca_file, .certificate_file = certificate, .key_file = key, .timeout = absl::Seconds(10), .body_bytes_max = 8u << 20});
    Check(client.status());
    return *std::move(client);
  }

  // URL, server certificate and clock, by the one document that anybody may read.
  bool CheckUrl() {
    while (options_.base.ends_with('/')) options_.base.pop_back();
    if (options_.base.rfind("https://", 0) != 0) return Say("url", false, "the FHIR base must begin with https://");
    const std::size_t fhir = options_.base.find("/fhir/");
    if (fhir == std::string::npos || !TenantId::Parse(options_.base.substr(fhir + 6)).ok())
      return Say("url", false, "the FHIR base must end in /fhir/<tenant id of 16 hex digits>; custodian tenant client list --json shows it");
    const auto answer = Client()->Send("GET", options_.base + "/.well-known/smart-configuration");
    if (!answer.ok()) {
      const std::string why(answer.status().message());
      const bool tls = why.find("TLS") != std::string::npos;
      return Say(tls ? "certificate" : "url", false,
                 absl::StrCat(why, tls ? "; the server's certificate must be signed by a CA in --ca and name this host" : "; check host, port and firewall"));
    }
    Say("certificate", true, "the server's certificate is trusted and names this host");
    CheckClock(*answer);
    if (answer->status == 404) return Say("url", false, "the server answers, but has no tenant of that id; custodian tenant list shows the ids");
    auto configuration = Json::Parse(answer->body);
    if (answer->status != 200 || !configuration.ok() || configuration->TextOf("token_endpoint").empty())
      return Say("url", false, absl::StrCat("this is no Custodian FHIR base: smart-configuration answered ", answer->status));
    token_endpoint_ = configuration->TextOf("token_endpoint");
    if (token_endpoint_.rfind(options_.base + "/", 0) != 0)
      return Say("url", false, absl::StrCat("the platform calls itself by another URL: use the base of its token endpoint, ", token_endpoint_,
                                            ", or have the operator set public_url"));
    return Say("url", true, absl::StrCat("smart-configuration found; token endpoint ", token_endpoint_));
  }

  void CheckClock(const rpc::HttpResponse& answer) {
    for (const auto& [name, value] : answer.headers) {
      absl::Time server;
      std::string error;
      if (name != "date" || !absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", value, absl::UTCTimeZone(), &server, &error)) continue;
      const absl::Duration off = absl::Now() - server;
      const bool ok = absl::AbsDuration(off) <= kClockMax;
      Say("clock", ok,
          absl::StrCat("this machine is ", absl::ToInt64Seconds(absl::AbsDuration(off)), " s ", off < absl::ZeroDuration() ? "behind" : "ahead of",
                       " the server", ok ? "" : "; tokens live 5 minutes: set the clock (NTP)"));
      return;
    }
    Say("clock", false, "the server sends no Date, so the clocks cannot be compared");
  }

  void ReadKey() {
    if (options_.key_file.empty()) return;
    const auto text = ReadFile(options_.key_file);
    if (!text.ok()) {
      Say("key", false, std::string(text.status().message()));
      return;
    }
    auto key = exchange::ReadClientKey(*text, options_.kid);
    if (!key.ok()) {
      Say("key", false, std::string(key.status().message()));
      return;
    }
    key_ = *std::move(key);
    Say("key", true, absl::StrCat(key_->algorithm, " key, kid ", key_->kid));
  }

  // What only the operator may see.
  void CheckRegistration() {
    if (options_.client_id.empty() || (options_.config.file.empty() && options_.config.home.empty())) return;
    const Config config = options_.config.Load();
    const auto clients = OperatorClient(config)->ListClients("");
    Check(clients.status());
    for (const auto& one : *clients) {
      if (one.client.spiffe_id != options_.client_id) continue;
      if (one.removed) return (void)Say("registration", false, "this client was removed; custodian tenant client add lets it in again");
      if (one.client.role != "fhir") return (void)Say("registration", false, absl::StrCat("its role is ", one.client.role, ", and the FHIR base serves role fhir"));
      if (!options_.base.ends_with("/" + one.client.tenant.text()))
        return (void)Say("registration", false, "it belongs to another tenant: use that tenant's FHIR base for its tokens");
      return CheckRegisteredKey(config, one);
    }
    Say("registration", false, "no client of that id is registered; custodian tenant client list shows them, --client-id must be one exactly");
  }

  void CheckRegisteredKey(const Config& config, const rpc::AdminClient::ListedClient& listed) {
    if (listed.access.jwks.empty() && listed.access.jwks_url.empty())
      return (void)Say("registration", options_.key_file.empty(),
                       "it is registered without keys, for its certificate alone; give it some: custodian tenant client add --jwks --scopes");
    const std::string summary = absl::StrCat("registered for ", listed.client.purpose, " with ", listed.access.scopes);
    if (!key_) return (void)Say("registration", true, summary);
    const MachineClock clock;
    auto outgoing = rpc::Outgoing::Create(
        {.hosts = config.outgoing.hosts, .private_networks = config.outgoing.private_networks, .ca_file = config.outgoing.ca_file});
    Check(outgoing.status());
    const exchange::KeySets sets([&outgoing](const std::string& url) { return (*outgoing)->Get(absl::Seconds(5), url); }, clock);
    if (!listed.access.jwks_url.empty())
      if (const absl::Status probe = sets.Probe(listed.access.jwks_url); !probe.ok())
        return (void)Say("registration", false, absl::StrCat("its JWK set at ", listed.access.jwks_url, " cannot be used: ", std::string(probe.message())));
    const auto registered = sets.Find({listed.access.jwks, listed.access.jwks_url}, key_->kid, key_->algorithm);
    if (!registered.ok())
      return (void)Say("registration", false,
                       absl::StrCat("the registered JWK set has no ", key_->algorithm, " key with kid ", key_->kid, "; register the public key of --key"));
    const auto own = Json::Parse(key_->public_jwk);
    for (const char* part : {"x", "y", "n", "e"})
      if (own.ok() && own->TextOf(part) != (*registered)->jwk().TextOf(part))
        return (void)Say("registration", false, absl::StrCat("kid ", key_->kid, " is registered with another key; register the public key of --key"));
    Say("registration", true, summary);
  }

  [[nodiscard]] std::string Assertion(const std::string& audience, std::vector<Json::Member> who) const {
    const auto now = absl::ToUnixSeconds(absl::Now());
    Json claims = Json::Object(std::move(who));
    claims.Set("aud", Json::String(audience));
    claims.Set("iat", Json::Integer(now));
    claims.Set("exp", Json::Integer(now + 240));
    claims.Set("jti", Json::String(HexEncode(RandomBytes(16))));
    auto jwt = exchange::SignJwt(*key_, claims.Text());
    Check(jwt.status());
    return *std::move(jwt);
  }

  void CheckToken() {
    const std::string assertion =
        Assertion(token_endpoint_, {{"iss", Json::String(options_.client_id)}, {"sub", Json::String(options_.client_id)}});
    std::string form = absl::StrCat("grant_type=client_credentials&client_assertion_type=", rpc::PercentEncode(kAssertionType),
                                    "&client_assertion=", assertion);
    if (!options_.scopes.empty()) absl::StrAppend(&form, "&scope=", rpc::PercentEncode(options_.scopes));
    const auto answer = Client()->Send("POST", token_endpoint_, {{"Content-Type", "application/x-www-form-urlencoded"}}, form);
    if (!answer.ok()) return (void)Say("token", false, std::string(answer.status().message()));
    const auto json = Json::Parse(answer->body);
    if (answer->status != 200) {
      const std::string error = json.ok() ? json->TextOf("error") : "";
      return (void)Say(error == "invalid_scope" ? "scope" : "token", false,
                       absl::StrCat(error, ": ", json.ok() ? json->TextOf("error_description") : absl::StrCat("status ", answer->status)));
    }
    Say("token", true, absl::StrCat("an access token for ", (*json)["expires_in"].text(), " s"));
    const std::string& granted = json->TextOf("scope");
    const auto asked = exchange::SmartScopes::ParseRequested(options_.scopes);
    const bool all = asked.Intersect(exchange::SmartScopes::ParseRequested(granted)).Text() == asked.Text();
    Say("scope", all, absl::StrCat("granted ", granted, all ? "" : "; the rest of --scope is not registered for this client (or is no SMART v2 system scope)"));
    Probe("fhir", *Client(), {{"Authorization", "Bearer " + json->TextOf("access_token")}});
  }

  void Probe(const char* check, const rpc::HttpsClient& client, std::vector<std::pair<std::string, std::string>> headers) {
    const auto answer = client.Send("GET", absl::StrCat(options_.base, "/", kProbe), headers);
    if (!answer.ok()) return (void)Say(check, false, std::string(answer.status().message()));
    std::string challenge;
    for (const auto& [name, value] : answer->headers)
      if (name == "www-authenticate") challenge = value;
    const bool let_in = answer->status == 404 || answer->status == 200 || challenge.find("insufficient_scope") != std::string::npos;
    const auto outcome = Json::Parse(answer->body);
    const std::string why = outcome.ok() ? (*outcome)["issue"][0].TextOf("diagnostics") : "";
    Say(check, let_in, let_in ? "the FHIR base knows this client" : absl::StrCat("status ", answer->status, ": ", why));
  }

  void CheckCertificate() {
    const auto id = rpc::SpiffeIdOfFile(options_.certificate_file);
    if (!id.ok()) return (void)Say("client-cert", false, std::string(id.status().message()));
    if (!options_.client_id.empty() && *id != options_.client_id)
      return (void)Say("client-cert", false, absl::StrCat("it names ", *id, ", not --client-id"));
    Probe("client-cert", *Client(options_.certificate_file, options_.certificate_key_file), {});
  }

  void CheckCds() {
    if (!key_ || options_.cds_issuer.empty() || options_.cds_tenant.empty())
      return (void)Say("cds", false, "--cds-url goes with --key, --cds-iss and --cds-tenant");
    while (options_.cds_url.ends_with('/')) options_.cds_url.pop_back();
    const std::string token =
        Assertion(options_.cds_url, {{"iss", Json::String(options_.cds_issuer)}, {"tenant", Json::String(options_.cds_tenant)}});
    const auto answer = Client()->Send("GET", options_.cds_url, {{"Authorization", "Bearer " + token}});
    if (!answer.ok()) return (void)Say("cds", false, std::string(answer.status().message()));
    const auto json = Json::Parse(answer->body);
    if (answer->status == 200 && json.ok() && (*json)["services"].is_array())
      return (void)Say("cds", true, absl::StrCat((*json)["services"].items().size(), " hooks offered"));
    Say("cds", false, absl::StrCat("status ", answer->status, ": ", json.ok() ? json->TextOf("error") : "no CDS service at this URL"));
  }

  Options options_;
  std::vector<Finding> findings_;
  std::string token_endpoint_;
  std::optional<exchange::ClientKey> key_;
};

void Print(const std::vector<Finding>& findings, bool as_json) {
  if (!as_json) {
    for (const Finding& finding : findings) std::printf("%-4s  %-13s %s\n", finding.ok ? "ok" : "FAIL", finding.check.c_str(), finding.text.c_str());
    return;
  }
  rapidjson::StringBuffer buffer;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> writer(buffer);
  writer.SetIndent(' ', 1);
  writer.StartArray();
  for (const Finding& finding : findings) {
    writer.StartObject();
    writer.Key("check");
    writer.String(finding.check.c_str());
    writer.Key("ok");
    writer.Bool(finding.ok);
    writer.Key("text");
    writer.String(finding.text.c_str());
    writer.EndObject();
  }
  writer.EndArray();
  std::printf("%s\n", buffer.GetString());
}

}  // namespace

void AddDoctor(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("doctor", "what is wrong with a client's URL, clock, certificate, key or scope");
  command->footer(
      "Examples:\n"
      "  custodian doctor https://custodian.example:8443/fhir/0123456789abcdef --ca ca.crt --key ehr.pem --kid ehr-1 \\\n"
      "    --client-id spiffe://custodian.example/tenant/0123456789abcdef/fhir/ehr --scope \"system/*.rs\"\n"
      "  custodian doctor https://custodian.example:8443/fhir/0123456789abcdef --ca ca.crt --key ehr.pem --kid ehr-1 \\\n"
      "    --cds-url https://custodian.example:8443/cds/0123456789abcdef/cds-services --cds-iss https://ehr.example --cds-tenant lakeside\n"
      "The operator adds --config or --home: then the registration is compared too.");
  command->add_option("fhir-base", options->base, "the tenant's FHIR base URL")->required();
  command->add_option("--ca", options->ca_file, "CA that signed the server's certificate")->capture_default_str();
  command->add_option("--client-id", options->client_id, "client_id, as custodian tenant client add printed it");
  command->add_option("--key", options->key_file, "the client's private key: JWK, or PEM with --kid");
  command->add_option("--kid", options->kid, "kid of the key in the registered JWK set");
  command->add_option("--scope", options->scopes, "scopes to ask for (default: all that are registered)");
  auto* certificate = command->add_option("--cert", options->certificate_file, "client certificate, for a client that shows one");
  command->add_option("--cert-key", options->certificate_key_file, "its key")->needs(certificate);
  command->add_option("--cds-url", options->cds_url, "the tenant's CDS Hooks discovery URL");
  command->add_option("--cds-iss", options->cds_issuer, "iss of the EHR's CDS Hooks tokens");
  command->add_option("--cds-tenant", options->cds_tenant, "tenant claim of those tokens");
  options->config.AddTo(*command);
  command->add_flag("--json", options->json, "JSON");
  command->callback([options] {
    const auto findings = Doctor(*options).Run();
    Print(findings, options->json);
    for (const Finding& finding : findings)
      if (!finding.ok) throw CommandFailed{1, absl::StrCat(finding.check, ": ", finding.text)};
  });
}

}  // namespace custodian::main
