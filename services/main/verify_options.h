// What `custodian verify` is asked for.
#ifndef CUSTODIAN_SERVICES_MAIN_VERIFY_OPTIONS_H_
#define CUSTODIAN_SERVICES_MAIN_VERIFY_OPTIONS_H_

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "services/main/platform_client.h"

namespace custodian::main {

struct VerifyOptions {
  ConfigOption config;
  std::string tiles;
  std::string receipt;
  std::string subject_list;
  std::string promise;
  std::string policy;
  std::string certificate;
  std::string key;
  std::string ca;
  // As given; empty: of any age.
  std::string max_age_text;
  std::optional<absl::Duration> max_age;
  bool json = false;
  // Of tiles only. Threads that fetch and check; 0: one a processor.
  int jobs = 0;
  // File of the state; empty: none.
  std::string state;
  // A size, or a date; empty: from the beginning.
  std::string since;
  // 32 hex digits; empty: none. Of tiles, or what the list must be of.
  std::string subject;
  // What the list must be of; empty: any log.
  std::string origin;
};

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_VERIFY_OPTIONS_H_
