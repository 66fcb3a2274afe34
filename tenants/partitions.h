// Everything of the partitions that run in this process: one Partition a tenant, and the governance log. Built in services/main;
// services hold references. Thread-safe.
#ifndef CUSTODIAN_TENANTS_PARTITIONS_H_
#define CUSTODIAN_TENANTS_PARTITIONS_H_

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "tenants/database.h"
#include "tenants/log_reader.h"
#include "tenants/outbox.h"
#include "tenants/partition_writer.h"
#include "tenants/registry.h"

namespace custodian::tenants {

struct Partition {
  Tenant tenant;
  std::unique_ptr<Database> database;
  std::unique_ptr<PartitionWriter> writer;
  std::unique_ptr<LogReader> log;
  std::unique_ptr<Outbox> outbox;
};

class Partitions {
 public:
  Partitions();
  ~Partitions();
  // Adds a partition; it is never removed while the process runs.
  void Add(std::unique_ptr<Partition> partition);
  // Null when this process does not run it.
  [[nodiscard]] Partition* FindById(const TenantId& tenant) const;
  [[nodiscard]] Partition* FindByName(std::string_view name) const;
  [[nodiscard]] Partition* FindByOrigin(std::string_view origin) const;
  // Sorted by tenant name.
  [[nodiscard]] std::vector<Partition*> All() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_PARTITIONS_H_
