// How our listeners and clients speak TLS: version, no resumption, our CA only, keys without a question on the terminal. OpenSSL's types
// alone, so that each transport file can use it.
#ifndef CUSTODIAN_SERVICES_RPC_TLS_CONTEXT_H_
#define CUSTODIAN_SERVICES_RPC_TLS_CONTEXT_H_

#include <openssl/types.h>

#include <string>

#include "absl/status/status.h"

namespace custodian::rpc {

// `certificate_file` empty: no certificate of our own. InvalidArgument names the file that cannot be used.
[[nodiscard]] absl::Status ConfigureTls(SSL_CTX* context, const std::string& certificate_file, const std::string& key_file, const std::string& ca_file);
// For a server: client certificates are asked for, and must be our CA's; with `required` there must be one.
void AskForClientCertificate(SSL_CTX* context, const std::string& ca_file, bool required);
// Of a client whose certificate verified; empty when it showed none.
[[nodiscard]] std::string PeerSpiffeId(SSL* tls);

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_TLS_CONTEXT_H_
