// The one YAML file behind --config (or HOME/config.yaml behind --home), each key overridable by CUSTODIAN_<KEY> with dots as
// underscores. Only services/main reads it. Paths in it are relative to the file. Secrets are named by file, never written in.
#ifndef CUSTODIAN_SERVICES_MAIN_CONFIG_H_
#define CUSTODIAN_SERVICES_MAIN_CONFIG_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tenants/database.h"

namespace custodian::main {

struct Config {
  struct Cell {
    std::string name;
    // Socket directory or host name.
    std::string host;
    int port = 5432;
    // libpq options, e.g. "sslmode=verify-full sslrootcert=...".
    std::string options;
    // Role that may create databases and roles; used by `migrate` and `tenant` only.
    std::string admin_user;
  };
  struct Keys {
    std::string socket;
    std::string module;
    std::string token_label;
    std::string pin_file;
    // Signing states (one file a log).
    std::string state_directory;
    // Passwords of the key-store roles.
    std::string secrets_directory;
  };
  struct Listener {
    std::string address = "127.0.0.1";
    int port = 0;
    std::string certificate_file;
    std::string key_file;
    std::string client_ca_file;
  };

  // Trust domain, e.g. "custodian.example": origins and SPIFFE ids begin with it.
  std::string network;
  std::string profile = "production";
  bool simulated_time = false;
  // Where a simulated clock begins when it is first made; absent: the machine's time.
  std::optional<absl::Time> simulated_time_start;
  std::vector<Cell> cells;
  std::string network_cell;
  std::string network_database = "custodian_network";
  // One file "<role>.password" (mode 0600) a database role.
  std::string secrets_directory;
  // Whom `serve` may ask on a client's word (services/rpc/outgoing.h).
  struct Outgoing {
    std::vector<std::string> hosts;
    std::vector<std::string> private_networks;
    std::string ca_file;
  };
  Outgoing outgoing;
  // Order checks without cards, and what another tenant's FHIR client is refused, answer on this tick (services/exchange/fixed_tick.h).
  absl::Duration order_check_tick = absl::Milliseconds(100);
  // How long an order check waits for other tenants' charts (services/exchange/cds_hooks.h).
  absl::Duration order_check_charts = absl::Milliseconds(70);
  // What one client may have of each interface (services/rpc/shares.h): requests a second (0: any), requests under way.
  int client_per_second = 1'000;
  int client_at_once = 64;
  Keys keys;
  // How long `serve` holds an unwrapped patient key (services/keys/sealer.h), and what it opened with it; zero: nothing is held.
  absl::Duration key_lease = absl::Seconds(60);
  Listener grpc;
  Listener https;
  // HL7 v2 over MLLP with TLS; not served without a certificate_file.
  struct Feeds {
    Listener mllp;
    // How long after an exam its result may still be on its way (services/feeds/feed_watermark.h).
    absl::Duration lateness = absl::Hours(24);
    // After so much silence of a sender a gap is declared; zero never.
    absl::Duration silence = absl::Hours(24);
  };
  Feeds feeds;
  // Base of the URLs we hand out, "https://host:port".
  std::string public_url;
  // The custodian's author key (PKCS#8 PEM, mode 0600).
  std::string author_key_file;
  // tlog-policy with the witnesses to ask (urls) and the quorum.
  std::string policy_file;
  // Those of its witnesses that are mirrors (C2SP tlog-mirror) and take what is pushed: `custodian node mirror --pushed`.
  struct Mirror {
    // In the policy.
    std::string name;
    // Names of the tenants whose logs it is sent; every tenant's when empty. The governance log always is.
    std::vector<std::string> tenants;
  };
  std::vector<Mirror> mirrors;
  // f: how many of the policy's witnesses may lie (those that the custodian runs itself count).
  int lying_witnesses_max = 0;
  // Whether `serve` enters maps of subjects in the logs (SUBJECT_MAP), which mirrors and verifiers of before do not know.
  bool subject_maps = false;
  // Admit what tenants' nodes say of reported entries (VOID, COUNTERSIGNED, DISPUTED): verifiers of before do not know these kinds.
  bool countersigning = false;
  // Batches of refusals (services/exchange/refusals.h): records each, time between them, how many may wait.
  int refusals_batch = 16;
  absl::Duration refusals_period = absl::Minutes(5);
  int refusals_waiting_max = 10'000;
  // Built savings page.
  std::string assets_directory;
  // An operator's client certificate for commands that call `serve`.
  std::string operator_certificate_file;
  std::string operator_key_file;

  // Login role of the network database, and the role that `verify` reads with.
  [[nodiscard]] std::string NetworkRole() const { return network_database + "_login"; }

  // NotFound, InvalidArgument naming the key, PermissionDenied for a secret readable by others.
  [[nodiscard]] static absl::StatusOr<Config> Load(const std::string& file);
  // Connection of `role` to `database` on a cell, the password read from `secrets`/<role>.password.
  [[nodiscard]] absl::StatusOr<tenants::ConnectionSpec> Connection(const std::string& cell, const std::string& database,
                                                                   const std::string& role, const std::string& secrets) const;
};

// A file's bytes; NotFound or, with `secret`, PermissionDenied when group or others may read it.
[[nodiscard]] absl::StatusOr<std::string> ReadFile(const std::string& path, bool secret = false);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_CONFIG_H_
