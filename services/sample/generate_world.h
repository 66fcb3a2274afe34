// The stage on which cases play: three health systems, the calendar of the population, and what has been written down so far
// (records to import, events, truth). Not thread-safe.
#ifndef CUSTODIAN_SERVICES_SAMPLE_GENERATE_WORLD_H_
#define CUSTODIAN_SERVICES_SAMPLE_GENERATE_WORLD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/sample/generate_fhir.h"
#include "services/sample/generate_person.h"
#include "services/sample/generate_truth.h"

namespace custodian::sample {

constexpr int kSites = 3;

struct GenerateOptions {
  std::uint64_t seed = 1;
  int patients = 300;
  // Orders are placed within this many days before `end`.
  int days = 180;
  absl::Time end;
};

// Something that happens at a tenant at a time; replay plays it.
struct Event {
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  absl::Time time;
  int site = 0;
  // "fhir", "order", "feedback", "watermark", "gap".
  std::string type;
  // JSON object with the rest of its members.
  std::string body;
  // The order event that a feedback answers.
  std::size_t answers = kNone;
};

class World {
 public:
  // InvalidArgument naming the option that does not fit.
  [[nodiscard]] static absl::StatusOr<World> Create(const GenerateOptions& options);

  [[nodiscard]] const GenerateOptions& options() const { return options_; }
  [[nodiscard]] const Site& site(int index) const { return sites_[static_cast<std::size_t>(index)]; }
  // Records before this moment are imported, later ones are events.
  [[nodiscard]] absl::Time start() const { return start_; }
  [[nodiscard]] absl::Time end() const { return options_.end; }
  // When the truth is told: two weeks after the last order.
  [[nodiscard]] absl::Time as_of() const { return end() + absl::Hours(24) * 14; }
  // One feed is interrupted once, so early that only orders accepted before it (by the cases about it) are touched: every other
  // order is placed from first_order() on.
  [[nodiscard]] absl::Time gap_from() const { return start_ + absl::Hours(24) * 8; }
  [[nodiscard]] absl::Time gap_until() const { return start_ + absl::Hours(24) * 10; }
  [[nodiscard]] absl::Time first_order() const { return start_ + absl::Hours(24) * 12; }
  // The first 1 January of 2026 UTC, when prices change.
  [[nodiscard]] static absl::Time PriceYear();

  // Index of the event.
  std::size_t AddEvent(Event event);
  // Entries of one patient's records at a tenant, imported together.
  void Import(int site, std::vector<std::string> entries);
  std::string NewRecordNumber(int site);
  std::string NewAccession(int site);
  std::string NewOrderNumber(int site);
  void InterruptFeed() { gap_reported_ = true; }
  // Watermarks, and the gap if a case needs it. Call last.
  void AddFeeds();

  [[nodiscard]] const std::vector<Event>& events() const { return events_; }
  [[nodiscard]] const std::vector<std::vector<std::string>>& imports(int site) const {
    return imports_[static_cast<std::size_t>(site)];
  }
  People& people() { return people_; }
  Truth& truth() { return truth_; }
  [[nodiscard]] const Truth& truth() const { return truth_; }

 private:
  explicit World(const GenerateOptions& options);
  void AddStaff();

  GenerateOptions options_;
  absl::Time start_;
  std::array<Site, kSites> sites_;
  std::vector<Event> events_;
  std::array<std::vector<std::vector<std::string>>, kSites> imports_;
  std::array<int, kSites> record_numbers_{}, accessions_{}, order_numbers_{};
  bool gap_reported_ = false;
  Random random_;
  People people_;
  Truth truth_;
};

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_GENERATE_WORLD_H_
