#include "ledger/sealed_items.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ledger/entry.h"
#include "ledger/sealed_reader.h"

namespace custodian::ledger {
namespace {

constexpr char kCustodian[] = "spiffe://custodian.example/custodian/serve";

std::string Sha(std::string_view bytes) { return std::string(AsBytes(Sha256(bytes))); }
std::string Id(char c) { return std::string(16, c); }

v1::Entry Records() {
  v1::Entry entry;
  entry.set_author(kCustodian);
  entry.set_kind(v1::KIND_RECORD_STORED);
  entry.set_subject(Id('p'));
  for (const char c : {'a', 'b'}) {
    entry.add_record_sha256(Sha(std::string(1, c)));
    entry.mutable_record_stored()->add_record_id(Id(c));
    entry.mutable_record_stored()->add_version(c == 'a' ? 1 : 7);
  }
  entry.mutable_record_stored()->add_deleted(1);
  return entry;
}

TEST(SealedItems, AnEntryNamesItsRecordsInOrder) {
  const std::vector<SealedName> names = SealedNamesOf(Records(), 17, kCustodian);
  ASSERT_EQ(names.size(), 2u);
  EXPECT_EQ(names[1].index, 17u);
  EXPECT_EQ(names[1].ordinal, 1u);
  EXPECT_EQ(names[1].id, Id('b'));
  EXPECT_EQ(names[1].version, 7u);
  EXPECT_EQ(names[1].patient_id, Id('p'));
  EXPECT_TRUE(names[1].deleted);
  EXPECT_FALSE(names[0].deleted);
  // What others sign says nothing of what the custodian keeps.
  EXPECT_TRUE(SealedNamesOf(Records(), 17, "spiffe://custodian.example/tenant/1/node/x").empty());
}

TEST(SealedItems, AShardLiesInItselfAndAPatientsKeyInItsShard) {
  v1::Entry entry;
  entry.set_author(kCustodian);
  v1::KeyStored& stored = *entry.mutable_key_stored();
  stored.set_what("shard");
  stored.set_key_id(Id('s'));
  stored.set_epoch(3);
  ASSERT_EQ(SealedNamesOf(entry, 0, kCustodian).size(), 1u);
  EXPECT_EQ(SealedNamesOf(entry, 0, kCustodian).front().shard_id, Id('s'));
  stored.set_what("patient");
  // The id becomes the name of a file, in hex.
  stored.set_shard_id("../../etc/passwd");
  ASSERT_EQ(SealedNamesOf(entry, 0, kCustodian).size(), 1u);
  stored.set_shard_id("short");
  EXPECT_TRUE(SealedNamesOf(entry, 0, kCustodian).empty());
  stored.set_what("locator");
  EXPECT_TRUE(SealedNamesOf(entry, 0, kCustodian).empty());
}

TEST(SealedItems, OnlyTheVeryBytesOfTheVerySubjectAreTheItem) {
  const SealedName name = SealedNamesOf(Records(), 17, kCustodian).front();
  v1::SealedItem item;
  item.set_index(17);
  item.set_sealed("a");
  item.set_patient_id(Id('p'));
  EXPECT_TRUE(CheckSealed(name, item).ok());
  v1::SealedItem other = item;
  other.set_sealed("b");
  EXPECT_TRUE(absl::IsDataLoss(CheckSealed(name, other)));
  other = item;
  other.set_patient_id(Id('q'));
  EXPECT_TRUE(absl::IsDataLoss(CheckSealed(name, other)));
  other = item;
  other.set_ordinal(1);
  EXPECT_TRUE(absl::IsDataLoss(CheckSealed(name, other)));
  // Of many patients: the entry has no subject.
  SealedName of_many = name;
  of_many.patient_id.clear();
  other = item;
  other.set_patient_id(Id('q'));
  EXPECT_TRUE(CheckSealed(of_many, other).ok());
  other.set_patient_id("q");
  EXPECT_TRUE(absl::IsDataLoss(CheckSealed(of_many, other)));
}

TEST(SealedItems, APositionIsWrittenInOneWay) {
  const auto path = SealedPath::Parse("sealed/17/4294967295");
  ASSERT_TRUE(path.ok());
  EXPECT_EQ(path->ToString(), "sealed/17/4294967295");
  for (const char* wrong : {"sealed/", "sealed/1", "sealed/1/", "sealed/01/0", "sealed/1/00", "sealed/-1/0", "sealed/1/4294967296", "sealed/1/0/0", "tile/1/0",
                            "sealed/18446744073709551616/0"})
    EXPECT_TRUE(absl::IsInvalidArgument(SealedPath::Parse(wrong).status())) << wrong;
}

TEST(SealedReader, AsksOnceForAPageAndNotForWhatItSaysIsNotThere) {
  std::vector<std::string> asked;
  SealedReader reader([&asked](const std::string& path) -> absl::StatusOr<std::string> {
    asked.push_back(path);
    v1::SealedPage page;
    for (const std::uint32_t ordinal : {0u, 2u}) {
      page.add_items()->set_index(5);
      page.mutable_items()->rbegin()->set_ordinal(ordinal);
    }
    page.set_next_index(9);
    return page.SerializeAsString();
  });
  EXPECT_TRUE(reader.Fetch(5, 0).value().has_value());
  EXPECT_FALSE(reader.Fetch(5, 1).value().has_value());
  EXPECT_TRUE(reader.Fetch(5, 2).value().has_value());
  EXPECT_FALSE(reader.Fetch(8, 0).value().has_value());
  EXPECT_EQ(asked, std::vector<std::string>{"sealed/5/0"});
  // A page that ends where it begins is none: nobody is led round in circles.
  EXPECT_TRUE(absl::IsFailedPrecondition(reader.Fetch(9, 0).status()));
  EXPECT_EQ(asked.size(), 2u);
}

TEST(SealedReader, TellsWhoHandsOverNothingFromWhoIsAway) {
  absl::Status answer;
  SealedReader reader([&answer](const std::string&) -> absl::StatusOr<std::string> { return answer; });
  for (const absl::Status& refused : {absl::NotFoundError(""), absl::PermissionDeniedError("")}) {
    answer = refused;
    EXPECT_TRUE(absl::IsFailedPrecondition(reader.Fetch(0, 0).status()));
  }
  answer = absl::UnavailableError("");
  EXPECT_TRUE(absl::IsUnavailable(reader.Fetch(0, 0).status()));
}

}  // namespace
}  // namespace custodian::ledger
