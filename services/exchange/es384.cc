#include "services/exchange/es384.h"

#include <gmp.h>
#include <nettle/dsa.h>
#include <nettle/ecc-curve.h>
#include <nettle/ecdsa.h>
#include <nettle/sha2.h>

#include <array>
#include <cstdint>

namespace custodian::exchange {
namespace {

constexpr std::size_t kNumberBytes = 48;

void Import(std::string_view bytes, mpz_t number) { mpz_import(number, bytes.size(), /*order=*/1, /*size=*/1, /*endian=*/1, /*nails=*/0, bytes.data()); }

}  // namespace

Es384Key::Es384Key() { ecc_point_init(&point_, nettle_get_secp_384r1()); }
Es384Key::~Es384Key() { ecc_point_clear(&point_); }

absl::StatusOr<std::shared_ptr<const Es384Key>> Es384Key::FromCoordinates(std::string_view x, std::string_view y) {
  if (x.size() != kNumberBytes || y.size() != kNumberBytes) return absl::InvalidArgumentError("x and y of P-384 have 48 bytes each");
  std::shared_ptr<Es384Key> key(new Es384Key());
  mpz_t numbers[2];
  mpz_inits(numbers[0], numbers[1], nullptr);
  Import(x, numbers[0]);
  Import(y, numbers[1]);
  const bool is_on_curve = ecc_point_set(&key->point_, numbers[0], numbers[1]) == 1;
  mpz_clears(numbers[0], numbers[1], nullptr);
  if (!is_on_curve) return absl::InvalidArgumentError("x and y are no point of P-384");
  return key;
}

bool Es384Key::Verifies(std::string_view message, std::string_view signature) const {
  if (signature.size() != 2 * kNumberBytes) return false;
  std::array<std::uint8_t, SHA384_DIGEST_SIZE> digest;
  sha384_ctx context;
  sha384_init(&context);
  sha384_update(&context, message.size(), reinterpret_cast<const std::uint8_t*>(message.data()));
  sha384_digest(&context, digest.size(), digest.data());
  dsa_signature numbers;
  dsa_signature_init(&numbers);
  Import(signature.substr(0, kNumberBytes), numbers.r);
  Import(signature.substr(kNumberBytes), numbers.s);
  const bool verifies = ecdsa_verify(&point_, digest.size(), digest.data(), &numbers) == 1;
  dsa_signature_clear(&numbers);
  return verifies;
}

}  // namespace custodian::exchange
