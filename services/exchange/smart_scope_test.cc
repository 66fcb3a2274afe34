#include "services/exchange/smart_scope.h"

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace custodian::exchange {
namespace {

SmartScopes Scopes(const std::string& text) {
  const auto scopes = SmartScopes::Parse(text);
  EXPECT_TRUE(scopes.ok()) << scopes.status();
  return scopes.ok() ? *scopes : SmartScopes();
}

TEST(SmartScope, RegistrationTakesWhatIsUnderstoodAndNothingElse) {
  EXPECT_EQ(Scopes("system/Patient.rs system/*.r").Text(), "system/*.r system/Patient.rs");
  EXPECT_EQ(Scopes("  system/Observation.s  system/Observation.r ").Text(), "system/Observation.rs");
  EXPECT_EQ(Scopes("system/Patient.read system/Observation.write system/Encounter.*").Text(),
            "system/Encounter.cruds system/Observation.cud system/Patient.rs");
  for (const char* text :
       {"", "patient/Patient.rs", "system/Patient", "system/Patient.", "system/Patient.sr", "system/Patient.rr", "system/Patient.x", "system/Nothing.r",
        "system/patient.r", "system/.r", "system/*.", "openid", "system/Observation.rs?category=laboratory", "System/Patient.r"})
    EXPECT_FALSE(SmartScopes::Parse(text).ok()) << text;
}

TEST(SmartScope, WhatIsNotUnderstoodIsNotGranted) {
  EXPECT_EQ(SmartScopes::ParseRequested("launch openid patient/*.rs system/Observation.rs?category=x system/Patient.r").Text(), "system/Patient.r");
  EXPECT_TRUE(SmartScopes::ParseRequested("offline_access").empty());
}

TEST(SmartScope, TheGrantIsWhatBothAllow) {
  const auto granted = [](const char* asked, const char* registered) {
    return SmartScopes::ParseRequested(asked).Intersect(Scopes(registered)).Text();
  };
  EXPECT_EQ(granted("system/*.cruds", "system/Patient.rs system/Observation.r"), "system/Observation.r system/Patient.rs");
  EXPECT_EQ(granted("system/Patient.cruds", "system/*.rs"), "system/Patient.rs");
  EXPECT_EQ(granted("system/*.rs system/Patient.cruds", "system/*.cruds"), "system/*.rs system/Patient.cruds");
  EXPECT_EQ(granted("system/*.r", "system/*.rs system/Patient.cruds"), "system/*.r");
  EXPECT_EQ(granted("system/Observation.c", "system/Patient.c"), "");
  EXPECT_EQ(granted("system/Observation.c", "system/Observation.r"), "");
}

struct Row {
  const char* method;
  // Behind the tenant id, with query.
  const char* target;
  const char* needs;
  const char* body = "";
};

// With no scope at all, the first need is told; with that one (and what the row names besides) the request may go on.
TEST(SmartScope, EachInteractionNeedsItsScope) {
  const Row rows[] = {
      {"GET", "metadata", ""},
      {"GET", "Patient/x", "system/Patient.r"},
      {"HEAD", "Patient/x", "system/Patient.r"},
      {"GET", "Patient/x/_history/1", "system/Patient.r"},
      {"GET", "Patient/x/_history", "system/Patient.r"},
      {"GET", "Patient/_history", "system/Patient.s"},
      {"GET", "_history", "system/*.s"},
      {"GET", "Observation?patient=x", "system/Observation.s"},
      {"POST", "Observation/_search", "system/Observation.s"},
      {"POST", "Observation", "system/Observation.c"},
      {"PUT", "Observation/x", "system/Observation.u"},
      {"PATCH", "Observation/x", "system/Observation.u"},
      {"DELETE", "Observation/x", "system/Observation.d"},
      {"PUT", "Observation?identifier=x", "system/Observation.us"},
      {"DELETE", "Observation?identifier=x", "system/Observation.ds"},
      {"GET", "Patient/x/Observation", "system/Observation.s"},
      {"GET", "Patient/x/*", "system/*.s"},
      {"GET", "Patient/x/$everything", "system/*.rs"},
      {"GET", "Patient/x/$ledger-list", "system/AuditEvent.rs"},
      {"POST", "Patient/$match", "system/Patient.rs"},
      {"POST", "Patient/$validate", "system/Patient.r"},
      {"POST", "$reindex", "system/*.cruds"},
      {"GET", "Nothing/x", "system/*.r"},
  };
  for (const Row& row : rows) {
    rpc::HttpRequest request;
    request.method = row.method;
    const std::vector<std::string> parts = absl::StrSplit(row.target, absl::MaxSplits('?', 1));
    if (parts.size() > 1) request.query = parts[1];
    const std::vector<std::string> segments = absl::StrSplit(parts[0], '/', absl::SkipEmpty());
    EXPECT_EQ(MissingScope(SmartScopes(), request, segments).value_or(""), row.needs) << row.method << " " << row.target;
    if (std::string(row.needs).empty()) continue;
    EXPECT_EQ(MissingScope(Scopes(row.needs), request, segments).value_or(""), "") << row.method << " " << row.target;
    EXPECT_EQ(MissingScope(Scopes("system/*.cruds"), request, segments).value_or(""), "") << row.method << " " << row.target;
  }
}

TEST(SmartScope, WhatASearchBringsAlongNeedsItsScopeToo) {
  const auto missing = [](const char* query, const char* scopes) {
    rpc::HttpRequest request;
    request.method = "GET";
    request.query = query;
    return MissingScope(Scopes(scopes), request, {"DiagnosticReport"}).value_or("");
  };
  const char* own = "system/DiagnosticReport.rs";
  EXPECT_EQ(missing("_id=x", own), "");
  EXPECT_EQ(missing("_id=x&_revinclude=Provenance:target", own), "system/Provenance.r");
  EXPECT_EQ(missing("_id=x&_revinclude=Provenance:target", "system/DiagnosticReport.s system/Provenance.r"), "");
  EXPECT_EQ(missing("_include=DiagnosticReport:subject:Patient", own), "system/Patient.r");
  // What names no type brings what may be read.
  EXPECT_EQ(missing("_include=DiagnosticReport:subject", own), "");
  EXPECT_EQ(missing("_include:iterate=*", own), "");
  EXPECT_EQ(missing("_revinclude=*", own), "system/*.r");
  EXPECT_EQ(missing("_has:Observation:derived-from:code=1", own), "");
  EXPECT_EQ(missing("_has:Composition:entry:title=x", own), "system/Composition.s");
  EXPECT_EQ(missing("_has:Composition:entry:subject:Patient.name=x", own), "system/Composition.s");
  EXPECT_EQ(missing("_has:Composition:entry:subject:Patient.name=x", "system/DiagnosticReport.s system/Composition.s"), "system/Patient.s");
  EXPECT_EQ(missing("subject:Patient.name=x", own), "system/Patient.s");
  EXPECT_EQ(missing("subject:Patient.name=x", "system/DiagnosticReport.s system/Patient.s"), "");
  // A subject may be a Location too, and that has a name.
  EXPECT_EQ(missing("subject.name=x", "system/DiagnosticReport.s system/Patient.s"), "system/Location.s");
  EXPECT_EQ(missing("subject:Patient.general-practitioner:Practitioner.name=x", "system/DiagnosticReport.s system/Patient.s"), "system/Practitioner.s");
  EXPECT_EQ(missing("result._has:Provenance:target:recorded=2026", "system/DiagnosticReport.s system/Observation.s"), "system/Provenance.s");
  // What will be refused reaches nothing.
  EXPECT_EQ(missing("subject:Patient.colour=x", own), "");
  EXPECT_EQ(missing("code.name=x", own), "");
  EXPECT_EQ(missing("%5Finclude=DiagnosticReport:subject:Patient", own), "system/Patient.r");

  rpc::HttpRequest request;
  request.method = "POST";
  request.body = "patient=x&_include=DiagnosticReport%3Asubject%3APatient";
  EXPECT_EQ(MissingScope(Scopes(own), request, {"DiagnosticReport", "_search"}).value_or(""), "system/Patient.r");
  request.body = "subject%3APatient.name=x";
  EXPECT_EQ(MissingScope(Scopes(own), request, {"DiagnosticReport", "_search"}).value_or(""), "system/Patient.s");
  request.method = "GET";
  request.query = "subject:Patient.name=x";
  EXPECT_EQ(MissingScope(Scopes(own), request, {"Patient", "p", "DiagnosticReport"}).value_or(""), "system/Patient.s");
  request.query = "";
  request.method = "POST";
  request.body = "{}";
  request.headers = {{"if-none-exist", "identifier=x"}};
  EXPECT_EQ(MissingScope(Scopes("system/DiagnosticReport.c"), request, {"DiagnosticReport"}).value_or(""), "system/DiagnosticReport.cs");
}

TEST(SmartScope, EveryEntryOfABundleNeedsItsOwn) {
  const auto missing = [](const std::string& body, const char* scopes) {
    rpc::HttpRequest request;
    request.method = "POST";
    request.body = body;
    return MissingScope(Scopes(scopes), request, {}).value_or("");
  };
  const std::string bundle =
      R"({"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"PUT","url":"Patient/x"},"resource":{"resourceType":"Patient"}},)"
      R"({"request":{"method":"POST","url":"Observation"},"resource":{"resourceType":"Observation"}},{"request":{"method":"GET","url":"Encounter?patient=x"}},)"
      R"({"request":{"method":"DELETE","url":"https://host/fhir/0123456789abcdef/Condition/y"}}]})";
  EXPECT_EQ(missing(bundle, "system/*.cruds"), "");
  EXPECT_EQ(missing(bundle, "system/Patient.u system/Observation.c system/Encounter.s system/Condition.d"), "");
  EXPECT_EQ(missing(bundle, "system/Patient.u system/Observation.c system/Encounter.s"), "system/Condition.d");
  EXPECT_EQ(missing(bundle, "system/Observation.c system/Encounter.s system/Condition.d"), "system/Patient.u");
  // The resource is what would be stored, whatever the URL says.
  EXPECT_EQ(missing(R"({"entry":[{"request":{"method":"POST","url":"Patient"},"resource":{"resourceType":"Consent"}}]})", "system/Patient.c"),
            "system/Consent.c");
  EXPECT_EQ(missing("no JSON", "system/Patient.r"), "");
}

}  // namespace
}  // namespace custodian::exchange
