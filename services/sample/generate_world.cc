#include "services/sample/generate_world.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/sample/generate_json.h"

namespace custodian::sample {
namespace {

constexpr int kDaysMin = 60;
constexpr int kDaysMax = 700;
constexpr int kPatientsMax = 1'000'000;
constexpr int kPractitioners = 6;
// Stream numbers of Random; cases have their own from kCaseStreams on.
constexpr std::uint64_t kWorldStream = 10;

absl::Time FirstPrice() { return absl::FromCivil(absl::CivilDay(2025, 1, 1), absl::UTCTimeZone()); }

struct SiteFacts {
  const char* name;
  const char* display_name;
  const char* time_zone;
  const char* npi;
  const char* prefix;
};
constexpr SiteFacts kSiteFacts[kSites] = {
    {"lakeside", "Lakeside Health Partners", "America/Chicago", "1993999998", "LK"},
    {"northgate", "Northgate Medical Center", "America/New_York", "1992888887", "NG"},
    {"riverbend", "Riverbend Regional Hospitals", "America/Denver", "1991777776", "RB"},
};

}  // namespace

absl::Time World::PriceYear() { return absl::FromCivil(absl::CivilDay(2026, 1, 1), absl::UTCTimeZone()); }

absl::StatusOr<World> World::Create(const GenerateOptions& options) {
  if (options.patients < 1 || options.patients > kPatientsMax) {
    return absl::InvalidArgumentError(absl::StrCat("--patients must be 1 to ", kPatientsMax));
  }
  if (options.days < kDaysMin || options.days > kDaysMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("--days must be ", kDaysMin, " to ", kDaysMax, ": cases are followed to their end"));
  }
  if (options.end - absl::Hours(24) * options.days < FirstPrice()) {
    return absl::InvalidArgumentError("--end less --days must not lie before 2025-01-01, where prices begin");
  }
  if (absl::ToUnixMillis(options.end) % 1000 != 0) return absl::InvalidArgumentError("--end must be a whole second");
  World world(options);
  for (int i = 0; i < kSites; ++i) {
    Site& site = world.sites_[static_cast<std::size_t>(i)];
    if (!absl::LoadTimeZone(site.time_zone, &site.zone)) {
      return absl::NotFoundError(absl::StrCat("time zone ", site.time_zone, " is not known here; install tzdata"));
    }
  }
  world.AddStaff();
  return world;
}

World::World(const GenerateOptions& options)
    : options_(options),
      start_(options.end - absl::Hours(24) * options.days),
      random_(options.seed, kWorldStream),
      people_(options.seed) {
  for (std::size_t i = 0; i < kSites; ++i) {
    const SiteFacts& facts = kSiteFacts[i];
    Site& site = sites_[i];
    site.name = facts.name;
    site.display_name = facts.display_name;
    site.time_zone = facts.time_zone;
    site.organization_system = "http://hl7.org/fhir/sid/us-npi";
    site.organization_value = facts.npi;
    site.accession_system = absl::StrCat("https://", facts.name, ".example/accession");
    site.order_system = absl::StrCat("https://", facts.name, ".example/order");
    site.record_number_system = absl::StrCat("https://", facts.name, ".example/mrn");
    site.prefix = facts.prefix;
  }
}

void World::AddStaff() {
  for (std::size_t i = 0; i < kSites; ++i) {
    Site& site = sites_[i];
    site.organization_id = random_.Uuid();
    std::vector<std::string> entries{PutEntry("Organization", site.organization_id, OrganizationJson(site))};
    for (int n = 0; n < kPractitioners; ++n) {
      const std::string id = random_.Uuid();
      site.practitioner_ids.push_back(id);
      const std::string family = People::PractitionerFamily(random_);
      entries.push_back(PutEntry("Practitioner", id, PractitionerJson(site, id, family, People::PractitionerGiven(random_))));
    }
    Import(static_cast<int>(i), std::move(entries));
  }
}

std::size_t World::AddEvent(Event event) {
  events_.push_back(std::move(event));
  return events_.size() - 1;
}

void World::Import(int site, std::vector<std::string> entries) {
  imports_[static_cast<std::size_t>(site)].push_back(std::move(entries));
}

std::string World::NewRecordNumber(int site) {
  return absl::StrFormat("%s%07d", sites_[static_cast<std::size_t>(site)].prefix,
                         1'000'003 + 17 * record_numbers_[static_cast<std::size_t>(site)]++);
}

std::string World::NewAccession(int site) {
  return absl::StrFormat("%s-A%07d", sites_[static_cast<std::size_t>(site)].prefix,
                         2'000'001 + 13 * accessions_[static_cast<std::size_t>(site)]++);
}

std::string World::NewOrderNumber(int site) {
  return absl::StrFormat("%s-O%07d", sites_[static_cast<std::size_t>(site)].prefix,
                         3'000'011 + 7 * order_numbers_[static_cast<std::size_t>(site)]++);
}

void World::AddFeeds() {
  const auto watermark = [this](int site, absl::Time at, absl::Time through) {
    AddEvent({at, site, "watermark", Object({{"idempotency_key", Text(random_.Uuid())}, {"through", Text(Utc(through))}})});
  };
  for (int site = 0; site < kSites; ++site) {
    // Weekly, in the night, for all that was delivered until the day before; and at the end through the end itself.
    for (absl::Time at = start_ + absl::Hours(24 * 7 + 6) + absl::Minutes(20 * site); at < as_of(); at += absl::Hours(24 * 7)) {
      watermark(site, at, at - absl::Hours(24));
    }
  }
  if (gap_reported_) {
    const int site = static_cast<int>(random_.Below(kSites));
    AddEvent(
        {gap_until() + absl::Hours(5), site, "gap",
         Object({{"from", Text(Utc(gap_from()))}, {"idempotency_key", Text(random_.Uuid())}, {"to", Text(Utc(gap_until()))}})});
  }
  for (int site = 0; site < kSites; ++site) watermark(site, as_of(), as_of());
}

}  // namespace custodian::sample
