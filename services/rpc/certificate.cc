#include "services/rpc/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"

namespace custodian::rpc {

std::string SpiffeIdOf(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)), &GENERAL_NAMES_free);
  std::vector<std::string> uris;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)), static_cast<std::size_t>(ASN1_STRING_length(uri)));
  }
  if (uris.size() != 1 || uris[0].rfind("spiffe://", 0) != 0 || uris[0].find('\0') != std::string::npos) return "";
  return uris[0];
}

absl::StatusOr<std::string> SpiffeIdOfFile(const std::string& pem_file) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(pem_file.c_str(), "r"), &std::fclose);
  if (file == nullptr) return absl::NotFoundError(absl::StrCat("cannot open certificate '", pem_file, "'"));
  const std::unique_ptr<X509, void (*)(X509*)> certificate(PEM_read_X509(file.get(), nullptr, nullptr, nullptr), &X509_free);
  if (certificate == nullptr) return absl::InvalidArgumentError(absl::StrCat("no certificate in '", pem_file, "'"));
  std::string id = SpiffeIdOf(certificate.get());
  if (id.empty()) return absl::InvalidArgumentError(absl::StrCat("the certificate in '", pem_file, "' names no single SPIFFE id"));
  return id;
}

}  // namespace custodian::rpc
