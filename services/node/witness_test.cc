#include "services/node/witness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <filesystem>
#include <fstream>
#include <atomic>
#include <functional>
#include <iterator>
#include <thread>

#include "tests/support/fake_clock.h"
#include "tests/support/temporary_directory.h"

namespace custodian::node {
namespace {

using ledger::Checkpoint;
using ledger::Hash;
using ledger::Note;
using ledger::NoteVerifier;

std::unique_ptr<ledger::Signer> NewSigner() {
  return ledger::SignerFromPem(ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519).value()).value();
}

// A log of any size: leaf i is its decimal number.
struct TestLog {
  explicit TestLog(std::string name)
      : origin(std::move(name)), signer(NewSigner()),
        key(NoteVerifier::Create(origin, ledger::kNoteEd25519, signer->public_key().ed25519()).value()) {}

  static Hash Subtree(std::uint64_t first, std::uint64_t end) {
    ledger::CompactRange range;
    for (std::uint64_t i = first; i < end; ++i) range.Append(ledger::LeafHash(std::to_string(i)));
    return range.Root();
  }
  Note Checkpoint(std::uint64_t size) const { return CheckpointOf(size, Subtree(0, size)); }
  Note CheckpointOf(std::uint64_t size, const Hash& root) const {
    Note note{ledger::Checkpoint{origin, size, root}.Serialize(), {}};
    note.signatures.push_back(ledger::LogSignature(key, signer->Sign(note.text).value()));
    return note;
  }
  AddCheckpoint Request(std::uint64_t old_size, std::uint64_t size) const {
    const ledger::NodeReader read = [](unsigned level, std::uint64_t index) -> absl::StatusOr<Hash> {
      return Subtree(index << level, (index + 1) << level);
    };
    return {old_size, ledger::ConsistencyProof(old_size, size, read).value(), Checkpoint(size)};
  }

  std::string origin;
  std::unique_ptr<ledger::Signer> signer;
  NoteVerifier key;
};

class WitnessOf : public ::testing::Test {
 protected:
  WitnessOf() {
    WriteLogs(log_.key.ToString() + "\n");
    Start();
  }
  void WriteLogs(const std::string& text) {
    std::ofstream(directory_.Join("logs.new")) << text;
    std::filesystem::rename(directory_.Join("logs.new"), directory_.Join("logs"));
  }
  absl::Status TryStart() {
    witness_.reset();
    auto logs = std::make_unique<KnownLogs>(directory_.Join("logs"));
    if (absl::Status status = logs->Load(); !status.ok()) return status;
    auto state = StateDirectory::Open(directory_.Join("state"));
    if (!state.ok()) return state.status();
    auto witness =
        Witness::Create("witness.example/w", ledger::SignerFromPem(pem_).value(), *std::move(state), std::move(logs), clock_);
    if (!witness.ok()) return witness.status();
    witness_ = *std::move(witness);
    return absl::OkStatus();
  }
  void Start() {
    const absl::Status status = TryStart();
    ASSERT_TRUE(status.ok()) << status;
  }
  rpc::HttpResponse Post(const std::string& body) {
    rpc::HttpRequest request;
    request.method = "POST";
    request.path = "/add-checkpoint";
    request.body = body;
    return witness_->Handle(request);
  }
  rpc::HttpResponse Post(const AddCheckpoint& request) { return Post(request.Serialize()); }
  rpc::HttpResponse Get(const std::string& origin) {
    std::string hex;
    for (const std::uint8_t byte : ledger::Sha256(origin)) {
      char text[3];
      std::snprintf(text, sizeof text, "%02x", byte);
      hex += text;
    }
    rpc::HttpRequest request;
    request.method = "GET";
    request.path = "/" + hex + "/checkpoint";
    return witness_->Handle(request);
  }
  // True when the answer's body is a valid cosignature of the checkpoint.
  bool Cosigns(const rpc::HttpResponse& response, const Note& checkpoint) {
    const absl::StatusOr<Note> note = Note::Parse(checkpoint.text + "\n" + response.body);
    return note.ok() && ledger::VerifyCosignature(*note, witness_->key()).ok();
  }

