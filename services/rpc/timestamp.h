// google.protobuf.Timestamp to and from absl::Time. Pure.
#ifndef CUSTODIAN_SERVICES_RPC_TIMESTAMP_H_
#define CUSTODIAN_SERVICES_RPC_TIMESTAMP_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace custodian::rpc {

[[nodiscard]] google::protobuf::Timestamp ToTimestamp(absl::Time time);
// InvalidArgument outside the years 0001 to 9999, or when nanoseconds are not 0 to 999,999,999 (timestamp.proto).
[[nodiscard]] absl::StatusOr<absl::Time> FromTimestamp(const google::protobuf::Timestamp& timestamp);

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_TIMESTAMP_H_
