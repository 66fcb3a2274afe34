// The mirror that takes what is pushed, clause by clause of C2SP tlog-mirror.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "services/node/mirror.h"
#include "services/rpc/gzip.h"
#include "tests/support/fake_clock.h"
#include "tests/support/pushed_log_client.h"
#include "tests/support/served_network.h"
#include "tests/support/temporary_directory.h"

namespace custodian::node {
namespace {

using ::testing::HasSubstr;
using testing::CheckpointRequest;
using testing::EntriesBody;
using testing::PostRequest;
using testing::ServedLog;

constexpr char kNode[] = "spiffe://custodian.example/tenant/0000000000000001/node/mirror";

std::string HeaderOf(const rpc::HttpResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return "";
}

class MirrorPushed : public ::testing::Test, protected testing::ServedNetwork {
 protected:
  MirrorPushed() : ServedNetwork(699) { Start(); }

  // A process of the mirror, which has read its copies.
  void Start() {
    Create();
    EXPECT_TRUE(mirror_->Follow().ok());
  }
  void Create() {
    mirror_.reset();
    Mirror::Options options{ledger::Policy::Parse("log " + governance_.key.ToString() + "\nquorum none\n").value(), {}, {}, {}};
    options.pushed_governance = kGovernance;
    auto cosigner = Cosigner::Create("mirror.example/m", ledger::SignerFromPem(pem_).value(), clock_).value();
    mirror_ = Mirror::Create(std::move(options), std::move(cosigner), directory_.Join("mirror"), clock_).value();
  }
  rpc::HttpResponse AddCheckpoint(const ServedLog& log, std::uint64_t old_size, std::uint64_t size) {
    return mirror_->Handle(PostRequest("/add-checkpoint", CheckpointRequest(log, old_size, size).Serialize()));
  }
  rpc::HttpResponse AddEntries(std::string body) { return mirror_->Handle(PostRequest("/add-entries", std::move(body))); }
  // Everything up to `size`, as a client would that follows what it is told.
  rpc::HttpResponse Push(const ServedLog& log, std::uint64_t size, std::size_t packages_max = 32) {
    rpc::HttpResponse response = AddCheckpoint(log, 0, size);
    if (response.status == 409) response = AddCheckpoint(log, std::stoull(response.body), size);
    if (response.status != 200) return response;
    std::uint64_t next = 0;
    for (int i = 0; i < 100; ++i) {
      response = AddEntries(EntriesBody(log, std::min(next, size), size, packages_max));
      if (response.status != 202 && response.status != 409) return response;
      next = MirrorInfo::Parse(response.body)->next_entry;
    }
    return response;
  }
  rpc::HttpResponse PushAll(std::size_t packages_max = 32) {
    const rpc::HttpResponse governance = Push(governance_, governance_.leaves.size());
    return governance.status == 200 ? Push(partition_, partition_.leaves.size(), packages_max) : governance;
  }
  MirrorInfo InfoOf(const rpc::HttpResponse& response) const {
    EXPECT_EQ(HeaderOf(response, "content-type"), "text/x.tlog.mirror-info");
    EXPECT_EQ(HeaderOf(response, "accept-encoding"), "gzip");
    const auto info = MirrorInfo::Parse(response.body);
    EXPECT_TRUE(info.ok()) << response.status << " " << response.body;
    return info.value_or(MirrorInfo{});
  }
  rpc::HttpResponse Get(const std::string& origin, const std::string& resource) const {
    rpc::HttpRequest request;
    request.method = "GET";
    request.path = "/" + LogName(origin) + "/" + resource;
    request.peer_spiffe_id = kNode;
    return mirror_->Handle(request);
  }
  ledger::NoteVerifier Key() const {
    return ledger::NoteVerifier::Create("mirror.example/m", ledger::kNoteCosignatureV1, ledger::SignerFromPem(pem_).value()->public_key().ed25519()).value();
  }
  // Whether the answer is exactly one cosignature of the mirror's on the log's checkpoint of that size.
  bool IsCosigned(const rpc::HttpResponse& response, const ServedLog& log, std::uint64_t size) const {
    const auto note = ledger::Note::Parse(testing::SignedNote(log, size).text + "\n" + response.body);
    return response.status == 200 && note.ok() && note->signatures.size() == 1 && ledger::VerifyCosignature(*note, Key()).ok();
  }
  // Findings of an audit of what the mirror serves, under a policy that wants its cosignature.
  std::string AuditMirror() const {
    const ledger::Policy policy = ledger::Policy::Parse("log " + governance_.key.ToString() + "\nlog " + partition_.key.ToString() + "\nwitness m " +
                                                        Key().ToString() + "\nquorum m\n")
                                      .value();
    const auto source = [this](const std::string& origin) {
      return [this, origin](const std::string& path) -> absl::StatusOr<std::string> {
        const rpc::HttpResponse response = Get(origin, path);
        return response.status == 200 ? absl::StatusOr<std::string>(response.body) : absl::NotFoundError(path + ": " + response.body);
      };
    };
    ledger::Findings findings(kGovernance);
    const auto governed = ledger::AuditTiles(policy, nullptr, source(kGovernance), findings);
    if (!governed.ok()) return governed.status().ToString();
    ledger::Findings more(kPartition);
    const auto audited = ledger::AuditTiles(policy, &governed->history, source(kPartition), more);
    if (!audited.ok()) return audited.status().ToString();
    std::string text;
    for (const auto& finding : findings.Take()) text += "governance " + finding.position + ": " + finding.message + "\n";
    for (const auto& finding : more.Take()) text += finding.position + ": " + finding.message + "\n";
    return text;
  }
  std::string FileOf(const std::string& resource) const { return directory_.Join("mirror/logs/") + LogName(kPartition) + "/" + resource; }
  void Damage(const std::string& resource) const {
    std::fstream file(FileOf(resource), std::ios::in | std::ios::out | std::ios::binary);
    ASSERT_TRUE(file.good()) << resource;
    file.seekp(40);
    file.put('!');
  }

