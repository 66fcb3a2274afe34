#include "services/sample/generate.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/sample/generate_json.h"
#include "services/sample/generate_scenarios.h"

namespace custodian::sample {
namespace {

constexpr std::uint64_t kDrawStream = 11;
constexpr std::uint64_t kCaseStreams = 1000;
constexpr std::size_t kPatientsPerBundle = 20;

// A scenario for each patient: every possible one once while there are patients, then by weight; in seeded order.
std::vector<const Scenario*> Draw(const std::vector<Scenario>& all, World& world) {
  Random random(world.options().seed, kDrawStream);
  std::vector<const Scenario*> possible;
  for (const Scenario& scenario : all) {
    if (!scenario.possible || scenario.possible(world)) {
      possible.push_back(&scenario);
    } else {
      world.truth().LeaveOut(scenario.name);
    }
  }
  const auto patients = static_cast<std::size_t>(world.options().patients);
  std::vector<const Scenario*> drawn = possible;
  random.Shuffle(drawn);
  while (drawn.size() > patients) {
    world.truth().LeaveOut(drawn.back()->name);
    drawn.pop_back();
  }
  std::vector<const Scenario*> weighted;
  for (const Scenario* scenario : possible) weighted.insert(weighted.end(), static_cast<std::size_t>(scenario->weight), scenario);
  while (drawn.size() < patients) drawn.push_back(random.Pick(weighted));
  random.Shuffle(drawn);
  return drawn;
}

std::string PopulationJson(const World& world) {
  std::vector<std::string> tenants;
  for (int i = 0; i < kSites; ++i) {
    const Site& site = world.site(i);
    tenants.push_back(Object({{"accession_system", Text(site.accession_system)},
                              {"display_name", Text(site.display_name)},
                              {"name", Text(site.name)},
                              {"organization_system", Text(site.organization_system)},
                              {"organization_value", Text(site.organization_value)},
                              {"time_zone", Text(site.time_zone)}}));
  }
  const GenerateOptions& options = world.options();
  return Object({{"as_of", Text(Utc(world.as_of()))},
                 {"days", Number(options.days)},
                 {"end", Text(Utc(options.end))},
                 {"format", "1"},
                 {"patients", Number(options.patients)},
                 {"seed", absl::StrCat(options.seed)},
                 {"start", Text(Utc(world.start()))},
                 {"tenants", Array(tenants)}}) +
         "\n";
}

void AddBundles(const World& world, int site, std::map<std::string, std::string>& files) {
  std::vector<std::string> entries;
  int number = 0;
  std::size_t patients = 0;
  const auto flush = [&] {
    if (entries.empty()) return;
    files[absl::StrFormat("tenants/%s/bundles/%03d.json", world.site(site).name, number++)] = TransactionBundle(entries) + "\n";
    entries.clear();
    patients = 0;
  };
  for (const auto& group : world.imports(site)) {
    entries.insert(entries.end(), group.begin(), group.end());
    // The first group is the organization and its practitioners: what all others refer to goes first.
    if (number == 0 || ++patients == kPatientsPerBundle) flush();
  }
  flush();
}

// By time; at one time, as the cases told it.
std::string EventLines(const World& world) {
  const std::vector<Event>& events = world.events();
  std::vector<std::size_t> order(events.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&events](std::size_t a, std::size_t b) { return events[a].time < events[b].time; });
  std::vector<std::size_t> sequence(events.size());
  for (std::size_t i = 0; i < order.size(); ++i) sequence[order[i]] = i + 1;
  std::string lines;
  for (const std::size_t index : order) {
    const Event& event = events[index];
    const std::string head =
        Object({{"seq", Number(static_cast<std::int64_t>(sequence[index]))},
                {"time", Text(Utc(event.time))},
                {"tenant", Text(world.site(event.site).name)},
                {"type", Text(event.type)},
                {"order_seq", event.answers == Event::kNone ? "" : Number(static_cast<std::int64_t>(sequence[event.answers]))}});
    // Two objects become one: "{head}" and "{body}", neither empty.
    absl::StrAppend(&lines, head.substr(0, head.size() - 1), ",", event.body.substr(1), "\n");
  }
  return lines;
}

}  // namespace

std::vector<Scenario> AllScenarios() {
  std::vector<Scenario> all;
  for (auto part : {PriorScenarios(), ConsentScenarios(), IdentityScenarios(), ClinicianScenarios(), AftermathScenarios(),
                    EdgeScenarios(), CalendarScenarios()}) {
    std::move(part.begin(), part.end(), std::back_inserter(all));
  }
  return all;
}

absl::StatusOr<Population> Generate(const GenerateOptions& options, const Progress& progress) {
  auto created = World::Create(options);
  if (!created.ok()) return created.status();
  World& world = *created;
  const std::vector<Scenario> all = AllScenarios();
  const std::vector<const Scenario*> drawn = Draw(all, world);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    Case patient(world, drawn[i]->name, Random(options.seed, kCaseStreams + i));
    drawn[i]->play(patient);
    patient.Finish();
    if (progress) progress(static_cast<int>(i) + 1, options.patients);
  }
  world.AddFeeds();

  Population population;
  population.as_of = world.as_of();
  population.orders = world.truth().orders().size();
  population.events = world.events().size();
  population.files["population.json"] = PopulationJson(world);
  for (int site = 0; site < kSites; ++site) {
    population.files[absl::StrCat("tenants/", world.site(site).name, "/prices.csv")] = PricesCsv(site);
    AddBundles(world, site, population.files);
  }
  population.files["events.ndjson"] = EventLines(world);
  population.files["truth.json"] = world.truth().Json(world.as_of()) + "\n";
  return population;
}

}  // namespace custodian::sample
