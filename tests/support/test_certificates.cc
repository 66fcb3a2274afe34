#include "tests/support/test_certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace custodian::testing {
namespace {

void Require(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  Require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "X509_add_ext");
  X509_EXTENSION_free(extension);
}

X509* NewCertificate(EVP_PKEY* key, const std::string& common_name, int valid_days) {
  X509* certificate = X509_new();
  Require(certificate != nullptr && X509_set_version(certificate, 2) == 1, "X509_new");
  std::uint64_t serial = 0;
  Require(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) == 1, "RAND_bytes");
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -30L * 86'400);
  X509_gmtime_adj(X509_getm_notAfter(certificate), valid_days * 86'400L);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  return certificate;
}

void WriteCertificate(const std::string& path, X509* certificate) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  Require(file != nullptr && PEM_write_X509(file, certificate) == 1, "PEM_write_X509");
  std::fclose(file);
}

void WriteKey(const std::string& path, EVP_PKEY* key) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  Require(file != nullptr && PEM_write_PKCS8PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1, "PEM_write_PKCS8PrivateKey");
  std::fclose(file);
}

}  // namespace

TestCertificates::TestCertificates() {
  std::string pattern = (std::filesystem::temp_directory_path() / "ca-XXXXXX").string();
  Require(mkdtemp(pattern.data()) != nullptr, "mkdtemp");
  directory_ = pattern;
  ca_key_ = EVP_EC_gen("P-256");
  ca_ = NewCertificate(ca_key_, "Test CA", 10);
  X509_set_issuer_name(ca_, X509_get_subject_name(ca_));
  AddExtension(ca_, ca_, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(ca_, ca_, NID_key_usage, "critical,keyCertSign");
  Require(X509_sign(ca_, ca_key_, EVP_sha256()) > 0, "X509_sign");
  WriteCertificate(ca_file(), ca_);
}

TestCertificates::~TestCertificates() {
  X509_free(ca_);
  EVP_PKEY_free(ca_key_);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

TestCertificates::Files TestCertificates::IssueServer() { return Issue("IP:127.0.0.1", 1); }

TestCertificates::Files TestCertificates::IssueClient(const std::vector<std::string>& uris, int valid_days) {
  std::string names;
  for (const std::string& uri : uris) names += (names.empty() ? "URI:" : ",URI:") + uri;
  return Issue(names, valid_days);
}

TestCertificates::Files TestCertificates::Issue(const std::string& subject_alternative_names, int valid_days) {
  const std::string base = directory_ + "/" + std::to_string(++issued_);
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = NewCertificate(key, "test " + std::to_string(issued_), valid_days);
  X509_set_issuer_name(certificate, X509_get_subject_name(ca_));
  AddExtension(certificate, ca_, NID_ext_key_usage, "serverAuth,clientAuth");
  if (!subject_alternative_names.empty()) AddExtension(certificate, ca_, NID_subject_alt_name, subject_alternative_names);
  Require(X509_sign(certificate, ca_key_, EVP_sha256()) > 0, "X509_sign");
  WriteCertificate(base + ".pem", certificate);
  WriteKey(base + ".key", key);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return {base + ".pem", base + ".key"};
}

}  // namespace custodian::testing