  testing::TemporaryDirectory directory_;
  testing::FakeClock clock_;
  std::string pem_ = ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519).value();
  std::unique_ptr<Mirror> mirror_;
};

TEST_F(MirrorPushed, LogIsCosignedOnceItIsHereWhole) {
  EXPECT_EQ(Push(governance_, 2).status, 200);
  const rpc::HttpResponse pending = AddCheckpoint(partition_, 0, 700);
  EXPECT_EQ(pending.status, 200);
  // The mirror cosigns nothing that it does not hold.
  EXPECT_EQ(pending.body, "");
  EXPECT_EQ(Get(kPartition, "checkpoint").status, 404);
  const rpc::HttpResponse response = AddEntries(EntriesBody(partition_, 0, 700));
  EXPECT_TRUE(IsCosigned(response, partition_, 700)) << response.status << " " << response.body;
  EXPECT_EQ(mirror_->SizeOf(kPartition), 700u);
  EXPECT_TRUE(mirror_->Follow().ok());
  EXPECT_EQ(AuditMirror(), "");
  for (const auto& [path, bytes] : partition_.Serve({})) {
    if (path != "checkpoint") {
      EXPECT_EQ(Get(kPartition, path).body, bytes) << path;
    }
  }
}

TEST_F(MirrorPushed, GrowsBySmallStepsAndKeepsNoLitter) {
  ASSERT_EQ(Push(governance_, 2).status, 200);
  for (const std::uint64_t size : {1u, 2u, 255u, 256u, 257u, 300u, 512u, 513u, 700u}) {
    const rpc::HttpResponse response = Push(partition_, size);
    EXPECT_TRUE(IsCosigned(response, partition_, size)) << size << ": " << response.status << " " << response.body;
  }
  EXPECT_TRUE(mirror_->Follow().ok());
  EXPECT_EQ(AuditMirror(), "");
  std::size_t files = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(FileOf(""))) files += file.is_regular_file() ? 1 : 0;
  EXPECT_EQ(files, ledger::TilesOf(700).size());
}

