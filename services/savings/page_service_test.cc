#include "services/savings/page_service.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/fake_clock.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_directory.h"

namespace custodian::savings {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kOrigin[] = "custodian.example/p/00000000000000a1";

class PageServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto network = testing::TestDatabase::Create("network", "network");
    ASSERT_TRUE(network.ok()) << network.status();
    network_ = *std::move(network);
    ASSERT_TRUE(
        network_
            ->Sql(absl::StrCat(
                Tenant("00000000000000a1", "lakeside"), Tenant("00000000000000a2", "summit"),
                "INSERT INTO savings.avoidance (avoidance_id, ordering_tenant, source_tenant, class_id, modality, cents, month, "
                "t_ms, deadline_ms, acceptance_index) SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), 'lakeside', 'summit', "
                "'mr-knee-wo', 'MR', 20023, '2025-03', n, n + 1000, n FROM generate_series(1, 60) n;"
                "INSERT INTO savings.known_state (avoidance_id, known_from_ms, known_to_ms, state, why, reversed_by) "
                "SELECT avoidance_id, 1, 9223372036854775807, 'open', '', '' FROM savings.avoidance;"
                "INSERT INTO savings.posting (avoidance_id, log_tenant, kind, side, sequence, cents, exams, month, "
                "aggregate_month, aggregate_number, entry_index) SELECT avoidance_id, 'summit', 22, 2, 0, 10011, 1, '2025-03', "
                "'', 0, 700 FROM savings.avoidance;"))
            .ok());
    registry_ = std::make_unique<tenants::Registry>(network_->database());
    ASSERT_TRUE(registry_->Load().ok());
    reporter_ = std::make_unique<Reporter>(network_->database(), *registry_, clock_, [] { return absl::OkStatus(); });
    for (const auto& [name, text] :
         {std::pair("index.html", "<!doctype html>"), std::pair("main.js", "1"), std::pair(".stamp", "x")}) {
      std::ofstream(std::string(assets_.path()) + "/" + name) << text;
    }
    auto page = PageService::Create(assets_.path(), *reporter_, *registry_,
                                    [](std::string_view origin, std::uint64_t index) -> absl::StatusOr<std::string> {
                                      if (index == 8) return absl::UnavailableError("not witnessed yet");
                                      if (index != 7) return absl::NotFoundError("no such entry");
                                      return absl::StrCat("proof of 7 in ", std::string(origin));
                                    });
    ASSERT_TRUE(page.ok()) << page.status();
    page_ = *std::move(page);
  }

  static std::string Tenant(const std::string& id, const std::string& name) {
    return absl::StrCat(
        "INSERT INTO registry.tenant (tenant_id, name, display_name, cell, database, key_database, origin, log_vkey, time_zone, "
        "organization_system, organization_value, accession_system, cds_issuer, cds_tenant, cds_jwks) VALUES ('",
        id, "', '", name, "', 'The ", name, "', 'main', 't_", name, "', 'k_", name, "', 'custodian.example/p/", id,
        "', 'vkey', 'UTC', 'urn:o', '", name, "', '', '', '', '');");
  }

  rpc::HttpResponse Get(const std::string& path, const std::string& query = "") {
    rpc::HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.query = query;
    return page_->Handle(request);
  }
  static std::string Header(const rpc::HttpResponse& response, const std::string& name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "";
  }

  testing::FakeClock clock_;
  testing::TemporaryDirectory assets_;
  std::unique_ptr<testing::TestDatabase> network_;
  std::unique_ptr<tenants::Registry> registry_;
  std::unique_ptr<Reporter> reporter_;
  std::unique_ptr<PageService> page_;
};

