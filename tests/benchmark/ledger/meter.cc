#include "tests/benchmark/ledger/meter.h"

#include "tests/benchmark/processor_time.h"

namespace custodian::benchmark {

absl::StatusOr<Meter> Meter::Create(const std::string& superuser) {
  auto connection = Connection::Open(superuser);
  if (!connection.ok()) return connection.status();
  auto folder = connection->Run("SHOW data_directory");
  if (!folder.ok()) return folder.status();
  return Meter(*std::move(connection), folder->at(0).at(0));
}

absl::StatusOr<Spent> Meter::Now() const {
  const auto postgres = ProcessorTimeOf(folder_);
  if (!postgres.ok()) return postgres.status();
  return Spent{ProcessorTimeOfThis(), *postgres};
}

absl::Status Meter::Run(Spent& spent, const std::function<absl::Status()>& run) {
  const auto before = Now();
  if (!before.ok()) return before.status();
  if (absl::Status status = run(); !status.ok()) return status;
  const auto after = Now();
  if (!after.ok()) return after.status();
  spent.own += after->own - before->own;
  spent.postgres += after->postgres - before->postgres;
  return absl::OkStatus();
}

double Microseconds(absl::Duration spent, double entries) { return absl::ToDoubleMicroseconds(spent) / entries; }

}  // namespace custodian::benchmark
