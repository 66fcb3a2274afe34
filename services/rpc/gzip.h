// Bodies with Content-Encoding gzip (RFC 9110, section 8.4.1.3; RFC 1952), for the few requests that use it. Pure functions, safe from any thread.
#ifndef CUSTODIAN_SERVICES_RPC_GZIP_H_
#define CUSTODIAN_SERVICES_RPC_GZIP_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace custodian::rpc {

// One gzip member, at the fastest level.
[[nodiscard]] std::string Gzip(std::string_view bytes);

// As much as the bytes give: up to `bytes_max`, and up to where they end too early or make no sense. Empty when they are no gzip at all. For
// readers that use what came whole of a body that was cut off.
[[nodiscard]] std::string GunzipPrefix(std::string_view bytes, std::size_t bytes_max);

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_GZIP_H_