TEST_F(PageServiceTest, ServesItsFilesUnderAStrictPolicy) {
  const auto page = Get("/savings/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body, "<!doctype html>");
  EXPECT_EQ(Header(page, "Content-Type"), "text/html; charset=utf-8");
  EXPECT_THAT(Header(page, "Content-Security-Policy"), HasSubstr("default-src 'none'; script-src 'self';"));
  EXPECT_EQ(Header(Get("/savings/main.js"), "Content-Type"), "text/javascript; charset=utf-8");
  for (const char* path :
       {"/savings/none.js", "/savings/.stamp", "/savings/../index.html", "/savings/api/", "/savings/api/none", "/savings"}) {
    EXPECT_EQ(Get(path).status, 404) << path;
  }
}

TEST_F(PageServiceTest, WithoutABuiltPageItDoesNotStart) {
  testing::TemporaryDirectory empty;
  const auto page = PageService::Create(empty.path(), *reporter_, *registry_, nullptr);
  EXPECT_EQ(page.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(page.status().message()), HasSubstr("monitoring/savings/build"));
}

TEST_F(PageServiceTest, AnswersTheReportAsJsonAndCsv) {
  const auto json = Get("/savings/api/report", "as_of=2026-03-01T00%3A00%3A00Z");
  EXPECT_EQ(json.status, 200);
  EXPECT_THAT(json.body, HasSubstr(R"("as_of":"2026-03-01T00:00:00Z")"));
  EXPECT_THAT(json.body, HasSubstr(R"("gross":{"cents":1201380,"exams":60})"));
  const auto csv = Get("/savings/api/report.csv");
  EXPECT_THAT(csv.body, HasSubstr("\r\nlakeside,MR,ordering,60,600720,60,600720,0,0,0,0,0,0,"));
  EXPECT_EQ(Header(csv, "Content-Disposition"), "attachment; filename=\"savings.csv\"");
  EXPECT_EQ(Get("/savings/api/report", "as_of=yesterday").status, 400);
  EXPECT_EQ(Get("/savings/api/report", "tenant=nobody").status, 404);
}

TEST_F(PageServiceTest, AnswersFiguresByMonth) {
  const auto figures = Get("/savings/api/figures");
  EXPECT_THAT(
      figures.body,
      HasSubstr(R"({"cents":1201380,"exams":60,"modality":"MR","month":"2025-03","ordering":"lakeside","source":"summit",)"
                R"("source_cents":600660,"state":"pending","word":""})"));
  EXPECT_THAT(figures.body, HasSubstr(R"("lakeside":"The lakeside")"));
}

TEST_F(PageServiceTest, ListsAvoidancesPageByPageWithTheirEntries) {
  const auto first = Get("/savings/api/avoidances", "tenant=lakeside&side=ordering&modality=MR&state=pending");
  EXPECT_THAT(first.body, HasSubstr(R"("more":true,"page":1)"));
  EXPECT_THAT(first.body,
              HasSubstr(absl::StrCat(R"({"index":60,"log":"lakeside","origin":")", kOrigin, R"(","what":"card accepted"})")));
  EXPECT_THAT(first.body, HasSubstr(R"({"cents":10011,"index":700,"log":"summit",)"));
  const auto second = Get("/savings/api/avoidances", "page=2");
  EXPECT_THAT(second.body, HasSubstr(R"("more":false,"page":2)"));
  EXPECT_THAT(Get("/savings/api/avoidances", "state=reversed").body, HasSubstr(R"("rows":[])"));
  for (const char* bad : {"page=0", "page=x", "page=99999999", "as_of=1"})
    EXPECT_EQ(Get("/savings/api/avoidances", bad).status, 400) << bad;
}

TEST_F(PageServiceTest, NothingAFilterSaysReachesTheSql) {
  const auto answer =
      Get("/savings/api/avoidances", "tenant=x%27%3B%20DROP%20TABLE%20savings.posting%3B--&month=%27&modality=%22");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(network_->One("SELECT count(*) FROM savings.posting"), "60");
}

TEST_F(PageServiceTest, HandsOutReceiptsOfTenantsLogsOnly) {
  const std::string origin = "origin=custodian.example%2Fp%2F00000000000000a1";
  const auto receipt = Get("/savings/api/receipt", origin + "&index=7");
  EXPECT_EQ(receipt.status, 200);
  EXPECT_EQ(receipt.body, absl::StrCat("proof of 7 in ", kOrigin));
  EXPECT_EQ(Header(receipt, "Content-Disposition"), "attachment; filename=\"lakeside-7.tlog-proof\"");
  EXPECT_EQ(Get("/savings/api/receipt", origin + "&index=8").status, 503);
  EXPECT_EQ(Get("/savings/api/receipt", origin + "&index=9").status, 404);
  EXPECT_EQ(Get("/savings/api/receipt", origin + "&index=-1").status, 400);
  EXPECT_EQ(Get("/savings/api/receipt", "origin=custodian.example%2Fp%2F00000000000000ff&index=7").status, 404);
}

TEST_F(PageServiceTest, AFaultSaysNothingOfItsInside) {
  ASSERT_TRUE(network_->Sql("ALTER TABLE savings.known_state RENAME TO away").ok());
  const auto answer = Get("/savings/api/figures");
  EXPECT_GE(answer.status, 500);
  EXPECT_THAT(answer.body, Not(HasSubstr("known_state")));
}

}  // namespace
}  // namespace custodian::savings
