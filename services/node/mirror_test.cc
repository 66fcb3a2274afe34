#include "services/node/mirror.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "ledger/promise.h"
#include "ledger/subject_map.h"
#include "rapidjson/document.h"
#include "services/rpc/https_client.h"
#include "services/rpc/https_server.h"
#include "tests/support/fake_clock.h"
#include "tests/support/served_network.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"

namespace custodian::node {
namespace {

using ::testing::HasSubstr;
using testing::ServedLog;
using Served = std::map<std::string, std::string>;

constexpr char kNode[] = "spiffe://custodian.example/tenant/0000000000000001/node/mirror";

class MirrorOf : public ::testing::Test, protected testing::ServedNetwork {
 protected:
  MirrorOf() : ServedNetwork(299) { ServeAll(); }

  Served Serve(const ServedLog& log) const { return log.Serve({{witness_, witness_signer_.get()}}); }
  void ServeAll() {
    served_governance_ = Serve(governance_);
    served_partition_ = Serve(partition_);
  }
  ledger::Policy Policy() const {
    return ledger::Policy::Parse("log " + governance_.key.ToString() + "\nwitness w " + witness_.ToString() + "\nquorum w\n").value();
  }
  // Reads of either log; the one numbered `fail_at_` and all after it fail.
  ledger::ByteSource SourceOf(const Served& served) {
    return [this, &served](const std::string& path) -> absl::StatusOr<std::string> {
      if (reads_++ >= fail_at_) return absl::UnavailableError("the line is down");
      read_.push_back(path);
      const auto found = served.find(path);
      return found == served.end() ? absl::StatusOr<std::string>(absl::NotFoundError(path)) : found->second;
    };
  }
  absl::Status TryStart() {
    mirror_.reset();
    Mirror::Options options{Policy(), {"governance", SourceOf(served_governance_)}, {{"partition", SourceOf(served_partition_)}}, {}};
    if (std::filesystem::exists(promises_)) options.promises = promises_;
    auto cosigner = Cosigner::Create("mirror.example/m", ledger::SignerFromPem(pem_).value(), clock_);
    if (!cosigner.ok()) return cosigner.status();
    auto mirror = Mirror::Create(std::move(options), *std::move(cosigner), directory_.Join("mirror"), clock_);
    if (!mirror.ok()) return mirror.status();
    mirror_ = *std::move(mirror);
    return absl::OkStatus();
  }
  void Start() {
    const absl::Status status = TryStart();
    ASSERT_TRUE(status.ok()) << status;
  }
  absl::Status Follow() {
    clock_.Advance(absl::Minutes(2));
    return mirror_->Follow();
  }
  rpc::HttpResponse Get(const std::string& origin, const std::string& resource, const std::string& reader = kNode) const {
    rpc::HttpRequest request;
    request.method = "GET";
    request.path = "/" + LogName(origin) + "/" + resource;
    request.peer_spiffe_id = reader;
    return mirror_->Handle(request);
  }
  ledger::ByteSource MirrorSource(const std::string& origin) const {
    return [this, origin](const std::string& path) -> absl::StatusOr<std::string> {
      const rpc::HttpResponse response = Get(origin, path);
      if (response.status == 200) return response.body;
      return absl::NotFoundError(path + ": " + response.body);
    };
  }
  // Findings of an audit of what the mirror serves, under a policy that wants its cosignature too.
  std::string AuditMirror() const {
    const ledger::NoteVerifier key =
        ledger::NoteVerifier::Create("mirror.example/m", ledger::kNoteCosignatureV1, ledger::SignerFromPem(pem_).value()->public_key().ed25519())
            .value();
    const ledger::Policy policy = ledger::Policy::Parse("log " + governance_.key.ToString() + "\nlog " + partition_.key.ToString() + "\nwitness w " +
                                                        witness_.ToString() + "\nwitness m " + key.ToString() + "\ngroup both all w m\nquorum both\n")
                                      .value();
    ledger::Findings findings(kGovernance);
    const auto governed = ledger::AuditTiles(policy, nullptr, MirrorSource(kGovernance), findings);
    if (!governed.ok()) return governed.status().ToString();
    ledger::Findings more(kPartition);
    const auto audited = ledger::AuditTiles(policy, &governed->history, MirrorSource(kPartition), more);
    if (!audited.ok()) return audited.status().ToString();
    std::string text;
    for (const auto& finding : findings.Take()) text += "governance " + finding.position + ": " + finding.message + "\n";
    for (const auto& finding : more.Take()) text += finding.position + ": " + finding.message + "\n";
    return text;
  }
  std::string FolderOf(const std::string& origin) const { return directory_.Join("mirror/logs/") + LogName(origin); }

