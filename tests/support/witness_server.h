// A real witness behind a real HTTPS server, which may be slow, down, or answer what a test likes.
#ifndef CUSTODIAN_TESTS_SUPPORT_WITNESS_SERVER_H_
#define CUSTODIAN_TESTS_SUPPORT_WITNESS_SERVER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/node/add_checkpoint.h"
#include "services/node/witness.h"
#include "services/rpc/https_server.h"
#include "tenants/clock.h"
#include "tenants/ids.h"
#include "tests/support/new_signer.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"

namespace custodian::testing {

// A real witness behind a real server, which may be slow or down.
class WitnessServer {
 public:
  WitnessServer(std::string name, TestCertificates& certificates, const std::string& logs_file)
      : name_(std::move(name)) {
    auto logs = std::make_unique<node::KnownLogs>(logs_file);
    witness_ = node::Witness::Create("witness.example/" + name_, NewSigner(),
                                     node::StateDirectory::Open(folder_.Join("state")).value(), std::move(logs), clock_)
                   .value();
    const TestCertificates::Files files = certificates.IssueServer();
    rpc::HttpsServer::Options options;
    options.certificate_file = files.certificate;
    options.key_file = files.key;
    options.client_ca_file = certificates.ca_file();
    options.threads = 4;
    server_ = rpc::HttpsServer::Create(options, [this](const rpc::HttpRequest& request) -> rpc::HttpResponse {
                absl::SleepFor(absl::Milliseconds(delay_ms.load()));
                ++requests;
                if (down) return {503, {}, "down\n"};
                if (lies) return {409, {{"content-type", "text/x.tlog.size"}}, std::to_string(SizeAsked(request) + 1) + "\n"};
                const Fault fault = TheFault();
                return fault ? fault(request, *witness_) : witness_->Handle(request);
              }).value();
    thread_ = std::thread([this] { server_->Run(); });
  }
  ~WitnessServer() {
    server_->Stop();
    thread_.join();
  }
  // Answers instead of the witness, or with it.
  using Fault = std::function<rpc::HttpResponse(const rpc::HttpRequest&, node::Witness&)>;
  void SetFault(Fault fault) {
    const absl::MutexLock lock(&mutex_);
    fault_ = std::move(fault);
  }
  // Whether it has cosigned anything of the log.
  bool HasCosigned(const std::string& origin) {
    rpc::HttpRequest request;
    request.method = "GET";
    request.path = "/" + HexEncode(ledger::AsBytes(ledger::Sha256(origin))) + "/checkpoint";
    return witness_->Handle(request).status == 200;
  }
  std::string PolicyLine() const {
    return "witness " + name_ + " " + witness_->key().ToString() + " https://127.0.0.1:" + std::to_string(server_->port()) +
           "/\n";
  }

  std::atomic<int> delay_ms = 0;
  std::atomic<bool> down = false;
  // Says that it knows one entry more than it is asked about.
  std::atomic<bool> lies = false;
  std::atomic<int> requests = 0;

 private:
  Fault TheFault() {
    const absl::MutexLock lock(&mutex_);
    return fault_;
  }
  static std::uint64_t SizeAsked(const rpc::HttpRequest& request) {
    return ledger::Checkpoint::Parse(node::AddCheckpoint::Parse(request.body)->note.text)->size;
  }

  std::string name_;
  absl::Mutex mutex_;
  Fault fault_ ABSL_GUARDED_BY(mutex_);
  TemporaryDirectory folder_;
  MachineClock clock_;
  std::unique_ptr<node::Witness> witness_;
  std::unique_ptr<rpc::HttpsServer> server_;
  std::thread thread_;
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_WITNESS_SERVER_H_
