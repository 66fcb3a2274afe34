#include "tests/faults/killed_writer.h"

#include <cstdlib>
#include <iostream>
#include <thread>
#include <utility>

#include "fmt/format.h"
#include "ledger/entry.h"
#include "spdlog/spdlog.h"
#include "tests/faults/faults.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fixed_roster.h"
#include "tests/support/known_log.h"

namespace custodian::faults {
namespace {

constexpr char kCustodian[] = "spiffe://faults.example/writer";
constexpr char kNode[] = "spiffe://faults.example/node";
constexpr int kBatchMax = 7;
const tenants::Table kThings = {"thing.thing", {{"id", "bytea"}, {"entry_index", "bigint"}}};

std::string Digest(const std::string& text) { return std::string(ledger::AsBytes(ledger::Sha256(text))); }

std::string Said(int number, bool other, const absl::StatusOr<tenants::Admitted>& answer) {
  std::string line = fmt::format("{} ", number);
  if (answer.ok()) {
    line += fmt::format("admitted {} {}", answer->first_index, answer->replayed ? 1 : 0);
  } else {
    const bool judged = absl::IsAlreadyExists(answer.status()) || absl::IsFailedPrecondition(answer.status()) ||
                        absl::IsInvalidArgument(answer.status()) || absl::IsPermissionDenied(answer.status());
    line += judged ? "refused" : "open";
  }
  return line + (other ? " other\n" : "\n");
}

}  // namespace

WriteKind KindOf(int number) {
  if (number % 10 == 9) return WriteKind::kRefused;
  return number % 2 == 0 ? WriteKind::kOwn : WriteKind::kSigned;
}

std::vector<std::string> KeysOf(int number) {
  std::vector<std::string> keys;
  const int entries = KindOf(number) == WriteKind::kSigned ? 1 + number % kBatchMax : 1;
  for (int i = 0; i < entries; ++i) keys.push_back(Digest(fmt::format("key {} {}", number, i)));
  return keys;
}

std::string RowOf(int number, bool other) { return Digest(fmt::format("row {}{}", number, other ? " other" : "")); }

tenants::Write WriteOf(int number, bool other, const ledger::Signer& author) {
  const std::vector<std::string> keys = KeysOf(number);
  tenants::Write write;
  if (KindOf(number) == WriteKind::kSigned) {
    std::vector<std::string> entries;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ledger::v1::Entry entry;
      entry.set_origin(kKilledOrigin);
      entry.set_kind(ledger::v1::KIND_ORDER_CHECKED);
      entry.set_author(kNode);
      entry.set_counter(static_cast<std::uint64_t>(number) * kBatchMax + i + 1);
      entry.mutable_time()->set_seconds(1'767'225'600);
      entry.set_idempotency_key(keys[i]);
      entries.push_back(entry.SerializeAsString());
    }
    write.signed_leaves = ledger::SignBatch(kKilledOrigin, entries, author).value();
    return write;
  }
  write.idempotency_key = keys.front();
  write.request_digest = Digest(fmt::format("digest {}{}", number, other ? " other" : ""));
  write.entries.emplace_back().set_kind(ledger::v1::KIND_ORDER_CHECKED);
  write.rows.push_back({&kThings, {tenants::Bytes{RowOf(number, other)}, tenants::IndexOf{0}}});
  if (KindOf(number) == WriteKind::kRefused) write.expectations.push_back({PatientId::FromBytes(std::string(16, 'p')).value(), 7});
  return write;
}

int RunKilledWriter() {
  // Its standard output is for answers.
  spdlog::set_level(spdlog::level::off);
  const auto text = [](const char* name) { return std::string(std::getenv(name)); };  // NOLINT(concurrency-mt-unsafe): nobody sets it
  const tenants::Database database({.host = text("PGHOST"), .port = std::stoi(text("PGPORT")), .database = text("PGDATABASE"), .user = text("PGUSER"),
                                    .password = text("PGPASSWORD"), .options = ""},
                                   {.connections_max = 4, .write_one = true});
  const auto custodian = custodian::testing::KnownSigner("faults author");
  const auto node = custodian::testing::KnownSigner("faults node");
  custodian::testing::FixedRoster roster;
  roster.Admit(kCustodian, custodian->public_key());
  roster.Admit(kNode, node->public_key());
  custodian::testing::FakeClock clock;
  auto writer = tenants::PartitionWriter::Create({.origin = kKilledOrigin, .author = kCustodian}, database, *custodian, roster, clock);
  if (!writer.ok()) {
    std::cerr << writer.status() << "\n";
    return 1;
  }
  std::thread thread([&writer] { (*writer)->Run(); });
  std::cout << "ready" << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    const int number = std::atoi(line.c_str());
    const bool other = line.ends_with(" other");
    // A line is shorter than what a pipe takes whole, so the writer's thread and this one need no lock.
    (*writer)->Submit(WriteOf(number, other, *node), [number, other](const absl::StatusOr<tenants::Admitted>& answer) {
      std::fputs(Said(number, other, answer).c_str(), stdout);
      std::fflush(stdout);
    });
  }
  (*writer)->Stop();
  thread.join();
  return 0;
}

}  // namespace custodian::faults
