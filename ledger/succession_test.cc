#include "ledger/succession.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/served_log.h"

namespace custodian::ledger {
namespace {

using custodian::testing::NewSigner;
using ::testing::HasSubstr;

constexpr char kOrigin[] = "custodian.example/p/00000000000000bb";
constexpr char kGovernance[] = "elsewhere.example/governance";

NoteVerifier KeyOf(const Signer& signer, const std::string& name) {
  return NoteVerifier::Create(name, kNoteEd25519, signer.public_key().ed25519()).value();
}

// A log of 17 entries whose key is the old custodian's.
class SuccessionOf : public ::testing::Test {
 protected:
  Succession New() const { return {KeyOf(*old_, kOrigin), KeyOf(*new_, kOrigin), KeyOf(*governance_, kGovernance), 17, root_}; }
  // From `from` to `to` at another size.
  static Succession Next(const Succession& before, const Signer& to, std::uint64_t size, const Hash& root) {
    return {before.to, KeyOf(to, kOrigin), before.governance, size, root};
  }

  std::unique_ptr<Signer> old_ = NewSigner();
  std::unique_ptr<Signer> new_ = NewSigner();
  std::unique_ptr<Signer> third_ = NewSigner();
  std::unique_ptr<Signer> governance_ = NewSigner();
  Hash root_ = Sha256("the root at 17");
};

TEST_F(SuccessionOf, ComesBackAsItWasSigned) {
  const auto bytes = SignSuccession(New(), *old_, *new_);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const auto opened = OpenSuccession(*bytes);
  ASSERT_TRUE(opened.ok()) << opened.status() << *bytes;
  EXPECT_EQ(opened->Text(), New().Text());
  EXPECT_EQ(opened->size, 17u);
  EXPECT_EQ(opened->root, root_);
  EXPECT_EQ(opened->governance.name(), kGovernance);
}

TEST_F(SuccessionOf, AnyChangedByteIsRefused) {
  const std::string good = SignSuccession(New(), *old_, *new_).value();
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string changed = good;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(OpenSuccession(changed).ok()) << at << "\n" << changed;
    EXPECT_FALSE(OpenSuccession(good.substr(0, at)).ok()) << at;
  }
}

TEST_F(SuccessionOf, NeedsBothKeysAndNoOther) {
  const Succession succession = New();
  EXPECT_FALSE(SignSuccession(succession, *third_, *new_).ok());
  EXPECT_FALSE(SignSuccession(succession, *old_, *third_).ok());
  const Note good = Note::Parse(SignSuccession(succession, *old_, *new_).value()).value();
  const auto with = [&](std::vector<NoteSignature> signatures) { return OpenSuccession(Note{good.text, std::move(signatures)}.Serialize()).status(); };
  ASSERT_TRUE(with(good.signatures).ok());
  const NoteSignature& by_old = good.signatures[0];
  const NoteSignature& by_new = good.signatures[1];
  // The old key alone would push a log on somebody; the new one alone would take it.
  EXPECT_FALSE(with({by_old}).ok());
  EXPECT_FALSE(with({by_new}).ok());
  EXPECT_FALSE(with({by_new, by_old}).ok());
  EXPECT_FALSE(with({by_old, by_new, by_new}).ok());
  EXPECT_FALSE(with({by_old, by_old}).ok());
  // Under the old key's name, by a stranger.
  const NoteSignature forged = LogSignature(succession.from, third_->Sign(good.text).value());
  EXPECT_EQ(with({forged, by_new}).code(), absl::StatusCode::kUnauthenticated);
  const NoteSignature taken = LogSignature(succession.to, third_->Sign(good.text).value());
  EXPECT_EQ(with({by_old, taken}).code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(SuccessionOf, SaysNothingThatALogCannotBe) {
  const auto refused = [&](auto change) {
    Succession succession = New();
    change(succession);
    return std::string(SignSuccession(succession, *old_, *new_).status().message());
  };
  EXPECT_THAT(refused([&](Succession& s) { s.to = KeyOf(*new_, "custodian.example/p/00000000000000cc"); }), HasSubstr("change the log's origin"));
  EXPECT_THAT(refused([&](Succession& s) { s.to = s.from; }), HasSubstr("is the old one"));
  EXPECT_THAT(refused([&](Succession& s) { s.size = 0; }), HasSubstr("without entries"));
  EXPECT_THAT(refused([&](Succession& s) { s.governance = KeyOf(*governance_, kOrigin); }), HasSubstr("govern itself"));
  EXPECT_THAT(refused([&](Succession& s) { s.to = NoteVerifier::Create(kOrigin, kNoteCosignatureV1, new_->public_key().ed25519()).value(); }),
              HasSubstr("not that of a log"));
  // Signed by right keys, but of another form.
  for (const std::string& text : {New().Text() + "more\n", "custodian/succession/v2\n" + New().Text(), std::string("custodian/succession/v1\n")}) {
    const Note note{text, {LogSignature(New().from, old_->Sign(text).value()), LogSignature(New().to, new_->Sign(text).value())}};
    EXPECT_EQ(OpenSuccession(note.Serialize()).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST_F(SuccessionOf, IsNoCheckpointNorACheckpointIt) {
  EXPECT_FALSE(Checkpoint::Parse(New().Text()).ok());
  const std::string text = Checkpoint{kOrigin, 17, root_}.Serialize();
  const Note note{text, {LogSignature(New().from, old_->Sign(text).value()), LogSignature(New().to, new_->Sign(text).value())}};
  EXPECT_FALSE(OpenSuccession(note.Serialize()).ok());
}

TEST_F(SuccessionOf, EachSizeHasOneKey) {
  LogKeys keys(New().from);
  EXPECT_EQ(keys.KeyFor(1'000).ToString(), New().from.ToString());
  ASSERT_TRUE(keys.Succeed(New(), 17, root_).ok());
  // Its entry is the eighteenth: whoever signs 18 signs the succession too.
  EXPECT_EQ(keys.KeyFor(0).ToString(), New().from.ToString());
  EXPECT_EQ(keys.KeyFor(17).ToString(), New().from.ToString());
  EXPECT_EQ(keys.KeyFor(18).ToString(), New().to.ToString());
  const Hash later = Sha256("the root at 40");
  ASSERT_TRUE(keys.Succeed(Next(New(), *third_, 40, later), 40, later).ok());
  EXPECT_EQ(keys.KeyFor(17).ToString(), New().from.ToString());
  EXPECT_EQ(keys.KeyFor(40).ToString(), New().to.ToString());
  EXPECT_EQ(keys.KeyFor(41).ToString(), KeyOf(*third_, kOrigin).ToString());
}

TEST_F(SuccessionOf, IsOfThisLogAtThisSizeOrRefused) {
  LogKeys keys(New().from);
  const auto refused = [&](const Succession& succession, std::uint64_t size, const Hash& root) {
    const absl::Status status = keys.Succeed(succession, size, root);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    return std::string(status.message());
  };
  EXPECT_THAT(refused(New(), 18, root_), HasSubstr("size 17"));
  EXPECT_THAT(refused(New(), 17, Sha256("another history")), HasSubstr("size 17"));
  Succession by_another = New();
  by_another.from = KeyOf(*third_, kOrigin);
  EXPECT_THAT(refused(by_another, 17, root_), HasSubstr("not by the key"));
  EXPECT_EQ(keys.KeyFor(18).ToString(), New().from.ToString());
  ASSERT_TRUE(keys.Succeed(New(), 17, root_).ok());
  // A second at the same place, by whomever; the old key once more; and a way back to it.
  EXPECT_THAT(refused(Next(New(), *third_, 17, root_), 17, root_), HasSubstr("another took over"));
  EXPECT_THAT(refused(New(), 17, root_), HasSubstr("not by the key"));
  EXPECT_THAT(refused(Next(New(), *old_, 40, root_), 40, root_), HasSubstr("does not come back"));
  EXPECT_EQ(keys.KeyFor(1'000).ToString(), New().to.ToString());
}

}  // namespace
}  // namespace custodian::ledger
