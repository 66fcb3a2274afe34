#include "services/node/sealed_mirror.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <climits>
#include <filesystem>
#include <fstream>

#include "ledger/tiles.h"
#include "tests/support/served_log.h"
#include "tests/support/temporary_directory.h"

namespace custodian::node {
namespace {

using ::testing::HasSubstr;
using ledger::SealedPath;
using ledger::v1::SealedItem;
using Position = std::pair<std::uint64_t, std::uint32_t>;

constexpr char kOrigin[] = "custodian.example/p/00000000000000bb";

std::string Id(std::uint64_t number) {
  std::string id(16, '\0');
  for (int i = 0; i < 8; ++i) id[static_cast<std::size_t>(i)] = static_cast<char>(number >> (8 * i));
  return id;
}
std::string Sha256(const std::string& bytes) { return std::string(ledger::AsBytes(ledger::Sha256(bytes))); }

// A log whose entries name records and keys, and a custodian that holds them.
class SealedMirrorOf : public ::testing::Test {
 protected:
  void AddRecords(const std::vector<std::string>& sealed) {
    ledger::v1::Entry entry = log_.NewEntry(ledger::v1::KIND_RECORD_STORED);
    entry.set_subject(Id(7));
    for (std::size_t i = 0; i < sealed.size(); ++i) {
      entry.add_record_sha256(Sha256(sealed[i]));
      entry.mutable_record_stored()->add_record_id(Id(++records_));
      entry.mutable_record_stored()->add_version(1);
      SealedItem& item = held_[{log_.leaves.size(), static_cast<std::uint32_t>(i)}];
      item.set_sealed(sealed[i]);
      item.set_patient_id(Id(7));
    }
    log_.Add({entry}, *author_);
  }
  // The key store keeps the newest form alone.
  void AddKey(const std::string& what, std::uint64_t id, std::uint64_t shard, std::uint64_t epoch, const std::string& wrapped) {
    ledger::v1::Entry entry = log_.NewEntry(ledger::v1::KIND_KEY_STORED);
    ledger::v1::KeyStored& stored = *entry.mutable_key_stored();
    stored.set_what(what);
    stored.set_key_id(Id(id));
    stored.set_wrapped_sha256(Sha256(wrapped));
    if (what == "patient") stored.set_shard_id(Id(shard));
    stored.set_epoch(epoch);
    if (const auto older = keys_.find({what, id}); older != keys_.end()) held_.erase(older->second);
    keys_[{what, id}] = {log_.leaves.size(), 0};
    held_[{log_.leaves.size(), 0}].set_sealed(wrapped);
    log_.Add({entry}, *author_);
  }
  void AddOthers(int count) {
    for (int i = 0; i < count; ++i) log_.Add({log_.NewEntry(ledger::v1::KIND_ORDER_CHECKED)}, *author_);
  }

