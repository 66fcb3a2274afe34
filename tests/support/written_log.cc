#include "tests/support/written_log.h"

#include <utility>

namespace custodian::testing {

absl::StatusOr<std::unique_ptr<WrittenLog>> WrittenLog::Create() { return Create(Options()); }

absl::StatusOr<std::unique_ptr<WrittenLog>> WrittenLog::Create(Options options) {
  std::unique_ptr<WrittenLog> log(new WrittenLog());
  log->options_ = std::move(options);
  auto postgres = TestDatabase::Create(log->options_.set, log->options_.tenant);
  if (!postgres.ok()) return postgres.status();
  log->postgres_ = *std::move(postgres);
  const auto pem = ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519);
  if (!pem.ok()) return pem.status();
  auto signer = ledger::SignerFromPem(*pem);
  if (!signer.ok()) return signer.status();
  log->signer_ = *std::move(signer);
  log->roster_.Admit(log->options_.writer.author, log->signer_->public_key());
  log->log_ = std::make_unique<tenants::LogReader>(log->options_.writer.origin, log->postgres_->database());
  if (absl::Status status = log->Restart(); !status.ok()) return status;
  return log;
}

WrittenLog::~WrittenLog() { Stop(); }

void WrittenLog::Stop() {
  if (writer_ != nullptr) writer_->Stop();
  if (thread_.joinable()) thread_.join();
}

absl::Status WrittenLog::Restart() { return RestartThrough(postgres_->login()); }

absl::Status WrittenLog::RestartThrough(const tenants::ConnectionSpec& spec) {
  Stop();
  writer_.reset();
  database_ = std::make_unique<tenants::Database>(spec, tenants::Database::Options{.connections_max = 4, .plan_once = true, .write_one = true});
  auto writer = tenants::PartitionWriter::Create(options_.writer, *database_, *signer_, roster_, clock_);
  if (!writer.ok()) return writer.status();
  writer_ = *std::move(writer);
  thread_ = std::thread([this] { writer_->Run(); });
  return absl::OkStatus();
}

}  // namespace custodian::testing
