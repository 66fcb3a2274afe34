// A small certificate authority of a test: P-256 keys and X.509 certificates in PEM files of a temporary directory that goes
// with the object. Certificates may name a SPIFFE id and 127.0.0.1; both server and client use are allowed.
#ifndef CUSTODIAN_TESTS_SUPPORT_TEST_CERTIFICATES_H_
#define CUSTODIAN_TESTS_SUPPORT_TEST_CERTIFICATES_H_

#include <string>
#include <string_view>
#include <vector>

#include <openssl/types.h>

namespace custodian::testing {

class TestCertificates {
 public:
  struct Files {
    std::string certificate;
    std::string key;
  };

  TestCertificates();
  ~TestCertificates();
  TestCertificates(const TestCertificates&) = delete;
  TestCertificates& operator=(const TestCertificates&) = delete;

  [[nodiscard]] std::string ca_file() const { return directory_ + "/ca.pem"; }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  // A server's certificate for 127.0.0.1.
  [[nodiscard]] Files IssueServer();
  // A client's certificate with these URI SANs; `valid_days` below zero makes one that has expired.
  [[nodiscard]] Files IssueClient(const std::vector<std::string>& uris, int valid_days = 1);

 private:
  [[nodiscard]] Files Issue(const std::string& subject_alternative_names, int valid_days);

  std::string directory_;
  EVP_PKEY* ca_key_ = nullptr;
  X509* ca_ = nullptr;
  int issued_ = 0;
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_TEST_CERTIFICATES_H_
