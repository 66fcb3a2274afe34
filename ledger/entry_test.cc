#include "ledger/entry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <utility>

namespace custodian::ledger {
namespace {

constexpr char kOrigin[] = "custodian.example/p/0123456789abcdef";

v1::Entry ValidEntry(std::uint64_t counter = 1) {
  v1::Entry entry;
  entry.set_origin(kOrigin);
  entry.set_kind(v1::KIND_ORDER_CHECKED);
  entry.set_author("spiffe://custodian.example/custodian/serve");
  entry.set_counter(counter);
  entry.mutable_time()->set_seconds(1'700'000'000);
  entry.set_idempotency_key(std::string(31, 'k') + static_cast<char>(counter));
  return entry;
}

std::unique_ptr<Signer> NewSigner(v1::SignatureAlgorithm algorithm = v1::SIGNATURE_ALGORITHM_ECDSA_P256_SHA256) {
  return SignerFromPem(NewPrivateKeyPem(algorithm).value()).value();
}

std::vector<std::string> Batch(std::uint64_t count) {
  std::vector<std::string> entries;
  for (std::uint64_t i = 1; i <= count; ++i) entries.push_back(ValidEntry(i).SerializeAsString());
  return entries;
}

TEST(Batch, EveryLeafOfEverySizeVerifies) {
  const std::unique_ptr<Signer> signer = NewSigner(v1::SIGNATURE_ALGORITHM_ED25519);
  for (const std::uint64_t size : {1, 2, 3, 4, 5, 7, 8, 9, 100}) {
    const absl::StatusOr<std::vector<std::string>> leaves = SignBatch(kOrigin, Batch(size), *signer);
    ASSERT_TRUE(leaves.ok()) << leaves.status();
    ASSERT_EQ(leaves->size(), size);
    for (std::uint64_t i = 0; i < size; ++i) {
      const absl::StatusOr<Leaf> leaf = ParseLeaf((*leaves)[i]);
      ASSERT_TRUE(leaf.ok()) << leaf.status();
      EXPECT_EQ(leaf->entry.counter(), i + 1);
      EXPECT_TRUE(VerifyLeafSignature(kOrigin, leaf->signed_entry, signer->public_key()).ok()) << i << " of " << size;
    }
  }
}

TEST(Batch, MessageIsAsTheDesignWritesIt) {
  EXPECT_EQ(AuthorBatchMessage("o", 3, EmptyRoot()),
            "custodian/author-batch/v1\no\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
}

TEST(Batch, AnyChangedFieldOfASignedEntryIsRefused) {
  const std::unique_ptr<Signer> signer = NewSigner();
  const std::vector<std::string> leaves = SignBatch(kOrigin, Batch(5), *signer).value();
  const Leaf leaf = ParseLeaf(leaves[2]).value();
  const std::vector<std::pair<std::string, std::function<void(v1::SignedEntry&)>>> changes = {
      {"entry", [](v1::SignedEntry& e) { e.mutable_entry_bytes()->back() ^= 1; }},
      {"key id", [](v1::SignedEntry& e) { e.mutable_key_id()->back() ^= 1; }},
      {"algorithm", [](v1::SignedEntry& e) { e.set_algorithm(v1::SIGNATURE_ALGORITHM_ED25519); }},
      {"path", [](v1::SignedEntry& e) { e.mutable_batch_path(0)->back() ^= 1; }},
      {"shorter path", [](v1::SignedEntry& e) { e.mutable_batch_path()->RemoveLast(); }},
      {"longer path", [](v1::SignedEntry& e) { e.add_batch_path(std::string(32, 'x')); }},
      {"signature", [](v1::SignedEntry& e) { e.mutable_signature()->back() ^= 1; }},
      {"index", [](v1::SignedEntry& e) { e.set_batch_index(3); }},
      {"size", [](v1::SignedEntry& e) { e.set_batch_size(6); }},
      {"no size", [](v1::SignedEntry& e) { e.set_batch_size(0); }},
  };
  for (const auto& [name, change] : changes) {
    v1::SignedEntry changed = leaf.signed_entry;
    change(changed);
    EXPECT_EQ(VerifyLeafSignature(kOrigin, changed, signer->public_key()).code(), absl::StatusCode::kUnauthenticated) << name;
  }
  EXPECT_EQ(VerifyLeafSignature("custodian.example/p/other", leaf.signed_entry, signer->public_key()).code(),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(VerifyLeafSignature(kOrigin, leaf.signed_entry, NewSigner()->public_key()).code(),
            absl::StatusCode::kUnauthenticated);
}

std::vector<Leaf> ParseAll(const std::vector<std::string>& leaves) {
  std::vector<Leaf> parsed;
  for (const std::string& leaf : leaves) parsed.push_back(ParseLeaf(leaf).value());
  return parsed;
}

TEST(WholeBatch, IsOneOfEverySize) {
  const std::unique_ptr<Signer> signer = NewSigner();
  for (const std::uint64_t size : {1, 2, 3, 4, 5, 7, 8, 9, 100}) {
    const absl::Status status = CheckWholeBatch(ParseAll(SignBatch(kOrigin, Batch(size), *signer).value()));
    EXPECT_TRUE(status.ok()) << size << " " << status;
  }
  EXPECT_FALSE(CheckWholeBatch({}).ok());
}

TEST(WholeBatch, WhateverIsChangedInOneLeafIsRefused) {
  const std::unique_ptr<Signer> signer = NewSigner();
  const std::vector<Leaf> whole = ParseAll(SignBatch(kOrigin, Batch(5), *signer).value());
  const std::vector<std::pair<std::string, std::function<void(Leaf&)>>> changes = {
      {"entry", [](Leaf& l) { l.signed_entry.mutable_entry_bytes()->back() ^= 1; }},
      {"author", [](Leaf& l) { l.entry.set_author("spiffe://other"); }},
      {"key id", [](Leaf& l) { l.signed_entry.mutable_key_id()->back() ^= 1; }},
      {"algorithm", [](Leaf& l) { l.signed_entry.set_algorithm(v1::SIGNATURE_ALGORITHM_ED25519); }},
      {"signature", [](Leaf& l) { l.signed_entry.mutable_signature()->back() ^= 1; }},
      {"index", [](Leaf& l) { l.signed_entry.set_batch_index(0); }},
      {"size", [](Leaf& l) { l.signed_entry.set_batch_size(6); }},
      {"path", [](Leaf& l) { l.signed_entry.mutable_batch_path(0)->back() ^= 1; }},
      {"shorter path", [](Leaf& l) { l.signed_entry.mutable_batch_path()->RemoveLast(); }},
      {"longer path", [](Leaf& l) { l.signed_entry.add_batch_path(std::string(32, 'x')); }},
      {"short hash", [](Leaf& l) { l.signed_entry.mutable_batch_path(0)->pop_back(); }},
  };
  for (const auto& [name, change] : changes) {
    std::vector<Leaf> changed = whole;
    change(changed[3]);
    EXPECT_FALSE(CheckWholeBatch(changed).ok()) << name;
  }
  EXPECT_FALSE(CheckWholeBatch(std::span(whole).first(4)).ok()) << "the last is missing";
  std::vector<Leaf> swapped = whole;
  std::swap(swapped[1], swapped[2]);
  EXPECT_FALSE(CheckWholeBatch(swapped).ok()) << "two are swapped";
}

TEST(Batch, LimitsAreRefused) {
  const std::unique_ptr<Signer> signer = NewSigner();
  EXPECT_FALSE(SignBatch(kOrigin, {}, *signer).ok());
  EXPECT_FALSE(SignBatch(kOrigin, std::vector<std::string>{""}, *signer).ok());
  EXPECT_TRUE(SignBatch(kOrigin, std::vector<std::string>(2, std::string(kEntryBytesMax, 'x')), *signer).ok());
  EXPECT_FALSE(SignBatch(kOrigin, std::vector<std::string>(1, std::string(kEntryBytesMax + 1, 'x')), *signer).ok());
  EXPECT_FALSE(SignBatch(kOrigin, std::vector<std::string>(kBatchEntriesMax + 1, "x"), *signer).ok());
  EXPECT_FALSE(ParseLeaf(std::string(kLeafBytesMax + 1, 'x')).ok());
}

absl::Status ParseOf(const v1::Entry& entry) {
  static const std::unique_ptr<Signer> signer = NewSigner();
  return ParseLeaf(SignBatch(kOrigin, std::vector<std::string>{entry.SerializeAsString()}, *signer).value()[0]).status();
}

TEST(ParseLeaf, NamesTheFaultOfAnEntry) {
  const std::vector<std::pair<std::string, std::function<void(v1::Entry&)>>> faults = {
      {"origin", [](v1::Entry& e) { e.clear_origin(); }},
      {"kind", [](v1::Entry& e) { e.set_kind(v1::KIND_UNSPECIFIED); }},
      {"kind", [](v1::Entry& e) { e.set_kind(static_cast<v1::Kind>(999)); }},
      {"author", [](v1::Entry& e) { e.clear_author(); }},
      {"counter", [](v1::Entry& e) { e.set_counter(0); }},
      {"time", [](v1::Entry& e) { e.clear_time(); }},
      {"milliseconds", [](v1::Entry& e) { e.mutable_time()->set_nanos(1); }},
      {"time", [](v1::Entry& e) { e.mutable_time()->set_seconds(INT64_MAX); }},
      {"idempotency_key", [](v1::Entry& e) { e.set_idempotency_key("short"); }},
      {"subject", [](v1::Entry& e) { e.set_subject("short"); }},
      {"record_sha256", [](v1::Entry& e) { e.add_record_sha256("short"); }},
      {"detail_commitment", [](v1::Entry& e) { e.set_detail_commitment("short"); }},
      {"come together", [](v1::Entry& e) { e.set_sealed_detail("sealed"); }},
      {"ANCHOR", [](v1::Entry& e) { e.set_kind(v1::KIND_ANCHOR); }},
      {"governance_root", [](v1::Entry& e) { e.set_kind(v1::KIND_ANCHOR), e.mutable_anchor()->set_governance_size(1); }},
      {"not of its kind", [](v1::Entry& e) { e.mutable_anchor()->set_governance_root(std::string(32, 'r')); }},
      {"money.side", [](v1::Entry& e) { e.mutable_money()->set_class_id("c"), e.mutable_money()->set_month("2026-03"); }},
      {"record_stored", [](v1::Entry& e) { e.set_kind(v1::KIND_RECORD_STORED), e.mutable_record_stored(); }},
      {"table_set.name",
       [](v1::Entry& e) { e.set_kind(v1::KIND_TABLE_SET), e.mutable_table_set()->set_name("Exam classes"); }},
      {"record_stored.deleted",
       [](v1::Entry& e) {
         e.set_kind(v1::KIND_RECORD_STORED);
         e.add_record_sha256(std::string(32, 'h'));
         e.mutable_record_stored()->add_record_id(std::string(16, 'r'));
         e.mutable_record_stored()->add_version(1);
         e.mutable_record_stored()->add_deleted(1);
       }},
      {"public_key",
       [](v1::Entry& e) { e.set_kind(v1::KIND_ROSTER_CHANGED), e.mutable_roster_changed()->set_author("spiffe://x/y"); }},
      {"wrapped_sha256",
       [](v1::Entry& e) {
         e.set_kind(v1::KIND_KEY_STORED), e.mutable_key_stored()->set_what("patient");
       }},
      {"key_stored.shard_id",
       [](v1::Entry& e) {
         e.set_kind(v1::KIND_KEY_STORED), e.mutable_key_stored()->set_what("patient");
         e.mutable_key_stored()->set_key_id(std::string(16, 'k')), e.mutable_key_stored()->set_wrapped_sha256(std::string(32, 'w'));
       }},
      {"row_sha256", [](v1::Entry& e) { e.add_row_sha256("short"); }},
      {"client_registered", [](v1::Entry& e) { e.set_kind(v1::KIND_CLIENT_REGISTERED), e.mutable_client_registered(); }},
      {"watermark", [](v1::Entry& e) { e.set_kind(v1::KIND_WATERMARK), e.mutable_watermark(); }},
  };
  EXPECT_TRUE(ParseOf(ValidEntry()).ok()) << ParseOf(ValidEntry());
  for (const auto& [name, break_it] : faults) {
    v1::Entry entry = ValidEntry();
    break_it(entry);
    const absl::Status status = ParseOf(entry);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(name));
  }
}

TEST(RowSha256, TellsTablesAndValuesApart) {
  const std::vector<std::string> values = {"ab", "c"};
  const std::vector<std::string> others = {"a", "bc"};
  EXPECT_EQ(RowSha256("t", values), RowSha256("t", values));
  EXPECT_NE(RowSha256("t", values), RowSha256("t", others));
  EXPECT_NE(RowSha256("t", values), RowSha256("u", values));
}

TEST(ParseLeaf, RefusesBytesThatAreNoLeaf) {
  EXPECT_FALSE(ParseLeaf("").ok());
  EXPECT_FALSE(ParseLeaf("\xff\xff\xff").ok());
  v1::SignedEntry leaf;
  leaf.set_entry_bytes("\xff\xff");
  leaf.set_key_id(std::string(32, 'k'));
  leaf.set_algorithm(v1::SIGNATURE_ALGORITHM_ED25519);
  leaf.set_signature("s");
  leaf.set_batch_size(1);
  EXPECT_EQ(ParseLeaf(leaf.SerializeAsString()).status().message(), "entry_bytes is not an Entry");
}

}  // namespace
}  // namespace custodian::ledger
