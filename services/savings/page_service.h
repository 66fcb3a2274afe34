// The savings page and its data (monitoring/savings): what is beneath /savings/, for sessions that the caller has checked
// (rpc::Sessions::Protect). Static files are read once, at start; figures come from the Reporter at each request. Thread-safe.
#ifndef CUSTODIAN_SERVICES_SAVINGS_PAGE_SERVICE_H_
#define CUSTODIAN_SERVICES_SAVINGS_PAGE_SERVICE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/rpc/http.h"
#include "services/savings/report.h"
#include "tenants/registry.h"

namespace custodian::savings {

class PageService {
 public:
  // A receipt (tlog-proof) of an entry; NotFound when there is no such entry, Unavailable while it is not witnessed yet.
  using Receipt = std::function<absl::StatusOr<std::string>(std::string_view origin, std::uint64_t index)>;

  // `assets_directory` is what monitoring/savings/build made: index.html and what it names, flat. NotFound when it is not there.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<PageService>> Create(const std::string& assets_directory,
                                                                           const Reporter& reporter,
                                                                           const tenants::Registry& registry, Receipt receipt);

  // GET only:
  //   /savings/, /savings/<file>
  //   /savings/api/report?tenant=&as_of=            the report of SAVINGS.md
  //   /savings/api/report.csv?tenant=&as_of=
  //   /savings/api/figures?as_of=                   {"as_of","rows":[{cents, exams, modality, month, ordering, source,
  //   source_cents, state}]} /savings/api/avoidances?tenant=&side=&modality=&month=&state=&as_of=&page=
  //                                                 {"as_of","more","page","rows":[{..., "entries":[{index, log, origin, what,
  //                                                 ...}]}]}
  //   /savings/api/receipt?origin=&index=           tlog-proof, as a download
  // 400 names a parameter that cannot be read; 404 for anything else.
  [[nodiscard]] rpc::HttpResponse Handle(const rpc::HttpRequest& request) const;

 private:
  struct Asset {
    std::string content_type;
    std::string body;
  };
  PageService(std::map<std::string, Asset> assets, const Reporter& reporter, const tenants::Registry& registry, Receipt receipt);

  [[nodiscard]] rpc::HttpResponse Api(const std::string& name, const rpc::HttpRequest& request) const;
  [[nodiscard]] rpc::HttpResponse FiguresAnswer(const rpc::HttpRequest& request) const;
  [[nodiscard]] rpc::HttpResponse AvoidancesAnswer(const rpc::HttpRequest& request) const;
  [[nodiscard]] rpc::HttpResponse ReceiptAnswer(const rpc::HttpRequest& request) const;

  const std::map<std::string, Asset> assets_;
  const Reporter& reporter_;
  const tenants::Registry& registry_;
  const Receipt receipt_;
};

}  // namespace custodian::savings

#endif  // CUSTODIAN_SERVICES_SAVINGS_PAGE_SERVICE_H_
