#include "services/exchange/locator_audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/exchange/matching.h"

namespace custodian::exchange {
namespace {

using ::testing::HasSubstr;

class AuditLocatorTest : public ::testing::Test {
 protected:
  LocatedPatient Located(const std::string& token) const {
    LocatedPatient located;
    located.link = link_;
    if (!token.empty()) located.marks = {std::hash<std::string>()(token)};
    return located;
  }
  LocatorDigests Digests(const std::string& token) const { return {{link_, LocatorDigest(Located(token))}}; }
  std::string Findings(const LocatorDigests& before, const LocatorDigests& after) const {
    ledger::Findings findings("origin");
    AuditLocator(link_.tenant, partition_, before, after, findings);
    std::string text;
    for (const ledger::Finding& finding : findings.Take()) text += finding.position + ": " + finding.message;
    return text;
  }
  void Entry(const std::string& token) {
    partition_.located[link_.patient.bytes()] = {7, std::string(ledger::AsBytes(LocatorDigest(Located(token))))};
  }

  const PatientLink link_{TenantId::Parse("00000000000000aa").value(), PatientId::Random()};
  log::AuditedPartition partition_;
};

TEST_F(AuditLocatorTest, RowsMustBeThoseOfTheNewestEntry) {
  Entry("new");
  EXPECT_EQ(Findings(Digests("new"), Digests("new")), "");
  EXPECT_THAT(Findings(Digests("old"), Digests("old")), HasSubstr("its rows are not those that leaf 7 names"));
  EXPECT_THAT(Findings({}, {}), HasSubstr("its rows are not those that leaf 7 names"));
}

TEST_F(AuditLocatorTest, ChangesDuringTheAuditAreNone) {
  Entry("new");
  EXPECT_EQ(Findings(Digests("old"), Digests("new")), "");
  EXPECT_EQ(Findings(Digests("new"), Digests("newer")), "");
  partition_.to_locate = {link_.patient.bytes()};
  EXPECT_EQ(Findings(Digests("old"), Digests("old")), "");
}

TEST_F(AuditLocatorTest, PatientWithoutTokensHasNoRows) {
  Entry("");
  EXPECT_EQ(Findings({}, {}), "");
}

TEST_F(AuditLocatorTest, RowsOfNobodyAreNamed) {
  EXPECT_THAT(Findings(Digests("any"), Digests("any")), HasSubstr("no entry names such a patient"));
  const LocatorDigests others{{{TenantId::Parse("00000000000000bb").value(), link_.patient}, LocatorDigest(Located("any"))}};
  EXPECT_EQ(Findings(others, others), "");
}

}  // namespace
}  // namespace custodian::exchange
