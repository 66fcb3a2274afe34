// HL7 v2 messages a second and their time: registrations, updates, orders and results by MLLP with TLS, each until its acknowledgement,
// against a running quickstart.
#include <atomic>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "services/exchange/fhir_json.h"
#include "tenants/ids.h"
#include "tests/benchmark/measure.h"
#include "tests/benchmark/plain_postgres.h"
#include "tests/support/mllp_client.h"

namespace custodian::benchmark {
namespace {

using exchange::Json;

constexpr char kPeer[] = "plain INSERT and COMMIT of the same bytes";
// A client's patients: new ones come all the time, most messages are about one that is known.
constexpr int kMessagesPerPatient = 10;

struct Feed {
  std::string database;
  std::string certificate;
  std::string key;
};
struct Home {
  std::string ca_file;
  std::string superuser;
  int port = 0;
  std::vector<Feed> feeds;
};

absl::StatusOr<Home> ReadHome(const std::string& path) {
  std::ifstream file(path + "/summary.json", std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  const auto summary = Json::Parse(bytes.str());
  if (!file || !summary.ok()) return absl::NotFoundError(absl::StrCat(path, " is no finished quickstart home"));
  Home home{summary->TextOf("ca_file"), summary->TextOf("postgres_superuser_dsn"), 0, {}};
  const std::vector<std::string> address = absl::StrSplit(summary->TextOf("mllp_address"), ':');
  if (address.size() != 2 || !absl::SimpleAtoi(address[1], &home.port)) return absl::InvalidArgumentError(absl::StrCat(path, " listens for no MLLP"));
  for (const Json& tenant : (*summary)["tenants"].items()) {
    home.feeds.push_back({tenant.TextOf("database"), tenant.TextOf("feed_cert"), tenant.TextOf("feed_key")});
  }
  return home;
}

// What a hospital's engine sends of one patient after another: a registration, then updates, orders and results in turn.
class Sender {
 public:
  explicit Sender(std::unique_ptr<testing::MllpClient> connection) : connection_(std::move(connection)), name_("B" + HexEncode(RandomBytes(6))) {}

  absl::StatusOr<Outcome> Send() {
    const auto answer = connection_->Send(Next());
    if (!answer.ok()) return answer.status();
    return answer->find("\rMSA|AA|") == std::string::npos ? Outcome::kFailed : Outcome::kAnswered;
  }

 private:
  std::string Word(std::size_t letters) {
    std::string word(letters, ' ');
    for (char& c : word) c = static_cast<char>((&c == word.data() ? 'A' : 'a') + engine_() % 26);
    return word;
  }
  // PID-5 to PID-13 of nobody else: name, birth date, sex, address and telephone.
  std::string Stranger() {
    return absl::StrCat(Word(8), "^", Word(6), "^^^^^L||", 1930 + engine_() % 90, absl::Dec(1 + engine_() % 12, absl::kZeroPad2), absl::Dec(1 + engine_() % 28, absl::kZeroPad2),
                        "|F|||", 1 + engine_() % 9'999, " ", Word(9), " St^^Dover^DE^19901^USA^H||^PRN^PH^^1^", 200 + engine_() % 800, "^", 2'000'000 + engine_() % 8'000'000);
  }
  std::string Next() {
    const int turn = messages_ % kMessagesPerPatient;
    const int patient = messages_ / kMessagesPerPatient;
    const std::string id = absl::StrCat(name_, "-", messages_++);
    const auto msh = [&](const char* type) {
      return absl::StrCat("MSH|^~\\&|", name_, "|LAKE|CUSTODIAN|NET|", absl::FormatTime("%Y%m%d%H%M%S+0000", absl::Now(), absl::UTCTimeZone()), "||", type, "|", id,
                          "|P|2.5.1||||||UNICODE UTF-8\r");
    };
    if (turn == 0) demographics_ = Stranger();
    const std::string pid = absl::StrCat("PID|1||", name_, patient, "^^^LAKE^MR||", demographics_, "\r");
    const std::string order = absl::StrCat(name_, "-O", patient, "-", turn / 2);
    if (turn == 0) return msh("ADT^A04") + pid;
    if (turn == 9) return absl::StrCat(msh("ADT^A08"), pid.substr(0, pid.size() - 1), "|^WPN^PH^^1^555^", 1'000'000 + patient, "\r");
    if (turn % 2 == 1) return absl::StrCat(msh("ORM^O01"), pid, "ORC|NW|", order, "^EHR\rOBR|1|", order, "^EHR||718-7^Hemoglobin^LN\r");
    return absl::StrCat(msh("ORU^R01"), pid, "OBR|1|", absl::StrCat(name_, "-O", patient, "-", (turn - 1) / 2), "^EHR|", id, "^LIS|58410-2^CBC panel^LN|||20250601101500|||||||||||||||20250601120000||LAB|F\r",
                        "OBX|1|NM|718-7^Hemoglobin^LN||13.10|g/dL^g/dL^UCUM|12-16|N|||F\rOBX|2|NM|6690-2^Leukocytes^LN||7.2|10*3/uL^^UCUM|4-11|N|||F\r",
                        "OBX|3|NM|777-3^Platelets^LN||250|10*3/uL^^UCUM|150-400|N|||F\r");
  }

  std::unique_ptr<testing::MllpClient> connection_;
  const std::string name_;
  std::mt19937_64 engine_{std::hash<std::string>()(name_)};
  // Of the patient whose messages are sent now.
  std::string demographics_;
  int messages_ = 0;
};

class Hl7Messages final : public Side {
 public:
  explicit Hl7Messages(std::vector<Sender> senders) : senders_(std::move(senders)) {}
  absl::StatusOr<Outcome> Call(int client) override { return senders_[static_cast<std::size_t>(client)].Send(); }

 private:
  std::vector<Sender> senders_;
};

absl::StatusOr<StoredBytes> BytesOfHome(const Home& home) {
  StoredBytes all;
  for (const Feed& feed : home.feeds) {
    auto connection = Connection::Open(absl::StrCat(home.superuser, " dbname=", feed.database));
    if (!connection.ok()) return connection.status();
    const auto rows = connection->Run(
        "SELECT (SELECT coalesce(sum(octet_length(leaves)), 0) FROM ledger.batch), "
        "(SELECT coalesce(sum(octet_length(record_id) + octet_length(patient_id) + octet_length(sealed) + 24), 0) FROM exchange.record) + "
        "(SELECT coalesce(sum(octet_length(token) + octet_length(record_id) + octet_length(patient_id)), 0) FROM exchange.identifier) + "
        "(SELECT count(*) * 120 FROM feed.message)");
    if (!rows.ok()) return rows.status();
    all.entries += std::stod(rows->at(0).at(0));
    all.rows += std::stod(rows->at(0).at(1));
  }
  return all;
}

}  // namespace

absl::StatusOr<Report> MeasureHl7Messages(const Settings& settings, const std::string& path) {
  const auto home = ReadHome(path);
  if (!home.ok()) return home.status();
  std::vector<Sender> senders;
  for (int i = 0; i < settings.clients; ++i) {
    const Feed& feed = home->feeds[static_cast<std::size_t>(i) % home->feeds.size()];
    auto connection = testing::MllpClient::Connect(home->port, home->ca_file, feed.certificate, feed.key);
    if (!connection.ok()) return connection.status();
    senders.emplace_back(*std::move(connection));
  }
  Hl7Messages ours(std::move(senders));
  const auto before = BytesOfHome(*home);
  if (!before.ok()) return before.status();
  const auto warm = RunSlice(ours, settings.clients, settings.slice);
  if (!warm.ok()) return warm.status();
  const auto after = BytesOfHome(*home);
  if (!after.ok()) return after.status();
  const auto messages = static_cast<double>(warm->latencies.size());
  const double entry_bytes = (after->entries - before->entries) / messages;
  const double row_bytes = (after->rows - before->rows) / messages;
  auto peer = PlainPostgres::Create(home->superuser, {static_cast<std::size_t>(entry_bytes), static_cast<std::size_t>(row_bytes)}, settings.clients);
  if (!peer.ok()) return peer.status();
  if (const auto warm_peer = RunSlice(**peer, settings.clients, settings.slice); !warm_peer.ok()) return warm_peer.status();
  auto superuser = Connection::Open(home->superuser);
  if (!superuser.ok()) return superuser.status();
  const auto comparison =
      Compare(ours, **peer, settings.clients, settings.rounds, settings.slice, [&superuser] { return superuser->Run("CHECKPOINT").status(); });
  if (!comparison.ok()) return comparison.status();
  return Report{MeasuresOf("hl7_message", "hl7_messages", kPeer, *comparison),
                {{"hl7_message_clients", settings.clients},
                 {"hl7_message_entry_bytes", entry_bytes},
                 {"hl7_message_row_bytes", row_bytes},
                 {"hl7_message_calls", comparison->ours.answered},
                 {"hl7_message_failed", comparison->ours.failed},
                 {"hl7_message_p50_ms", comparison->ours.PercentileMs(50)}}};
}

}  // namespace custodian::benchmark
