#include "tenants/binary_array.h"

namespace custodian::tenants {
namespace {

void AppendBigEndian(std::uint64_t value, int bytes, std::string& out) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out.push_back(static_cast<char>((value >> shift) & 0xff));
}

}  // namespace

void BinaryArray::AddNull() {
  AppendBigEndian(0xffffffff, 4, elements_);
  has_null_ = true;
  ++count_;
}

void BinaryArray::Add(std::string_view bytes) {
  AppendBigEndian(bytes.size(), 4, elements_);
  elements_.append(bytes);
  ++count_;
}

void BinaryArray::AddBigint(std::int64_t value) {
  AppendBigEndian(8, 4, elements_);
  AppendBigEndian(static_cast<std::uint64_t>(value), 8, elements_);
  ++count_;
}

void BinaryArray::AddBoolean(bool value) {
  AppendBigEndian(1, 4, elements_);
  elements_.push_back(value ? '\1' : '\0');
  ++count_;
}

const char* BinaryArray::type() const {
  switch (element_) {
    case Element::kBytea:
      return "bytea[]";
    case Element::kBigint:
      return "bigint[]";
    case Element::kBoolean:
      return "boolean[]";
    case Element::kText:
      break;
  }
  return "text[]";
}

std::string BinaryArray::Encode() const {
  std::string out;
  out.reserve(20 + elements_.size());
  AppendBigEndian(count_ == 0 ? 0 : 1, 4, out);
  AppendBigEndian(has_null_ ? 1 : 0, 4, out);
  AppendBigEndian(static_cast<std::uint32_t>(element_), 4, out);
  if (count_ == 0) return out;
  AppendBigEndian(count_, 4, out);
  // Lower bound.
  AppendBigEndian(1, 4, out);
  return out + elements_;
}

}  // namespace custodian::tenants
