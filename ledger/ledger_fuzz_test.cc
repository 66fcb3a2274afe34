#include "ledger/ledger_fuzz.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "tests/support/mutations.h"

namespace custodian::ledger {
namespace {

using custodian::testing::FuzzCorpus;
using custodian::testing::Mutations;

constexpr char kNoteCharacters[] = "\n +/=0189AZaz.\xe2\x80\x94\xc2\xa0\xff\x01";
constexpr char kProtobufBytes[] = "\x08\x0a\x10\x12\x18\x1a\x20\x22\x28\x2a\x30\x38\x01\x02\x7f\x80\xff";

TEST(LedgerFuzz, NotesHold) { EXPECT_GE(FuzzCorpus("note", kNoteCharacters, 2000, FuzzNote), 10u); }
TEST(LedgerFuzz, CheckpointsHold) { EXPECT_GE(FuzzCorpus("checkpoint", kNoteCharacters, 1000, FuzzCheckpoint), 5u); }
TEST(LedgerFuzz, ReceiptsHold) { EXPECT_GE(FuzzCorpus("receipt", kNoteCharacters, 1000, FuzzReceipt), 5u); }
TEST(LedgerFuzz, PoliciesHold) { EXPECT_GE(FuzzCorpus("policy", "\n\t #0123allynowitqurmgp+", 1000, FuzzPolicy), 5u); }
TEST(LedgerFuzz, EntriesHold) { EXPECT_GE(FuzzCorpus("entry", kProtobufBytes, 1000, FuzzEntry), 14u); }
TEST(LedgerFuzz, MapProofsHold) { EXPECT_GE(FuzzCorpus("map-proof", std::string_view("\0\1\x80\xff", 4), 1000, FuzzMapProof), 8u); }
TEST(LedgerFuzz, SubjectListsHold) { EXPECT_GE(FuzzCorpus("subject-list", kNoteCharacters, 1000, FuzzSubjectList), 6u); }
TEST(LedgerFuzz, PromisesHold) { EXPECT_GE(FuzzCorpus("promise", kNoteCharacters, 1000, FuzzPromise), 4u); }
TEST(LedgerFuzz, BundlesHold) { EXPECT_GE(FuzzCorpus("bundle", std::string_view("\0\1\2\xff", 4), 400, FuzzBundle), 5u); }

TEST(LedgerFuzz, NoChangedSignatureVerifies) {
  EXPECT_GE(FuzzCorpus("cosignature", kNoteCharacters, 200, FuzzCosignature), 5u);
  // A bit of each byte of the known note.
  const std::size_t size = KnownLog::Get().checkpoint.Serialize().size();
  for (std::size_t at = 0; at < size; ++at) FuzzCosignature(std::string{static_cast<char>(at >> 8), static_cast<char>(at), static_cast<char>(1 << at % 8)});
}

TEST(LedgerFuzz, KnownLogIsBelieved) {
  const KnownLog& log = KnownLog::Get();
  ASSERT_TRUE(log.policy.VerifyWhole(log.checkpoint).ok());
  for (std::uint64_t index = 0; index < KnownLog::kSize; ++index) {
    EXPECT_TRUE(log.ReceiptOf(index).Verify(log.policy).ok());
    EXPECT_TRUE(VerifyLeafSignature(KnownLog::kOrigin, ParseLeaf(log.leaves[index])->signed_entry, log.author->public_key()).ok());
  }
}

TEST(LedgerFuzz, KnownPromisesAreBelieved) {
  for (const std::string& text : KnownPromises::Get().texts) EXPECT_TRUE(SignedPromise::Parse(text).value().Verify(KnownPromises::Get().governance).ok()) << text;
}

TEST(LedgerFuzz, KnownSubjectListsAreBelieved) {
  const KnownSubjectLog& log = KnownSubjectLog::Get();
  for (const char c : {'a', 'b', 'z'}) {
    const std::string subject(kSubjectBytes, c);
    EXPECT_TRUE(log.ListOf(subject, KnownSubjectLog::Of(subject)).Verify(log.policy).ok()) << c;
  }
}

// One leaf of each kind of clear content, signed by nobody.
std::map<std::string, std::string> UnsignedLeaves() {
  const std::string hash(32, 'h'), id(16, 'i');
  std::map<std::string, std::string> leaves;
  const auto add = [&](v1::Kind kind, const std::string& name, const auto& fill) {
    v1::Entry entry;
    entry.set_origin("o");
    entry.set_kind(kind);
    entry.set_author("a");
    entry.set_counter(1);
    entry.mutable_time()->set_nanos(1'000'000);
    entry.set_idempotency_key(hash);
    fill(entry);
    v1::SignedEntry leaf;
    leaf.set_entry_bytes(entry.SerializeAsString());
    leaf.set_key_id(hash);
    leaf.set_algorithm(v1::SIGNATURE_ALGORITHM_ED25519);
    leaf.set_signature("s");
    leaf.set_batch_size(1);
    leaves[name] = leaf.SerializeAsString();
  };
  add(v1::KIND_DISCLOSURE, "detail", [&](v1::Entry& entry) {
    entry.set_subject(id);
    entry.add_record_sha256(hash);
    entry.add_row_sha256(hash);
    entry.set_detail_commitment(hash);
    entry.set_sealed_detail("sealed");
    entry.set_reported(true);
  });
  add(v1::KIND_ANCHOR, "anchor", [&](v1::Entry& entry) {
    entry.mutable_anchor()->set_governance_size(7);
    entry.mutable_anchor()->set_governance_root(hash);
  });
  add(v1::KIND_TENANT_ADMITTED, "tenant-admitted", [](v1::Entry& entry) {
    auto& admitted = *entry.mutable_tenant_admitted();
    admitted.set_tenant_id("00000000000000aa");
    admitted.set_name("North");
    admitted.set_origin("o/p/1");
    admitted.set_log_vkey(KnownLog::Get().key.ToString());
  });
  add(v1::KIND_ROSTER_CHANGED, "roster-changed", [](v1::Entry& entry) {
    const PublicKey& key = KnownLog::Get().author->public_key();
    auto& change = *entry.mutable_roster_changed();
    change.set_author("spiffe://known.example/author");
    change.set_key_id(std::string(AsBytes(key.key_id())));
    change.set_algorithm(key.algorithm());
    change.set_public_key(key.der());
    change.add_origins("o");
    change.add_kinds(v1::KIND_ANCHOR);
    change.add_kinds(v1::KIND_DISCLOSURE);
    change.set_revoked(true);
  });
  add(v1::KIND_POLICY_SET, "policy-set", [](v1::Entry& entry) { entry.mutable_policy_set()->set_policy(KnownLog::Get().policy_text); });
  add(v1::KIND_TABLE_SET, "table-set", [](v1::Entry& entry) {
    entry.mutable_table_set()->set_name("prices");
    entry.mutable_table_set()->set_content("a,b\n");
  });
  add(v1::KIND_CLIENT_ACCESS_SET, "client-access", [](v1::Entry& entry) {
    entry.mutable_client_access()->set_client("spiffe://c");
    entry.mutable_client_access()->set_jwks_url("https://c");
    entry.mutable_client_access()->add_fhir_servers("https://f");
  });
  add(v1::KIND_WATERMARK, "watermark", [](v1::Entry& entry) { entry.mutable_watermark()->mutable_through()->set_seconds(1); });
  add(v1::KIND_FEED_GAP, "feed-gap", [](v1::Entry& entry) {
    entry.mutable_feed_gap()->mutable_from()->set_seconds(-1);
    entry.mutable_feed_gap()->mutable_to()->set_seconds(253'402'300'799);
  });
  add(v1::KIND_KEY_STORED, "key-stored", [&](v1::Entry& entry) {
    auto& stored = *entry.mutable_key_stored();
    stored.set_what("patient");
    stored.set_key_id(id);
    stored.set_shard_id(id);
    stored.set_wrapped_sha256(hash);
    stored.set_epoch(1);
  });
  add(v1::KIND_RECORD_STORED, "record-stored", [&](v1::Entry& entry) {
    for (const std::uint64_t version : {1, 2}) {
      entry.add_record_sha256(hash);
      entry.mutable_record_stored()->add_record_id(id);
      entry.mutable_record_stored()->add_version(version);
    }
    entry.mutable_record_stored()->add_deleted(1);
  });
  add(v1::KIND_SUBJECT_MAP, "subject-map", [&](v1::Entry& entry) {
    entry.mutable_subject_map()->set_size(7);
    entry.mutable_subject_map()->set_root(hash);
  });
  add(v1::KIND_CLIENT_REGISTERED, "client-registered", [](v1::Entry& entry) {
    entry.mutable_client_registered()->set_spiffe_id("spiffe://c");
    entry.mutable_client_registered()->set_role("ehr");
  });
  return leaves;
}

// By name below tests/fuzz/corpus.
std::map<std::string, std::string> MadeSeeds() {
  const KnownLog& log = KnownLog::Get();
  const std::string signed_note = log.checkpoint.Serialize();
  std::map<std::string, std::string> seeds = {
      {"note/known", signed_note},
      {"note/log-key", log.key.ToString()},
      {"note/witness-key", log.witnesses[0].ToString()},
      {"note/signature-line", signed_note.substr(signed_note.rfind("\xe2\x80\x94"), signed_note.size() - 1 - signed_note.rfind("\xe2\x80\x94"))},
      {"checkpoint/known", log.checkpoint.text},
      {"checkpoint/extension", log.checkpoint.text + "extension\nanother \n"},
      {"cosignature/known", signed_note},
      {"cosignature/stranger", signed_note + "\xe2\x80\x94 stranger.example AAAAAAA=\n"},
      {"cosignature/twice", signed_note + log.checkpoint.signatures[1].ToLine()},
      {"cosignature/log-only", log.checkpoint.text + "\n" + log.checkpoint.signatures[0].ToLine()},
      {"cosignature/extension", log.checkpoint.text + "extension\n" + signed_note.substr(log.checkpoint.text.size())},
      {"policy/known", log.policy_text},
      {"bundle/known", EncodeBundle(log.leaves).value()},
      {"bundle/wide", EncodeBundle(std::vector<std::string>(300)).value()},
  };
  for (const std::uint64_t index : {0, 3, 5}) seeds["receipt/known-" + std::to_string(index)] = log.ReceiptOf(index).Serialize();
  const std::vector<std::string>& promises = KnownPromises::Get().texts;
  for (std::size_t i = 0; i < promises.size(); ++i) seeds["promise/known-" + std::to_string(i)] = promises[i];
  const KnownSubjects& subjects = KnownSubjects::Get();
  for (const char c : {'a', 'b', 'g', 'p', 'q', 'r', 's', 'z'})
    seeds[std::string("map-proof/") + c] = ProveSubject(*subjects.pages, subjects.root, std::string(kSubjectBytes, c)).value().Serialize();
  const KnownSubjectLog& listed = KnownSubjectLog::Get();
  for (const char c : {'a', 'b', 'z'}) {
    const std::string subject(kSubjectBytes, c);
    seeds[std::string("subject-list/") + c] = listed.ListOf(subject, KnownSubjectLog::Of(subject)).Serialize();
  }
  // With one too few, one of another, and one that the map does not cover.
  const std::string subject(kSubjectBytes, 'a');
  seeds["subject-list/short"] = listed.ListOf(subject, {0, 4}).Serialize();
  seeds["subject-list/other"] = listed.ListOf(subject, {0, 1, 4}).Serialize();
  seeds["subject-list/late"] = listed.ListOf(subject, {0, 3, 6}).Serialize();
  for (const std::uint64_t index : {0, 2}) seeds["entry/known-" + std::to_string(index)] = log.leaves[index];
  for (const auto& [name, leaf] : UnsignedLeaves()) seeds["entry/" + name] = leaf;
  return seeds;
}

// What is signed in the corpus is what the code signs today; CUSTODIAN_WRITE_SEEDS=1 writes it anew.
TEST(LedgerFuzz, SeedsAreTheKnownLogs) {
  for (const auto& [name, bytes] : MadeSeeds()) {
    const std::filesystem::path path = "tests/fuzz/corpus/" + name;
    if (std::getenv("CUSTODIAN_WRITE_SEEDS") != nullptr) {  // NOLINT(concurrency-mt-unsafe): one thread
      std::filesystem::create_directories(path.parent_path());
      std::ofstream(path, std::ios::binary) << bytes;
    }
    std::ifstream file(path, std::ios::binary);
    EXPECT_EQ(std::string((std::istreambuf_iterator<char>(file)), {}), bytes) << path;
    if (name.starts_with("entry/")) {
      EXPECT_TRUE(ParseLeaf(bytes).ok()) << name << ": " << ParseLeaf(bytes).status();
    }
  }
}

}  // namespace
}  // namespace custodian::ledger
