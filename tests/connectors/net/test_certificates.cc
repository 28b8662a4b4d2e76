#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "engine/base/assert.h"
#include "tests/connectors/net/stub_server.h"

namespace holdfast::testing {
namespace {

template <typename Writer>
std::string ToPem(Writer write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

std::string PrivateKeyPem(EVP_PKEY* key) {
  return ToPem(
      [&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  HF_ASSERT(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

X509* NewCertificate(EVP_PKEY* key, const char* name, long serial, bool is_expired) {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -10 * 86400L);
  X509_gmtime_adj(X509_getm_notAfter(certificate), is_expired ? -86400L : 86400L);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  return certificate;
}

}  // namespace

TestIdentity MakeTestAuthority() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = NewCertificate(key, "Holdfast test authority", 1, false);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  AddExtension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(certificate, key, EVP_sha256());
  TestIdentity identity = {
      .certificate_pem = ToPem([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); }),
      .private_key_pem = PrivateKeyPem(key)};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return identity;
}

TestIdentity IssueTestCertificate(const TestIdentity& authority,
                                  const TestCertificateOptions& options) {
  BIO* bio = BIO_new_mem_buf(authority.certificate_pem.data(), -1);
  X509* issuer = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  bio = BIO_new_mem_buf(authority.private_key_pem.data(), -1);
  EVP_PKEY* issuer_key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = NewCertificate(key, "Holdfast test server", 2, options.is_expired);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  if (!options.dns_name.empty()) {
    AddExtension(certificate, issuer, NID_subject_alt_name, "DNS:" + options.dns_name);
  }
  if (!options.ip_address.empty()) {
    AddExtension(certificate, issuer, NID_subject_alt_name, "IP:" + options.ip_address);
  }
  X509_sign(certificate, issuer_key, EVP_sha256());
  TestIdentity identity = {
      .certificate_pem = ToPem([&](BIO* out) { PEM_write_bio_X509(out, certificate); }),
      .private_key_pem = PrivateKeyPem(key)};
  X509_free(certificate);
  X509_free(issuer);
  EVP_PKEY_free(key);
  EVP_PKEY_free(issuer_key);
  return identity;
}

TestKeyPair MakeEd25519KeyPair() {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  TestKeyPair pair = {.private_key_pem = PrivateKeyPem(key),
                      .public_key_pem = ToPem([&](BIO* bio) { PEM_write_bio_PUBKEY(bio, key); })};
  EVP_PKEY_free(key);
  return pair;
}

TemporaryFile::TemporaryFile(std::string_view content) {
  path_ = "/tmp/holdfast_test_XXXXXX";
  const int fd = mkstemp(path_.data());
  HF_ASSERT(fd >= 0);
  HF_ASSERT(write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  close(fd);
}

TemporaryFile::~TemporaryFile() { unlink(path_.c_str()); }

}  // namespace holdfast::testing
