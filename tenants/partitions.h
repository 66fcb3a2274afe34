// Everything of the partitions that run in this process: one Partition a tenant, and the governance log. Built in services/main;
// services hold references. Thread-safe.
#ifndef CUSTODIAN_TENANTS_PARTITIONS_H_
#define CUSTODIAN_TENANTS_PARTITIONS_H_

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "tenants/database.h"
#include "tenants/log_reader.h"
#include "tenants/outbox.h"
#include "tenants/partition_writer.h"
#include "tenants/registry.h"

namespace custodian::tenants {

struct Partition {
  Tenant tenant;
  std::unique_ptr<Database> database;
  // A session of the writer's own, where it has one: it keeps plans of large statements, which no other session should.
  std::unique_ptr<Database> writer_database;
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
  // Null when this process does not run it. Waits for one that is expected, `patience` at most: one whose database hangs holds nobody up.
  static constexpr absl::Duration kPatience = absl::Seconds(5);
  [[nodiscard]] Partition* FindById(const TenantId& tenant, absl::Duration patience = kPatience) const;
  [[nodiscard]] Partition* FindByName(std::string_view name) const;
  [[nodiscard]] Partition* FindByOrigin(std::string_view origin) const;
  // Sorted by tenant name. Waits for all that are expected, however long: a sum over some of them would be wrong.
  [[nodiscard]] std::vector<Partition*> All() const;

  // That of each of these tenants is being opened: whoever asks for one of them waits until it is added, so that a process with hundreds of them serves
  // before all are open.
  void Expect(const std::vector<Tenant>& tenants);
  // Which expected one to open now: one that somebody waits for, where there is such a one. Each is handed out once; nothing when all were.
  [[nodiscard]] std::optional<Tenant> NextExpected();
  // What is expected and not there does not come: who waits for it finds that it does not run.
  void ExpectNoMore();
  // It runs, or is expected.
  [[nodiscard]] bool Knows(const TenantId& tenant) const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_PARTITIONS_H_
