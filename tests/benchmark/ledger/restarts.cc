// How long `serve` takes from its start to its first durable write, and how much memory it has, with long logs: the whole program on a quickstart's
// home, against itself while the logs were short.
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <fstream>
#include <future>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "ledger/entry.h"
#include "rapidjson/document.h"
#include "services/rpc/grpc_client.h"
#include "services/rpc/timestamp.h"
#include "tenants/clock.h"
#include "tenants/partition_writer.h"
#include "tests/benchmark/ledger/measures.h"
#include "tests/benchmark/ledger/serve_process.h"
#include "tests/benchmark/plain_postgres.h"
#include "tests/support/fixed_roster.h"
#include "tests/support/postgres.h"

namespace custodian::benchmark {
namespace {

using Steady = std::chrono::steady_clock;

constexpr char kPeer[] = "the same while its logs were short";
constexpr char kServe[] = "spiffe://custodian.example/custodian/serve";
constexpr absl::Duration kPatience = absl::Seconds(60);
// An entry of some 300 bytes.
constexpr std::size_t kDetailBytes = 110;
constexpr int kEntriesPerWrite = 100;
constexpr std::size_t kWritesAtOnce = 40;
constexpr int kEntriesPerSubject = 10;
// A map of subjects that is no further behind is up to date (services/log/subject_index.h).
constexpr std::int64_t kMapLagMax = 10'000;
// So many entries a second are taken into the maps at least.
constexpr std::int64_t kMappedPerSecond = 500;

struct Log {
  std::string origin;
  std::string database;
};

struct Home {
  std::string path;
  // Of the tenant that writes.
  std::string author;
  std::string origin;
  rpc::GrpcEndpoint endpoint;
  std::vector<Log> logs;
};

absl::StatusOr<rapidjson::Document> ReadJson(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  rapidjson::Document json;
  json.Parse(bytes.str().c_str());
  if (!file || json.HasParseError()) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  return json;
}

absl::StatusOr<Home> ReadHome(const std::string& path, const std::string& tenants_file) {
  const auto summary = ReadJson(path + "/summary.json");
  if (!summary.ok()) return summary.status();
  const auto tenants = ReadJson(tenants_file);
  if (!tenants.ok()) return tenants.status();
  std::string missing;
  const auto text = [&missing](const rapidjson::Value& object, const char* name) -> std::string {
    if (object.IsObject() && object.HasMember(name) && object[name].IsString()) return object[name].GetString();
    missing = name;
    return "";
  };
  if (!tenants->IsArray() || !summary->HasMember("tenants") || !(*summary)["tenants"].IsArray() || (*summary)["tenants"].Empty())
    return absl::InvalidArgumentError("the home has no tenants");
  const auto& first = (*summary)["tenants"][0];
  Home home{path,
            absl::StrCat("spiffe://custodian.example/tenant/", text(first, "tenant_id"), "/node/quickstart"),
            text(first, "origin"),
            {text(*summary, "grpc_address"), text(*summary, "ca_file"), text(first, "node_cert"), text(first, "node_key"), kPatience},
            {}};
  for (const auto& tenant : tenants->GetArray()) home.logs.push_back({text(tenant, "origin"), text(tenant, "database")});
  if (!missing.empty()) return absl::InvalidArgumentError(absl::StrCat("the home's summary names no ", missing));
  return home;
}

absl::StatusOr<std::unique_ptr<ledger::Signer>> ReadSigner(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream pem;
  pem << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  return ledger::SignerFromPem(pem.str());
}

// Whether somebody listens there.
bool Answers(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &hints, &found) != 0) return false;
  const int socket = ::socket(found->ai_family, found->ai_socktype, 0);
  const bool answers = socket >= 0 && ::connect(socket, found->ai_addr, found->ai_addrlen) == 0;
  if (socket >= 0) ::close(socket);
  ::freeaddrinfo(found);
  return answers;
}

