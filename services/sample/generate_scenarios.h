// The stories of the made population. Each plays one patient and says what is true of every order in it and why. A story that the
// chosen calendar has no room for (a price year, a change of clocks) is left out and named.
#ifndef CUSTODIAN_SERVICES_SAMPLE_GENERATE_SCENARIOS_H_
#define CUSTODIAN_SERVICES_SAMPLE_GENERATE_SCENARIOS_H_

#include <functional>
#include <string>
#include <vector>

#include "services/sample/generate_case.h"

namespace custodian::sample {

struct Scenario {
  std::string name;
  std::function<void(Case&)> play;
  // How often it is drawn once every scenario has appeared.
  int weight = 1;
  // Absent: always.
  std::function<bool(const World&)> possible = nullptr;
};

// What is known: no prior, priors that do not fit, several, amended, copied.
[[nodiscard]] std::vector<Scenario> PriorScenarios();
// Consent, and who is who.
[[nodiscard]] std::vector<Scenario> ConsentScenarios();
[[nodiscard]] std::vector<Scenario> IdentityScenarios();
// What the clinician is shown and does.
[[nodiscard]] std::vector<Scenario> ClinicianScenarios();
// Orders given again, exams performed after all, feeds interrupted, patients who die.
[[nodiscard]] std::vector<Scenario> AftermathScenarios();
// Edges of windows, clocks and calendars.
[[nodiscard]] std::vector<Scenario> EdgeScenarios();
[[nodiscard]] std::vector<Scenario> CalendarScenarios();

// All of them, in a fixed order.
[[nodiscard]] std::vector<Scenario> AllScenarios();

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_GENERATE_SCENARIOS_H_