TEST_F(MirrorPushed, PrefixIsTakenAndGoneOnFrom) {
  ASSERT_EQ(Push(governance_, 2).status, 200);
  ASSERT_EQ(AddCheckpoint(partition_, 0, 700).status, 200);
  const rpc::HttpResponse first = AddEntries(EntriesBody(partition_, 0, 700, 1));
  EXPECT_EQ(first.status, 202);
  EXPECT_EQ(InfoOf(first).size, 700u);
  EXPECT_EQ(InfoOf(first).next_entry, 256u);
  EXPECT_EQ(Get(kPartition, "checkpoint").status, 404);
  EXPECT_EQ(Get(kPartition, "tile/entries/000").status, 404);
  // What is there may be sent again, from the middle of a bundle too, and is not gone back behind.
  const rpc::HttpResponse again = AddEntries(EntriesBody(partition_, 100, 700, 1));
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(InfoOf(again).next_entry, 256u);
  EXPECT_TRUE(IsCosigned(AddEntries(EntriesBody(partition_, 256, 700)), partition_, 700));
  // Nothing is left to send: a cosignature of now.
  clock_.Advance(absl::Hours(1));
  EXPECT_TRUE(IsCosigned(AddEntries(EntriesBody(partition_, 700, 700)), partition_, 700));
}

TEST_F(MirrorPushed, AddCheckpointIsAWitnesss) {
  EXPECT_EQ(AddCheckpoint(partition_, 0, 700).status, 404) << "no governance log has admitted it yet";
  ASSERT_EQ(Push(governance_, 2).status, 200);
  EXPECT_EQ(AddCheckpoint(partition_, 0, 300).status, 200);
  const rpc::HttpResponse conflict = AddCheckpoint(partition_, 0, 700);
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(conflict.body, "300\n");
  EXPECT_EQ(HeaderOf(conflict, "content-type"), "text/x.tlog.size");
  EXPECT_EQ(AddCheckpoint(partition_, 701, 700).status, 400);
  EXPECT_EQ(mirror_->Handle(PostRequest("/add-checkpoint", "old 300\n")).status, 400);
  AddCheckpoint(partition_, 300, 700);
  node::AddCheckpoint request = CheckpointRequest(partition_, 700, 700);
  request.proof.emplace_back();
  EXPECT_EQ(mirror_->Handle(PostRequest("/add-checkpoint", request.Serialize())).status, 422);
  request = CheckpointRequest(partition_, 700, 700);
  request.note.signatures[0].signature[5] ^= 1;
  EXPECT_EQ(mirror_->Handle(PostRequest("/add-checkpoint", request.Serialize())).status, 403);
  request.note.signatures[0] = ledger::LogSignature(governance_.key, governance_.signer->Sign(request.note.text).value());
  EXPECT_EQ(mirror_->Handle(PostRequest("/add-checkpoint", request.Serialize())).status, 403);
  EXPECT_EQ(AddCheckpoint(partition_, 700, 700).status, 200);
}