  testing::TemporaryDirectory directory_;
  testing::FakeClock clock_;
  std::string pem_ = ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519).value();
  TestLog log_{"log.example/p/1"};
  std::unique_ptr<Witness> witness_;
};

TEST_F(WitnessOf, CosignsWhatGrowsConsistently) {
  std::uint64_t old_size = 0;
  for (const std::uint64_t size : {1, 1, 5, 8, 8, 70}) {
    const rpc::HttpResponse response = Post(log_.Request(old_size, size));
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_TRUE(Cosigns(response, log_.Checkpoint(size)));
    old_size = size;
  }
}

// C2SP tlog-witness, "add-checkpoint", clause by clause. The witness knows size 6 of the log.
TEST_F(WitnessOf, AnswersEachClauseOfTheSpecification) {
  ASSERT_EQ(Post(log_.Request(0, 6)).status, 200);
  TestLog stranger("log.example/p/2");
  TestLog impostor("log.example/p/1");
  const auto with = [](AddCheckpoint request, const std::function<void(AddCheckpoint&)>& change) {
    change(request);
    return request.Serialize();
  };
  const AddCheckpoint next = log_.Request(6, 8);
  const ledger::NoteSignature other = impostor.Request(6, 8).note.signatures[0];
  const std::string good = next.Serialize();
  std::string many = good;
  for (int i = 0; i < 64; ++i) many.insert(6, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
  const Hash wrong = ledger::Sha256("other");
  struct Case {
    std::string clause;
    std::string body;
    int status;
  };
  const std::vector<Case> cases = {
      // "The request body MUST be a sequence of an old size line, ..."
      {"nothing", "", 400},
      {"no old line", good.substr(6), 400},
      {"two spaces after old", "old  6" + good.substr(5), 400},
      {"old size with a leading zero", "old 06" + good.substr(5), 400},
      {"old size with a sign", "old +6" + good.substr(5), 400},
      {"old size past 64 bits", "old 18446744073709551616" + good.substr(5), 400},
      {"lines end in newline alone", "old 6\r" + good.substr(5), 400},
      {"proof is not base64", "old 6\n!\n\n" + log_.Checkpoint(8).Serialize(), 400},
      {"a proof line is a hash", "old 6\nAAAA\n\n" + log_.Checkpoint(8).Serialize(), 400},
      {"64 proof lines", many, 400},
      {"no empty line", "old 6\n", 400},
      {"no signature", "old 6\n\nlog.example/p/1\n8\n", 400},
      {"checkpoint without a root", "old 6\n\nlog.example/p/1\n8\n\n" + next.note.signatures[0].ToLine(), 400},
      // "If the checkpoint origin is unknown, ... 404": before signatures and sizes are looked at.
      {"unknown origin", stranger.Request(0, 3).Serialize(), 404},
      {"unknown origin, known key", with(next, [](AddCheckpoint& r) { r.note.text.replace(0, 13, "log.example/x"); }), 404},
      {"unknown origin, old size past the size", with(stranger.Request(0, 3), [](AddCheckpoint& r) { r.old_size = 9; }), 404},
      // "403 ... if either no signature from a trusted key for the origin is present, or a signature line's key name and ID match a
      // trusted key but the signature itself fails to verify"
      {"another key for the origin", impostor.Request(6, 8).Serialize(), 403},
      {"the signature does not verify", with(next, [](AddCheckpoint& r) { r.note.signatures[0].signature[3] ^= 1; }), 403},
      {"one right, one wrong of the same key", with(next,
                                                    [](AddCheckpoint& r) {
                                                      r.note.signatures.push_back(r.note.signatures[0]);
                                                      r.note.signatures[1].signature[3] ^= 1;
                                                    }),
       403},
      {"403 before 400", with(impostor.Request(0, 6), [](AddCheckpoint& r) { r.old_size = 8; }), 403},
      {"403 before 409", impostor.Request(5, 8).Serialize(), 403},
      // "The old size MUST be equal to or lower than the checkpoint size. Otherwise ... 400"
      {"old size past the size", with(log_.Request(6, 6), [](AddCheckpoint& r) { r.old_size = 8; }), 400},
      // "If it doesn't match, ... 409"
      {"old size is not the last", log_.Request(5, 8).Serialize(), 409},
      {"old size zero", log_.Request(0, 8).Serialize(), 409},
      {"a smaller checkpoint", log_.Request(3, 5).Serialize(), 409},
      {"409 before 422", with(log_.Request(5, 8), [](AddCheckpoint& r) { r.proof.clear(); }), 409},
      // "if a Merkle Consistency Proof doesn't verify, ... 422"
      {"root of no tree", with(next, [&](AddCheckpoint& r) { r.note = log_.CheckpointOf(8, wrong); }), 422},
      {"proof cut", with(next, [](AddCheckpoint& r) { r.proof.pop_back(); }), 422},
      {"proof with one more hash", with(next, [&](AddCheckpoint& r) { r.proof.push_back(wrong); }), 422},
      // "If the old size matches the checkpoint size, ... root hashes are also identical. If they don't match, ... 422"
      {"same size, other root", with(log_.Request(6, 6), [&](AddCheckpoint& r) { r.note = log_.CheckpointOf(6, wrong); }), 422},
      {"same size, a proof", with(log_.Request(6, 6), [&](AddCheckpoint& r) { r.proof.push_back(wrong); }), 422},
      // "it MUST ignore signatures from unknown keys"; "MAY include multiple signatures"
      {"an unknown key beside the log's", with(next, [&](AddCheckpoint& r) { r.note.signatures.insert(r.note.signatures.begin(), other); }), 200},
  };
  for (const auto& [clause, body, status] : cases) {
    const rpc::HttpResponse response = Post(body);
    EXPECT_EQ(response.status, status) << clause << ": " << response.body;
    if (status != 409) continue;
    EXPECT_EQ(response.body, "6\n") << clause;
    EXPECT_EQ(response.headers, (std::vector<std::pair<std::string, std::string>>{{"content-type", "text/x.tlog.size"}}));
  }
  // The last one alone changed anything; the same again is cosigned again.
  EXPECT_EQ(Post(log_.Request(8, 8)).status, 200);
}

TEST_F(WitnessOf, NeverCosignedMeansSizeZero) {
  const rpc::HttpResponse response = Post(log_.Request(3, 5));
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.body, "0\n");
}

