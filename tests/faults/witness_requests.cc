#include <filesystem>
#include <fstream>
#include <vector>

#include "ledger/checkpoint.h"
#include "services/node/add_checkpoint.h"
#include "tests/faults/faults.h"
#include "tests/support/known_log.h"

namespace custodian::faults {
namespace {

using ledger::Hash;

void WriteFile(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

std::string HexOf(const Hash& hash) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const std::uint8_t byte : hash) hex.append({kDigits[byte >> 4], kDigits[byte & 15]});
  return hex;
}

}  // namespace

void WriteWitnessRequests(const std::string& folder, int count) {
  const std::string origin = "faults.example/p/00000000000000aa";
  const auto signer = custodian::testing::KnownSigner("faults log");
  const ledger::NoteVerifier key = ledger::NoteVerifier::Create(origin, ledger::kNoteEd25519, signer->public_key().ed25519()).value();
  std::filesystem::create_directories(folder);
  WriteFile(folder + "/logs", key.ToString() + "\n");
  WriteFile(folder + "/name", HexOf(ledger::Sha256(origin)));
  std::vector<Hash> leaves;
  for (std::uint64_t size = 1; size <= static_cast<std::uint64_t>(count); ++size) {
    leaves.push_back(ledger::LeafHash("leaf " + std::to_string(size)));
    const std::vector<Hash> proof = ledger::ConsistencyProof(size - 1, size, custodian::testing::ReaderOf(leaves)).value();
    const auto request = [&](const Hash& root) {
      ledger::Note note{ledger::Checkpoint{origin, size, root}.Serialize(), {}};
      note.signatures.push_back(ledger::LogSignature(key, signer->Sign(note.text).value()));
      return node::AddCheckpoint{size - 1, proof, note}.Serialize();
    };
    WriteFile(folder + "/request-" + std::to_string(size), request(ledger::RootOf(leaves)));
    WriteFile(folder + "/fork-" + std::to_string(size), request(ledger::Sha256("another history")));
  }
}

}  // namespace custodian::faults
