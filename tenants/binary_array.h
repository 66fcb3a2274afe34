// One-dimensional PostgreSQL arrays in the binary wire format (array_send in the server's arrayfuncs.c), so that a set of rows
// travels as one parameter a column, without escaping. Pure.
#ifndef CUSTODIAN_TENANTS_BINARY_ARRAY_H_
#define CUSTODIAN_TENANTS_BINARY_ARRAY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace custodian::tenants {

class BinaryArray {
 public:
  enum class Element : std::uint32_t { kBoolean = 16, kBytea = 17, kBigint = 20, kText = 25 };

  explicit BinaryArray(Element element) : element_(element) {}

  void AddNull();
  // For kBytea and kText.
  void Add(std::string_view bytes);
  void AddBigint(std::int64_t value);
  void AddBoolean(bool value);

  [[nodiscard]] std::size_t size() const { return count_; }
  // Its name in SQL, as "bytea[]".
  [[nodiscard]] const char* type() const;
  // The parameter: pass it as a binary one and cast it in the SQL ("$1::bytea[]").
  [[nodiscard]] std::string Encode() const;

 private:
  Element element_;
  std::uint32_t count_ = 0;
  bool has_null_ = false;
  std::string elements_;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_BINARY_ARRAY_H_