TEST_F(MirrorPushed, RequestsAreRefusedAsTheSpecificationSays) {
  ASSERT_EQ(Push(governance_, 2).status, 200);
  ServedLog unknown("custodian.example/p/00000000000000cc");
  unknown.leaves = partition_.leaves;
  EXPECT_EQ(AddEntries(EntriesBody(unknown, 0, 700)).status, 404);
  EXPECT_EQ(AddEntries(EntriesBody(partition_, 0, 700)).status, 422) << "no pending checkpoint yet";
  ASSERT_EQ(Push(partition_, 300).status, 200);
  ASSERT_EQ(AddCheckpoint(partition_, 300, 600).status, 200);
  ASSERT_EQ(AddCheckpoint(partition_, 600, 700).status, 200);
  // No pending checkpoint of that size; one that lies before what is held.
  for (const std::uint64_t end : {299u, 650u}) {
    const rpc::HttpResponse response = AddEntries(EntriesBody(partition_, 0, end));
    EXPECT_EQ(response.status, 409) << end;
    EXPECT_EQ(InfoOf(response).size, 700u);
    EXPECT_EQ(InfoOf(response).next_entry, 300u);
  }
  // Behind the next entry: the client's own size, when that is good.
  for (const std::uint64_t end : {600u, 700u}) {
    const rpc::HttpResponse response = AddEntries(EntriesBody(partition_, 301, end));
    EXPECT_EQ(response.status, 409);
    EXPECT_EQ(InfoOf(response).size, end);
    EXPECT_EQ(InfoOf(response).next_entry, 300u);
  }
  EXPECT_EQ(AddEntries(SerializeAddEntries({kPartition, 700, 600, ""}, {}).value()).status, 400);
  rpc::HttpRequest request = PostRequest("/add-entries", EntriesBody(partition_, 300, 700));
  request.headers = {{"content-type", "text/plain"}};
  EXPECT_EQ(mirror_->Handle(request).status, 415);
  request.headers = {{"content-type", "application/octet-stream"}, {"content-encoding", "br"}};
  EXPECT_EQ(mirror_->Handle(request).status, 415);
  EXPECT_EQ(mirror_->Handle(PostRequest("/add-nothing", "")).status, 404);
  // A past pending checkpoint serves, whatever ticket comes with it.
  const std::string body =
      SerializeAddEntries({kPartition, 300, 600, "a ticket of nobody's"}, testing::PackagesOf(partition_, 300, 600)).value();
  EXPECT_TRUE(IsCosigned(AddEntries(body), partition_, 600));
  EXPECT_TRUE(IsCosigned(AddEntries(EntriesBody(partition_, 600, 700)), partition_, 700));
  EXPECT_EQ(AddEntries(body).status, 409) << "a replay of what is past";
  EXPECT_EQ(mirror_->SizeOf(kPartition), 700u);
}

TEST_F(MirrorPushed, SixteenPendingCheckpointsAreKnownAndWhatIsHeld) {
  ASSERT_EQ(Push(governance_, 2).status, 200);
  ASSERT_EQ(Push(partition_, 300).status, 200);
  for (std::uint64_t size = 300; size < 320; ++size) ASSERT_EQ(AddCheckpoint(partition_, size, size + 1).status, 200);
  EXPECT_EQ(AddEntries(EntriesBody(partition_, 300, 304)).status, 409);
  EXPECT_TRUE(IsCosigned(AddEntries(EntriesBody(partition_, 300, 300)), partition_, 300));
  EXPECT_TRUE(IsCosigned(AddEntries(EntriesBody(partition_, 300, 305)), partition_, 305));
  EXPECT_TRUE(IsCosigned(AddEntries(EntriesBody(partition_, 305, 320)), partition_, 320));
}