// "algorithm as the note key says", and a log whose origin is not its key's name.
TEST_F(WitnessOf, ServesLogsOfOtherKindsOfKeys) {
  const std::unique_ptr<ledger::Signer> ecdsa =
      ledger::SignerFromPem(ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ECDSA_P256_SHA256).value()).value();
  const NoteVerifier ecdsa_key = NoteVerifier::Create("sum.example", ledger::kNoteEcdsa, ecdsa->public_key().der()).value();
  const std::unique_ptr<ledger::Signer> cosigner = NewSigner();
  const NoteVerifier cosigner_key =
      NoteVerifier::Create("tlog.example", ledger::kNoteCosignatureV1, cosigner->public_key().ed25519()).value();
  // A key of ML-DSA-44, which is left out and leaves the others as they are.
  const std::string unsupported = "pq.example+00000000+BgAA";
  WriteLogs("# a list\nlogs/v0\n\nvkey " + ecdsa_key.ToString() + "\norigin sum database tree\nqpd 86400\ncontact somebody\n\nvkey " +
            unsupported + "\norigin pq tree\n\nvkey " + cosigner_key.ToString() + "\norigin none\nbastion none\n");
  const Hash root = TestLog::Subtree(0, 3);
  Note note{ledger::Checkpoint{"sum database tree", 3, root}.Serialize(), {}};
  note.signatures.push_back({ecdsa_key.name(), ecdsa_key.key_id(), ecdsa->Sign(note.text).value()});
  EXPECT_EQ(Post(AddCheckpoint{0, {}, note}).status, 200);
  EXPECT_EQ(Get("sum database tree").status, 200);
  note = {ledger::Checkpoint{"tlog.example", 3, root}.Serialize(), {}};
  const absl::Time time = absl::FromUnixSeconds(1'700'000'000);
  note.signatures.push_back(
      ledger::CosignatureV1(cosigner_key, time, cosigner->Sign(ledger::CosignatureMessage(time, note.text)).value()));
  EXPECT_EQ(Post(AddCheckpoint{0, {}, note}).status, 200);
  note.signatures[0].signature[20] ^= 1;
  EXPECT_EQ(Post(AddCheckpoint{3, {}, note}).status, 403);
  note.text.replace(0, 12, "pq tree     ");
  EXPECT_EQ(Post(AddCheckpoint{0, {}, note}).status, 404);
}

