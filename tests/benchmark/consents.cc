// Consent decisions a second on one core, from memory.
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "services/consent/decide.h"
#include "tests/benchmark/measure.h"

namespace custodian::benchmark {
namespace {

using consent::Consent;
using consent::Effect;
using consent::Provision;
using consent::Question;

constexpr int kConsents = 6;
constexpr int kQuestions = 64;
// Between two looks at the clock.
constexpr int kAtOnce = 64;

Provision Rule(Effect effect, int n) {
  Provision rule;
  rule.effect = effect;
  rule.actors = {{{"IRCP"}, {{"urn:org", "org-" + std::to_string(n)}, {"urn:org", "org-" + std::to_string(n + 1)}}}};
  rule.purposes = {"TREAT"};
  return rule;
}

// As a patient who uses all of it: each Consent permits two organizations, denies one of them a kind of data, and names a label for the other.
std::vector<Consent> Consents(absl::Time now) {
  std::vector<Consent> consents;
  for (int i = 0; i < kConsents; ++i) {
    Provision root = Rule(Effect::kPermit, i);
    root.from = now - absl::Hours(24 * 30);
    root.until = now + absl::Hours(24 * 300);
    Provision deny = Rule(Effect::kDeny, i);
    deny.codes = {{"http://loinc.org", "1-" + std::to_string(i)}, {"http://loinc.org", "2-" + std::to_string(i)}};
    Provision label = Rule(Effect::kPermit, i + 1);
    label.labels = {"HIV", "MH"};
    Provision types = Rule(Effect::kDeny, i);
    types.classes = {{"http://hl7.org/fhir/resource-types", "DocumentReference"}};
    types.has_data_period = true;
    types.data_until = now - absl::Hours(24 * 3'000);
    root.nested = {deny, label, types};
    consents.push_back({true, true, root, now - absl::Hours(i + 1)});
  }
  return consents;
}

std::vector<Question> Questions(absl::Time now) {
  std::vector<Question> questions;
  for (int i = 0; i < kQuestions; ++i) {
    Question question{{"urn:org", "org-" + std::to_string(i % (kConsents + 2))}, i % 5 == 0 ? "HRESCH" : "TREAT", now};
    question.data.type = i % 3 == 0 ? "Observation" : "DiagnosticReport";
    question.data.id = "r" + std::to_string(i);
    for (int code = 0; code < 8; ++code) question.data.codes.push_back({"http://loinc.org", std::to_string(code % 3) + "-" + std::to_string(i % 40)});
    if (i % 4 == 0) question.data.labels = {"HIV"};
    question.data.from = now - absl::Hours(24 * i);
    question.data.until = question.data.from + absl::Milliseconds(1);
    questions.push_back(question);
  }
  return questions;
}

// Decisions a second; `permitted` keeps them from being optimized away.
template <typename Decide>
double PerSecond(absl::Duration time, const std::vector<Question>& questions, const Decide& decide, std::size_t& permitted) {
  const absl::Time start = absl::Now();
  absl::Duration taken;
  std::size_t count = 0;
  do {
    for (int i = 0; i < kAtOnce; ++i) permitted += decide(questions[count++ % questions.size()]).permit;
    taken = absl::Now() - start;
  } while (taken < time);
  return static_cast<double>(count) / absl::ToDoubleSeconds(taken);
}

}  // namespace

absl::StatusOr<Report> MeasureConsents(const Settings& settings) {
  const absl::Time now = absl::FromUnixSeconds(1'767'225'600);
  const std::vector<Consent> consents = Consents(now);
  const std::vector<Question> questions = Questions(now);
  const consent::ConsentRules rules(consents, {});
  std::size_t permitted = 0;
  double ours = 0, peer = 0;
  for (int round = 0; round < settings.rounds; ++round) {
    ours += PerSecond(settings.slice, questions, [&](const Question& question) { return rules.Decide(question); }, permitted) / settings.rounds;
    peer += PerSecond(settings.slice, questions, [&](const Question& question) { return consent::Decide(consents, question); }, permitted) / settings.rounds;
  }
  if (permitted == 0) return absl::InternalError("no question was permitted: nothing was measured");
  return Report{{{"consent_decisions", ours, "1/s", "the same consents, compiled anew for each decision", peer}},
                {{"consent_documents", kConsents}, {"consent_rules", kConsents * 4}}};
}

}  // namespace custodian::benchmark