TEST_F(MirrorPushed, MoreThanThirtyTwoPackagesAreNotSentAgain) {
  AddOrders(9'000);
  ASSERT_EQ(PushAll().status, 200);
  const std::uint64_t size = partition_.leaves.size();
  const rpc::HttpResponse response = AddEntries(EntriesBody(partition_, size - PushedLog::kExcessMax - 1, size, 1));
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(InfoOf(response).next_entry, size);
  EXPECT_TRUE(IsCosigned(AddEntries(EntriesBody(partition_, size - PushedLog::kExcessMax, size)), partition_, size));
}

// Cut off after each byte: nothing is taken of a package that is not whole, and all of one that is.
TEST_F(MirrorPushed, InterruptedUploadCountsAsFarAsItCame) {
  ASSERT_EQ(Push(governance_, 2).status, 200);
  ASSERT_EQ(AddCheckpoint(partition_, 0, 300).status, 200);
  const std::string whole = EntriesBody(partition_, 0, 300);
  const std::size_t first = EntriesBody(partition_, 0, 300, 1).size();
  for (std::size_t size = 0; size < whole.size(); size += size < 64 || (size + 64 > first && size < first + 64) ? 1 : 509) {
    const rpc::HttpResponse response = AddEntries(whole.substr(0, size));
    EXPECT_EQ(response.status, size < first ? 400 : 202) << size << " of " << first;
    if (response.status == 202) {
      EXPECT_EQ(InfoOf(response).next_entry, 256u);
    }
    EXPECT_EQ(mirror_->SizeOf(kPartition), 0u);
  }
  EXPECT_TRUE(IsCosigned(AddEntries(whole + "what follows is not read"), partition_, 300));
}

TEST_F(MirrorPushed, GzipIsUnderstoodWholeAndCutOff) {
  ASSERT_EQ(Push(governance_, 2).status, 200);
  ASSERT_EQ(AddCheckpoint(partition_, 0, 700).status, 200);
  const auto send = [this](const std::string& packed) {
    rpc::HttpRequest request = PostRequest("/add-entries", packed);
    request.headers.emplace_back("content-encoding", "gzip");
    return mirror_->Handle(request);
  };
  const std::string packed = rpc::Gzip(EntriesBody(partition_, 0, 700));
  EXPECT_EQ(send("").status, 400);
  EXPECT_EQ(send("no gzip").status, 400);
  EXPECT_EQ(send(packed.substr(0, 50)).status, 400);
  const rpc::HttpResponse half = send(packed.substr(0, packed.size() * 3 / 5));
  EXPECT_EQ(half.status, 202) << half.body;
  EXPECT_GE(InfoOf(half).next_entry, 256u);
  EXPECT_TRUE(IsCosigned(send(packed), partition_, 700));
}

TEST_F(MirrorPushed, NothingIsTakenThatIsNotProven) {
  ASSERT_EQ(Push(governance_, 2).status, 200);
  ASSERT_EQ(AddCheckpoint(partition_, 0, 700).status, 200);
  const std::vector<EntryPackage> honest = testing::PackagesOf(partition_, 0, 700);
  const auto send = [&](const std::vector<EntryPackage>& packages) {
    return AddEntries(SerializeAddEntries({kPartition, 0, 700, ""}, packages).value());
  };
  const std::vector<std::pair<std::string, std::function<void(EntryPackage&)>>> lies = {
      {"an edited entry", [](EntryPackage& package) { package.entries[17][3] ^= 1; }},
      {"two entries swapped", [](EntryPackage& package) { std::swap(package.entries[0], package.entries[1]); }},
      {"another's entry", [&](EntryPackage& package) { package.entries[5] = governance_.leaves[0]; }},
      {"an empty entry", [](EntryPackage& package) { package.entries[5].clear(); }},
      {"a wrong proof", [](EntryPackage& package) { package.proof.at(0)[0] ^= 1; }},
      {"a short proof", [](EntryPackage& package) { package.proof.pop_back(); }},
      {"a long proof", [](EntryPackage& package) { package.proof.emplace_back(); }},
  };
  for (const auto& [name, lie] : lies) {
    std::vector<EntryPackage> packages = honest;
    lie(packages[0]);
    EXPECT_EQ(send(packages).status, 422) << name;
    // What came before the lie is kept; the lie is not.
    packages = honest;
    lie(packages[1]);
    EXPECT_EQ(send(packages).status, 422) << name;
    const rpc::HttpResponse where = AddEntries(SerializeAddEntries({kPartition, 700, 700, ""}, {}).value());
    EXPECT_EQ(where.status, 409) << name;
    EXPECT_EQ(InfoOf(where).next_entry, 256u) << name;
    EXPECT_EQ(mirror_->SizeOf(kPartition), 0u);
  }
  EXPECT_TRUE(IsCosigned(send(honest), partition_, 700));
  EXPECT_TRUE(mirror_->Follow().ok());
  EXPECT_EQ(AuditMirror(), "");
}

// The mirror stays on the branch that it was shown first, cosigned or not, across restarts.
TEST_F(MirrorPushed, ForkOfWhatIsPendingIsRefused) {
  ASSERT_EQ(Push(governance_, 2).status, 200);
  ASSERT_EQ(AddCheckpoint(partition_, 0, 300).status, 200);
  const std::vector<std::string> honest = partition_.leaves;
  const std::uint64_t counter = partition_.counter;
  partition_.leaves.resize(100);
  partition_.counter = 100;
  AddOrders(600);
  for (const bool restarted : {false, true}) {
    if (restarted) Start();
    EXPECT_EQ(AddCheckpoint(partition_, 300, 700).status, 422);
    EXPECT_EQ(AddCheckpoint(partition_, 300, 300).status, 422);
    EXPECT_EQ(AddCheckpoint(partition_, 0, 700).status, 409);
    EXPECT_EQ(AddEntries(EntriesBody(partition_, 0, 300)).status, 422);
    EXPECT_EQ(AddEntries(EntriesBody(partition_, 0, 700)).status, 409);
    EXPECT_EQ(mirror_->SizeOf(kPartition), 0u);
  }
  partition_.leaves = honest;
  partition_.counter = counter;
  EXPECT_TRUE(IsCosigned(Push(partition_, 700), partition_, 700));
  EXPECT_TRUE(mirror_->Follow().ok());
  EXPECT_EQ(AuditMirror(), "");
}

TEST_F(MirrorPushed, RestartGoesOnWhereTheUploadWas) {
  ASSERT_EQ(Push(governance_, 2).status, 200);
  ASSERT_EQ(Push(partition_, 100).status, 200);
  ASSERT_EQ(AddCheckpoint(partition_, 100, 700).status, 200);
  std::uint64_t next = 100;
  for (const std::uint64_t expected : {256u, 512u}) {
    const rpc::HttpResponse response = AddEntries(EntriesBody(partition_, next, 700, 1));
    EXPECT_EQ(response.status, 202);
    EXPECT_EQ(InfoOf(response).next_entry, expected);
    Create();
    // Nothing is said before the copies were read.
    EXPECT_EQ(AddEntries(EntriesBody(partition_, next, 700)).status, 503);
    EXPECT_EQ(AddCheckpoint(partition_, 700, 700).status, 503);
    EXPECT_TRUE(mirror_->Follow().ok());
    EXPECT_EQ(mirror_->SizeOf(kPartition), 100u);
    EXPECT_EQ(Get(kPartition, "tile/entries/000").status, 404);
    const rpc::HttpResponse where = AddEntries(EntriesBody(partition_, 700, 700));
    EXPECT_EQ(where.status, 409);
    next = InfoOf(where).next_entry;
    EXPECT_EQ(next, expected);
  }
  EXPECT_TRUE(IsCosigned(AddEntries(EntriesBody(partition_, next, 700)), partition_, 700));
  Start();
  EXPECT_EQ(mirror_->SizeOf(kPartition), 700u);
  EXPECT_EQ(AuditMirror(), "");
}

// A crash may leave files that were not on disk yet, empty or worse: they are asked for again.
TEST_F(MirrorPushed, WhatACrashSpoiledIsSentAgain) {
  ASSERT_EQ(Push(governance_, 2).status, 200);
  ASSERT_EQ(Push(partition_, 100).status, 200);
  ASSERT_EQ(AddCheckpoint(partition_, 100, 700).status, 200);
  ASSERT_EQ(AddEntries(EntriesBody(partition_, 100, 700, 2)).status, 202);
  Damage("tile/entries/001");
  Start();
  const rpc::HttpResponse response = AddEntries(EntriesBody(partition_, 512, 700));
  EXPECT_EQ(response.status, 409) << response.body;
  EXPECT_EQ(InfoOf(response).next_entry, 100u);
  std::filesystem::resize_file(FileOf("tile/entries/000.p/100"), 0);
  Start();
  // That one was held: the checkpoint is not served before it can be proven again, and everything is wanted.
  EXPECT_EQ(Get(kPartition, "checkpoint").status, 503);
  EXPECT_EQ(AddEntries(EntriesBody(partition_, 0, 99)).status, 409);
  EXPECT_EQ(InfoOf(AddEntries(EntriesBody(partition_, 700, 700))).next_entry, 0u);
  EXPECT_TRUE(IsCosigned(Push(partition_, 700, 1), partition_, 700));
  EXPECT_TRUE(mirror_->Follow().ok());
  EXPECT_EQ(AuditMirror(), "");
}

TEST_F(MirrorPushed, LostPendingCheckpointIsWhatIsHeld) {
  ASSERT_EQ(Push(governance_, 2).status, 200);
  ASSERT_EQ(Push(partition_, 300).status, 200);
  ASSERT_EQ(AddCheckpoint(partition_, 300, 700).status, 200);
  mirror_.reset();
  std::filesystem::remove_all(directory_.Join("mirror/pending"));
  Start();
  EXPECT_EQ(AddCheckpoint(partition_, 0, 700).body, "300\n");
  EXPECT_TRUE(IsCosigned(Push(partition_, 700), partition_, 700));
}

TEST_F(MirrorPushed, EntryThatNobodyMayWriteIsNotCosigned) {
  ASSERT_EQ(PushAll().status, 200);
  const auto stranger = testing::NewSigner();
  partition_.Add({partition_.NewEntry(ledger::v1::KIND_ORDER_CHECKED)}, *stranger);
  for (int attempt = 0; attempt < 3; ++attempt) {
    const rpc::HttpResponse response = Push(partition_, 701);
    EXPECT_EQ(response.status, 422);
    EXPECT_THAT(response.body, HasSubstr("leaf 700: the author's key is not enrolled"));
    if (attempt == 1) clock_.Advance(absl::Minutes(2));
  }
  EXPECT_EQ(mirror_->SizeOf(kPartition), 700u);
  Start();
  EXPECT_EQ(mirror_->SizeOf(kPartition), 700u);
  EXPECT_TRUE(mirror_->Follow().ok());
  EXPECT_EQ(AuditMirror(), "");
}

TEST_F(MirrorPushed, AnchorWaitsForTheGovernanceLog) {
  ASSERT_EQ(PushAll().status, 200);
  ledger::v1::Entry policy = governance_.NewEntry(ledger::v1::KIND_POLICY_SET);
  policy.mutable_policy_set()->set_policy("quorum none\n");
  governance_.Add({policy}, *author_);
  AddAnchor();
  const rpc::HttpResponse early = Push(partition_, 701);
  EXPECT_EQ(early.status, 429);
  EXPECT_EQ(HeaderOf(early, "retry-after"), "1");
  EXPECT_EQ(mirror_->SizeOf(kPartition), 700u);
  EXPECT_TRUE(IsCosigned(Push(governance_, 3), governance_, 3));
  EXPECT_TRUE(IsCosigned(Push(partition_, 701), partition_, 701));
  EXPECT_TRUE(mirror_->Follow().ok());
  EXPECT_EQ(AuditMirror(), "");
}

// What partitions were judged by is read again; they go on by what is held of it.
TEST_F(MirrorPushed, WrongGovernanceEntryStopsThatLogAlone) {
  ASSERT_EQ(PushAll().status, 200);
  ledger::v1::Entry policy = governance_.NewEntry(ledger::v1::KIND_POLICY_SET);
  policy.mutable_policy_set()->set_policy("quorum none\n");
  governance_.Add({policy}, *testing::NewSigner());
  EXPECT_EQ(Push(governance_, 3).status, 422);
  EXPECT_EQ(mirror_->SizeOf(kGovernance), 2u);
  AddOrders(100);
  EXPECT_TRUE(IsCosigned(Push(partition_, 800), partition_, 800));
  EXPECT_EQ(AuditMirror(), "");
}

TEST_F(MirrorPushed, ClientsAtTheSameTimeEndWithOneLog) {
  AddOrders(3'000);
  ASSERT_EQ(Push(governance_, 2).status, 200);
  const std::uint64_t size = partition_.leaves.size();
  ASSERT_EQ(AddCheckpoint(partition_, 0, size).status, 200);
  std::vector<std::string> bodies;
  for (std::uint64_t start = 0; start < size; start += 256) bodies.push_back(EntriesBody(partition_, start, size, 2));
  std::vector<std::thread> clients;
  std::atomic<int> wrong = 0;
  for (unsigned client = 0; client < 4; ++client) {
    clients.emplace_back([&, client] {
      std::mt19937 random(client);
      for (int i = 0; i < 60; ++i) {
        const int status = AddEntries(bodies[random() % bodies.size()]).status;
        if (status != 200 && status != 202 && status != 409) ++wrong;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_TRUE(IsCosigned(Push(partition_, size), partition_, size));
  EXPECT_TRUE(mirror_->Follow().ok());
  EXPECT_EQ(AuditMirror(), "");
}

TEST_F(MirrorPushed, GarbageChangesNothing) {
  ASSERT_EQ(Push(governance_, 2).status, 200);
  ASSERT_EQ(Push(partition_, 300).status, 200);
  ASSERT_EQ(AddCheckpoint(partition_, 300, 700).status, 200);
  const std::string honest = EntriesBody(partition_, 300, 700);
  std::mt19937 random(7);
  for (int i = 0; i < 3'000; ++i) {
    std::string body = honest;
    // Any byte of the first package or the head, so that nothing of it can be taken.
    const std::size_t at = random() % (i % 2 == 0 ? 60 : 2'000);
    body[at] = static_cast<char>(body[at] ^ (1 + random() % 255));
    if (i % 5 == 0) body.resize(at);
    const rpc::HttpResponse response = AddEntries(body);
    // A ticket means nothing here, but for its length.
    EXPECT_TRUE(response.status == 400 || response.status == 404 || response.status == 409 || response.status == 422) << at << ": " << response.status;
  }
  EXPECT_EQ(mirror_->SizeOf(kPartition), 300u);
  EXPECT_EQ(InfoOf(AddEntries(EntriesBody(partition_, 700, 700))).next_entry, 300u);
  EXPECT_TRUE(IsCosigned(AddEntries(honest), partition_, 700));
}

TEST_F(MirrorPushed, CounterLeftOutForAMinuteRaisesAnAlarm) {
  const auto node = testing::NewSigner();
  ledger::v1::Entry enrolled = governance_.NewEntry(ledger::v1::KIND_ROSTER_CHANGED);
  *enrolled.mutable_roster_changed() = testing::Enrol(kNode, node->public_key(), {ledger::v1::KIND_CONSENT_SET}, {kPartition});
  governance_.Add({enrolled}, *author_);
  AddAnchor();
  for (const std::uint64_t counter : {1, 3}) {
    ledger::v1::Entry entry = partition_.NewEntry(ledger::v1::KIND_CONSENT_SET);
    --partition_.counter;
    entry.set_author(kNode);
    entry.set_counter(counter);
    partition_.Add({entry}, *node);
  }
  for (const std::int64_t seconds : {0, 61}) {
    ledger::v1::Entry entry = partition_.NewEntry(ledger::v1::KIND_ORDER_CHECKED);
    entry.mutable_time()->set_seconds(1'700'000'000 + seconds);
    partition_.Add({entry}, *author_);
  }
  ASSERT_EQ(PushAll().status, 200);
  ASSERT_TRUE(mirror_->Follow().ok());
  EXPECT_THAT(Get(kPartition, "alarms").body, HasSubstr("counter_gap"));
  EXPECT_EQ(mirror_->SizeOf(kPartition), partition_.leaves.size());
}

TEST_F(MirrorPushed, EmptyLogIsCosignedToo) {
  ASSERT_EQ(Push(governance_, 2).status, 200);
  EXPECT_EQ(AddCheckpoint(partition_, 0, 0).status, 200);
  EXPECT_TRUE(IsCosigned(AddEntries(EntriesBody(partition_, 0, 0)), partition_, 0));
  EXPECT_TRUE(IsCosigned(Push(partition_, 700), partition_, 700));
}

// A mirror that fetches takes nothing that is pushed.
TEST_F(MirrorPushed, MirrorThatFetchesHasNeither) {
  mirror_.reset();
  Mirror::Options options{ledger::Policy::Parse("log " + governance_.key.ToString() + "\nquorum none\n").value(), {}, {}, {}};
  options.governance.read = [](const std::string&) -> absl::StatusOr<std::string> { return absl::UnavailableError("away"); };
  auto cosigner = Cosigner::Create("mirror.example/m", ledger::SignerFromPem(pem_).value(), clock_).value();
  mirror_ = Mirror::Create(std::move(options), std::move(cosigner), directory_.Join("mirror"), clock_).value();
  EXPECT_EQ(AddCheckpoint(governance_, 0, 2).status, 405);
}

}  // namespace
}  // namespace custodian::node
