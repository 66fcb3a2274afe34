#include "services/rpc/tls_context.h"

#include <openssl/ssl.h>

#include "absl/strings/str_cat.h"
#include "services/rpc/certificate.h"

namespace custodian::rpc {

absl::Status ConfigureTls(SSL_CTX* context, const std::string& certificate_file, const std::string& key_file, const std::string& ca_file) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  // Each connection proves its certificate anew: no resumption, no tickets.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  // An encrypted key is an error, not a question on the terminal.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("no CA certificate in ", ca_file));
  }
  if (certificate_file.empty()) return absl::OkStatus();
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("no certificate in ", certificate_file));
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return absl::InvalidArgumentError(absl::StrCat("no unencrypted key of the certificate in ", key_file));
  }
  return absl::OkStatus();
}

void AskForClientCertificate(SSL_CTX* context, const std::string& ca_file, bool required) {
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(ca_file.c_str()));
}

std::string PeerSpiffeId(SSL* tls) {
  const X509* certificate = SSL_get0_peer_certificate(tls);
  return certificate == nullptr || SSL_get_verify_result(tls) != X509_V_OK ? "" : SpiffeIdOf(certificate);
}

}  // namespace custodian::rpc
