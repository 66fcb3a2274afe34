// Members of the JSON objects that commands print.
#ifndef CUSTODIAN_SERVICES_MAIN_JSON_MEMBERS_H_
#define CUSTODIAN_SERVICES_MAIN_JSON_MEMBERS_H_

#include <cstdint>
#include <string>

#include "rapidjson/stringbuffer.h"
#include "rapidjson/writer.h"

namespace custodian::main {

using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer>;

inline void WriteText(JsonWriter& writer, const char* key, const std::string& value) {
  writer.Key(key);
  writer.String(value.c_str(), static_cast<rapidjson::SizeType>(value.size()));
}

inline void WriteNumber(JsonWriter& writer, const char* key, std::uint64_t value) {
  writer.Key(key);
  writer.Uint64(value);
}

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_JSON_MEMBERS_H_