// What an author of the first tenant writes.
class Author {
 public:
  Author(const Home& home, const ledger::Signer& signer) : home_(home), signer_(signer) {}
  // Counters are used once, in any run.
  absl::StatusOr<std::vector<std::string>> Next() {
    ledger::v1::Entry entry;
    entry.set_origin(home_.origin);
    entry.set_kind(ledger::v1::KIND_CONSENT_SET);
    entry.set_author(home_.author);
    entry.set_counter(++counter_);
    *entry.mutable_time() = rpc::ToTimestamp(TruncateToMilliseconds(absl::Now()));
    entry.set_idempotency_key(RandomBytes(32));
    return ledger::SignBatch(home_.origin, std::vector<std::string>{entry.SerializeAsString()}, signer_);
  }

 private:
  const Home& home_;
  const ledger::Signer& signer_;
  std::uint64_t counter_ = static_cast<std::uint64_t>(absl::ToUnixMillis(absl::Now()));
};

struct Started {
  std::unique_ptr<ServeProcess> serve;
  absl::Duration to_write;
};

// From the start of the process to the answer to a write.
absl::StatusOr<Started> StartAndWrite(const Home& home, Author& author) {
  const auto leaves = author.Next();
  if (!leaves.ok()) return leaves.status();
  if (Answers(home.endpoint.address)) return absl::FailedPreconditionError("serve runs already");
  const auto begun = Steady::now();
  auto serve = ServeProcess::Start(home.path);
  if (!serve.ok()) return serve.status();
  while (!Answers(home.endpoint.address)) {
    if (absl::Status status = (*serve)->Check(); !status.ok()) return status;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const auto client = rpc::LedgerClient::Create(home.endpoint);
  if (!client.ok()) return client.status();
  const auto written = (*client)->AppendBatch(home.origin, *leaves);
  if (!written.ok()) return written.status();
  return Started{*std::move(serve), absl::FromChrono(Steady::now() - begun)};
}

// Adds entries of the custodian's until the log has `until`. `serve` must not run.
absl::Status Fill(const tenants::ConnectionSpec& superuser, const Log& log, const ledger::Signer& custodian, std::uint64_t until) {
  tenants::ConnectionSpec spec = superuser;
  spec.database = log.database;
  const tenants::Database database(spec, {.write_one = true});
  const testing::FixedRoster roster(kServe, custodian.public_key());
  const MachineClock clock;
  const auto writer = tenants::PartitionWriter::Create({.origin = log.origin, .author = kServe, .batch_entries_max = 4'000}, database, custodian,
                                                       roster, clock);
  if (!writer.ok()) return writer.status();
  std::thread thread([&writer] { (*writer)->Run(); });
  std::uint64_t size = (*writer)->size();
  const std::uint64_t subjects = until / kEntriesPerSubject + 1;
  absl::Status status;
  std::deque<std::future<absl::StatusOr<tenants::Admitted>>> waiting;
  while (status.ok() && (size < until || !waiting.empty())) {
    if (size < until && waiting.size() < kWritesAtOnce) {
      tenants::Write write;
      write.idempotency_key = RandomBytes(32);
      write.request_digest = write.idempotency_key;
      for (int i = 0; i < kEntriesPerWrite; ++i) {
        ledger::v1::Entry& entry = write.entries.emplace_back();
        entry.set_kind(ledger::v1::KIND_ORDER_CHECKED);
        const ledger::Hash subject = ledger::Sha256(absl::StrCat(log.origin, " ", (size + static_cast<std::uint64_t>(i)) * 7'919 % subjects));
        entry.set_subject(std::string(ledger::AsBytes(subject).substr(0, 16)));
        entry.set_detail_commitment(RandomBytes(32));
        entry.set_sealed_detail(RandomBytes(kDetailBytes));
      }
      size += kEntriesPerWrite;
      waiting.push_back((*writer)->Submit(std::move(write)));
      continue;
    }
    status = waiting.front().get().status();
    waiting.pop_front();
  }
  (*writer)->Stop();
  thread.join();
  return status;
}

// Until the maps of subjects hold (nearly) all entries, which is done beside all else after the start.
absl::Status WaitForMaps(const std::vector<Log>& logs, ServeProcess& serve, const std::string& superuser, std::int64_t entries) {
  const absl::Time until = absl::Now() + absl::Seconds(entries / kMappedPerSecond) + kPatience;
  for (const Log& log : logs) {
    auto connection = Connection::Open(absl::StrCat(superuser, " dbname=", log.database));
    if (!connection.ok()) return connection.status();
    while (true) {
      const auto behind = connection->Run("SELECT head.size - map.size FROM ledger.head AS head, ledger.subject_map AS map");
      if (!behind.ok()) return behind.status();
      if (std::stoll(behind->at(0).at(0)) <= kMapLagMax) break;
      if (absl::Now() > until) return absl::DeadlineExceededError("the maps of subjects are not up to date in time");
      if (absl::Status status = serve.Check(); !status.ok()) return status;
      absl::SleepFor(absl::Milliseconds(500));
    }
  }
  return absl::OkStatus();
}

struct Restarts {
  absl::Duration total;
  absl::Duration longest;
  ServeProcess::Memory memory;
};

// So many starts; the memory is that of the first, once it has done what there was to do.
absl::StatusOr<Restarts> Restart(const Home& home, Author& author, const std::string& superuser, std::int64_t entries, int rounds) {
  Restarts restarts;
  for (int round = 0; round < rounds; ++round) {
    auto started = StartAndWrite(home, author);
    if (!started.ok()) return started.status();
    restarts.total += started->to_write;
    restarts.longest = std::max(restarts.longest, started->to_write);
    if (round == 0) {
      if (absl::Status status = WaitForMaps(home.logs, *started->serve, superuser, entries); !status.ok()) return status;
      const auto memory = started->serve->ReadMemory();
      if (!memory.ok()) return memory.status();
      restarts.memory = *memory;
    }
    if (absl::Status status = started->serve->Stop(); !status.ok()) return status;
  }
  return restarts;
}

std::string ConnectionString(const tenants::ConnectionSpec& spec) {
  return absl::StrCat("host=", spec.host, " port=", spec.port, " user=", spec.user, spec.password.empty() ? "" : " password=", spec.password);
}

}  // namespace

absl::StatusOr<Report> MeasureRestarts(const Settings& settings, const std::string& path, const std::string& tenants_file, const std::string& author_key,
                                       std::int64_t entries) {
  const auto home = ReadHome(path, tenants_file);
  if (!home.ok()) return home.status();
  const auto superuser = testing::TestSuperuser();
  if (!superuser.ok()) return superuser.status();
  const auto custodian = ReadSigner(path + "/secrets/author.pem");
  if (!custodian.ok()) return custodian.status();
  const auto signer = ReadSigner(author_key);
  if (!signer.ok()) return signer.status();
  Author author(*home, **signer);
  const std::string connection = ConnectionString(*superuser);

  const auto before = Restart(*home, author, connection, 0, settings.rounds);
  if (!before.ok()) return before.status();
  for (const Log& log : home->logs) {
    const auto share = static_cast<std::uint64_t>(entries) / home->logs.size();
    if (absl::Status status = Fill(*superuser, log, **custodian, share); !status.ok()) return status;
  }
  const auto after = Restart(*home, author, connection, entries, settings.rounds);
  if (!after.ok()) return after.status();
  return Report{{{"start_to_write", absl::ToDoubleMilliseconds(after->total) / settings.rounds, "ms", kPeer,
                  absl::ToDoubleMilliseconds(before->total) / settings.rounds},
                 {"serve_rss", after->memory.most_mb, "MB", kPeer, before->memory.most_mb}},
                {{"serve_entries", static_cast<double>(entries)},
                 {"serve_partitions", static_cast<double>(home->logs.size())},
                 {"start_to_write_longest_ms", absl::ToDoubleMilliseconds(after->longest)},
                 {"serve_resident_mb", after->memory.resident_mb}}};
}

}  // namespace custodian::benchmark
