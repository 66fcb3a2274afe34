#include "services/exchange/match_service.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "services/rpc/protos/custodian.grpc.pb.h"
#include "services/rpc/serve_call.h"

namespace custodian::exchange {

class MatchService::Core final : public v1::MatchService::Service {
 public:
  Core(const rpc::CallGuard& guard, const MatchReview& review) : guard_(guard), review_(review) {}

  grpc::Status ReviewQueue(grpc::ServerContext* context, const v1::ReviewQueueRequest* request, v1::ReviewQueueResponse* response) override {
    return rpc::ServeCall(guard_, *context, "ReviewQueue", {"steward"}, [&](const tenants::Client& client) -> absl::Status {
      const auto page = review_.Queue(client.tenant, client.spiffe_id, request->after());
      if (!page.ok()) return page.status();
      for (const MatchReview::Item& one : page->items) {
        v1::ReviewItem& item = *response->add_item();
        item.set_patient(one.patient);
        item.set_other(one.other);
        item.set_other_tenant(one.other_tenant);
        item.set_other_patient(one.other_patient);
        item.set_grade(std::string(GradeCode(one.match.grade)));
        item.set_score(one.match.score);
        for (std::size_t f = 0; f < kCompareFields; ++f) {
          const auto field = static_cast<CompareField>(f);
          std::string text(NameOf(field));
          text += '=';
          text += LevelName(field, one.match.agreement.Level(field));
          item.add_agreement(std::move(text));
        }
      }
      response->set_next(page->next);
      return absl::OkStatus();
    });
  }

  grpc::Status DecideMatch(grpc::ServerContext* context, const v1::DecideMatchRequest* request, v1::DecideMatchResponse* response) override {
    return rpc::ServeCall(guard_, *context, "DecideMatch", {"steward"}, [&](const tenants::Client& client) -> absl::Status {
      const auto index = review_.Decide(client.tenant, {request->patient(), request->other(), request->link(), client.spiffe_id,
                                                        request->reason(), request->idempotency_key()});
      if (!index.ok()) return index.status();
      response->set_index(*index);
      return absl::OkStatus();
    });
  }

 private:
  const rpc::CallGuard& guard_;
  const MatchReview& review_;
};

MatchService::MatchService(const rpc::CallGuard& guard, const MatchReview& review) : core_(std::make_unique<Core>(guard, review)) {}
MatchService::~MatchService() = default;
grpc::Service* MatchService::grpc() { return core_.get(); }

}  // namespace custodian::exchange