  testing::TemporaryDirectory directory_;
  // Of promises, when there are any.
  const std::string promises_ = directory_.Join("promises");
  testing::FakeClock clock_;
  std::string pem_ = ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519).value();
  std::unique_ptr<ledger::Signer> witness_signer_ = testing::NewSigner();
  ledger::NoteVerifier witness_ =
      ledger::NoteVerifier::Create("witness.example", ledger::kNoteCosignatureV1, witness_signer_->public_key().ed25519()).value();
  Served served_governance_;
  Served served_partition_;
  int reads_ = 0;
  int fail_at_ = INT_MAX;
  std::vector<std::string> read_;
  std::unique_ptr<Mirror> mirror_;
};

TEST_F(MirrorOf, ServesWhatItFollowsWithItsCosignature) {
  Start();
  EXPECT_EQ(Get(kPartition, "checkpoint").status, 404);
  EXPECT_TRUE(Follow().ok());
  EXPECT_EQ(mirror_->SizeOf(kPartition), 300u);
  EXPECT_EQ(AuditMirror(), "");
  // Every tile of it equals the log's own.
  for (const auto& [path, bytes] : served_partition_) {
    if (path != "checkpoint") {
      EXPECT_EQ(Get(kPartition, path).body, bytes) << path;
    }
  }
}

TEST_F(MirrorOf, GrowsWithTheLogAndServesOlderPartialTiles) {
  Start();
  ASSERT_TRUE(Follow().ok());
  const Served before = served_partition_;
  for (const int more : {1, 200, 12, 300, 65'000}) {
    AddOrders(more);
    ServeAll();
    const absl::Status status = Follow();
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(mirror_->SizeOf(kPartition), partition_.leaves.size());
  }
  EXPECT_EQ(AuditMirror(), "");
  for (const auto& [path, bytes] : before) {
    if (path != "checkpoint") {
      EXPECT_EQ(Get(kPartition, path).body, bytes) << path;
    }
  }
  EXPECT_EQ(Get(kPartition, "tile/0/999").status, 404);
  EXPECT_EQ(Get(kPartition, "tile/0/nonsense").status, 400);
  // Nothing but the tiles of this size is left on disk.
  std::size_t files = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(FolderOf(kPartition))) files += file.is_regular_file() ? 1 : 0;
  EXPECT_EQ(files, ledger::TilesOf(partition_.leaves.size()).size());
}

TEST_F(MirrorOf, ServesFromItsOwnCopyWhenTheLogIsGone) {
  Start();
  ASSERT_TRUE(Follow().ok());
  fail_at_ = 0;
  Start();
  // Nothing is cosigned before the copy was read and judged again.
  EXPECT_EQ(Get(kPartition, "checkpoint").status, 503);
  EXPECT_EQ(Follow().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(AuditMirror(), "");
}

TEST_F(MirrorOf, GoesOnWhereItWasInterrupted) {
  AddOrders(2'000);
  ServeAll();
  for (int fail_at = 0;; ++fail_at) {
    std::filesystem::remove_all(directory_.Join("mirror"));
    reads_ = 0;
    fail_at_ = fail_at;
    Start();
    const bool whole = Follow().ok();
    const std::size_t bundles = static_cast<std::size_t>(std::count_if(read_.begin(), read_.end(), [](const std::string& path) {
      return path.find("entries") != std::string::npos && path.find(".p/") == std::string::npos;
    }));
    fail_at_ = INT_MAX;
    read_.clear();
    // Sometimes the same process goes on, sometimes another.
    if (fail_at % 2 == 0) Start();
    const absl::Status status = Follow();
    ASSERT_TRUE(status.ok()) << fail_at << ": " << status;
    EXPECT_EQ(AuditMirror(), "") << fail_at;
    std::size_t again = 0;
    for (const std::string& path : read_) again += path.find("entries") != std::string::npos && path.find(".p/") == std::string::npos ? 1 : 0;
    EXPECT_EQ(bundles + again, 8u) << fail_at;
    read_.clear();
    if (whole) break;
  }
}

TEST_F(MirrorOf, RolledBackLogIsRefusedAndTheCopyStays) {
  Start();
  ASSERT_TRUE(Follow().ok());
  const Served whole = served_partition_;
  partition_.leaves.resize(200);
  ServeAll();
  const absl::Status status = Follow();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("rolled back"));
  EXPECT_TRUE(std::filesystem::exists(FolderOf(kPartition) + "/disputed-checkpoint"));
  EXPECT_EQ(mirror_->SizeOf(kPartition), 300u);
  EXPECT_EQ(AuditMirror(), "");
  served_partition_ = whole;
  EXPECT_TRUE(Follow().ok());
}

TEST_F(MirrorOf, ForkIsNeverCosigned) {
  Start();
  ASSERT_TRUE(Follow().ok());
  const std::vector<std::string> kept = partition_.leaves;
  const std::uint64_t counter = partition_.counter;
  // Of the same size, of a larger one that begins otherwise, and at the very edge.
  for (const auto& [from, size] : std::vector<std::pair<std::size_t, std::size_t>>{{299, 300}, {100, 400}, {299, 301}, {256, 1'000}}) {
    partition_.leaves.resize(from);
    partition_.counter = from;
    AddOrders(static_cast<int>(size - from));
    ServeAll();
    EXPECT_EQ(Follow().code(), absl::StatusCode::kDataLoss) << from << " " << size;
    EXPECT_EQ(mirror_->SizeOf(kPartition), 300u);
    partition_.leaves = kept;
    partition_.counter = counter;
    if (from % 2 == 0) Start();
  }
  // The honest log is followed again, whatever the forks left on disk.
  AddOrders(700);
  ServeAll();
  absl::Status status = Follow();
  if (!status.ok()) status = Follow();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(mirror_->SizeOf(kPartition), 1'000u);
  EXPECT_EQ(AuditMirror(), "");
}

TEST_F(MirrorOf, AnyEditedResourceIsRefused) {
  AddOrders(300);
  ServeAll();
  const Served honest = served_partition_;
  for (const auto& [path, bytes] : honest) {
    for (const std::size_t at : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
      std::filesystem::remove_all(directory_.Join("mirror"));
      served_partition_ = honest;
      served_partition_[path][at] = static_cast<char>(served_partition_[path][at] ^ 1);
      Start();
      // Under another origin it is a log that nobody was admitted with.
      const bool is_other_log = path == "checkpoint" && at == 0;
      EXPECT_EQ(Follow().code(), is_other_log ? absl::StatusCode::kAborted : absl::StatusCode::kDataLoss) << path << " byte " << at;
      EXPECT_EQ(mirror_->SizeOf(kPartition), 0u);
      served_partition_ = honest;
      // What it kept of the spoilt resource does not stand in the way.
      if (at == 0) Start();
      absl::Status status = Follow();
      if (!status.ok()) status = Follow();
      EXPECT_TRUE(status.ok()) << path << " byte " << at << ": " << status;
    }
  }
  EXPECT_EQ(AuditMirror(), "");
}

TEST_F(MirrorOf, EntryThatNobodyMayWriteIsNotCosigned) {
  Start();
  ASSERT_TRUE(Follow().ok());
  const auto stranger = testing::NewSigner();
  partition_.Add({partition_.NewEntry(ledger::v1::KIND_ORDER_CHECKED)}, *stranger);
  ServeAll();
  const absl::Status status = Follow();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("leaf 300: the author's key is not enrolled"));
  EXPECT_EQ(mirror_->SizeOf(kPartition), 300u);
  EXPECT_EQ(AuditMirror(), "");
}

TEST_F(MirrorOf, CheckpointWithoutItsQuorumIsNotFollowed) {
  served_partition_ = partition_.Serve({});
  Start();
  EXPECT_EQ(Follow().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(mirror_->SizeOf(kPartition), 0u);
}

TEST_F(MirrorOf, AnchorWaitsForTheGovernanceLog) {
  Start();
  ASSERT_TRUE(Follow().ok());
  const Served early = served_governance_;
  ledger::v1::Entry policy = governance_.NewEntry(ledger::v1::KIND_POLICY_SET);
  policy.mutable_policy_set()->set_policy("quorum none\n");
  governance_.Add({policy}, *author_);
  AddAnchor();
  ServeAll();
  const Served late = std::exchange(served_governance_, early);
  EXPECT_EQ(Follow().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(mirror_->SizeOf(kPartition), 300u);
  served_governance_ = late;
  EXPECT_TRUE(Follow().ok());
  EXPECT_EQ(mirror_->SizeOf(kPartition), 301u);
  EXPECT_EQ(AuditMirror(), "");
}

TEST_F(MirrorOf, DamagedCopyIsNotServedAndFetchedAnew) {
  Start();
  ASSERT_TRUE(Follow().ok());
  for (const char* file : {"/tile/entries/000", "/tile/entries/001.p/44"}) {
    mirror_.reset();
    std::fstream bundle(FolderOf(kPartition) + file, std::ios::in | std::ios::out | std::ios::binary);
    bundle.seekp(40);
    bundle.put('!');
    bundle.close();
    fail_at_ = 0;
    Start();
    EXPECT_FALSE(Follow().ok());
    EXPECT_EQ(Get(kPartition, "checkpoint").status, 503) << file;
    EXPECT_EQ(Get(kPartition, "tile/0/000").status, 503) << file;
    fail_at_ = INT_MAX;
    const absl::Status status = Follow();
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(AuditMirror(), "") << file;
  }
  // A damaged tile of hashes follows from the entries.
  mirror_.reset();
  std::ofstream(FolderOf(kPartition) + "/tile/0/000") << "damaged";
  fail_at_ = 0;
  Start();
  EXPECT_FALSE(Follow().ok());
  EXPECT_EQ(AuditMirror(), "");
}

TEST_F(MirrorOf, MemoryOutlivesTheCopy) {
  Start();
  ASSERT_TRUE(Follow().ok());
  mirror_.reset();
  std::filesystem::remove_all(FolderOf(kPartition));
  // Whoever destroys the copy cannot make the mirror cosign another history.
  const std::vector<std::string> kept = partition_.leaves;
  partition_.leaves.resize(100);
  partition_.counter = 100;
  AddOrders(300);
  ServeAll();
  Start();
  const absl::Status status = Follow();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the first 300 entries make another root"));
  partition_.leaves = kept;
  ServeAll();
  EXPECT_TRUE(Follow().ok());
  EXPECT_EQ(AuditMirror(), "");
}

TEST_F(MirrorOf, WhatCannotBeStoredIsNotCosigned) {
  Start();
  ASSERT_TRUE(Follow().ok());
  AddOrders(10);
  ServeAll();
  const std::string obstacle = directory_.Join("mirror/") + LogName(kPartition) + ".new";
  std::filesystem::create_directory(obstacle);
  EXPECT_EQ(Follow().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(mirror_->SizeOf(kPartition), 300u);
  EXPECT_EQ(AuditMirror(), "");
  std::filesystem::remove(obstacle);
  EXPECT_TRUE(Follow().ok());
  EXPECT_EQ(mirror_->SizeOf(kPartition), 310u);
}

TEST_F(MirrorOf, DamagedStateStopsTheStart) {
  Start();
  ASSERT_TRUE(Follow().ok());
  mirror_.reset();
  std::ofstream(directory_.Join("mirror/") + LogName(kPartition)) << "damaged";
  EXPECT_EQ(TryStart().code(), absl::StatusCode::kDataLoss);
}

TEST_F(MirrorOf, OnlyAdmittedReadersGetTiles) {
  Start();
  ASSERT_TRUE(Follow().ok());
  const std::string base = "spiffe://custodian.example/";
  const std::vector<std::tuple<std::string, int, int>> cases = {
      {"", 403, 403},
      {base + "operator/x", 403, 403},
      {base + "regulator/x", 200, 200},
      {base + "tenant/0000000000000001/auditor/x", 200, 200},
      {base + "tenant/0000000000000001/fhir/x", 403, 403},
      {base + "tenant/0000000000000002/auditor/x", 200, 403},
  };
  for (const auto& [reader, governance, partition] : cases) {
    EXPECT_EQ(Get(kGovernance, "tile/entries/000.p/2", reader).status, governance) << reader;
    EXPECT_EQ(Get(kPartition, "tile/entries/000", reader).status, partition) << reader;
    EXPECT_EQ(Get(kPartition, "checkpoint", reader).status, 200) << reader;
  }
  rpc::HttpRequest post;
  post.method = "POST";
  EXPECT_EQ(mirror_->Handle(post).status, 405);
  EXPECT_EQ(Get("custodian.example/p/other", "checkpoint").status, 404);
}

TEST_F(MirrorOf, FollowsAndServesOverHttps) {
  testing::TestCertificates certificates;
  const auto serve = [&](rpc::HttpHandler handler) {
    const auto files = certificates.IssueServer();
    rpc::HttpsServer::Options options;
    options.certificate_file = files.certificate;
    options.key_file = files.key;
    options.client_ca_file = certificates.ca_file();
    options.threads = 2;
    return rpc::HttpsServer::Create(options, std::move(handler)).value();
  };
  const auto custodian = serve([this](const rpc::HttpRequest& request) -> rpc::HttpResponse {
    if (request.peer_spiffe_id != kNode) return {403, {}, ""};
    const Served& served = request.path.substr(0, 3) == "/g/" ? served_governance_ : served_partition_;
    const auto found = served.find(request.path.substr(3));
    return found == served.end() ? rpc::HttpResponse{404, {}, ""} : rpc::HttpResponse{200, {}, found->second};
  });
  std::thread custodian_thread([&] { custodian->Run(); });
  const auto node = certificates.IssueClient({kNode});
  const auto client = rpc::HttpsClient::Create({certificates.ca_file(), node.certificate, node.key}).value();
  const auto read_from = [&client](const std::string& prefix) -> ledger::ByteSource {
    return [&client, prefix](const std::string& path) -> absl::StatusOr<std::string> {
      const auto response = client->Send("GET", prefix + path);
      if (!response.ok()) return response.status();
      return response->status == 200 ? absl::StatusOr<std::string>(response->body) : absl::NotFoundError(path);
    };
  };
  const std::string url = "https://127.0.0.1:" + std::to_string(custodian->port());
  auto cosigner = Cosigner::Create("mirror.example/m", ledger::SignerFromPem(pem_).value(), clock_).value();
  mirror_ = Mirror::Create({Policy(), {url + "/g/", read_from(url + "/g/")}, {{url + "/p/", read_from(url + "/p/")}}, {}}, std::move(cosigner),
                           directory_.Join("mirror"), clock_)
                .value();
  const absl::Status status = Follow();
  EXPECT_TRUE(status.ok()) << status;
  const auto server = serve([this](const rpc::HttpRequest& request) { return mirror_->Handle(request); });
  std::thread thread([&] { server->Run(); });
  const ledger::ByteSource read = read_from("https://127.0.0.1:" + std::to_string(server->port()) + "/" + LogName(kPartition) + "/");
  for (const auto& [path, bytes] : served_partition_) {
    if (path != "checkpoint") {
      EXPECT_EQ(read(path).value(), bytes) << path;
    }
  }
  server->Stop();
  thread.join();
  custodian->Stop();
  custodian_thread.join();
}

// --- authors beside the custodian -----------------------------------------------------------------------------------------

class MirrorOfAuthors : public MirrorOf {
 protected:
  void AddAt(std::int64_t seconds) {
    ledger::v1::Entry entry = partition_.NewEntry(ledger::v1::KIND_ORDER_CHECKED);
    entry.mutable_time()->set_seconds(1'700'000'000 + seconds);
    partition_.Add({entry}, *author_);
  }
  void EnrolNode() {
    ledger::v1::Entry enrolled = governance_.NewEntry(ledger::v1::KIND_ROSTER_CHANGED);
    *enrolled.mutable_roster_changed() =
        testing::Enrol(kNode, node_->public_key(), {ledger::v1::KIND_CONSENT_SET, ledger::v1::KIND_VOID}, {kPartition});
    governance_.Add({enrolled}, *author_);
    AddAnchor();
  }
  void AddOfNode(std::uint64_t counter, ledger::v1::Kind kind = ledger::v1::KIND_CONSENT_SET) {
    ledger::v1::Entry entry = partition_.NewEntry(kind);
    --partition_.counter;
    entry.set_author(kNode);
    entry.set_counter(counter);
    partition_.Add({entry}, *node_);
  }
  void Promised(const std::string& name, std::uint64_t index, const ledger::Hash& leaf, const ledger::Signer& signer) {
    std::filesystem::create_directory(promises_);
    const std::vector<ledger::Promise> promises = {{kPartition, index, 1, ledger::RootOf(std::vector{leaf}), clock_.Now()}};
    std::ofstream(promises_ + "/" + name + ".promise") << ledger::SignPromises(promises, testing::kCustodian, signer).value()[0].Serialize();
  }
  // "event reason" a line.
  std::string Alarms() const {
    rapidjson::Document document;
    document.Parse(Get(kPartition, "alarms").body.c_str());
    std::string text;
    for (const auto& alarm : document["alarms"].GetArray()) text += std::string(alarm["event"].GetString()) + " " + alarm["reason"].GetString() + "\n";
    return text;
  }

  std::unique_ptr<ledger::Signer> node_ = testing::NewSigner();
};

TEST_F(MirrorOfAuthors, CounterLeftOutForAMinuteRaisesAnAlarmUntilAVoidClosesIt) {
  EnrolNode();
  AddOfNode(1);
  AddOfNode(3);
  AddAt(0);
  ServeAll();
  Start();
  ASSERT_TRUE(Follow().ok());
  EXPECT_EQ(Alarms(), "");
  AddAt(61);
  ServeAll();
  ASSERT_TRUE(Follow().ok());
  EXPECT_THAT(Alarms(), HasSubstr("counter_gap counter 2 of " + std::string(kNode)));
  // It is the authors' matter: the log is held and cosigned.
  EXPECT_EQ(mirror_->SizeOf(kPartition), partition_.leaves.size());
  AddOfNode(2, ledger::v1::KIND_VOID);
  ServeAll();
  ASSERT_TRUE(Follow().ok());
  EXPECT_EQ(Alarms(), "");
}

TEST_F(MirrorOfAuthors, BrokenPromiseRaisesAnAlarm) {
  AddAt(0);
  Promised("kept", partition_.leaves.size() - 1, ledger::LeafHash(partition_.leaves.back()), *author_);
  Promised("broken", partition_.leaves.size() - 1, ledger::LeafHash("dropped"), *author_);
  Promised("forged", partition_.leaves.size() - 1, ledger::LeafHash("dropped"), *node_);
  ServeAll();
  Start();
  ASSERT_TRUE(Follow().ok());
  const std::string alarms = Alarms();
  EXPECT_THAT(alarms, HasSubstr("promise_broken broken.promise: other_leaves"));
  EXPECT_THAT(alarms, HasSubstr("promise_broken forged.promise: its key was never enrolled"));
  EXPECT_EQ(alarms.find("kept.promise"), std::string::npos) << alarms;
}

TEST_F(MirrorOfAuthors, OnlyReadersAreToldOfAlarms) {
  ServeAll();
  Start();
  ASSERT_TRUE(Follow().ok());
  EXPECT_EQ(Get(kPartition, "alarms").status, 200);
  EXPECT_EQ(Get(kPartition, "alarms", "spiffe://custodian.example/tenant/0000000000000002/node/mirror").status, 403);
}

// --- maps of subjects -----------------------------------------------------------------------------------------------------

class MirrorOfSubjects : public MirrorOf {
 protected:
  void AddOf(char subject) {
    ledger::v1::Entry entry = partition_.NewEntry(ledger::v1::KIND_DISCLOSURE);
    entry.set_subject(std::string(ledger::kSubjectBytes, subject));
    of_.emplace_back(partition_.leaves.size(), ledger::SubjectKey(entry.subject()));
    value_of_[ledger::SubjectKey(entry.subject())].count += 1;
    value_of_[ledger::SubjectKey(entry.subject())].last_index = partition_.leaves.size();
    partition_.Add({entry}, *author_);
  }
  // Of all entries so far, with values that may lie.
  void AddMap(const ledger::SubjectChanges& values) { AddMap(partition_.leaves.size(), values); }
  // A true one of the first `size` entries.
  void AddMapOver(std::uint64_t size) {
    ledger::SubjectChanges values;
    for (const auto& [index, key] : of_)
      if (index < size) values[key] = {values[key].count + 1, index};
    AddMap(size, values);
  }
  void AddMap(std::uint64_t size, const ledger::SubjectChanges& values) {
    const auto pages = ledger::NewSubjectPagesInMemory();
    ledger::v1::Entry map = partition_.NewEntry(ledger::v1::KIND_SUBJECT_MAP);
    covered_ = size;
    map.mutable_subject_map()->set_size(size);
    map.mutable_subject_map()->set_root(std::string(ledger::AsBytes(ledger::ApplySubjectChanges(*pages, ledger::EmptySubjectRoot(), values).value())));
    partition_.Add({map}, *author_);
  }
  // Adds an entry and a map that leaves the last `behind` entries of subjects out, and follows, two minutes and a failure after the step before.
  absl::Status FollowBehind(std::size_t behind) {
    AddOf('b');
    if (of_.size() > behind && of_[of_.size() - behind - 1].first >= covered_) AddMapOver(of_[of_.size() - behind - 1].first + 1);
    ServeAll();
    fail_at_ = 0;
    EXPECT_TRUE(absl::IsUnavailable(mirror_->Follow()));
    fail_at_ = std::numeric_limits<decltype(fail_at_)>::max();
    return Follow();
  }
  ledger::SubjectChanges value_of_;
  // By the newest map.
  std::uint64_t covered_ = 0;
  // Index and subject's key of each entry of a subject.
  std::vector<std::pair<std::uint64_t, ledger::Hash>> of_;
};

TEST_F(MirrorOfSubjects, AnHonestMapIsFollowedAcrossARestart) {
  for (const char c : {'a', 'b', 'a'}) AddOf(c);
  AddMap(value_of_);
  ServeAll();
  Start();
  ASSERT_TRUE(Follow().ok());
  Start();
  AddOf('c');
  AddMap(value_of_);
  ServeAll();
  const absl::Status status = Follow();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(mirror_->SizeOf(kPartition), partition_.leaves.size());
}

TEST_F(MirrorOfSubjects, AMapThatLeavesAnEntryOutIsRefusedAndNotCosigned) {
  for (const char c : {'a', 'b', 'a'}) AddOf(c);
  ServeAll();
  Start();
  ASSERT_TRUE(Follow().ok());
  const std::uint64_t held = mirror_->SizeOf(kPartition);
  ledger::SubjectChanges lie = value_of_;
  lie[ledger::SubjectKey(std::string(ledger::kSubjectBytes, 'a'))].count = 1;
  AddMap(lie);
  ServeAll();
  const absl::Status status = Follow();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("the subject map is not the one"));
  EXPECT_EQ(mirror_->SizeOf(kPartition), held);
}

TEST_F(MirrorOfSubjects, EntriesThatEnterNoMapRaiseAnAlarmAndAreHeldNevertheless) {
  AddOf('a');
  AddMap(value_of_);
  AddOf('a');
  ServeAll();
  Start();
  ASSERT_TRUE(Follow().ok());
  // Each Follow() is two minutes after the one before.
  absl::Status status;
  int times = 0;
  for (; times < 20 && status.ok(); ++times) status = Follow();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(times, 6);
  EXPECT_THAT(std::string(status.message()), HasSubstr("entry 302 waits"));
  EXPECT_EQ(mirror_->SizeOf(kPartition), partition_.leaves.size());
  AddMap(value_of_);
  ServeAll();
  status = Follow();
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(MirrorOfSubjects, MapsThatStayTooFarBehindRaiseTheAlarmWhateverMovesOrFails) {
  AddOf('a');
  AddMap(value_of_);
  ServeAll();
  Start();
  ASSERT_TRUE(Follow().ok());
  for (int i = 0; i < 20; ++i) {
    const absl::Status status = FollowBehind(3);
    EXPECT_TRUE(status.ok()) << i << ": " << status;
  }
  for (int i = 0; i < 20; ++i) (void)FollowBehind(8);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(absl::IsFailedPrecondition(FollowBehind(8))) << i;
  EXPECT_TRUE(FollowBehind(1).ok());
}

TEST_F(MirrorOfSubjects, ALogThatHasNoMapYetRaisesNoAlarm) {
  AddOf('a');
  ServeAll();
  Start();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Follow().ok());
}

}  // namespace
}  // namespace custodian::node
