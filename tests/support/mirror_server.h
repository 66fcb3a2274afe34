// For tests: a real mirror that takes what is pushed, behind a real HTTPS server, which may be slow, down, started again, or answer what a test likes.
#ifndef CUSTODIAN_TESTS_SUPPORT_MIRROR_SERVER_H_
#define CUSTODIAN_TESTS_SUPPORT_MIRROR_SERVER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/node/mirror.h"
#include "services/rpc/https_server.h"
#include "tenants/clock.h"
#include "tests/support/pushed_log_client.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"

namespace custodian::testing {

class MirrorServer {
 public:
  // `governance` outlives it, and is pushed whole by PushGovernance().
  MirrorServer(std::string name, TestCertificates& certificates, const ServedLog& governance) : name_(std::move(name)), governance_(governance) {
    Restart();
    const TestCertificates::Files files = certificates.IssueServer();
    rpc::HttpsServer::Options options;
    options.certificate_file = files.certificate;
    options.key_file = files.key;
    options.client_ca_file = certificates.ca_file();
    options.threads = 4;
    server_ = rpc::HttpsServer::Create(options, [this](const rpc::HttpRequest& request) { return Answer(request); }).value();
    thread_ = std::thread([this] { server_->Run(); });
  }
  ~MirrorServer() {
    server_->Stop();
    thread_.join();
  }
  // Another process on the same folder, as after a crash between two requests.
  void Restart() {
    const absl::MutexLock lock(&mutex_);
    mirror_.reset();
    node::Mirror::Options options{ledger::Policy::Parse("log " + governance_.key.ToString() + "\nquorum none\n").value(), {}, {}, {}};
    options.pushed_governance = governance_.origin;
    auto cosigner = node::Cosigner::Create("mirror.example/" + name_, ledger::SignerFromPem(pem_).value(), clock_).value();
    mirror_ = node::Mirror::Create(std::move(options), std::move(cosigner), folder_.Join("state"), clock_).value();
    static_cast<void>(mirror_->Follow());
  }
  int PushGovernance() {
    const std::uint64_t size = governance_.leaves.size();
    const absl::ReaderMutexLock lock(&mutex_);
    static_cast<void>(mirror_->Handle(PostRequest("/add-checkpoint", CheckpointRequest(governance_, 0, size).Serialize())));
    return mirror_->Handle(PostRequest("/add-entries", EntriesBody(governance_, 0, size))).status;
  }
  std::uint64_t SizeOf(const std::string& origin) const {
    const absl::ReaderMutexLock lock(&mutex_);
    return mirror_->SizeOf(origin);
  }
  // Answers add-entries instead of the mirror, or with it.
  using Fault = std::function<rpc::HttpResponse(const rpc::HttpRequest&, node::Mirror&)>;
  void SetFault(Fault fault) {
    const absl::MutexLock lock(&mutex_);
    fault_ = std::move(fault);
  }
  std::string PolicyLine() const {
    const auto key =
        ledger::NoteVerifier::Create("mirror.example/" + name_, ledger::kNoteCosignatureV1, ledger::SignerFromPem(pem_).value()->public_key().ed25519()).value();
    return "witness " + name_ + " " + key.ToString() + " https://127.0.0.1:" + std::to_string(server_->port()) + "/\n";
  }

  std::atomic<int> delay_ms = 0;
  std::atomic<bool> down = false;
  std::atomic<int> requests = 0;

 private:
  rpc::HttpResponse Answer(const rpc::HttpRequest& request) {
    absl::SleepFor(absl::Milliseconds(delay_ms.load()));
    ++requests;
    if (down) return {503, {}, "down\n"};
    const absl::ReaderMutexLock lock(&mutex_);
    return fault_ && request.path == "/add-entries" ? fault_(request, *mirror_) : mirror_->Handle(request);
  }

  const std::string name_;
  const ServedLog& governance_;
  const std::string pem_ = ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519).value();
  TemporaryDirectory folder_;
  MachineClock clock_;
  mutable absl::Mutex mutex_;
  // Requests share them.
  Fault fault_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<node::Mirror> mirror_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<rpc::HttpsServer> server_;
  std::thread thread_;
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_MIRROR_SERVER_H_
