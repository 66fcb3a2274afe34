// The tables that come with the program (services/consent/*.csv), as they lie in the sources.
#ifndef CUSTODIAN_SERVICES_CONSENT_BUILT_IN_TABLES_H_
#define CUSTODIAN_SERVICES_CONSENT_BUILT_IN_TABLES_H_

namespace custodian::consent {

extern const char kPurposesCsv[];
extern const char kSensitivityCsv[];
// v3-ActCode below _ActInformationSensitivityPolicy, and 42CFRPart2.
extern const char kSensitivityCodesCsv[];
extern const char kMinorsCsv[];
extern const char kRepresentativesCsv[];

}  // namespace custodian::consent

#endif  // CUSTODIAN_SERVICES_CONSENT_BUILT_IN_TABLES_H_
