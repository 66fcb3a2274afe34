// Memory in a nameless file: the kernel pages it in and out, and it goes with the process.
#ifndef CUSTODIAN_SERVICES_NODE_MAPPED_FILE_H_
#define CUSTODIAN_SERVICES_NODE_MAPPED_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace custodian::node {

// `bytes` of zeros in a file of `folder`, for ::munmap(). Unavailable when the disk refuses: all of it is allocated at once, so that a full
// disk is an error here and not a signal later.
[[nodiscard]] absl::StatusOr<void*> MapNamelessFile(const std::string& folder, std::size_t bytes);

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_MAPPED_FILE_H_