  SealedLog Log() {
    return {kOrigin, testing::kCustodian, [this] { return log_.leaves.size(); }, [this](const std::string& path) -> absl::StatusOr<std::string> {
              const auto tile = ledger::TilePath::Parse(path);
              if (!tile.ok()) return tile.status();
              return ledger::EncodeBundle(std::span(log_.leaves).subspan(tile->first(), tile->width));
            }};
  }
  // A page of `page_items_` items.
  absl::StatusOr<std::string> Serve(const std::string& path) {
    if (reads_++ >= fail_at_) return absl::UnavailableError("the line is down");
    const auto from = SealedPath::Parse(path);
    if (!from.ok()) return from.status();
    ledger::v1::SealedPage page;
    page.set_next_index(log_.leaves.size());
    for (auto item = held_.lower_bound({from->index, from->ordinal}); item != held_.end(); ++item) {
      if (page.items_size() == page_items_) {
        page.set_next_index(item->first.first);
        page.set_next_ordinal(item->first.second);
        break;
      }
      SealedItem& out = *page.add_items();
      out = item->second;
      out.set_index(item->first.first);
      out.set_ordinal(item->first.second);
    }
    return page.SerializeAsString();
  }
  absl::Status Step() {
    now_ += absl::Minutes(2);
    return mirror_->Step([this](const std::string& path) { return Serve(path); }, now_, stopped_);
  }
  void Start(SealedMirror::Options options = {}) {
    mirror_.reset();
    auto copy = SealedCopy::Open(directory_.Join("sealed"));
    ASSERT_TRUE(copy.ok()) << copy.status();
    mirror_ = std::make_unique<SealedMirror>(Log(), *std::move(copy), options);
  }
  // Everything that the mirror hands back, by position.
  std::map<Position, std::string> HandedBack() {
    std::map<Position, std::string> items;
    SealedPath from;
    while (from.index < log_.leaves.size()) {
      const auto bytes = mirror_->Page(from);
      EXPECT_TRUE(bytes.ok()) << bytes.status();
      ledger::v1::SealedPage page;
      EXPECT_TRUE(page.ParseFromString(*bytes));
      for (const SealedItem& item : page.items()) items[{item.index(), item.ordinal()}] = item.sealed();
      if (page.next_index() == from.index && page.next_ordinal() <= from.ordinal) break;
      from = {page.next_index(), page.next_ordinal()};
    }
    return items;
  }
  std::map<Position, std::string> Held() const {
    std::map<Position, std::string> items;
    for (const auto& [position, item] : held_) items[position] = item.sealed();
    return items;
  }
  void AddSome() {
    AddKey("shard", 1, 1, 1, "wrapped shard one");
    AddKey("patient", 10, 1, 1, "wrapped patient ten");
    AddRecords({"first", "second", "third"});
    AddOthers(300);
    AddRecords({"fourth"});
    AddKey("patient", 11, 1, 1, "wrapped patient eleven");
    AddRecords({std::string(100'000, 'x'), "sixth"});
  }

  testing::TemporaryDirectory directory_;
  std::unique_ptr<ledger::Signer> author_ = testing::NewSigner();
  testing::ServedLog log_{kOrigin};
  std::map<Position, SealedItem> held_;
  std::map<std::pair<std::string, std::uint64_t>, Position> keys_;
  std::uint64_t records_ = 100;
  int page_items_ = 2;
  int reads_ = 0;
  int fail_at_ = INT_MAX;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::atomic<bool> stopped_ = false;
  std::unique_ptr<SealedMirror> mirror_;
};

TEST_F(SealedMirrorOf, KeepsWhatTheEntriesNameAndHandsItBack) {
  AddSome();
  Start();
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(HandedBack(), Held());
  EXPECT_EQ(mirror_->figures().named, 9u);
  EXPECT_EQ(mirror_->figures().missing, 0u);
  // It goes on with the log, and asks for nothing twice.
  AddRecords({"later"});
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(HandedBack(), Held());
  const int reads = reads_;
  ASSERT_TRUE(Step().ok());
  Start();
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(reads_, reads);
  EXPECT_EQ(HandedBack(), Held());
  EXPECT_EQ(mirror_->figures().named, 10u);
}

TEST_F(SealedMirrorOf, GoesOnWhereItWasInterrupted) {
  AddSome();
  for (int fail_at = 0;; ++fail_at) {
    reads_ = 0;
    fail_at_ = fail_at;
    Start();
    if (Step().ok()) break;
    ASSERT_LT(fail_at, 20);
  }
  fail_at_ = 0;
  Start();
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(HandedBack(), Held());
}

TEST_F(SealedMirrorOf, WhatIsWithheldIsNoticedAndTakenOnceItIsThere) {
  AddSome();
  const SealedItem withheld = held_.at({2, 1});
  held_.erase({2, 1});
  Start();
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(mirror_->figures().missing, 1u);
  EXPECT_EQ(mirror_->figures().altered, 0u);
  EXPECT_THAT(mirror_->StatusJson(), HasSubstr("\"missing\":1,\"altered\":0,\"first\":\"leaf 2, record 1 of it: not handed over\""));
  EXPECT_EQ(HandedBack(), Held());
  // A start forgets nothing of it.
  Start();
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(mirror_->figures().missing, 1u);
  held_[{2, 1}] = withheld;
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(mirror_->figures().missing, 0u);
  EXPECT_EQ(HandedBack(), Held());
}

TEST_F(SealedMirrorOf, WhatWasAlteredIsRefused) {
  AddSome();
  const std::map<Position, SealedItem> sound = held_;
  held_.at({2, 0}).set_sealed("fir5t");
  held_.at({1, 0}).set_sealed("wrapped patient TEN");
  // Another patient's.
  held_.at({2, 2}).set_patient_id(Id(8));
  Start();
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(mirror_->figures().missing, 3u);
  EXPECT_EQ(mirror_->figures().altered, 3u);
  EXPECT_THAT(mirror_->figures().first, HasSubstr("leaf 1, the wrapped key: not the bytes"));
  held_ = sound;
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(HandedBack(), Held());
}

TEST_F(SealedMirrorOf, ACustodianThatHandsOverNothingIsNoticed) {
  AddSome();
  Start();
  const auto refuse = [](const std::string&) { return absl::NotFoundError("not a resource of a log"); };
  EXPECT_TRUE(absl::IsFailedPrecondition(mirror_->Step(refuse, now_, stopped_)));
  EXPECT_THAT(mirror_->StatusJson(), HasSubstr("\"first\":\"nothing is handed over\""));
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(HandedBack(), Held());
}

TEST_F(SealedMirrorOf, DamagedFilesAreMendedAtTheNextStart) {
  AddSome();
  Start();
  ASSERT_TRUE(Step().ok());
  mirror_.reset();
  std::vector<std::string> files;
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory_.Join("sealed")))
    if (file.is_regular_file()) files.push_back(file.path());
  ASSERT_EQ(files.size(), 3u);
  for (const std::string& file : files) {
    const auto size = std::filesystem::file_size(file);
    for (const bool cut : {true, false}) {
      if (cut) {
        std::filesystem::resize_file(file, size - 3);
      } else {
        std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
        bytes.seekp(static_cast<std::streamoff>(size / 2));
        bytes.put('\x7f');
      }
      Start();
      ASSERT_TRUE(Step().ok());
      EXPECT_EQ(mirror_->figures().missing, 0u) << file;
      EXPECT_EQ(HandedBack(), Held()) << file;
    }
  }
}

TEST_F(SealedMirrorOf, AResealedKeyTakesThePlaceOfTheOlderForm) {
  AddSome();
  Start();
  ASSERT_TRUE(Step().ok());
  AddKey("shard", 1, 1, 2, "wrapped shard one again");
  AddKey("patient", 10, 1, 2, "wrapped patient ten again");
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(HandedBack(), Held());
  // A mirror that begins now is given the newest forms alone, and misses nothing.
  std::filesystem::remove_all(directory_.Join("sealed"));
  Start();
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(mirror_->figures().missing, 0u);
  EXPECT_EQ(HandedBack(), Held());
  std::string on_disk;
  for (const auto& file : std::filesystem::directory_iterator(directory_.Join("sealed/keys"))) {
    std::ifstream bytes(file.path(), std::ios::binary);
    on_disk.append(std::istreambuf_iterator<char>(bytes), {});
  }
  // The older form was a prefix of it, and lies nowhere any more.
  EXPECT_EQ(on_disk.find("wrapped shard one"), on_disk.find("wrapped shard one again"));
  EXPECT_EQ(on_disk.rfind("wrapped shard one"), on_disk.find("wrapped shard one again"));
  // The patient that was not resealed was erased: nothing leads to its key once earlier epochs are told to leave.
  EXPECT_THAT(on_disk, HasSubstr("wrapped patient eleven"));
  Start({.keys_from_epoch = 2});
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(mirror_->figures().missing, 0u);
  auto left = Held();
  left.erase(keys_.at({"patient", 11}));
  EXPECT_EQ(HandedBack(), left);
}

TEST_F(SealedMirrorOf, TooMuchThatIsWithheldHoldsTheWalkAndNotTheMemory) {
  for (int i = 0; i < 4; ++i) {
    AddRecords({"withheld"});
    AddOthers(255);
  }
  const std::map<Position, SealedItem> all = held_;
  held_.clear();
  Start({.gaps_max = 2});
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(mirror_->figures().missing, 2u);
  EXPECT_EQ(mirror_->figures().size, 512u);
  held_ = all;
  ASSERT_TRUE(Step().ok());
  ASSERT_TRUE(Step().ok());
  EXPECT_EQ(mirror_->figures().missing, 0u);
  EXPECT_EQ(HandedBack(), Held());
}

}  // namespace
}  // namespace custodian::node
