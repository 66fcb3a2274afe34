// How fast a receipt is verified offline: parsed, its leaf followed to the root, log signature and cosignatures checked.
#include <openssl/evp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "ledger/receipt.h"
#include "tests/benchmark/ledger/measures.h"
#include "tests/benchmark/ledger/one_core.h"
#include "tests/support/known_log.h"
#include "tests/support/served_log.h"

namespace custodian::benchmark {
namespace {

constexpr char kOrigin[] = "custodian.example/p/00000000000000aa";
constexpr int kLeaves = 4'096;
constexpr int kWitnesses = 3;
constexpr int kSignatures = kWitnesses + 1;
constexpr char kPeer[] = "OpenSSL: EVP_DigestVerify of an Ed25519 signature, one core";

struct Receipts {
  std::vector<std::string> texts;
  ledger::Policy policy;
};

absl::StatusOr<Receipts> MakeReceipts() {
  testing::ServedLog log(kOrigin);
  const auto author = testing::NewSigner();
  for (int i = 0; i < kLeaves; ++i) log.Add({log.NewEntry(ledger::v1::KIND_ORDER_CHECKED)}, *author);
  std::vector<ledger::Hash> hashes;
  for (const std::string& leaf : log.leaves) hashes.push_back(ledger::LeafHash(leaf));
  ledger::Note note{ledger::Checkpoint{kOrigin, log.leaves.size(), log.Root()}.Serialize(), {}};
  note.signatures.push_back(ledger::LogSignature(log.key, log.signer->Sign(note.text).value()));
  std::string policy = "log " + log.key.ToString() + "\n";
  for (const std::string name : {"w1", "w2", "w3"}) {
    const auto witness = testing::NewSigner();
    const auto key = ledger::NoteVerifier::Create(name + ".example", ledger::kNoteCosignatureV1, witness->public_key().ed25519()).value();
    const absl::Time time = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
    note.signatures.push_back(ledger::CosignatureV1(key, time, witness->Sign(ledger::CosignatureMessage(time, note.text)).value()));
    policy += "witness " + name + " " + key.ToString() + "\n";
  }
  Receipts receipts;
  auto parsed = ledger::Policy::Parse(policy + "group all-three all w1 w2 w3\nquorum all-three\n");
  if (!parsed.ok()) return parsed.status();
  receipts.policy = *std::move(parsed);
  const ledger::NodeReader read = testing::ReaderOf(hashes);
  for (std::size_t i = 0; i < 64; ++i) {
    const std::size_t index = i * (kLeaves / 64);
    const ledger::Receipt receipt{log.leaves[index], index, ledger::InclusionProof(index, kLeaves, read).value(), note.Serialize()};
    receipts.texts.push_back(receipt.Serialize());
  }
  return receipts;
}

// A signature of the length that a checkpoint's has, verified with one context as OpenSSL's own `speed` does.
class PlainVerify {
 public:
  PlainVerify() : signer_(testing::KnownSigner("receipts")), signature_(signer_->Sign(message_).value()) {
    const std::string& raw = signer_->public_key().ed25519();
    key_.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(raw.data()), raw.size()));
    context_.reset(EVP_MD_CTX_new());
    ready_ = EVP_DigestVerifyInit(context_.get(), nullptr, nullptr, nullptr, key_.get()) == 1;
  }
  [[nodiscard]] bool Verify() const {
    const auto data = [](const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); };
    return ready_ && EVP_DigestVerify(context_.get(), data(signature_), signature_.size(), data(message_), message_.size()) == 1;
  }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  const std::string message_ = ledger::Checkpoint{kOrigin, kLeaves, ledger::EmptyRoot()}.Serialize();
  std::unique_ptr<ledger::Signer> signer_;
  std::string signature_;
  std::unique_ptr<EVP_PKEY, Free> key_;
  std::unique_ptr<EVP_MD_CTX, Free> context_;
  bool ready_ = false;
};

}  // namespace

absl::StatusOr<Report> MeasureReceipts(const Settings& settings) {
  const auto receipts = MakeReceipts();
  if (!receipts.ok()) return receipts.status();
  const PlainVerify plain;
  std::size_t next = 0;
  const auto ours = [&]() -> absl::Status {
    const auto receipt = ledger::Receipt::Parse(receipts->texts[next++ % receipts->texts.size()]);
    return receipt.ok() ? receipt->Verify(receipts->policy).status() : receipt.status();
  };
  const auto peer = [&] { return plain.Verify() ? absl::OkStatus() : absl::InternalError("OpenSSL does not verify its own signature"); };
  const auto compared = CompareOnOneCore(settings, ours, peer);
  if (!compared.ok()) return compared.status();
  return Report{{{"receipt_verify", compared->ours_per_second * kSignatures, "1/s", kPeer, compared->peer_per_second}},
                {{"receipt_verify_receipts_per_second", compared->ours_per_second}, {"receipt_verify_signatures", kSignatures}}};
}

}  // namespace custodian::benchmark