// "it MUST include the cosignature(s) ... that were returned from add-checkpoint", also after a start.
TEST_F(WitnessOf, MonitorsReadTheVeryCosignatureThatWasReturned) {
  const rpc::HttpResponse response = Post(log_.Request(0, 6));
  EXPECT_EQ(Get(log_.origin).body, log_.Checkpoint(6).Serialize() + response.body);
  clock_.Advance(absl::Hours(1));
  Start();
  EXPECT_EQ(Get(log_.origin).body, log_.Checkpoint(6).Serialize() + response.body);
}

TEST_F(WitnessOf, CosignsAnewWhatDidNotGrow) {
  const std::string first = Post(log_.Request(0, 6)).body;
  clock_.Advance(absl::Hours(1));
  const rpc::HttpResponse again = Post(log_.Request(6, 6));
  EXPECT_EQ(again.status, 200);
  EXPECT_NE(again.body, first);
  EXPECT_EQ(Get(log_.origin).body, log_.Checkpoint(6).Serialize() + again.body);
}

TEST_F(WitnessOf, EmptyTreeHasTheEmptyRootAndNoProof) {
  AddCheckpoint wrong{0, {}, log_.CheckpointOf(0, ledger::Sha256("x"))};
  EXPECT_EQ(Post(wrong).status, 422);
  AddCheckpoint with_proof{0, {ledger::Sha256("x")}, log_.Checkpoint(3)};
  EXPECT_EQ(Post(with_proof).status, 422);
  AddCheckpoint empty{0, {}, log_.CheckpointOf(0, ledger::EmptyRoot())};
  EXPECT_EQ(Post(empty).status, 200);
  EXPECT_EQ(Post(log_.Request(0, 3)).status, 200);
}

TEST_F(WitnessOf, SignaturesOfOthersAreIgnoredAndNotKept) {
  AddCheckpoint request = log_.Request(0, 3);
  request.note.signatures.push_back({"stranger", 7, "signature"});
  EXPECT_EQ(Post(request).status, 200);
  EXPECT_THAT(Get(log_.origin).body, ::testing::Not(::testing::HasSubstr("stranger")));
}

TEST_F(WitnessOf, RemembersAcrossAStart) {
  ASSERT_EQ(Post(log_.Request(0, 6)).status, 200);
  Start();
  EXPECT_EQ(Post(log_.Request(0, 8)).body, "6\n");
  EXPECT_TRUE(ledger::VerifyCosignature(Note::Parse(Get(log_.origin).body).value(), witness_->key()).ok());
  EXPECT_EQ(Post(log_.Request(6, 8)).status, 200);
}

TEST_F(WitnessOf, DamagedStateStopsTheStart) {
  ASSERT_EQ(Post(log_.Request(0, 6)).status, 200);
  witness_.reset();
  for (const auto& file : std::filesystem::directory_iterator(directory_.Join("state")))
    if (file.path().filename() != "lock") std::ofstream(file.path()) << "damaged";
  EXPECT_EQ(TryStart().code(), absl::StatusCode::kDataLoss);
}

