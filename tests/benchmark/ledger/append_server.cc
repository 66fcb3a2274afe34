#include "tests/benchmark/ledger/append_server.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "ledger/entry.h"
#include "services/log/ledger_service.h"
#include "services/rpc/grpc_server.h"
#include "services/rpc/pem_file.h"
#include "services/rpc/protos/custodian.grpc.pb.h"
#include "services/rpc/timestamp.h"
#include "tenants/clock.h"
#include "tests/benchmark/processor_time.h"
#include "tests/support/fixed_roster.h"
#include "tests/support/postgres.h"
#include "tests/support/test_certificates.h"

namespace custodian::benchmark {
namespace {

using Steady = std::chrono::steady_clock;

constexpr char kNetwork[] = "custodian.example";
constexpr char kOrigin[] = "custodian.example/p/00000000000000aa";
constexpr char kServe[] = "spiffe://custodian.example/custodian/serve";
constexpr char kNode[] = "spiffe://custodian.example/tenant/00000000000000aa/node/x";
constexpr absl::Duration kCallLimit = absl::Seconds(30);
// As services/main sets it.
constexpr absl::Duration kGather = absl::Milliseconds(8);

const auto kNoReceipts = [](std::string_view, std::uint64_t) -> absl::StatusOr<std::string> { return absl::UnimplementedError("no receipts"); };
const auto kNothingOpened = [](const tenants::Partition&, std::uint64_t) -> absl::StatusOr<log::LedgerService::Opened> {
  return absl::UnimplementedError("nothing is opened");
};

absl::StatusOr<std::unique_ptr<ledger::Signer>> NewSigner(ledger::v1::SignatureAlgorithm algorithm) {
  const auto pem = ledger::NewPrivateKeyPem(algorithm);
  if (!pem.ok()) return pem.status();
  return ledger::SignerFromPem(*pem);
}

// An entry of exactly kAppendedEntryBytes.
std::string EntryBytes(std::uint64_t counter) {
  ledger::v1::Entry entry;
  entry.set_origin(kOrigin);
  entry.set_kind(ledger::v1::KIND_ORDER_CHECKED);
  entry.set_author(kNode);
  entry.set_counter(counter);
  *entry.mutable_time() = rpc::ToTimestamp(TruncateToMilliseconds(absl::Now()));
  entry.set_idempotency_key(RandomBytes(32));
  entry.set_subject(RandomBytes(16));
  entry.set_detail_commitment(RandomBytes(32));
  // Tag and length of the detail.
  constexpr std::size_t kFrame = 2;
  entry.set_sealed_detail(RandomBytes(kAppendedEntryBytes - entry.ByteSizeLong() - kFrame));
  return entry.SerializeAsString();
}

// One call on its way.
struct Call {
  grpc::ClientContext context;
  v1::AppendBatchResponse response;
  grpc::Status status;
  Steady::time_point begun;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::AppendBatchResponse>> reader;
};

}  // namespace

class AppendServer::Core {
 public:
  explicit Core(const Options& options) : options_(options) {}
  ~Core() {
    stubs_.clear();
    if (server_ != nullptr) server_->Stop();
    if (thread_.joinable()) {
      partition_->writer->Stop();
      thread_.join();
    }
  }

  absl::Status Start();
  absl::Status Prepare(std::int64_t requests);
  absl::StatusOr<Figures> Run(absl::Duration slice);
  [[nodiscard]] absl::Duration client_time() const { return client_time_; }
  [[nodiscard]] const tenants::ConnectionSpec& superuser() const { return postgres_->superuser(); }

 private:
  absl::Status Connect();
  void Send(grpc::CompletionQueue& queue);

