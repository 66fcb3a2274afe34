// A log for tests, with its key, and everything of it as a server would serve it, which a test may spoil. Not thread-safe.
#ifndef CUSTODIAN_TESTS_SUPPORT_SERVED_LOG_H_
#define CUSTODIAN_TESTS_SUPPORT_SERVED_LOG_H_

#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/tiles.h"
#include "tests/support/new_signer.h"

namespace custodian::testing {

inline constexpr char kCustodian[] = "spiffe://custodian.example/custodian/serve";

// One log, its key, and a served copy that a test may spoil.
struct ServedLog {
  explicit ServedLog(std::string name)
      : origin(std::move(name)),
        signer(NewSigner()),
        key(ledger::NoteVerifier::Create(origin, ledger::kNoteEd25519, signer->public_key().ed25519()).value()) {}

  ledger::v1::Entry NewEntry(ledger::v1::Kind kind) {
    ledger::v1::Entry entry;
    entry.set_origin(origin);
    entry.set_kind(kind);
    entry.set_author(kCustodian);
    entry.set_counter(++counter);
    entry.mutable_time()->set_seconds(1'700'000'000);
    entry.set_idempotency_key(std::string(ledger::AsBytes(ledger::Sha256(origin + std::to_string(++keys)))));
    return entry;
  }
  void Add(const std::vector<ledger::v1::Entry>& entries, const ledger::Signer& author) {
    std::vector<std::string> bytes;
    for (const ledger::v1::Entry& entry : entries) bytes.push_back(entry.SerializeAsString());
    const std::vector<std::string> batch = ledger::SignBatch(origin, bytes, author).value();
    leaves.insert(leaves.end(), batch.begin(), batch.end());
  }
  ledger::Hash Root() const {
    ledger::CompactRange range;
    for (const std::string& leaf : leaves) range.Append(ledger::LeafHash(leaf));
    return range.Root();
  }
  // Everything as served, with cosignatures of `witnesses`.
  std::map<std::string, std::string> Serve(const std::vector<std::pair<ledger::NoteVerifier, const ledger::Signer*>>& witnesses) const {
    std::map<std::string, std::string> served;
    ledger::TileBuilder tiles([&](const ledger::TilePath& path, const std::string& bytes) { served[path.ToString()] = bytes; });
    for (const std::string& leaf : leaves) tiles.Append(ledger::LeafHash(leaf));
    tiles.EmitPartial();
    for (const ledger::TilePath& path : ledger::TilesOf(leaves.size()))
      if (path.entries) served[path.ToString()] = ledger::EncodeBundle(std::span(leaves).subspan(path.first(), path.width)).value();
    ledger::Note note{ledger::Checkpoint{origin, leaves.size(), Root()}.Serialize(), {}};
    note.signatures.push_back(ledger::LogSignature(key, signer->Sign(note.text).value()));
    const absl::Time time = absl::FromUnixSeconds(1'700'000'001);
    for (const auto& [witness, cosigner] : witnesses)
      note.signatures.push_back(ledger::CosignatureV1(witness, time, cosigner->Sign(ledger::CosignatureMessage(time, note.text)).value()));
    served["checkpoint"] = note.Serialize();
    return served;
  }

  std::string origin;
  std::unique_ptr<ledger::Signer> signer;
  ledger::NoteVerifier key;
  std::uint64_t counter = 0;
  int keys = 0;
  std::vector<std::string> leaves;
};

inline std::vector<ledger::v1::Kind> AllKinds() {
  std::vector<ledger::v1::Kind> all;
  for (int kind = 1; kind <= ledger::v1::Kind_MAX; ++kind)
    if (ledger::v1::Kind_IsValid(kind)) all.push_back(static_cast<ledger::v1::Kind>(kind));
  return all;
}

// The governance log's entry that admits a tenant with `log`.
inline ledger::v1::Entry Admission(ServedLog& governance, const std::string& origin, const ledger::NoteVerifier& key,
                                   const std::string& tenant_id = "0000000000000001") {
  ledger::v1::Entry admitted = governance.NewEntry(ledger::v1::KIND_TENANT_ADMITTED);
  admitted.mutable_tenant_admitted()->set_tenant_id(tenant_id);
  admitted.mutable_tenant_admitted()->set_name("lakeside");
  admitted.mutable_tenant_admitted()->set_origin(origin);
  admitted.mutable_tenant_admitted()->set_log_vkey(key.ToString());
  return admitted;
}

inline ledger::v1::RosterChanged Enrol(const std::string& author, const ledger::PublicKey& key, std::vector<ledger::v1::Kind> kinds,
                        std::vector<std::string> origins = {}) {
  ledger::v1::RosterChanged change;
  change.set_author(author);
  change.set_key_id(std::string(ledger::AsBytes(key.key_id())));
  change.set_algorithm(key.algorithm());
  change.set_public_key(key.der());
  for (const ledger::v1::Kind kind : kinds) change.add_kinds(kind);
  for (const std::string& origin : origins) change.add_origins(origin);
  return change;
}

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_SERVED_LOG_H_