TEST_F(WitnessOf, StateThatCannotBeStoredIsNotCosigned) {
  ASSERT_EQ(Post(log_.Request(0, 6)).status, 200);
  std::filesystem::path state;
  for (const auto& file : std::filesystem::directory_iterator(directory_.Join("state")))
    if (file.path().filename() != "lock") state = file.path();
  std::filesystem::create_directory(state.string() + ".new");
  EXPECT_EQ(Post(log_.Request(6, 8)).status, 500);
  std::filesystem::remove(state.string() + ".new");
  EXPECT_EQ(Post(log_.Request(6, 8)).status, 200);
}

TEST_F(WitnessOf, MonitorReadsTheLastCosignedCheckpoint) {
  EXPECT_EQ(Get(log_.origin).status, 404);
  ASSERT_EQ(Post(log_.Request(0, 6)).status, 200);
  const rpc::HttpResponse response = Get(log_.origin);
  EXPECT_EQ(response.status, 200);
  const Note note = Note::Parse(response.body).value();
  EXPECT_EQ(ledger::OpenCheckpoint(note, log_.key)->size, 6u);
  EXPECT_TRUE(ledger::VerifyCosignature(note, witness_->key()).ok());
}

TEST_F(WitnessOf, NewLogIsKnownOnceItsLineIsThere) {
  TestLog second("log.example/p/2");
  EXPECT_EQ(Post(second.Request(0, 3)).status, 404);
  WriteLogs(log_.key.ToString() + "\n# admitted later\nlog " + second.key.ToString() + " https://log.example/\nquorum none\n");
  EXPECT_EQ(Post(second.Request(0, 3)).status, 200);
  // A file that became wrong changes nothing.
  WriteLogs("nonsense\n");
  EXPECT_EQ(Post(second.Request(3, 4)).status, 200);
  WriteLogs(log_.key.ToString() + "\n");
  EXPECT_EQ(Post(second.Request(4, 5)).status, 404);
}

TEST_F(WitnessOf, RacingRequestsLeaveOneHistory) {
  ASSERT_EQ(Post(log_.Request(0, 1)).status, 200);
  std::vector<std::thread> threads;
  std::atomic<int> cosigned = 0;
  for (std::uint64_t i = 0; i < 8; ++i)
    threads.emplace_back([this, i, &cosigned] {
      if (Post(log_.Request(1, 2 + i)).status == 200) ++cosigned;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cosigned, 1);
}

TEST_F(WitnessOf, VectorOfAnotherImplementationIsCosigned) {
  std::ifstream file("tests/vectors/cosigned-proof.json");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  rapidjson::Document document;
  document.Parse(text.c_str());
  WriteLogs(std::string(document["log_vkey"].GetString()) + "\n");
  const std::string body = document["add_checkpoint_request"].GetString();
  const AddCheckpoint request = AddCheckpoint::Parse(body).value();
  EXPECT_EQ(request.Serialize(), body);
  // Its state: the same log at size 6. Only its text is read.
  ledger::CompactRange range;
  for (const auto& leaf : document["leaves_hex"].GetArray()) {
    if (range.size() == request.old_size) break;
    std::string bytes;
    const std::string hex = leaf.GetString();
    for (std::size_t i = 0; i < hex.size(); i += 2) bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    range.Append(ledger::LeafHash(bytes));
  }
  witness_.reset();
  {
    const auto state = StateDirectory::Open(directory_.Join("state")).value();
    std::string name;
    for (const std::uint8_t byte : ledger::Sha256("monkeys")) {
      char digits[3];
      std::snprintf(digits, sizeof digits, "%02x", byte);
      name += digits;
    }
    const Note note{Checkpoint{"monkeys", 6, range.Root()}.Serialize(), request.note.signatures};
    ASSERT_TRUE(state->Write(name, note.Serialize()).ok());
  }
  Start();
  const rpc::HttpResponse response = Post(body);
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_TRUE(Cosigns(response, request.note));
}

TEST_F(WitnessOf, OtherPathsAndMethodsAreRefused) {
  rpc::HttpRequest request;
  request.method = "GET";
  request.path = "/add-checkpoint";
  EXPECT_EQ(witness_->Handle(request).status, 405);
  request.path = "/";
  EXPECT_EQ(witness_->Handle(request).status, 404);
}

}  // namespace
}  // namespace custodian::node
