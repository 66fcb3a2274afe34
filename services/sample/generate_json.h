// JSON text put together by hand, members in the order given: what the generator writes must be the same bytes each run, and
// reads best where the FHIR resource can be seen in the code. Pure.
#ifndef CUSTODIAN_SERVICES_SAMPLE_GENERATE_JSON_H_
#define CUSTODIAN_SERVICES_SAMPLE_GENERATE_JSON_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace custodian::sample {

// A JSON string, quoted and escaped; `text` is UTF-8.
[[nodiscard]] std::string Text(std::string_view text);
[[nodiscard]] std::string Number(std::int64_t number);
// Values are JSON text; a member whose value is empty is left out.
[[nodiscard]] std::string Object(std::initializer_list<std::pair<std::string_view, std::string>> members);
[[nodiscard]] std::string Array(const std::vector<std::string>& values);

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_GENERATE_JSON_H_