  const Options options_;
  std::unique_ptr<testing::TestDatabase> postgres_;
  testing::TestCertificates certificates_;
  MachineClock clock_;
  testing::FixedRoster roster_;
  std::unique_ptr<ledger::Signer> serve_;
  std::unique_ptr<ledger::Signer> node_;
  std::unique_ptr<tenants::Database> writer_database_;
  tenants::Partitions partitions_;
  tenants::Partition* partition_ = nullptr;
  std::thread thread_;
  rpc::CallGuard guard_{kNetwork, [](std::string_view id) -> std::optional<tenants::Client> {
                          if (id != kNode) return std::nullopt;
                          return tenants::Client{kNode, TenantId::Parse(testing::kTestTenant).value(), "node", ""};
                        }};
  log::Readers readers_{guard_, partitions_, "custodian.example/p/00000000000000ff"};
  log::LedgerService service_{guard_, readers_, partitions_, {.make_receipt = kNoReceipts, .open_reported = kNothingOpened}};
  std::unique_ptr<rpc::GrpcServer> server_;
  std::vector<std::unique_ptr<v1::LedgerService::Stub>> stubs_;
  std::deque<v1::AppendBatchRequest> prepared_;
  std::uint64_t counter_ = 0;
  std::size_t sent_ = 0;
  absl::Duration client_time_;
};

absl::Status AppendServer::Core::Start() {
  auto postgres = testing::TestDatabase::Create();
  auto serve = NewSigner(ledger::v1::SIGNATURE_ALGORITHM_ED25519);
  auto node = NewSigner(options_.algorithm);
  for (const absl::Status& status : {postgres.status(), serve.status(), node.status()})
    if (!status.ok()) return status;
  postgres_ = *std::move(postgres);
  serve_ = *std::move(serve);
  node_ = *std::move(node);
  roster_.Admit(kServe, serve_->public_key());
  roster_.Admit(kNode, node_->public_key());
  auto partition = std::make_unique<tenants::Partition>();
  partition->tenant.id = TenantId::Parse(testing::kTestTenant).value();
  partition->tenant.origin = kOrigin;
  writer_database_ = std::make_unique<tenants::Database>(postgres_->login(), tenants::Database::Options{.write_one = true});
  auto writer = tenants::PartitionWriter::Create({.origin = kOrigin, .author = kServe, .gather = kGather}, *writer_database_, *serve_, roster_, clock_);
  if (!writer.ok()) return writer.status();
  partition->writer = *std::move(writer);
  partition_ = partition.get();
  partitions_.Add(std::move(partition));
  thread_ = std::thread([this] { partition_->writer->Run(); });
  const auto files = certificates_.IssueServer();
  auto server = rpc::GrpcServer::Create(
      {.certificate_file = files.certificate, .key_file = files.key, .client_ca_file = certificates_.ca_file()}, {service_.grpc()});
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  return Connect();
}

absl::Status AppendServer::Core::Connect() {
  const auto files = certificates_.IssueClient({kNode});
  auto roots = rpc::ReadPem(certificates_.ca_file());
  auto certificate = rpc::ReadPem(files.certificate);
  auto key = rpc::ReadPem(files.key);
  for (const auto* file : {&roots, &certificate, &key})
    if (!file->ok()) return file->status();
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = *std::move(roots);
  tls.pem_cert_chain = *std::move(certificate);
  tls.pem_private_key = *std::move(key);
  for (int i = 0; i < options_.channels; ++i) {
    grpc::ChannelArguments arguments;
    // A connection of its own, as of another process.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetMaxReceiveMessageSize(rpc::kGrpcMessageBytesMax);
    stubs_.push_back(
        v1::LedgerService::NewStub(grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", server_->port()), grpc::SslCredentials(tls), arguments)));
  }
  return absl::OkStatus();
}

absl::Status AppendServer::Core::Prepare(std::int64_t requests) {
  for (std::int64_t i = 0; i < requests; ++i) {
    std::vector<std::string> entries;
    for (int n = 0; n < options_.batch; ++n) entries.push_back(EntryBytes(++counter_));
    auto leaves = ledger::SignBatch(kOrigin, entries, *node_);
    if (!leaves.ok()) return leaves.status();
    v1::AppendBatchRequest& request = prepared_.emplace_back();
    request.set_origin(kOrigin);
    for (std::string& leaf : *leaves) request.add_leaf(std::move(leaf));
  }
  return absl::OkStatus();
}

void AppendServer::Core::Send(grpc::CompletionQueue& queue) {
  auto* call = new Call;
  call->begun = Steady::now();
  call->context.set_deadline(absl::ToChronoTime(absl::Now() + kCallLimit));
  call->reader = stubs_[sent_++ % stubs_.size()]->AsyncAppendBatch(&call->context, prepared_.front(), &queue);
  prepared_.pop_front();
  call->reader->Finish(&call->response, &call->status, call);
}

absl::StatusOr<Figures> AppendServer::Core::Run(absl::Duration slice) {
  const absl::Duration used = ProcessorTimeOfThisThread();
  const bool all = slice == absl::InfiniteDuration();
  grpc::CompletionQueue queue;
  Figures figures;
  absl::Status failed;
  const Steady::time_point begun = Steady::now();
  const Steady::time_point until = all ? Steady::time_point::max() : begun + absl::ToChronoNanoseconds(slice);
  Steady::time_point last = begun;
  int in_flight = 0;
  while (in_flight < options_.in_flight && !prepared_.empty()) {
    Send(queue);
    ++in_flight;
  }
  void* tag = nullptr;
  bool ok = false;
  while (in_flight > 0 && queue.Next(&tag, &ok)) {
    const std::unique_ptr<Call> call(static_cast<Call*>(tag));
    --in_flight;
    last = Steady::now();
    if (!call->status.ok()) failed = rpc::FromGrpc(call->status);
    ++figures.answered;
    figures.latencies.push_back(absl::FromChrono(last - call->begun));
    if (!failed.ok() || last >= until) continue;
    if (prepared_.empty()) {
      if (!all) failed = absl::FailedPreconditionError("more requests must be prepared for a slice");
      continue;
    }
    Send(queue);
    ++in_flight;
  }
  queue.Shutdown();
  client_time_ += ProcessorTimeOfThisThread() - used;
  if (!failed.ok()) return failed;
  figures.elapsed = absl::FromChrono(last - begun);
  return figures;
}

AppendServer::AppendServer(std::unique_ptr<Core> core) : core_(std::move(core)) {}
AppendServer::~AppendServer() = default;

absl::StatusOr<std::unique_ptr<AppendServer>> AppendServer::Create(const Options& options) {
  auto core = std::make_unique<Core>(options);
  if (absl::Status status = core->Start(); !status.ok()) return status;
  return std::unique_ptr<AppendServer>(new AppendServer(std::move(core)));
}

absl::Status AppendServer::Prepare(std::int64_t requests) { return core_->Prepare(requests); }
absl::StatusOr<Figures> AppendServer::Run(absl::Duration slice) { return core_->Run(slice); }
absl::Duration AppendServer::client_time() const { return core_->client_time(); }
std::string AppendServer::superuser() const {
  const tenants::ConnectionSpec& spec = core_->superuser();
  return absl::StrCat("host=", spec.host, " port=", spec.port, " user=", spec.user, " dbname=", spec.database);
}

}  // namespace custodian::benchmark
