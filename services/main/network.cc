#include "services/main/network.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/log/witness_question.h"
#include "spdlog/spdlog.h"
#include "tenants/ids.h"
#include "tenants/provision.h"

namespace custodian::main {
namespace {

constexpr absl::Duration kStartPatience = absl::Seconds(30);
// For one call to a witness, and to ask it what it knows: all of them briefly at first, so that one that is silent holds no start up.
constexpr absl::Duration kWitnessTimeout = absl::Seconds(5);
constexpr absl::Duration kFirstQuestionTimeout = absl::Milliseconds(150);
constexpr absl::Duration kQuestionTimeout = absl::Seconds(1);
// A log whose witnesses do not answer is asked about again.
constexpr absl::Duration kAskAgain = absl::Milliseconds(200);
constexpr int kRoundsAWarning = 50;
// A few signature lines, or a checkpoint.
constexpr std::size_t kWitnessAnswerBytesMax = 64u << 10;
constexpr int kPartitionConnections = 12;
constexpr int kNetworkConnections = 4;
constexpr int kLocatorConnections = 8;
// A sixth of what an order check may take at half of the peak (99 of 100 within 50 ms), where writes come too slowly to be waited for.
constexpr absl::Duration kGather = absl::Milliseconds(8);

// Tries again while the other side is not there yet.
absl::Status WithPatience(const char* what, const std::function<absl::Status()>& attempt) {
  const absl::Time until = absl::Now() + kStartPatience;
  while (true) {
    absl::Status status = attempt();
    if (status.ok() || !absl::IsUnavailable(status) || absl::Now() > until) {
      return status.ok() ? status : absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
    }
    absl::SleepFor(absl::Milliseconds(100));
  }
}

}  // namespace

std::string AuthorName(const Config& config) { return absl::StrCat("spiffe://", config.network, "/custodian/serve"); }

std::string GovernanceOrigin(const std::string& network) {
  const ledger::Hash hash = ledger::Sha256(absl::StrCat(network, " governance log"));
  return absl::StrCat(network, "/p/", HexEncode(ledger::AsBytes(hash).substr(0, 8)));
}

Network::Network(const Config& configuration) : governance_origin(GovernanceOrigin(configuration.network)), config(configuration) {}

Network::~Network() { Stop(); }

absl::StatusOr<std::unique_ptr<Network>> Network::Create(const Config& config) {
  auto network = std::unique_ptr<Network>(new Network(config));
  if (auto status = network->Open(); !status.ok()) return status;
  if (auto status = network->StartGovernance(); !status.ok()) return status;
  return network;
}

absl::Status Network::ReadPolicy() {
  const auto text = ReadFile(config.policy_file);
  if (!text.ok()) return text.status();
  auto parsed = ledger::Policy::Parse(*text);
  if (!parsed.ok()) return absl::InvalidArgumentError(absl::StrCat("'", config.policy_file, "': ", parsed.status().message()));
  policy = *std::move(parsed);
  auto client = rpc::HttpsClient::Create({.ca_file = config.https.client_ca_file,
                                          .certificate_file = config.https.certificate_file,
                                          .key_file = config.https.key_file,
                                          .timeout = kWitnessTimeout,
                                          .body_bytes_max = kWitnessAnswerBytesMax});
  if (!client.ok()) return client.status();
  witness_client = *std::move(client);
  return absl::OkStatus();
}

absl::Status Network::AskWitnesses(const ledger::NoteVerifier& key, const tenants::LogReader& log) const {
  const auto ask = [&](absl::Duration timeout) {
    return log::AskWitnesses(policy, static_cast<std::size_t>(config.lying_witnesses_max), key, log,
                             [this, timeout](const std::string& url) { return witness_client->SendWithin(timeout, "GET", url); });
  };
  const absl::Status asked = ask(kFirstQuestionTimeout);
  return absl::IsUnavailable(asked) ? ask(kQuestionTimeout) : asked;
}

void Network::RunWriter(tenants::PartitionWriter& writer, const ledger::NoteVerifier& key, const tenants::LogReader& log) {
  absl::Status asked = AskWitnesses(key, log);
  for (int round = 0; absl::IsUnavailable(asked) && !stopping_; ++round) {
    if (round % kRoundsAWarning == 0) spdlog::error("event=log_waits_for_witnesses alarm=true reason=\"{}\"", std::string(asked.message()));
    absl::SleepFor(kAskAgain);
    asked = AskWitnesses(key, log);
  }
  if (!asked.ok()) writer.Fence(asked);
  writer.Run();
}

absl::Status Network::Open() {
  if (auto status = ReadPolicy(); !status.ok()) return status;
  auto pem = ReadFile(config.author_key_file, /*secret=*/true);
  if (!pem.ok()) return pem.status();
  auto signer = ledger::SignerFromPem(*pem);
  if (!signer.ok()) return signer.status();
  author = *std::move(signer);

  auto connection = config.Connection(config.network_cell, config.network_database, config.NetworkRole(), config.secrets_directory);
  if (!connection.ok()) return connection.status();
  database = std::make_unique<tenants::Database>(*connection, kNetworkConnections);
  locator_database = std::make_unique<tenants::Database>(*std::move(connection),
                                                         tenants::Database::Options{.connections_max = kLocatorConnections, .plan_once = true});
  registry = std::make_unique<tenants::Registry>(*database);
  if (auto status = WithPatience("network database", [this] { return registry->Load(); }); !status.ok()) return status;

  auto network_clock = tenants::NetworkClock::Create(*database, config.simulated_time);
  if (!network_clock.ok()) return network_clock.status();
  clock = *std::move(network_clock);
  if (config.simulated_time && config.simulated_time_start && clock->Now() < *config.simulated_time_start) {
    if (auto status = clock->Set(*config.simulated_time_start); !status.ok()) return status;
  }

  keys = keys::KeyClient::Connect(config.keys.socket);
  wrapped_keys = keys::WrappedKeys::Connect(config.keys.socket);
  return WithPatience("key process", [this] {
    const auto status = keys->Status();
    if (!status.ok()) return status.status();
    return status->ready ? absl::OkStatus() : absl::FailedPreconditionError("the token cannot be used; see the log of `custodian keys`");
  });
}

absl::Status Network::StartGovernance() {
  auto public_key = keys->CreateLogKey(governance_origin);
  if (!public_key.ok()) return public_key.status();
  auto vkey = ledger::NoteVerifier::Create(governance_origin, ledger::kNoteEd25519, *public_key);
  if (!vkey.ok()) return vkey.status();
  governance_vkey = vkey->ToString();

  governance_reader = std::make_unique<tenants::LogReader>(governance_origin, *database);
  auto log = governance::GovernanceLog::Create(governance_origin, AuthorName(config), author->public_key(), *governance_reader);
  if (!log.ok()) return log.status();
  governance = *std::move(log);
  auto writer = tenants::PartitionWriter::Create({.origin = governance_origin, .author = AuthorName(config), .anchors = false}, *database,
                                                 *author, *governance, *clock);
  if (!writer.ok()) return writer.status();
  governance_writer = *std::move(writer);
  governance->Bind(*governance_writer);
  governance_writer->OnCommit([this] {
    if (on_commit_) on_commit_(governance_writer->origin());
  });
  if (auto status = WithPatience("witnesses", [this, &vkey] { return AskWitnesses(*vkey, *governance_reader); }); !status.ok()) return status;
  {
    const absl::MutexLock lock(&running_mutex_);
    threads_.emplace_back([this] { governance_writer->Run(); });
  }
  return governance->Bootstrap();
}

absl::Status Network::StartPartition(const tenants::Tenant& tenant) {
  absl::Status status = Start(tenant);
  return status.ok() ? status : absl::Status(status.code(), absl::StrCat("partition of ", tenant.name, ": ", status.message()));
}

absl::Status Network::Start(const tenants::Tenant& tenant) {
  auto connection = config.Connection(tenant.cell, tenant.database, tenants::LoginRoleOf(tenant.database), config.secrets_directory);
  if (!connection.ok()) return connection.status();
  auto key = ledger::NoteVerifier::Parse(tenant.log_vkey);
  if (!key.ok()) return key.status();
  auto partition = std::make_unique<tenants::Partition>();
  partition->tenant = tenant;
  partition->database = std::make_unique<tenants::Database>(*connection, kPartitionConnections);
  partition->writer_database = std::make_unique<tenants::Database>(*std::move(connection), tenants::Database::Options{.plan_once = true, .write_one = true});
  partition->log = std::make_unique<tenants::LogReader>(tenant.origin, *partition->database);
  partition->outbox = std::make_unique<tenants::Outbox>(*partition->database);
  auto writer = tenants::PartitionWriter::Create({.origin = tenant.origin, .author = AuthorName(config), .gather = kGather}, *partition->writer_database,
                                                 *author, *governance, *clock);
  if (!writer.ok()) return writer.status();
  partition->writer = *std::move(writer);
  partition->writer->OnCommit([this, &writer = *partition->writer] {
    if (on_commit_) on_commit_(writer.origin());
  });
  const absl::MutexLock lock(&running_mutex_);
  if (ready_) ready_(*partition);
  threads_.emplace_back([this, key = *std::move(key), &running = *partition] { RunWriter(*running.writer, key, *running.log); });
  partitions.Add(std::move(partition));
  spdlog::info("partition of {} runs, log {}", tenant.name, tenant.origin);
  return absl::OkStatus();
}

absl::Status Network::OpenExpected() {
  while (const auto tenant = stopping_ ? std::nullopt : partitions.NextExpected()) {
    if (absl::Status status = StartPartition(*tenant); !status.ok()) {
      partitions.ExpectNoMore();
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status Network::StartPartitions() {
  const absl::MutexLock lock(&start_mutex_);
  if (auto status = registry->Load(); !status.ok()) return status;
  for (const tenants::Tenant& tenant : registry->Tenants()) {
    if (partitions.Knows(tenant.id)) continue;
    if (auto status = StartPartition(tenant); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void Network::Stop() {
  stopping_ = true;
  partitions.ExpectNoMore();
  for (tenants::Partition* partition : partitions.All()) partition->writer->Stop();
  if (governance_writer) governance_writer->Stop();
  std::vector<std::thread> threads;
  {
    const absl::MutexLock lock(&running_mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace custodian::main
