// A governance log that has admitted one tenant's log, both served as ServedLog does, for the fixtures that derive from it.
#ifndef CUSTODIAN_TESTS_SUPPORT_SERVED_NETWORK_H_
#define CUSTODIAN_TESTS_SUPPORT_SERVED_NETWORK_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/support/served_log.h"

namespace custodian::testing {

class ServedNetwork {
 protected:
  static constexpr char kGovernance[] = "custodian.example/p/00000000000000aa";
  static constexpr char kPartition[] = "custodian.example/p/00000000000000bb";

  // The partition begins with an anchor and `orders` entries.
  explicit ServedNetwork(int orders) {
    ledger::v1::Entry first = governance_.NewEntry(ledger::v1::KIND_ROSTER_CHANGED);
    *first.mutable_roster_changed() = Enrol(kCustodian, author_->public_key(), AllKinds());
    governance_.Add({first, Admission(governance_, kPartition, partition_.key)}, *author_);
    AddAnchor();
    AddOrders(orders);
  }

  void AddAnchor() {
    ledger::v1::Entry anchor = partition_.NewEntry(ledger::v1::KIND_ANCHOR);
    anchor.mutable_anchor()->set_governance_size(governance_.leaves.size());
    anchor.mutable_anchor()->set_governance_root(std::string(ledger::AsBytes(governance_.Root())));
    partition_.Add({anchor}, *author_);
  }
  void AddOrders(int count) {
    std::vector<ledger::v1::Entry> entries;
    for (int i = 0; i < count; ++i) entries.push_back(partition_.NewEntry(ledger::v1::KIND_ORDER_CHECKED));
    partition_.Add(entries, *author_);
  }

  std::unique_ptr<ledger::Signer> author_ = NewSigner();
  ServedLog governance_{kGovernance};
  ServedLog partition_{kPartition};
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_SERVED_NETWORK_H_
